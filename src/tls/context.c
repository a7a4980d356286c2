/* Contexts: what the connections of one server have in common. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/str.h"
#include "tls/tls_priv.h"

#define SESSION_SECS     (24 * 3600) /* a transfer may come late in a session */
#define READ_AHEAD_BYTES (64 * 1024) /* data connections: one recv() for several records */
#define CA_NAMES_MAX     64          /* names sent to the client; more make the handshake large */

/* One for all: sessions pass between servers' contexts, between control and data, login and session. */
static const unsigned char session_context[] = "wherry";

int tls_conn_index = -1;

void tls_init(void)
{
	unsigned char byte;
	SSL_CTX *ctx;

	(void)OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
	(void)RAND_bytes(
		&byte, 1); /* opens what it needs; no entropy now is an error of the first handshake */
	ctx = SSL_CTX_new(TLS_method()); /* fetches the algorithms */
	SSL_CTX_free(ctx);
	if (tls_conn_index < 0)
		tls_conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	ERR_clear_error();
}

/* --- callbacks --- */

static struct tls_conn *conn_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, tls_conn_index);
}

static int session_made(SSL *ssl, SSL_SESSION *s)
{
	struct tls_conn *c = conn_of(ssl);
	bool control = c->ctx->role == TLS_CONTROL;

	/* A data connection that resumed nothing is not known to be the client's: its session must not become a
	 * proof for the next. */
	if (c->opt.sessions != NULL && (control || SSL_session_reused(ssl)))
		tls_sessions_add(c->opt.sessions, s, control);
	if (control && c->opt.cache != NULL)
		tls_cache_add(c->opt.cache, s);
	return 0; /* no reference kept */
}

static SSL_SESSION *session_asked(SSL *ssl, const unsigned char *id, int n, int *ret_copy)
{
	struct tls_conn *c = conn_of(ssl);
	SSL_SESSION *s = NULL;

	*ret_copy = 0; /* what is returned is OpenSSL's */
	if (n <= 0)
		return NULL;
	if (c->opt.sessions != NULL)
		s = tls_sessions_find(c->opt.sessions, id, (size_t)n);
	if (s == NULL && c->ctx->role == TLS_CONTROL && c->opt.cache != NULL) {
		s = tls_cache_find(c->opt.cache, id, (size_t)n);
		if (s != NULL && SSL_SESSION_up_ref(s)) {
			SSL_SESSION_free(c->from_cache);
			c->from_cache = s;
		}
	}
	/* A copy: OpenSSL makes a session unusable after an error of one connection, such as an end without
	 * close_notify, and the next data connection needs it. */
	return s != NULL ? SSL_SESSION_dup(s) : NULL;
}

static int alpn_chosen(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
	unsigned n, void *arg)
{
	static const unsigned char ours[] = "\3ftp";

	if (SSL_select_next_proto((unsigned char **)out, out_n, ours, 4, in, n) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_NOACK; /* a client that offers others is served without */
}

/* The name in a server_name extension (RFC 6066 3) into c->sni. */
static void sni_parse(struct tls_conn *c, const unsigned char *p, size_t n)
{
	size_t len;

	if (n < 5 || p[2] != 0) /* length of the list, type host_name */
		return;
	len = (size_t)p[3] << 8 | p[4];
	if (len == 0 || len > n - 5 || len >= sizeof(c->sni))
		return;
	for (size_t i = 0; i < len; i++) {
		char ch = ascii_lower((char)p[5 + i]);

		if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9') && ch != '.' && ch != '-' && ch != '_') {
			c->sni[0] = '\0';
			return;
		}
		c->sni[i] = ch;
	}
	c->sni[len] = '\0';
}

