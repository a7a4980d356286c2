/* Files of certificates and keys, and what auth signs. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tls/tls_test_fixture.h"

/* --- files --- */

static char warned[700];

static void warn_keep(void *arg, const char *text)
{
	(void)snprintf(warned, sizeof(warned), "%s", text);
}

static int load(const struct tls_config *conf, const char *program, struct err *err)
{
	struct tls_load how = {
		.server_name = "ftp.example.org:21", .passphrase_program = program, .warn = warn_keep};
	struct tls_material *m = NULL;
	int r = tls_material_load(conf, &how, &m, err);

	if (r == 0) {
		struct tls_keys *keys = tls_keys_new();

		assert_int_equal(tls_keys_load(keys, conf, &how, err), 0); /* auth takes what master takes */
		tls_keys_free(&keys);
	}
	tls_material_unref(&m);
	assert_int_equal(ERR_peek_error(), 0);
	return r;
}

static void program_write(const char *name, const char *text)
{
	FILE *f = fopen(fx_path(name), "we");

	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), 0700), 0);
	fclose(f);
}

static void mistakes_in_files_are_named(void **state)
{
	const struct tls_config base = fx_config();
	struct {
		struct tls_config conf;
		const char *text;
	} cases[24];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cases[i].conf = base;
	cases[n].conf.rsa_cert = fx_path("nothing.pem");
	cases[n++].text = "/nothing.pem': No such file";
	cases[n].conf.rsa_cert = fx_dir;
	cases[n++].text = "is not a regular file";
	cases[n].conf.rsa_cert = fx_path("ec.crt");
	cases[n].conf.rsa_key = fx_path("rsa.key");
	cases[n++].text = "does not belong to the certificate";
	cases[n].conf.rsa_cert = fx_path("rsa.crt"); /* without a key */
	cases[n++].text = "holds a private key and can be read by everyone";
	fx_write("empty.pem", NULL, NULL, NULL, 0600);
	cases[n].conf.rsa_cert = fx_path("empty.pem");
	cases[n++].text = "no private key can be read";
	cases[n].conf.rsa_cert = fx_path("empty.pem");
	cases[n].conf.rsa_key = fx_path("rsa.key");
	cases[n++].text = "no certificate can be read";
	cases[n].conf.rsa_cert = fx_path("rsa.crt");
	cases[n].conf.rsa_key = fx_path("secret.key");
	cases[n++].text = "is encrypted: TLSPassPhraseProvider";
	cases[n].conf.rsa_cert = NULL;
	cases[n].conf.rsa_key = fx_path("rsa.key");
	cases[n++].text = "but no certificate";
	cases[n].conf.pkcs12 = fx_path("rsa.key");
	cases[n++].text = "not in the form of PKCS #12";
	cases[n].conf.pkcs12 = fx_path("bundle.p12");
	cases[n++].text = "is encrypted: TLSPassPhraseProvider";
	cases[n].conf.chain = fx_path("empty.pem");
	cases[n++].text = "no certificate can be read";
	cases[n].conf.ca_file = fx_path("rsa.key");
	cases[n++].text = "no certificate can be read";
	cases[n].conf.ca_path = fx_dir;
	cases[n++].text = "no files with hashed names";
	cases[n].conf.crl_file = fx_path("ca.pem");
	cases[n++].text = "no revocation list can be read";
	cases[n].conf.dh_file = fx_path("ca.pem");
	cases[n++].text = "no parameters can be read";
	{
		EVP_PKEY *k = fx_key(EVP_PKEY_ED25519);

		fx_write("ed.pem", k, NULL, NULL, 0600);
		EVP_PKEY_free(k);
	}
	cases[n].conf.ec_key = fx_path("ed.pem");
	cases[n++].text = "RSA and ECDSA are supported";
	for (size_t i = 0; i < n; i++) {
		struct err err = ERR_INIT;

		assert_true(load(&cases[i].conf, NULL, &err) < 0);
		if (strstr(err.text, cases[i].text) == NULL)
			fail_msg("%zu: '%s' lacks '%s'", i, err.text, cases[i].text);
	}
}

