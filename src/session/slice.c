/* Moving bytes: one slice of a transfer. Runs in pool threads, for resident files also in the loop. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "session/iobuf.h"
#include "session/xfer_priv.h"
#include "zsend.h"

#define SLICE_MS  100         /* then others get the thread */
#define PIECE     (64 * 1024) /* bytes through a filter or generator at a time */
#define BADFS_MAX 16

/* Devices whose files the kernel will not send, found by trying. */
static pthread_mutex_t badfs_lock = PTHREAD_MUTEX_INITIALIZER;
static dev_t badfs[BADFS_MAX];
static unsigned n_badfs;

bool slice_is_badfs(dev_t dev)
{
	bool found = false;

	(void)pthread_mutex_lock(&badfs_lock); /* cannot fail: held once */
	for (unsigned i = 0; i < n_badfs; i++)
		found = found || badfs[i] == dev;
	(void)pthread_mutex_unlock(&badfs_lock);
	return found;
}

static void badfs_add(dev_t dev)
{
	if (slice_is_badfs(dev))
		return;
	(void)pthread_mutex_lock(&badfs_lock);
	badfs[n_badfs < BADFS_MAX ? n_badfs++ : 0] = dev;
	(void)pthread_mutex_unlock(&badfs_lock);
}

static void slice_net(struct slice *sl, int error)
{
	sl->end = error == EAGAIN ? SLICE_WAIT_NET : SLICE_NET;
	sl->error = error;
}

static void slice_file(struct slice *sl, int error)
{
	sl->end = SLICE_FILE;
	sl->error = error;
}

/* Is the slice over because of its limits? */
static bool slice_full(const struct xfer *x, uint64_t until_ms)
{
	return x->slice.file_bytes >= x->slice.max || atomic_load(&x->cancel) || clock_ms() >= until_ms;
}

static size_t slice_room(const struct xfer *x, size_t most)
{
	uint64_t n = x->slice.max - x->slice.file_bytes;

	if (x->kind == XFER_DOWNLOAD && x->size_known && x->end - x->cur < n)
		n = x->end - x->cur;
	return n < most ? (size_t)n : most;
}

static void slice_count(struct xfer *x, uint64_t file, uint64_t net)
{
	x->slice.file_bytes += file;
	x->slice.net_bytes += net;
}

/* --- file to socket in the kernel --- */

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
	case ENOTSUP:
	case EINVAL:
	case EOVERFLOW:
		if (x->cur == x->start)
			badfs_add(x->dev);
		/* fall through */
	case EIO:
	case ESTALE:
	case ENXIO:
	case EFAULT: /* some file systems fail only for splicing: copying will tell */
		x->zero_copy = false;
		x->slice.end = SLICE_MORE;
		break;
	default:
		slice_net(&x->slice, error);
	}
}

static void slice_sendfile(struct xfer *x, uint64_t until_ms)
{
	ssize_t n;

	do {
		n = zs_send(x->sock, x->fd, &x->cur, slice_room(x, x->chunk ? x->chunk : ZS_SLICE_MAX));
		if (n > 0)
			slice_count(x, (uint64_t)n, (uint64_t)n);
		else if (n == 0)
			x->slice.end = SLICE_EOF;
		else
			sendfile_failed(x, (int)-n);
	} while (n > 0 && x->cur < x->end && !slice_full(x, until_ms));
}

/* --- file to socket through a buffer --- */

static void slice_copy(struct xfer *x, char *buf, uint64_t until_ms)
{
	int64_t off, n;

	do {
		off = (int64_t)x->cur;
		n = zs_copy(x->sock, x->fd, &off, slice_room(x, IOBUF_SIZE), buf, IOBUF_SIZE);
		if (n > 0) {
			x->cur += (uint64_t)n;
			slice_count(x, (uint64_t)n, (uint64_t)n);
		} else if (n == 0)
			x->slice.end = SLICE_EOF;
		else if (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET || errno == ETIMEDOUT ||
			 errno == ENOTCONN || errno == EHOSTUNREACH || errno == ENETUNREACH ||
			 errno == ENETDOWN || errno == ECONNABORTED)
			slice_net(&x->slice, errno);
		else
			slice_file(&x->slice, errno);
	} while (n > 0 && (!x->size_known || x->cur < x->end) && !slice_full(x, until_ms));
}

/* Send as much as the socket takes. Returns the bytes; fewer than n: x->slice says why. */
static size_t net_send(struct xfer *x, const char *p, size_t n)
{
	size_t sent = 0;
	ssize_t w;

	while (sent < n) {
		w = send(x->sock, p + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			slice_net(&x->slice, errno);
			break;
		}
		sent += (size_t)w;
	}
	x->slice.net_bytes += sent;
	return sent;
}

