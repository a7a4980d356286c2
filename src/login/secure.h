/* TLS on control connections: what one connection has of it. It stays here when the
 * client has logged in: the session process gets clear text through a relay (relay.h) and no key of the control
 * connection.
 */
#ifndef LOGIN_SECURE_H
#define LOGIN_SECURE_H

#include "base/addr.h"
#include "base/log.h"
#include "ftp/conf.h"

struct login_conn;

struct secure {
	struct tls_conn *tls;
	struct tls_sessions *sessions; /* what the handshake made: for the data connections of the session */
	/* for what is logged when the login is over */
	const struct ftp_conf *conf; /* NULL = the login is not over */
	struct log_ctx log;
	struct addr client;
};

/* Begin the handshake on the socket of a client in state LOGIN_SECURING; c and fd are kept until it is done. 0 with
 * *ret_s returned, or negative with err: there is no certificate. */
int login_secure_new(struct login_conn *c, int fd, struct secure **ret_s, struct err *err);
void login_secure_free(struct secure **s);

/* One step; never waits. 0: done, and the client's certificate is as TLSOptions demand; -EAGAIN: wait for
 * tls_wants(); else it failed, *ret_why (valid until login_secure_free()) says why. */
int login_secure_step(struct secure *s, const struct login_conn *c, const char **ret_why);
/* TLSOptions StdEnvVars and ExportCertData, and notes as "note:KEY": "NAME=value" lines; returned (free()), NULL =
 * none. */
char *login_secure_env_text(const struct secure *s, const struct ftp_conf *conf);

/* c goes, and its TLS stays. */
void login_secure_keep(struct secure *s, const struct login_conn *c);
/* A kept one failed: is it TLS that ended it? Then TLSLog gets a line. */
void login_secure_failed(const struct secure *s);

/* Bytes of a control connection, through TLS or with s NULL in clear. Returns bytes, 0 at the end (also one without
 * close_notify: clients often close without a word, and nothing is cut off by it), or -errno. */
ssize_t login_secure_recv(struct secure *s, int fd, void *p, size_t n);
/* Returns bytes or -errno. *ret_waits: POLLIN or POLLOUT that TLS needs before it goes on, 0 = none. */
ssize_t login_secure_send(struct secure *s, int fd, const void *p, size_t n, short *ret_waits);

#endif
