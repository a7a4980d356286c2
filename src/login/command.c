/* The commands that are legal before login. To add one: a function and its line in the
 * table below, which has a row for each command with VERB_PRELOGIN in ftp/verb.c (login_test.c compares
 * them).
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "ftp/param.h"
#include "ftp/policy.h"
#include "ftp/profile.h"
#include "ftp/reply.h"
#include "ftp/rewrite.h"
#include "ftp/text.h"
#include "ftp/tls_record.h"
#include "ftp/verb.h"
#include "log/display.h"
#include "login/commands.h"
#include "login/conn_priv.h"
#include "login/record.h"
#include "score/score.h"

#define DISPLAY_MAX (32 * 1024) /* bytes of a display text with its cookies expanded */

static const struct ftp_conf *conf_of(const struct login_conn *c)
{
	return &c->server->scope->conf;
}

static unsigned quirks_of(const struct login_conn *c)
{
	const struct ftp_subject who = login_subject(c);
	unsigned quirks = ftp_quirks(conf_of(c), &who);

	return addr_is_v4(&c->local) ? quirks : quirks & ~(unsigned)FTP_QUIRK_NO_EPSV;
}

/* Conf of the <Anonymous> that USER chose, else of the server. */
static const struct ftp_conf *user_conf(const struct login_conn *c)
{
	const struct ftp_scope *anon = ftp_anon_find(c->server, c->user != NULL ? c->user : "", NULL, NULL);

	return anon != NULL ? &anon->conf : conf_of(c);
}

/* A display text as the lines before the command's own reply. One that does not fit is left out: the
 * command's own reply matters more. */
static void display(struct login_conn *c, unsigned code, const char *text)
{
	const struct ftp_conf *conf = conf_of(c);
	char local[ADDR_TEXT_MAX];
	struct display_values v = {
		.cwd = "/",
		.admin = conf->server_admin,
		.local_host = c->server->fqdn != NULL ? c->server->fqdn : addr_text(&c->local, local),
		.remote_host = c->peer_text,
		.user = c->user,
		.server_name = conf->server_name,
		.max_clients = conf->max_clients.max,
		.class_name = c->class != NULL ? c->class->name : NULL,
		.wall_secs = (int64_t)(clock_wall_ms() / 1000),
	};
	struct ftp_tls_env env;
	struct buf b;

	if (text == NULL)
		return;
	env.text = c->tls_env;
	v.env = ftp_tls_env_value;
	v.env_arg = &env;
	buf_init(&b, DISPLAY_MAX);
	if (display_expand(&b, text, &v) == 0 && b.len > 0)
		(void)reply_text(&c->out, code, b.data, b.len);
	buf_done(&b);
}

void login_greet(struct login_conn *c)
{
	struct buf b;

	if ((quirks_of(c) & FTP_QUIRK_ONE_LINE) == 0)
		display(c, 220, conf_of(c)->display_connect.text);
	buf_init(&b, 1024);
	(void)text_banner(&b, c->server, &c->local); /* a longer one is cut */
	(void)reply(&c->out, 220, "%s", b.len > 0 ? b.data : "FTP server ready");
	buf_done(&b);
}

/* --- USER, PASS --- */

static void ask_password(struct login_conn *c)
{
	if (ftp_anon_find(c->server, c->user, NULL, NULL) != NULL && !user_conf(c)->anon_require_password)
		(void)reply(&c->out, 331,
			"Anonymous login ok, send your complete email address as your password");
	else
		(void)reply(&c->out, 331, "Password required for %s", c->user);
}

/* TLSUserName, TLSOptions AllowDotLogin: auth is asked whether the client's certificate is enough. */
static bool certificate_may_do(const struct login_conn *c)
{
	const struct tls_config *tls = &conf_of(c)->tls;

	return c->cert.len > 0 && (tls->user_name != NULL || (tls->options & TLS_OPT_DOT_LOGIN) != 0) &&
	       ftp_anon_find(c->server, c->user, NULL, NULL) == NULL;
}

