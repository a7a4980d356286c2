/* Commands about the server and the connection, and those that belong before the login. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/param.h"
#include "ftp/reply.h"
#include "ftp/text.h"
#include "ftp/verb.h"
#include "session/cmd/cmd.h"
#include "session/session_priv.h"
#include "wherry_config.h"

#define CLNT_MAX 256 /* bytes kept of what a client calls itself */

/* --- what is here --- */

static enum ftp_result syst_run(struct session *s, const char *arg)
{
	session_reply(s, 215, "UNIX Type: L8");
	return FTP_DONE;
}

static enum ftp_result help_run(struct session *s, const char *arg)
{
	struct buf *out = session_out(s);
	size_t before = out->len;
	int r = verb_help(out, arg, &s->scope->conf);

	session_replied(s, out->len > before && out->data[before] == '5' ? 502 : 214, r);
	return FTP_DONE;
}

static enum ftp_result feat_run(struct session *s, const char *arg)
{
	struct verb_state st = {
		.conf = &s->scope->conf, .facts = s->facts, .digest = s->digest, .quirks = s->quirks};

	session_replied(s, 211, verb_feat(session_out(s), &st));
	return FTP_DONE;
}

/* --- who is there --- */

static enum ftp_result clnt_run(struct session *s, const char *arg)
{
	char text[CLNT_MAX];

	(void)str_copy(text, sizeof text, arg);
	free(s->clnt);
	s->clnt = xstrdup(text);
	session_reply(s, 200, "OK");
	return FTP_DONE;
}

static enum ftp_result csid_run(struct session *s, const char *arg)
{
	if (s->scope->conf.ident_on)
		session_reply(s, 200, "name=" TEXT_PRODUCT ";version=" WHERRY_VERSION ";casesensitive=1;");
	else
		session_reply(s, 200, "casesensitive=1;");
	return FTP_DONE;
}

static enum ftp_result lang_run(struct session *s, const char *arg)
{
	struct line_cmd cmd = {.verb = "LANG", .arg = arg, .arg_len = strlen(arg), .has_arg = *arg != '\0'};
	struct buf *out = session_out(s);
	size_t before = out->len;
	int r;

	cmd.raw = s->cmd->line ? s->cmd->line : "LANG";
	cmd.raw_len = strlen(cmd.raw);
	r = param_lang(out, &cmd, &s->scope->conf);
	session_replied(s, out->len >= before + 3 ? atoi(out->data + before) : 200, r);
	return FTP_DONE;
}

/* --- too late --- */

static enum ftp_result host_run(struct session *s, const char *arg)
{
	session_reply(s, 503, "Bad sequence of commands");
	return FTP_DONE;
}

static enum ftp_result user_run(struct session *s, const char *arg)
{
	if (str_eq(arg, s->account->sent_user) || str_eq(arg, s->account->user))
		session_reply(s, 230, "User %s logged in", arg);
	else
		session_reply(s, 501, "Reauthentication not supported");
	return FTP_DONE;
}

static enum ftp_result pass_run(struct session *s, const char *arg)
{
	session_reply(s, 503, "You are already logged in");
	return FTP_DONE;
}

/* The client goes back to a login process, which answers 220 (RFC 959 4.1.1). */
static enum ftp_result rein_run(struct session *s, const char *arg)
{
	if (s->secure) { /* nothing could say what of the TLS connection is to be forgotten */
		session_reply(s, 502, "REIN command not implemented");
		return FTP_DONE;
	}
	s->end = SESSION_END_REIN;
	return FTP_CLOSE;
}

static enum ftp_result acct_run(struct session *s, const char *arg)
{
	session_reply(s, 502, "ACCT command not implemented");
	return FTP_DONE;
}

static enum ftp_result smnt_run(struct session *s, const char *arg)
{
	session_reply(s, 502, "SMNT command not implemented");
	return FTP_DONE;
}

const struct session_cmd session_cmd_syst = {.verb = "SYST", .run = syst_run};
const struct session_cmd session_cmd_help = {.verb = "HELP", .run = help_run};
const struct session_cmd session_cmd_feat = {.verb = "FEAT", .run = feat_run};
const struct session_cmd session_cmd_clnt = {.verb = "CLNT", .run = clnt_run};
const struct session_cmd session_cmd_csid = {.verb = "CSID", .run = csid_run};
const struct session_cmd session_cmd_lang = {.verb = "LANG", .run = lang_run};
const struct session_cmd session_cmd_host = {.verb = "HOST", .run = host_run};
const struct session_cmd session_cmd_user = {.verb = "USER", .run = user_run};
const struct session_cmd session_cmd_pass = {.verb = "PASS", .run = pass_run};
const struct session_cmd session_cmd_rein = {.verb = "REIN", .run = rein_run};
const struct session_cmd session_cmd_acct = {.verb = "ACCT", .run = acct_run};
const struct session_cmd session_cmd_smnt = {.verb = "SMNT", .run = smnt_run};
