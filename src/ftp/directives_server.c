/* Directives of a server as such: identity, sockets, addresses, timeouts, texts. */
#include "ftp/directives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/profile.h"
#include "ftp/qos.h"

/* --- parse functions --- */

static int server_ident(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	if (conf_bool(c->args[0], &conf->ident_on) < 0)
		return err_set(c->err, WE_CONFIG, "expected Boolean parameter");
	conf->ident_text = c->n_args > 1 ? c->args[1] : NULL;
	return 0;
}

static int number_arg(struct conf_call *c, const char *s, unsigned max, unsigned *ret_v)
{
	uint64_t v;

	if (str_to_u64(s, &v) < 0)
		return err_set(c->err, WE_CONFIG, "'%.60s' is not a number", s);
	if (v > max)
		return err_set(c->err, WE_CONFIG, "'%.60s' is too large, the maximum is %u", s, max);
	*ret_v = (unsigned)v;
	return 0;
}

/* keepalive on|off|idle:count:interval */
static int keepalive_arg(struct conf_call *c, const char *s, struct ftp_socket_options *o)
{
	unsigned n[3];
	int used = 0;

	if (conf_bool(s, &o->keepalive) == 0)
		return 0;
	if (sscanf(s, "%5u:%5u:%5u%n", &n[0], &n[1], &n[2], &used) != 3 || s[used] != '\0' || s[0] == '-')
		return err_set(
			c->err, WE_CONFIG, "keepalive takes on, off or idle:count:interval, not '%.60s'", s);
	o->keepalive = true;
	o->keepalive_idle = n[0];
	o->keepalive_count = n[1];
	o->keepalive_interval = n[2];
	return 0;
}

static int socket_options(struct conf_call *c, void *dst)
{
	struct ftp_socket_options *o = &((struct ftp_conf *)dst)->socket_options;

	*o = (struct ftp_socket_options){.keepalive = true};
	if (c->n_args % 2 != 0)
		return err_set(c->err, WE_CONFIG,
			"wrong number of parameters: pairs of a word and a value are expected");
	for (unsigned i = 0; i < c->n_args; i += 2) {
		const char *word = c->args[i], *value = c->args[i + 1];
		bool b;
		int r = 0;

		if (str_eq_nocase(word, "maxseg"))
			r = number_arg(c, value, 65535, &o->maxseg);
		else if (str_eq_nocase(word, "rcvbuf"))
			r = number_arg(c, value, 1u << 30, &o->rcvbuf);
		else if (str_eq_nocase(word, "sndbuf"))
			r = number_arg(c, value, 1u << 30, &o->sndbuf);
		else if (str_eq_nocase(word, "keepalive"))
			r = keepalive_arg(c, value, o);
		else if (!str_eq_nocase(word, "reuseport"))
			r = err_set(c->err, WE_CONFIG, "unknown socket option '%.60s'", word);
		else if (conf_bool(value, &b) < 0)
			r = err_set(c->err, WE_CONFIG, "expected Boolean parameter");
		if (r < 0)
			return r;
	}
	return 0;
}

/* Pairs of ctrlqos|dataqos and a value, also in several lines. */
static int qos_options(struct conf_call *c, void *dst)
{
	struct ftp_qos *q = &((struct ftp_conf *)dst)->qos;

	if (c->n_args % 2 != 0)
		return err_set(c->err, WE_CONFIG,
			"wrong number of parameters: pairs of ctrlqos or dataqos and a value are expected");
	for (unsigned i = 0; i < c->n_args; i += 2) {
		const struct ftp_qos_value *v = ftp_qos_values;
		bool ctrl = str_eq_nocase(c->args[i], "ctrlqos");

		if (!ctrl && !str_eq_nocase(c->args[i], "dataqos"))
			return err_set(c->err, WE_CONFIG, "unknown word '%.60s', expected ctrlqos or dataqos",
				c->args[i]);
		while (v->name != NULL && !str_eq_nocase(v->name, c->args[i + 1]))
			v++;
		if (v->name == NULL)
			return err_set(c->err, WE_CONFIG, "unknown %s value '%.60s'",
				ctrl ? "ctrlqos" : "dataqos", c->args[i + 1]);
		if (ctrl) {
			q->ctrl_set = true;
			q->ctrl = v->byte;
		} else {
			q->data_set = true;
			q->data = v->byte;
		}
	}
	return 0;
}

