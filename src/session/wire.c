#include "session/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "zsend.h"

ssize_t wire_send(struct wire *w, const void *p, size_t n)
{
	ssize_t r;

	do
		r = send(w->sock, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

bool wire_takes_mappings(const struct wire *w)
{
	return true;
}

ssize_t wire_recv(struct wire *w, void *p, size_t size)
{
	ssize_t r;

	do
		r = recv(w->sock, p, size, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t wire_sendfile(struct wire *w, int fd, uint64_t *offset, size_t n)
{
	return zs_send(w->sock, fd, offset, n);
}

ssize_t wire_splice(struct wire *w, int to_pipe, size_t n)
{
	ssize_t r;

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
