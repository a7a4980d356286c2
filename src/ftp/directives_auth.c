/* Directives about accounts, login and roots. */
#include "ftp/directives.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* --- parse functions --- */

static int auth_order(struct conf_call *c, void *dst)
{
	static const char *const backends[] = {"mod_auth_file.c", "mod_auth_pam.c", "mod_auth_unix.c"};

	for (unsigned i = 0; i < c->n_args; i++) {
		size_t n = strlen(c->args[i]);
		bool found = false;

		n -= n > 0 && c->args[i][n - 1] == '*';
		for (unsigned k = 0; k < ARRAY_LEN(backends); k++)
			found |= strlen(backends[k]) == n && strncasecmp(backends[k], c->args[i], n) == 0;
		if (!found)
			return err_set(c->err, WE_CONFIG,
				"module '%.60s' is not supported by this version, only mod_auth_file.c, "
				"mod_auth_unix.c and "
				"mod_auth_pam.c are",
				c->args[i]);
	}
	((struct ftp_conf *)dst)->auth_order = ftp_call_joined(c, 0);
	return ((struct ftp_conf *)dst)->auth_order != NULL ? 0 : err_set(c->err, ENOMEM, "out of memory");
}

/* "path [id min-max]" */
static int account_file(struct conf_call *c, const char **path, uid_t *id_min, uid_t *id_max)
{
	unsigned long long min, max;
	int used = 0;

	*id_min = 0;
	*id_max = UINT32_MAX;
	if (c->args[0][0] != '/')
		return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", c->args[0]);
	*path = c->args[0];
	if (c->n_args == 1)
		return 0;
	if (str_eq_nocase(c->args[1], "home") || str_eq_nocase(c->args[1], "name"))
		return err_set(
			c->err, WE_CONFIG, "the '%s' condition is not supported by this version", c->args[1]);
	if (!str_eq_nocase(c->args[1], "id"))
		return err_set(c->err, WE_CONFIG, "unknown word '%.60s', expected 'id'", c->args[1]);
	if (c->n_args > 3)
		return err_set(c->err, WE_CONFIG, "the '%.60s' condition is not supported by this version",
			c->args[3]);
	if (c->n_args < 3 || sscanf(c->args[2], "%10llu-%10llu%n", &min, &max, &used) != 2 ||
		c->args[2][used] != '\0' || c->args[2][0] == '-' || max > UINT32_MAX || min > max)
		return err_set(c->err, WE_CONFIG, "'id' takes a range <min>-<max>");
	*id_min = (uid_t)min;
	*id_max = (uid_t)max;
	return 0;
}

static int auth_user_file(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	return account_file(c, &conf->auth_user_file, &conf->auth_user_id_min, &conf->auth_user_id_max);
}

static int auth_group_file(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	return account_file(c, &conf->auth_group_file, &conf->auth_group_id_min, &conf->auth_group_id_max);
}

static int auth_file_options(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"InsecurePerms", 1}, {"SyntaxCheck", 2}, {NULL, 0}};
	struct ftp_conf *conf = dst;
	int bits = 0;

	for (unsigned i = 0; i < c->n_args; i++) {
		int v, r = conf_word_value(words, c->args[i], &v, c->err);

		if (r < 0)
			return r;
		bits |= v;
	}
	conf->auth_file_insecure_perms = (bits & 1) != 0;
	conf->auth_file_syntax_check = (bits & 2) != 0;
	return 0;
}

static int user_alias(struct conf_call *c, void *dst)
{
	struct ftp_alias *a = dst;

	a->alias = c->args[0];
	a->user = c->args[1];
	return 0;
}

static int user_password(struct conf_call *c, void *dst)
{
	struct ftp_user_password *p = dst;

	p->user = c->args[0];
	p->hash = c->args[1];
	return 0;
}

/* path [group expression] */
static int dir_rule(struct conf_call *c, struct ftp_dir_rule *d)
{
	d->path = c->args[0];
	if (c->n_args == 1)
		return 0;
	return ftp_call_expr(c, FTP_EXPR_GROUP, c->args + 1, c->n_args - 1, &d->groups);
}

