/* Questions about what a configuration says. */
#include <openssl/err.h>

#include "base/str.h"
#include "tls/tls_priv.h"

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && str_eq(a, b));
}

bool tls_config_same_files(const struct tls_config *a, const struct tls_config *b)
{
	return same(a->rsa_cert, b->rsa_cert) && same(a->rsa_key, b->rsa_key) &&
	       same(a->ec_cert, b->ec_cert) && same(a->ec_key, b->ec_key) && same(a->pkcs12, b->pkcs12) &&
	       same(a->chain, b->chain) && same(a->ca_file, b->ca_file) && same(a->ca_path, b->ca_path) &&
	       same(a->crl_file, b->crl_file) && same(a->crl_path, b->crl_path) &&
	       same(a->dh_file, b->dh_file) && a->staple == b->staple &&
	       (!a->staple || (a->staple_options == b->staple_options &&
				      a->staple_timeout_ms == b->staple_timeout_ms &&
				      same(a->staple_responder, b->staple_responder)));
}

bool tls_config_has_cert(const struct tls_config *c)
{
	return c->rsa_cert != NULL || c->ec_cert != NULL || c->pkcs12 != NULL;
}

bool tls_revocation_wanted(const struct tls_config *c)
{
	return c->engine && c->verify != TLS_VERIFY_OFF && c->order != TLS_ORDER_CRL;
}

bool tls_revocation_accepted(const struct tls_config *c, const struct tls_revocation *a)
{
	if (a->status != TLS_REVOCATION_NONE)
		return a->status == TLS_REVOCATION_GOOD;
	return (c->order == TLS_ORDER_OCSP_CRL && a->listed != 0) ||
	       (c->options & TLS_OPT_OCSP_SOFT_FAIL) != 0;
}

static int list_check(
	int (*set)(SSL_CTX *ctx, const char *list), const char *what, const char *list, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int r = 0;

	if (ctx == NULL || !set(ctx, list))
		r = tls_fail(err, WE_CONFIG, "bad list of %s '%.200s'", what, list);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

int tls_ciphers_check(const char *list, struct err *err)
{
	return list_check(SSL_CTX_set_cipher_list, "ciphers", list, err);
}

int tls_ciphersuites_check(const char *list, struct err *err)
{
	return list_check(SSL_CTX_set_ciphersuites, "cipher suites", list, err);
}

static int groups_set(SSL_CTX *ctx, const char *list)
{
	return (int)SSL_CTX_set1_groups_list(ctx, list);
}

int tls_groups_check(const char *list, struct err *err)
{
	return list_check(groups_set, "groups", list, err);
}