static void user_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	if (cmd->arg_len == 0) {
		(void)reply(&c->out, 500, "USER: command requires a parameter");
		return;
	}
	login_wipe_string(&c->user);
	if (cmd->arg_len > LOGIN_USER_MAX) {
		(void)reply(&c->out, 501, "Login incorrect.");
		return;
	}
	c->user = xstrdup(cmd->arg);
	score_set_cmd(c->score, "USER", c->user);
	if (certificate_may_do(c)) {
		c->by_certificate = true;
		c->pass_ms = now_ms;
		c->request++;
		login_enter(c, LOGIN_AUTHENTICATING, now_ms);
		login_request(c, "", now_ms);
	} else {
		ask_password(c);
	}
}

/* USER was answered later, when auth had looked at the client's certificate. */
static void record_user(struct login_conn *c, size_t before, uint64_t now_ms)
{
	char *line = xasprintf("USER %s", c->user);

	if (c->out.len > before)
		login_record(c, "USER", line, c->user, c->out.data + before, c->out.len - before, c->pass_ms,
			now_ms);
	free(line);
}

void login_fail(struct login_conn *c, unsigned code, uint64_t now_ms)
{
	uint64_t took = now_ms > c->pass_ms ? now_ms - c->pass_ms : 0;
	size_t before = c->out.len;

	if (c->by_certificate) { /* the password is still to come */
		c->by_certificate = false;
		ask_password(c);
		record_user(c, before, now_ms);
		login_enter(c, LOGIN_COMMANDS, now_ms);
		return;
	}

	/* How long auth needed says whether the user exists. The client sees only steps. */
	if (took < LOGIN_FAIL_MS)
		took = LOGIN_FAIL_MS;
	took = (took + LOGIN_FAIL_STEP_MS - 1) / LOGIN_FAIL_STEP_MS * LOGIN_FAIL_STEP_MS;
	login_enter(c, LOGIN_DELAYING, now_ms);
	c->fail_code = code;
	c->due_ms = c->pass_ms + took;
}

void login_offence(struct login_conn *c, enum ftp_ban_event event)
{
	struct ipc_offence q = {.sid = c->sid, .event = event, .user = c->user != NULL ? c->user : ""};

	if (c->sid != 0 && ftp_ban_counts(conf_of(c), event))
		(void)c->env->ops->master(
			c->env->arg, c, IPC_OFFENCE, &q); /* else master is gone, and so are we */
}

void login_tables_refuse(struct login_conn *c, uint64_t now_ms)
{
	const struct ftp_conf *conf = user_conf(c);
	const struct text_vars vars = {.user = c->user != NULL ? c->user : "unknown"};
	struct buf b;

	buf_init(&b, 1024);
	if (conf->wrap_engine && conf->wrap_deny_msg != NULL &&
		text_expand(&b, conf->wrap_deny_msg, &vars) == 0 && b.len > 0)
		(void)reply(&c->out, 530, "%s", b.data);
	else
		(void)reply(&c->out, 530, "Access denied");
	buf_done(&b);
	login_enter(c, LOGIN_CLOSING, now_ms);
}

