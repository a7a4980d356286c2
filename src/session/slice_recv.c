/* Slices of uploads. */
#include <errno.h>
#include <unistd.h>

#include "session/iobuf.h"
#include "session/pipes.h"
#include "session/slice.h"
#include "session/xfer_path.h"

static int store_counted(struct xfer *x, const char *p, size_t n)
{
	uint64_t before = x->store->offset;
	int r = store_write(x->store, p, n);

	x->slice.file_bytes += x->store->offset - before;
	return r;
}

int slice_store(struct xfer *x, char *buf, const char *raw, size_t n)
{
	return x->ascii ? store_counted(x, buf, ascii_in(&x->cr, raw, n, buf)) : store_counted(x, raw, n);
}

void slice_store_end(struct xfer *x)
{
	char last;
	int r;

	x->slice.end = SLICE_EOF;
	if (!x->ascii || ascii_in_end(&x->cr, &last) == 0)
		return;
	r = store_counted(x, &last, 1);
	if (r < 0)
		slice_file(x, -r);
}

void slice_recv(struct xfer *x, char *buf)
{
	size_t size = x->ascii ? IOBUF_SIZE / 2 - 1 : IOBUF_SIZE;
	char *raw = x->ascii ? buf + IOBUF_SIZE / 2 + 1 : buf;
	ssize_t n;
	int r = x->store->started ? 0 : store_begin(x->store);

	while (r == 0) {
		n = wire_recv(&x->wire, raw, slice_room(x, size));
		if (n == 0) {
			slice_store_end(x);
			return;
		}
		if (n < 0) {
			slice_net(x, (int)-n);
			return;
		}
		x->slice.net_bytes += (uint64_t)n;
		r = slice_store(x, buf, raw, (size_t)n);
		if (r == 0 && slice_full(x))
			return;
	}
	slice_file(x, -r);
}

/* The file does not take what is in the pipe by splice(2): copy it. Returns 0 or -errno. */
static int pipe_copy(struct xfer *x, int from_pipe, size_t n)
{
	char buf[16 * 1024];
	ssize_t got;
	int r = 0;

	while (n > 0 && r == 0) {
		got = read(from_pipe, buf, n < sizeof buf ? n : sizeof buf);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		n -= (size_t)got;
		r = store_counted(x, buf, (size_t)got);
	}
	return r;
}

/* All n bytes of the pipe into the file. Returns 0 or -errno, then the pipe is not empty. */
static int pipe_empty(struct xfer *x, const struct zs_pipe *pipe, size_t n)
{
	uint64_t before = x->store->offset, moved;
	int r = store_splice(x->store, pipe->rd, n);

	moved = x->store->offset - before;
	x->slice.file_bytes += moved;
	if (xfer_path_no_splice(-r)) {
		xfer_path_fall_back(x, -r);
		r = pipe_copy(x, pipe->rd, n - (size_t)moved);
	}
	return r;
}

void slice_splice(struct xfer *x)
{
	struct zs_pipe pipe;
	size_t max;
	ssize_t n;
	int r = pipes_get(&pipe);

	if (r < 0) {
		xfer_path_fall_back(x, -r);
		return;
	}
	do {
		max = slice_room(x, pipe.capacity);
		max = store_room(x->store) < max ? (size_t)store_room(x->store) : max;
		n = max > 0 ? wire_splice(&x->wire, pipe.wr, max) : -EAGAIN;
		if (n <= 0)
			break;
		x->slice.net_bytes += (uint64_t)n;
		x->spliced = true;
		r = pipe_empty(x, &pipe, (size_t)n);
	} while (r == 0 && x->path == XFER_SPLICE && !slice_full(x));
	pipes_put(&pipe, r == 0);
	if (r < 0)
		slice_file(x, -r);
	else if (n == 0)
		x->slice.end = SLICE_EOF;
	else if (n < 0 && max > 0 && xfer_path_no_splice((int)-n))
		xfer_path_fall_back(x, (int)-n);
	else if (n < 0 && max > 0)
		slice_net(x, (int)-n);
}
