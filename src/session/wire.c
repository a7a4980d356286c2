#include "session/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/err.h"
#include "base/fd.h"
#include "tls/tls.h"
#include "zsend.h"

void wire_close(struct wire *w)
{
	tls_conn_free(&w->tls);
	fd_close(&w->sock);
}

int wire_events(const struct wire *w, bool sending)
{
	if (w->tls)
		return tls_wants(w->tls) == POLLIN ? UV_READABLE : UV_WRITABLE;
	return sending ? UV_WRITABLE : UV_READABLE;
}

int wire_end(struct wire *w)
{
	int r = w->tls && !tls_said_close(w->tls) ? tls_shutdown(w->tls) : 0;

	if (r < 0)
		return r;
	return shutdown(w->sock, SHUT_WR) < 0 ? -errno : 0;
}

bool wire_kernel_tls(const struct wire *w)
{
	return w->tls && tls_ktls_tx(w->tls);
}

/* What TLS says, as errors of a socket. */
static ssize_t tls_result(ssize_t r)
{
	return r == -WE_CLOSED || r == -EPROTO ? -ECONNRESET : r;
}

ssize_t wire_send(struct wire *w, const void *p, size_t n)
{
	ssize_t r;

	if (w->tls)
		return tls_result(tls_write(w->tls, p, n));
	do
		r = send(w->sock, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

void wire_lend(struct wire *w, void *memory, size_t size)
{
	if (w->tls)
		tls_lend(w->tls, memory, size);
}

bool wire_takes_mappings(const struct wire *w)
{
	return !w->tls;
}

ssize_t wire_recv(struct wire *w, void *p, size_t size)
{
	ssize_t r;

	if (w->tls) {
		r = tls_read(w->tls, p, size);
		if (r == -WE_CLOSED && w->lenient) {
			w->cut = true;
			return 0;
		}
		return tls_result(r);
	}
	do
		r = recv(w->sock, p, size, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t wire_discard(struct wire *w)
{
	char buf[4096];
	union {
		char bytes[CMSG_SPACE(1)];
		struct cmsghdr align;
	} type; /* of a record; where the kernel decrypts, reading one that is not data fails without room for it */
	struct iovec iov = {buf, sizeof buf};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &type, .msg_controllen = sizeof type};
	ssize_t r;

	do
		r = recvmsg(w->sock, &m, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t wire_sendfile(struct wire *w, int fd, uint64_t *offset, size_t n)
{
	if (w->tls)
		return wire_kernel_tls(w) ? tls_result(tls_sendfile(w->tls, fd, offset, n)) : -ENOTSUP;
	return zs_send(w->sock, fd, offset, n);
}

ssize_t wire_splice(struct wire *w, int to_pipe, size_t n)
{
	ssize_t r;

	if (w->tls)
		return -EINVAL;
	do
		r = splice(w->sock, NULL, to_pipe, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

void wire_lowat(struct wire *w, int bytes)
{
	(void)setsockopt(w->sock, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

bool wire_lost(int error)
{
	switch (error) {
	case EPIPE:
	case ECONNRESET:
	case ECONNABORTED:
	case ETIMEDOUT:
	case ENOTCONN:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EBADF:
		return true;
	default:
		return false;
	}
}
