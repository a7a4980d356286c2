/* Directives of the whole daemon: S only. And those of the language itself. */
#include "ftp/directives.h"

#include <string.h>
#include <syslog.h>

#include "base/alloc.h"
#include "base/str.h"
#include "wherry_config.h"

static int server_type(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"standalone", 0}, {"inetd", 1}, {NULL, 0}};
	int v, r = conf_word_value(words, c->args[0], &v, c->err);

	(void)dst;
	if (r == 0 && v == 1)
		return err_set(c->err, WE_CONFIG,
			"inetd is refused: the processes of this server outlive a connection; use "
			"standalone, "
			"which a systemd socket unit can start with the first connection (LISTEN_FDS in "
			"wherryd(8))");
	return r;
}

/* "n" or "none". */
static int count_or_none(struct conf_call *c, const char *s, unsigned *ret_n)
{
	uint64_t v;

	*ret_n = 0;
	if (str_eq_nocase(s, "none"))
		return 0;
	if (str_to_u64(s, &v) < 0 || v > INT32_MAX)
		return err_set(c->err, WE_CONFIG, "'%.60s' is neither a number nor 'none'", s);
	*ret_n = (unsigned)v;
	return 0;
}

static int max_instances(struct conf_call *c, void *dst)
{
	return count_or_none(c, c->args[0], &((struct ftp_config *)dst)->max_instances);
}

static int max_connection_rate(struct conf_call *c, void *dst)
{
	struct ftp_config *cfg = dst;
	int r = count_or_none(c, c->args[0], &cfg->max_connection_rate);

	cfg->max_connection_rate_secs = 1;
	if (r == 0 && c->n_args > 1)
		r = count_or_none(c, c->args[1], &cfg->max_connection_rate_secs);
	if (r == 0 && cfg->max_connection_rate_secs == 0)
		return err_set(c->err, WE_CONFIG, "the interval must be at least 1 second");
	return r;
}

static int absolute_file(struct conf_call *c, const char *s, const char **ret_path)
{
	if (s[0] != '/')
		return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", s);
	if (s[strlen(s) - 1] == '/')
		return err_set(c->err, WE_CONFIG, "'%.300s' names a directory", s);
	*ret_path = s;
	return 0;
}

static int pid_file(struct conf_call *c, void *dst)
{
	struct ftp_config *cfg = dst;

	if (!str_eq_nocase(c->args[0], "none"))
		return absolute_file(c, c->args[0], &cfg->pid_file);
	cfg->pid_file = NULL;
	return 0;
}

static int scoreboard_file(struct conf_call *c, void *dst)
{
	struct ftp_config *cfg = dst;
	bool b;

	cfg->scoreboard_file = NULL;
	if (str_eq_nocase(c->args[0], "none") || str_eq(c->args[0], "/dev/null") ||
		(conf_bool(c->args[0], &b) == 0 && !b))
		return 0;
	return absolute_file(c, c->args[0], &cfg->scoreboard_file);
}

static int scoreboard_scrub(struct conf_call *c, void *dst)
{
	struct ftp_config *cfg = dst;
	uint64_t secs;
	bool b;

	if (conf_bool(c->args[0], &b) == 0)
		secs = b ? 30 : 0;
	else if (str_to_u64(c->args[0], &secs) < 0 || secs > 86400)
		return err_set(c->err, WE_CONFIG, "neither a Boolean nor a number of seconds up to 86400");
	cfg->scoreboard_scrub_secs = (unsigned)secs;
	return 0;
}

/* Modules that do nothing until one of their directives is given: loading them is harmless, their
 * directives are refused by name. */
static const char *const idle_modules[] = {"mod_auth_otp.c", "mod_ban.c", "mod_copy.c", "mod_ctrls_admin.c",
	"mod_dnsbl.c", "mod_dynmasq.c", "mod_exec.c", "mod_geoip.c", "mod_ident.c", "mod_ldap.c",
	"mod_load.c", "mod_log_forensic.c", "mod_memcache.c", "mod_procfs.c", "mod_quotatab.c",
	"mod_quotatab_file.c", "mod_quotatab_ldap.c", "mod_quotatab_radius.c", "mod_quotatab_sql.c",
	"mod_radius.c", "mod_ratio.c", "mod_redis.c", "mod_rlimit.c", "mod_sftp.c", "mod_sftp_pam.c",
	"mod_sftp_sql.c", "mod_shaper.c", "mod_snmp.c", "mod_sql.c", "mod_sql_mysql.c", "mod_sql_odbc.c",
	"mod_sql_passwd.c", "mod_sql_postgres.c", "mod_sql_sqlite.c", "mod_statcache.c", "mod_systemd.c",
	"mod_tls.c", "mod_tls_fscache.c", "mod_tls_memcache.c", "mod_tls_redis.c", "mod_tls_shmcache.c",
	"mod_unique_id.c", "mod_wrap2_redis.c", "mod_wrap2_sql.c", "mod_xfer_mmap.c"};

