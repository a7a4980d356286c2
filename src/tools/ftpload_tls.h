/* The client's side of TLS: one context for all connections, no certificate is checked (it is a load, not a client).
 * A connection that is to resume another gets a copy of its session: with TLS 1.3 OpenSSL puts the tickets that come
 * on a connection into the very session object that was set there. */
#ifndef TOOLS_FTPLOAD_TLS_H
#define TOOLS_FTPLOAD_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/err.h"

/* version: "1.2", "1.3" or NULL for both. ciphers: list of either version, NULL = OpenSSL's.
 * Returned: SSL_CTX_free(). NULL with *err. */
SSL_CTX *load_tls_context(const char *version, const char *ciphers, struct err *err);

/* A connection on the socket (not yet connected may it be), to be driven by SSL_connect().
 *   keep    where the newest session of this connection is kept (SSL_SESSION_free()), NULL = nowhere; kept
 *   resume  session to resume, NULL = none; copied
 * Returned: SSL_free(). */
SSL *load_tls_new(SSL_CTX *ctx, int fd, SSL_SESSION **keep, SSL_SESSION *resume);

/* What became of a call that returned r <= 0: EPOLLIN or EPOLLOUT to wait for, 0 = the peer has closed, or negative
 * with the cause in *err. */
int load_tls_outcome(SSL *ssl, int r, struct err *err);

#endif
