/* Moving bytes: one slice of a transfer. Runs in pool threads, for resident files also in the loop. Here its
 * limits, and which way it takes; the ways are in slice_send.c, slice_mapped.c, slice_stream.c, slice_recv.c and
 * slice_inflate.c.
 */
#include "session/slice.h"

#include <errno.h>

#include "base/clock.h"
#include "session/iobuf.h"

#define SPLICE_FROM    ((uint64_t)IOBUF_SIZE) /* bytes of an upload that are copied first */
#define FILE_BYTES_MAX ((uint64_t)16 << 20)   /* of what few bytes from the network may inflate to */

void slice_net(struct xfer *x, int error)
{
	x->slice.end = error == EAGAIN ? SLICE_WAIT_NET : SLICE_NET;
	x->slice.error = error;
}

void slice_file(struct xfer *x, int error)
{
	x->slice.end = SLICE_FILE;
	x->slice.error = error;
}

/* What a slice is measured by, and TransferRate with it. */
static uint64_t slice_paced(const struct xfer *x)
{
	return x->deflated ? x->slice.net_bytes : x->slice.file_bytes;
}

bool slice_full(const struct xfer *x)
{
	return slice_paced(x) >= x->slice.max || x->slice.file_bytes >= FILE_BYTES_MAX ||
	       atomic_load(&x->cancel) || clock_ms() >= x->slice.until_ms;
}

size_t slice_room(const struct xfer *x, size_t most)
{
	uint64_t n = x->slice.max - slice_paced(x);

	if (x->kind == XFER_DOWNLOAD && x->size_known && !x->deflated && x->end - x->cur < n)
		n = x->end - x->cur;
	return n < most ? (size_t)n : most;
}

size_t slice_send_all(struct xfer *x, const char *p, size_t n)
{
	size_t sent = 0;
	ssize_t w;

	while (sent < n) {
		w = wire_send(&x->wire, p + sent, n - sent);
		if (w < 0) {
			slice_net(x, (int)-w);
			break;
		}
		sent += (size_t)w;
	}
	x->slice.net_bytes += sent;
	return sent;
}

static void slice_with_buffer(struct xfer *x, void (*move)(struct xfer *x, char *buf))
{
	char *buf = iobuf_get();

	if (!buf) {
		x->slice.end = SLICE_WAIT_SHORT;
		x->slice.error = ENOMEM;
		return;
	}
	move(x, buf);
	iobuf_put(buf);
}

/* Most files are small: they are not worth a pipe. Nor is the little that a limit leaves, whose end must be told
 * exactly. */
static bool splice_pays(struct xfer *x)
{
	if (store_room(x->store) < SPLICE_FROM)
		return false;
	if (x->done >= SPLICE_FROM)
		return true;
	if (x->slice.max > SPLICE_FROM - x->done)
		x->slice.max = (size_t)(SPLICE_FROM - x->done);
	return false;
}

void slice_run(struct xfer *x)
{
	x->slice.file_bytes = x->slice.net_bytes = 0;
	x->slice.end = SLICE_MORE;
	x->slice.error = 0;
	x->slice.until_ms = clock_ms() + x->slice.max_ms;
	switch (x->path) {
	case XFER_SENDFILE:
		slice_sendfile(x);
		break;
	case XFER_MAPPED:
		if (wire_takes_mappings(&x->wire))
			slice_mapped(x);
		else
			slice_with_buffer(x, slice_copy);
		break;
	case XFER_COPY:
		slice_with_buffer(x, slice_copy);
		break;
	case XFER_STREAM:
		slice_with_buffer(x, slice_stream);
		break;
	case XFER_RECV:
		slice_with_buffer(x, x->deflated ? slice_inflate : slice_recv);
		break;
	case XFER_SPLICE:
		if (splice_pays(x))
			slice_splice(x);
		else
			slice_with_buffer(x, slice_recv);
		break;
	}
}
