/* Handshakes: versions, keys, resumption, names, certificates of clients. */
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tls/tls_test_fixture.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* --- full handshakes --- */

static void every_version_and_key_makes_a_connection(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		for (int ec = 0; ec < 2; ec++) {
			struct tls_config conf = fx_config();
			struct tls_context *ctx;
			SSL_CTX *client = fx_client_ctx(versions[v]);
			struct fx_pair p;
			struct tls_info info;
			char buf[16];
			unsigned before = fx_signatures;

			if (ec)
				conf.rsa_cert = NULL;
			else
				conf.ec_cert = NULL;
			ctx = fx_context(&conf, TLS_CONTROL);
			fx_connect(&p, ctx, NULL, client, NULL);
			tls_describe(p.server, &info);
			assert_string_equal(info.version, v == 0 ? "TLSv1.2" : "TLSv1.3");
			assert_false(info.resumed);
			assert_int_equal(fx_signatures, before + 1);
			assert_int_equal(SSL_write(p.client, "hello", 5), 5);
			fx_wait(p.fds[0], POLLIN);
			assert_int_equal(tls_read(p.server, buf, sizeof(buf)), 5);
			assert_memory_equal(buf, "hello", 5);
			assert_int_equal(tls_write(p.server, "welcome", 7), 7);
			fx_wait(p.fds[1], POLLIN);
			assert_int_equal(SSL_read(p.client, buf, sizeof(buf)), 7);
			fx_close(&p);
			SSL_CTX_free(client);
			tls_context_unref(&ctx);
			assert_null(ctx);
		}
	}
}

/* A server with both kinds gives the one that the client can check. */
static void the_client_chooses_the_kind_of_key(void **state)
{
	struct tls_config conf = fx_config();
	struct tls_context *ctx = fx_context(&conf, TLS_DATA);
	static const struct {
		const char *algorithms;
		int type;
	} cases[] = {{"ECDSA+SHA256", EVP_PKEY_EC}, {"rsa_pss_rsae_sha384", EVP_PKEY_RSA},
		{"rsa_pkcs1_sha256", EVP_PKEY_RSA}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SSL_CTX *client = fx_client_ctx(TLS1_2_VERSION);
		struct fx_pair p;

		assert_int_equal(SSL_CTX_set1_sigalgs_list(client, cases[i].algorithms), 1);
		SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
		fx_connect(&p, ctx, NULL, client, NULL);
		assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(p.client))),
			cases[i].type);
		fx_close(&p);
		SSL_CTX_free(client);
	}
	tls_context_unref(&ctx);
}

static int refused(struct tls_context *ctx, SSL_CTX *client)
{
	struct fx_pair p;
	int c, r;

	fx_open(&p, ctx, NULL, client, NULL);
	r = fx_handshake(&p, &c);
	assert_int_equal(c, 0);
	assert_true(r < 0);
	assert_int_equal(tls_accept(p.server), -EPROTO); /* no way back */
	fx_close(&p);
	return r;
}