/* on|off, or "ctrl <bool>" and "data <bool>" in any order. */
static int tcp_nodelay(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	bool b;

	conf->nodelay_ctrl = conf->nodelay_data = true;
	if (c->n_args == 1) {
		if (conf_bool(c->args[0], &b) < 0)
			return err_set(c->err, WE_CONFIG, "expected Boolean parameter");
		conf->nodelay_ctrl = conf->nodelay_data = b;
		return 0;
	}
	for (unsigned i = 0; i < c->n_args; i += 2) {
		if (i + 1 >= c->n_args || conf_bool(c->args[i + 1], &b) < 0)
			return err_set(c->err, WE_CONFIG, "expected Boolean parameter");
		if (str_eq_nocase(c->args[i], "ctrl"))
			conf->nodelay_ctrl = b;
		else if (str_eq_nocase(c->args[i], "data"))
			conf->nodelay_data = b;
		else
			return err_set(
				c->err, WE_CONFIG, "unknown word '%.60s', expected ctrl or data", c->args[i]);
	}
	return 0;
}

static int passive_ports(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	unsigned min = 0, max = 0;
	int r = number_arg(c, c->args[0], 65535, &min);

	if (r == 0)
		r = number_arg(c, c->args[1], 65535, &max);
	if (r < 0)
		return r;
	if (min < 1024 || max < 1024)
		return err_set(c->err, WE_CONFIG, "ports below 1024 cannot be used");
	if (min > max)
		return err_set(c->err, WE_CONFIG, "the first port is above the last");
	conf->passive_min = (uint16_t)min;
	conf->passive_max = (uint16_t)max;
	return 0;
}

static int masquerade_address(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	return ftp_call_masquerade(c, &conf->masquerade_name, &conf->masquerade, &conf->masquerade_live);
}

static int client_profile(struct conf_call *c, void *dst)
{
	struct ftp_profile *p = dst;
	int quirks = ftp_profile_find(c->args[0]);

	if (quirks < 0)
		return err_set(c->err, WE_CONFIG,
			"unknown profile '%.60s': expected camera, scanner, plc, mainframe or none",
			c->args[0]);
	p->quirks = (unsigned)quirks;
	if (c->n_args == 1)
		return 0;
	if (!str_eq_nocase(c->args[1], "class"))
		return err_set(
			c->err, WE_CONFIG, "expected 'class' and an expression, not '%.60s'", c->args[1]);
	return ftp_call_selector(c, 1, false, &p->who);
}

static int foreign_address(struct conf_call *c, void *dst)
{
	struct ftp_foreign *f = &((struct ftp_conf *)dst)->foreign;

	f->on = false;
	f->class_name = NULL;
	if (conf_bool(c->args[0], &f->on) < 0)
		f->class_name = c->args[0];
	return 0;
}

