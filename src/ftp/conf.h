/* What a configuration says, after parsing and merging: plain structs that every process reads.
 *
 * One load makes one immutable struct ftp_config (a generation) in one arena. Master makes it before it
 * forks, so login, auth and session processes inherit it; a reload makes the next generation and leaves this
 * one to those who logged in under it. The scopes form a tree:
 *
 *     server (main, or a <VirtualHost>)  ->  <Anonymous>  ->  <Directory>  (->  .ftpaccess, read at run time)
 *                                        ->  <Directory>
 *
 * Each scope's conf holds final values: what the scope does not set itself comes from the scope around it,
 * and for servers from <Global>. Nobody outside src/ftp/ and src/conf/ knows how text became values.
 *
 * To add a directive: add a field here, and a row in the directives_*.c that fits; the checks,
 * --list-directives and the manual page follow from the row.
 */
#ifndef FTP_CONF_H
#define FTP_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/err.h"
#include "conf/conf.h"
#include "ftp/charset.h"
#include "ftp/regex.h"
#include "ftp/digest.h"
#include "ftp/live.h"
#include "tls/tls.h"

/* Head of every entry of a multi-valued directive: next, file, line, level. The engine links and levels
 * them. Lists are in order of use: innermost scope first, then file order. */
#define ftp_item conf_item

/* --- expressions and address rules --- */

struct ftp_expr; /* compiled user/group/class expression */
struct ftp_acl;  /* compiled Allow/Deny/From item list */

/* Who is asked about. Unknown parts are NULL. All borrowed. */
struct ftp_subject {
	const char *user;
	const char *const *groups; /* names, n_groups of them */
	unsigned n_groups;
	const char *class_name;
	const struct addr *client;
	const char *client_name; /* verified DNS name, else NULL */
	const char *arg;         /* of the command that runs, for AllowFilter and DenyFilter in <Limit> */
	bool authenticated;      /* false: user and groups are not known yet */
};

enum ftp_expr_kind { FTP_EXPR_USER, FTP_EXPR_GROUP, FTP_EXPR_CLASS };
bool ftp_expr_match(const struct ftp_expr *e, enum ftp_expr_kind kind, const struct ftp_subject *who);
bool ftp_acl_match(const struct ftp_acl *acl, const struct addr *client, const char *client_name);

/* Optional "user|group|class expr" tail of TransferRate, Max*FileSize. */
struct ftp_selector {
	bool present;
	enum ftp_expr_kind kind;
	const struct ftp_expr *expr;
};

/* --- values of multi-valued directives --- */

/* Bits for the commands that TransferRate and MaxTransfersPer* take. */
enum { FTP_XFER_RETR = 1, FTP_XFER_STOR = 2, FTP_XFER_APPE = 4, FTP_XFER_STOU = 8 };

struct ftp_rate { /* TransferRate */
	struct ftp_item item;
	unsigned commands;      /* FTP_XFER_ bits */
	uint64_t bytes_per_sec; /* 0 = unlimited */
	uint64_t free_bytes;
	struct ftp_selector who;
	uint64_t key; /* of the line: sections, commands and selector, not the number; never 0 */
};

enum ftp_total_kind { FTP_TOTAL_USER, FTP_TOTAL_CLASS, FTP_TOTAL_SERVER };
struct ftp_rate_total { /* TransferRateTotal */
	struct ftp_item item;
	unsigned commands;        /* FTP_XFER_ bits */
	uint64_t bytes_per_sec;   /* 0 = unlimited */
	enum ftp_total_kind kind; /* who shares it */
	struct ftp_selector who;
	uint64_t key; /* as in ftp_rate */
};

struct ftp_max_size { /* MaxStoreFileSize, MaxRetrieveFileSize */
	struct ftp_item item;
	uint64_t bytes; /* UINT64_MAX for '*' */
	struct ftp_selector who;
};

struct ftp_profile { /* ClientProfile */
	struct ftp_item item;
	unsigned quirks; /* FTP_QUIRK_ bits of profile.h */
	struct ftp_selector who;
};

struct ftp_max_xfers { /* MaxTransfersPerHost, MaxTransfersPerUser */
	struct ftp_item item;
	unsigned commands;
	unsigned max;
	const char *message; /* with %m unexpanded, never NULL */
};

