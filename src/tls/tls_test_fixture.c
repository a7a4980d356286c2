#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tls/tls_test_fixture.h"

char fx_dir[64];
struct tls_signer fx_signer;
unsigned fx_signatures;
SSL_SESSION *fx_got[FX_SESSIONS];
unsigned fx_n_got;

static X509 *ca_cert;
static EVP_PKEY *ca_key;
static struct tls_keys *keys;

const char *fx_path(const char *name)
{
	static char texts[64][128];
	static unsigned next;
	char *t = texts[next++ % 64];

	(void)snprintf(t, sizeof(texts[0]), "%s/%s", fx_dir, name);
	return t;
}

EVP_PKEY *fx_key(int nid)
{
	EVP_PKEY *k = nid == EVP_PKEY_RSA  ? EVP_RSA_gen(2048)
		      : nid == EVP_PKEY_EC ? EVP_EC_gen("P-256")
					   : EVP_PKEY_Q_keygen(NULL, NULL, OBJ_nid2sn(nid));

	assert_non_null(k);
	return k;
}

static void extension_add(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, ca_cert, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

X509 *fx_cert(const char *cn, const char *san, EVP_PKEY *key, bool ca, int days)
{
	static long serial;
	X509 *c = X509_new();
	X509_NAME *name = X509_get_subject_name(c);
	bool root = ca_cert == NULL;

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(c), -3600);
	X509_time_adj_ex(X509_getm_notAfter(c), days, 0, NULL);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(c, ca && !root ? X509_get_subject_name(ca_cert) : name);
	X509_set_pubkey(c, key);
	if (root)
		extension_add(c, NID_basic_constraints, "critical,CA:TRUE");
	if (san != NULL)
		extension_add(c, NID_subject_alt_name, san);
	assert_true(X509_sign(c, ca && !root ? ca_key : key, EVP_sha256()) > 0);
	return c;
}

void fx_write(const char *name, EVP_PKEY *key, X509 *cert, const char *passphrase, mode_t mode)
{
	FILE *f = fopen(fx_path(name), "we");

	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	if (cert != NULL)
		assert_int_equal(PEM_write_X509(f, cert), 1);
	if (key != NULL)
		assert_int_equal(PEM_write_PrivateKey(f, key, passphrase != NULL ? EVP_aes_128_cbc() : NULL,
					 (const unsigned char *)passphrase,
					 passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL),
			1);
	assert_int_equal(fclose(f), 0);
}

X509 *fx_ca_cert(void)
{
	return ca_cert;
}

EVP_PKEY *fx_ca_key(void)
{
	return ca_key;
}

void fx_write_crl(const char *name, X509 *cert)
{
	X509_CRL *crl = X509_CRL_new();
	X509_REVOKED *rev = X509_REVOKED_new();
	ASN1_TIME *t = ASN1_TIME_new();
	FILE *f = fopen(fx_path(name), "we");

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca_cert));
	X509_gmtime_adj(t, -60);
	X509_CRL_set1_lastUpdate(crl, t);
	X509_REVOKED_set_revocationDate(rev, t);
	X509_gmtime_adj(t, 3600);
	X509_CRL_set1_nextUpdate(crl, t);
	X509_REVOKED_set_serialNumber(rev, X509_get_serialNumber(cert));
	assert_int_equal(X509_CRL_add0_revoked(crl, rev), 1);
	assert_true(X509_CRL_sign(crl, ca_key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509_CRL(f, crl), 1);
	assert_int_equal(fclose(f), 0);
	ASN1_TIME_free(t);
	X509_CRL_free(crl);
}

static void write_p12(const char *name, EVP_PKEY *key, X509 *cert)
{
	PKCS12 *p12 = PKCS12_create("sesame", "x", key, cert, NULL, 0, 0, 0, 0, 0);
	FILE *f = fopen(fx_path(name), "we");

	assert_non_null(p12);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(i2d_PKCS12_fp(f, p12), 1);
	assert_int_equal(fclose(f), 0);
	PKCS12_free(p12);
}

