/* OCSP: asking a responder, and what its answer is worth. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "tls/tls_priv.h"

#define CLOCK_SECS       300  /* by which the responder's clock may differ */
#define NO_NEXT_SECS     3600 /* how long a response that names no next one is used */
#define REFRESH_MIN_SECS 10
#define REFRESH_MAX_SECS (12 * 3600)
#define URL_MAX          1024

/* --- whom to ask --- */

/* http://host[:port]/path into its parts; OPENSSL_free(). */
static bool url_parse(const char *url, char **ret_host, char **ret_port, char **ret_path)
{
	int use_ssl = 0;

	*ret_host = *ret_port = *ret_path = NULL;
	if (strlen(url) > URL_MAX || strpbrk(url, " \t\r\n") != NULL ||
		!OSSL_HTTP_parse_url(url, &use_ssl, NULL, ret_host, ret_port, NULL, ret_path, NULL, NULL))
		return false;
	return !use_ssl;
}

static bool url_good(const char *url)
{
	char *host, *port, *path;
	bool good = url_parse(url, &host, &port, &path);

	OPENSSL_free(host);
	OPENSSL_free(port);
	OPENSSL_free(path);
	ERR_clear_error();
	return good;
}

int tls_staple_url_check(const char *url, struct err *err)
{
	if (str_starts(url, "http://") && url_good(url))
		return 0;
	return err_set(err, WE_CONFIG, "'%.200s' is not a URL http://host[:port]/path", url);
}

/* The first responder that the certificate names and that can be asked; NULL = none. Else *ret_list is to be freed. */
static const char *responder_of(X509 *leaf, STACK_OF(OPENSSL_STRING) * *ret_list)
{
	*ret_list = X509_get1_ocsp(leaf);
	for (int i = 0; i < sk_OPENSSL_STRING_num(*ret_list); i++) {
		const char *url = sk_OPENSSL_STRING_value(*ret_list, i);

		if (url_good(url))
			return url;
	}
	X509_email_free(*ret_list);
	*ret_list = NULL;
	return NULL;
}

static X509 *issuer_among(STACK_OF(X509) * certs, X509 *leaf)
{
	for (int i = 0; i < sk_X509_num(certs); i++) { /* -1 for NULL */
		if (X509_check_issued(sk_X509_value(certs, i), leaf) == X509_V_OK)
			return sk_X509_value(certs, i);
	}
	return NULL;
}

static X509 *issuer_of(const struct tls_material *m, unsigned slot)
{
	X509 *leaf = m->certs[slot].leaf, *found = issuer_among(m->certs[slot].chain, leaf);

	return found != NULL ? found : issuer_among(m->cas, leaf);
}

const char *tls_staple_hindrance(const struct tls_config *conf, const struct tls_material *m, unsigned slot)
{
	STACK_OF(OPENSSL_STRING) *list = NULL;
	X509 *leaf = m->certs[slot].leaf;
	bool named;

	if (X509_check_issued(leaf, leaf) == X509_V_OK)
		return "it is signed by itself";
	if (issuer_of(m, slot) == NULL)
		return "its authority's certificate is neither behind it nor in TLSCertificateChainFile";
	named = conf->staple_responder != NULL || responder_of(leaf, &list) != NULL;
	X509_email_free(list);
	ERR_clear_error();
	return named ? NULL : "it names no responder (http), and TLSStaplingResponder is missing";
}

/* --- the answer --- */

/* Seconds from now on; negative = past. */
static int64_t secs_until(const ASN1_GENERALIZEDTIME *t)
{
	int days = 0, secs = 0;

	return ASN1_TIME_diff(&days, &secs, NULL, t) ? (int64_t)days * 86400 + secs : -1;
}

/* By the authority itself, whose certificate need not be in the response, or by who has its certificate for that. Nobody else is
 * trusted. */
static int signature_check(OCSP_BASICRESP *basic, STACK_OF(X509) * chain, X509 *issuer, struct err *err)
{
	STACK_OF(X509) *known = chain != NULL ? sk_X509_dup(chain) : sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	int r = 0;

	if (store == NULL || known == NULL || !sk_X509_push(known, issuer) ||
		!X509_STORE_add_cert(store, issuer) ||
		!X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) ||
		OCSP_basic_verify(basic, known, store, 0) <= 0)
		r = tls_fail(err, EPROTO, "the response is not signed by the authority");
	sk_X509_free(known); /* its certificates are others' */
	X509_STORE_free(store);
	return r;
}

static int status_check(OCSP_BASICRESP *basic, OCSP_CERTID *id, struct tls_staple *s, struct err *err)
{
	ASN1_GENERALIZEDTIME *this = NULL, *next = NULL;
	int status = -1, reason;
	int64_t left = NO_NEXT_SECS, now = (int64_t)time(NULL);

	if (!OCSP_resp_find_status(basic, id, &status, &reason, NULL, &this, &next))
		return tls_fail(err, EPROTO, "the response says nothing of this certificate");
	if (status != V_OCSP_CERTSTATUS_GOOD && status != V_OCSP_CERTSTATUS_REVOKED)
		return err_set(err, EPROTO, "the responder does not know the certificate");
	if (!OCSP_check_validity(this, next, CLOCK_SECS, -1))
		return tls_fail(err, EPROTO, "the response is out of date, or not valid yet");
	if (next != NULL)
		left = secs_until(next);
	if (left <= 0)
		return err_set(err, EPROTO, "the response is out of date");
	s->revoked = status == V_OCSP_CERTSTATUS_REVOKED;
	s->until = now + left;
	left /= 2;
	s->refresh = now + (left < REFRESH_MIN_SECS          ? REFRESH_MIN_SECS
				   : left > REFRESH_MAX_SECS ? REFRESH_MAX_SECS
							     : left);
	return 0;
}

