#include "session/secure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "ftp/tls_record.h"
#include "ftp/tls_servers.h"
#include "ipc/message.h"
#include "score/score.h"
#include "session/data.h"
#include "session/proc.h"
#include "session/session_priv.h"
#include "tls/tls.h"

#define REKEYERS_MAX 64u
#define REKEYER_MS   ((uint64_t)3600 * 1000)

int secure_take(struct session *s, const struct ipc_handoff *h)
{
	struct session_tls *t;

	s->secure = h->secure;
	if (!h->secure)
		return 0;
	s->prot_private = h->prot_private;
	s->by_certificate = h->by_certificate;
	s->tls = t = xcalloc(1, sizeof *t);
	t->env = *h->tls_env ? xstrdup(h->tls_env) : NULL;
	if (h->tls_peer.len == sizeof t->peer) {
		memcpy(t->peer, h->tls_peer.data, sizeof t->peer);
		t->has_peer = true;
	}
	return tls_sessions_import(h->tls_sessions.data, h->tls_sessions.len, &t->sessions);
}

void secure_show(const struct session *s)
{
	score_set_tls(s->slot, s->secure && !s->tls_cleared, s->prot_private);
}

void secure_forget(struct session *s)
{
	if (!s->tls)
		return;
	tls_sessions_free(&s->tls->sessions);
	free(s->tls->env);
	free(s->tls);
	s->tls = NULL;
}

/* Clients that ask for new keys or take some (TLS 1.3, KeyUpdate): connections can be lost by that which kernel TLS serves (tls_rekey_asked()).
 * The oldest makes room. */
static struct {
	struct addr peer;
	uint64_t until_ms; /* 0 = none */
} rekeyers[REKEYERS_MAX];
static unsigned rekeyer_next;

static bool is_rekeyer(const struct addr *peer)
{
	uint64_t now_ms = clock_ms();

	for (unsigned i = 0; i < REKEYERS_MAX; i++)
		if (rekeyers[i].until_ms > now_ms && addr_host_equal(&rekeyers[i].peer, peer))
			return true;
	return false;
}

/* A client that changes keys, which kernel TLS may not take, gets connections without kernel TLS for an hour. */
static void rekeyer_remember(struct session *s, const struct wire *w)
{
	if (!tls_rekey_asked(w->tls) || is_rekeyer(&s->peer))
		return;
	rekeyers[rekeyer_next].peer = s->peer;
	rekeyers[rekeyer_next].until_ms = clock_ms() + REKEYER_MS;
	rekeyer_next = (rekeyer_next + 1) % REKEYERS_MAX;
	log_notice(&s->log, "the client asks for new keys on data connections, or changes its own, which "
			    "kernel TLS may not take: "
			    "not using it for this address for an hour");
}

int secure_begin(struct session *s, struct wire *w, bool upload, uint64_t records, struct err *err)
{
	struct tls_context *ctx;
	const struct tls_config *tls = &s->server->scope->conf.tls;
	/* A ticket that an uploading client does not read would make its close a reset. */
	struct tls_conn_options opt = {.sessions = s->tls->sessions,
		.tickets = upload ? 0 : 1,
		.no_kernel = (upload && tls->offload == TLS_OFFLOAD_TX_ONLY) || is_rekeyer(&s->peer),
		.records = records};

	bool client = s->sscn || data_is_cpsv(s->data);
	int r = ftp_tls_context(
		s->proc->start->config, s->server->index, client ? TLS_DATA_CLIENT : TLS_DATA, &ctx, err);

	if (r < 0)
		return r;
	if (client) /* the other end is another server, which knows nothing of this one's sessions */
		opt.sessions = NULL;
	s->tls->client = client;
	s->tls->begun_ms = clock_ms();
	w->lenient = tls->shutdown == TLS_SHUTDOWN_LENIENT;
	return tls_conn_new(ctx, w->sock, &opt, &w->tls, err);
}

/* TLSVerifyClient on: who does not resume must show the certificate of the control connection. */
static bool same_peer(const struct session *s, const struct wire *w)
{
	uint8_t fp[TLS_FINGERPRINT_BYTES];

	return !s->tls->has_peer ||
	       (tls_peer_fingerprint(w->tls, fp) && memcmp(fp, s->tls->peer, sizeof fp) == 0);
}

