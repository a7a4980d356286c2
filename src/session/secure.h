/* TLS of data connections (PROT P), and what a session knows of the TLS of its control connection, which itself
 * stays in login.
 *
 * A data connection is bound to the session by what it resumes: the list of sessions that came with the login is
 * the only one its handshake can resume from. TLSDataBinding says what becomes of one that resumes nothing.
 */
#ifndef SESSION_SECURE_H
#define SESSION_SECURE_H

#include "session/session.h"
#include "session/wire.h"

struct ipc_handoff;

/* What a session has only when its login was over TLS. */
struct session_tls {
	struct tls_sessions *sessions; /* what data connections may resume */
	char *env;                     /* StdEnvVars, ExportCertData: as in struct ipc_handoff; NULL = none */
	bool client;                   /* of the present data connection, not its server */
	bool has_peer, unbound_logged;
	uint8_t peer[32];  /* SHA-256 of the client's certificate */
	uint64_t begun_ms; /* the handshake of the data connection */
};

/* session_tls.env, NULL without TLS. */
static inline const char *secure_env(const struct session *s)
{
	return s->tls ? s->tls->env : NULL;
}

/* What login says about the control connection. 0 or -WE_SYNTAX. */
int secure_take(struct session *s, const struct ipc_handoff *h);
/* Tell the scoreboard what is protected now. */
void secure_show(const struct session *s);
void secure_forget(struct session *s);

/* Put TLS on an open data connection: the handshake begins. upload: of its direction. records: how many of them will be
 * sent, 0 = few. 0 or negative with the reason in err. */
int secure_begin(struct session *s, struct wire *w, bool upload, uint64_t records, struct err *err);
/* One step of it. 0: done and accepted; -EAGAIN: wait for wire_events(); -EPERM: the client is not the one of the control
 * connection, as far as TLSDataBinding asks; else it failed. What went wrong is logged. */
int secure_step(struct session *s, struct wire *w);
/* The handshake is given up: log why. */
void secure_failed(struct session *s, const char *why);
/* A data connection is about to be closed: if it was TLS that ended it, TLSLog gets a line; and a client that asked for new
 * keys, which kernel TLS cannot take, gets its next ones without kernel TLS. */
void secure_end(struct session *s, const struct wire *w);
/* TLSRequired for data connections in this scope: may there be one now? 0, or the code of the refusal with its text
 * (static). Any thread. */
int secure_data_refused(const struct session *s, const struct ftp_conf *conf, const char **ret_text);
/* The same; replies if not. */
bool secure_data_allowed(struct session *s, const struct ftp_conf *conf);

#endif
