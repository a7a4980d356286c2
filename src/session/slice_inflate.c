/* Slices of uploads under MODE Z: socket -> inflate -> [ascii] -> file. What does not fit into a slice stays
 * compressed in the filter. */
#include <errno.h>

#include "session/iobuf.h"
#include "session/slice.h"

/* The client has closed. Without the end of the stream nobody knows whether that was all: an aborted upload.
 * Nothing at all is what some clients send for an empty file. */
static void inflate_end(struct xfer *x)
{
	if (!zfilter_ended(x->z) && x->net + x->slice.net_bytes > 0) {
		slice_net(x, ECONNABORTED);
		return;
	}
	slice_store_end(x);
}

/* More for the filter. False: x->slice says why there is none. */
static bool inflate_receive(struct xfer *x)
{
	size_t room;
	char *space = zfilter_space(x->z, &room);
	ssize_t n = wire_recv(&x->wire, space, slice_room(x, room));

	if (n > 0) {
		zfilter_fed(x->z, (size_t)n);
		x->slice.net_bytes += (uint64_t)n;
		return true;
	}
	if (n == 0)
		inflate_end(x);
	else
		slice_net(x, (int)-n);
	return false;
}

static int inflate_begin(struct xfer *x)
{
	int r = x->store->started ? 0 : store_begin(x->store);

	return r == 0 && !x->z ? zfilter_new_inflate(ZFILTER_BOMB_BYTES, &x->z) : r;
}

void slice_inflate(struct xfer *x, char *buf)
{
	size_t size = x->ascii ? IOBUF_SIZE / 2 - 1 : IOBUF_SIZE;
	char *raw = x->ascii ? buf + IOBUF_SIZE / 2 + 1 : buf;
	int r = inflate_begin(x);
	ssize_t n;

	while (r == 0) {
		n = zfilter_inflate(x->z, raw, size);
		if (n > 0) {
			r = slice_store(x, buf, raw, (size_t)n);
			if (r == 0 && slice_full(x))
				return;
		} else if (n < 0)
			r = (int)n;
		else if (slice_full(x) || !inflate_receive(x))
			return;
	}
	slice_file(x, -r);
}