static void certificates_that_have_expired_are_told_of(void **state)
{
	EVP_PKEY *k = fx_key(EVP_PKEY_EC);
	struct tls_config conf = fx_config();
	struct err err = ERR_INIT;
	X509 *c;

	conf.rsa_cert = NULL;
	conf.ec_cert = fx_path("old.pem");
	for (int days = -2; days < 30; days += 4) { /* not 7 itself: the clock goes on */
		c = fx_cert("x", NULL, k, true, days);
		fx_write("old.pem", k, c, NULL, 0600);
		X509_free(c);
		warned[0] = '\0';
		assert_int_equal(load(&conf, NULL, &err), 0);
		if (days < 0)
			assert_non_null(strstr(warned, "has expired"));
		else if (days < 7)
			assert_non_null(strstr(warned, "expires in"));
		else
			assert_string_equal(warned, "");
	}
	EVP_PKEY_free(k);
}

static void passphrases_come_from_the_program(void **state)
{
	static const struct {
		const char *program, *text; /* NULL = fine */
	} cases[] = {
		{"#!/bin/sh\n[ $# = 3 ] && [ \"$1\" = ftp.example.org:21 ] && [ $2 = $WANT ] && echo "
		 "sesame\n",
			NULL},
		{"#!/bin/sh\nprintf sesame\n", NULL},
		{"#!/bin/sh\necho wrong\n", "passphrase"},
		{"#!/bin/sh\necho sesame; exit 3\n", "has failed"},
		{"#!/bin/sh\ntrue\n", "printed nothing"},
		{"#!/bin/sh\nyes\n", "too much"},
		{"#!/nonexistent\n", "cannot run"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		struct tls_config conf = fx_config();
		struct err err = ERR_INIT;
		char text[300], *want;
		int r;

		conf.rsa_cert = conf.ec_cert = NULL;
		if ((i & 1) != 0) {
			conf.pkcs12 = fx_path("bundle.p12");
		} else {
			conf.rsa_cert = fx_path("rsa.crt");
			conf.rsa_key = fx_path("secret.key");
		}
		(void)snprintf(text, sizeof(text), "%s", cases[i / 2].program);
		want = strstr(text, "$WANT");
		if (want != NULL)
			(void)snprintf(want, 40, "%s ] && echo sesame\n", (i & 1) != 0 ? "PKCS12" : "RSA");
		program_write("program", text);
		r = load(&conf, fx_path("program"), &err);
		if (cases[i / 2].text == NULL) {
			if (r < 0)
				fail_msg("%zu: %s", i, err.text);
			continue;
		}
		assert_int_equal(r, -WE_CONFIG);
		if (strstr(err.text, cases[i / 2].text) == NULL)
			fail_msg("%zu: '%s' lacks '%s'", i, err.text, cases[i / 2].text);
	}
}

static void same_files_are_recognised(void **state)
{
	struct tls_config a = fx_config(), b = fx_config();
	char copy[200];

	(void)snprintf(copy, sizeof(copy), "%s", a.rsa_cert);
	b.rsa_cert = copy;
	b.alpn = !b.alpn; /* no matter of files */
	assert_true(tls_config_same_files(&a, &b));
	b.crl_path = "/x";
	assert_false(tls_config_same_files(&a, &b));
	assert_true(tls_config_has_cert(&a));
	a.rsa_cert = a.ec_cert = NULL;
	assert_false(tls_config_has_cert(&a));
}

static void lists_are_checked(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(tls_ciphers_check("DEFAULT:!ADH:!EXPORT:!DES", &err), 0);
	assert_int_equal(tls_ciphers_check("NOSUCH", &err), -WE_CONFIG);
	assert_non_null(strstr(err.text, "'NOSUCH'"));
	assert_int_equal(tls_ciphersuites_check("TLS_AES_128_GCM_SHA256", &err), 0);
	assert_int_equal(tls_ciphersuites_check("TLS_NOSUCH", &err), -WE_CONFIG);
	assert_int_equal(tls_groups_check("X25519:P-256", &err), 0);
	assert_int_equal(tls_groups_check("P-1", &err), -WE_CONFIG);
}

/* --- signatures --- */

static EVP_PKEY *public_of(const char *name)
{
	FILE *f = fopen(fx_path(name), "re");
	X509 *c = PEM_read_X509(f, NULL, NULL, NULL);
	EVP_PKEY *k = X509_get_pubkey(c);

	fclose(f);
	X509_free(c);
	return k;
}

static int ask(unsigned key, unsigned kind, const uint8_t *in, size_t n, uint8_t *out, size_t *ret_n)
{
	int r = fx_signer.sign(fx_signer.arg, key, kind, in, n, out, ret_n);

	assert_int_equal(ERR_peek_error(), 0);
	return r;
}

/* What TLS asks for, made by OpenSSL. */
static size_t pss_encode(EVP_PKEY *k, const EVP_MD *md, const uint8_t *hash, int salt, uint8_t *em)
{
	int n = EVP_PKEY_get_size(k);
	EVP_PKEY *tmp = EVP_RSA_gen(
		(unsigned)EVP_PKEY_get_bits(k)); /* encode by signing with another, then opening */
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(tmp, NULL);
	uint8_t sig[1024];
	size_t len = sizeof(sig), em_len = 1024;

	assert_true(EVP_PKEY_sign_init(c) > 0 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) > 0 &&
		    EVP_PKEY_CTX_set_signature_md(c, md) > 0 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(c, salt) > 0 &&
		    EVP_PKEY_sign(c, sig, &len, hash, (size_t)EVP_MD_get_size(md)) > 0);
	EVP_PKEY_CTX_free(c);
	c = EVP_PKEY_CTX_new(tmp, NULL);
	assert_true(EVP_PKEY_verify_recover_init(c) > 0 &&
		    EVP_PKEY_CTX_set_rsa_padding(c, RSA_NO_PADDING) > 0 &&
		    EVP_PKEY_verify_recover(c, em, &em_len, sig, len) > 0);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(tmp);
	assert_int_equal(em_len, n);
	return em_len;
}

