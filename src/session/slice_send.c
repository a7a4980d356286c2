/* Slices of files that can be read again: what the network does not take is read anew from x->cur, so that a
 * waiting client costs no memory.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/iobuf.h"
#include "session/mapped.h"
#include "session/slice.h"
#include "session/xfer_path.h"
#include "tls/tls.h"
#include "zsend.h"

#define TLS_PIECE ((size_t)7 * TLS_RECORD_MAX) /* beside the records that it becomes */

/* The kernel says end of file. The size says whether that is so; if not, it is asked once more, as the file may
 * have been cut and have grown again, and then not believed any more. */
static void sendfile_ended(struct xfer *x)
{
	struct stat st;

	x->slice.end = SLICE_EOF;
	if (fstat(x->fd, &st) < 0 || (uint64_t)st.st_size <= x->cur)
		return;
	if (x->ended_once)
		xfer_path_fall_back(x, ENODATA);
	x->ended_once = true;
	x->slice.end = SLICE_MORE;
}

static void sendfile_failed(struct xfer *x, int error)
{
	switch (error) {
	case EAGAIN:
		x->slice.end = SLICE_WAIT_NET;
		break;
	case ENOMEM:
	case ENOBUFS:
		x->slice.end = SLICE_WAIT_SHORT;
		x->slice.error = error;
		break;
	default:
		if (wire_lost(error)) {
			slice_net(x, error);
			break;
		}
		xfer_path_fall_back(x, error);
		x->slice.end = SLICE_MORE;
	}
}

void slice_sendfile(struct xfer *x)
{
	uint64_t at;
	size_t want;
	ssize_t n;

	do {
		at = x->cur;
		want = slice_room(x, x->chunk ? x->chunk : ZS_SLICE_MAX);
		n = wire_sendfile(&x->wire, x->fd, &x->cur, want);
		log_debug(&x->s->log, 10, "xfer: sendfile at %llu, asked %zu, got %zd",
			(unsigned long long)at, want, n);
		if (n > 0) {
			x->slice.file_bytes += (uint64_t)n;
			x->slice.net_bytes += (uint64_t)n;
		} else if (n == 0)
			sendfile_ended(x);
		else
			sendfile_failed(x, (int)-n);
	} while (n > 0 && x->cur < x->end && !slice_full(x));
}

size_t slice_file_read(struct xfer *x, char *buf, size_t size)
{
	ssize_t n = 0;

	if (x->map && !x->unmapped) {
		n = mapped_read(x, buf, size);
		if (n < 0) {
			xfer_path_unmapped(x, (int)-n);
			return 0;
		}
	} else {
		do
			n = pread(x->fd, buf, size, (off_t)x->cur);
		while (n < 0 && errno == EINTR);
	}
	if (n < 0)
		slice_file(x, errno);
	else if (n == 0)
		x->slice.end = SLICE_EOF;
	return n > 0 ? (size_t)n : 0;
}

static bool copy_step(struct xfer *x, char *buf, size_t size)
{
	size_t n = slice_file_read(x, buf, slice_room(x, size)), sent;

	if (n == 0)
		return false;
	sent = slice_send_all(x, buf, n);
	x->cur += sent;
	x->slice.file_bytes += sent;
	return sent == n;
}

static bool ascii_step(struct xfer *x, char *buf)
{
	char *out = buf + SLICE_PIECE;
	size_t n = slice_file_read(x, buf, slice_room(x, SLICE_PIECE)), len, sent, taken;
	struct ascii_state after = x->cr;

	if (n == 0)
		return false;
	len = ascii_out(&after, buf, n, out);
	sent = slice_send_all(x, out, len);
	taken = n;
	if (sent == len)
		x->cr = after;
	else
		taken = ascii_out_taken(&x->cr, buf, n, sent);
	x->cur += taken;
	x->slice.file_bytes += taken;
	return sent == len;
}

void slice_copy(struct xfer *x, char *buf)
{
	size_t size = x->ascii      ? 3 * SLICE_PIECE /* a line's end takes two bytes for one */
		      : x->wire.tls ? TLS_PIECE
				    : IOBUF_SIZE;
	bool more;

	wire_lend(&x->wire, buf + size, IOBUF_SIZE - size);
	do
		more = x->ascii ? ascii_step(x, buf) : copy_step(x, buf, size);
	while (more && (!x->size_known || x->cur < x->end) && !slice_full(x));
	wire_lend(&x->wire, NULL, 0);
}