static void what_is_old_or_weak_is_refused(void **state)
{
	struct tls_config conf = fx_config();
	struct tls_context *ctx = fx_context(&conf, TLS_CONTROL);
	SSL_CTX *client = fx_client_ctx(TLS1_1_VERSION);

	SSL_CTX_set_security_level(client, 0);
	SSL_CTX_set_cipher_list(client, "ALL:@SECLEVEL=0");
	assert_int_equal(refused(ctx, client), -EPROTO);
	SSL_CTX_free(client);
	client = fx_client_ctx(TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(client, "AES128-GCM-SHA256"); /* static RSA key exchange */
	assert_int_equal(refused(ctx, client), -EPROTO);
	SSL_CTX_free(client);
	tls_context_unref(&ctx);
	/* only when it is asked for by name, and never the key exchange */
	conf.protocols |= TLS_V1_1;
	ctx = fx_context(&conf, TLS_CONTROL);
	client = fx_client_ctx(TLS1_1_VERSION);
	SSL_CTX_set_security_level(client, 0);
	for (int i = 0; i < 2; i++) {
		struct fx_pair p;

		if (i == 1) {
			SSL_CTX_set_cipher_list(client, "kRSA:@SECLEVEL=0");
			assert_int_equal(refused(ctx, client), -EPROTO);
			break;
		}
		fx_connect(&p, ctx, NULL, client, NULL);
		fx_close(&p);
	}
	SSL_CTX_free(client);
	tls_context_unref(&ctx);
	conf.ciphers = "kRSA";
	assert_int_equal(tls_ciphers_check("kRSA", NULL), 0); /* known, but of no use here: */
	conf.protocols = TLS_V1_2;
	{
		struct tls_load how = {0};
		struct tls_material *m;
		struct err err = ERR_INIT;

		assert_int_equal(tls_material_load(&conf, &how, &m, &err), 0);
		assert_int_equal(tls_context_new(&conf, m, TLS_CONTROL, &fx_signer, &ctx, &err), -WE_CONFIG);
		assert_non_null(strstr(err.text, "leaves nothing"));
		tls_material_unref(&m);
	}
}

/* --- signers that fail --- */

static int sign_fails(void *arg, unsigned key, enum tls_sign_kind kind, const uint8_t *in, size_t n,
	uint8_t *out, size_t *ret_n)
{
	return -ETIMEDOUT;
}

static int sign_wrongly(void *arg, unsigned key, enum tls_sign_kind kind, const uint8_t *in, size_t n,
	uint8_t *out, size_t *ret_n)
{
	int r = fx_signer.sign(fx_signer.arg, key, kind, in, n, out, ret_n);

	out[*ret_n / 2] ^= 1;
	return r;
}

static int sign_much(void *arg, unsigned key, enum tls_sign_kind kind, const uint8_t *in, size_t n,
	uint8_t *out, size_t *ret_n)
{
	memset(out, 7, TLS_SIGN_OUT_MAX);
	*ret_n = TLS_SIGN_OUT_MAX;
	return 0;
}

static void a_signer_that_fails_ends_only_that_handshake(void **state)
{
	static const struct {
		int (*sign)(void *arg, unsigned key, enum tls_sign_kind kind, const uint8_t *in, size_t n,
			uint8_t *out, size_t *ret_n);
		int result;
	} cases[] = {{sign_fails, -ETIMEDOUT}, {sign_much, -EPROTO}, {sign_wrongly, -EPROTO}};
	const struct tls_signer good = fx_signer;

	for (size_t i = 0; i < ARRAY_LEN(cases) * 4; i++) {
		struct tls_config conf = fx_config();
		SSL_CTX *client = fx_client_ctx(versions[i & 1]);
		struct tls_context *ctx;
		struct tls_load how = {.first_key = 100};
		struct tls_material *m;
		struct tls_signer bad = {cases[i / 4].sign, NULL};
		struct err err = ERR_INIT;
		struct fx_pair p;
		int c, r;

		if ((i & 2) != 0)
			conf.rsa_cert = NULL;
		else
			conf.ec_cert = NULL;
		assert_int_equal(tls_material_load(&conf, &how, &m, &err), 0);
		assert_int_equal(tls_context_new(&conf, m, TLS_CONTROL, &bad, &ctx, &err), 0);
		fx_open(&p, ctx, NULL, client, NULL);
		r = fx_handshake(&p, &c);
		assert_int_equal(c, 0);
		assert_int_equal(r, cases[i / 4].result);
		if (cases[i / 4].sign == sign_fails)
			assert_non_null(strstr(tls_error(p.server), "no signature from the auth process"));
		assert_int_equal(ERR_peek_error(), 0);
		fx_close(&p);
		tls_context_unref(&ctx);
		assert_int_equal(tls_context_new(&conf, m, TLS_CONTROL, &good, &ctx, &err), 0);
		fx_connect(&p, ctx, NULL, client, NULL);
		fx_close(&p);
		tls_context_unref(&ctx);
		tls_material_unref(&m);
		SSL_CTX_free(client);
	}
}

/* --- resumption --- */

/* As from login to a session process. */
static struct tls_sessions *travel(const struct tls_sessions *s)
{
	struct tls_sessions *there;
	struct buf b;

	buf_init(&b, TLS_SESSIONS_EXPORT_MAX);
	assert_int_equal(tls_sessions_export(s, &b), 0);
	assert_int_equal(tls_sessions_import(b.data, b.len, &there), 0);
	assert_int_equal(tls_sessions_count(there), tls_sessions_count(s));
	buf_done(&b);
	return there;
}

struct duo { /* an FTP session */
	struct tls_context *control, *data;
	struct tls_sessions *login, *session;
	SSL_CTX *client;
	struct fx_pair ctrl;
};

static void duo_open(struct duo *d, int version, struct tls_cache *cache, SSL_SESSION *resume)
{
	struct tls_config conf = fx_config();
	struct tls_conn_options opt = {.tickets = 4, .cache = cache};

	fx_forget();
	d->control = fx_context(&conf, TLS_CONTROL);
	d->data = fx_context(&conf, TLS_DATA);
	d->client = fx_client_ctx(version);
	opt.sessions = d->login = tls_sessions_new();
	fx_connect(&d->ctrl, d->control, &opt, d->client, resume);
	d->session = travel(d->login);
}

static void duo_close(struct duo *d)
{
	fx_close(&d->ctrl);
	SSL_CTX_free(d->client);
	tls_sessions_free(&d->login);
	tls_sessions_free(&d->session);
	tls_context_unref(&d->control);
	tls_context_unref(&d->data);
}

static bool data_resumes(struct duo *d, SSL_SESSION *s, unsigned tickets)
{
	struct tls_conn_options opt = {.sessions = d->session, .tickets = tickets};
	struct fx_pair p;
	bool resumed;

	fx_connect(&p, d->data, &opt, d->client, s);
	resumed = tls_resumed(p.server);
	assert_int_equal(SSL_session_reused(p.client), resumed);
	fx_close(&p);
	return resumed;
}

static void data_connections_resume_the_control_session(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		unsigned n = v == 0 ? 1 : 4, signatures;
		SSL_SESSION *first[4];
		struct duo d;

		duo_open(&d, versions[v], NULL, NULL);
		assert_int_equal(fx_n_got, n);
		assert_int_equal(tls_sessions_count(d.login), n);
		signatures = fx_signatures;
		for (unsigned i = 0; i < n; i++) {
			first[i] = fx_got[i];
			SSL_SESSION_up_ref(first[i]);
		}
		fx_forget();
		for (unsigned i = 0; i < 3 * n; i++) /* each ticket, and each again */
			assert_true(data_resumes(&d, first[i % n], 0));
		assert_int_equal(fx_n_got, 0);
		assert_int_equal(fx_signatures, signatures);
		for (unsigned i = 0; i < n; i++)
			SSL_SESSION_free(first[i]);
		duo_close(&d);
	}
}

