/* Slices of uploads. */
#include <errno.h>

#include "session/iobuf.h"
#include "session/slice.h"

static void recv_end(struct xfer *x)
{
	char last;
	int r;

	x->slice.end = SLICE_EOF;
	if (!x->ascii || ascii_in_end(&x->cr, &last) == 0)
		return;
	r = store_write(x->store, &last, 1);
	if (r < 0)
		slice_file(x, -r);
	else
		x->slice.file_bytes++;
}

void slice_recv(struct xfer *x, char *buf)
{
	size_t size = x->ascii ? IOBUF_SIZE / 2 - 1 : IOBUF_SIZE, len;
	char *raw = x->ascii ? buf + IOBUF_SIZE / 2 + 1 : buf;
	uint64_t before;
	ssize_t n;
	int r = x->store->started ? 0 : store_begin(x->store);

	while (r == 0) {
		n = wire_recv(&x->wire, raw, slice_room(x, size));
		if (n == 0) {
			recv_end(x);
			return;
		}
		if (n < 0) {
			slice_net(x, (int)-n);
			return;
		}
		x->slice.net_bytes += (uint64_t)n;
		len = x->ascii ? ascii_in(&x->cr, raw, (size_t)n, buf) : (size_t)n;
		before = x->store->offset;
		r = store_write(x->store, buf, len);
		x->slice.file_bytes += x->store->offset - before;
		if (r == 0 && slice_full(x))
			return;
	}
	slice_file(x, -r);
}
