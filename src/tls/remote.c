/* Keys whose private half is in another process.
 *
 * OpenSSL takes such keys as methods of RSA and EC_KEY. These are deprecated since 3.0 in favour of providers, but
 * they work in 1.1.1 and in all of 3.x; a provider would be many times this code, and 3.0's cannot be given a
 * public key that lives elsewhere without making it exportable. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <string.h>

#include "tls/tls_priv.h"

static struct {
	pthread_once_t once;
	RSA_METHOD *rsa;
	EC_KEY_METHOD *ec;
	int rsa_index, ec_index; /* ex_data: const struct tls_remote * */
} methods = {.once = PTHREAD_ONCE_INIT};

static _Thread_local int last_error;

int tls_remote_error(void)
{
	int e = last_error;

	last_error = 0;
	return e;
}

/* Bytes of the signature, or -1. */
static int ask(const struct tls_remote *r, enum tls_sign_kind kind, const uint8_t *in, int n, uint8_t *out,
	size_t expected)
{
	uint8_t sig[TLS_SIGN_OUT_MAX];
	size_t len = 0;
	int e;

	if (r == NULL || r->signer.sign == NULL || n <= 0 || n > (int)TLS_SIGN_IN_MAX) {
		last_error = -EINVAL;
		return -1;
	}
	e = r->signer.sign(r->signer.arg, r->key, kind, in, (size_t)n, sig, &len);
	if (e == 0 && (len == 0 || len > expected || (kind != TLS_SIGN_ECDSA && len != expected)))
		e = -EPROTO;
	if (e < 0) {
		last_error = e;
		return -1;
	}
	memcpy(out, sig, len);
	return (int)len;
}

/* "Private encryption" is OpenSSL's word for a signature; PSS padding was put on before. */
static int rsa_sign(int n, const unsigned char *in, unsigned char *out, RSA *rsa, int padding)
{
	const struct tls_remote *r = RSA_get_ex_data(rsa, methods.rsa_index);
	enum tls_sign_kind kind = padding == RSA_NO_PADDING ? TLS_SIGN_RSA_PSS : TLS_SIGN_RSA_PKCS1;

	if (padding != RSA_NO_PADDING && padding != RSA_PKCS1_PADDING)
		return -1;
	return ask(r, kind, in, n, out, (size_t)RSA_size(rsa));
}

/* The static RSA key exchange, which contexts do not offer. */
static int rsa_decrypt(int n, const unsigned char *in, unsigned char *out, RSA *rsa, int padding)
{
	last_error = -EPERM;
	return -1;
}

static int ec_sign(int type, const unsigned char *in, int n, unsigned char *out, unsigned int *ret_n,
	const BIGNUM *kinv, const BIGNUM *rp, EC_KEY *ec)
{
	const struct tls_remote *r = EC_KEY_get_ex_data(ec, methods.ec_index);
	int len = ask(r, TLS_SIGN_ECDSA, in, n, out, (size_t)ECDSA_size(ec));

	if (len < 0)
		return 0;
	*ret_n = (unsigned)len;
	return 1;
}

static void methods_make(void)
{
	methods.rsa = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	methods.ec = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	methods.rsa_index = RSA_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	methods.ec_index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (methods.rsa == NULL || methods.ec == NULL)
		return;
	(void)RSA_meth_set1_name(methods.rsa, "remote"); /* only a name */
	RSA_meth_set_priv_enc(methods.rsa, rsa_sign);
	RSA_meth_set_priv_dec(methods.rsa, rsa_decrypt);
	EC_KEY_METHOD_set_sign(methods.ec, ec_sign, NULL, NULL);
}

static EVP_PKEY *rsa_key(EVP_PKEY *public, const struct tls_remote *remote)
{
	RSA *rsa = RSA_new();
	BIGNUM *n = NULL, *e = NULL;
	EVP_PKEY *key = EVP_PKEY_new();

	if (rsa == NULL || key == NULL || !RSA_set_method(rsa, methods.rsa) ||
		!EVP_PKEY_get_bn_param(public, OSSL_PKEY_PARAM_RSA_N, &n) ||
		!EVP_PKEY_get_bn_param(public, OSSL_PKEY_PARAM_RSA_E, &e))
		goto fail;
	if (!RSA_set0_key(rsa, n, e, NULL))
		goto fail;
	n = e = NULL; /* its own now */
	RSA_set_flags(rsa, RSA_FLAG_EXT_PKEY);
	if (!RSA_set_ex_data(rsa, methods.rsa_index, (void *)remote) || !EVP_PKEY_assign_RSA(key, rsa))
		goto fail;
	return key;
fail:
	BN_free(n);
	BN_free(e);
	RSA_free(rsa);
	EVP_PKEY_free(key);
	return NULL;
}

static EVP_PKEY *ec_key(EVP_PKEY *public, const struct tls_remote *remote)
{
	char group[80];
	unsigned char point[256];
	size_t n;
	EC_KEY *ec = NULL;
	EVP_PKEY *key = EVP_PKEY_new();

	if (key == NULL || !EVP_PKEY_get_group_name(public, group, sizeof(group), NULL) ||
		!EVP_PKEY_get_octet_string_param(public, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n))
		goto fail;
	ec = EC_KEY_new_by_curve_name(OBJ_sn2nid(group));
	if (ec == NULL || !EC_KEY_set_method(ec, methods.ec) || !EC_KEY_oct2key(ec, point, n, NULL) ||
		!EC_KEY_set_ex_data(ec, methods.ec_index, (void *)remote) || !EVP_PKEY_assign_EC_KEY(key, ec))
		goto fail;
	return key;
fail:
	EC_KEY_free(ec);
	EVP_PKEY_free(key);
	return NULL;
}

EVP_PKEY *tls_remote_key(X509 *cert, const struct tls_remote *remote)
{
	EVP_PKEY *public = X509_get0_pubkey(cert);

	(void)pthread_once(&methods.once, methods_make);
	if (public == NULL || methods.rsa == NULL || methods.ec == NULL)
		return NULL;
	switch (EVP_PKEY_get_base_id(public)) {
	case EVP_PKEY_RSA:
		return rsa_key(public, remote);
	case EVP_PKEY_EC:
		return ec_key(public, remote);
	default:
		return NULL;
	}
}