/* A client that uses each ticket once, and takes the new one that comes with each connection. */
static void tickets_of_data_connections_go_on_for_ever(void **state)
{
	struct duo d;

	duo_open(&d, TLS1_3_VERSION, NULL, NULL);
	for (int i = 0; i < 60; i++) {
		SSL_SESSION *s = fx_got[fx_n_got - 1];

		SSL_SESSION_up_ref(s);
		fx_forget();
		assert_true(data_resumes(&d, s, 1));
		assert_int_equal(fx_n_got, 1);
		SSL_SESSION_free(s);
	}
	assert_true(tls_sessions_count(d.session) <= TLS_SESSIONS_MAX);
	duo_close(&d);
}

/* Whoever steals the data connection has no session of this control connection. */
static void sessions_of_others_are_not_resumed(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		struct duo a, b;
		SSL_SESSION *others, *strange;

		duo_open(&a, versions[v], NULL, NULL);
		others = fx_got[0];
		SSL_SESSION_up_ref(others);
		duo_open(&b, versions[v], NULL, NULL);
		assert_false(data_resumes(&b, others, 1));
		assert_true(data_resumes(&a, others, 1));
		/* what it got on the data connection itself is no proof either */
		fx_forget();
		assert_false(data_resumes(&b, NULL, 1));
		assert_true(fx_n_got > 0);
		strange = fx_got[0];
		SSL_SESSION_up_ref(strange);
		assert_false(data_resumes(&b, strange, 1));
		SSL_SESSION_free(others);
		SSL_SESSION_free(strange);
		duo_close(&a);
		duo_close(&b);
	}
}

static void a_later_login_resumes_from_the_cache(void **state)
{
	struct tls_cache_config on = {.on = true, .entries = 64, .secs = 100},
				off = {.entries = 64, .secs = 100};

	assert_null(tls_cache_new(&off));
	for (size_t v = 0; v < 2; v++) {
		struct tls_cache *cache = tls_cache_new(&on);
		SSL_SESSION *old;
		struct duo a, b;

		duo_open(&a, versions[v], cache, NULL);
		old = fx_got[0];
		SSL_SESSION_up_ref(old);
		duo_close(&a);
		duo_open(&b, versions[v], cache, old);
		assert_true(tls_resumed(b.ctrl.server));
		assert_true(data_resumes(&b, old, 0)); /* curl goes on with the one it had */
		if (v == 1)
			assert_true(data_resumes(&b, fx_got[0], 0));
		duo_close(&b);
		tls_cache_free(&cache);
		duo_open(&b, versions[v], NULL, old);
		assert_false(tls_resumed(b.ctrl.server));
		duo_close(&b);
		SSL_SESSION_free(old);
	}
}