static int hello_seen(SSL *ssl, int *alert, void *arg)
{
	struct tls_conn *c = conn_of(ssl);
	struct tls_context *other = NULL;
	const unsigned char *ext;
	size_t n;

	c->sni[0] = '\0';
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &n))
		sni_parse(c, ext, n);
	if (c->ctx->role != TLS_CONTROL || c->sni[0] == '\0' || c->opt.sni == NULL ||
		(c->ctx->options & TLS_OPT_IGNORE_SNI) != 0)
		return SSL_CLIENT_HELLO_SUCCESS;
	other = c->opt.sni(c->opt.sni_arg, c->sni);
	if (other == NULL && (c->ctx->options & TLS_OPT_STRICT_SNI) != 0) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_CLIENT_HELLO_ERROR;
	}
	if (other == NULL || other == c->ctx)
		return SSL_CLIENT_HELLO_SUCCESS;
	if (SSL_set_SSL_CTX(ssl, other->ctx) == NULL) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_CLIENT_HELLO_ERROR;
	}
	(void)tls_context_ref(other);
	tls_context_unref(&c->ctx);
	c->ctx = other;
	tls_context_apply(other, ssl);
	return SSL_CLIENT_HELLO_SUCCESS;
}

int tls_cert_verified(int ok, X509_STORE_CTX *store)
{
	if (!ok && X509_STORE_CTX_get_error(store) == X509_V_ERR_UNABLE_TO_GET_CRL) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	return ok;
}

/* --- making one --- */

static unsigned long version_options(unsigned protocols)
{
	unsigned long o = 0;

	if ((protocols & TLS_V1_0) == 0)
		o |= SSL_OP_NO_TLSv1;
	if ((protocols & TLS_V1_1) == 0)
		o |= SSL_OP_NO_TLSv1_1;
	if ((protocols & TLS_V1_2) == 0)
		o |= SSL_OP_NO_TLSv1_2;
	if ((protocols & TLS_V1_3) == 0)
		o |= SSL_OP_NO_TLSv1_3;
	return o;
}

static void versions_set(struct tls_context *c, unsigned protocols)
{
	static const struct {
		unsigned bit;
		int version;
	} all[] = {{TLS_V1_0, TLS1_VERSION}, {TLS_V1_1, TLS1_1_VERSION}, {TLS_V1_2, TLS1_2_VERSION},
		{TLS_V1_3, TLS1_3_VERSION}};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if ((protocols & all[i].bit) == 0)
			continue;
		if (c->version_min == 0)
			c->version_min = all[i].version;
		c->version_max = all[i].version;
	}
	c->ssl_options = version_options(protocols);
}

static int ciphers_set(struct tls_context *c, const struct tls_config *conf, struct err *err)
{
	/* The static RSA key exchange needs a decryption, which auth does not do; DSA has no certificates. */
	char *list = xasprintf("%s:!kRSA:!kRSAPSK:!aDSS:!PSK:!SRP", conf->ciphers);
	int ok = SSL_CTX_set_cipher_list(c->ctx, list);

	free(list);
	if (!ok && (conf->protocols & ~(unsigned)TLS_V1_3) != 0)
		return tls_fail(err, WE_CONFIG, "TLSCipherSuite '%.200s' leaves nothing", conf->ciphers);
	if (conf->ciphersuites != NULL && !SSL_CTX_set_ciphersuites(c->ctx, conf->ciphersuites))
		return tls_fail(err, WE_CONFIG, "bad TLSCipherSuite TLSv1.3 '%.200s'", conf->ciphersuites);
	if (conf->groups != NULL && !SSL_CTX_set1_groups_list(c->ctx, conf->groups))
		return tls_fail(err, WE_CONFIG, "bad TLSECDHCurve '%.200s'", conf->groups);
	return 0;
}

static int dh_set(struct tls_context *c, const struct tls_material *m, struct err *err)
{
	if (m == NULL || m->dh == NULL) {
		(void)SSL_CTX_set_dh_auto(c->ctx, 1);
		return 0;
	}
	if (!EVP_PKEY_up_ref(m->dh))
		return err_set(err, ENOMEM, "out of memory");
	if (!SSL_CTX_set0_tmp_dh_pkey(c->ctx, m->dh)) {
		EVP_PKEY_free(m->dh);
		return tls_fail(err, WE_CONFIG, "the parameters of TLSDHParamFile cannot be used");
	}
	return 0;
}