struct ftp_filter {                 /* AllowFilter, DenyFilter, PathAllowFilter, PathDenyFilter */
	struct ftp_pattern pattern; /* re NULL: not set */
	const char *file;
	unsigned line;
};

struct ftp_hide_files { /* HideFiles */
	struct ftp_item item;
	struct ftp_pattern pattern; /* re NULL: the word none */
	struct ftp_selector who;
};

struct ftp_hide_name { /* HideUser, HideGroup */
	struct ftp_item item;
	const char *name; /* "~" = the session's own */
	bool negate;      /* all but these */
	struct ftp_selector who;
};

struct ftp_dir_rule { /* DefaultRoot, DefaultChdir, CDPath */
	struct ftp_item item;
	const char *path;              /* may start with ~ */
	const struct ftp_expr *groups; /* NULL = everyone */
};

struct ftp_alias { /* UserAlias: alias ("*" for any) to real name */
	struct ftp_item item;
	const char *alias, *user;
};

struct ftp_user_password { /* UserPassword */
	struct ftp_item item;
	const char *user, *hash; /* hash is wiped in processes other than auth */
};

struct ftp_class_max { /* MaxClientsPerClass */
	struct ftp_item item;
	const char *class_name;
	unsigned max; /* 0 = none */
	const char *message;
};

struct ftp_env { /* SetEnv, UnsetEnv (value NULL) */
	struct ftp_item item;
	const char *name, *value;
};

struct ftp_log_format { /* LogFormat */
	struct ftp_item item;
	const char *name, *format;
};

/* A log file that master opens. After rotation master hands out a new descriptor, which every process puts
 * over fd with dup2(), so the number stays. */
struct ftp_logfile {
	struct ftp_logfile *next;
	const char *path;
	unsigned index; /* position in ftp_config.logfiles */
	bool allow_symlink;
	int fd; /* -1 until master has opened it */
};

struct ftp_extlog { /* ExtendedLog */
	struct ftp_item item;
	struct ftp_logfile *file; /* NULL: syslog */
	int syslog_level;         /* when file is NULL */
	const char *classes;      /* second word as written; NULL = ALL */
	const char *format_name;  /* NULL = default */
	const char *format;       /* text of that format, never NULL after the load */
};

/* A limit with its message. max 0 = not limited. */
struct ftp_max {
	unsigned max;
	const char *message; /* %m unexpanded, never NULL */
};

enum ftp_list_flags { /* ListOptions */
	FTP_LIST_STRICT = 1,
	FTP_LIST_ONLY_LIST = 2,
	FTP_LIST_ONLY_NLST = 4,
	FTP_LIST_NO_ERROR_IF_ABSENT = 8,
	FTP_LIST_ADJUSTED_SYMLINKS = 16,
	FTP_LIST_SORTED_NLST = 32,
};

struct ftp_list_options { /* ListOptions */
	struct ftp_item item;
	const char *options; /* as written, e.g. "-a +R"; may be empty */
	unsigned flags;
	unsigned max_files, max_dirs, max_depth; /* 0 = no limit */
};

enum ftp_sendfile_kind { FTP_SENDFILE_ON, FTP_SENDFILE_OFF, FTP_SENDFILE_PERCENT, FTP_SENDFILE_BYTES };
struct ftp_sendfile { /* UseSendfile */
	enum ftp_sendfile_kind kind;
	double percent; /* 0 < p <= 100 */
	uint64_t bytes; /* > 0 */
};

struct ftp_mmap_file { /* TransferMMapFile */
	struct ftp_item item;
	char *const *paths; /* absolute host paths */
	unsigned n_paths;
};

#define FTP_MMAP_MAX_FILE ((uint64_t)64 << 30) /* bytes of MaxFile unless said otherwise */
struct ftp_mmap_options {                      /* TransferMMapOptions; all 0 when not given */
	unsigned flags;                        /* PRELOAD_ of vfs/preload.h */
	uint64_t max_file;                     /* bytes, 0 = FTP_MMAP_MAX_FILE */
	uint64_t max_total;                    /* bytes, 0 = no limit */
};

