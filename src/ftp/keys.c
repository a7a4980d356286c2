#include "ftp/keys.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/chan.h"

static struct {
	enum ipc_role self;

	pthread_mutex_t next_lock; /* short */
	bool has_next;             /* next_fd takes the place of chan before the next question */
	int next_fd;

	pthread_mutex_t ask_lock; /* held while auth is asked: the rest */
	struct ipc_chan chan;     /* fd -1 = none */
	uint32_t request;         /* of the last question */
} keys = {
	.next_lock = PTHREAD_MUTEX_INITIALIZER,
	.ask_lock = PTHREAD_MUTEX_INITIALIZER,
	.chan.fd = -1,
};
static struct ipc_scratch scratch; /* with ask_lock held */

void ftp_keys_init(enum ipc_role self)
{
	keys.self = self;
}

static void channel_drop(void)
{
	if (keys.chan.fd >= 0)
		ipc_chan_done(&keys.chan);
	keys.chan.fd = -1;
}

/* Take the new channel into use, with ask_lock held. */
static void channel_take(void)
{
	bool has_next;
	int fd;

	pthread_mutex_lock(&keys.next_lock);
	has_next = keys.has_next;
	fd = keys.next_fd;
	keys.has_next = false;
	pthread_mutex_unlock(&keys.next_lock);
	if (!has_next)
		return;
	channel_drop();
	if (fd >= 0)
		ipc_chan_init(&keys.chan, fd, keys.self, IPC_AUTH);
}

void ftp_keys_set_channel(int fd)
{
	pthread_mutex_lock(&keys.next_lock);
	if (keys.has_next)
		fd_close(&keys.next_fd);
	keys.next_fd = fd;
	keys.has_next = true;
	pthread_mutex_unlock(&keys.next_lock);
	if (pthread_mutex_trylock(&keys.ask_lock) ==
		0) { /* else who asks now, or the next who asks, takes it */
		channel_take();
		pthread_mutex_unlock(&keys.ask_lock);
	}
}

/* Wait for the reply to the last question; late ones to earlier questions are passed over. 0 with *ret_msg,
 * -ETIMEDOUT, or the channel is lost. */
static int reply_wait(struct ipc_msg *ret_msg)
{
	uint64_t end = clock_ms() + FTP_KEYS_ANSWER_MS;

	for (;;) {
		struct pollfd p = {.fd = keys.chan.fd, .events = POLLIN};
		uint64_t now = clock_ms();
		int r = ipc_recv(&keys.chan, &scratch, ret_msg);

		if (r > 0) {
			ipc_msg_done(ret_msg);
			if (ret_msg->permit->type != IPC_SIGN_REPLY)
				return -WE_PERMIT;
			if (ret_msg->sign_reply.request == keys.request)
				return 0;
			continue;
		}
		if (r < 0)
			return r;
		if (now >= end)
			return -ETIMEDOUT;
		if (ipc_chan_wants_write(&keys.chan))
			p.events |= POLLOUT;
		if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
			return -errno;
		r = ipc_chan_flush(&keys.chan);
		if (r < 0)
			return r;
	}
}

/* With ask_lock held. */
static int ask(const struct ipc_sign_request *q, uint8_t *out, size_t *ret_n)
{
	struct ipc_msg m;
	int r;

	channel_take();
	if (keys.chan.fd < 0)
		return -ENOTCONN;
	r = ipc_send(&keys.chan, IPC_SIGN_REQUEST, q, -1);
	if (r == 0)
		r = reply_wait(&m);
	if (r < 0) {
		if (r != -ETIMEDOUT && r != -EMSGSIZE)
			channel_drop();
		return r == -WE_CLOSED ? -ENOTCONN : r; /* master starts auth again */
	}
	if (m.sign_reply.error != 0)
		return m.sign_reply.error < 4096 ? -(int)m.sign_reply.error : -EPROTO;
	if (m.sign_reply.signature.len == 0)
		return -EPROTO;
	memcpy(out, m.sign_reply.signature.data, m.sign_reply.signature.len); /* at most IPC_SIGN_MAX */
	*ret_n = m.sign_reply.signature.len;
	return 0;
}

static int sign(void *arg, unsigned key, enum tls_sign_kind kind, const uint8_t *in, size_t n, uint8_t *out,
	size_t *ret_n)
{
	struct ipc_sign_request q = {.key = key, .kind = kind, .input = {in, n}};
	int r;

	_Static_assert(IPC_SIGN_MAX <= TLS_SIGN_OUT_MAX, "a signature fits");
	pthread_mutex_lock(&keys.ask_lock);
	q.request = ++keys.request;
	r = ask(&q, out, ret_n);
	pthread_mutex_unlock(&keys.ask_lock);
	return r;
}

const struct tls_signer *ftp_keys_signer(void)
{
	static const struct tls_signer signer = {sign, NULL};

	return &signer;
}
