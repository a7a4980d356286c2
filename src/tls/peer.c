/* The peer's certificate. OpenSSL has verified it when there is one: an invalid one ends the handshake. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/str.h"
#include "tls/tls_priv.h"

#define PEM_CERTS_MAX 64 /* of a .tlslogin */

static X509 *peer(const struct tls_conn *c)
{
	if (!c->done || SSL_get_verify_result(c->ssl) != X509_V_OK)
		return NULL;
	return SSL_get0_peer_certificate(c->ssl);
}

bool tls_peer_has_cert(const struct tls_conn *c)
{
	return peer(c) != NULL;
}

bool tls_cert_fingerprint(X509 *cert, uint8_t ret_fp[TLS_FINGERPRINT_BYTES])
{
	unsigned n = 0;

	return X509_digest(cert, EVP_sha256(), ret_fp, &n) && n == TLS_FINGERPRINT_BYTES;
}

bool tls_peer_fingerprint(const struct tls_conn *c, uint8_t ret_fp[TLS_FINGERPRINT_BYTES])
{
	X509 *cert = peer(c);

	return cert != NULL && tls_cert_fingerprint(cert, ret_fp);
}

bool tls_peer_has_dns_name(const struct tls_conn *c, const char *name)
{
	X509 *cert = peer(c);
	const unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
	bool has = cert != NULL && name[0] != '\0' && X509_check_host(cert, name, 0, flags, NULL) == 1;

	ERR_clear_error();
	return has;
}

bool tls_peer_has_address(const struct tls_conn *c, const struct addr *a)
{
	X509 *cert = peer(c);
	struct addr plain;
	bool has;

	if (cert == NULL)
		return false;
	addr_unmap(a, &plain);
	if (plain.sa.sa_family == AF_INET)
		has = X509_check_ip(cert, (const unsigned char *)&plain.in4.sin_addr, 4, 0) == 1;
	else
		has = plain.sa.sa_family == AF_INET6 &&
		      X509_check_ip(cert, (const unsigned char *)&plain.in6.sin6_addr, 16, 0) == 1;
	ERR_clear_error();
	return has;
}

/* Is the text of s exactly want? A NUL inside is no end. */
static bool text_is(const ASN1_STRING *s, const char *want, bool nocase)
{
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, s);
	bool is;

	if (n < 0)
		return false;
	is = (size_t)n == strlen(want) && memchr(utf8, 0, (size_t)n) == NULL &&
	     (nocase ? str_eq_nocase((const char *)utf8, want) : memcmp(utf8, want, (size_t)n) == 0);
	OPENSSL_free(utf8);
	return is;
}

static bool common_name_is(X509 *cert, const char *want, bool nocase)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	bool is = false;

	for (int i = -1; !is && (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;)
		is = text_is(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)), want, nocase);
	ERR_clear_error();
	return is;
}

bool tls_peer_has_common_name(const struct tls_conn *c, const char *name)
{
	X509 *cert = peer(c);

	return cert != NULL && name[0] != '\0' && common_name_is(cert, name, true);
}

static bool email_is(X509 *cert, const char *want)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool is = false;

	for (int i = 0; !is && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		is = g->type == GEN_EMAIL && text_is(g->d.rfc822Name, want, false);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return is;
}

/* An extension of that OID whose value is a string: in DER, as any string type. */
static bool extension_is(X509 *cert, const char *oid, const char *want)
{
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	bool is = false;

	for (int i = -1; obj != NULL && !is && (i = X509_get_ext_by_OBJ(cert, obj, i)) >= 0;) {
		const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(cert, i));
		const unsigned char *p = ASN1_STRING_get0_data(value);
		ASN1_TYPE *t = d2i_ASN1_TYPE(NULL, &p, ASN1_STRING_length(value));

		if (t != NULL && (t->type == V_ASN1_UTF8STRING || t->type == V_ASN1_IA5STRING ||
					 t->type == V_ASN1_PRINTABLESTRING))
			is = text_is(t->value.asn1_string, want, false);
		ASN1_TYPE_free(t);
	}
	ASN1_OBJECT_free(obj);
	ERR_clear_error();
	return is;
}

bool tls_cert_is_user(X509 *cert, const char *which, const char *user)
{
	if (user[0] == '\0')
		return false;
	if (str_eq_nocase(which, "CommonName"))
		return common_name_is(cert, user, false);
	if (str_eq_nocase(which, "EmailSubjAltName"))
		return email_is(cert, user);
	return extension_is(cert, which, user);
}

bool tls_pem_has_fingerprint(const char *pem, size_t len, const uint8_t fp[TLS_FINGERPRINT_BYTES])
{
	BIO *bio = len < TLS_FILE_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	bool has = false;
	X509 *cert;

	for (int n = 0; bio != NULL && !has && n < PEM_CERTS_MAX; n++) {
		uint8_t own[TLS_FINGERPRINT_BYTES];

		cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (cert == NULL)
			break;
		has = tls_cert_fingerprint(cert, own) && memcmp(own, fp, sizeof(own)) == 0;
		X509_free(cert);
	}
	BIO_free(bio);
	ERR_clear_error();
	return has;
}
