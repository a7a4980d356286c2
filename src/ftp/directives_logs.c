/* Directives about logs. */
#include "ftp/directives.h"
#include "ftp/verb.h"
#include "log/extlog.h"

#include <string.h>
#include <syslog.h>

#include "base/alloc.h"
#include "base/str.h"

static const struct conf_word levels[] = {{"emerg", LOG_EMERG}, {"alert", LOG_ALERT}, {"crit", LOG_CRIT},
	{"error", LOG_ERR}, {"err", LOG_ERR}, {"warn", LOG_WARNING}, {"warning", LOG_WARNING},
	{"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {NULL, 0}};

/* --- parse functions --- */

static bool is_none(const char *s)
{
	bool b;

	return str_eq_nocase(s, "none") || (conf_bool(s, &b) == 0 && !b);
}

static int transfer_log(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	conf->transfer_log = NULL;
	return is_none(c->args[0]) ? 0 : ftp_call_logfile(c, c->args[0], &conf->transfer_log);
}

static int server_log(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	conf->server_log = NULL;
	conf->server_log_none = is_none(c->args[0]);
	return conf->server_log_none ? 0 : ftp_call_logfile(c, c->args[0], &conf->server_log);
}

static int system_log(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	conf->system_log = NULL;
	conf->system_log_none = is_none(c->args[0]);
	return conf->system_log_none ? 0 : ftp_call_logfile(c, c->args[0], &conf->system_log);
}

static int log_format(struct conf_call *c, void *dst)
{
	struct ftp_log_format *f = dst;
	struct logfmt *fmt;
	int r;

	r = logfmt_compile(c->args[1], &fmt, c->err);
	if (r < 0)
		return r;
	logfmt_free(&fmt); /* who writes the log compiles it again */
	f->name = c->args[0];
	f->format = c->args[1];
	return 0;
}

static bool is_command(const char *name)
{
	return verb_find_limit(name) != NULL || str_starts(name, "OPTS_");
}

static int extended_log(struct conf_call *c, void *dst)
{
	struct ftp_extlog *e = dst;
	struct extlog_mask mask;
	int level, r = extlog_target_parse(c->args[0], &level, c->err);

	if (r < 0)
		return r;
	if (level >= 0)
		e->syslog_level = level;
	else
		r = ftp_call_logfile(c, c->args[0], &e->file);
	if (r == 0 && c->n_args > 1) {
		e->classes = c->args[1];
		r = extlog_mask_parse(e->classes, is_command, &mask, c->err);
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
		       "! to leave one out; names of commands (SITE_CHMOD) may stand among them; the format "
		       "is the name of a LogFormat."},
	{.name = "LogFormat",
		CONF_LIST(struct ftp_conf, log_formats, struct ftp_log_format),
		.parse = log_format,
		.min_args = 2,
		.scope = CONF_S | CONF_G,
		.module = "mod_log.c",
		.dflt_text = "default is %h %l %u %t \"%r\" %s %b",
		.syntax = "<name> \"<format>\"",
		.doc = "Names a format for ExtendedLog."},
	{.name = "ServerLog",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, server_log, server_log_none),
		.parse = server_log,
		.min_args = 1,
		.scope = S_V_G,
		.module = "mod_log.c",
		.dflt_text = "the SystemLog",
		.syntax = "<path>|none",
		.doc = "File for messages about this server's clients, instead of the SystemLog; what is "
		       "about the daemon stays there. none: they are not logged."},
	{.name = "SyslogLevel",
		CONF_ENUM(struct ftp_conf, syslog_level, int),
		.words = levels,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt = "notice",
		.syntax = "emerg|alert|crit|error|warn|notice|info|debug",
		.doc = "Less important messages are not logged. Without effect in a <VirtualHost>: processes "
		       "that serve all servers log as the main server's says."},
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