static void the_cache_forgets_the_oldest_and_the_old(void **state)
{
	struct tls_cache_config conf = {.on = true, .entries = 2, .secs = 100};
	struct tls_cache *cache = tls_cache_new(&conf);
	SSL_SESSION *s[3];
	struct duo d;

	for (int i = 0; i < 3; i++) {
		duo_open(&d, TLS1_2_VERSION, cache, NULL);
		s[i] = fx_got[0];
		SSL_SESSION_up_ref(s[i]);
		duo_close(&d);
	}
	for (int i = 2; i >= 0; i--) {
		duo_open(&d, TLS1_2_VERSION, cache, s[i]);
		assert_int_equal(tls_resumed(d.ctrl.server), i > 0);
		duo_close(&d);
	}
	tls_cache_free(&cache);
	conf.secs = 0; /* over at once */
	cache = tls_cache_new(&conf);
	duo_open(&d, TLS1_2_VERSION, cache, NULL);
	SSL_SESSION_free(s[0]);
	s[0] = fx_got[0];
	SSL_SESSION_up_ref(s[0]);
	duo_close(&d);
	duo_open(&d, TLS1_2_VERSION, cache, s[0]);
	assert_false(tls_resumed(d.ctrl.server));
	duo_close(&d);
	tls_cache_free(&cache);
	for (int i = 0; i < 3; i++)
		SSL_SESSION_free(s[i]);
}

static void only_what_was_exported_is_imported(void **state)
{
	struct tls_sessions *there = NULL;
	struct duo d;
	struct buf b;

	duo_open(&d, TLS1_3_VERSION, NULL, NULL);
	buf_init(&b, 2 * TLS_SESSIONS_EXPORT_MAX);
	assert_int_equal(tls_sessions_export(d.login, &b), 0);
	for (size_t n = 0; n < b.len; n++) {
		int r = tls_sessions_import(b.data, n, &there);

		if (r == 0) /* cut between two */
			tls_sessions_free(&there);
		else
			assert_int_equal(r, -WE_SYNTAX);
	}
	assert_int_equal(buf_reserve(&b, b.len), 0);
	assert_int_equal(buf_append(&b, b.data + 1, b.len - 1), 0); /* each twice */
	assert_int_equal(tls_sessions_import(b.data, b.len, &there), -WE_SYNTAX);
	b.data[0] ^= 1; /* another version */
	assert_int_equal(tls_sessions_import(b.data, (b.len + 1) / 2, &there), -WE_SYNTAX);
	assert_int_equal(ERR_peek_error(), 0);
	buf_done(&b);
	duo_close(&d);
	/* an empty list is one */
	buf_init(&b, 100);
	there = tls_sessions_new();
	assert_int_equal(tls_sessions_export(there, &b), 0);
	tls_sessions_free(&there);
	assert_int_equal(tls_sessions_import(b.data, b.len, &there), 0);
	assert_int_equal(tls_sessions_count(there), 0);
	tls_sessions_free(&there);
	buf_done(&b);
}

/* --- names --- */

static struct tls_context *other_context;
static char asked_for[300];

static struct tls_context *by_name(void *arg, const char *name)
{
	(void)snprintf(asked_for, sizeof(asked_for), "%s", name);
	return strcmp(name, "other.example.org") == 0 ? other_context : NULL;
}

