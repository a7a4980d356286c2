/* OCSP stapling: which responses are taken, who sees them, and handshakes that send them. */
#include <errno.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tls/tls_priv.h"
#include "tls/tls_test_fixture.h"

static struct tls_config staple_config(void)
{
	struct tls_config conf = fx_config();

	conf.chain = fx_path("ca.pem");
	conf.staple = true;
	conf.staple_responder = "http://127.0.0.1:9/";
	conf.staple_timeout_ms = 1000;
	return conf;
}

static struct tls_material *loaded(const struct tls_config *conf)
{
	struct tls_load how = {.first_key = 100};
	struct err err = ERR_INIT;
	struct tls_material *m = NULL;

	if (tls_material_load(conf, &how, &m, &err) < 0)
		fail_msg("%s", err.text);
	return m;
}

struct wish {
	int status;
	long from, until; /* seconds from now; until 0 = not said */
	EVP_PKEY *key;    /* signs; NULL = the authority's */
	X509 *signer;
	const char *about; /* file of the certificate */
	bool bare;         /* without the certificate of who signed it */
	long made;         /* seconds from now */
};

static X509 *cert_in(const char *name)
{
	FILE *f = fopen(fx_path(name), "re");
	X509 *c = PEM_read_X509(f, NULL, NULL, NULL);

	fclose(f);
	return c;
}

/* The DER form of a response; returned bytes are free()d by OPENSSL_free(). */
static size_t response(const struct wish *w, unsigned char **ret_der)
{
	X509 *leaf = cert_in(w->about != NULL ? w->about : "rsa.pem");
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, fx_ca_cert());
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	ASN1_TIME *from = X509_gmtime_adj(NULL, w->from),
		  *until = w->until != 0 ? X509_gmtime_adj(NULL, w->until) : NULL;
	OCSP_RESPONSE *r;
	int n;

	assert_non_null(OCSP_basic_add1_status(
		basic, id, w->status, 0, w->status == V_OCSP_CERTSTATUS_REVOKED ? from : NULL, from, until));
	assert_non_null(
		ASN1_GENERALIZEDTIME_adj((ASN1_GENERALIZEDTIME *)(uintptr_t)OCSP_resp_get0_produced_at(basic),
			time(NULL), 0, w->made));
	assert_int_equal(OCSP_basic_sign(basic, w->signer != NULL ? w->signer : fx_ca_cert(),
				 w->key != NULL ? w->key : fx_ca_key(), EVP_sha256(), NULL,
				 OCSP_NOTIME | (w->bare ? OCSP_NOCERTS : 0)),
		1);
	r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	*ret_der = NULL;
	n = i2d_OCSP_RESPONSE(r, ret_der);
	assert_true(n > 0);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	X509_free(leaf);
	return (size_t)n;
}

static int checked(const struct tls_config *conf, const struct wish *w, struct tls_staple *ret_s)
{
	struct tls_material *m = loaded(conf);
	struct err err = ERR_INIT;
	unsigned char *der;
	size_t n = response(w, &der);
	int r = tls_staple_check(conf, m, TLS_KEY_RSA, NULL, der, n, ret_s, &err);

	assert_true(r == 0 || err.text[0] != '\0');
	OPENSSL_free(der);
	tls_material_unref(&m);
	return r;
}