/* SSCN, CPSV: the other server is at an address that the client has named. Names are not looked up for it: who has the
 * address says what its name is. */
static int other_server_check(struct session *s, const struct wire *w)
{
	struct addr peer;
	socklen_t len = sizeof peer;

	if (s->server->scope->conf.tls.verify_server == TLS_SERVER_VERIFY_OFF)
		return 0;
	if (getpeername(w->sock, &peer.sa, &len) == 0 && tls_peer_has_address(w->tls, &peer))
		return 0;
	log_warn(&s->log,
		"data connection refused: the certificate of the other server does not name its address "
		"(TLSVerifyServer)");
	return -EPERM;
}

/* Does the data connection belong to the client of the control connection? */
static int binding_check(struct session *s, const struct wire *w)
{
	const struct tls_config *tls = &s->server->scope->conf.tls;

	if (tls_resumed(w->tls) || s->tls_cleared)
		return 0;
	if (!same_peer(s, w)) {
		log_warn(&s->log,
			"data connection refused: neither the TLS session nor the certificate of the control "
			"connection");
		return -WE_TLS_SESSION;
	}
	if (tls->binding == TLS_BINDING_REQUIRE && !(tls->options & TLS_OPT_NO_SESSION_REUSE_REQUIRED)) {
		log_warn(&s->log,
			"data connection refused: the client did not reuse the TLS session of its control "
			"connection (TLSDataBinding require; TLSOptions NoSessionReuseRequired or "
			"TLSDataBinding auto "
			"would accept it)");
		return -WE_TLS_SESSION;
	}
	if (tls->binding == TLS_BINDING_AUTO && !s->tls->unbound_logged) {
		log_notice(&s->log, "the client does not reuse the TLS session of its control connection for "
				    "data connections; "
				    "accepted, it has the same address (TLSDataBinding)");
		s->tls->unbound_logged = true;
	}
	return 0;
}

static int64_t handshake_ms(const struct session *s)
{
	return (int64_t)(clock_ms() - s->tls->begun_ms);
}

void secure_failed(struct session *s, const char *why)
{
	char text[512];

	log_notice(&s->log, "TLS handshake of the data connection failed: %s", why);
	(void)snprintf(text, sizeof text, "handshake failed: %s", why); /* cut when too long */
	ftp_tls_log(&s->server->scope->conf, &s->log, "data", text, handshake_ms(s));
}

void secure_end(struct session *s, const struct wire *w)
{
	const char *why = w->tls ? tls_failure(w->tls) : NULL;

	if (w->tls)
		rekeyer_remember(s, w);
	if (why)
		ftp_tls_log(&s->server->scope->conf, &s->log, "data", why, -1);
}

int secure_step(struct session *s, struct wire *w)
{
	int r = tls_accept(w->tls);
	char text[512];

	if (r == -EAGAIN)
		return r;
	if (r < 0) {
		secure_failed(s, tls_error(w->tls));
		return r == -WE_CLOSED ? -ECONNRESET : r;
	}
	(void)tls_describe_text(w->tls, text, sizeof text);
	log_debug(&s->log, 5, "data connection: %s", text);
	ftp_tls_log(&s->server->scope->conf, &s->log, "data", text, handshake_ms(s));
	return s->tls->client ? other_server_check(s, w) : binding_check(s, w);
}

int secure_data_refused(const struct session *s, const struct ftp_conf *conf, const char **ret_text)
{
	enum tls_data_need need = conf->tls.engine ? conf->tls_required.data : TLS_DATA_OPTIONAL;

	*ret_text = need == TLS_DATA_REQUIRED ? "SSL/TLS required on the data channel"
					      : "Unwilling to accept security parameters";
	if (need == TLS_DATA_REQUIRED && !s->prot_private)
		return 522;
	return need == TLS_DATA_FORBIDDEN && s->prot_private ? 534 : 0;
}

bool secure_data_allowed(struct session *s, const struct ftp_conf *conf)
{
	const char *text;
	int code = secure_data_refused(s, conf, &text);

	if (code)
		session_reply(s, code, "%s", text);
	return !code;
}
