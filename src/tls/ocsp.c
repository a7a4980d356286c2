/* OCSP: asking a responder, and what its answer is worth. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "tls/tls_priv.h"

#define CLOCK_SECS       300 /* by which the responder's clock may differ */
#define REFRESH_MIN_SECS 10
#define REFRESH_MAX_SECS (12 * 3600)
#define URL_MAX          1024
/* How long a response that names no next one is used. It says that there is always news; a client is waiting. */
#define NO_NEXT_SECS        3600
#define CLIENT_NO_NEXT_SECS 30
#define CLIENT_REFRESH_SECS 3600 /* who was let in an hour ago may have been revoked */

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

/* What is asked about, and who may answer. All borrowed. */
struct about {
	X509 *leaf, *issuer;
	STACK_OF(X509) *
		others; /* certificates that may have signed the response, beside those in it; may be NULL */
	unsigned options;     /* TLS_STAPLE_ */
	int64_t no_next_secs; /* how long a response that names no next one is used */
};

/* What the response says; until in seconds since 1970. */
struct word {
	int status; /* V_OCSP_CERTSTATUS_ */
	int64_t until;
};

/* Without a nonce and a next one nothing else tells a new response from one that somebody has recorded. */
static bool made_lately(const OCSP_BASICRESP *basic, const struct about *a)
{
	return OCSP_check_validity((ASN1_GENERALIZEDTIME *)(uintptr_t)OCSP_resp_get0_produced_at(basic), NULL,
		       CLOCK_SECS, (long)a->no_next_secs + CLOCK_SECS) == 1;
}

static int status_read(OCSP_BASICRESP *basic, OCSP_CERTID *id, const struct about *a, bool same_nonce,
	struct word *ret_w, struct err *err)
{
	ASN1_GENERALIZEDTIME *this = NULL, *next = NULL;
	int status = -1, reason;
	int64_t left = a->no_next_secs;

	if (!OCSP_resp_find_status(basic, id, &status, &reason, NULL, &this, &next))
		return tls_fail(err, EPROTO, "the response says nothing of this certificate");
	if (!OCSP_check_validity(this, next, CLOCK_SECS, -1))
		return tls_fail(err, EPROTO, "the response is out of date, or not valid yet");
	if (next == NULL && !same_nonce && !made_lately(basic, a))
		return tls_fail(err, EPROTO,
			"the response is out of date: it has neither an end nor the request's nonce, and was "
			"not made lately");
	if (next != NULL)
		left = secs_until(next);
	if (left <= 0)
		return err_set(err, EPROTO, "the response is out of date");
	*ret_w = (struct word){status, (int64_t)time(NULL) + left};
	return 0;
}

static int basic_check(const struct about *a, OCSP_REQUEST *request, OCSP_BASICRESP *basic,
	struct word *ret_w, struct err *err)
{
	int nonce = request != NULL ? OCSP_check_nonce(request, basic) : -1;
	OCSP_CERTID *id;
	int r = 0;

	/* One without a nonce was made beforehand, which most responders do; one with another nonce is another's. */
	if (nonce == 0)
		return err_set(err, EPROTO, "the response has another nonce than the request");
	if ((a->options & TLS_STAPLE_NO_VERIFY) == 0)
		r = signature_check(basic, a->others, a->issuer, err);
	if (r < 0)
		return r;
	id = OCSP_cert_to_id(EVP_sha1(), a->leaf, a->issuer); /* as it was asked; RFC 5019 2.1.1 */
	r = id != NULL ? status_read(basic, id, a, nonce == 1, ret_w, err)
		       : err_set(err, ENOMEM, "out of memory");
	OCSP_CERTID_free(id);
	return r;
}

static int response_check(const struct about *a, OCSP_REQUEST *request, const uint8_t *der, size_t n,
	struct word *ret_w, struct err *err)
{
	const unsigned char *p = der;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic = NULL;
	int r;

