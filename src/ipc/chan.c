#include "ipc/chan.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"

#define QUEUE_MAX (8u * 1024 * 1024)

struct queued {
	struct list link;
	int fd;
	size_t len;
	unsigned char data[];
};

int ipc_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	return 0;
}

void ipc_chan_init(struct ipc_chan *c, int fd, enum ipc_role self, enum ipc_role peer)
{
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->self = self;
	c->peer = peer;
	c->queue_max = QUEUE_MAX;
	list_init(&c->queue);
}

static void queued_free(struct ipc_chan *c, struct queued *q)
{
	list_del(&q->link);
	c->queued_bytes -= q->len;
	fd_close(&q->fd);
	wipe(q->data, q->len); /* may have held a password */
	free(q);
}

void ipc_chan_done(struct ipc_chan *c)
{
	LIST_EACH(it, tmp, &c->queue)
	queued_free(c, LIST_OBJ(it, struct queued, link));
	fd_close(&c->fd);
}

/* One packet, now. 0, -EAGAIN, -WE_CLOSED, -errno. */
static int packet_send(int sock, const void *data, size_t len, int fd)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char mem[CMSG_SPACE(sizeof(int))];
	} control;
	struct cmsghdr *cm;
	ssize_t k;

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.mem;
		mh.msg_controllen = sizeof(control.mem);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	}
	do
		k = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (k < 0 && errno == EINTR);
	if (k >= 0)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS)
		return -EAGAIN;
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
		return -WE_CLOSED;
	return -errno;
}

static int queue_add(struct ipc_chan *c, const struct buf *b, int pass_fd)
{
	struct queued *q;

	if (b->len > c->queue_max - c->queued_bytes)
		return -ENOBUFS;
	q = malloc(sizeof(*q) + b->len);
	if (q == NULL)
		return -ENOMEM;
	q->fd = -1;
	if (pass_fd >= 0) {
		q->fd = fcntl(pass_fd, F_DUPFD_CLOEXEC, 3);
		if (q->fd < 0) {
			free(q);
			return -errno;
		}
	}
	q->len = b->len;
	memcpy(q->data, b->data, b->len);
	list_add(&c->queue, &q->link);
	c->queued_bytes += q->len;
	return 0;
}

int ipc_send(struct ipc_chan *c, enum ipc_type type, const void *msg, int pass_fd)
{
	const struct ipc_permit *permit = ipc_permit_find(type);
	uint32_t head = type;
	struct buf b;
	int r;

	assert(permit != NULL && (permit->from & 1u << c->self) != 0 && (permit->to & 1u << c->peer) != 0);
	assert(permit->fd == IPC_FD_MAYBE || (permit->fd == IPC_FD_NEEDED) == (pass_fd >= 0));
	if (c->fd < 0)
		return -WE_CLOSED;
	buf_init(&b, IPC_MSG_MAX);
	r = buf_append(&b, &head, sizeof(head));
	if (r == 0)
		r = ipc_encode(permit->fields, msg, &b);
	if (r == 0)
		r = list_empty(&c->queue) ? packet_send(c->fd, b.data, b.len, pass_fd) : -EAGAIN;
	if (r == -EAGAIN)
		r = queue_add(c, &b, pass_fd);
	if (b.data != NULL)
		wipe(b.data, b.len);
	buf_done(&b);
	return r;
}

bool ipc_chan_wants_write(const struct ipc_chan *c)
{
	return !list_empty(&c->queue);
}

int ipc_chan_flush(struct ipc_chan *c)
{
	LIST_EACH(it, tmp, &c->queue)
	{
		struct queued *q = LIST_OBJ(it, struct queued, link);
		int r = packet_send(c->fd, q->data, q->len, q->fd);

		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		queued_free(c, q);
	}
	return 0;
}

/* Descriptors of a received packet: the first is kept, more than one is a violation. */
static int packet_fds(struct msghdr *mh, int *ret_fd)
{
	int fds = 0;

	*ret_fd = -1;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		size_t n, i;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
			if (fds++ == 0)
				*ret_fd = fd;
			else
				fd_close(&fd);
		}
	}
	return fds;
}

static int message_check(struct ipc_chan *c, struct ipc_scratch *scratch, const unsigned char *data,
	size_t len, struct ipc_msg *m)
{
	uint32_t type;

	if (len < sizeof(type))
		return -WE_PERMIT;
	memcpy(&type, data, sizeof(type));
	m->permit = ipc_permit_find(type);
	if (m->permit == NULL || (m->permit->from & 1u << c->peer) == 0 ||
		(m->permit->to & 1u << c->self) == 0)
		return -WE_PERMIT;
	if (m->permit->fd != IPC_FD_MAYBE && (m->permit->fd == IPC_FD_NEEDED) != (m->fd >= 0))
		return -WE_PERMIT;
	if (ipc_decode(m->permit->fields, data + sizeof(type), len - sizeof(type), scratch, &m->connect) < 0)
		return -WE_PERMIT;
	return 1;
}

int ipc_recv(struct ipc_chan *c, struct ipc_scratch *scratch, struct ipc_msg *ret_msg)
{
	struct iovec iov = {.iov_base = scratch->packet, .iov_len = sizeof(scratch->packet)};
	union {
		struct cmsghdr align;
		char mem[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.mem,
		.msg_controllen = sizeof(control.mem)};
	struct ipc_msg m = {.fd = -1};
	ssize_t k;
	int r, fds;

	if (c->fd < 0)
		return -WE_CLOSED;
	do
		k = recvmsg(c->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (k < 0 && errno == EINTR);
	if (k < 0 && errno == EAGAIN)
		return 0;
	if (k < 0)
		return errno == ECONNRESET ? -WE_CLOSED : -errno;
	fds = packet_fds(&mh, &m.fd);
	if (k == 0 && fds == 0)
		return -WE_CLOSED;
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || fds > 1)
		r = -WE_PERMIT;
	else
		r = message_check(c, scratch, scratch->packet, (size_t)k, &m);
	wipe(scratch->packet, (size_t)k); /* may have held a password */
	if (r < 0) {
		fd_close(&m.fd);
		return r;
	}
	*ret_msg = m;
	return 1;
}

int ipc_msg_take_fd(struct ipc_msg *m)
{
	int fd = m->fd;

	m->fd = -1;
	return fd;
}

void ipc_msg_done(struct ipc_msg *m)
{
	fd_close(&m->fd);
}

int ipc_call(struct ipc_chan *c, enum ipc_type type, const void *msg, struct ipc_scratch *scratch,
	struct ipc_msg *ret_msg, int timeout_ms)
{
	uint64_t end = clock_ms() + (uint64_t)timeout_ms;
	int r = ipc_send(c, type, msg, -1);

	while (r == 0) {
		uint64_t now = clock_ms();
		struct pollfd p = {.fd = c->fd, .events = POLLIN};

		if (ipc_chan_wants_write(c))
			p.events |= POLLOUT;
		r = ipc_recv(c, scratch, ret_msg);
		if (r != 0)
			break;
		if (now >= end)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
			return -errno;
		r = ipc_chan_flush(c);
	}
	return r > 0 ? 0 : r;
}
