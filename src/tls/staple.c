/* OCSP responses: where they are kept, and handshakes that send them. */
#include <openssl/err.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/alloc.h"
#include "base/shown.h"
#include "tls/tls_priv.h"

#define READ_TRIES 8 /* a writer takes microseconds, one that died in the middle takes for ever */

/* Written by one process while others read: a reader believes what it copied when the number was even and is still the
 * same. */
struct place {
	_Atomic uint32_t number;
	struct tls_staple s;
};

struct tls_staple_board {
	struct place places[TLS_KEYS];
};

void tls_staple_load(const struct tls_config *conf, const struct tls_load *how, struct tls_material *m)
{
	char text[300];
	const void *ro;
	void *rw;
	bool any = false;
	int r;

	if (!conf->staple)
		return;
	for (unsigned slot = 0; slot < TLS_KEYS; slot++) {
		const char *why = m->certs[slot].leaf != NULL ? tls_staple_hindrance(conf, m, slot) : NULL;

		any = any || tls_staple_wanted(conf, m, slot);
		if (why == NULL || how->warn == NULL)
			continue;
		(void)snprintf(text, sizeof(text), "no OCSP response for the %s certificate: %s",
			tls_key_name(slot), why);
		how->warn(how->arg, text);
	}
	if (!any)
		return;
	r = shown_new("wherry-ocsp", sizeof(struct tls_staple_board), &rw, &ro);
	if (r == 0) {
		m->board = rw;
		m->shown = ro;
	} else if (how->warn != NULL) {
		(void)snprintf(text, sizeof(text),
			"no OCSP responses, there is no memory to show them in: %s", err_text(r));
		how->warn(how->arg, text);
	}
}

void tls_staple_unload(struct tls_material *m)
{
	if (m->board != NULL)
		(void)munmap(m->board, sizeof(*m->board));
	if (m->shown != NULL)
		(void)munmap((void *)(uintptr_t)m->shown, sizeof(*m->shown));
}

bool tls_staple_wanted(const struct tls_config *conf, const struct tls_material *m, unsigned slot)
{
	return conf->staple && m->certs[slot].leaf != NULL && tls_staple_hindrance(conf, m, slot) == NULL;
}

bool tls_staple_same(const struct tls_material *a, const struct tls_material *b, unsigned slot)
{
	return a->certs[slot].leaf != NULL && b->certs[slot].leaf != NULL &&
	       X509_cmp(a->certs[slot].leaf, b->certs[slot].leaf) == 0;
}

void tls_staple_put(struct tls_material *m, unsigned slot, const struct tls_staple *s)
{
	struct place *p = m->board != NULL ? &m->board->places[slot] : NULL;
	uint32_t number;

	if (p == NULL || s->n > sizeof(s->der))
		return;
	number = atomic_load_explicit(&p->number, memory_order_relaxed);
	atomic_store_explicit(&p->number, number + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	p->s = *s;
	atomic_store_explicit(&p->number, number + 2, memory_order_release);
}

bool tls_staple_get(const struct tls_material *m, unsigned slot, struct tls_staple *ret_s)
{
	const struct place *p = m->shown != NULL ? &m->shown->places[slot] : NULL;

	for (int i = 0; p != NULL && i < READ_TRIES; i++) {
		uint32_t number = atomic_load_explicit(&p->number, memory_order_acquire);

		if (number == 0)
			return false;
		*ret_s = p->s;
		atomic_thread_fence(memory_order_acquire);
		if (number % 2 == 0 && atomic_load_explicit(&p->number, memory_order_relaxed) == number)
			return ret_s->n > 0 && ret_s->n <= sizeof(ret_s->der) &&
			       ret_s->until > (int64_t)time(NULL);
	}
	return false;
}

/* --- handshakes --- */

/* Of the certificate that this handshake shows. */
static bool staple_of(const SSL *ssl, const struct tls_material *m, struct tls_staple *ret_s)
{
	const X509 *shown = SSL_get_certificate(ssl);

	for (unsigned slot = 0; shown != NULL && slot < TLS_KEYS; slot++) {
		if (m->certs[slot].leaf != NULL && X509_cmp(m->certs[slot].leaf, shown) == 0)
			return tls_staple_get(m, slot, ret_s);
	}
	return false;
}

static int status_asked(SSL *ssl, void *arg)
{
	/* OCSPResponse ::= { responseStatus tryLater }, RFC 6960 4.2.1 */
	static const uint8_t try_later[] = {0x30, 0x03, 0x0a, 0x01, 0x03};
	const struct tls_conn *c = SSL_get_ex_data(ssl, tls_conn_index);
	struct tls_staple s;
	const uint8_t *from = try_later;
	size_t n = sizeof(try_later);
	unsigned char *copy;

	if (c->ctx->material != NULL && staple_of(ssl, c->ctx->material, &s)) {
		from = s.der;
		n = s.n;
	} else if ((c->ctx->staple_options & TLS_STAPLE_NO_FAKE_TRY_LATER) != 0) {
		return SSL_TLSEXT_ERR_NOACK;
	}
	copy = OPENSSL_memdup(from, n);
	if (copy == NULL || !SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)n)) { /* given */
		OPENSSL_free(copy);
		ERR_clear_error();
		return SSL_TLSEXT_ERR_NOACK;
	}
	return SSL_TLSEXT_ERR_OK;
}

void tls_staple_context(SSL_CTX *ctx)
{
	(void)SSL_CTX_set_tlsext_status_cb(ctx, status_asked);
}
