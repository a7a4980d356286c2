/* Certificates of clients away from their connection: how one process hands them to another, which looks at them anew. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "tls/tls_priv.h"

static int append_der(struct buf *out, X509 *cert)
{
	unsigned char *der = NULL;
	int n = i2d_X509(cert, &der), r = n > 0 ? buf_append(out, der, (size_t)n) : -EINVAL;

	OPENSSL_free(der);
	return r;
}

int tls_peer_export(const struct tls_conn *c, struct buf *out)
{
	STACK_OF(X509) *chain =
		SSL_get_peer_cert_chain(c->ssl); /* without the leaf; NULL after a resumption */
	int r;

	if (!tls_peer_has_cert(c))
		return 0;
	r = append_der(out, SSL_get0_peer_certificate(c->ssl));
	for (int i = 0; r == 0 && i < sk_X509_num(chain); i++)
		(void)append_der(out, sk_X509_value(chain, i)); /* what does not fit may not be needed */
	ERR_clear_error();
	return r;
}

/* The first is returned, the others go to chain. */
static X509 *certs_parse(const unsigned char *p, size_t n, STACK_OF(X509) * chain)
{
	const unsigned char *end = p + n;
	X509 *leaf = NULL;

	while (p < end) {
		X509 *cert = d2i_X509(NULL, &p, end - p);

		if (cert == NULL)
			break; /* nobody checks that all of it can be read: the leaf is what matters */
		if (leaf == NULL)
			leaf = cert;
		else if (sk_X509_push(chain, cert) == 0)
			X509_free(cert);
	}
	return leaf;
}

/* *ret_issuer: the one that the verification has found; NULL: the leaf is trusted by itself. */
static int verify(const struct tls_config *conf, X509_STORE *store, X509 *leaf, STACK_OF(X509) * chain,
	X509 **ret_issuer, struct err *err)
{
	X509_STORE_CTX *v = X509_STORE_CTX_new();
	int r = 0;

	if (v == NULL || !X509_STORE_CTX_init(v, store, leaf, chain) ||
		!X509_STORE_CTX_set_default(v, "ssl_client")) {
		X509_STORE_CTX_free(v);
		return tls_fail(err, ENOMEM, "cannot verify a certificate");
	}
	X509_STORE_CTX_set_depth(v, (int)conf->verify_depth);
	X509_STORE_CTX_set_verify_cb(v, tls_cert_verified);
	if (X509_verify_cert(v) != 1)
		r = err_set(err, EACCES, "the certificate is not accepted: %s",
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(v)));
	else if (sk_X509_num(X509_STORE_CTX_get0_chain(v)) > 1 &&
		 X509_up_ref(sk_X509_value(X509_STORE_CTX_get0_chain(v), 1)))
		*ret_issuer = sk_X509_value(X509_STORE_CTX_get0_chain(v), 1);
	X509_STORE_CTX_free(v);
	return r;
}

int tls_client_cert_check(const struct tls_config *conf, const struct tls_material *m, const void *der,
	size_t n, struct tls_client_cert **ret_c, struct err *err)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	X509 *leaf = chain != NULL ? certs_parse(der, n, chain) : NULL, *issuer = NULL;
	int r = store != NULL ? tls_store_fill(store, m, err) : err_set(err, ENOMEM, "out of memory");

	if (r == 0 && leaf == NULL)
		r = err_set(err, EINVAL, "there is no certificate to be read");
	if (r == 0)
		r = verify(conf, store, leaf, chain, &issuer, err);
	if (r == 0) {
		*ret_c = xcalloc(1, sizeof(**ret_c));
		**ret_c = (struct tls_client_cert){leaf, issuer, chain};
		leaf = NULL;
		chain = NULL;
	}
	X509_free(leaf);
	sk_X509_pop_free(chain, X509_free);
	X509_STORE_free(store);
	ERR_clear_error();
	return r;
}

void tls_client_cert_digest(const void *der, size_t n, uint8_t ret_digest[TLS_FINGERPRINT_BYTES])
{
	(void)SHA256(der, n, ret_digest);
}

void tls_client_cert_free(struct tls_client_cert **cp)
{
	if (*cp != NULL) {
		X509_free((*cp)->leaf);
		X509_free((*cp)->issuer);
		sk_X509_pop_free((*cp)->chain, X509_free);
	}
	free(*cp);
	*cp = NULL;
}

bool tls_client_cert_is_user(const struct tls_client_cert *c, const char *which, const char *user)
{
	return tls_cert_is_user(c->leaf, which, user);
}

bool tls_client_cert_in_pem(const struct tls_client_cert *c, const char *pem, size_t len)
{
	uint8_t fp[TLS_FINGERPRINT_BYTES];

	return tls_cert_fingerprint(c->leaf, fp) && tls_pem_has_fingerprint(pem, len, fp);
}