static void only_signatures_are_made_with_rsa(void **state)
{
	EVP_PKEY *k = public_of("rsa.crt");
	uint8_t in[TLS_SIGN_IN_MAX + 1] = {0}, out[TLS_SIGN_OUT_MAX], hash[64];
	const EVP_MD *mds[] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};
	size_t n, len;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);
	uint8_t cipher[256];
	size_t cipher_len = sizeof(cipher);

	memset(hash, 5, sizeof(hash));
	for (size_t i = 0; i < 3; i++) {
		n = pss_encode(k, mds[i], hash, RSA_PSS_SALTLEN_DIGEST, in);
		assert_int_equal(ask(100, TLS_SIGN_RSA_PSS, in, n, out, &len), 0);
		assert_int_equal(len, 256);
		assert_int_equal(ask(100, TLS_SIGN_RSA_PSS, in, n - 1, out, &len), -EINVAL);
		in[40] ^= 1;
		assert_int_equal(ask(100, TLS_SIGN_RSA_PSS, in, n, out, &len), -EINVAL);
	}
	n = pss_encode(k, EVP_sha256(), hash, 20, in); /* TLS has other salts */
	assert_int_equal(ask(100, TLS_SIGN_RSA_PSS, in, n, out, &len), -EINVAL);
	/* a premaster secret that somebody recorded */
	assert_true(EVP_PKEY_encrypt_init(c) > 0 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0 &&
		    EVP_PKEY_encrypt(c, cipher, &cipher_len, hash, 48) > 0);
	EVP_PKEY_CTX_free(c);
	for (unsigned kind = 0; kind < 6; kind++)
		assert_int_equal(ask(100, kind, cipher, cipher_len, out, &len), -EINVAL);
	cipher[0] = 0;
	cipher[cipher_len - 1] = 0xbc;
	assert_int_equal(ask(100, TLS_SIGN_RSA_PSS, cipher, cipher_len, out, &len), -EINVAL);
	/* PKCS #1: digests with their names, nothing else */
	memcpy(in, "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 19);
	assert_int_equal(ask(100, TLS_SIGN_RSA_PKCS1, in, 51, out, &len), 0);
	assert_int_equal(ask(100, TLS_SIGN_RSA_PKCS1, in, 50, out, &len), -EINVAL);
	assert_int_equal(ask(100, TLS_SIGN_RSA_PKCS1, in, 36, out, &len), 0); /* MD5 and SHA-1 */
	assert_int_equal(ask(100, TLS_SIGN_RSA_PKCS1, in, 0, out, &len), -EINVAL);
	assert_int_equal(ask(100, TLS_SIGN_RSA_PKCS1, in, sizeof(in), out, &len), -EINVAL);
	in[0] = 0x31;
	assert_int_equal(ask(100, TLS_SIGN_RSA_PKCS1, in, 51, out, &len), -EINVAL);
	assert_int_equal(ask(100, TLS_SIGN_ECDSA, in, 32, out, &len), -EINVAL);
	EVP_PKEY_free(k);
}