struct ftp_hidden { /* HiddenStores */
	bool on;
	const char *prefix, *suffix; /* final forms around the name; %P = pid */
};

struct ftp_owner { /* UserOwner, GroupOwner */
	bool set;
	uint32_t id;
};

struct ftp_create_home { /* CreateHome */
	bool on;
	mode_t mode, dir_mode;                /* of the home, of missing directories above it */
	const char *skel;                     /* what is copied into it; NULL = nothing */
	struct ftp_owner dir_user, dir_group; /* of missing directories above it; not set: root's */
	bool dir_user_own, dir_group_own;     /* they are the user's */
	struct ftp_owner home_group;          /* not set: the user's */
	bool as_user;                         /* NoRootPrivs */
};

/* What bans count; see ftp_ban_teller(). */
enum ftp_ban_event {
	FTP_BAN_BAD_PROTOCOL = 1,
	FTP_BAN_CONNECT_RATE,
	FTP_BAN_LOGIN_RATE,
	FTP_BAN_MAX_CLIENTS_PER_CLASS,
	FTP_BAN_MAX_CLIENTS_PER_HOST,
	FTP_BAN_MAX_CLIENTS_PER_USER,
	FTP_BAN_MAX_CONNECTIONS_PER_HOST,
	FTP_BAN_MAX_HOSTS_PER_USER,
	FTP_BAN_MAX_LOGIN_ATTEMPTS,
	FTP_BAN_MAX_LOGIN_ATTEMPTS_FROM_USER,
	FTP_BAN_ANON_REJECT_PASSWORDS,
	FTP_BAN_EMPTY_PASSWORD,
	FTP_BAN_ROOT_LOGIN,
	FTP_BAN_TIMEOUT_LOGIN,
	FTP_BAN_TLS_HANDSHAKE,
	FTP_BAN_UNHANDLED_COMMAND,
	FTP_BAN_MAX_COMMAND_RATE,
	FTP_BAN_TIMEOUT_IDLE,
	FTP_BAN_TIMEOUT_NO_TRANSFER,
	FTP_BAN_EVENT_COUNT
};
/* Which processes see the event: bits of 1 << enum ipc_role; 0: master itself. */
unsigned ftp_ban_tellers(enum ftp_ban_event event);
/* Does a rule count it? */
bool ftp_ban_counts(const struct ftp_conf *conf, enum ftp_ban_event event);

struct ftp_ban_rule { /* BanOnEvent */
	struct ftp_item item;
	enum ftp_ban_event event;
	const char *name;     /* of the event */
	unsigned count;       /* that many ... */
	uint64_t interval_ms; /* ... in that time */
	uint64_t expiry_ms;   /* how long the ban lasts */
	const char *message;  /* NULL: BanMessage */
};

struct ftp_rlimit { /* RLimit*: of a process */
	bool set;
	uint64_t soft, hard; /* UINT64_MAX = max */
};

enum ftp_root_revoke {
	FTP_ROOT_REVOKE_UNSET,
	FTP_ROOT_REVOKE_ON,
	FTP_ROOT_REVOKE_OFF,
	FTP_ROOT_REVOKE_RELAXED
};
enum ftp_tristate { FTP_UNSET = 0, FTP_OFF, FTP_ON };

struct ftp_foreign { /* AllowForeignAddress */
	bool on;
	const char *class_name; /* NULL unless a class was named */
};

struct ftp_socket_options { /* SocketOptions; 0 = the system's own choice */
	unsigned maxseg, rcvbuf, sndbuf;
	bool keepalive;
	unsigned keepalive_idle, keepalive_count,
		keepalive_interval; /* seconds, count, seconds; 0 = system */
};

struct ftp_qos { /* QoSOptions */
	bool ctrl_set, data_set;
	uint8_t ctrl, data; /* the byte of the packets */
};

struct ftp_display {      /* Display* file */
	const char *path; /* NULL = none */
	bool once;        /* DisplayChdir */
	const char *
		text; /* content, read at load when the path is absolute; NULL when it is relative or missing */
};

