/* What the configuration allows: pure functions over the scopes of one server. Nothing here asks the file
 * system; paths are real host paths (links resolved), as the vfs reports them. What the rules mean is in
 * wherry.conf(5).
 *
 * Words: the *top* scope of a session is its <Anonymous> scope, or its server's scope. The scope *of a path*
 * is the most specific <Directory> that matches it, else top. A .ftpaccess scope (ftp_access_load()) may
 * stand in for that one: its parent is the scope it was loaded over.
 *
 * Which <Directory> is most specific: the one with more components; then the one with more literal
 * characters; then the later one. Of an anonymous session the sections inside <Anonymous> are searched first,
 * and only when none of them matches those outside.
 */
#ifndef FTP_POLICY_H
#define FTP_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "ftp/conf.h"

/* What relative and '~' patterns of <Directory> refer to. All borrowed; NULL when not known: such patterns
 * match nothing. */
struct policy_env {
	const char *home;      /* home directory of the session's user, host path */
	const char *anon_root; /* host path of the root of an <Anonymous> session */
};

/* A decision with the line it rests on. */
struct policy_verdict {
	bool allowed;
	const char *file; /* borrowed from the configuration; NULL: no rule said anything, which allows */
	unsigned line;
	const char *why; /* sentence, static: "<Limit> that names the command: DenyUser matches" */
};

/* The scope whose conf applies to a path. host_path: absolute, normalised, without trailing slash (but
 * "/"). NULL: top. Never NULL; borrowed from the configuration. */
const struct ftp_scope *policy_scope_for_path(
	const struct ftp_scope *top, const struct policy_env *env, const char *host_path);

/* May `who` use the command on that path? command: the name used in <Limit>: "RETR", "SITE_CHMOD",
 * "OPTS_UTF8" (not "LOGIN": see below). host_path: the path that is acted on (of RETR, STOR, ... the file
 * itself, also one that does not exist yet); NULL for commands without one. ftpaccess: scope of the
 * .ftpaccess that applies, or NULL.
 * Returns ret_v->allowed; ret_v may be NULL. Commands that are in no group (QUIT, PORT, OPTS_X ...) are
 * denied only by a <Limit> that names them. */
bool policy_check(const struct ftp_subject *who, const struct ftp_scope *top, const struct policy_env *env,
	const char *host_path, const struct ftp_scope *ftpaccess, const char *command,
	struct policy_verdict *ret_v);

/* Do these commands treat hidden entries as missing (IgnoreHidden)? Arguments as policy_check(). */
bool policy_ignores_hidden(const struct ftp_scope *top, const struct policy_env *env, const char *host_path,
	const struct ftp_scope *ftpaccess, const char *command);

/* AllowFilter and DenyFilter outside <Limit>: may a command have this argument? PASS is not asked about.
 * policy_filter.c. */
bool policy_arg_allowed(const struct ftp_conf *conf, const char *arg, struct policy_verdict *ret_v);
/* PathAllowFilter and PathDenyFilter: may something with this path, as the client sees it, be made, renamed
 * or removed? */
bool policy_name_allowed(const struct ftp_conf *conf, const char *path, struct policy_verdict *ret_v);

/* What a session does not see in directories of a scope (HideFiles, HideUser, HideGroup, HideNoAccess): picked
 * once for a directory, asked for each entry. Borrows from conf and who. */
#define POLICY_HIDE_MAX 16 /* rules of one kind that count; further ones are ignored */
struct policy_hide {
	const struct ftp_pattern *files[POLICY_HIDE_MAX];
	const struct ftp_hide_name *users[POLICY_HIDE_MAX], *groups[POLICY_HIDE_MAX];
	unsigned n_files, n_users, n_groups;
	bool no_access;
};
/* Does a scope hide anything from anybody? Cheap. */
bool policy_may_hide(const struct ftp_conf *conf);
/* True: something may be hidden from who. */
bool policy_hide_init(struct policy_hide *h, const struct ftp_conf *conf, const struct ftp_subject *who);
bool policy_hides_name(const struct policy_hide *h, const char *name);
/* names: that of the entry's owner (group), NULL = not known; own: is it the session's own? */
bool policy_hides_user(const struct policy_hide *h, const char *name, bool own);
bool policy_hides_group(const struct policy_hide *h, const char *name, bool own);

/* <Limit LOGIN>, at its three moments.
 *
 * At connect (user and groups unknown): false when limits exist in the server or its <Anonymous> sections
 * and none could let this peer in. */
bool policy_login_connect(
	const struct ftp_subject *who, const struct ftp_scope *server, struct policy_verdict *ret_v);
/* At USER/PASS with who->authenticated false, and again with true once the groups are known. top: the
 * server's scope or the <Anonymous> that the login name chose. */
bool policy_login(const struct ftp_subject *who, const struct ftp_scope *top, struct policy_verdict *ret_v);

/* Does a selector's condition hold? One that is absent always does. */
bool policy_selector_match(const struct ftp_selector *sel, const struct ftp_subject *who);
/* The TransferRate for a transfer, or NULL. command: one FTP_XFER_ bit. conf: of the scope of the path.
 * Highest level wins, at equal level the first match. */
const struct ftp_rate *policy_rate(
	const struct ftp_conf *conf, unsigned command, const struct ftp_subject *who);
/* The TransferRateTotal lines for a transfer, innermost scope first; at most max. Returns how many. */
unsigned policy_rate_totals(const struct ftp_conf *conf, unsigned command, const struct ftp_subject *who,
	const struct ftp_rate_total **ret_list, unsigned max);
/* The limit that counts out of conf->max_store_size or max_retrieve_size, or NULL; bytes may be UINT64_MAX
 * ('*'). */
const struct ftp_max_size *policy_max_size(const struct ftp_max_size *list, const struct ftp_subject *who);
/* The strictest rule of conf->max_transfers_per_host or _user for the command (an FTP_XFER_ bit), or NULL. */
const struct ftp_max_xfers *policy_max_transfers(const struct ftp_max_xfers *list, unsigned command);

/* Does a <Directory> pattern match a path? For the tests and for `wherryctl explain`. */
bool policy_dir_match(const char *pattern, const struct policy_env *env, const char *host_path);

#endif