static void keys_have_numbers_and_kinds(void **state)
{
	EVP_PKEY *k = public_of("ec.crt");
	uint8_t in[65] = {1, 2, 3}, out[TLS_SIGN_OUT_MAX];
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);
	size_t len;

	assert_int_equal(ask(101, TLS_SIGN_ECDSA, in, 32, out, &len), 0);
	assert_true(EVP_PKEY_verify_init(c) > 0 && EVP_PKEY_verify(c, out, len, in, 32) == 1);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(k);
	assert_int_equal(ask(101, TLS_SIGN_ECDSA, in, 65, out, &len), -EINVAL);
	assert_int_equal(ask(101, TLS_SIGN_RSA_PSS, in, 32, out, &len), -EINVAL);
	assert_int_equal(ask(102, TLS_SIGN_ECDSA, in, 32, out, &len), -ENOENT);
	assert_int_equal(ask(0, TLS_SIGN_ECDSA, in, 32, out, &len), -ENOENT);
	assert_int_equal(ask(~0u, TLS_SIGN_ECDSA, in, 32, out, &len), -ENOENT);
}

/* A modulus whose bits do not fill its first byte as others do. */
static void odd_lengths_of_rsa_work(void **state)
{
	static const unsigned bits[] = {1024, 1031, 1032, 1033, 2047, 3072};

	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		EVP_PKEY *k = EVP_RSA_gen(bits[i]);
		X509 *cert = fx_cert("odd", NULL, k, true, 30);
		struct tls_config conf = fx_config();
		struct tls_load how = {.first_key = 7};
		struct tls_keys *keys = tls_keys_new();
		struct err err = ERR_INIT;
		uint8_t em[1024], hash[64] = {1}, out[TLS_SIGN_OUT_MAX];
		size_t n, len;

		fx_write("odd.pem", k, cert, NULL, 0600);
		conf.rsa_cert = fx_path("odd.pem");
		conf.ec_cert = NULL;
		assert_int_equal(tls_keys_load(keys, &conf, &how, &err), 0);
		n = pss_encode(k, EVP_sha256(), hash, RSA_PSS_SALTLEN_DIGEST, em);
		assert_int_equal(tls_keys_sign(keys, 7, TLS_SIGN_RSA_PSS, em, n, out, &len), 0);
		em[n / 4] ^= 4;
		assert_int_equal(tls_keys_sign(keys, 7, TLS_SIGN_RSA_PSS, em, n, out, &len), -EINVAL);
		tls_keys_free(&keys);
		X509_free(cert);
		EVP_PKEY_free(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_in_files_are_named),
		cmocka_unit_test(certificates_that_have_expired_are_told_of),
		cmocka_unit_test(passphrases_come_from_the_program),
		cmocka_unit_test(same_files_are_recognised),
		cmocka_unit_test(lists_are_checked),
		cmocka_unit_test(only_signatures_are_made_with_rsa),
		cmocka_unit_test(keys_have_numbers_and_kinds),
		cmocka_unit_test(odd_lengths_of_rsa_work),
	};

	return cmocka_run_group_tests(tests, fx_start, fx_end);
}
