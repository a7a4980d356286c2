/* Records on their way to the socket, where OpenSSL encrypts: several go out with one call, because each call wakes the
 * receiver. OpenSSL itself always gets rid of what it writes.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls/tls_priv.h"

#define KEPT_MAX  ((size_t)256 * 1024) /* answers to a peer that asks and does not read */
#define KEPT_STEP ((size_t)32 * 1024)
#define ROOM_FROM ((size_t)64 * 1024) /* until it is known what the socket takes */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

/* Moves what is left to memory of ours with room for n bytes more. That stays: a slow client needs it again and again. */
static bool keep(struct tls_out *o, size_t n)
{
	size_t left = o->len - o->at, size = (left + n + KEPT_STEP - 1) / KEPT_STEP * KEPT_STEP;
	char *p = o->kept;

	if (size > KEPT_MAX) {
		errno = EPROTO;
		return false;
	}
	if (size > o->kept_size) {
		p = malloc(size);
		if (p == NULL)
			return false;
	}
	if (left > 0)
		memmove(p, o->data + o->at, left);
	if (p != o->kept) {
		free(o->kept);
		o->kept = p;
		o->kept_size = size;
	}
	o->data = p;
	o->size = o->kept_size;
	o->len = left;
	o->at = 0;
	return true;
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct tls_out *o = BIO_get_data(b);

	if (n <= 0 || ((size_t)n > o->size - o->len && !keep(o, (size_t)n)))
		return -1;
	memcpy(o->data + o->len, p, (size_t)n);
	o->len += (size_t)n;
	o->made += (size_t)n;
	return n;
}

static long bio_ctrl(BIO *b, int what, long number, void *p)
{
	return what == BIO_CTRL_FLUSH; /* that is tls_out_send() */
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

static void method_make(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "records");
	if (method == NULL)
		return;
	(void)BIO_meth_set_write(method, bio_write);
	(void)BIO_meth_set_ctrl(method, bio_ctrl);
	(void)BIO_meth_set_create(method, bio_create);
}

int tls_out_open(struct tls_conn *c)
{
	BIO *b;

	if (pthread_once(&once, method_make) != 0 || method == NULL || (b = BIO_new(method)) == NULL)
		return -ENOMEM;
	BIO_set_data(b, &c->out);
	SSL_set0_wbio(c->ssl, b);
	c->out.room = ROOM_FROM;
	return 0;
}

void tls_out_done(struct tls_out *o)
{
	free(o->kept);
	*o = (struct tls_out){0};
}

void tls_out_begin(struct tls_out *o, void *memory, size_t size)
{
	o->data = memory;
	o->size = size;
}

int tls_out_end(struct tls_out *o)
{
	bool lost = o->at < o->len && o->data != o->kept && !keep(o, 0);

	if (o->at < o->len && !lost)
		return 0;
	o->data = NULL; /* also what is lost: the memory is not ours any more */
	o->len = o->at = o->size = 0;
	return lost ? -ENOMEM : 0;
}

void tls_out_record(struct tls_out *o, size_t text)
{
	o->record[o->n].end = o->made;
	o->record[o->n++].text = text;
}

bool tls_out_more(const struct tls_out *o)
{
	return o->n < TLS_OUT_RECORDS && o->size - o->len >= TLS_OUT_RECORD &&
	       o->taken + (o->len - o->at) + TLS_OUT_RECORD <= o->room;
}

static void records_out(struct tls_out *o)
{
	uint64_t sent = o->made - (o->len - o->at);
	unsigned out = 0;

	while (out < o->n && o->record[out].end <= sent)
		o->ahead += o->record[out++].text;
	o->n -= out;
	memmove(o->record, o->record + out, o->n * sizeof(o->record[0]));
}

int tls_out_send(struct tls_out *o, int fd)
{
	ssize_t k;

	while (o->at < o->len) {
		k = send(fd, o->data + o->at, o->len - o->at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno != EAGAIN && errno != ENOMEM && errno != ENOBUFS)
			return -errno;
		if (k < 0) {
			o->room = o->taken;
			o->taken = 0;
			return -EAGAIN;
		}
		o->at += (size_t)k;
		o->taken += (size_t)k;
		records_out(o);
	}
	if (o->taken >= o->room) /* slowly: what it does not take has to be kept */
		o->room = o->taken + o->taken / 8 + TLS_OUT_RECORD;
	o->at = o->len = 0;
	return 0;
}

size_t tls_out_report(struct tls_out *o, size_t n)
{
	size_t taken = n < o->ahead ? n : o->ahead;

	o->ahead -= taken;
	return taken;
}
