/* The answer of an OCSP responder, about a certificate that is made here: once with the signature looked at, once without. */
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/tls_priv.h"

/* The key that has signed the good ones of the corpus. */
static const unsigned char authority[] = {0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20, 0x5c, 0xa1, 0x18, 0xdb,
	0x4c, 0x57, 0xe4, 0xc0, 0x42, 0x2f, 0xbf, 0xf2, 0xff, 0xe3, 0x32, 0xf4, 0x52, 0x0d, 0x43, 0x9c, 0xa3,
	0xd9, 0x61, 0x97, 0x03, 0xd6, 0xeb, 0x5b, 0x70, 0x23, 0xcb, 0x35, 0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86,
	0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42, 0x00, 0x04, 0x72, 0xa5, 0xe4, 0xde, 0xd4,
	0x28, 0x33, 0xd5, 0xc5, 0x91, 0x1d, 0x4e, 0x49, 0x77, 0x7d, 0x27, 0x06, 0x24, 0xbc, 0xee, 0x0b, 0x93,
	0xdd, 0x65, 0xa5, 0x03, 0x9f, 0x8b, 0xda, 0xb2, 0x64, 0xac, 0xf1, 0x5d, 0x81, 0x83, 0xc2, 0x6d, 0x83,
	0xaf, 0xe6, 0x96, 0x34, 0x3e, 0x4b, 0xca, 0xed, 0xd5, 0xbf, 0x6b, 0xf6, 0x8f, 0x99, 0x4d, 0x83, 0x7f,
	0x58, 0xa7, 0x8d, 0xa4, 0x73, 0x9b, 0x52, 0xd3};

static struct tls_material material;

static X509 *cert_new(const char *name, long serial, EVP_PKEY *key, const char *issuer, EVP_PKEY *by)
{
	X509 *x = X509_new();
	X509_NAME *subject = X509_NAME_new(), *from = X509_NAME_new();

	if (x == NULL || subject == NULL || from == NULL ||
		!X509_NAME_add_entry_by_txt(
			subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) ||
		!X509_NAME_add_entry_by_txt(
			from, "CN", MBSTRING_ASC, (const unsigned char *)issuer, -1, -1, 0) ||
		!ASN1_INTEGER_set(X509_get_serialNumber(x), serial) || !X509_set_subject_name(x, subject) ||
		!X509_set_issuer_name(x, from) || !X509_gmtime_adj(X509_getm_notBefore(x), 0) ||
		!X509_gmtime_adj(X509_getm_notAfter(x), 86400) || !X509_set_pubkey(x, key) ||
		!X509_sign(x, by, EVP_sha256()))
		abort();
	X509_NAME_free(subject);
	X509_NAME_free(from);
	return x;
}

static void start(void)
{
	const unsigned char *p = authority;
	EVP_PKEY *ca = d2i_AutoPrivateKey(NULL, &p, sizeof(authority)), *own = EVP_EC_gen("P-256");

	if (ca == NULL || own == NULL)
		abort();
	material.certs[TLS_KEY_RSA].leaf = cert_new("leaf", 2, own, "authority", ca);
	material.cas = sk_X509_new_null();
	if (material.cas == NULL ||
		!sk_X509_push(material.cas, cert_new("authority", 1, ca, "authority", ca)))
		abort();
	EVP_PKEY_free(ca);
	EVP_PKEY_free(own);
}

static bool taken(unsigned options, const uint8_t *data, size_t size)
{
	const struct tls_config conf = {.staple = true, .staple_options = options};
	static struct tls_staple s;
	struct err err = ERR_INIT;

	memset(&s, 0, sizeof(s));
	if (tls_staple_check(&conf, &material, TLS_KEY_RSA, NULL, data, size, &s, &err) < 0)
		return false;
	if (s.n != size || memcmp(s.der, data, size) != 0 || s.until <= (int64_t)time(NULL) - 5)
		abort();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (material.cas == NULL)
		start();
	if (taken(0, data, size) && !taken(TLS_STAPLE_NO_VERIFY, data, size))
		abort();
	(void)taken(TLS_STAPLE_NO_VERIFY, data, size);
	return 0;
}
