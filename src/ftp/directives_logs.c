/* Directives about logs. */
#include "ftp/directives.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "base/alloc.h"
#include "base/str.h"

static const struct conf_word levels[] = {{"emerg", LOG_EMERG}, {"alert", LOG_ALERT}, {"crit", LOG_CRIT},
	{"error", LOG_ERR}, {"err", LOG_ERR}, {"warn", LOG_WARNING}, {"warning", LOG_WARNING},
	{"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {NULL, 0}};

/* --- parse functions --- */

static int log_file(struct conf_call *c, const char *path, struct ftp_logfile **ret_lf)
{
	if (path[0] != '/')
		return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", path);
	*ret_lf = ftp_logfile_get(c->arg, path);
	return *ret_lf != NULL ? 0 : err_set(c->err, ENOMEM, "out of memory");
}

static bool is_none(const char *s)
{
	bool b;

	return str_eq_nocase(s, "none") || (conf_bool(s, &b) == 0 && !b);
}

static int transfer_log(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	conf->transfer_log = NULL;
	return is_none(c->args[0]) ? 0 : log_file(c, c->args[0], &conf->transfer_log);
}

static int system_log(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	conf->system_log = NULL;
	conf->system_log_none = is_none(c->args[0]);
	return conf->system_log_none ? 0 : log_file(c, c->args[0], &conf->system_log);
}

static int log_format(struct conf_call *c, void *dst)
{
	struct ftp_log_format *f = dst;

	f->name = c->args[0];
	f->format = c->args[1];
	return 0;
}

/* "CLASS,!CLASS,+CMD,..." */
static int log_classes_check(struct conf_call *c, const char *list)
{
	static const char *const classes[] = {
		"NONE", "ALL", "AUTH", "INFO", "DIRS", "READ", "WRITE", "MISC", "SEC", "SITE", "EXIT"};
	const char *s = list;

	while (*s != '\0') {
		size_t n = strcspn(s, ",|"), skip = strspn(s, "!+");
		bool known = false;

		if (n == 0 || skip >= n)
			return err_set(c->err, WE_CONFIG, "empty class in '%.100s'", list);
		for (unsigned i = 0; i < ARRAY_LEN(classes); i++)
			known |= strlen(classes[i]) == n - skip &&
				 strncasecmp(classes[i], s + skip, n - skip) == 0;
		/* what is no class may be a command */
		if (!known && strspn(s + skip,
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_+!0123456789") <
				      n - skip)
			return err_set(c->err, WE_CONFIG, "unknown class '%.*s'", (int)n, s);
		s += n;
		s += *s != '\0';
	}
	return 0;
}

static int extended_log(struct conf_call *c, void *dst)
{
	struct ftp_extlog *e = dst;
	const char *target = c->args[0];
	int r;

	if (str_starts(target, "syslog:"))
		r = conf_word_value(levels, target + strlen("syslog:"), &e->syslog_level, c->err);
	else
		r = log_file(c, target, &e->file);
	if (r == 0 && c->n_args > 1) {
		e->classes = c->args[1];
		r = log_classes_check(c, e->classes);
	}
	e->format_name = c->n_args > 2 ? c->args[2] : NULL;
	return r;
}

/* --- rows --- */

static const struct conf_row rows[] = {
	{.name = "AllowLogSymlinks",
		CONF_BOOL(struct ftp_conf, allow_log_symlinks),
		.scope = S_V_G,
		.module = "mod_log.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether log files may be symbolic links."},
	{.name = "ExtendedLog",
		CONF_LIST(struct ftp_conf, extended_logs, struct ftp_extlog),
		.parse = extended_log,
		.min_args = 1,
		.max_args = 3,
		.scope = S_V_G_A,
		.module = "mod_log.c",
		.dflt_text = "none",
		.syntax = "<path>|syslog:<level> [<classes> [<format>]]",
		.doc = "Log of commands. The classes are NONE ALL AUTH INFO DIRS READ WRITE MISC SEC EXIT, "
		       "separated by commas, with "
		       "! to leave one out; the format is the name of a LogFormat."},
	{.name = "LogFormat",
		CONF_LIST(struct ftp_conf, log_formats, struct ftp_log_format),
		.parse = log_format,
		.min_args = 2,
		.scope = CONF_S | CONF_G,
		.module = "mod_log.c",
		.dflt_text = "default is %h %l %u %t \"%r\" %s %b",
		.syntax = "<name> \"<format>\"",
		.doc = "Names a format for ExtendedLog."},
	{.name = "SyslogLevel",
		CONF_ENUM(struct ftp_conf, syslog_level, int),
		.words = levels,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt = "notice",
		.syntax = "emerg|alert|crit|error|warn|notice|info|debug",
		.doc = "Less important messages are not logged."},
	{.name = "SystemLog",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, system_log, system_log_none),
		.parse = system_log,
		.min_args = 1,
		.scope = CONF_S | CONF_G,
		.module = "mod_log.c",
		.dflt_text = "syslog",
		.syntax = "<path>|none",
		.doc = "File for messages instead of syslog."},
	{.name = "TransferLog",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, transfer_log, struct ftp_logfile *),
		.parse = transfer_log,
		.min_args = 1,
		.scope = S_V_G_A,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "<path>|none",
		.doc = "Log of transfers in the format of xferlog(5)."},
};

const struct conf_table ftp_table_logs = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