static void a_response_is_taken_when_it_is_the_authoritys_and_of_today(void **state)
{
	struct tls_config conf = staple_config();
	EVP_PKEY *key = fx_key(EVP_PKEY_EC);
	X509 *stranger = fx_cert("Test Authority", NULL, key, false, 10);
	const struct wish bare = {V_OCSP_CERTSTATUS_GOOD, -60, 3600, .bare = true};
	int64_t now = (int64_t)time(NULL);
	struct tls_staple s;
	const struct {
		struct wish wish;
		int r;
	} cases[] = {
		{{V_OCSP_CERTSTATUS_GOOD, -60, 3600}, 0}, {{V_OCSP_CERTSTATUS_GOOD, -60, 0}, 0},
		{{V_OCSP_CERTSTATUS_REVOKED, -60, 3600}, 0},
		{{V_OCSP_CERTSTATUS_UNKNOWN, -60, 3600}, -EPROTO},
		{{V_OCSP_CERTSTATUS_GOOD, -7200, -3600}, -EPROTO},
		{{V_OCSP_CERTSTATUS_GOOD, -7200, -1}, -EPROTO}, /* the clocks' tolerance is not for the end */
		{{V_OCSP_CERTSTATUS_GOOD, 3600, 7200}, -EPROTO},
		{{V_OCSP_CERTSTATUS_GOOD, -60, 3600, key, stranger}, -EPROTO},
		{{V_OCSP_CERTSTATUS_GOOD, -60, 3600, .about = "ec.pem"}, -EPROTO},
		{{V_OCSP_CERTSTATUS_GOOD, -86400, 3600, .made = -86400}, 0},
		{{V_OCSP_CERTSTATUS_GOOD, -86400, 0}, 0}, /* made just now from what was known a day ago */
		{{V_OCSP_CERTSTATUS_GOOD, -86400, 0, .made = -86400}, -EPROTO}, /* recorded */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (checked(&conf, &cases[i].wish, &s) != cases[i].r)
			fail_msg("case %zu", i);
	}
	assert_int_equal(checked(&conf, &cases[0].wish, &s), 0);
	assert_true(!s.revoked && s.until >= now + 3590 && s.until <= now + 3610);
	assert_true(s.refresh >= now + 1790 && s.refresh <= now + 1810);
	assert_int_equal(checked(&conf, &cases[2].wish, &s), 0);
	assert_true(s.revoked);
	assert_int_equal(checked(&conf, &bare, &s), 0);
	conf.ca_file = conf.chain; /* instead of among the certificates that clients get */
	conf.chain = NULL;
	assert_int_equal(checked(&conf, &bare, &s), 0);
	assert_int_equal(checked(&conf, &cases[7].wish, &s), -EPROTO);
	conf.staple_options = TLS_STAPLE_NO_VERIFY;
	assert_int_equal(checked(&conf, &cases[7].wish, &s), 0);
	assert_int_equal(checked(&conf, &cases[8].wish, &s), -EPROTO);
	assert_int_equal(checked(&conf, &cases[4].wish, &s), -EPROTO);
	X509_free(stranger);
	EVP_PKEY_free(key);
}

static void broken_responses_are_refused(void **state)
{
	const struct tls_config conf = staple_config();
	struct tls_material *m = loaded(&conf);
	struct wish w = {V_OCSP_CERTSTATUS_GOOD, -60, 3600};
	static uint8_t large[TLS_STAPLE_MAX + 1];
	struct err err = ERR_INIT;
	struct tls_staple s;
	unsigned char *der;
	size_t n = response(&w, &der);

	for (size_t k = 0; k < n; k++)
		assert_true(tls_staple_check(&conf, m, TLS_KEY_RSA, NULL, der, k, &s, &err) < 0);
	memcpy(large, der, n); /* something behind it */
	assert_true(tls_staple_check(&conf, m, TLS_KEY_RSA, NULL, large, n + 1, &s, &err) < 0);
	assert_true(tls_staple_check(&conf, m, TLS_KEY_RSA, NULL, large, sizeof(large), &s, &err) < 0);
	for (size_t k = 0; k < n; k += 3) { /* no bit of what is signed may differ */
		large[k] ^= 0x10;
		(void)tls_staple_check(&conf, m, TLS_KEY_RSA, NULL, large, n, &s, &err);
		large[k] ^= 0x10;
	}
	assert_int_equal(tls_staple_check(&conf, m, TLS_KEY_RSA, NULL, large, n, &s, &err), 0);
	OPENSSL_free(der);
	tls_material_unref(&m);
}

static void only_certificates_with_a_responder_and_an_authority_are_asked_about(void **state)
{
	struct tls_config conf = staple_config();
	struct tls_material *m = loaded(&conf);

	assert_true(tls_staple_wanted(&conf, m, TLS_KEY_RSA) && tls_staple_wanted(&conf, m, TLS_KEY_EC));
	assert_false(tls_staple_wanted(&conf, m, TLS_KEY_PKCS12));
	conf.staple_responder = NULL; /* and they name none */
	assert_false(tls_staple_wanted(&conf, m, TLS_KEY_RSA));
	tls_material_unref(&m);
	conf = staple_config();
	conf.chain = NULL;
	m = loaded(&conf);
	assert_false(tls_staple_wanted(&conf, m, TLS_KEY_RSA));
	tls_material_unref(&m);
}