struct ftp_wrap_tables { /* WrapTables, WrapUserTables, WrapGroupTables, and the TCP*AccessFiles */
	struct ftp_item item;
	const struct ftp_expr *who; /* of users or groups; NULL: all */
	const char *allow, *deny;   /* path, may begin with ~/ and have %U in it; "" = matches all */
};
struct ftp_wrap {
	const char *service;
	struct ftp_wrap_tables *users, *groups, *all;
};

struct rewrite_template;
struct ftp_rewrite_cond { /* RewriteCondition */
	struct ftp_item item;
	const struct rewrite_template *text;
	int compare;                /* REWRITE_ of rewrite.h */
	struct ftp_pattern pattern; /* REWRITE_REGEX */
	const char *plain;          /* the others */
	bool negate;                /* of them */
	bool or_next;
};
#define FTP_REWRITE_CONDS 32u /* of one rule */
struct ftp_rewrite_rule {     /* RewriteRule */
	struct ftp_item item;
	struct ftp_pattern pattern;
	const struct rewrite_template *subst;
	const struct ftp_rewrite_cond **conds;
	unsigned n_conds;
};
enum ftp_map_kind {
	FTP_MAP_TEXT,
	FTP_MAP_REPLACEALL,
	FTP_MAP_TOLOWER,
	FTP_MAP_TOUPPER,
	FTP_MAP_UNESCAPE,
	FTP_MAP_UTF8TRANS
};
struct ftp_rewrite_entry {
	const char *key, *value;
	unsigned line;
};
struct ftp_rewrite_map { /* RewriteMap */
	struct ftp_item item;
	const char *name;
	enum ftp_map_kind kind;
	struct ftp_rewrite_entry *entries; /* TEXT, by key and line */
	unsigned n_entries;
};

struct ftp_readme { /* DisplayReadme */
	struct ftp_item item;
	const char *pattern;
};

enum { /* FactsOptions */
	FTP_FACTS_USE_SLINK = 1,
	FTP_FACTS_NO_NAMES = 2,
	FTP_FACTS_ADJUSTED_SYMLINKS = 4
};

enum { /* LangOptions */
	FTP_LANG_PREFER_SERVER = 1,
	FTP_LANG_REQUIRE_VALID = 2
};

enum ftp_encoding { /* UseEncoding */
	FTP_ENCODING_UNSET,
	FTP_ENCODING_ON,
	FTP_ENCODING_OFF,
	FTP_ENCODING_PAIR,  /* two charsets ... */
	FTP_ENCODING_STRICT /* ... whatever the client says */
};

enum { /* TransferOptions */
	FTP_TRANSFER_COPY_THROTTLED = 1,
	FTP_TRANSFER_IGNORE_ASCII = 2,
	FTP_TRANSFER_SYMLINK_UPLOAD = 4
};

/* --- all values of one scope --- */

struct ftp_conf {
	/* identity */
	const char *server_name, *server_admin;
	bool ident_on;          /* ServerIdent */
	const char *ident_text; /* NULL = built-in text */
	bool defer_welcome;

	/* accounts to run as: of a server (login, auth) or of <Anonymous> (its sessions) */
	const char *user, *group; /* names, NULL = not set */

	/* addresses and sockets */
	uint16_t port; /* 0 = this server is off */
	struct ftp_socket_options socket_options;
	bool nodelay_ctrl, nodelay_data;
	struct ftp_qos qos;
	uint16_t passive_min, passive_max;      /* 0 = system's choice */
	const char *masquerade_name;            /* as written */
	struct addr masquerade;                 /* as found at the load; sa_family 0 = none */
	const struct ftp_live *masquerade_live; /* for ftp_live_addr(); NULL: written as an address */
	struct ftp_foreign foreign;
	enum ftp_root_revoke root_revoke;

	/* timeouts, ms; 0 = none */
	uint32_t timeout_login_ms, timeout_idle_ms, timeout_no_transfer_ms, timeout_stalled_ms,
		timeout_session_ms, timeout_linger_ms;