void login_refuse(struct login_conn *c, uint64_t now_ms)
{
	const char *msg = user_conf(c)->access_deny_msg;
	const struct text_vars vars = {.user = c->user};
	unsigned max = conf_of(c)->max_login_attempts;
	size_t before = c->out.len;
	struct buf b;

	buf_init(&b, 1024);
	if (c->tables_say_no)
		login_tables_refuse(c, now_ms);
	else if (msg != NULL && text_expand(&b, msg, &vars) == 0 && b.len > 0)
		(void)reply(&c->out, c->fail_code, "%s", b.data);
	else
		(void)reply(&c->out, c->fail_code, "Login incorrect.");
	buf_done(&b);
	if (c->out.len > before)
		login_record(c, "PASS", "PASS (hidden)", "(hidden)", c->out.data + before,
			c->out.len - before, c->pass_ms, now_ms);
	login_wipe_string(&c->user); /* PASS again needs USER again */
	if (c->tables_say_no)
		return;
	c->fails++;
	if (max != 0 && c->fails >= max) {
		log_notice(&c->log, "Maximum login attempts (%u) exceeded, connection refused", max);
		login_offence(c, FTP_BAN_MAX_LOGIN_ATTEMPTS);
		login_enter(c, LOGIN_CLOSING, now_ms);
	} else {
		login_enter(c, LOGIN_COMMANDS, now_ms);
	}
}

void login_request(struct login_conn *c, const char *password, uint64_t now_ms)
{
	struct ipc_auth_request q = {
		.sid = c->sid,
		.request = c->request,
		.server = c->server->index,
		.user = c->user,
		.password = password,
		.client = c->peer,
		.local = c->local,
		.client_name = c->client_name != NULL ? c->client_name : "",
	};
	int r;

	if (c->by_certificate)
		q.certificate = (struct ipc_bytes){c->cert.data, c->cert.len};
	r = c->env->ops->auth(c->env->arg, &q);

	if (r == -WE_CLOSED) {
		c->password = xstrdup(password); /* until auth is there, or TimeoutLogin */
	} else if (r < 0) {
		log_err(&c->log, "cannot ask the auth process: %s", err_text(r));
		login_fail(c, 530, now_ms);
	}
}

static void pass_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	const struct ftp_conf *conf = user_conf(c);
	bool bad;

	if (c->user == NULL) {
		(void)reply(&c->out, 503, "Login with USER first");
		return;
	}
	c->quiet = cmd->arg[0] == '-';
	c->pass_ms = now_ms;
	c->request++;
	score_set_cmd(c->score, "PASS", "(hidden)");
	login_enter(c, LOGIN_AUTHENTICATING, now_ms);
	bad = (cmd->arg_len == 0 && !conf->allow_empty_passwords) ||
	      (conf->max_password_bytes != 0 && cmd->arg_len > conf->max_password_bytes);
	if (bad && cmd->arg_len == 0)
		login_offence(c, FTP_BAN_EMPTY_PASSWORD);
	if (bad)
		login_fail(c, 501, now_ms);
	else
		login_request(c, cmd->arg, now_ms);
}

/* --- HOST (RFC 7151) --- */

/* The server that a literal address means: the one reached, when it is the address reached. NULL: another
 * one. */
static const struct ftp_server *host_literal(const struct login_conn *c, const char *text)
{
	struct addr a;

	if (addr_parse(text, 0, &a) < 0 || !addr_host_equal(&a, &c->local))
		return NULL;
	return c->home_server;
}

/* 0 with *ret_server, NULL for unknown; or -1 after a 501 was said. */
static int host_find(struct login_conn *c, const char *host, const struct ftp_server **ret_server)
{
	char text[ADDR_TEXT_MAX];
	size_t n = strlen(host);
	struct addr a;

	if (host[0] == '[') {
		if (host[n - 1] == ']' && n - 2 < sizeof(text)) {
			memcpy(text, host + 1, n - 2);
			text[n - 2] = '\0';
			if (addr_parse(text, 0, &a) == 0 && a.sa.sa_family == AF_INET6) {
				*ret_server = host_literal(c, text);
				return 0;
			}
		}
		(void)reply(&c->out, 501, "%s: Invalid IPv6 address provided", host);
		return -1;
	}
	if (strchr(host, ':') != NULL) {
		(void)reply(&c->out, 501, "%s: Invalid hostname provided", host);
		return -1;
	}
	*ret_server = addr_parse(host, 0, &a) == 0 ? host_literal(c, host)
						   : ftp_server_by_name(c->env->config, &c->local, host);
	return 0;
}