static int load_module(struct conf_call *c, void *dst)
{
	const char *name = c->args[0];

	for (const char *const *m = ftp_modules; *m != NULL; m++) {
		if (str_eq_nocase(*m, name))
			return 0;
	}
	for (unsigned i = 0; i < ARRAY_LEN(idle_modules); i++) {
		if (str_eq_nocase(idle_modules[i], name)) {
			c->reason = "the module is not supported by this version; without directives it "
				    "would do nothing";
			return 0;
		}
	}
	return err_set(c->err, WE_CONFIG, "module '%.100s' is not supported by this version", name);
}

static const struct conf_word facilities[] = {{"AUTH", LOG_AUTH}, {"AUTHPRIV", LOG_AUTHPRIV},
	{"CRON", LOG_CRON}, {"DAEMON", LOG_DAEMON}, {"FTP", LOG_FTP}, {"KERN", LOG_KERN},
	{"LOCAL0", LOG_LOCAL0}, {"LOCAL1", LOG_LOCAL1}, {"LOCAL2", LOG_LOCAL2}, {"LOCAL3", LOG_LOCAL3},
	{"LOCAL4", LOG_LOCAL4}, {"LOCAL5", LOG_LOCAL5}, {"LOCAL6", LOG_LOCAL6}, {"LOCAL7", LOG_LOCAL7},
	{"LPR", LOG_LPR}, {"MAIL", LOG_MAIL}, {"NEWS", LOG_NEWS}, {"USER", LOG_USER}, {"UUCP", LOG_UUCP},
	{NULL, 0}};

#define ANYWHERE (S_V_G_A_D | CONF_L | CONF_C)

