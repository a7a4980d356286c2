/* Slices from sources that cannot be read again: FIFOs and generators. What the network does not take is kept.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/slice.h"

static void pending_keep(struct xfer *x, const char *p, size_t n)
{
	x->pending = malloc(n);
	if (!x->pending) {
		slice_file(x, ENOMEM);
		return;
	}
	memcpy(x->pending, p, n);
	x->pending_len = n;
	x->pending_at = 0;
}

static void pending_send(struct xfer *x)
{
	x->pending_at += slice_send_all(x, x->pending + x->pending_at, x->pending_len - x->pending_at);
	if (x->pending_at < x->pending_len)
		return;
	free(x->pending);
	x->pending = NULL;
}

/* Next bytes of the source into buf. 0: x->slice says why. */
static size_t stream_read(struct xfer *x, char *buf)
{
	struct pollfd pfd = {.fd = x->fd, .events = POLLIN};
	ssize_t n;

	if (x->src) {
		n = x->src->fill(x->src, buf, SLICE_PIECE, &x->cancel);
		if (n < 0)
			slice_file(x, (int)-n);
	} else if (poll(&pfd, 1, 0) == 0) {
		x->slice.end = SLICE_WAIT_SHORT;
		return 0;
	} else {
		n = read(x->fd, buf, SLICE_PIECE);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			x->slice.end = SLICE_WAIT_SHORT;
		else if (n < 0)
			slice_file(x, errno);
	}
	if (n == 0) {
		x->source_ended = true;
		x->slice.end = SLICE_EOF;
	}
	return n > 0 ? (size_t)n : 0;
}

void slice_stream(struct xfer *x, char *buf)
{
	char *out = buf + SLICE_PIECE;
	size_t n, len, sent;

	do {
		if (x->pending) {
			pending_send(x);
			if (x->pending)
				return;
		}
		if (x->source_ended) {
			x->slice.end = SLICE_EOF;
			return;
		}
		n = stream_read(x, buf);
		if (n == 0)
			return;
		if (x->ascii && !x->src)
			len = ascii_out(&x->cr, buf, n, out);
		else {
			len = n;
			out = buf;
		}
		x->slice.file_bytes += n;
		sent = slice_send_all(x, out, len);
		if (sent < len) {
			if (x->slice.end == SLICE_WAIT_NET)
				pending_keep(x, out + sent, len - sent);
			return;
		}
	} while (!slice_full(x));
}
