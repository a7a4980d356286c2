/* Signatures, for processes that are not trusted. With RSA a signature and a decryption are the same operation,
 * so what is to be signed must have the form of what TLS signs: whoever took over a login process may pretend to be
 * this server while he holds it, but cannot decrypt what others recorded. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "tls/keys.h"
#include "tls/tls_priv.h"

/* --- forms --- */

#define DIGESTS 5
static const struct digest {
	size_t len, prefix_len;
	uint8_t prefix[19]; /* RFC 8017 9.2, note 1 */
	const EVP_MD *(*md)(void);
} digests[DIGESTS] = {
	{20, 15, "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14", EVP_sha1},
	{28, 19, "\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c", EVP_sha224},
	{32, 19, "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", EVP_sha256},
	{48, 19, "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30", EVP_sha384},
	{64, 19, "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40", EVP_sha512},
};

static bool is_digest_info(const uint8_t *in, size_t n)
{
	if (n == 36) /* MD5 and SHA-1, of TLS 1.1 and older */
		return true;
	for (size_t i = 0; i < DIGESTS; i++) {
		const struct digest *d = &digests[i];

		if (n == d->prefix_len + d->len && memcmp(in, d->prefix, d->prefix_len) == 0)
			return true;
	}
	return false;
}

/* RFC 8017 B.2.1: xor the mask of seed over data. */
static bool mgf1(const EVP_MD *md, const uint8_t *seed, size_t seed_len, uint8_t *data, size_t len)
{
	uint8_t block[EVP_MAX_MD_SIZE + 4], mask[EVP_MAX_MD_SIZE];

	memcpy(block, seed, seed_len);
	for (uint32_t count = 0; len > 0; count++) {
		unsigned got = 0;

		for (int i = 0; i < 4; i++)
			block[seed_len + (size_t)i] = (uint8_t)(count >> (24 - 8 * i));
		if (!EVP_Digest(block, seed_len + 4, mask, &got, md, NULL) || got == 0)
			return false;
		for (unsigned i = 0; i < got && len > 0; i++, len--)
			*data++ ^= mask[i];
	}
	return true;
}

/* RFC 8017 9.1.2, as far as it can be checked without the message: n bytes with modulus bits - 1 used. The salt
 * is as long as the digest (RFC 8446 4.2.3). */
static bool is_pss_of(const struct digest *d, const uint8_t *em, size_t n, unsigned top_bits)
{
	uint8_t db[TLS_SIGN_IN_MAX];
	size_t db_len, zeros;

	if (n < 2 * d->len + 2)
		return false;
	db_len = n - d->len - 1;
	zeros = db_len - d->len - 1;
	memcpy(db, em, db_len);
	if (!mgf1(d->md(), em + db_len, d->len, db, db_len))
		return false;
	db[0] &= (uint8_t)(0xff >> (8 - top_bits));
	for (size_t i = 0; i < zeros; i++) {
		if (db[i] != 0)
			return false;
	}
	return db[zeros] == 1;
}

static bool is_pss(const uint8_t *em, size_t n, unsigned modulus_bits)
{
	unsigned top_bits = (modulus_bits - 1) & 7; /* used in the first byte */

	if (n != (modulus_bits + 7) / 8)
		return false;
	if (top_bits == 0) {
		if (em[0] != 0)
			return false;
		em++;
		n--;
		top_bits = 8;
	}
	if (em[n - 1] != 0xbc || (em[0] & ~(0xff >> (8 - top_bits))) != 0)
		return false;
	for (size_t i = 0; i < DIGESTS; i++) {
		if (is_pss_of(&digests[i], em, n, top_bits))
			return true;
	}
	return false;
}

/* --- signing --- */

static EVP_PKEY *key_find(const struct tls_keys *keys, unsigned number)
{
	for (size_t i = 0; i < keys->n; i++) {
		if (keys->v[i].number == number)
			return keys->v[i].pkey;
	}
	return NULL;
}

static bool may_sign(const EVP_PKEY *key, uint32_t kind, const uint8_t *in, size_t n)
{
	bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

	if (n == 0 || n > TLS_SIGN_IN_MAX)
		return false;
	switch (kind) {
	case TLS_SIGN_RSA_PKCS1:
		return rsa && is_digest_info(in, n);
	case TLS_SIGN_RSA_PSS:
		return rsa && is_pss(in, n, (unsigned)EVP_PKEY_get_bits(key));
	case TLS_SIGN_ECDSA:
		return !rsa && n <= 64;
	default:
		return false;
	}
}

int tls_keys_sign(struct tls_keys *keys, unsigned key, uint32_t kind, const uint8_t *in, size_t n,
	uint8_t *out, size_t *ret_n)
{
	EVP_PKEY *pkey = key_find(keys, key);
	size_t len = TLS_SIGN_OUT_MAX;
	EVP_PKEY_CTX *ctx;
	bool ok;

	if (pkey == NULL)
		return -ENOENT;
	if (!may_sign(pkey, kind, in, n))
		return -EINVAL;
	ctx = EVP_PKEY_CTX_new(pkey, NULL);
	ok = ctx != NULL && EVP_PKEY_sign_init(ctx) > 0;
	if (ok && kind != TLS_SIGN_ECDSA)
		ok = EVP_PKEY_CTX_set_rsa_padding(
			     ctx, kind == TLS_SIGN_RSA_PSS ? RSA_NO_PADDING : RSA_PKCS1_PADDING) > 0;
	ok = ok && EVP_PKEY_sign(ctx, out, &len, in, n) > 0;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	if (!ok)
		return -EINVAL;
	*ret_n = len;
	return 0;
}