static void names_choose_the_certificate(void **state)
{
	static const struct {
		const char *sni, *asked, *cn;
		unsigned options;
	} cases[] = {
		{NULL, "", "ftp.example.org", 0},
		{"ftp.example.org", "ftp.example.org", "ftp.example.org", 0},
		{"OTHER.example.org", "other.example.org", "other.example.org", 0},
		{"unknown.example.org", "unknown.example.org", "ftp.example.org", 0},
		{"unknown.example.org", "unknown.example.org", NULL, TLS_OPT_STRICT_SNI},
		{"other.example.org", "", "ftp.example.org", TLS_OPT_IGNORE_SNI},
		{"a/b", "", "ftp.example.org", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		struct tls_config conf = fx_config(), other = fx_config();
		struct tls_conn_options opt = {.sni = by_name, .tickets = 4};
		struct tls_context *ctx;
		SSL_CTX *client = fx_client_ctx(versions[i & 1]);
		struct fx_pair p;
		char cn[100] = "";
		int c, r;

		conf.options = cases[i / 2].options;
		conf.alpn = false;
		other.rsa_cert = NULL;
		other.ec_cert = fx_path("other.pem");
		ctx = fx_context(&conf, TLS_CONTROL);
		other_context = fx_context(&other, TLS_CONTROL);
		opt.sessions = tls_sessions_new();
		asked_for[0] = '\0';
		fx_open(&p, ctx, &opt, client, NULL);
		tls_context_unref(&ctx); /* the connection has one */
		if (cases[i / 2].sni != NULL)
			SSL_set_tlsext_host_name(p.client, cases[i / 2].sni);
		r = fx_handshake(&p, &c);
		assert_string_equal(asked_for, cases[i / 2].asked);
		if (cases[i / 2].cn == NULL) {
			assert_int_equal(r, -EPROTO);
		} else {
			struct tls_info info;

			assert_int_equal(r, 0);
			X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(p.client)),
				NID_commonName, cn, sizeof(cn));
			assert_string_equal(cn, cases[i / 2].cn);
			tls_describe(p.server, &info);
			if (cases[i / 2].asked[0] != '\0')
				assert_string_equal(info.sni, cases[i / 2].asked);
			assert_int_equal(tls_sessions_count(opt.sessions), (i & 1) == 0 ? 1 : 4);
		}
		fx_close(&p);
		tls_context_unref(&other_context);
		tls_sessions_free(&opt.sessions);
		SSL_CTX_free(client);
	}
}

/* The vhost of the name has rules of its own, and they hold. */
static void the_named_server_decides_versions_and_client_certificates(void **state)
{
	struct tls_config conf = fx_config(), other = fx_config();
	struct tls_conn_options opt = {.sni = by_name};
	struct tls_context *ctx = fx_context(&conf, TLS_CONTROL);

	other.rsa_cert = NULL;
	other.ec_cert = fx_path("other.pem");
	other.ca_file = fx_path("ca.pem");
	other.verify = TLS_VERIFY_ON;
	other.protocols = TLS_V1_3;
	other_context = fx_context(&other, TLS_CONTROL);
	for (int i = 0; i < 4; i++) {
		SSL_CTX *client = fx_client_ctx(versions[i & 1]);
		struct fx_pair p;

		if ((i & 2) != 0) {
			SSL_CTX_use_certificate_file(client, fx_path("client.pem"), SSL_FILETYPE_PEM);
			SSL_CTX_use_PrivateKey_file(client, fx_path("client.pem"), SSL_FILETYPE_PEM);
		}
		fx_open(&p, ctx, &opt, client, NULL);
		SSL_set_tlsext_host_name(p.client, "other.example.org");
		assert_int_equal(fx_handshake(&p, NULL), i == 3 ? 0 : -EPROTO);
		fx_close(&p);
		SSL_CTX_free(client);
	}
	tls_context_unref(&other_context);
	tls_context_unref(&ctx);
}

static void alpn_is_ftp_or_nothing(void **state)
{
	static const struct {
		const char *offer;
		bool on, chosen;
	} cases[] = {{"\3ftp", true, true}, {"\x8http/1.1\3ftp", true, true}, {"\x8http/1.1", true, false},
		{"\3ftp", false, false}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_config conf = fx_config();
		SSL_CTX *client = fx_client_ctx(TLS1_3_VERSION);
		struct tls_context *ctx;
		struct tls_info info;
		struct fx_pair p;

		conf.alpn = cases[i].on;
		ctx = fx_context(&conf, TLS_CONTROL);
		SSL_CTX_set_alpn_protos(
			client, (const unsigned char *)cases[i].offer, (unsigned)strlen(cases[i].offer));
		fx_connect(&p, ctx, NULL, client, NULL);
		tls_describe(p.server, &info);
		assert_int_equal(info.alpn != NULL, cases[i].chosen);
		fx_close(&p);
		SSL_CTX_free(client);
		tls_context_unref(&ctx);
	}
}

/* --- certificates of clients --- */

