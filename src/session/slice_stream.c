/* Slices of what cannot be read again: FIFOs, generators, and anything that is deflated. What the network does
 * not take is kept. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/iobuf.h"
#include "session/slice.h"

/* What is kept is at most a piece from the compressor, ZFILTER_ROOM(SLICE_PIECE): 160 KiB in these steps. */
#define KEEP_STEP ((size_t)32 * 1024)

/* The memory stays with the transfer: a client that is slower than the source makes us keep something after each slice. */
static void pending_keep(struct xfer *x, const char *p, size_t n)
{
	if (n > x->pending_size) {
		free(x->pending);
		x->pending_size = (n + KEEP_STEP - 1) / KEEP_STEP * KEEP_STEP;
		x->pending = malloc(x->pending_size);
	}
	if (!x->pending) {
		x->pending_size = 0;
		slice_file(x, ENOMEM);
		return;
	}
	memcpy(x->pending, p, n);
	x->pending_len = n;
	x->pending_at = 0;
}

/* Send what the slice may; the deflated rest waits for TransferRate, too. */
static size_t stream_send(struct xfer *x, const char *p, size_t n)
{
	return slice_send_all(x, p, x->deflated ? slice_room(x, n) : n);
}

static void pending_send(struct xfer *x)
{
	x->pending_at += stream_send(x, x->pending + x->pending_at, x->pending_len - x->pending_at);
}

static ssize_t fifo_read(struct xfer *x, char *buf, size_t size)
{
	struct pollfd pfd = {.fd = x->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&pfd, 1, 0) == 0)
		return -EAGAIN;
	n = read(x->fd, buf, size);
	return n < 0 ? -errno : n;
}

/* As slice_file_read(), but not beyond what was promised, and going on. */
static size_t file_read(struct xfer *x, char *buf, size_t size)
{
	size_t n;

	if (x->size_known && x->end - x->cur < size)
		size = (size_t)(x->end - x->cur);
	n = size ? slice_file_read(x, buf, size) : 0;
	x->cur += n;
	x->source_ended = n == 0 && (size == 0 || x->slice.end == SLICE_EOF);
	return n;
}

/* Next bytes of the source into buf. 0: x->slice says why. */
static size_t stream_read(struct xfer *x, char *buf, size_t size)
{
	ssize_t n;

	if (!x->src && x->seekable)
		return file_read(x, buf, size);
	n = x->src ? x->src->fill(x->src, buf, size, &x->cancel) : fifo_read(x, buf, size);
	if (n == 0) {
		x->source_ended = true;
		x->slice.end = SLICE_EOF;
	} else if (n < 0 && !x->src && (n == -EAGAIN || n == -EINTR))
		x->slice.end = SLICE_WAIT_SHORT;
	else if (n < 0)
		slice_file(x, (int)-n);
	return n > 0 ? (size_t)n : 0;
}

/* A part of the slice's buffer on its way through the filters. */
struct piece {
	char *at;
	size_t len;
	char *room; /* behind it, to the end of the buffer */
};

static void piece_ascii(struct xfer *x, struct piece *p)
{
	char *to = p->room;

	p->len = ascii_out(&x->cr, p->at, p->len, to);
	p->at = to;
	p->room = to + p->len;
}

/* False: x->slice says why. */
static bool piece_deflate(struct xfer *x, struct piece *p, const char *end)
{
	bool last = x->source_ended;
	int r = x->z ? 0 : zfilter_new_deflate(x->z_level, &x->z);
	ssize_t n = r < 0 ? r : zfilter_deflate(x->z, p->at, p->len, last, p->room, (size_t)(end - p->room));

	if (n < 0) {
		slice_file(x, (int)-n);
		return false;
	}
	p->at = p->room;
	p->len = (size_t)n;
	return true;
}

/* The source has promised more than it gave. */
static bool source_short(const struct xfer *x)
{
	return x->source_ended && x->size_known && x->cur < x->end;
}

/* Read a piece and bring it into the form in which it travels. False: x->slice says why there is none. */
static bool piece_make(struct xfer *x, char *buf, struct piece *p)
{
	bool ascii = x->ascii && !x->src;
	size_t size =
		ascii && x->deflated ? SLICE_PIECE / 2 : SLICE_PIECE; /* three of them share the buffer */

	*p = (struct piece){.at = buf, .room = buf + size};
	if (!x->source_ended) {
		p->len = stream_read(x, buf, size);
		x->slice.file_bytes += p->len;
	}
	if (p->len == 0 && (!x->source_ended || !x->deflated || source_short(x)))
		return false;
	x->slice.end = SLICE_MORE;
	if (ascii)
		piece_ascii(x, p);
	return !x->deflated || piece_deflate(x, p, buf + IOBUF_SIZE);
}

static bool stream_over(const struct xfer *x)
{
	return x->source_ended && (!x->deflated || source_short(x) || (x->z && zfilter_ended(x->z)));
}

static void stream_move(struct xfer *x, char *buf)
{
	struct piece p;
	size_t sent;

	do {
		if (x->pending_at < x->pending_len) {
			pending_send(x);
			if (x->pending_at < x->pending_len)
				return;
		}
		if (stream_over(x)) {
			x->slice.end = SLICE_EOF;
			return;
		}
		if (!piece_make(x, buf, &p))
			return;
		sent = stream_send(x, p.at, p.len);
		if (sent < p.len) {
			if (x->slice.end != SLICE_NET)
				pending_keep(x, p.at + sent, p.len - sent);
			return;
		}
	} while (!slice_full(x));
}

void slice_stream(struct xfer *x, char *buf)
{
	if (!x->deflated) /* that needs all of it */
		wire_lend(&x->wire, buf + 3 * SLICE_PIECE, IOBUF_SIZE - 3 * SLICE_PIECE);
	stream_move(x, buf);
	wire_lend(&x->wire, NULL, 0);
}
