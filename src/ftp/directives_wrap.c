/* Access tables: WrapTables and its like (mod_wrap2), TCPAccessFiles and its like (mod_wrap). */
#include "ftp/directives.h"

#include "base/alloc.h"
#include "base/str.h"

static int path_ok(struct conf_call *c, const char *path)
{
	if (path[0] == '/' || str_starts(path, "~/"))
		return 0;
	if (path[0] == '~')
		return err_set(c->err, WE_CONFIG,
			"'%.200s': write the path itself instead of another user's home", path);
	return err_set(c->err, WE_CONFIG, "'%.200s' is not an absolute path", path);
}

/* "file:/path", or "builtin:all", which is "". */
static int table_parse(struct conf_call *c, const char *text, const char **ret_path)
{
	if (str_eq_nocase(text, "builtin:all")) {
		*ret_path = "";
		return 0;
	}
	if (str_starts(text, "file:")) {
		*ret_path = text + 5;
		return path_ok(c, text + 5);
	}
	if (str_starts(text, "sql:") || str_starts(text, "redis:"))
		return err_set(c->err, WE_CONFIG,
			"'%.100s': access tables in databases are not supported by this version", text);
	return err_set(c->err, WE_CONFIG, "'%.100s' is neither file:<path> nor builtin:all", text);
}

static int tables_parse(struct conf_call *c, unsigned from, bool typed, struct ftp_wrap_tables *t)
{
	const char **where[] = {&t->allow, &t->deny};

	for (unsigned i = 0; i < 2; i++) {
		const char *text = c->args[from + i];
		int r = typed ? table_parse(c, text, where[i]) : path_ok(c, text);

		if (r < 0)
			return r;
		if (!typed)
			*where[i] = text;
	}
	return 0;
}

static int all_tables(struct conf_call *c, void *dst)
{
	return tables_parse(c, 0, true, dst);
}

/* Tables of those whom an expression names. */
static int tables_of(struct conf_call *c, enum ftp_expr_kind kind, char *const *words, unsigned n, bool typed,
	struct ftp_wrap_tables *t)
{
	int r = ftp_call_expr(c, kind, words, n, &t->who);

	return r == 0 ? tables_parse(c, 1, typed, t) : r;
}

static int user_tables(struct conf_call *c, void *dst)
{
	return tables_of(c, FTP_EXPR_USER, c->args, 1, true, dst);
}

static int group_tables(struct conf_call *c, void *dst)
{
	return tables_of(c, FTP_EXPR_GROUP, c->args, 1, true, dst);
}

static int access_files(struct conf_call *c, void *dst)
{
	return tables_parse(c, 0, false, dst);
}

/* Unlike with WrapUserTables all names of the list must hold, which is of use for "!name". */
static int user_files(struct conf_call *c, void *dst)
{
	char all[] = "AND", *words[] = {all, c->args[0]};

	return tables_of(c, FTP_EXPR_USER, words, 2, false, dst);
}

static int group_files(struct conf_call *c, void *dst)
{
	return tables_of(c, FTP_EXPR_GROUP, c->args, 1, false, dst);
}

static int options(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	conf->wrap_on_connect = false;
	for (unsigned i = 0; i < c->n_args; i++) {
		if (str_eq_nocase(c->args[i], "CheckOnConnect"))
			conf->wrap_on_connect = true;
		else if (str_eq_nocase(c->args[i], "CheckAllNames"))
			conf_warn(c->parser, &c->pos, "WrapOptions",
				"CheckAllNames has no effect: a client has one verified name");
		else
			return err_set(c->err, WE_CONFIG, "unknown option '%.60s'", c->args[i]);
	}
	return 0;
}

static int log_file(struct conf_call *c, void *dst)
{
	return ftp_call_logfile_or_none(c, &((struct ftp_conf *)dst)->wrap_log);
}

static const struct conf_word levels[] = {{"emerg", LOG_EMERG}, {"alert", LOG_ALERT}, {"crit", LOG_CRIT},
	{"error", LOG_ERR}, {"warn", LOG_WARNING}, {"notice", LOG_NOTICE}, {"info", LOG_INFO},
	{"debug", LOG_DEBUG}, {NULL, 0}};

static int syslog_levels(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	int r = conf_word_value(levels, c->args[0], &conf->tcp_allow_level, c->err);

	return r == 0 ? conf_word_value(levels, c->args[1], &conf->tcp_deny_level, c->err) : r;
}

#define WRAP2 .module = "mod_wrap2.c"
#define WRAP  .module = "mod_wrap.c"
#define LIST(of, m)                                                                                          \
	.type = CONF_T_LIST, .field = CONF_FIELD(struct ftp_conf, of.m, struct ftp_wrap_tables *),           \
	.item_size = sizeof(struct ftp_wrap_tables)

