/* What a connection is, in words. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "tls/tls_priv.h"

void tls_describe(const struct tls_conn *c, struct tls_info *ret_info)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(c->ssl);
	const unsigned char *alpn;
	unsigned n;

	SSL_get0_alpn_selected(c->ssl, &alpn, &n);
	*ret_info = (struct tls_info){
		.version = SSL_get_version(c->ssl),
		.cipher = cipher != NULL ? SSL_CIPHER_get_name(cipher) : "none",
		.bits = cipher != NULL ? SSL_CIPHER_get_bits(cipher, NULL) : 0,
		.resumed = tls_resumed(c),
		.ktls_tx = c->ktls_tx,
		.ktls_rx = c->ktls_rx,
		.ktls_zerocopy = c->ktls_zerocopy,
		.sni = c->sni[0] != '\0' ? c->sni : NULL,
		.alpn = n == 3 && memcmp(alpn, "ftp", 3) == 0 ? "ftp" : NULL,
	};
}

const char *tls_describe_text(const struct tls_conn *c, char *buf, size_t size)
{
	struct tls_info i;

	tls_describe(c, &i);
	(void)snprintf(buf, size, "%s %s %d bits%s%s%s%s%s%s%s", i.version, i.cipher,
		i.bits, /* cut when too long */
		i.resumed ? ", resumed" : "", i.sni != NULL ? ", SNI '" : "", i.sni != NULL ? i.sni : "",
		i.sni != NULL ? "'" : "", i.alpn != NULL ? ", ALPN ftp" : "",
		i.ktls_tx && i.ktls_rx ? ", kTLS tx rx"
		: i.ktls_tx            ? ", kTLS tx"
		: i.ktls_rx            ? ", kTLS rx"
				       : "",
		i.ktls_zerocopy ? " zerocopy" : "");
	return buf;
}

void tls_name_text(const X509_NAME *name, char *text, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n = 0;

	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		n = BIO_get_mem_data(bio, &p);
	(void)snprintf(text, size, "%.*s", n < (long)size ? (int)n : (int)size, n > 0 ? p : "");
	BIO_free(bio);
}

/* --- environment --- */

struct env {
	void (*each)(void *arg, const char *name, const char *value);
	void *arg;
};

static void put(const struct env *e, const char *prefix, const char *name, const char *value)
{
	char full[80];

	(void)snprintf(full, sizeof(full), "%s%s", prefix, name);
	e->each(e->arg, full, value);
}

static void put_number(const struct env *e, const char *name, long v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%ld", v);
	put(e, "", name, text);
}

/* Give what was written to bio as a value, and empty it. */
static void put_bio(const struct env *e, const char *prefix, const char *name, BIO *bio)
{
	char *text;
	long n;

	if (BIO_write(bio, "", 1) != 1)
		return;
	n = BIO_get_mem_data(bio, &text);
	if (n > 0)
		put(e, prefix, name, text);
	(void)BIO_reset(bio);
}

static void put_name(
	const struct env *e, const char *prefix, const char *field, const X509_NAME *name, BIO *bio)
{
	(void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	put_bio(e, prefix, field, bio);
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
		char full[40];

		if (nid == NID_undef)
			continue;
		(void)snprintf(full, sizeof(full), "%s_%s", field,
			nid == NID_pkcs9_emailAddress ? "Email" : OBJ_nid2sn(nid));
		(void)ASN1_STRING_print_ex(bio, X509_NAME_ENTRY_get_data(entry),
			ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_ESC_CTRL);
		put_bio(e, prefix, full, bio);
	}
}

static void put_cert(const struct env *e, const char *prefix, X509 *cert, BIO *bio)
{
	char text[80];
	int nid;

	(void)snprintf(text, sizeof(text), "%ld", X509_get_version(cert) + 1);
	put(e, prefix, "M_VERSION", text);
	(void)i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(cert));
	put_bio(e, prefix, "M_SERIAL", bio);
	put_name(e, prefix, "S_DN", X509_get_subject_name(cert), bio);
	put_name(e, prefix, "I_DN", X509_get_issuer_name(cert), bio);
	(void)ASN1_TIME_print(bio, X509_get0_notBefore(cert));
	put_bio(e, prefix, "V_START", bio);
	(void)ASN1_TIME_print(bio, X509_get0_notAfter(cert));
	put_bio(e, prefix, "V_END", bio);
	nid = X509_get_signature_nid(cert);
	put(e, prefix, "A_SIG", nid == NID_undef ? "UNKNOWN" : OBJ_nid2ln(nid));
	nid = EVP_PKEY_get_base_id(X509_get0_pubkey(cert));
	put(e, prefix, "A_KEY", nid == NID_undef ? "UNKNOWN" : OBJ_nid2ln(nid));
}

static void put_connection(const struct env *e, const struct tls_conn *c)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(c->ssl);
	unsigned n = 0;
	const unsigned char *id = SSL_SESSION_get_id(SSL_get_session(c->ssl), &n);
	char hex[2 * SSL_MAX_SSL_SESSION_ID_LENGTH + 1] = "";
	int possible = 0, used = cipher != NULL ? SSL_CIPHER_get_bits(cipher, &possible) : 0;

	for (unsigned i = 0; i < n && i < SSL_MAX_SSL_SESSION_ID_LENGTH; i++)
		(void)snprintf(hex + 2 * i, 3, "%02X", id[i]);
	put(e, "", "FTPS", "1");
	put(e, "", "TLS_PROTOCOL", SSL_get_version(c->ssl));
	put(e, "", "TLS_SESSION_ID", hex);
	put(e, "", "TLS_CIPHER", cipher != NULL ? SSL_CIPHER_get_name(cipher) : "none");
	put_number(e, "TLS_CIPHER_KEYSIZE_POSSIBLE", possible);
	put_number(e, "TLS_CIPHER_KEYSIZE_USED", used);
	put(e, "", "TLS_LIBRARY_VERSION", OpenSSL_version(OPENSSL_VERSION));
	if (c->sni[0] != '\0')
		put(e, "", "TLS_SERVER_NAME", c->sni);
}

static void put_pem(const struct env *e, const char *name, X509 *cert, BIO *bio)
{
	if (cert == NULL)
		return;
	(void)PEM_write_bio_X509(bio, cert);
	put_bio(e, "", name, bio);
}

void tls_env(const struct tls_conn *c, bool certs,
	void (*each)(void *arg, const char *name, const char *value), void *arg)
{
	const struct env e = {each, arg};
	X509 *own = SSL_get_certificate(c->ssl),
	     *theirs = tls_peer_has_cert(c) ? SSL_get0_peer_certificate(c->ssl) : NULL;
	STACK_OF(X509) *chain = theirs != NULL ? SSL_get_peer_cert_chain(c->ssl) : NULL;
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio == NULL || !c->done) {
		BIO_free(bio);
		return;
	}
	if (!certs) {
		put_connection(&e, c);
		if (own != NULL)
			put_cert(&e, "TLS_SERVER_", own, bio);
		if (theirs != NULL)
			put_cert(&e, "TLS_CLIENT_", theirs, bio);
	} else {
		put_pem(&e, "TLS_SERVER_CERT", own, bio);
		put_pem(&e, "TLS_CLIENT_CERT", theirs, bio);
		for (int i = 0; i < sk_X509_num(chain); i++) {
			char name[40];

			(void)snprintf(name, sizeof(name), "TLS_CLIENT_CERT_CHAIN%d", i + 1);
			put_pem(&e, name, sk_X509_value(chain, i), bio);
		}
	}
	BIO_free(bio);
	ERR_clear_error();
}
