#include "login/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ftp/policy.h"
#include "ftp/reply.h"
#include "ftp/tls_record.h"
#include "ftp/variant.h"
#include "ftp/verb.h"
#include "ftp/wrap.h"
#include "login/conn_priv.h"
#include "login/record.h"
#include "score/score.h"

const char *login_state_name(enum login_state state)
{
	static const char *const names[LOGIN_STATE_COUNT] = {"admitting", "resolving", "securing", "checking",
		"commands", "authenticating", "delaying", "handing over", "closing", "lingering", "gone"};

	return names[state];
}

void login_enter(struct login_conn *c, enum login_state state, uint64_t now_ms)
{
	log_debug(&c->log, 7, "login: %s -> %s", login_state_name(c->state), login_state_name(state));
	c->state = state;
	c->due_ms = 0;
	switch (state) {
	case LOGIN_RESOLVING:
		c->due_ms = now_ms + LOGIN_RESOLVE_MS;
		break;
	case LOGIN_SECURING:
		c->securing_ms = now_ms;
		if (c->server->scope->conf.tls.handshake_ms > 0)
			c->due_ms = now_ms + c->server->scope->conf.tls.handshake_ms;
		break;
	case LOGIN_CHECKING:
		c->due_ms =
			now_ms + 2 * (uint64_t)c->server->scope->conf.tls.staple_timeout_ms + LOGIN_CHECK_MS;
		break;
	case LOGIN_CLOSING:
		c->due_ms = now_ms + LOGIN_CLOSE_MS;
		break;
	case LOGIN_LINGERING:
		c->due_ms = now_ms + LOGIN_LINGER_MS;
		break;
	case LOGIN_COMMANDS:
		score_set_idle(c->score);
		break;
	default:
		break;
	}
	if (state != LOGIN_AUTHENTICATING)
		login_wipe_string(&c->password);
	if (state >= LOGIN_CLOSING)
		c->timeout_ms = 0;
	if (state == LOGIN_CLOSING && c->out.len == 0)
		login_enter(c, c->eof ? LOGIN_GONE : LOGIN_LINGERING, now_ms);
}