	if (n == 0 || n > TLS_STAPLE_MAX)
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
		r = basic_check(a, request, basic, ret_w, err);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return r;
}

/* When to ask again. */
static int64_t refresh_at(int64_t until, int64_t max_secs)
{
	int64_t now = (int64_t)time(NULL), left = (until - now) / 2;

	return now + (left < REFRESH_MIN_SECS ? REFRESH_MIN_SECS : left > max_secs ? max_secs : left);
}

/* --- the question --- */

static OCSP_REQUEST *request_new(const struct about *a)
{
	OCSP_REQUEST *q = OCSP_REQUEST_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), a->leaf, a->issuer);

	if (q == NULL || id == NULL || OCSP_request_add0_id(q, id) == NULL) {
		OCSP_CERTID_free(id);
		OCSP_REQUEST_free(q);
		return NULL;
	}
	if ((a->options & TLS_STAPLE_NO_NONCE) == 0 && !OCSP_request_add1_nonce(q, NULL, -1)) {
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

/* The DER form of the answer is in *ret_bio, also when it says nothing useful, and *ret_der and *ret_n are in it. */
static int ask(const struct about *a, const char *url, uint32_t timeout_ms, struct word *ret_w, BIO **ret_bio,
	const uint8_t **ret_der, size_t *ret_n, struct err *err)
{
	OCSP_REQUEST *q = request_new(a);
	int r = q != NULL ? post(url, q, (int)((timeout_ms + 999) / 1000), ret_bio, err)
			  : tls_fail(err, ENOMEM, "cannot make a request");
	char *der;
	long n;

	if (r == 0) {
		n = BIO_get_mem_data(*ret_bio, &der);
		*ret_der = (const uint8_t *)der;
		*ret_n = n > 0 ? (size_t)n : 0;
		r = response_check(a, q, *ret_der, *ret_n, ret_w, err);
	}
	OCSP_REQUEST_free(q);
	ERR_clear_error();
	return r;
}

/* --- for the server's own certificate --- */

static struct about own_certificate(
	const struct tls_config *conf, const struct tls_material *m, unsigned slot)
{
	return (struct about){m->certs[slot].leaf, issuer_of(m, slot), m->certs[slot].chain,
		conf->staple_options, NO_NEXT_SECS};
}

static int staple_fill(
	const struct word *w, const uint8_t *der, size_t n, struct tls_staple *s, struct err *err)
{
	if (w->status != V_OCSP_CERTSTATUS_GOOD && w->status != V_OCSP_CERTSTATUS_REVOKED)
		return err_set(err, EPROTO, "the responder does not know the certificate");
	s->revoked = w->status == V_OCSP_CERTSTATUS_REVOKED;
	s->until = w->until;
	s->refresh = refresh_at(w->until, REFRESH_MAX_SECS);
	memcpy(s->der, der, n);
	s->n = n;
	return 0;
}

int tls_staple_check(const struct tls_config *conf, const struct tls_material *m, unsigned slot,
	const void *request, const uint8_t *der, size_t n, struct tls_staple *ret_s, struct err *err)
{
	const struct about a = own_certificate(conf, m, slot);
	struct word w;
	int r = response_check(&a, (OCSP_REQUEST *)(uintptr_t)request, der, n, &w, err);

	return r < 0 ? r : staple_fill(&w, der, n, ret_s, err);
}

int tls_staple_ask(const struct tls_config *conf, const struct tls_material *m, unsigned slot,
	struct tls_staple *ret_s, struct err *err)
{
	const struct about a = own_certificate(conf, m, slot);
	STACK_OF(OPENSSL_STRING) *list = NULL;
	const char *url =
		conf->staple_responder != NULL ? conf->staple_responder : responder_of(a.leaf, &list);
	const uint8_t *der;
	BIO *answer = NULL;
	struct word w;
	size_t n;
	int r = url != NULL ? ask(&a, url, conf->staple_timeout_ms, &w, &answer, &der, &n, err)
			    : err_set(err, ENOENT, "it names no responder");

	if (r == 0)
		r = staple_fill(&w, der, n, ret_s, err);
	BIO_free(answer);
	X509_email_free(list);
	return r;
}

/* --- for the certificate of a client --- */

/* Is there a revocation list in force of the certificate's authority? That it names the certificate, the verification would have
 * found. */
static bool listed(const struct tls_material *m, X509 *issuer)
{
	for (int i = 0; i < sk_X509_CRL_num(m->crls); i++) { /* -1 for NULL */
		const X509_CRL *crl = sk_X509_CRL_value(m->crls, i);
		const ASN1_TIME *end = X509_CRL_get0_nextUpdate(crl);

		if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) == 0 &&
			(end == NULL || secs_until(end) > 0))
			return true;
	}
	return false;
}