static int certs_set(
	struct tls_context *c, const struct tls_material *m, const struct tls_signer *signer, struct err *err)
{
	unsigned n = 0;

	for (unsigned slot = 0; slot < TLS_KEYS; slot++) {
		const struct tls_cert *cert = &m->certs[slot];
		EVP_PKEY *key;
		int ok;

		if (cert->leaf == NULL)
			continue;
		c->remotes[slot] = (struct tls_remote){*signer, m->first_key + slot};
		key = tls_remote_key(cert->leaf, &c->remotes[slot]);
		ok = key != NULL && SSL_CTX_use_cert_and_key(c->ctx, cert->leaf, key, cert->chain, 1);
		EVP_PKEY_free(key);
		if (!ok)
			return tls_fail(
				err, WE_CONFIG, "the %s certificate cannot be used", tls_key_name(slot));
		n++;
	}
	return n > 0 ? 0 : err_set(err, WE_CONFIG, "there is no certificate");
}

int tls_store_fill(X509_STORE *store, const struct tls_material *m, struct err *err)
{
	int n = m != NULL && m->cas != NULL ? sk_X509_num(m->cas) : 0;

	for (int i = 0; i < n; i++) {
		if (!X509_STORE_add_cert(store, sk_X509_value(m->cas, i)))
			return tls_fail(err, WE_CONFIG, "cannot use an authority's certificate");
	}
	n = m != NULL && m->crls != NULL ? sk_X509_CRL_num(m->crls) : 0;
	for (int i = 0; i < n; i++) {
		if (!X509_STORE_add_crl(store, sk_X509_CRL_value(m->crls, i)))
			return tls_fail(err, WE_CONFIG, "cannot use a revocation list");
	}
	if (n > 0)
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

static int authorities_set(struct tls_context *c, const struct tls_material *m, struct err *err)
{
	int n = m != NULL && m->cas != NULL ? sk_X509_num(m->cas) : 0;

	for (int i = 0; i < n && n <= CA_NAMES_MAX; i++)
		(void)SSL_CTX_add_client_CA(c->ctx, sk_X509_value(m->cas, i)); /* only a hint */
	return tls_store_fill(SSL_CTX_get_cert_store(c->ctx), m, err);
}

static void verify_set(struct tls_context *c, const struct tls_config *conf)
{
	c->verify_depth = conf->verify_depth;
	c->verify_mode = SSL_VERIFY_NONE;
	if (c->role == TLS_DATA_CLIENT)
		c->verify_mode =
			conf->verify_server != TLS_SERVER_VERIFY_OFF ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
	else if (conf->verify == TLS_VERIFY_OPTIONAL)
		c->verify_mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
	else if (conf->verify == TLS_VERIFY_ON)
		c->verify_mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

static void sessions_set(SSL_CTX *ctx, enum tls_role role)
{
	if (role == TLS_DATA_CLIENT) {
		(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		return;
	}
	(void)SSL_CTX_set_session_cache_mode(
		ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
	(void)SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1);
	(void)SSL_CTX_set_timeout(ctx, SESSION_SECS);
	SSL_CTX_sess_set_new_cb(ctx, session_made);
	SSL_CTX_sess_set_get_cb(ctx, session_asked);
}

static void options_set(struct tls_context *c, const struct tls_config *conf)
{
	bool data = c->role != TLS_CONTROL;

	/* Without tickets of its own TLS 1.3 uses our sessions for them. */
	c->ssl_options |= SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
	if (conf->server_preference)
		c->ssl_options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
#ifdef SSL_OP_ENABLE_KTLS
	if (data && conf->offload != TLS_OFFLOAD_OFF && (conf->options & TLS_OPT_NO_KTLS) == 0)
		c->ssl_options |= SSL_OP_ENABLE_KTLS;
#endif
	(void)SSL_CTX_set_options(c->ctx, c->ssl_options);
	(void)SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (data) {
		SSL_CTX_set_read_ahead(c->ctx, 1);
		SSL_CTX_set_default_read_buffer_len(c->ctx, READ_AHEAD_BYTES);
	} else { /* control: idle for long; nothing behind CCC's close_notify may be taken from the socket */
		(void)SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
		SSL_CTX_set_read_ahead(c->ctx, 0);
	}
	/* Old versions sign with MD5 and SHA-1, which only level 0 lets through. */
	if ((conf->options & TLS_OPT_WEAK_SECURITY) != 0 || (conf->protocols & (TLS_V1_0 | TLS_V1_1)) != 0)
		SSL_CTX_set_security_level(c->ctx, 0);
}

static int fill(struct tls_context *c, const struct tls_config *conf, const struct tls_signer *signer,
	struct err *err)
{
	int r;

	c->ctx = SSL_CTX_new(c->role == TLS_DATA_CLIENT ? TLS_client_method() : TLS_server_method());
	if (c->ctx == NULL)
		return tls_fail(err, ENOMEM, "cannot make a TLS context");
	versions_set(c, conf->protocols);
	options_set(c, conf);
	verify_set(c, conf);
	sessions_set(c->ctx, c->role);
	SSL_CTX_set_verify(c->ctx, c->verify_mode, tls_cert_verified);
	SSL_CTX_set_verify_depth(c->ctx, (int)c->verify_depth);
	r = ciphers_set(c, conf, err);
	if (r == 0)
		r = authorities_set(c, c->material, err);
	if (r < 0 || c->role == TLS_DATA_CLIENT)
		return r;
	SSL_CTX_set_client_hello_cb(c->ctx, hello_seen, NULL);
	if (conf->staple)
		tls_staple_context(c->ctx);
	if (conf->alpn)
		SSL_CTX_set_alpn_select_cb(c->ctx, alpn_chosen, NULL);
	if (conf->verify != TLS_VERIFY_OFF && c->material->cas == NULL)
		return err_set(err, WE_CONFIG,
			"client certificates cannot be verified: TLSCACertificateFile or "
			"TLSCACertificatePath is missing");
	r = dh_set(c, c->material, err);
	return r < 0 ? r : certs_set(c, c->material, signer, err);
}

int tls_context_new(const struct tls_config *conf, struct tls_material *material, enum tls_role role,
	const struct tls_signer *signer, struct tls_context **ret_ctx, struct err *err)
{
	struct tls_context *c = xcalloc(1, sizeof(*c));
	int r;

	tls_init();
	c->refs = 1;
	c->role = role;
	c->options = conf->options;
	c->staple_options = conf->staple_options;
	c->zerocopy = conf->offload == TLS_OFFLOAD_ZEROCOPY;
	c->material = material != NULL ? tls_material_ref(material) : NULL;
	if (material == NULL && role != TLS_DATA_CLIENT)
		r = err_set(err, WE_CONFIG, "there is no certificate");
	else
		r = fill(c, conf, signer, err);
	ERR_clear_error();
	if (r < 0)
		tls_context_unref(&c);
	else
		*ret_ctx = c;
	return r;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
	(void)__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void tls_context_unref(struct tls_context **cp)
{
	struct tls_context *c = *cp;

	*cp = NULL;
	if (c == NULL || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	SSL_CTX_free(c->ctx);
	tls_material_unref(&c->material);
	free(c);
}

void tls_context_apply(const struct tls_context *c, SSL *ssl)
{
	(void)SSL_clear_options(ssl, version_options(0) | SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_set_options(ssl, c->ssl_options);
	(void)SSL_set_min_proto_version(ssl, c->version_min);
	(void)SSL_set_max_proto_version(ssl, c->version_max);
	SSL_set_verify(ssl, c->verify_mode, tls_cert_verified);
	SSL_set_verify_depth(ssl, (int)c->verify_depth);
}