static const struct conf_row rows[] = {
	{.name = "TCPAccessFiles",
		LIST(tcp_wrap, all),
		.parse = access_files,
		.min_args = 2,
		.scope = S_V_G_A,
		WRAP,
		.syntax = "<allow file> <deny file>",
		.doc = "As WrapTables with two files, asked at the login. Who is asked by both must be let "
		       "in "
		       "by both."},
	{.name = "TCPAccessSyslogLevels",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, tcp_allow_level, tcp_deny_level),
		.parse = syslog_levels,
		.min_args = 2,
		.scope = S_V_G_A,
		WRAP,
		.dflt = "info warn",
		.syntax = "<level> <level>",
		.doc = "Levels at which the answers of TCPAccessFiles and its like are logged: client let "
		       "in, "
		       "client refused."},
	{.name = "TCPGroupAccessFiles",
		LIST(tcp_wrap, groups),
		.parse = group_files,
		.min_args = 3,
		.scope = S_V_G,
		WRAP,
		.syntax = "<group expression> <allow file> <deny file>",
		.doc = "TCPAccessFiles for members of all these groups (\"!\" for non-members)."},
	{.name = "TCPServiceName",
		CONF_STRING(struct ftp_conf, tcp_wrap.service),
		.scope = S_V_G,
		WRAP,
		.dflt = "proftpd",
		.syntax = "<name>",
		.doc = "Name of this service in the files of TCPAccessFiles."},
	{.name = "TCPUserAccessFiles",
		LIST(tcp_wrap, users),
		.parse = user_files,
		.min_args = 3,
		.scope = S_V_G,
		WRAP,
		.syntax = "<user expression> <allow file> <deny file>",
		.doc = "TCPAccessFiles for a user, or for all but some (\"!name\")."},
	{.name = "WrapAllowMsg",
		CONF_STRING(struct ftp_conf, wrap_allow_msg),
		.scope = S_V_G_A,
		WRAP2,
		.syntax = "\"<text>\"",
		.doc = "Told with the reply to the login where WrapEngine is on. %u is the name."},
	{.name = "WrapDenyMsg",
		CONF_STRING(struct ftp_conf, wrap_deny_msg),
		.scope = S_V_G_A,
		WRAP2,
		.dflt_text = "Access denied",
		.syntax = "\"<text>\"",
		.doc = "Text of the 530 with which access tables refuse a client. %u is the name, or "
		       "unknown."},
	{.name = "WrapEngine",
		CONF_BOOL(struct ftp_conf, wrap_engine),
		.scope = S_V_G,
		WRAP2,
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether the access tables of WrapTables and its like are asked."},
	{.name = "WrapGroupTables",
		LIST(wrap, groups),
		.parse = group_tables,
		.min_args = 3,
		.scope = S_V_G_A,
		WRAP2,
		.syntax = "<group expression> <allow table> <deny table>",
		.doc = "WrapTables for members of all these groups (\"!\" for non-members)."},
	{.name = "WrapLog",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, wrap_log, struct ftp_logfile *),
		.parse = log_file,
		.min_args = 1,
		.scope = S_V_G,
		WRAP2,
		.dflt_text = "none",
		.syntax = "<path>|none",
		.doc = "File with a line for each answer of access tables, with the rule that it rests on."},
	{.name = "WrapOptions",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, wrap_on_connect, bool),
		.parse = options,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G,
		WRAP2,
		.syntax = "CheckOnConnect|CheckAllNames ...",
		.doc = "CheckOnConnect: WrapTables is asked before the greeting too. CheckAllNames has no "
		       "effect."},
	{.name = "WrapServiceName",
		CONF_STRING(struct ftp_conf, wrap.service),
		.scope = S_V_G,
		WRAP2,
		.dflt = "proftpd",
		.syntax = "<name>",
		.doc = "Name of this service in access tables."},
	{.name = "WrapTables",
		LIST(wrap, all),
		.parse = all_tables,
		.min_args = 2,
		.scope = S_V_G_A,
		WRAP2,
		.syntax = "file:<path>|builtin:all file:<path>|builtin:all",
		.doc = "Tables in the form of hosts.allow and hosts.deny (hosts_access(5)): who matches a "
		       "rule of "
		       "the first is let in, else who matches one of the second is refused with 530 and "
		       "disconnected. They are read at each login, before the password is looked at. A file "
		       "that is missing has no rules, and one that cannot be read refuses. \"~/\" is the "
		       "user's home, %U the name that was sent. No program of a rule is started, and "
		       "netgroups are not looked up: such rules count where they refuse. builtin:all "
		       "matches all."},
	{.name = "WrapUserTables",
		LIST(wrap, users),
		.parse = user_tables,
		.min_args = 3,
		.scope = S_V_G_A,
		WRAP2,
		.syntax = "<user expression> <allow table> <deny table>",
		.doc = "WrapTables for these users (\"!\" for all others). Tables of users go before those "
		       "of "
		       "groups, and these before WrapTables; only one pair is asked."},
};

const struct conf_table ftp_table_wrap = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
