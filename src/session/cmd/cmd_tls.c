/* AUTH, PBSZ, PROT, CCC, SSCN, CPSV and what of RFC 2228 TLS does not need, after the login (RFC 4217). */
#include "base/str.h"
#include "ftp/param.h"
#include "session/cmd/cmd.h"
#include "session/ctrl.h"
#include "session/data.h"
#include "session/secure.h"
#include "session/session_priv.h"

/* The control connection is protected before the login, or with TLSOptions AllowPerUser also after it, which ends the
 * login: what was said in clear does not count (RFC 4217 4). A login process does it. */
static enum ftp_result auth_run(struct session *s, const char *arg)
{
	bool private;

	if (s->secure && !s->tls_cleared)
		session_reply(s, 503, "Unwilling to accept second AUTH");
	else if (!*arg)
		session_reply(s, 504, "AUTH requires at least one argument");
	else if (s->tls_cleared || !(s->server->scope->conf.tls.options & TLS_OPT_PER_USER))
		session_reply(s, 534, "Unwilling to accept security parameters");
	else if (!param_auth_mech(arg, &private))
		session_reply(s, 504, "AUTH %.64s unsupported", arg);
	else if (!s->server->tls)
		session_reply(s, 431, "Necessary security resource unavailable");
	else {
		session_reply(s, 234, "AUTH %s successful", arg);
		s->prot_private = private;
		s->end = SESSION_END_AUTH;
		return FTP_CLOSE;
	}
	return FTP_DONE;
}

static enum ftp_result ccc_run(struct session *s, const char *arg)
{
	const struct ftp_conf *conf = &s->scope->conf;

	if (!s->secure || s->tls_cleared)
		session_reply(s, 533, "CCC not allowed on insecure control connection");
	else if (conf->tls_required.control == TLS_CONTROL_REQUIRED)
		session_reply(s, 534, "Unwilling to accept security parameters");
	else {
		session_reply(s, 200, "Clearing control channel protection");
		s->tls_cleared = true;
		secure_show(s);
		ctrl_clear(s->ctrl);
	}
	return FTP_DONE;
}

static enum ftp_result none_run(struct session *s, const char *arg)
{
	session_reply(s, 503, "%s is not used with TLS", s->cmd->verb);
	return FTP_DONE;
}

static enum ftp_result pbsz_run(struct session *s, const char *arg)
{
	session_replied(s, 0, param_pbsz(session_out(s), s->cmd->input, s->secure));
	return FTP_DONE;
}

static enum ftp_result prot_run(struct session *s, const char *arg)
{
	session_replied(s, 0,
		param_prot(session_out(s), s->cmd->input, s->secure, s->scope->conf.tls_required.data,
			&s->prot_private));
	secure_show(s);
	return FTP_DONE;
}

/* Transfers between two servers (FXP): one of them must begin the handshake. */
static enum ftp_result sscn_run(struct session *s, const char *arg)
{
	bool on = str_eq_nocase(arg, "ON");

	if (!s->secure)
		session_reply(s, 504, "SSCN not allowed on insecure control connection");
	else if (*arg && !on && !str_eq_nocase(arg, "OFF"))
		session_reply(s, 501, "SSCN: ON or OFF expected");
	else {
		if (*arg)
			s->sscn = on;
		session_reply(s, 200, "SSCN:%s METHOD", s->sscn ? "CLIENT" : "SERVER");
	}
	return FTP_DONE;
}

static enum ftp_result cpsv_run(struct session *s, const char *arg)
{
	if (!s->secure)
		session_reply(s, 504, "CPSV not allowed on insecure control connection");
	else
		data_cpsv(s);
	return FTP_DONE;
}

const struct session_cmd session_cmd_adat = {.verb = "ADAT", .run = none_run};
const struct session_cmd session_cmd_auth = {.verb = "AUTH", .run = auth_run};
const struct session_cmd session_cmd_ccc = {.verb = "CCC", .run = ccc_run};
const struct session_cmd session_cmd_conf = {.verb = "CONF", .run = none_run};
const struct session_cmd session_cmd_cpsv = {.verb = "CPSV", .run = cpsv_run};
const struct session_cmd session_cmd_enc = {.verb = "ENC", .run = none_run};
const struct session_cmd session_cmd_mic = {.verb = "MIC", .run = none_run};
const struct session_cmd session_cmd_pbsz = {.verb = "PBSZ", .run = pbsz_run};
const struct session_cmd session_cmd_prot = {.verb = "PROT", .run = prot_run};
const struct session_cmd session_cmd_sscn = {.verb = "SSCN", .run = sscn_run};
