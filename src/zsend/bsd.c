/* The FreeBSD model: the system's own call where there is one, else headers by sendmsg(2), the file by the
 * best path that works, trailers by sendmsg(2). */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "zsend/zsend_priv.h"

#define FLAGS_KNOWN (ZS_NODISKIO | ZS_SYNC | ZS_USER_READAHEAD | ZS_NOCACHE | ZS_NOSIGPIPE)
/* One step of the file part with ZS_NODISKIO, so that the probe is not far ahead of the sending. */
#define NODISKIO_STEP (8u << 20)
#define IOV_BATCH     16

int64_t zsend_iov_bytes(const struct iovec *iov, int cnt)
{
	int64_t sum = 0;

	if (cnt < 0 || cnt > IOV_MAX)
		return -1;
	for (int i = 0; iov != NULL && i < cnt; i++) {
		if (iov[i].iov_len > (uint64_t)(INT64_MAX - sum))
			return -1;
		sum += (int64_t)iov[i].iov_len;
	}
	return sum;
}

/* ---- Checks that make Linux agree with FreeBSD about errors ---- */

static int fail(int e)
{
	errno = e;
	return -1;
}

static int check_file(int fd, struct stat *st)
{
	int mode = fcntl(fd, F_GETFL);

	if (mode < 0 || fstat(fd, st) < 0)
		return -1;
	if ((mode & O_ACCMODE) == O_WRONLY)
		return fail(EBADF);
#ifdef O_PATH
	if ((mode & O_PATH) != 0)
		return fail(EBADF);
#endif
	return S_ISREG(st->st_mode) ? 0 : fail(EINVAL);
}

/* getpeername(2) says ENOTCONN for a connection that was reset, too. Then sending tells the cause, so only
 * a socket that shows no sign of a past connection is refused here. */
static bool was_connected(int s)
{
#ifdef POLLRDHUP
	struct pollfd pfd = {.fd = s, .events = POLLRDHUP};

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLRDHUP) != 0;
#else
	return false;
#endif
}

static int check_socket(int s)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(s, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -1;
	if (type != SOCK_STREAM)
		return fail(EINVAL);
	len = sizeof(peer);
	if (getpeername(s, (struct sockaddr *)&peer, &len) == 0)
		return 0;
	return errno == ENOTCONN && was_connected(s) ? 0 : -1;
}

/* ---- The parts ---- */

/* Ways of moving the file part, in the order in which they are tried. */
enum sending_path { BY_SENDFILE, BY_SPLICE, BY_COPY };

struct sending {
	int fd, s, flags;
	enum sending_path path; /* best one that has not failed yet */
	struct zs_pipe pipe;
	bool nonblock;
};

/* After a short result on a blocking socket: a full one means that the call was interrupted or timed out,
 * and the next call would wait again and lose that. Returns true with errno set if so. A non-blocking one
 * just goes on and meets its EAGAIN. */
static bool short_means_stop(const struct sending *sd)
{
	struct pollfd pfd = {.fd = sd->s, .events = POLLOUT};
	struct timeval tv = {0, 0};
	socklen_t len = sizeof(tv);

	if (sd->nonblock || poll(&pfd, 1, 0) != 0)
		return false;
	(void)getsockopt(sd->s, SOL_SOCKET, SO_SNDTIMEO, &tv, &len); /* zero if it cannot be told */
	errno = tv.tv_sec != 0 || tv.tv_usec != 0 ? EAGAIN : EINTR;
	return true;
}