static void load_client(SSL_CTX *client, const char *file)
{
	assert_int_equal(SSL_CTX_use_certificate_file(client, fx_path(file), SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(client, fx_path(file), SSL_FILETYPE_PEM), 1);
}

static void clients_are_verified_as_configured(void **state)
{
	EVP_PKEY *k = fx_key(EVP_PKEY_EC);
	X509 *c = fx_cert("mallory", NULL, k, false, 30);
	static const struct {
		enum tls_verify verify;
		const char *cert;
		bool ok;
	} cases[] = {
		{TLS_VERIFY_OFF, NULL, true},
		{TLS_VERIFY_OFF, "self.pem", true},
		{TLS_VERIFY_OPTIONAL, NULL, true},
		{TLS_VERIFY_OPTIONAL, "client.pem", true},
		{TLS_VERIFY_OPTIONAL, "self.pem", false},
		{TLS_VERIFY_ON, NULL, false},
		{TLS_VERIFY_ON, "client.pem", true},
		{TLS_VERIFY_ON, "self.pem", false},
		{TLS_VERIFY_ON, "rsa.pem", true},
	};

	fx_write("self.pem", k, c, NULL, 0600);
	X509_free(c);
	EVP_PKEY_free(k);
	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		struct tls_config conf = fx_config();
		SSL_CTX *client = fx_client_ctx(versions[i & 1]);
		struct tls_context *ctx;
		struct fx_pair p;
		bool has_cert;

		conf.verify = cases[i / 2].verify;
		conf.ca_file = fx_path("ca.pem");
		ctx = fx_context(&conf, TLS_CONTROL);
		if (cases[i / 2].cert != NULL)
			load_client(client, cases[i / 2].cert);
		fx_open(&p, ctx, NULL, client, NULL);
		assert_int_equal(fx_handshake(&p, NULL), cases[i / 2].ok ? 0 : -EPROTO);
		has_cert = cases[i / 2].ok && cases[i / 2].cert != NULL && conf.verify != TLS_VERIFY_OFF;
		assert_int_equal(tls_peer_has_cert(p.server), has_cert);
		fx_close(&p);
		SSL_CTX_free(client);
		tls_context_unref(&ctx);
	}
}

static void the_names_in_a_certificate_are_found(void **state)
{
	struct tls_config conf = fx_config();
	struct tls_sessions *sessions = tls_sessions_new();
	struct tls_conn_options opt = {.sessions = sessions, .tickets = 4};
	SSL_CTX *client = fx_client_ctx(TLS1_3_VERSION);
	struct tls_context *ctx;
	char *pem = NULL;
	size_t len = 0;
	FILE *f;

	conf.verify = TLS_VERIFY_ON;
	conf.ca_file = fx_path("ca.pem");
	ctx = fx_context(&conf, TLS_CONTROL);
	load_client(client, "client.pem");
	f = fopen(fx_path("client.crt"), "re");
	assert_true(getdelim(&pem, &len, 0, f) > 0);
	fclose(f);
	fx_forget();
	for (int again = 0; again < 2; again++) { /* full, then resumed */
		uint8_t fp[TLS_FINGERPRINT_BYTES];
		struct addr a, mapped, other;
		struct fx_pair p;

		fx_connect(&p, ctx, &opt, client, again ? fx_got[0] : NULL);
		assert_int_equal(tls_resumed(p.server), again);
		assert_true(tls_peer_has_dns_name(p.server, "CLIENT.example.org"));
		assert_false(tls_peer_has_dns_name(p.server, "alice")); /* the common name is no host */
		assert_false(tls_peer_has_dns_name(p.server, ""));
		addr_parse("192.0.2.7", 0, &a);
		addr_parse("::ffff:192.0.2.7", 0, &mapped);
		addr_parse("192.0.2.8", 0, &other);
		assert_true(tls_peer_has_address(p.server, &a));
		assert_true(tls_peer_has_address(p.server, &mapped));
		assert_false(tls_peer_has_address(p.server, &other));
		assert_true(tls_peer_has_common_name(p.server, "Alice"));
		assert_false(tls_peer_has_common_name(p.server, "alic"));
		assert_true(tls_peer_fingerprint(p.server, fp));
		assert_true(tls_pem_has_fingerprint(pem, strlen(pem), fp));
		assert_false(tls_pem_has_fingerprint("x", 1, fp));
		fp[3] ^= 1;
		assert_false(tls_pem_has_fingerprint(pem, strlen(pem), fp));
		fx_close(&p);
	}
	free(pem);
	tls_sessions_free(&sessions);
	SSL_CTX_free(client);
	tls_context_unref(&ctx);
}