static void one(const char *name, int nid, const char *cn, const char *san)
{
	EVP_PKEY *k = fx_key(nid);
	X509 *c = fx_cert(cn, san, k, true, 30);
	char file[32];

	(void)snprintf(file, sizeof(file), "%s.pem", name);
	fx_write(file, k, c, NULL, 0600);
	(void)snprintf(file, sizeof(file), "%s.key", name);
	fx_write(file, k, NULL, NULL, 0600);
	(void)snprintf(file, sizeof(file), "%s.crt", name);
	fx_write(file, NULL, c, NULL, 0644);
	if (nid == EVP_PKEY_RSA)
		fx_write("secret.key", k, NULL, "sesame", 0600);
	else if (strcmp(name, "ec") == 0)
		write_p12("bundle.p12", k, c);
	X509_free(c);
	EVP_PKEY_free(k);
}

static int sign_here(void *arg, unsigned key, enum tls_sign_kind kind, const uint8_t *in, size_t n,
	uint8_t *out, size_t *ret_n)
{
	fx_signatures++;
	return tls_keys_sign(keys, key, kind, in, n, out, ret_n);
}

int fx_start(void **state)
{
	struct tls_config conf;
	struct tls_load how = {.first_key = 100};
	struct err err = ERR_INIT;
	const char *tmp;

	(void)signal(SIGPIPE, SIG_IGN);
	tls_init();
	tmp = getenv("TMPDIR");
	(void)snprintf(fx_dir, sizeof(fx_dir), "%s/tls-test.XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	if (mkdtemp(fx_dir) == NULL)
		return -1;
	ca_key = fx_key(EVP_PKEY_EC);
	ca_cert = fx_cert("Test Authority", NULL, ca_key, false, 60);
	fx_write("ca.pem", NULL, ca_cert, NULL, 0644);
	one("rsa", EVP_PKEY_RSA, "ftp.example.org", "DNS:ftp.example.org,IP:127.0.0.1");
	one("ec", EVP_PKEY_EC, "ftp.example.org", "DNS:ftp.example.org,IP:127.0.0.1");
	one("other", EVP_PKEY_EC, "other.example.org", "DNS:other.example.org");
	one("client", EVP_PKEY_EC, "alice", "DNS:client.example.org,IP:192.0.2.7,email:alice@example.org");
	conf = fx_config();
	keys = tls_keys_new();
	fx_signer = (struct tls_signer){sign_here, NULL};
	if (tls_keys_load(keys, &conf, &how, &err) < 0)
		fail_msg("%s", err.text);
	conf.rsa_cert = NULL;
	conf.ec_cert = fx_path("other.pem");
	how.first_key = 200;
	return tls_keys_load(keys, &conf, &how, &err);
}

int fx_end(void **state)
{
	char cmd[100];

	fx_forget();
	tls_keys_free(&keys);
	X509_free(ca_cert);
	EVP_PKEY_free(ca_key);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", fx_dir);
	return system(cmd);
}

struct tls_config fx_config(void)
{
	return (struct tls_config){
		.engine = true,
		.protocols = TLS_V1_2 | TLS_V1_3,
		.rsa_cert = fx_path("rsa.pem"),
		.ec_cert = fx_path("ec.pem"),
		.ciphers = "DEFAULT:!ADH:!EXPORT:!DES",
		.server_preference = true,
		.verify_depth = 9,
		.alpn = true,
	};
}

struct tls_context *fx_context(const struct tls_config *conf, enum tls_role role)
{
	struct tls_load how = {
		.first_key = strstr(conf->ec_cert != NULL ? conf->ec_cert : "", "other") != NULL ? 200 : 100};
	struct err err = ERR_INIT;
	struct tls_material *m;
	struct tls_context *ctx;

	if (tls_material_load(conf, &how, &m, &err) < 0 ||
		tls_context_new(conf, m, role, &fx_signer, &ctx, &err) < 0)
		fail_msg("%s", err.text);
	tls_material_unref(&m);
	return ctx;
}

/* --- the client --- */

static int client_session(SSL *ssl, SSL_SESSION *s)
{
	if (fx_n_got == FX_SESSIONS)
		return 0;
	fx_got[fx_n_got++] = s;
	return 1;
}

void fx_forget(void)
{
	while (fx_n_got > 0)
		SSL_SESSION_free(fx_got[--fx_n_got]);
}

SSL_CTX *fx_client_ctx(int version)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(c, version);
	SSL_CTX_set_max_proto_version(c, version);
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, client_session);
	assert_int_equal(SSL_CTX_load_verify_locations(c, fx_path("ca.pem"), NULL), 1);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	return c;
}