bool login_server_switch(struct login_conn *c, const struct ftp_server *server, uint64_t now_ms)
{
	struct ipc_host m = {.sid = c->sid, .server = server->index};

	if (server->index != c->server->index && c->env->ops->master(c->env->arg, c, IPC_HOST, &m) < 0) {
		login_conn_end(c, "421 Service not available", now_ms);
		return false;
	}
	login_set_server(c, server);
	score_set_server(c->score, &c->local, server->scope->conf.server_name);
	login_wipe_string(&c->user);
	return true;
}

static void host_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	struct ftp_subject who = login_subject(c);
	const struct ftp_server *server;
	struct line_word w;
	char host[256];

	if (line_words(cmd->arg, &w, 1) != 1) {
		(void)param_not_understood(&c->out, 500, cmd);
		return;
	}
	if (w.len >= sizeof(host)) {
		(void)reply(&c->out, 501, "%.*s: Invalid hostname provided", 64, w.text);
		return;
	}
	memcpy(host, w.text, w.len);
	host[w.len] = '\0';
	if (c->secure && c->sni == NULL) {
		(void)reply(&c->out, 503, "Bad sequence of commands");
		return;
	}
	if (c->secure &&
		!str_eq_nocase(host, c->sni)) { /* the certificate was for that name (RFC 7151 3.2.2) */
		(void)reply(&c->out, 504, "%s: Unknown hostname provided", host);
		return;
	}
	if (host_find(c, host, &server) < 0)
		return;
	server = login_server_for(c, server);
	if (server == NULL || !policy_login_connect(&who, server->scope, NULL) ||
		!policy_check(&who, server->scope, NULL, NULL, NULL, "HOST", NULL)) {
		(void)reply(&c->out, 504, "%s: Unknown hostname provided", host);
		return;
	}
	if (login_server_switch(c, server, now_ms))
		(void)reply(&c->out, 220, "HOST command successful");
}

/* --- the others --- */

static void acct_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)reply(&c->out, 502, "ACCT command not implemented");
}

static void clnt_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	if (cmd->arg_len == 0) {
		(void)reply(&c->out, 501, "Invalid number of parameters");
		return;
	}
	login_wipe_string(&c->clnt);
	c->clnt = xstrndup(cmd->arg, utf8_cut(cmd->arg, cmd->arg_len, LOGIN_CLNT_MAX));
	(void)reply(&c->out, 200, "OK");
}

static void feat_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	struct verb_state st = {.conf = conf_of(c),
		.facts = verb_facts_start(conf_of(c)),
		.digest = ftp_digest_first(conf_of(c)),
		.quirks = quirks_of(c)};

	(void)verb_feat(&c->out, &st);
}

static void help_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)verb_help(&c->out, cmd->arg, conf_of(c));
}

static void lang_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)param_lang(&c->out, cmd, conf_of(c));
}

static void noop_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)reply(&c->out, 200, "NOOP command successful");
}

static void opts_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	const char *args = param_utf8_args(cmd);

	if (args != NULL)
		(void)param_utf8(&c->out, cmd, args, conf_of(c), &c->utf8_on);
	else
		(void)param_not_understood(&c->out, 501, cmd);
}

static void quit_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	display(c, 221, conf_of(c)->display_quit.text);
	(void)reply(&c->out, 221, "Goodbye.");
	login_enter(c, LOGIN_CLOSING, now_ms);
}

static void rein_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	if (cmd->arg_len > 0) {
		(void)reply(&c->out, 501, "Invalid number of parameters");
		return;
	}
	if (c->secure) { /* nothing could say what of the TLS connection is to be forgotten */
		(void)reply(&c->out, 502, "REIN command not implemented");
		return;
	}
	if (!login_server_switch(c, login_server_for(c, c->home_server), now_ms))
		return;
	login_reset(c);
	(void)reply(&c->out, 220, "Service ready for new user.");
}