	/* limits */
	struct ftp_max max_clients, max_clients_per_host, max_clients_per_user, max_hosts_per_user,
		max_connections_per_host;
	struct ftp_class_max *max_clients_per_class;
	bool ban_engine;
	struct ftp_ban_rule *ban_rules;
	const char *ban_message; /* %a, %c and %u unexpanded; NULL = built in */
	double max_load;         /* MaxLoad; 0 = none */
	const char *max_load_message;
	struct ftp_rlimit rlimit_cpu, rlimit_memory,
		rlimit_files;        /* seconds, bytes, number; session processes */
	unsigned max_login_attempts; /* 0 = unlimited */
	unsigned max_password_bytes;
	unsigned command_buffer_bytes;
	unsigned max_command_rate, max_command_rate_secs; /* commands per interval; 0 = none */
	struct ftp_max_xfers *max_transfers_per_host, *max_transfers_per_user;

	/* authentication */
	const char *auth_order; /* names separated by blanks, '*' kept; NULL = default */
	const char *auth_user_file;
	uid_t auth_user_id_min, auth_user_id_max; /* "id min-max"; by default 0 and UINT32_MAX */
	const char *auth_group_file;
	gid_t auth_group_id_min, auth_group_id_max;
	bool auth_file_insecure_perms, auth_file_syntax_check; /* AuthFileOptions */
	bool auth_pam;
	const char *auth_pam_config; /* service name */
	bool require_valid_shell, use_ftpusers, root_login, allow_empty_passwords;
	bool auth_alias_only, auth_using_alias;
	bool user_dir_root; /* of <Anonymous> */
	struct ftp_alias *aliases;
	struct ftp_user_password *user_passwords;
	struct ftp_dir_rule *default_root, *default_chdir, *cdpath;
	bool allow_chroot_symlinks;
	struct ftp_create_home create_home;
	const char *access_grant_msg, *access_deny_msg; /* NULL = built in; %u */

	/* access tables */
	bool wrap_engine, wrap_on_connect;
	struct ftp_wrap wrap, tcp_wrap;             /* of mod_wrap2, of mod_wrap */
	const char *wrap_allow_msg, *wrap_deny_msg; /* %u unexpanded; NULL = none, built in */
	struct ftp_logfile *wrap_log;               /* NULL = none */
	int tcp_allow_level, tcp_deny_level;

	/* rewriting of commands */
	bool rewrite_engine, rewrite_home;
	struct ftp_rewrite_cond *rewrite_conds; /* the rules refer to them */
	struct ftp_rewrite_rule *rewrite_rules;
	struct ftp_rewrite_map *rewrite_maps;
	unsigned rewrite_max_replace;
	struct ftp_logfile *rewrite_log; /* NULL = none */

	/* anonymous */
	bool anon_require_password;
	struct ftp_pattern anon_reject; /* AnonRejectPasswords */

	/* files */
	mode_t umask_file, umask_dir;
	struct ftp_owner user_owner, group_owner; /* of what is uploaded or made */
	bool allow_overwrite, allow_retrieve_restart, allow_store_restart, allow_override;
	enum ftp_tristate delete_aborted_stores;
	struct ftp_hidden hidden_stores;
	const char *store_unique_prefix;
	struct ftp_max_size *max_store_size, *max_retrieve_size;
	struct ftp_rate *rates;
	struct ftp_rate_total *rate_totals;
	struct ftp_sendfile sendfile;
	bool mmap_engine;
	struct ftp_mmap_file *mmap_files;
	struct ftp_mmap_options mmap_options;
	bool default_transfer_ascii; /* DefaultTransferMode */
	bool deflate_engine;         /* DeflateEngine: MODE Z */

	/* hashes */
	bool digest_engine, digest_enable;
	unsigned digest_algorithms; /* FTP_DIGEST_BITs */
	enum ftp_digest digest_default;
	uint64_t digest_max_bytes;     /* read by one command; 0 = no limit */
	unsigned digest_cache_entries; /* 0 = off */
	uint32_t digest_cache_age_ms;
	unsigned transfer_options; /* FTP_TRANSFER_ bits */

	bool site_misc; /* SiteMiscEngine: SITE MKDIR, RMDIR, SYMLINK, UTIME */
	/* SITE COPY, CPFR, CPTO */
	bool copy_engine, copy_keep_failed;

	/* what clients may say, and see */
	struct ftp_filter arg_allow, arg_deny;   /* AllowFilter, DenyFilter: arguments of commands */
	struct ftp_filter path_allow, path_deny; /* PathAllowFilter, PathDenyFilter: new names */
	struct ftp_hide_files *hide_files;
	struct ftp_hide_name *hide_users, *hide_groups;
	bool hide_no_access;