/* The next bytes of a vector, as many as fit into one message. */
static int iov_batch(const struct iovec *iov, int cnt, size_t skip, struct iovec *out, size_t *ret_bytes)
{
	int n = 0;

	*ret_bytes = 0;
	for (int i = 0; i < cnt && n < IOV_BATCH; i++) {
		size_t len = iov[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		out[n].iov_base = (char *)iov[i].iov_base + skip;
		out[n].iov_len = len - skip;
		if (out[n].iov_len > ZS_SLICE_MAX - *ret_bytes)
			out[n].iov_len = ZS_SLICE_MAX - *ret_bytes;
		*ret_bytes += out[n++].iov_len;
		skip = 0;
	}
	return n;
}

/* Send a vector of total bytes, adding to *sent what went. more: something follows it. */
static int send_vector(
	const struct sending *sd, const struct iovec *iov, int cnt, int64_t total, bool more, int64_t *sent)
{
	while (*sent < total) {
		struct iovec batch[IOV_BATCH];
		struct msghdr msg = {.msg_iov = batch};
		size_t want;
		ssize_t r;

		msg.msg_iovlen = (size_t)iov_batch(iov, cnt, (size_t)*sent, batch, &want);
		more = more || *sent + (int64_t)want < total;
		r = sendmsg(sd->s, &msg, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
		if (r < 0)
			return -1;
		*sent += r;
		if ((size_t)r < want && short_means_stop(sd))
			return -1;
	}
	return 0;
}

static int64_t send_by_path(struct sending *sd, int64_t *pos, size_t n)
{
	switch (sd->path) {
	case BY_SENDFILE:
		return zsend_native(sd->s, sd->fd, pos, n);
	case BY_SPLICE:
		if (sd->pipe.rd < 0 && zs_pipe_open(&sd->pipe, 0) < 0) {
			errno = ENOSYS; /* no pipe to be had is no reason to fail */
			return -1;
		}
		return zs_splice(sd->s, sd->fd, pos, n, &sd->pipe);
	default:
		return zsend_copy_stack(sd->s, sd->fd, pos, n);
	}
}

/* The best path that works, worse ones for good once one refuses. Returns as zs_linux(). */
static int64_t send_some(struct sending *sd, int64_t *pos, size_t n)
{
	int64_t r = send_by_path(sd, pos, n);

	while (r < 0 && sd->path != BY_COPY && zsend_is_unsupported(errno)) {
		sd->path++;
		r = send_by_path(sd, pos, n);
	}
	return r;
}

/* How much may be tried at once. 0 with errno EBUSY: the disk would be needed. */
static size_t step_size(const struct sending *sd, int64_t pos, int64_t left)
{
	size_t n = left > (int64_t)ZS_SLICE_MAX ? ZS_SLICE_MAX : (size_t)left;
	int64_t in_memory;

	if ((sd->flags & ZS_NODISKIO) == 0)
		return n;
	in_memory = zs_resident(sd->fd, (uint64_t)pos, n < NODISKIO_STEP ? n : NODISKIO_STEP);
	if (in_memory > 0)
		return (size_t)in_memory;
	errno = EBUSY;
	return 0;
}

static int send_file(struct sending *sd, int64_t offset, int64_t want, int64_t *sent)
{
	while (*sent < want) {
		int64_t pos = offset + *sent, r;
		size_t n = step_size(sd, pos, want - *sent);

		if (n == 0)
			return -1;
		r = send_some(sd, &pos, n);
		if (r < 0)
			return -1;
		if (r == 0) /* the file is shorter now than it was: its end is the end */
			break;
		*sent += r;
		if ((size_t)r < n && short_means_stop(sd))
			return -1;
	}
	return 0;
}

/* ---- Around the parts ---- */

static void read_ahead(int fd, int64_t offset, int flags)
{
#ifdef POSIX_FADV_WILLNEED
	int64_t pages = (int64_t)((unsigned)flags >> 16);

	if ((flags & ZS_USER_READAHEAD) != 0 && pages > 0)
		(void)posix_fadvise(
			fd, offset, pages * sysconf(_SC_PAGESIZE), POSIX_FADV_WILLNEED); /* a hint */
#endif
}

/* Pages that are through. The first one counts as a whole: its beginning was sent by the call before this
 * one, if at all. Pages that the socket still references stay; that is as good as a hint gets. */
static void drop_sent(int fd, int64_t offset, int64_t sent, int64_t size)
{
#ifdef POSIX_FADV_DONTNEED
	int64_t page = sysconf(_SC_PAGESIZE);
	int64_t from = offset / page * page;
	int64_t to = offset + sent >= size ? offset + sent : (offset + sent) / page * page;

	if (sent > 0 && to > from)
		(void)posix_fadvise(fd, from, to - from, POSIX_FADV_DONTNEED); /* a hint */
#endif
}

/* Hold back small segments while the parts go out. Returns true if it was this call that did it. */
static bool cork(int s)
{
#ifdef TCP_CORK
	int on = 0;
	socklen_t len = sizeof(on);

	if (getsockopt(s, IPPROTO_TCP, TCP_CORK, &on, &len) < 0 || on != 0)
		return false;
	on = 1;
	return setsockopt(s, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)) == 0;
#else
	return false;
#endif
}

static void uncork(int s)
{
#ifdef TCP_CORK
	int e = errno, off = 0;

	(void)setsockopt(s, IPPROTO_TCP, TCP_CORK, &off, sizeof(off)); /* fails only on a dead socket */
	errno = e;
#endif
}

static int send_parts(struct sending *sd, int64_t offset, int64_t want, const struct zs_hdtr *h, int64_t head,
	int64_t tail, struct zsend_sent *sent)
{
	if (send_vector(sd, h->headers, h->hdr_cnt, head, want > 0 || tail > 0, &sent->head) < 0)
		return -1;
	if (want > 0 && send_file(sd, offset, want, &sent->file) < 0)
		return -1;
	return send_vector(sd, h->trailers, h->trl_cnt, tail, false, &sent->tail);
}

int zsend_bsd(int fd, int s, int64_t offset, int64_t want, const struct zs_hdtr *hdtr,
	struct zsend_sent *sent, int flags)
{
	static const struct zs_hdtr none;
	const struct zs_hdtr *h = hdtr != NULL ? hdtr : &none;
	int64_t head = zsend_iov_bytes(h->headers, h->hdr_cnt),
		tail = zsend_iov_bytes(h->trailers, h->trl_cnt);
	struct sending sd = {
		.fd = fd, .s = s, .flags = flags, .path = BY_SENDFILE, .pipe = {.rd = -1, .wr = -1}};
	struct zsend_sigpipe guard = {0};
	struct stat st;
	bool corked;
	int r;

	*sent = (struct zsend_sent){0};
	if ((flags & 0xffff & ~FLAGS_KNOWN) != 0 || offset < 0 || head < 0 || tail < 0)
		return fail(EINVAL);
	if (check_file(fd, &st) < 0 || check_socket(s) < 0)
		return -1;
	if (want == ZSEND_TO_EOF || want > st.st_size - offset)
		want = offset < st.st_size ? st.st_size - offset : 0;
	if ((flags & ZS_SYNC) != 0) /* copied bytes are the only ones that hold on to no page */
		sd.path = BY_COPY;
	else if (!zsend_cap_usable(ZS_CAP_SENDFILE))
		sd.path = zsend_cap_usable(ZS_CAP_SPLICE) ? BY_SPLICE : BY_COPY;
	sd.nonblock = (fcntl(s, F_GETFL) & O_NONBLOCK) != 0;

	if ((flags & ZS_NOSIGPIPE) != 0)
		zsend_sigpipe_block(&guard);
	corked = head + tail > 0 && cork(s);
	read_ahead(fd, offset, flags);
	r = send_parts(&sd, offset, want, h, head, tail, sent);
	if (corked)
		uncork(s);
	if ((flags & ZS_NOCACHE) != 0) {
		int e = errno;

		drop_sent(fd, offset, sent->file, st.st_size);
		errno = e;
	}
	zs_pipe_close(&sd.pipe);
	zsend_sigpipe_restore(&guard);
	return r;
}

int zs_bsd(int fd, int s, int64_t offset, size_t nbytes, struct zs_hdtr *hdtr, int64_t *sbytes, int flags)
{
	int64_t want = nbytes == 0 || nbytes > INT64_MAX ? ZSEND_TO_EOF : (int64_t)nbytes;
	struct zsend_sent sent;
	int r;

#ifdef ZSEND_FREEBSD
	if ((flags & ZS_SYNC) == 0) { /* newer systems have no flag for that any more: copy below */
		struct zsend_sigpipe guard = {0};

		if ((flags & ZS_NOSIGPIPE) != 0)
			zsend_sigpipe_block(&guard);
		r = zsend_bsd_native(fd, s, offset, nbytes, hdtr, sbytes, flags);
		zsend_sigpipe_restore(&guard);
		return r;
	}
#endif
	r = zsend_bsd(fd, s, offset, want, hdtr, &sent, flags);
	if (sbytes != NULL)
		*sbytes = sent.head + sent.file + sent.tail;
	return r;
}