static void word_tell(const struct word *w, const char *subject, const char *url, struct tls_revocation *a)
{
	switch (w->status) {
	case V_OCSP_CERTSTATUS_GOOD:
		a->status = TLS_REVOCATION_GOOD;
		(void)snprintf(a->text, sizeof(a->text), "'%s' is good (%.200s)", subject, url);
		break;
	case V_OCSP_CERTSTATUS_REVOKED:
		a->status = TLS_REVOCATION_REVOKED;
		(void)snprintf(
			a->text, sizeof(a->text), "'%s' was REVOKED by its authority (%.200s)", subject, url);
		break;
	default:
		a->status = TLS_REVOCATION_UNKNOWN;
		(void)snprintf(
			a->text, sizeof(a->text), "'%s' is unknown to its authority (%.200s)", subject, url);
		break;
	}
	a->until = w->until;
	a->refresh = refresh_at(w->until, CLIENT_REFRESH_SECS);
}

int tls_revocation_prepare(const struct tls_config *conf, const struct tls_material *m, const void *der,
	size_t n, struct tls_client_cert **ret_c, struct tls_revocation *a)
{
	struct err err = ERR_INIT;
	char subject[256];

	memset(a, 0, sizeof(*a));
	if (tls_client_cert_check(conf, m, der, n, ret_c, &err) < 0) {
		(void)str_copy(a->text, sizeof(a->text), err.text);
		return -EACCES;
	}
	tls_name_text(X509_get_subject_name((*ret_c)->leaf), subject, sizeof(subject));
	(void)snprintf(a->text, sizeof(a->text),
		"nothing is known of '%s': the responder did not answer in time", subject);
	a->listed = (*ret_c)->issuer != NULL && listed(m, (*ret_c)->issuer);
	return 0;
}

void tls_revocation_ask(
	const struct tls_config *conf, const struct tls_client_cert *c, struct tls_revocation *ret_a)
{
	const struct about a = {c->leaf, c->issuer, c->chain, conf->staple_options & TLS_STAPLE_NO_NONCE,
		CLIENT_NO_NEXT_SECS};
	STACK_OF(OPENSSL_STRING) *list = NULL;
	const char *url = responder_of(c->leaf, &list);
	struct err err = ERR_INIT;
	BIO *answer = NULL;
	const uint8_t *der;
	char subject[256];
	struct word w;
	size_t n;
	int r;

	tls_name_text(X509_get_subject_name(c->leaf), subject, sizeof(subject));
	if (c->issuer == NULL)
		r = err_set(&err, ENOENT, "it is signed by itself");
	else if (url == NULL)
		r = err_set(&err, ENOENT, "it names no responder (http)");
	else
		r = ask(&a, url, conf->staple_timeout_ms, &w, &answer, &der, &n, &err);
	if (r == 0)
		word_tell(&w, subject, url, ret_a);
	else
		(void)snprintf(ret_a->text, sizeof(ret_a->text), "nothing is known of '%s': %.300s", subject,
			err.text);
	BIO_free(answer);
	X509_email_free(list);
}