	struct ftp_profile *profiles;

	/* listings */
	struct ftp_list_options *list_options; /* first one counts */
	bool list_windows;                     /* ListStyle */
	bool show_symlinks, use_globbing, times_gmt;
	bool facts_advertise;
	unsigned facts_default; /* VERB_FACT_ bits of a session at its start; 0 = all */
	unsigned facts_options; /* FTP_FACTS_ bits */
	bool dirfake_user_on;
	const char *dirfake_user; /* "~" = the session's own */
	bool dirfake_group_on;
	const char *dirfake_group; /* "~" = the session's own */
	bool dirfake_mode_on;
	mode_t dirfake_mode;

	/* language (RFC 2640) */
	bool lang_engine;
	unsigned lang_options;      /* FTP_LANG_ bits */
	enum ftp_encoding encoding; /* UseEncoding */
	bool encoding_utf8;         /* of a pair: the client's charset is UTF-8 */
	/* How names are converted for clients, and for those that said OPTS UTF8 ON; NULL: not at all. */
	struct charset *charset, *charset_utf8;

	/* texts */
	struct ftp_display display_connect, display_login, display_chdir, display_quit, display_file_transfer;
	struct ftp_readme *readmes; /* those of the first one's level count */

	/* logs */
	struct ftp_logfile *transfer_log; /* NULL = none */
	struct ftp_logfile *server_log;   /* of sessions; NULL = the system_log of the main server */
	bool server_log_none;             /* ServerLog none: what is about sessions is not logged */
	struct ftp_logfile *system_log;   /* NULL = syslog */
	bool system_log_none;             /* SystemLog none: neither file nor syslog */
	struct ftp_extlog *extended_logs;
	struct ftp_log_format *log_formats;
	int syslog_level;
	int debug_level; /* -1 = not set */
	bool allow_log_symlinks;

	/* TLS */
	struct tls_config tls;
	struct tls_required tls_required;
	struct ftp_logfile *tls_log;     /* NULL = none */
	const char *tls_masquerade_name; /* TLSMasqueradeAddress: as masquerade, for clients with TLS */
	struct addr tls_masquerade;
	const struct ftp_live *tls_masquerade_live;

	struct ftp_env *env;
};

/* --- scopes --- */

enum ftp_rule_kind {
	FTP_ALLOW_USER,
	FTP_ALLOW_GROUP,
	FTP_ALLOW_CLASS,
	FTP_ALLOW_ADDR,
	FTP_ALLOW_FILTER,
	FTP_ALLOW_ALL,
	FTP_DENY_ALL,
	FTP_DENY_USER,
	FTP_DENY_GROUP,
	FTP_DENY_CLASS,
	FTP_DENY_ADDR,
	FTP_DENY_FILTER
};

struct ftp_limit_rule {
	struct ftp_limit_rule *next;
	enum ftp_rule_kind kind;
	const struct ftp_expr *expr; /* *_USER, *_GROUP, *_CLASS */
	const struct ftp_acl *acl;   /* *_ADDR */
	struct ftp_pattern pattern;  /* *_FILTER */
	const char *file;
	unsigned line;
};

struct ftp_limit { /* one <Limit> section */
	struct ftp_limit *next;
	const char *const *commands; /* upper case verbs, SITE_X, or groups READ WRITE DIRS LOGIN ALL */
	unsigned n_commands;
	bool deny_first;    /* Order deny,allow */
	bool ignore_hidden; /* IgnoreHidden on */
	struct ftp_limit_rule *rules;
	const char *file;
	unsigned line;
};