/* --- TLS (RFC 4217, RFC 2228) --- */

static void auth_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	const char *mech = cmd->arg;
	bool private;

	if (c->secure)
		(void)reply(&c->out, 503, "Unwilling to accept second AUTH");
	else if (cmd->arg_len == 0)
		(void)reply(&c->out, 504, "AUTH requires at least one argument");
	else if (!param_auth_mech(mech, &private))
		(void)reply(&c->out, 504, "AUTH %.*s unsupported", 64, mech);
	else if (c->server->tls == NULL)
		(void)reply(&c->out, 431, "Necessary security resource unavailable");
	else {
		(void)reply(&c->out, 234, "AUTH %s successful", mech);
		login_reset(c); /* what was said in clear does not count (RFC 4217 4) */
		c->prot_private = private;
		login_enter(c, LOGIN_SECURING, now_ms);
	}
}

/* Before the login there is nothing that clear text could be good for. */
static void ccc_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	if (c->secure)
		(void)reply(&c->out, 534, "Unwilling to accept security parameters");
	else
		(void)reply(&c->out, 533, "CCC not allowed on insecure control connection");
}

static void no_adat_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)reply(&c->out, 503, "%s is not used with TLS", cmd->verb);
}

static void pbsz_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)param_pbsz(&c->out, cmd, c->secure);
}

static void prot_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)param_prot(&c->out, cmd, c->secure, conf_of(c)->tls_required.data, &c->prot_private);
	score_set_tls(c->score, c->secure, c->prot_private);
}

/* TLSRequired: is the command to wait until there is TLS? With AllowPerUser that is decided after the login. */
static bool needs_tls(const struct login_conn *c, const struct ftp_verb *verb)
{
	static const char *const clear[] = {"AUTH", "CLNT", "FEAT", "HOST", "NOOP", "QUIT", "SYST"};
	enum tls_control_need need = conf_of(c)->tls_required.control;

	if (c->secure || !conf_of(c)->tls.engine || need == TLS_CONTROL_OPTIONAL)
		return false;
	if (need == TLS_CONTROL_LOGIN)
		return str_eq(verb->name, "USER") || str_eq(verb->name, "PASS") || str_eq(verb->name, "ACCT");
	if ((conf_of(c)->tls.options & TLS_OPT_PER_USER) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(clear); i++)
		if (str_eq(verb->name, clear[i]))
			return false;
	return true;
}

static void stat_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	char local[ADDR_TEXT_MAX];

	if (cmd->arg_len > 0) { /* a path */
		(void)reply(&c->out, 530, "Please login with USER and PASS");
		return;
	}
	(void)reply_first(&c->out, 211, "Status of '%s'",
		conf_of(c)->defer_welcome ? addr_text(&c->local, local) : conf_of(c)->server_name);
	(void)reply_line(&c->out, "Connected from %s (%s)", c->peer_text, c->peer_text);
	(void)reply_line(
		&c->out, "TYPE: %s, STRUcture: File, Mode: Stream", c->type_ascii ? "ASCII" : "BINARY");
	(void)reply_line(&c->out, "No data connection");
	(void)reply(&c->out, 211, "End of status");
}

static void syst_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)reply(&c->out, 215, "UNIX Type: L8");
}

static void type_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	(void)param_type(&c->out, cmd, (quirks_of(c) & FTP_QUIRK_WORDS) != 0, &c->type_ascii);
}

const struct login_command_row login_commands[] = {
	{"ACCT", acct_run},
	{"ADAT", no_adat_run},
	{"AUTH", auth_run},
	{"CCC", ccc_run},
	{"CLNT", clnt_run},
	{"CONF", no_adat_run},
	{"ENC", no_adat_run},
	{"FEAT", feat_run},
	{"HELP", help_run},
	{"HOST", host_run},
	{"LANG", lang_run},
	{"MIC", no_adat_run},
	{"NOOP", noop_run},
	{"OPTS", opts_run},
	{"PASS", pass_run},
	{"PBSZ", pbsz_run},
	{"PROT", prot_run},
	{"QUIT", quit_run},
	{"REIN", rein_run},
	{"STAT", stat_run},
	{"SYST", syst_run},
	{"TYPE", type_run},
	{"USER", user_run},
	{NULL, NULL},
};