static void revoked_certificates_are_refused(void **state)
{
	EVP_PKEY *k = fx_key(EVP_PKEY_EC);
	X509 *bad = fx_cert("revoked", NULL, k, true, 30);
	struct tls_config conf = fx_config();
	struct tls_context *ctx;

	fx_write("revoked.pem", k, bad, NULL, 0600);
	fx_write_crl("crl.pem", bad);
	X509_free(bad);
	EVP_PKEY_free(k);
	conf.verify = TLS_VERIFY_ON;
	conf.ca_file = fx_path("ca.pem");
	conf.crl_file = fx_path("crl.pem");
	ctx = fx_context(&conf, TLS_CONTROL);
	for (int i = 0; i < 2; i++) {
		SSL_CTX *client = fx_client_ctx(TLS1_3_VERSION);
		struct fx_pair p;

		load_client(client, i == 0 ? "client.pem" : "revoked.pem");
		fx_open(&p, ctx, NULL, client, NULL);
		assert_int_equal(fx_handshake(&p, NULL), i == 0 ? 0 : -EPROTO);
		if (i == 1)
			assert_non_null(strstr(tls_error(p.server), "certificate verify failed"));
		fx_close(&p);
		SSL_CTX_free(client);
	}
	tls_context_unref(&ctx);
}

/* --- words --- */

static unsigned vars_seen;

static void var_check(void *arg, const char *name, const char *value)
{
	static const struct {
		const char *name, *value;
	} expected[] = {{"FTPS", "1"}, {"TLS_PROTOCOL", "TLSv1.3"}, {"TLS_SERVER_S_DN", "CN=ftp.example.org"},
		{"TLS_SERVER_S_DN_CN", "ftp.example.org"}, {"TLS_CLIENT_S_DN_CN", "alice"},
		{"TLS_CLIENT_I_DN_CN", "Test Authority"}, {"TLS_CLIENT_M_VERSION", "3"},
		{"TLS_SERVER_NAME", "ftp.example.org"}};

	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		if (strcmp(name, expected[i].name) == 0) {
			assert_string_equal(value, expected[i].value);
			vars_seen++;
		}
	}
	if (strcmp(name, "TLS_CLIENT_CERT") == 0 || strcmp(name, "TLS_SERVER_CERT") == 0) {
		assert_non_null(strstr(value, "-----BEGIN CERTIFICATE-----"));
		vars_seen++;
	}
}

static void a_connection_describes_itself(void **state)
{
	struct tls_config conf = fx_config();
	SSL_CTX *client = fx_client_ctx(TLS1_3_VERSION);
	struct tls_context *ctx;
	struct fx_pair p;
	char text[200];

	conf.verify = TLS_VERIFY_OPTIONAL;
	conf.ca_file = fx_path("ca.pem");
	conf.ciphersuites = "TLS_AES_128_GCM_SHA256";
	ctx = fx_context(&conf, TLS_CONTROL);
	load_client(client, "client.pem");
	SSL_CTX_set_alpn_protos(client, (const unsigned char *)"\3ftp", 4);
	fx_open(&p, ctx, NULL, client, NULL);
	SSL_set_tlsext_host_name(p.client, "ftp.example.org");
	tls_env(p.server, false, var_check, NULL); /* nothing yet, and no harm */
	assert_int_equal(vars_seen, 0);
	assert_int_equal(fx_handshake(&p, NULL), 0);
	assert_string_equal(tls_describe_text(p.server, text, sizeof(text)),
		"TLSv1.3 TLS_AES_128_GCM_SHA256 128 bits, SNI 'ftp.example.org', ALPN ftp");
	tls_env(p.server, false, var_check, NULL);
	tls_env(p.server, true, var_check, NULL);
	assert_int_equal(vars_seen, 10);
	fx_close(&p);
	SSL_CTX_free(client);
	tls_context_unref(&ctx);
}