void fx_wait(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	assert_int_equal(poll(&p, 1, 20000), 1);
}

void fx_sockets(int fds[2], int buf_bytes)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < 2 && buf_bytes != 0; i++) { /* before the connection: the window depends on it */
		int fd = i == 0 ? l : fds[1];

		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buf_bytes, sizeof(buf_bytes)), 0);
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buf_bytes, sizeof(buf_bytes)), 0);
	}
	assert_int_equal(bind(l, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &n), 0);
	assert_int_equal(connect(fds[1], (struct sockaddr *)&a, n), 0);
	fds[0] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[0] >= 0);
	fd_close(&l);
	assert_int_equal(fd_nonblock(fds[0], true), 0);
	assert_int_equal(fd_nonblock(fds[1], true), 0);
}

void fx_open(struct fx_pair *p, struct tls_context *ctx, const struct tls_conn_options *opt, SSL_CTX *client,
	SSL_SESSION *resume)
{
	struct err err = ERR_INIT;

	fx_sockets(p->fds, 0);
	assert_int_equal(tls_conn_new(ctx, p->fds[0], opt, &p->server, &err), 0);
	p->client = SSL_new(client);
	SSL_set_fd(p->client, p->fds[1]);
	SSL_set_connect_state(p->client);
	if (resume != NULL) {
		SSL_SESSION *copy =
			SSL_SESSION_dup(resume); /* OpenSSL as client uses one of TLS 1.3 only once */

		assert_int_equal(SSL_set_session(p->client, copy), 1);
		SSL_SESSION_free(copy);
	}
}

int fx_handshake(struct fx_pair *p, int *ret_client)
{
	int s = -EAGAIN, c = -1;

	while (s == -EAGAIN || c == -1) {
		if (c == -1) {
			int e;

			ERR_clear_error();
			c = SSL_do_handshake(p->client);
			e = SSL_get_error(p->client, c);
			if (c != 1)
				c = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? -1 : 0;
		}
		if (s == -EAGAIN)
			s = tls_accept(p->server);
		if (c == -1 && s != 0 && s != -EAGAIN) { /* what did it say last? */
			shutdown(p->fds[0], SHUT_WR);
			fx_wait(p->fds[1], POLLIN);
		} else if (c == 0 && s == -EAGAIN) {
			shutdown(p->fds[1], SHUT_WR);
			fx_wait(p->fds[0], POLLIN);
		}
	}
	ERR_clear_error();
	if (ret_client != NULL)
		*ret_client = c;
	return s;
}

void fx_connect(struct fx_pair *p, struct tls_context *ctx, const struct tls_conn_options *opt,
	SSL_CTX *client, SSL_SESSION *resume)
{
	unsigned tickets = opt != NULL ? opt->tickets : 0, before = fx_n_got;
	int c;

	fx_open(p, ctx, opt, client, resume);
	if (fx_handshake(p, &c) != 0)
		fail_msg("%s", tls_error(p->server));
	assert_int_equal(c, 1);
	if (SSL_version(p->client) < TLS1_3_VERSION)
		return;
	if (SSL_session_reused(p->client) && tickets > 1)
		tickets = 1;
	while (fx_n_got < before + tickets && fx_n_got < FX_SESSIONS) {
		fx_wait(p->fds[1], POLLIN);
		fx_client_idle(p);
	}
}

void fx_client_idle(struct fx_pair *p)
{
	char byte;

	ERR_clear_error();
	assert_int_equal(SSL_read(p->client, &byte, 1), -1);
	assert_int_equal(SSL_get_error(p->client, -1), SSL_ERROR_WANT_READ);
}

void fx_close(struct fx_pair *p)
{
	tls_conn_free(&p->server);
	SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* its session stays good */
	SSL_free(p->client);
	fd_close(&p->fds[0]);
	fd_close(&p->fds[1]);
}