/* <Limit> sections that name the command, or DIRS and ALL for STAT. The ways in and out are never closed
 * by them; HOST has its own answer. */
static bool forbidden(const struct login_conn *c, const struct ftp_verb *verb)
{
	static const char *const open[] = {"HOST", "PASS", "QUIT", "USER"};
	struct ftp_subject who = login_subject(c);

	for (size_t i = 0; i < ARRAY_LEN(open); i++)
		if (str_eq(verb->name, open[i]))
			return false;
	return !policy_check(&who, c->server->scope, NULL, NULL, NULL, verb->limit, NULL);
}

static void command_decide(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	const struct login_command_row *row = login_commands;
	const struct ftp_verb *verb = verb_find(cmd->verb);
	const char *foreign = verb_foreign_protocol(cmd->verb);
	char text[256];

	if (foreign != NULL) {
		log_notice(&c->log, "client speaks %s, not FTP: connection closed", foreign);
		login_offence(c, FTP_BAN_BAD_PROTOCOL);
		login_enter(c, LOGIN_GONE, now_ms);
		return;
	}
	if (verb != NULL)
		log_debug(&c->log, 4, "command %s %s", verb->name,
			(verb->flags & VERB_SECRET) != 0 ? "(hidden)"
							 : str_escape(cmd->arg, text, sizeof(text)));
	while (row->verb != NULL && !str_eq(row->verb, cmd->verb))
		row++;
	if (verb == NULL || !verb_offered(verb, conf_of(c))) {
		(void)reply_unknown(&c->out, cmd);
		login_offence(c, FTP_BAN_UNHANDLED_COMMAND);
	} else if (row->verb == NULL)
		(void)reply(&c->out, 530, "Please login with USER and PASS");
	else if (needs_tls(c, verb))
		(void)reply(&c->out, 550, "SSL/TLS required on the control channel");
	else if (forbidden(c, verb) && (verb->flags & VERB_TLS) != 0)
		(void)reply(&c->out, 534, "Unwilling to accept security parameters");
	else if (forbidden(c, verb))
		(void)reply(&c->out, 550, "%s: Operation not permitted", verb->name);
	else if ((verb->flags & VERB_SECRET) == 0 && cmd->arg_len > 0 &&
		 !policy_arg_allowed(conf_of(c), cmd->arg, NULL))
		(void)reply(&c->out, 550, "%s: Forbidden command argument", cmd->arg);
	else
		row->run(c, cmd, now_ms);
}

void login_command(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	const struct ftp_verb *verb = verb_find(cmd->verb);
	const struct ftp_subject who = login_subject(c);
	struct rewrite_query q = {.conf = conf_of(c),
		.rules = conf_of(c)->rewrite_rules,
		.who = &who,
		.sent_user = c->user,
		.server_name = conf_of(c)->server_name,
		.port = addr_port(&c->local)};
	bool secret = verb != NULL && (verb->flags & VERB_SECRET) != 0;
	struct line_cmd rewritten;
	struct buf line;
	int r = 0;

	buf_init(&line, 1);
	if (verb != NULL)
		r = ftp_rewrite_command(&q, cmd, secret, &c->log, &line, &rewritten);
	if (r < 0)
		(void)reply(&c->out, 550, "%s: Forbidden command argument", secret ? "(hidden)" : cmd->arg);
	else
		command_decide(c, r > 0 ? &rewritten : cmd, now_ms);
	if (line.data != NULL)
		wipe(line.data, line.cap);
	buf_done(&line);
}