static int env_set(struct conf_call *c, void *dst)
{
	struct ftp_loader *l = c->arg;
	struct ftp_env *e = dst, *seen = arena_alloc(c->arena, sizeof(*seen));

	if (seen == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	if (c->args[0][0] == '\0' || strchr(c->args[0], '=') != NULL)
		return err_set(c->err, WE_CONFIG, "'%.60s' is no name of a variable", c->args[0]);
	e->name = c->args[0];
	e->value = c->n_args > 1 ? c->args[1] : NULL;
	if (c->section->kind == CONF_KIND_SERVER) { /* of the daemon: %{env:} further down sees it */
		*seen = *e;
		seen->item.next = (struct ftp_item *)l->env;
		l->env = seen;
	}
	return 0;
}

#define DISPLAY_MAX (64u * 1024)

/* File of a Display directive; one with an absolute path is read now, for the processes that will not see
 * it. */
static int display(struct conf_call *c, struct ftp_display *d)
{
	struct ftp_loader *l = c->arg;
	const struct conf_files *files = l->opt->files != NULL ? l->opt->files : &conf_files_real;
	uint64_t id[2];
	char *text;
	size_t len;
	int r;

	d->path = str_eq_nocase(c->args[0], "none") ? NULL : c->args[0];
	if (d->path == NULL || d->path[0] != '/')
		return 0;
	r = files->read(files->arg, d->path, DISPLAY_MAX, &text, &len, id);
	if (r == -EFBIG)
		return err_set(c->err, WE_CONFIG, "'%.250s' is larger than %u bytes", d->path, DISPLAY_MAX);
	if (r == -ENOENT || r == -ENOTDIR) /* missing is silent */
		return 0;
	if (r < 0) {
		conf_warn(c->parser, &c->pos, c->row->name,
			"cannot read '%.250s': %s, nothing is shown; named", d->path, err_text(r));
		return 0;
	}
	d->text = arena_strndup(c->arena, text, len);
	free(text);
	return d->text != NULL ? 0 : err_set(c->err, ENOMEM, "out of memory");
}

static int display_connect(struct conf_call *c, void *dst)
{
	if (c->args[0][0] != '/' && !str_eq_nocase(c->args[0], "none"))
		return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", c->args[0]);
	return display(c, &((struct ftp_conf *)dst)->display_connect);
}

static int display_login(struct conf_call *c, void *dst)
{
	return display(c, &((struct ftp_conf *)dst)->display_login);
}

static int display_quit(struct conf_call *c, void *dst)
{
	return display(c, &((struct ftp_conf *)dst)->display_quit);
}

static int display_file_transfer(struct conf_call *c, void *dst)
{
	return display(c, &((struct ftp_conf *)dst)->display_file_transfer);
}

/* file [once], where "once" may also be a Boolean. */
static int display_readme(struct conf_call *c, void *dst)
{
	((struct ftp_readme *)dst)->pattern = c->args[0];
	return c->args[0][0] != '\0' ? 0 : err_set(c->err, WE_CONFIG, "empty pattern");
}

static int display_chdir(struct conf_call *c, void *dst)
{
	struct ftp_display *d = &((struct ftp_conf *)dst)->display_chdir;

	d->once = c->n_args > 1 && str_eq_nocase(c->args[1], "once");
	if (c->n_args > 1 && !d->once && conf_bool(c->args[1], &d->once) < 0)
		return err_set(c->err, WE_CONFIG, "'%.60s' is neither 'once' nor a Boolean", c->args[1]);
	return display(c, d);
}

static const struct conf_word root_revoke_words[] = {{"on", FTP_ROOT_REVOKE_ON}, {"yes", FTP_ROOT_REVOKE_ON},
	{"true", FTP_ROOT_REVOKE_ON}, {"1", FTP_ROOT_REVOKE_ON}, {"off", FTP_ROOT_REVOKE_OFF},
	{"no", FTP_ROOT_REVOKE_OFF}, {"false", FTP_ROOT_REVOKE_OFF}, {"0", FTP_ROOT_REVOKE_OFF},
	{"UseNonCompliantActiveTransfers", FTP_ROOT_REVOKE_RELAXED}, {NULL, 0}};

/* --- rows --- */

static const struct conf_row rows[] = {
	{.name = "AllowForeignAddress",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, foreign, struct ftp_foreign),
		.parse = foreign_address,
		.min_args = 1,
		.scope = S_V_G_A,
		.module = "mod_core.c",
		.dflt = "off",
		.syntax = "on|off|<class>",
		.doc = "Whether data connections may go to or come from another address than the control "
		       "connection's, or only "
		       "to addresses of a class. Needed for transfers between two servers."},
	{.name = "ClientProfile",
		CONF_LIST(struct ftp_conf, profiles, struct ftp_profile),
		.parse = client_profile,
		.min_args = 1,
		.max_args = 3,
		.scope = S_V_G,
		.module = "mod_wherry.c",
		.dflt_text = "none",
		.syntax = "camera|scanner|plc|mainframe|none [class <expression>]",
		.doc = "Puts up with the habits of such devices; see NOTES for what each profile switches. "
		       "With an "
		       "expression only for sessions of those classes; the first line that fits a session "
		       "counts."},
	{.name = "DebugLevel",
		CONF_UINT(struct ftp_conf, debug_level, int),
		.scope = S_V_G,
		.module = "mod_core.c",
		.max = "10",
		.dflt_text = "that of the option -d",
		.syntax = "0-10",
		.doc = "How much is written to the log for finding faults. Without effect in a "
		       "<VirtualHost>: processes "
		       "that serve all servers log as the main server's says."},
	{.name = "DeferWelcome",
		CONF_BOOL(struct ftp_conf, defer_welcome),
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "On: the server names itself only after login."},
	{.name = "DisplayChdir",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, display_chdir, struct ftp_display),
		.parse = display_chdir,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "<file>|none [once|on|off]",
		.doc = "File, usually relative to the new directory, shown after CWD. once: not again until "
		       "it changes."},
	{.name = "DisplayConnect",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, display_connect, struct ftp_display),
		.parse = display_connect,
		.min_args = 1,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "<absolute path>|none",
		.doc = "File shown before the greeting."},
	{.name = "DisplayFileTransfer",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, display_file_transfer, struct ftp_display),
		.parse = display_file_transfer,
		.min_args = 1,
		.scope = S_V_G,
		.module = "mod_xfer.c",
		.dflt_text = "none",
		.syntax = "<file>|none",
		.doc = "File shown after a transfer."},
	{.name = "DisplayLogin",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, display_login, struct ftp_display),
		.parse = display_login,
		.min_args = 1,
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt_text = "none",
		.syntax = "<file>|none",
		.doc = "File shown after login. A relative path is looked for in the first directory of the "
		       "session."},
	{.name = "DisplayQuit",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, display_quit, struct ftp_display),
		.parse = display_quit,
		.min_args = 1,
		.scope = S_V_G_A,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "<file>|none",
		.doc = "File shown at QUIT."},
	{.name = "DisplayReadme",
		CONF_LIST(struct ftp_conf, readmes, struct ftp_readme),
		.parse = display_readme,
		.min_args = 1,
		.scope = S_V_G_A,
		.module = "mod_readme.c",
		.syntax = "<name>|<pattern>",
		.doc = "After login and after each change of directory the client is asked to read these "
		       "files, "
		       "with the time of their last change. The directive may be repeated. Files that "
		       "HideFiles and its like hide are not announced, and of one pattern at most 64."},
	{.name = "LangEngine",
		CONF_BOOL(struct ftp_conf, lang_engine),
		.scope = S_V_G,
		.module = "mod_lang.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether UTF-8 and the LANG command are offered, and UseEncoding counts."},
	{.name = "MasqueradeAddress",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, masquerade_name, masquerade_live),
		.parse = masquerade_address,
		.min_args = 1,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt_text = "the local address",
		.syntax = "<address>|<host name>|<interface>",
		.doc = "Address told to clients in the reply to PASV, for servers behind address "
		       "translation."},
	{.name = "PassivePorts",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, passive_min, passive_max),
		.parse = passive_ports,
		.min_args = 2,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt_text = "any port",
		.syntax = "<first> <last>",
		.doc = "Ports for passive data connections, both from 1024 to 65535."},
	{.name = "Port",
		CONF_UINT(struct ftp_conf, port, uint16_t),
		.scope = S_V_G,
		.module = "mod_core.c",
		.flags = CONF_LAST_WINS,
		.dflt = "21",
		.max = "65535",
		.syntax = "<port>",
		.doc = "Port to listen on. 0 turns the server off."},
	{.name = "QoSOptions",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, qos, struct ftp_qos),
		.parse = qos_options,
		.min_args = 2,
		.max_args = 20,
		.flags = CONF_REPEATABLE,
		.scope = S_V,
		.module = "mod_qos.c",
		.dflt_text = "ctrlqos lowdelay dataqos throughput",
		.syntax = "ctrlqos|dataqos "
			  "cs0-cs7|af11-af43|ef|lowcost|lowdelay|mincost|reliability|throughput ...",
		.doc = "Marks the packets of control and data connections for the network (RFC 2474, DSCP)."},
	{.name = "RootRevoke",
		CONF_ENUM(struct ftp_conf, root_revoke, enum ftp_root_revoke),
		.words = root_revoke_words,
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt_text = "active connections come from any port",
		.syntax = "on|off|UseNonCompliantActiveTransfers",
		.doc = "Source port of active data connections. off: port 20 (the control port less one), as "
		       "the standard asks; "
		       "on: the same, and PORT is refused where that needs privileges."},
	{.name = "ServerAdmin",
		CONF_STRING(struct ftp_conf, server_admin),
		.scope = S_V,
		.module = "mod_core.c",
		.flags = CONF_LAST_WINS,
		.dflt_text = "root@<host name>",
		.syntax = "<address>",
		.doc = "Mail address of the administrator, for texts."},
	{.name = "ServerIdent",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, ident_on, ident_text),
		.parse = server_ident,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt = "on",
		.syntax = "off | on [\"text\"]",
		.doc = "Text of the greeting; %L is the local address, %V the server's host name, %v its "
		       "ServerName. off: neither "
		       "product nor name are told."},
	{.name = "ServerName",
		CONF_STRING(struct ftp_conf, server_name),
		.scope = S_V,
		.module = "mod_core.c",
		.flags = CONF_LAST_WINS,
		.dflt = "Wherry",
		.syntax = "\"<name>\"",
		.doc = "Name of the server in greetings, logs and tools."},
	{.name = "SetEnv",
		CONF_LIST(struct ftp_conf, env, struct ftp_env),
		.parse = env_set,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G,
		.module = "mod_core.c",
		.syntax = "<name> [<value>]",
		.doc = "Sets an environment variable for the daemon (main server) and for sessions."},
	{.name = "SocketOptions",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, socket_options, struct ftp_socket_options),
		.parse = socket_options,
		.min_args = 2,
		.max_args = 20,
		.scope = S_V,
		.module = "mod_core.c",
		.dflt = "keepalive on",
		.syntax = "[maxseg <n>] [rcvbuf <bytes>] [sndbuf <bytes>] [keepalive "
			  "on|off|<idle>:<count>:<interval>] "
			  "[reuseport on|off]",
		.doc = "Options of control and data sockets; buffer sizes are those of the data socket. "
		       "Without "
		       "numbers for keepalive a silent control connection is asked after 60 seconds whether "
		       "the "
		       "client is there, so that firewalls do not forget it during a long transfer, and data "
		       "connections have the times of the system."},
	{.name = "TCPNoDelay",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, nodelay_ctrl, nodelay_data),
		.parse = tcp_nodelay,
		.min_args = 1,
		.max_args = 4,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt = "on",
		.syntax = "on|off | [ctrl on|off] [data on|off]",
		.doc = "Whether small segments are sent at once."},
	{.name = "TimeoutIdle",
		CONF_DURATION(struct ftp_conf, timeout_idle_ms),
		.scope = S_V_G_A,
		.module = "mod_core.c",
		.dflt = "600",
		.max = "65535",
		.syntax = "<duration>",
		.doc = "Closes a session that has sent neither a command nor data for this long. 0: never. "
		       "Durations are "
		       "seconds, 30s, 5m, 2h or hh:mm:ss."},
	{.name = "TimeoutLinger",
		CONF_DURATION(struct ftp_conf, timeout_linger_ms),
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt = "10",
		.max = "65535",
		.syntax = "<duration>",
		.doc = "How long the end of a data connection waits for the client's side to close."},
	{.name = "TimeoutLogin",
		CONF_DURATION(struct ftp_conf, timeout_login_ms),
		.scope = S_V_G,
		.module = "mod_auth.c",
		.dflt = "300",
		.max = "65535",
		.syntax = "<duration>",
		.doc = "Closes a connection that has not logged in for this long. 0: never."},
	{.name = "TimeoutNoTransfer",
		CONF_DURATION(struct ftp_conf, timeout_no_transfer_ms),
		.scope = S_V_G_A,
		.module = "mod_xfer.c",
		.dflt = "300",
		.max = "65535",
		.syntax = "<duration>",
		.doc = "Closes a session that has not opened a data connection for this long. 0: never."},
	{.name = "TimeoutSession",
		CONF_DURATION(struct ftp_conf, timeout_session_ms),
		.scope = S_V_G_A,
		.module = "mod_auth.c",
		.dflt = "0",
		.syntax = "<duration>",
		.doc = "Closes a session this long after login, whatever it does. 0: never."},
	{.name = "TimeoutStalled",
		CONF_DURATION(struct ftp_conf, timeout_stalled_ms),
		.scope = S_V_G_A,
		.module = "mod_xfer.c",
		.dflt = "3600",
		.max = "65535",
		.syntax = "<duration>",
		.doc = "Ends a session whose data connection has moved no byte for this long. 0: never."},
	{.name = "UnsetEnv",
		CONF_LIST(struct ftp_conf, env, struct ftp_env),
		.parse = env_set,
		.min_args = 1,
		.scope = S_V_G,
		.module = "mod_core.c",
		.syntax = "<name>",
		.doc = "Removes an environment variable."},
};

const struct conf_table ftp_table_server = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