static void urls_of_responders(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(tls_staple_url_check("http://ocsp.example.org", &err), 0);
	assert_int_equal(tls_staple_url_check("http://[::1]:8080/a/b", &err), 0);
	assert_int_equal(tls_staple_url_check("https://ocsp.example.org/", &err), -WE_CONFIG);
	assert_int_equal(tls_staple_url_check("ocsp.example.org", &err), -WE_CONFIG);
	assert_int_equal(tls_staple_url_check("http://h/ x", &err), -WE_CONFIG);
	assert_int_equal(tls_staple_url_check("http://h/\r\nX: y", &err), -WE_CONFIG);
	assert_int_equal(tls_staple_url_check("http://h:99999999/", &err), -WE_CONFIG);
	assert_int_equal(tls_staple_url_check("", &err), -WE_CONFIG);
}

static struct tls_staple some(const char *text, int64_t secs)
{
	struct tls_staple s = {.until = (int64_t)time(NULL) + secs, .refresh = 0, .n = strlen(text)};

	memcpy(s.der, text, s.n);
	return s;
}

static void children_see_what_is_put_later_and_cannot_change_it(void **state)
{
	const struct tls_config conf = staple_config();
	struct tls_material *m = loaded(&conf);
	struct tls_staple s = some("later", 100), seen;
	int fds[2], status;
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		bool ok = read(fds[0], &byte, 1) == 1 && tls_staple_get(m, TLS_KEY_EC, &seen) &&
			  memcmp(seen.der, "later", 5) == 0 && !tls_staple_get(m, TLS_KEY_RSA, &seen);
		uintptr_t page = (uintptr_t)m->shown & ~(uintptr_t)4095;

		ok = ok && mprotect((void *)page, 4096, PROT_READ | PROT_WRITE) < 0;
		_exit(ok ? 0 : 1);
	}
	tls_staple_put(m, TLS_KEY_EC, &s);
	assert_int_equal(write(fds[1], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	s = some("old", -1);
	tls_staple_put(m, TLS_KEY_EC, &s);
	assert_false(tls_staple_get(m, TLS_KEY_EC, &seen)); /* out of date */
	close(fds[0]);
	close(fds[1]);
	tls_material_unref(&m);
}

static size_t stapled(struct tls_context *ctx, int version, const unsigned char **ret)
{
	static unsigned char got[TLS_STAPLE_MAX];
	SSL_CTX *client = fx_client_ctx(version);
	struct fx_pair p;
	long n;

	(void)SSL_CTX_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
	fx_connect(&p, ctx, NULL, client, NULL);
	n = SSL_get_tlsext_status_ocsp_resp(p.client, ret);
	if (n > 0) {
		memcpy(got, *ret, (size_t)n);
		*ret = got;
	}
	fx_close(&p);
	SSL_CTX_free(client);
	return n > 0 ? (size_t)n : 0;
}

static void handshakes_send_what_is_there(void **state)
{
	struct tls_config conf = staple_config();
	const unsigned char *got;

	for (unsigned i = 0; i < 8; i++) {
		enum tls_role role = (i & 1) != 0 ? TLS_DATA : TLS_CONTROL;
		int version = (i & 2) != 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
		struct tls_context *ctx;
		struct tls_staple s = some("response", 100);

		conf.staple_options = (i & 4) != 0 ? TLS_STAPLE_NO_FAKE_TRY_LATER : 0;
		ctx = fx_context(&conf, role);
		if ((i & 4) != 0) {
			assert_int_equal(stapled(ctx, version, &got), 0);
		} else {
			assert_int_equal(stapled(ctx, version, &got), 5);
			assert_memory_equal(got, "\x30\x03\x0a\x01\x03", 5);
		}
		tls_staple_put(ctx->material, TLS_KEY_RSA, &s);
		tls_staple_put(ctx->material, TLS_KEY_EC, &s);
		assert_int_equal(stapled(ctx, version, &got), 8);
		assert_memory_equal(got, "response", 8);
		tls_context_unref(&ctx);
	}
}

static void without_the_directive_nothing_is_sent(void **state)
{
	struct tls_config conf = fx_config();
	struct tls_context *ctx = fx_context(&conf, TLS_CONTROL);
	const unsigned char *got;

	assert_int_equal(stapled(ctx, TLS1_3_VERSION, &got), 0);
	tls_context_unref(&ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_response_is_taken_when_it_is_the_authoritys_and_of_today),
		cmocka_unit_test(broken_responses_are_refused),
		cmocka_unit_test(only_certificates_with_a_responder_and_an_authority_are_asked_about),
		cmocka_unit_test(urls_of_responders),
		cmocka_unit_test(children_see_what_is_put_later_and_cannot_change_it),
		cmocka_unit_test(handshakes_send_what_is_there),
		cmocka_unit_test(without_the_directive_nothing_is_sent),
	};

	return cmocka_run_group_tests(tests, fx_start, fx_end);
}