static int default_root(struct conf_call *c, void *dst)
{
	if (c->args[0][0] != '/' && c->args[0][0] != '~')
		return err_set(c->err, WE_CONFIG,
			"'%.300s' is not an absolute path and does not begin with '~'", c->args[0]);
	return dir_rule(c, dst);
}

static int default_chdir(struct conf_call *c, void *dst)
{
	return dir_rule(c, dst);
}

static int anon_reject(struct conf_call *c, void *dst)
{
	return ftp_pattern_compile(c->arena, c->args[0], c->n_args > 1 ? c->args[1] : NULL,
		&((struct ftp_conf *)dst)->anon_reject, c->err);
}

/* --- rows --- */

static const struct conf_row rows[] = {
	{.name = "AccessDenyMsg",
		CONF_STRING(struct ftp_conf, access_deny_msg),
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt_text = "Login incorrect.",
		.syntax = "\"<text>\"",
		.doc = "Reply to a failed login; %u is the user's name."},
	{.name = "AccessGrantMsg",
		CONF_STRING(struct ftp_conf, access_grant_msg),
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt_text = "User %u logged in",
		.syntax = "\"<text>\"",
		.doc = "Reply to a login; %u is the user's name."},
	{.name = "AllowChrootSymlinks",
		CONF_BOOL(struct ftp_conf, allow_chroot_symlinks),
		.scope = S_V_G,
		.module = "mod_auth.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "off: a root directory whose path contains a symbolic link refuses the login."},
	{.name = "AllowEmptyPasswords",
		CONF_BOOL(struct ftp_conf, allow_empty_passwords),
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether an empty password is checked at all."},
	{.name = "AnonRejectPasswords",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, anon_reject, struct ftp_pattern),
		.parse = anon_reject,
		.min_args = 1,
		.max_args = 2,
		.scope = CONF_A,
		.module = "mod_auth.c",
		.dflt_text = "none",
		.syntax = "[!]<regex> [nocase]",
		.doc = "Anonymous passwords that match (with !: that do not match) are refused."},
	{.name = "AnonRequirePassword",
		CONF_BOOL(struct ftp_conf, anon_require_password),
		.scope = CONF_A,
		.module = "mod_auth.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "on: the login needs the password of the section's User."},
	{.name = "AuthAliasOnly",
		CONF_BOOL(struct ftp_conf, auth_alias_only),
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "on: only names given by UserAlias can log in."},
	{.name = "AuthFileOptions",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, auth_file_insecure_perms, auth_file_syntax_check),
		.parse = auth_file_options,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G,
		.module = "mod_auth_file.c",
		.dflt_text = "none",
		.syntax = "[InsecurePerms] [SyntaxCheck]",
		.doc = "InsecurePerms: files that others can read or write are used. SyntaxCheck: a "
		       "malformed line is an error "
		       "instead of a warning."},
	{.name = "AuthGroupFile",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, auth_group_file, auth_group_id_max),
		.parse = auth_group_file,
		.min_args = 1,
		.max_args = 7,
		.flags = CONF_LAST_WINS,
		.scope = S_V_G,
		.module = "mod_auth_file.c",
		.dflt_text = "none",
		.syntax = "<path> [id <min>-<max>]",
		.doc = "Groups in the format of group(5), in addition to the system's."},
	{.name = "AuthOrder",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, auth_order, const char *),
		.parse = auth_order,
		.min_args = 1,
		.max_args = 10,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt_text = "mod_auth_file.c mod_auth_unix.c",
		.syntax = "<module>[*] ...",
		.doc = "Which sources of accounts are asked, in which order. The answer of one marked with * "
		       "is final."},
	{.name = "AuthPAM",
		CONF_BOOL(struct ftp_conf, auth_pam),
		.scope = S_V_G,
		.module = "mod_auth_pam.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether PAM may be asked; AuthOrder decides when."},
	{.name = "AuthPAMConfig",
		CONF_STRING(struct ftp_conf, auth_pam_config),
		.scope = S_V_G,
		.module = "mod_auth_pam.c",
		.dflt = "wherry",
		.syntax = "<service>",
		.doc = "Name of the PAM service."},
	{.name = "AuthUserFile",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, auth_user_file, auth_user_id_max),
		.parse = auth_user_file,
		.min_args = 1,
		.max_args = 7,
		.flags = CONF_LAST_WINS,
		.scope = S_V_G,
		.module = "mod_auth_file.c",
		.dflt_text = "none",
		.syntax = "<path> [id <min>-<max>]",
		.doc = "Accounts in the format of passwd(5), with the password hash, in addition to the "
		       "system's."},
	{.name = "AuthUsingAlias",
		CONF_BOOL(struct ftp_conf, auth_using_alias),
		.scope = CONF_A,
		.module = "mod_auth.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "on: the password is that of the name that was sent, not of the one it stands for."},
	{.name = "CDPath",
		CONF_LIST(struct ftp_conf, cdpath, struct ftp_dir_rule),
		.parse = default_chdir,
		.min_args = 1,
		.scope = S_V_G_A,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "<directory>",
		.doc = "Directory in which CWD looks for names that the current one does not have."},
	{.name = "DefaultChdir",
		CONF_LIST(struct ftp_conf, default_chdir, struct ftp_dir_rule),
		.parse = default_chdir,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt_text = "the home directory",
		.syntax = "<directory> [<group expression>]",
		.doc = "First directory of a session."},
	{.name = "DefaultRoot",
		CONF_LIST(struct ftp_conf, default_root, struct ftp_dir_rule),
		.parse = default_root,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G,
		.module = "mod_auth.c",
		.dflt_text = "/",
		.syntax = "<directory> [<group expression>]",
		.doc = "Directory that a session cannot leave; ~ is the home directory. The first that fits "
		       "the user's groups "
		       "counts."},
	{.name = "Group",
		CONF_STRING(struct ftp_conf, group),
		.scope = S_V_G_A,
		.module = "mod_core.c",
		.flags = CONF_LAST_WINS | CONF_NO_ANON,
		.dflt_text = "none",
		.syntax = "<group>",
		.doc = "Group that the processes of a server run as before login, or that anonymous sessions "
		       "run as."},
	{.name = "MaxLoginAttempts",
		CONF_UINT(struct ftp_conf, max_login_attempts, unsigned),
		.scope = S_V_G,
		.module = "mod_auth.c",
		.dflt = "3",
		.syntax = "<number>",
		.doc = "Failed logins after which a connection is closed. 0: no limit."},
	{.name = "MaxPasswordSize",
		CONF_UINT(struct ftp_conf, max_password_bytes, unsigned),
		.scope = S_V_G,
		.module = "mod_auth.c",
		.dflt = "1024",
		.min = "1",
		.max = "8192",
		.unit = "bytes",
		.syntax = "<bytes>",
		.doc = "Longer passwords are refused without being checked."},
	{.name = "RequireValidShell",
		CONF_BOOL(struct ftp_conf, require_valid_shell),
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether the login shell must be listed in /etc/shells, if there is that file."},
	{.name = "RootLogin",
		CONF_BOOL(struct ftp_conf, root_login),
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether accounts with user id 0 can log in."},
	{.name = "UseFtpUsers",
		CONF_BOOL(struct ftp_conf, use_ftpusers),
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether names in /etc/ftpusers are refused, if there is that file."},
	{.name = "User",
		CONF_STRING(struct ftp_conf, user),
		.scope = S_V_G_A,
		.module = "mod_core.c",
		.flags = CONF_LAST_WINS | CONF_NO_ANON,
		.dflt_text = "none",
		.syntax = "<user>",
		.doc = "Account that the processes of a server run as before login. In <Anonymous>: the "
		       "login name, and the account "
		       "its sessions run as."},
	{.name = "UserAlias",
		CONF_LIST(struct ftp_conf, aliases, struct ftp_alias),
		.parse = user_alias,
		.min_args = 2,
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.syntax = "<alias>|* <user>",
		.doc = "Another login name for an account; * stands for every name."},
	{.name = "UserPassword",
		CONF_LIST(struct ftp_conf, user_passwords, struct ftp_user_password),
		.parse = user_password,
		.min_args = 2,
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.flags = CONF_SECRET,
		.syntax = "<user> <hash>",
		.doc = "Password hash of an account, instead of the one it has."},
};

const struct conf_table ftp_table_auth = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