struct ftp_scope {
	enum conf_kind kind; /* CONF_KIND_SERVER, _VHOST, _ANONYMOUS, _DIRECTORY, _FTPACCESS */
	/* The scope around: whose values this one inherits and whose limits are asked next. Of a
	 * <Directory> that lies in another <Directory>'s path it is that one, though both stand in the
	 * dirs of their server or <Anonymous>. */
	struct ftp_scope *parent;
	struct ftp_scope *next;
	unsigned
		number; /* of an <Anonymous>: ipc_grant.anon, from 1; numbers of those in <IfClass> are kept free */
	struct ftp_scope *anons, *dirs; /* children in file order, those of <Global> last */
	/* <Anonymous> root or <Directory> pattern, normalised, as seen from outside any root. ~name has
	 * become the home of that account; it stays when this system has no such account. A path written
	 * relative to its <Anonymous> has that root in front, unless the root itself stayed ~name: then it
	 * is relative. */
	const char *path;
	struct ftp_conf conf;
	struct ftp_limit *limits;
	enum ftp_tristate access_all; /* AllowAll: FTP_ON, DenyAll: FTP_OFF, directly in the scope */
	struct conf_pos access_pos;   /* of AllowAll or DenyAll */
	const char *file;
	unsigned line;
};

struct ftp_server {
	unsigned index; /* position in ftp_config.servers */
	struct ftp_scope *scope;
	struct addr *addrs; /* bind addresses without port; the any-address is a wildcard */
	unsigned n_addrs;
	const char *const *aliases; /* ServerAlias patterns and names of <VirtualHost>, lower case */
	unsigned n_aliases;
	bool is_default;  /* DefaultServer on */
	const char *fqdn; /* this machine's name, for texts and logs */
	/* Certificates; NULL: TLSEngine is off, or there are none. A reference: servers with the same files share
	 * one. Its keys have the numbers from tls_first_key in auth. */
	struct tls_material *tls;
	unsigned tls_first_key;
	const struct ftp_conditional
		*conditional; /* its conditional sections, see ftp/variant.h; NULL: none */
};

struct ftp_class {
	struct ftp_class *next;
	const char *name;
	bool satisfy_all;
	const struct ftp_acl *const *from;
	unsigned n_from;
};

struct ftp_preload {
	const char *path;
	unsigned flags;               /* PRELOAD_ of vfs/preload.h */
	uint64_t max_file, max_total; /* bytes; 0 = no limit */
	const char *file;             /* where the configuration names it */
	unsigned line;
};

/* A line of ControlsACLs and its kin: controls.h. */
struct ftp_controls_acl {
	struct ftp_item item;
	unsigned actions; /* FTP_CONTROL_ bits */
	bool allow, group, anybody;
	const uint32_t *ids; /* of users, or of groups */
	unsigned n_ids;
};

struct ftp_config {
	unsigned generation; /* 1 for the first load */
	struct arena *arena;
	struct ftp_config *
		loaded; /* whose values these are, with other certificates (ftp_tls_renew()); NULL: its own */
	unsigned users; /* of what was loaded: itself, unless it was freed, and those renewed from it */
	const char *file;            /* main file, NULL for `wherryd share` */
	struct ftp_server **servers; /* [0] is the main server */
	unsigned n_servers;
	struct ftp_class *classes;
	struct ftp_logfile *logfiles;
	unsigned n_logfiles;

	/* daemon-wide */
	const char *pid_file, *scoreboard_file; /* NULL = none */
	const char *controls_socket;            /* NULL = none */
	bool controls_engine;                   /* ControlsEngine; off: controls_socket is NULL */
	struct ftp_owner controls_user, controls_group;
	struct ftp_controls_acl *controls_socket_acl;
	struct ftp_controls_acl *controls_acls[4]; /* Admin-, Ban-, -, TLSControlsACLs */
	unsigned controls_admin_actions; /* AdminControlsEngine: those that AdminControlsACLs can allow */
	unsigned controls_max_clients;
	unsigned max_instances; /* 0 = none */
	unsigned max_connection_rate, max_connection_rate_secs;
	unsigned tcp_backlog;
	bool use_ipv6, use_reverse_dns, bind_tight;
	int syslog_facility;
	unsigned scoreboard_scrub_secs;   /* 0 = off */
	unsigned masquerade_refresh_secs; /* DynMasqRefresh, 0 = never */
	const struct ftp_live_name *live_names;
	struct ftp_live_pool *live_pool; /* of their slots; NULL = there are none */
	struct tls_cache_config tls_cache;
	const char *tls_passphrase_program; /* NULL = none */

