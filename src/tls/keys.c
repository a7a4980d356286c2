/* Private keys: opening them, and a set of them. */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tls/keys.h"
#include "tls/tls_priv.h"

const char *tls_key_file(const struct tls_config *conf, unsigned slot)
{
	switch (slot) {
	case TLS_KEY_RSA:
		return conf->rsa_cert != NULL && conf->rsa_key == NULL ? conf->rsa_cert : conf->rsa_key;
	case TLS_KEY_EC:
		return conf->ec_cert != NULL && conf->ec_key == NULL ? conf->ec_cert : conf->ec_key;
	default:
		return conf->pkcs12;
	}
}

const char *tls_key_name(unsigned slot)
{
	static const char *const names[TLS_KEYS] = {"RSA", "EC", "PKCS12"};

	return names[slot];
}

/* --- opening one --- */

struct ask { /* for the callback */
	const struct tls_load *how;
	unsigned slot;
	const char *path;
	bool asked;
	struct err err;
};

static int passphrase_give(char *buf, int size, int rwflag, void *arg)
{
	struct ask *a = arg;
	char text[TLS_PASSPHRASE_MAX];
	size_t n;

	a->asked = true;
	if (tls_passphrase(a->how, a->slot, a->path, text, &a->err) < 0)
		return -1;
	n = strlen(text);
	if (n > (size_t)size)
		n = (size_t)size;
	memcpy(buf, text, n);
	wipe(text, sizeof(text));
	return (int)n;
}

static int pem_open(const char *text, size_t len, struct ask *a, struct tls_key *k, struct err *err)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);

	if (bio != NULL)
		k->pkey = PEM_read_bio_PrivateKey(bio, NULL, passphrase_give, a);
	BIO_free(bio);
	if (k->pkey != NULL)
		return 0;
	if (a->err.code != 0) {
		ERR_clear_error();
		return err_set(err, WE_CONFIG, "%s", a->err.text);
	}
	if (a->asked)
		return tls_fail(err, WE_CONFIG,
			"cannot open the key in '%.250s' with the passphrase of '%.200s'", a->path,
			a->how->passphrase_program);
	return tls_fail(err, WE_CONFIG, "no private key can be read from '%.250s'", a->path);
}

static int pkcs12_open(const char *text, size_t len, struct ask *a, struct tls_key *k, struct err *err)
{
	const unsigned char *p = (const unsigned char *)text;
	PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)len);
	char pass[TLS_PASSPHRASE_MAX] = "";
	int r = 0;

	if (p12 == NULL)
		return tls_fail(err, WE_CONFIG, "'%.250s' is not in the form of PKCS #12", a->path);
	if (!PKCS12_verify_mac(p12, "", 0) && !PKCS12_verify_mac(p12, NULL, 0))
		r = tls_passphrase(a->how, a->slot, a->path, pass, err);
	ERR_clear_error();
	if (r == 0 && !PKCS12_parse(p12, pass, &k->pkey, &k->leaf, &k->chain))
		r = tls_fail(err, WE_CONFIG, "cannot open '%.250s' with its passphrase", a->path);
	if (r == 0 && (k->pkey == NULL || k->leaf == NULL))
		r = err_set(err, WE_CONFIG, "'%.250s' lacks a %s", a->path,
			k->pkey == NULL ? "private key" : "certificate");
	wipe(pass, sizeof(pass));
	PKCS12_free(p12);
	return r;
}

static int key_usable(const EVP_PKEY *k, const char *path, struct err *err)
{
	switch (EVP_PKEY_get_base_id(k)) {
	case EVP_PKEY_RSA:
		if (EVP_PKEY_get_bits(k) > TLS_RSA_BITS_MAX)
			return err_set(err, WE_CONFIG, "the key in '%.250s' is longer than %d bits", path,
				TLS_RSA_BITS_MAX);
		return 0;
	case EVP_PKEY_EC:
		return 0;
	default:
		return err_set(err, WE_CONFIG, "the key in '%.250s' is for %s: RSA and ECDSA are supported",
			path, OBJ_nid2ln(EVP_PKEY_get_base_id(k)));
	}
}

int tls_key_open(const struct tls_config *conf, unsigned slot, const struct tls_load *how,
	struct tls_key *ret_key, struct err *err)
{
	struct ask a = {.how = how, .slot = slot, .path = tls_key_file(conf, slot)};
	struct tls_key k = {0};
	char *text;
	size_t len;
	int r = tls_file_read(a.path, true, &text, &len, err);

	if (r < 0)
		return r;
	r = slot == TLS_KEY_PKCS12 ? pkcs12_open(text, len, &a, &k, err) : pem_open(text, len, &a, &k, err);
	wipe(text, len);
	free(text);
	if (r == 0)
		r = key_usable(k.pkey, a.path, err);
	ERR_clear_error();
	if (r < 0)
		tls_key_done(&k);
	else
		*ret_key = k;
	return r;
}

void tls_key_done(struct tls_key *k)
{
	EVP_PKEY_free(k->pkey); /* its numbers are overwritten */
	X509_free(k->leaf);
	sk_X509_pop_free(k->chain, X509_free);
	*k = (struct tls_key){0};
}

/* --- the set --- */

struct tls_keys *tls_keys_new(void)
{
	return xcalloc(1, sizeof(struct tls_keys));
}

void tls_keys_free(struct tls_keys **keys)
{
	struct tls_keys *k = *keys;

	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++)
		EVP_PKEY_free(k->v[i].pkey);
	free(k->v);
	free(k);
	*keys = NULL;
}

int tls_keys_load(
	struct tls_keys *keys, const struct tls_config *conf, const struct tls_load *how, struct err *err)
{
	for (unsigned slot = 0; slot < TLS_KEYS; slot++) {
		struct tls_key k;
		int r;

		if (tls_key_file(conf, slot) == NULL)
			continue;
		r = tls_key_open(conf, slot, how, &k, err);
		if (r < 0)
			return r;
		keys->v = xrealloc(keys->v, (keys->n + 1) * sizeof(*keys->v));
		keys->v[keys->n].number = how->first_key + slot;
		keys->v[keys->n++].pkey = k.pkey;
		k.pkey = NULL;
		tls_key_done(&k);
	}
	return 0;
}
