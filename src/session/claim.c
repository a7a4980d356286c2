#include "session/claim.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "ftp/policy.h"
#include "ftp/text.h"
#include "session/proc.h"
#include "session/session_priv.h"

struct session_claim {
	claim_fn *go_on; /* NULL = no question waits */
	void *arg;
	bool held;      /* granted and not yet given back */
	unsigned stale; /* answers to come that nobody waits for */
	char *user_text, *host_text;
};

bool claim_needed(const struct ftp_conf *conf, unsigned command)
{
	return policy_max_transfers(conf->max_transfers_per_user, command) ||
	       policy_max_transfers(conf->max_transfers_per_host, command);
}

static char *refusal_text(const struct ftp_max_xfers *rule, const char *user)
{
	struct text_vars vars = {.user = user};
	struct buf out;

	if (!rule)
		return NULL;
	vars.max = rule->max;
	buf_init(&out, 1024);
	if (text_expand(&out, rule->message, &vars) < 0 || out.len == 0) {
		buf_done(&out);
		return xstrdup("Too many transfers");
	}
	return out.data;
}

static void texts_free(struct session_claim *c)
{
	free(c->user_text);
	free(c->host_text);
	c->user_text = c->host_text = NULL;
}

enum ftp_result claim_ask(
	struct session *s, const struct ftp_conf *conf, unsigned command, claim_fn *go_on, void *arg)
{
	const struct ftp_max_xfers *user = policy_max_transfers(conf->max_transfers_per_user, command);
	const struct ftp_max_xfers *host = policy_max_transfers(conf->max_transfers_per_host, command);
	struct ipc_xfer_claim m = {.sid = s->sid,
		.command = command,
		.max_user = user ? user->max : 0,
		.max_host = host ? host->max : 0};

	if (!user && !host)
		return go_on(s, arg, NULL, false);
	if (!s->claim)
		s->claim = xcalloc(1, sizeof *s->claim);
	texts_free(s->claim);
	s->claim->user_text = refusal_text(user, s->account->user);
	s->claim->host_text = refusal_text(host, s->account->user);
	s->claim->go_on = go_on;
	s->claim->arg = arg;
	session_ref(s);
	proc_send(s->proc, IPC_XFER_CLAIM, &m);
	return FTP_WAIT_IPC;
}

static void claim_answer(struct session *s, const char *refused, bool cancelled)
{
	claim_fn *go_on = s->claim->go_on;

	s->claim->go_on = NULL;
	session_finish(s, go_on(s, s->claim->arg, refused, cancelled));
	session_unref(s);
}

void session_claim_verdict(struct session *s, uint32_t refused)
{
	struct session_claim *c = s->claim;
	struct ipc_sid m = {.sid = s->sid};

	if (!c)
		return;
	if (c->stale > 0) { /* the oldest question was given up */
		c->stale--;
		if (!refused)
			proc_send(s->proc, IPC_XFER_DONE, &m);
		return;
	}
	if (!c->go_on)
		return;
	c->held = !refused;
	claim_answer(s, !refused ? NULL : refused == 1 && c->user_text ? c->user_text : c->host_text, false);
}

void claim_cancel(struct session *s)
{
	if (!s->claim || !s->claim->go_on)
		return;
	s->claim->stale++;
	claim_answer(s, NULL, true);
}

void claim_release(struct session *s)
{
	struct ipc_sid m = {.sid = s->sid};

	if (!s->claim || !s->claim->held)
		return;
	s->claim->held = false;
	proc_send(s->proc, IPC_XFER_DONE, &m);
}

void claim_done(struct session *s)
{
	if (!s->claim)
		return;
	claim_release(s);
	texts_free(s->claim);
	free(s->claim);
	s->claim = NULL;
}