	/* TransferMMapFile of all servers, without those that cannot be mapped; n_preloads of them */
	struct ftp_preload *preloads;
	unsigned n_preloads;
};

/* How to load. All borrowed. */
struct ftp_config_options {
	const char *file; /* absolute path; NULL with text set */
	const char *
		text; /* configuration text instead of a file (share mode, tests); name stands for the file */
	const char *name;
	const char *const *defines; /* -D */
	unsigned n_defines;
	const char *server_addr; /* -S, or NULL */
	int family;              /* AF_UNSPEC, AF_INET (-4), AF_INET6 (-6) */
	bool check_only;         /* -t: also look up users, open auth files, ... but create nothing */
	bool reload;             /* HUP: names that do not resolve are warnings */
	bool rates_only; /* only for ftp_rates_each(): certificates, account files and files to map are
				    not looked at, and the result has none of them */
	const struct ftp_config
		*old; /* with reload: the generation in use, whose addresses stay for such names */
	/* Instead of the file system and of name look-ups, for tests and fuzzing; NULL: the real ones.
	 * resolve takes an address, a host name or an interface and fills at most max addresses; returns
	 * how many or -errno. */
	const struct conf_files *files;
	int (*resolve)(const char *name, int family, struct addr *ret_addrs, unsigned max);
};

/* Collects what a load had to say, in file order. See ftp/report.h. */
struct ftp_report;

/* Load a configuration. On success *ret_config is returned (ftp_config_free()). On failure -WE_CONFIG with
 * the first error in err; all errors (at most 20), warnings and, for -t, the state of each directive are
 * in report (may be NULL). */
int ftp_config_load(const struct ftp_config_options *opt, unsigned generation, struct ftp_config **ret_config,
	struct ftp_report *report, struct err *err);
void ftp_config_free(struct ftp_config *c);
/* Are its values, log files among them, those of another one too? */
bool ftp_config_shared(const struct ftp_config *c);
/* Overwrite what only auth needs (hashes), in a process that is not auth. Only after fork. */
void ftp_config_wipe_secrets(struct ftp_config *c);

/* Log rotation: put the descriptor new_fd (given) in the place of log file number index. The log front and
 * the ExtendedLogs that write there go on in the new file. A number that this generation does not have
 * closes it. 0 or -errno: the old file goes on. */
/* How it may be opened (log/log_file.h). */
unsigned ftp_logfile_flags(const struct ftp_logfile *f);
int ftp_logfile_reopen(struct ftp_config *c, unsigned index, int new_fd);

/* The server for a connection that arrived at local: exact address and port, then wildcard, then the
 * default server; NULL when none serves it. */
const struct ftp_server *ftp_server_find(const struct ftp_config *c, const struct addr *local);
/* The one among those bound to the same address and port whose name or alias matches host (HOST, SNI);
 * NULL when none. */
const struct ftp_server *ftp_server_by_name(
	const struct ftp_config *c, const struct addr *local, const char *host);
/* The scope of a session: the server's own for anon 0, else that of its anon-th <Anonymous> section
 * (ipc_grant.anon); NULL when there is none of that number. */
const struct ftp_scope *ftp_server_scope(const struct ftp_server *server, unsigned anon);
/* Where lines about clients of a server go: log_ctx.fd. */
int ftp_server_log_fd(const struct ftp_conf *conf);
/* The class of that name, or NULL. */
const struct ftp_class *ftp_class_named(const struct ftp_config *c, const char *name);
/* Do its rules match? client_name: NULL = not known. */
bool ftp_class_has(const struct ftp_class *cl, const struct addr *client, const char *client_name);
/* First class whose rules match, or NULL. */
const struct ftp_class *ftp_class_find(
	const struct ftp_config *c, const struct addr *client, const char *client_name);

#define FTP_ACCESS_FILE_MAX (64 * 1024) /* bytes of a .ftpaccess; a larger one is not used */

/* Read a .ftpaccess text over the merged scope base. Bad lines are warned about through ctx and skipped.
 * The scope lives in arena a. 0 or -errno. */
struct log_ctx;
int ftp_access_load(struct arena *a, const char *text, size_t len, const char *name,
	const struct ftp_scope *base, const struct log_ctx *ctx, struct ftp_scope **ret_scope);

#endif