/* What is not taken is read and converted again, so that a waiting client costs no memory. */
static void slice_ascii(struct xfer *x, char *buf, uint64_t until_ms)
{
	char *out = buf + PIECE;
	size_t n, len, sent, taken;
	struct ascii_state after;
	ssize_t got;

	do {
		n = slice_room(x, PIECE);
		got = pread(x->fd, buf, n, (off_t)x->cur);
		if (got <= 0) {
			if (got < 0)
				slice_file(&x->slice, errno);
			else
				x->slice.end = SLICE_EOF;
			return;
		}
		after = x->cr;
		len = ascii_out(&after, buf, (size_t)got, out);
		sent = net_send(x, out, len);
		if (sent == len) {
			taken = (size_t)got;
			x->cr = after;
		} else
			taken = ascii_out_taken(&x->cr, buf, (size_t)got, sent);
		x->cur += taken;
		x->slice.file_bytes += taken;
	} while (sent == len && (!x->size_known || x->cur < x->end) && !slice_full(x, until_ms));
}

/* --- what cannot be read again: FIFOs and generators --- */

static void pending_keep(struct xfer *x, const char *p, size_t n)
{
	x->pending = malloc(n);
	if (!x->pending) {
		slice_file(&x->slice, ENOMEM);
		return;
	}
	memcpy(x->pending, p, n);
	x->pending_len = n;
	x->pending_at = 0;
}

static void pending_send(struct xfer *x)
{
	x->pending_at += net_send(x, x->pending + x->pending_at, x->pending_len - x->pending_at);
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
		n = x->src->fill(x->src, buf, PIECE, &x->cancel);
		if (n < 0)
			slice_file(&x->slice, (int)-n);
	} else if (poll(&pfd, 1, 0) == 0) {
		x->slice.end = SLICE_WAIT_SHORT;
		return 0;
	} else {
		n = read(x->fd, buf, PIECE);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			x->slice.end = SLICE_WAIT_SHORT;
		else if (n < 0)
			slice_file(&x->slice, errno);
	}
	if (n == 0) {
		x->source_ended = true;
		x->slice.end = SLICE_EOF;
	}
	return n > 0 ? (size_t)n : 0;
}

static void slice_stream(struct xfer *x, char *buf, uint64_t until_ms)
{
	char *out = buf + PIECE;
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
		sent = net_send(x, out, len);
		if (sent < len) {
			if (x->slice.end == SLICE_WAIT_NET)
				pending_keep(x, out + sent, len - sent);
			return;
		}
	} while (!slice_full(x, until_ms));
}

/* --- socket to file --- */

static void recv_end(struct xfer *x)
{
	char last;
	int r;

	x->slice.end = SLICE_EOF;
	if (!x->ascii || ascii_in_end(&x->cr, &last) == 0)
		return;
	r = store_write(x->store, &last, 1);
	if (r < 0)
		slice_file(&x->slice, -r);
	else
		x->slice.file_bytes++;
}

static void slice_recv(struct xfer *x, char *buf, uint64_t until_ms)
{
	size_t size = x->ascii ? IOBUF_SIZE / 2 - 1 : IOBUF_SIZE, len;
	char *raw = x->ascii ? buf + IOBUF_SIZE / 2 + 1 : buf;
	uint64_t before;
	ssize_t n;
	int r = x->store->started ? 0 : store_begin(x->store);

	while (r == 0) {
		n = recv(x->sock, raw, slice_room(x, size), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) {
			recv_end(x);
			return;
		}
		if (n < 0) {
			slice_net(&x->slice, errno);
			return;
		}
		x->slice.net_bytes += (uint64_t)n;
		len = x->ascii ? ascii_in(&x->cr, raw, (size_t)n, buf) : (size_t)n;
		before = x->store->offset;
		r = store_write(x->store, buf, len);
		x->slice.file_bytes += x->store->offset - before;
		if (r == 0 && slice_full(x, until_ms))
			return;
	}
	slice_file(&x->slice, -r);
}

void slice_run(struct xfer *x)
{
	uint64_t until_ms = clock_ms() + SLICE_MS;
	char *buf;

	x->slice.file_bytes = x->slice.net_bytes = 0;
	x->slice.end = SLICE_MORE;
	x->slice.error = 0;
	if (x->kind == XFER_DOWNLOAD && x->zero_copy) {
		slice_sendfile(x, until_ms);
		return;
	}
	buf = iobuf_get();
	if (!buf) {
		x->slice.end = SLICE_WAIT_SHORT;
		x->slice.error = ENOMEM;
		return;
	}
	if (x->kind == XFER_UPLOAD)
		slice_recv(x, buf, until_ms);
	else if (x->src || !x->seekable)
		slice_stream(x, buf, until_ms);
	else if (x->ascii)
		slice_ascii(x, buf, until_ms);
	else
		slice_copy(x, buf, until_ms);
	iobuf_put(buf);
}