void login_wipe_string(char **s)
{
	if (*s != NULL)
		wipe(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void login_reset(struct login_conn *c)
{
	const struct ftp_conf *conf = &c->server->scope->conf;

	login_wipe_string(&c->user);
	login_wipe_string(&c->clnt);
	c->type_ascii = conf->default_transfer_ascii;
	c->utf8_on = false;
	c->quiet = false;
	telnet_set_off(&c->telnet, charset_has_ff(conf->charset));
}

const struct ftp_server *login_server_for(const struct login_conn *c, const struct ftp_server *server)
{
	const struct ftp_subject who = login_subject(c);

	return server != NULL ? ftp_variants_get(c->env->variants, server, &who) : NULL;
}

void login_set_server(struct login_conn *c, const struct ftp_server *server)
{
	c->server = server;
	c->log.fd = server != NULL ? ftp_server_log_fd(&server->scope->conf) : 0;
}

static void set_up(struct login_conn *c, const struct login_env *env, uint32_t cid, const struct addr *peer,
	const struct addr *local, uint64_t now_ms)
{
	memset(c, 0, sizeof(*c));
	c->env = env;
	c->cid = cid;
	c->peer = *peer;
	c->local = *local;
	addr_text(peer, c->peer_text);
	c->log = (struct log_ctx){.parent = env->log, .client = &c->peer};
	buf_init(&c->out, LOGIN_OUT_MAX);
	buf_init(&c->cert, TLS_CLIENT_CERT_MAX);
	line_init(&c->in, LOGIN_LINE_MAX, LINE_PENDING_MAX);
	c->home_server = ftp_server_find(env->config, local);
	c->class = ftp_class_find(env->config, peer, NULL);
	login_set_server(c, login_server_for(c, c->home_server));
	if (c->server != NULL) {
		const struct ftp_conf *conf = &c->server->scope->conf;

		if (conf->command_buffer_bytes > 0 && conf->command_buffer_bytes < LOGIN_LINE_MAX)
			c->in.max = conf->command_buffer_bytes;
		if (conf->timeout_login_ms > 0)
			c->timeout_ms = now_ms + conf->timeout_login_ms;
		login_reset(c);
	}
}

void login_conn_init(struct login_conn *c, const struct login_env *env, uint32_t cid, const struct addr *peer,
	const struct addr *local, uint64_t now_ms)
{
	struct ipc_connect m = {.cid = cid, .peer = *peer, .local = *local};

	set_up(c, env, cid, peer, local, now_ms);
	if (env->ops->master(env->arg, c, IPC_CONNECT, &m) < 0)
		login_enter(c, LOGIN_GONE, now_ms);
}

void login_conn_done(struct login_conn *c)
{
	struct ipc_disconnect m = {.sid = c->sid};

	if (c->score != NULL || c->sid != 0)
		log_info(&c->log, "FTP session closed.");
	if (c->sid != 0)
		(void)c->env->ops->master(
			c->env->arg, c, IPC_DISCONNECT, &m); /* else master is gone, and so are we */
	c->sid = 0;
	score_release(c->score);
	c->score = NULL;
	login_wipe_string(&c->user);
	login_wipe_string(&c->clnt);
	login_wipe_string(&c->password);
	free(c->client_name);
	free(c->sni);
	free(c->tls_env);
	c->client_name = c->sni = c->tls_env = NULL;
	line_done(&c->in);
	buf_done(&c->out);
	buf_done(&c->cert);
}

/* --- the client's side --- */

/* The socket and what belongs to it go to master. */
static void hand_over(struct login_conn *c, uint64_t now_ms)
{
	struct ipc_handoff m = {
		.sid = c->sid,
		.generation = c->env->config->generation,
		.type_ascii = c->type_ascii,
		.utf8_on = c->utf8_on,
		.quiet = c->quiet,
		.telnet = telnet_pack(&c->telnet),
		.clnt = c->clnt != NULL ? c->clnt : "",
		.client_name = c->client_name != NULL ? c->client_name : "",
		.secure = c->secure,
		.prot_private = c->prot_private,
		.by_certificate = c->by_certificate,
		.tls_env = c->tls_env,
	};

	m.input.data = line_pending(&c->in, &m.input.len);
	/* Before the session process shows it: no client is to be there twice. */
	score_release(c->score);
	c->score = NULL;
	if (c->env->ops->master(c->env->arg, c, IPC_HANDOFF, &m) == 0)
		c->sid = 0; /* the session's now */
	else
		log_err(&c->log, "cannot hand the connection over, closing it");
	login_enter(c, LOGIN_GONE, now_ms);
}

/* PASS is recorded when its answer is there, which may be later. */
static void command_run(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms)
{
	const struct ftp_verb *verb = verb_find(cmd->verb);
	bool secret = verb != NULL && (verb->flags & VERB_SECRET) != 0;
	size_t before = c->out.len;

	login_command(c, cmd, now_ms);
	if (c->out.len > before)
		login_record(c, cmd->verb, secret ? "PASS (hidden)" : cmd->raw,
			!cmd->has_arg ? NULL
			: secret      ? "(hidden)"
				      : cmd->arg,
			c->out.data + before, c->out.len - before, now_ms, now_ms);
}

/* Go on with what can be done now: commands that wait, or the end that waits for the output. */
static void advance(struct login_conn *c, uint64_t now_ms)
{
	struct line_cmd cmd;
	enum line_result what;

	while (c->state == LOGIN_COMMANDS && c->out.len < LOGIN_OUT_PAUSE) {
		what = line_next(&c->in, &cmd);
		if (what == LINE_NONE) {
			if (c->eof)
				login_enter(c, LOGIN_CLOSING, now_ms);
			break;
		}
		if (what == LINE_COMMAND)
			command_run(c, &cmd, now_ms);
		else
			(void)reply_bad_line(&c->out, what); /* there is room below LOGIN_OUT_PAUSE */
		line_forget(&c->in);
	}
	if (c->out.len > 0)
		return;
	if (c->state == LOGIN_HANDING_OVER)
		hand_over(c, now_ms);
	else if (c->state == LOGIN_CLOSING)
		login_enter(c, c->eof ? LOGIN_GONE : LOGIN_LINGERING, now_ms);
}

size_t login_conn_wants_input(struct login_conn *c)
{
	switch (c->state) {
	case LOGIN_COMMANDS:
		return c->eof || c->out.len >= LOGIN_OUT_PAUSE ? 0 : line_room(&c->in);
	case LOGIN_CLOSING:
	case LOGIN_LINGERING: /* thrown away: bytes left in the socket would turn our close into a reset */
		return c->eof ? 0 : LINE_PENDING_MAX;
	default:
		return 0;
	}
}

void login_conn_input(struct login_conn *c, const void *data, size_t n, uint64_t now_ms)
{
	if (c->state >= LOGIN_CLOSING)
		return;
	if (telnet_filter(&c->telnet, data, n, line_input(&c->in), &c->out) < 0) {
		login_conn_end(c, "421 Service not available", now_ms);
		return;
	}
	advance(c, now_ms);
}

void login_conn_eof(struct login_conn *c, uint64_t now_ms)
{
	c->eof = true;
	if (c->state == LOGIN_LINGERING)
		login_enter(c, LOGIN_GONE, now_ms);
	else
		advance(c, now_ms);
}

void login_conn_broken(struct login_conn *c, const char *why, uint64_t now_ms)
{
	if (c->state == LOGIN_GONE)
		return;
	log_debug(&c->log, 3, "control connection lost: %s", why);
	if (c->secure || c->state == LOGIN_SECURING)
		ftp_tls_log(&c->server->scope->conf, &c->log, "control", why, -1);
	login_enter(c, LOGIN_GONE, now_ms);
}

void login_conn_sent(struct login_conn *c, size_t n, uint64_t now_ms)
{
	buf_consume(&c->out, n);
	if (c->out.len == 0)
		buf_done(&c->out); /* an idle connection holds no output buffer */
	advance(c, now_ms);
}

void login_conn_end(struct login_conn *c, const char *reply_line, uint64_t now_ms)
{
	if (c->state >= LOGIN_CLOSING)
		return;
	if (reply_whole(&c->out, reply_line) <
		0) { /* the client has not read for long: it will not read this */
		login_enter(c, LOGIN_GONE, now_ms);
		return;
	}
	login_enter(c, LOGIN_CLOSING, now_ms);
}

struct ftp_subject login_subject(const struct login_conn *c)
{
	return (struct ftp_subject){.class_name = c->class != NULL ? c->class->name : NULL,
		.client = &c->peer,
		.client_name = c->client_name};
}

/* --- messages --- */

/* Admitted by master; does the configuration take this client? Says why not. */
static bool welcome(struct login_conn *c, uint64_t now_ms)
{
	struct ftp_subject who = login_subject(c);
	struct policy_verdict v;
	char local[ADDR_TEXT_MAX];

	if (c->server == NULL) {
		log_notice(&c->log, "no server serves %s port %u, connection refused",
			addr_text(&c->local, local), addr_port(&c->local));
		(void)reply(&c->out, 500, "Sorry, no server available to handle request on %s", local);
	} else if (!policy_login_connect(&who, c->server->scope, &v)) {
		log_notice(&c->log, "Blocked by <Limit LOGIN>: %s at line %u of '%s'", v.why, v.line, v.file);
		(void)reply(&c->out, 530, "Access denied");
	} else {
		return true;
	}
	login_enter(c, LOGIN_CLOSING, now_ms);
	return false;
}

static void show(struct login_conn *c)
{
	c->score = score_claim(c->env->score, c->sid);
	score_set_client(c->score, &c->peer, c->client_name);
	score_set_server(c->score, &c->local, c->server->scope->conf.server_name);
	score_set_class(c->score, c->class != NULL ? c->class->name : NULL);
	score_set_protocol(c->score, "ftp");
}

/* Everything that is known of the client before it speaks is known: greet it, or not. */
static void open_session(struct login_conn *c, uint64_t now_ms)
{
	c->class = ftp_class_find(c->env->config, &c->peer, c->client_name);
	login_set_server(c, login_server_for(c, c->home_server));
	if (!welcome(c, now_ms))
		return;
	log_info(&c->log, "FTP session opened.");
	show(c);
	if (c->server->scope->conf.tls.engine &&
		(c->server->scope->conf.tls.options & TLS_OPT_USE_IMPLICIT_SSL) != 0) {
		c->implicit = true;
		c->prot_private = true;
		login_enter(c, LOGIN_SECURING, now_ms);
		return;
	}
	login_greet(c);
	login_enter(c, LOGIN_COMMANDS, now_ms);
	advance(c, now_ms);
}

/* Auth has said nothing of a client: it goes without a name, but not without the access tables. */
static void open_unanswered(struct login_conn *c, uint64_t now_ms)
{
	if (c->tables) {
		log_err(&c->log, "the access tables could not be asked, connection refused");
		login_conn_end(c, "421 Service not available", now_ms);
		return;
	}
	open_session(c, now_ms);
}

/* --- TLS --- */

/* What was read behind AUTH came in clear and may be another's (command injection): it is not executed. */
static void drop_clear_input(struct login_conn *c)
{
	size_t n;

	(void)line_pending(&c->in, &n);
	if (n == 0)
		return;
	log_notice(&c->log, "%zu bytes that came in clear before the TLS handshake are thrown away", n);
	line_drop(&c->in);
}

/* TLS is on, and the client's certificate is one that lets it in. */
static void secured(struct login_conn *c, uint64_t now_ms)
{
	if (c->implicit)
		login_greet(c);
	login_enter(c, LOGIN_COMMANDS, now_ms);
	advance(c, now_ms);
}

static void cert_refused(struct login_conn *c, const char *why, uint64_t now_ms)
{
	log_notice(&c->log, "client certificate refused: %s", why);
	ftp_tls_log(&c->server->scope->conf, &c->log, "control", why, -1);
	login_offence(c, FTP_BAN_TLS_HANDSHAKE);
	login_conn_end(c, "421 Client certificate not accepted, closing control connection", now_ms);
}

/* The responder of its authority is asked by a process that may do so; master forks it. */
static void cert_check(struct login_conn *c, uint64_t now_ms)
{
	struct ipc_cert_check m = {.sid = c->sid, .certificate = {c->cert.data, c->cert.len}};

	if (c->cert.len == 0) {
		cert_refused(c, "it is too large to be asked about", now_ms);
		return;
	}
	login_enter(c, LOGIN_CHECKING, now_ms);
	if (c->env->ops->master(c->env->arg, c, IPC_CERT_CHECK, &m) < 0)
		login_enter(c, LOGIN_GONE, now_ms);
}

void login_conn_cert_status(struct login_conn *c, const struct ipc_cert_status *m, uint64_t now_ms)
{
	if (c->state != LOGIN_CHECKING)
		return;
	if (m->verdict == IPC_CERT_REFUSED) {
		cert_refused(c, m->text, now_ms);
		return;
	}
	if (m->verdict == IPC_CERT_GOOD) {
		log_info(&c->log, "client certificate %s", m->text);
	} else {
		log_warn(&c->log, "client certificate: %s", m->text);
		ftp_tls_log(&c->server->scope->conf, &c->log, "control", m->text, -1);
	}
	secured(c, now_ms);
}

void login_conn_secured(struct login_conn *c, const char *text, const char *env, uint64_t now_ms)
{
	drop_clear_input(c);
	c->secure = true;
	c->telnet = (struct telnet){0};
	telnet_set_off(&c->telnet, charset_has_ff(c->server->scope->conf.charset));
	free(c->tls_env);
	c->tls_env = env != NULL ? xstrdup(env) : NULL;
	log_info(&c->log, "%s", text);
	ftp_tls_log(&c->server->scope->conf, &c->log, "control", text, (int64_t)(now_ms - c->securing_ms));
	score_set_protocol(c->score, "ftps");
	score_set_tls(c->score, true, c->prot_private);
	if (c->cert_shown && tls_revocation_wanted(&c->server->scope->conf.tls))
		cert_check(c, now_ms);
	else
		secured(c, now_ms);
}

void login_conn_tls_failed(struct login_conn *c, const char *why, uint64_t now_ms)
{
	char text[512];

	log_notice(&c->log, "TLS handshake failed: %s", why);
	(void)snprintf(text, sizeof(text), "handshake failed: %s", why); /* cut when too long */
	ftp_tls_log(&c->server->scope->conf, &c->log, "control", text, (int64_t)(now_ms - c->securing_ms));
	login_offence(c, FTP_BAN_TLS_HANDSHAKE);
	if (c->implicit)
		login_enter(c, LOGIN_GONE, now_ms); /* a plain reply would mean nothing to it */
	else
		login_conn_end(c, "421 TLS handshake failed", now_ms);
}

const struct ftp_server *login_conn_sni(struct login_conn *c, const char *name, uint64_t now_ms)
{
	const struct ftp_server *server =
		login_server_for(c, ftp_server_by_name(c->env->config, &c->local, name));
	struct ftp_subject who = login_subject(c);

	free(c->sni);
	c->sni = xstrdup(name);
	if (server == NULL || server->tls == NULL || !policy_login_connect(&who, server->scope, NULL) ||
		!login_server_switch(c, server, now_ms))
		return NULL;
	return server;
}

void login_conn_adopt(struct login_conn *c, const struct login_env *env, uint32_t cid,
	const struct ipc_adopt *m, uint64_t now_ms)
{
	set_up(c, env, cid, &m->peer, &m->local, now_ms);
	c->sid = c->log.sid = m->sid;
	if (m->client_name[0] != '\0')
		c->client_name = xstrdup(m->client_name);
	c->class = ftp_class_find(env->config, &c->peer, c->client_name);
	login_set_server(c, login_server_for(c, c->home_server));
	if (!welcome(c, now_ms))
		return;
	telnet_unpack(m->telnet, &c->telnet);
	telnet_set_off(&c->telnet, charset_has_ff(c->server->scope->conf.charset));
	if (buf_append(line_input(&c->in), m->input.data, m->input.len) < 0) {
		login_enter(c, LOGIN_GONE, now_ms);
		return;
	}
	show(c);
	if (m->auth) { /* the session process has said 234 */
		c->prot_private = m->prot_private;
		login_enter(c, LOGIN_SECURING, now_ms);
		return;
	}
	(void)reply(&c->out, 220, "Service ready for new user."); /* the buffer is empty */
	login_enter(c, LOGIN_COMMANDS, now_ms);
	advance(c, now_ms);
}

void login_conn_resolved(struct login_conn *c, const struct ipc_resolved *m, uint64_t now_ms)
{
	if (c->state != LOGIN_RESOLVING)
		return; /* it came too late */
	if (m->name[0] != '\0')
		c->client_name = xstrdup(m->name);
	if (m->refused)
		login_tables_refuse(c, now_ms);
	else
		open_session(c, now_ms);
}

void login_conn_admit(struct login_conn *c, const struct ipc_admit *m, uint64_t now_ms)
{
	if (m->verdict == IPC_OK) /* else master keeps no entry of it */
		c->sid = c->log.sid = m->sid;
	if (c->state != LOGIN_ADMITTING)
		return;
	if (m->verdict != IPC_OK) {
		log_notice(&c->log, "connection refused: %s",
			m->verdict == IPC_REFUSE_TEXT ? m->text : "limit reached");
		if (m->verdict == IPC_REFUSE_TEXT)
			login_conn_end(c, m->text, now_ms);
		else
			login_enter(c, LOGIN_GONE, now_ms);
		return;
	}
	c->tables = c->server != NULL && ftp_wrap_on_connect(&c->server->scope->conf);
	if (c->env->config->use_reverse_dns || c->tables) {
		struct ipc_resolve q = {.sid = c->sid,
			.server = c->server != NULL ? c->server->index : 0,
			.addr = c->peer,
			.local = c->local,
			.name = c->env->config->use_reverse_dns,
			.tables = c->tables};

		login_enter(c, LOGIN_RESOLVING, now_ms);
		if (c->env->ops->resolve(c->env->arg, &q) == 0)
			return;
	}
	open_unanswered(c, now_ms);
}

void login_conn_result(struct login_conn *c, const struct ipc_login_result *m, uint64_t now_ms)
{
	bool expected =
		m->request == c->request && (c->state == LOGIN_AUTHENTICATING || c->state == LOGIN_DELAYING);

	if (c->state >= LOGIN_CLOSING)
		return;
	if (!expected) {
		/* auth died after it had told master, and the client was told that its login failed.
		 * Master now counts a session that nobody has: the way out is to end. */
		log_warn(&c->log, "login succeeded after it was given up, closing the connection");
		login_conn_end(c, "421 Service not available, please log in again", now_ms);
		return;
	}
	if (m->verdict == IPC_OK) {
		login_enter(c, LOGIN_HANDING_OVER, now_ms);
		advance(c, now_ms);
	} else if (m->verdict == IPC_REFUSE_TEXT) {
		login_record(c, c->by_certificate ? "USER" : "PASS",
			c->by_certificate ? "USER" : "PASS (hidden)",
			c->by_certificate ? c->user : "(hidden)", m->text, strlen(m->text), c->pass_ms,
			now_ms);
		login_conn_end(c, m->text, now_ms);
	} else {
		login_enter(c, LOGIN_GONE, now_ms);
	}
}

void login_conn_failed(struct login_conn *c, const struct ipc_auth_failed *m, uint64_t now_ms)
{
	if (c->state != LOGIN_AUTHENTICATING || m->request != c->request)
		return;
	if (m->reason == IPC_AUTH_PASSWORD_EMPTY)
		login_offence(c, FTP_BAN_EMPTY_PASSWORD);
	else if (m->reason == IPC_AUTH_ANON_REJECTED)
		login_offence(c, FTP_BAN_ANON_REJECT_PASSWORDS);
	else if (m->reason == IPC_AUTH_ROOT)
		login_offence(c, FTP_BAN_ROOT_LOGIN);
	if (m->reason != IPC_AUTH_TABLES)
		login_offence(c, FTP_BAN_MAX_LOGIN_ATTEMPTS_FROM_USER);
	c->tables_say_no = m->reason == IPC_AUTH_TABLES && !c->by_certificate;
	login_fail(c, 530, now_ms);
	advance(c, now_ms);
}

void login_conn_auth_ready(struct login_conn *c, uint64_t now_ms)
{
	char *password = c->password;

	if (c->state != LOGIN_AUTHENTICATING || password == NULL)
		return;
	c->password = NULL;
	login_request(c, password, now_ms);
	login_wipe_string(&password);
}

void login_conn_auth_lost(struct login_conn *c, uint64_t now_ms)
{
	if (c->state == LOGIN_RESOLVING) {
		open_unanswered(c, now_ms);
	} else if (c->state == LOGIN_AUTHENTICATING && c->password == NULL) {
		log_warn(&c->log, "the auth process ended before it answered, refusing the login");
		login_fail(c, 530, now_ms);
		advance(c, now_ms);
	}
}

/* --- time --- */

uint64_t login_conn_deadline(const struct login_conn *c)
{
	if (c->due_ms == 0 || (c->timeout_ms != 0 && c->timeout_ms < c->due_ms))
		return c->timeout_ms;
	return c->due_ms;
}

static void timed_out(struct login_conn *c, uint64_t now_ms)
{
	unsigned secs = c->server->scope->conf.timeout_login_ms / 1000;
	char text[96];

	log_notice(&c->log, "Login timeout exceeded, disconnected");
	login_offence(c, FTP_BAN_TIMEOUT_LOGIN);
	(void)snprintf(
		text, sizeof(text), "421 Login timeout (%u seconds): closing control connection", secs);
	login_conn_end(c, text, now_ms);
}

void login_conn_tick(struct login_conn *c, uint64_t now_ms)
{
	if (c->timeout_ms != 0 && now_ms >= c->timeout_ms) {
		timed_out(c, now_ms);
		return;
	}
	if (c->due_ms == 0 || now_ms < c->due_ms)
		return;
	if (c->state == LOGIN_RESOLVING) {
		log_debug(&c->log, 3, "no answer about the client's name, going on without it");
		open_unanswered(c, now_ms);
	} else if (c->state == LOGIN_SECURING) {
		login_conn_tls_failed(c, "it took too long", now_ms);
	} else if (c->state == LOGIN_CHECKING) {
		cert_refused(c, "nothing is known of it in time", now_ms);
	} else if (c->state == LOGIN_DELAYING) {
		login_refuse(c, now_ms);
		advance(c, now_ms);
	} else {
		login_enter(c, LOGIN_GONE, now_ms);
	}
}