static int basic_check(const struct tls_config *conf, const struct tls_material *m, unsigned slot,
	OCSP_REQUEST *request, OCSP_BASICRESP *basic, struct tls_staple *s, struct err *err)
{
	X509 *leaf = m->certs[slot].leaf, *issuer = issuer_of(m, slot);
	OCSP_CERTID *id;
	int r = 0;

	/* One without a nonce was made beforehand, which most responders do; one with another nonce is another's. */
	if (request != NULL && OCSP_check_nonce(request, basic) == 0)
		return err_set(err, EPROTO, "the response has another nonce than the request");
	if ((conf->staple_options & TLS_STAPLE_NO_VERIFY) == 0)
		r = signature_check(basic, m->certs[slot].chain, issuer, err);
	if (r < 0)
		return r;
	id = OCSP_cert_to_id(EVP_sha1(), leaf, issuer); /* as it was asked; RFC 5019 2.1.1 */
	r = id != NULL ? status_check(basic, id, s, err) : err_set(err, ENOMEM, "out of memory");
	OCSP_CERTID_free(id);
	return r;
}

int tls_staple_check(const struct tls_config *conf, const struct tls_material *m, unsigned slot,
	const void *request, const uint8_t *der, size_t n, struct tls_staple *ret_s, struct err *err)
{
	const unsigned char *p = der;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic = NULL;
	int r;

	if (n == 0 || n > sizeof(ret_s->der))
		return err_set(err, EPROTO, "a response of %zu bytes cannot be used", n);
	response = d2i_OCSP_RESPONSE(NULL, &p, (long)n);
	if (response == NULL || p != der + n)
		r = tls_fail(err, EPROTO, "the answer is not an OCSP response");
	else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		r = err_set(err, EPROTO, "the responder answers '%s'",
			OCSP_response_status_str(OCSP_response_status(response)));
	else if ((basic = OCSP_response_get1_basic(response)) == NULL)
		r = tls_fail(err, EPROTO, "the response is of an unknown kind");
	else
		r = basic_check(conf, m, slot, (OCSP_REQUEST *)(uintptr_t)request, basic, ret_s, err);
	if (r == 0) {
		memcpy(ret_s->der, der, n);
		ret_s->n = n;
	}
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return r;
}

/* --- the question --- */

static OCSP_REQUEST *request_new(const struct tls_config *conf, X509 *leaf, X509 *issuer)
{
	OCSP_REQUEST *q = OCSP_REQUEST_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, issuer);

	if (q == NULL || id == NULL || OCSP_request_add0_id(q, id) == NULL) {
		OCSP_CERTID_free(id);
		OCSP_REQUEST_free(q);
		return NULL;
	}
	if ((conf->staple_options & TLS_STAPLE_NO_NONCE) == 0 && !OCSP_request_add1_nonce(q, NULL, -1)) {
		OCSP_REQUEST_free(q);
		return NULL;
	}
	return q;
}

/* POST, RFC 6960 A.1. The answer is in *ret_bio. */
static int post(const char *url, OCSP_REQUEST *q, int secs, BIO **ret_bio, struct err *err)
{
	BIO *body = ASN1_item_i2d_mem_bio(ASN1_ITEM_rptr(OCSP_REQUEST), (const ASN1_VALUE *)q);
	char *host, *port, *path;
	bool good = url_parse(url, &host, &port, &path);

	*ret_bio = NULL;
	if (good && body != NULL)
		*ret_bio = OSSL_HTTP_transfer(NULL, host, port, path, 0, NULL, NULL, NULL, NULL, NULL, NULL,
			0, NULL, "application/ocsp-request", body, "application/ocsp-response", 1,
			TLS_STAPLE_MAX, secs, 0);
	BIO_free(body);
	OPENSSL_free(host);
	OPENSSL_free(port);
	OPENSSL_free(path);
	return *ret_bio != NULL ? 0 : tls_fail(err, EIO, "no answer of the responder %.200s", url);
}

int tls_staple_ask(const struct tls_config *conf, const struct tls_material *m, unsigned slot,
	struct tls_staple *ret_s, struct err *err)
{
	STACK_OF(OPENSSL_STRING) *list = NULL;
	X509 *leaf = m->certs[slot].leaf;
	const char *url = conf->staple_responder;
	OCSP_REQUEST *q = request_new(conf, leaf, issuer_of(m, slot));
	int secs = (int)((conf->staple_timeout_ms + 999) / 1000), r;
	BIO *answer = NULL;
	char *der;
	long n;

	if (url == NULL)
		url = responder_of(leaf, &list);
	if (q == NULL || url == NULL)
		r = tls_fail(err, ENOMEM, "cannot make a request");
	else
		r = post(url, q, secs, &answer, err);
	if (r == 0) {
		n = BIO_get_mem_data(answer, &der);
		r = tls_staple_check(
			conf, m, slot, q, (const uint8_t *)der, n > 0 ? (size_t)n : 0, ret_s, err);
	}
	BIO_free(answer);
	OCSP_REQUEST_free(q);
	X509_email_free(list);
	ERR_clear_error();
	return r;
}