/* Server to server: the other one must be known. */
static void as_client_the_other_server_is_verified(void **state)
{
	for (int known = 0; known < 2; known++) {
		struct tls_config conf = fx_config();
		struct tls_context *server = fx_context(&conf, TLS_DATA), *client;
		struct tls_material *m = NULL;
		struct tls_conn *c, *s;
		struct err err = ERR_INIT;
		struct tls_load how = {.first_key = 100};
		int fds[2], r = -EAGAIN, q = -EAGAIN;

		conf.ca_file = known ? fx_path("ca.pem") : NULL;
		assert_int_equal(tls_material_load(&conf, &how, &m, &err), 0);
		assert_int_equal(tls_context_new(&conf, m, TLS_DATA_CLIENT, &fx_signer, &client, &err), 0);
		fx_sockets(fds, 0);
		assert_int_equal(tls_conn_new(server, fds[0], NULL, &s, &err), 0);
		assert_int_equal(tls_conn_new(client, fds[1], NULL, &c, &err), 0);
		while (r == -EAGAIN || q == -EAGAIN) {
			r = r == -EAGAIN ? tls_accept(c) : r;
			q = q == -EAGAIN ? tls_accept(s) : q;
		}
		assert_int_equal(r, known ? 0 : -EPROTO);
		assert_int_equal(tls_peer_has_cert(c), known);
		tls_conn_free(&c);
		tls_conn_free(&s);
		tls_context_unref(&client);
		tls_context_unref(&server);
		tls_material_unref(&m);
		close(fds[0]);
		close(fds[1]);
	}
}

/* What a login process that was taken over could send: nothing but an authority's certificate is taken. */
static void exported_certificates_are_verified_anew(void **state)
{
	struct tls_config conf = fx_config();
	struct tls_load how = {0};
	struct tls_material *m = NULL;
	EVP_PKEY *key = fx_key(EVP_PKEY_EC);
	const struct {
		X509 *cert;
		size_t cut; /* bytes that are missing */
		bool ok;
	} rows[] = {
		{fx_cert("alice", "email:alice@example.org", key, true, 30), 0, true},
		{fx_cert("alice", NULL, key, false, 30), 0, false}, /* signed by itself */
		{fx_cert("alice", NULL, key, true, -1), 0, false},  /* expired */
		{fx_cert("alice", NULL, key, true, 30), 1, false},
		{fx_cert("alice", NULL, key, true, 30), 200, false},
	};
	struct err err = ERR_INIT;

	conf.ca_file = fx_path("ca.pem");
	assert_int_equal(tls_material_load(&conf, &how, &m, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_client_cert *c = NULL;
		unsigned char *der = NULL;
		int n = i2d_X509(rows[i].cert, &der), r;

		assert_true(n > 0);
		r = tls_client_cert_check(&conf, m, der, (size_t)n - rows[i].cut, &c, &err);
		assert_int_equal(r == 0, rows[i].ok);
		if (r == 0) {
			assert_true(tls_client_cert_is_user(c, "CommonName", "alice"));
			assert_false(tls_client_cert_is_user(c, "CommonName", "Alice"));
			assert_false(tls_client_cert_is_user(c, "CommonName", "alic"));
			assert_false(tls_client_cert_is_user(c, "CommonName", ""));
			assert_true(tls_client_cert_is_user(c, "EmailSubjAltName", "alice@example.org"));
			assert_false(tls_client_cert_is_user(c, "EmailSubjAltName", "alice"));
			assert_false(tls_client_cert_is_user(c, "1.2.3.4", "alice"));
		}
		tls_client_cert_free(&c);
		OPENSSL_free(der);
		X509_free(rows[i].cert);
	}
	EVP_PKEY_free(key);
	tls_material_unref(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_and_key_makes_a_connection),
		cmocka_unit_test(the_client_chooses_the_kind_of_key),
		cmocka_unit_test(what_is_old_or_weak_is_refused),
		cmocka_unit_test(a_signer_that_fails_ends_only_that_handshake),
		cmocka_unit_test(data_connections_resume_the_control_session),
		cmocka_unit_test(tickets_of_data_connections_go_on_for_ever),
		cmocka_unit_test(sessions_of_others_are_not_resumed),
		cmocka_unit_test(a_later_login_resumes_from_the_cache),
		cmocka_unit_test(the_cache_forgets_the_oldest_and_the_old),
		cmocka_unit_test(only_what_was_exported_is_imported),
		cmocka_unit_test(names_choose_the_certificate),
		cmocka_unit_test(the_named_server_decides_versions_and_client_certificates),
		cmocka_unit_test(alpn_is_ftp_or_nothing),
		cmocka_unit_test(clients_are_verified_as_configured),
		cmocka_unit_test(the_names_in_a_certificate_are_found),
		cmocka_unit_test(revoked_certificates_are_refused),
		cmocka_unit_test(a_connection_describes_itself),
		cmocka_unit_test(as_client_the_other_server_is_verified),
		cmocka_unit_test(exported_certificates_are_verified_anew),
	};

	return cmocka_run_group_tests(tests, fx_start, fx_end);
}