static const struct conf_row rows[] = {
	{.name = "Define",
		.type = CONF_T_CUSTOM,
		.parse = conf_define,
		.min_args = 1,
		.flags = CONF_REPEATABLE,
		.scope = ANYWHERE,
		.module = "mod_core.c",
		.syntax = "<name>",
		.doc = "Defines a name for <IfDefine> sections further down. The option -D does the same."},
	{.name = "DynMasqRefresh",
		CONF_UINT(struct ftp_config, masquerade_refresh_secs, unsigned),
		.scope = CONF_S,
		.module = "mod_dynmasq.c",
		.dflt_text = "only at the start and at a reload",
		.max = "604800",
		.syntax = "<seconds>",
		.doc = "How often names (of hosts, of interfaces) in MasqueradeAddress and "
		       "TLSMasqueradeAddress are looked up again, by a process of its own, so that no "
		       "client waits for it. A name that is not found keeps its address. 0: never."},
	{.name = "Include",
		.type = CONF_T_CUSTOM,
		.parse = conf_include,
		.min_args = 1,
		.flags = CONF_REPEATABLE,
		.scope = ANYWHERE,
		.module = "mod_core.c",
		.syntax = "<absolute path, directory or pattern>",
		.doc = "Reads other files as if they stood here: one file, all regular files of a directory, "
		       "or all that "
		       "match a pattern with * ? [ in byte order. A pattern may match nothing; a file that "
		       "is named must "
		       "exist. Sections must begin and end in the same file."},
	{.name = "IncludeOptions",
		.type = CONF_T_CUSTOM,
		.parse = conf_include_options,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.flags = CONF_REPEATABLE,
		.scope = CONF_S,
		.module = "mod_core.c",
		.syntax = "[AllowSymlinks] [IgnoreTempFiles] [IgnoreWildcards]",
		.doc = "How Include treats symbolic links (skipped unless allowed), editors' and packagers' "
		       "left-over files, and "
		       "wildcards in directory names."},
	{.name = "LoadModule",
		.type = CONF_T_NOEFFECT,
		.parse = load_module,
		.min_args = 1,
		.flags = CONF_REPEATABLE,
		.scope = CONF_S,
		.module = "mod_dso.c",
		.syntax = "<module>",
		.reason = "everything is built in",
		.doc = "Accepted for modules whose functions are built in."},
	{.name = "MaxConnectionRate",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_config, max_connection_rate, max_connection_rate_secs),
		.parse = max_connection_rate,
		.min_args = 1,
		.max_args = 2,
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "<connections>|none [<seconds>]",
		.doc = "Connections accepted per interval (1 second unless given); more are closed without a "
		       "word."},
	{.name = "MaxInstances",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_config, max_instances, unsigned),
		.parse = max_instances,
		.min_args = 1,
		.flags = CONF_LAST_WINS,
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = "none",
		.syntax = "<sessions>|none",
		.doc = "Sessions at the same time on all servers together; more are closed without a word."},
	{.name = "ModuleControlsACLs",
		.type = CONF_T_NOEFFECT,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.flags = CONF_REPEATABLE,
		.scope = CONF_S,
		.module = "mod_dso.c",
		.syntax = "<actions> allow|deny user|group <list>",
		.reason = "modules cannot be loaded or removed at run time",
		.doc = "Who may load modules at run time."},
	{.name = "ModulePath",
		.type = CONF_T_NOEFFECT,
		.min_args = 1,
		.scope = CONF_S,
		.module = "mod_dso.c",
		.syntax = "<path>",
		.reason = "everything is built in",
		.doc = "Where modules would lie."},
	{.name = "PidFile",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_config, pid_file, const char *),
		.parse = pid_file,
		.min_args = 1,
		.flags = CONF_LAST_WINS,
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = WHERRY_RUN_DIR "/wherry.pid",
		.syntax = "<path>|none",
		.doc = "File that holds the process id of the master process."},
	{.name = "ScoreboardFile",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_config, scoreboard_file, const char *),
		.parse = scoreboard_file,
		.min_args = 1,
		.flags = CONF_LAST_WINS,
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = WHERRY_RUN_DIR "/wherry.scoreboard",
		.syntax = "<path>|none|off",
		.doc = "Table of sessions and transfers for ftpwho, ftptop and ftpcount. Without it, the "
		       "tools and the limits "
		       "that count sessions do nothing."},
	{.name = "ScoreboardScrub",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_config, scoreboard_scrub_secs, unsigned),
		.parse = scoreboard_scrub,
		.min_args = 1,
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = "on",
		.dflt_text = "on (every 30 seconds)",
		.syntax = "on|off|<seconds>",
		.doc = "How often entries of sessions that died are removed from the scoreboard."},
	{.name = "ServerType",
		.type = CONF_T_NOEFFECT,
		.parse = server_type,
		.min_args = 1,
		.flags = CONF_LAST_WINS,
		.scope = CONF_S,
		.module = "mod_core.c",
		.syntax = "standalone",
		.reason = "the server always listens itself",
		.doc = "Whether the server listens itself. inetd, one process for a connection, is refused: "
		       "limits, bans and the sessions of a user need a server that stays. A systemd socket "
		       "unit can start it with the first connection: see wherryd(8)."},
	{.name = "SocketBindTight",
		CONF_BOOL(struct ftp_config, bind_tight),
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether only the addresses of servers are listened on when there is a DefaultServer, "
		       "which otherwise gets the connections to all others, at every port of a server."},
	{.name = "SyslogFacility",
		CONF_ENUM(struct ftp_config, syslog_facility, int),
		.words = facilities,
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = "DAEMON",
		.syntax = "<facility>",
		.doc = "Syslog facility: AUTH AUTHPRIV CRON DAEMON FTP KERN LOCAL0 to LOCAL7 LPR MAIL NEWS "
		       "USER UUCP."},
	{.name = "TCPBackLog",
		CONF_UINT(struct ftp_config, tcp_backlog, unsigned),
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = "128",
		.min = "1",
		.max = "65535",
		.unit = "connections",
		.syntax = "<connections>",
		.doc = "Connections that may wait to be accepted."},
	{.name = "UseIPv6",
		CONF_BOOL(struct ftp_config, use_ipv6),
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether IPv6 addresses are listened on and accepted."},
	{.name = "UseReverseDNS",
		CONF_BOOL(struct ftp_config, use_reverse_dns),
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether the names of clients are looked up (and verified by looking the name up "
		       "again). Rules that "
		       "name hosts or domains need it."},
};

const struct conf_table ftp_table_daemon = {rows, ARRAY_LEN(rows), FTP_STORE_DAEMON};
