/* For the tests of src/tls/: certificates made on the spot, and a client in the same process. */
#ifndef TLS_TLS_TEST_FIXTURE_H
#define TLS_TLS_TEST_FIXTURE_H

#include <openssl/ssl.h>

#include "tls/tls.h"

/* Files in a fresh directory, made by fx_start(): ca.pem; rsa.pem and ec.pem with certificate (of the authority) and key,
 * for "ftp.example.org" and 127.0.0.1; rsa.key, ec.key, ec.crt apart; other.pem for "other.example.org";
 * secret.key: rsa.key under the passphrase "sesame"; bundle.p12: ec under "sesame"; client.pem: for "alice". */
extern char fx_dir[64];
const char *fx_path(const char *name); /* static text, which the next 63 calls leave alone */
int fx_start(void **state);
int fx_end(void **state);
EVP_PKEY *fx_key(int nid); /* EVP_PKEY_RSA, EVP_PKEY_EC, ...; freed by the caller */
/* A certificate signed by the authority (by itself when ca is false), valid for days from now on. */
X509 *fx_cert(const char *cn, const char *san, EVP_PKEY *key, bool ca, int days);
void fx_write(const char *name, EVP_PKEY *key, X509 *cert, const char *passphrase, mode_t mode);
/* The authority; borrowed. */
X509 *fx_ca_cert(void);
EVP_PKEY *fx_ca_key(void);
/* Write the authority's revocation list, in which cert stands, to name. */
void fx_write_crl(const char *name, X509 *cert);

struct tls_config fx_config(void); /* defaults with rsa.pem and ec.pem */
/* What auth would do; all contexts of fx_context() ask it. */
extern struct tls_signer fx_signer;
extern unsigned fx_signatures; /* asked for so far */
struct tls_context *fx_context(const struct tls_config *conf, enum tls_role role);

SSL_CTX *fx_client_ctx(int version); /* verifies the server; keeps the sessions it gets */
/* The sessions that clients of that context got, oldest first. */
#define FX_SESSIONS 16
extern SSL_SESSION *fx_got[FX_SESSIONS];
extern unsigned fx_n_got;
void fx_forget(void);

struct fx_pair {
	int fds[2]; /* server, client; non-blocking */
	struct tls_conn *server;
	SSL *client;
};
/* Two connected TCP sockets; buf_bytes: size of the buffers, 0 = as they are. */
void fx_sockets(int fds[2], int buf_bytes);
/* Both ends, before the handshake. resume: may be NULL. */
void fx_open(struct fx_pair *p, struct tls_context *ctx, const struct tls_conn_options *opt, SSL_CTX *client,
	SSL_SESSION *resume);
/* Both ends' handshake until one is over or failed. What tls_accept() said at last. *ret_client: 1 when the client is
 * content. */
int fx_handshake(struct fx_pair *p, int *ret_client);
/* The three: asserts success. */
void fx_connect(struct fx_pair *p, struct tls_context *ctx, const struct tls_conn_options *opt,
	SSL_CTX *client, SSL_SESSION *resume);
void fx_close(struct fx_pair *p);
/* Let the client take tickets: reads what is there; asserts that it is no data. */
void fx_client_idle(struct fx_pair *p);
/* Wait until fd has events. */
void fx_wait(int fd, short events);

#endif
