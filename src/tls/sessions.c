/* The sessions of one FTP session, and how they travel to another process. */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tls/tls_priv.h"

#define SESSION_BYTES_MAX (8u * 1024) /* exported; one with a client's certificate has about 2 KiB */
#define EXPORT_VERSION    1

struct tls_sessions {
	unsigned n; /* oldest first */
	struct {
		SSL_SESSION *s;
		bool control;
	} v[TLS_SESSIONS_MAX];
};

struct tls_sessions *tls_sessions_new(void)
{
	return xcalloc(1, sizeof(struct tls_sessions));
}

void tls_sessions_free(struct tls_sessions **sp)
{
	struct tls_sessions *s = *sp;

	*sp = NULL;
	for (unsigned i = 0; s != NULL && i < s->n; i++)
		SSL_SESSION_free(s->v[i].s);
	free(s);
}

unsigned tls_sessions_count(const struct tls_sessions *s)
{
	return s->n;
}

static void drop(struct tls_sessions *l, unsigned i)
{
	SSL_SESSION_free(l->v[i].s);
	l->n--;
	memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(l->v[0]));
}

/* Make room: the oldest of a kind goes. */
static void drop_oldest(struct tls_sessions *l, bool control)
{
	for (unsigned i = 0; i < l->n; i++) {
		if (l->v[i].control == control) {
			drop(l, i);
			return;
		}
	}
}

static unsigned count(const struct tls_sessions *l, bool control)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n; i++)
		n += l->v[i].control == control;
	return n;
}

void tls_sessions_add(struct tls_sessions *l, SSL_SESSION *s, bool control)
{
	unsigned max = control ? TLS_SESSIONS_CONTROL : TLS_SESSIONS_MAX - TLS_SESSIONS_CONTROL;
	unsigned len;
	const unsigned char *id = SSL_SESSION_get_id(s, &len);

	if (len == 0 || tls_sessions_find(l, id, len) != NULL || !SSL_SESSION_up_ref(s))
		return;
	if (count(l, control) >= max)
		drop_oldest(l, control);
	l->v[l->n].s = s;
	l->v[l->n++].control = control;
}

SSL_SESSION *tls_sessions_find(const struct tls_sessions *l, const uint8_t *id, size_t n)
{
	for (unsigned i = 0; i < l->n; i++) {
		unsigned len;
		const unsigned char *own = SSL_SESSION_get_id(l->v[i].s, &len);

		if (len == n && len > 0 && memcmp(own, id, n) == 0)
			return l->v[i].s;
	}
	return NULL;
}

/* --- on the way to another process --- */

/* A byte with the version, then for each: a byte (1: of the control connection), the length as two bytes, the session
 * in OpenSSL's DER form. */
static int session_export(SSL_SESSION *s, bool control, struct buf *out, size_t *left)
{
	int n = i2d_SSL_SESSION(s, NULL), r;
	unsigned char *p;

	if (n <= 0 || n > (int)SESSION_BYTES_MAX || (size_t)n + 3 > *left)
		return 0; /* the client can do without */
	r = buf_reserve(out, (size_t)n + 3);
	if (r < 0)
		return r;
	(void)buf_putc(out, control ? 1 : 0); /* there is room */
	(void)buf_putc(out, (char)(n >> 8));
	(void)buf_putc(out, (char)n);
	p = (unsigned char *)out->data + out->len;
	(void)i2d_SSL_SESSION(s, &p); /* as long as before */
	out->len += (size_t)n;
	out->data[out->len] = '\0';
	*left -= (size_t)n + 3;
	return 0;
}

int tls_sessions_export(const struct tls_sessions *s, struct buf *out)
{
	size_t left = TLS_SESSIONS_EXPORT_MAX - 1;
	int r = buf_putc(out, EXPORT_VERSION);

	for (int control = 1; control >= 0; control--) { /* these first, while there is room */
		for (unsigned i = 0; i < s->n && r == 0; i++) {
			if (s->v[i].control == (control == 1))
				r = session_export(s->v[i].s, control == 1, out, &left);
		}
	}
	ERR_clear_error();
	return r;
}

static int session_import(struct tls_sessions *l, const unsigned char *p, size_t n, bool control)
{
	const unsigned char *end = p;
	SSL_SESSION *s = d2i_SSL_SESSION(NULL, &end, (long)n);
	unsigned before = l->n;

	ERR_clear_error();
	if (s == NULL)
		return -WE_SYNTAX;
	if (end == p + n && count(l, control) < (control ? TLS_SESSIONS_CONTROL
							 : TLS_SESSIONS_MAX - TLS_SESSIONS_CONTROL))
		tls_sessions_add(l, s, control);
	SSL_SESSION_free(s);
	return l->n > before ? 0 : -WE_SYNTAX; /* too long, too many, twice, or without id */
}

int tls_sessions_import(const void *data, size_t len, struct tls_sessions **ret_s)
{
	const unsigned char *p = data;
	struct tls_sessions *l;
	int r = 0;

	if (len == 0 || len > TLS_SESSIONS_EXPORT_MAX || *p++ != EXPORT_VERSION)
		return -WE_SYNTAX;
	l = tls_sessions_new();
	for (len--; r == 0 && len > 0;) {
		size_t n = len >= 3 ? (size_t)p[1] << 8 | p[2] : SIZE_MAX;

		if (len < 3 || p[0] > 1 || n > SESSION_BYTES_MAX || n > len - 3) {
			r = -WE_SYNTAX;
			break;
		}
		r = session_import(l, p + 3, n, p[0] == 1);
		p += 3 + n;
		len -= 3 + n;
	}
	if (r < 0)
		tls_sessions_free(&l);
	else
		*ret_s = l;
	return r;
}
