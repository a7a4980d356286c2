/* The control connection. */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "tools/ftpload.h"
#include "tools/ftpload_tls.h"

#define OUT_MAX (16u << 10)

/* What a TLS call wants is all that is waited for; lines that wait keep asking for room. */
static void wait_for(struct load_session *s, uint32_t events)
{
	if (!load_watch(s->load, &s->ctrl, events | (s->out.len > 0 ? EPOLLOUT : 0)))
		load_fail(s, "epoll: %s", strerror(errno));
}

/* Send what waits. False: the session has failed. */
static bool flush(struct load_session *s)
{
	struct err err = ERR_INIT;

	while (s->out.len > 0) {
		ssize_t n;

		if (s->ssl != NULL)
			n = SSL_write(s->ssl, s->out.data, (int)s->out.len);
		else
			n = send(s->ctrl.fd, s->out.data, s->out.len, MSG_NOSIGNAL);
		if (n > 0) {
			buf_consume(&s->out, (size_t)n);
			continue;
		}
		if (s->ssl != NULL) {
			int want = load_tls_outcome(s->ssl, (int)n, &err);

			if (want > 0)
				break;
			load_fail(s, "%s", want == 0 ? "connection closed" : err.text);
			return false;
		}
		if (errno == EAGAIN)
			break;
		load_fail(s, "control connection: %s", strerror(errno));
		return false;
	}
	wait_for(s, EPOLLIN);
	return true;
}

static void take(struct load_session *s, const char *data, size_t size)
{
	while (size > 0 && s->ctrl.fd >= 0) {
		int code = load_reply_take(&s->reply, &data, &size);

		if (code < 0) {
			load_fail(s, "what the server sends is no FTP reply");
			return;
		}
		if (code == 0)
			return;
		load_session_reply(s, code, s->reply.line);
		if (s->state == LOAD_HANDSHAKE) /* what came in clear with the 234 is nobody's */
			return;
	}
}

static void receive(struct load_session *s)
{
	char data[4096];
	struct err err = ERR_INIT;

	while (s->ctrl.fd >= 0) {
		ssize_t n;

		if (s->ssl != NULL)
			n = SSL_read(s->ssl, data, sizeof(data));
		else
			n = recv(s->ctrl.fd, data, sizeof(data), 0);
		if (n > 0) {
			bool plain = s->ssl == NULL;

			take(s, data, (size_t)n);
			if (plain && ((size_t)n < sizeof(data) || s->ssl != NULL))
				return;
			continue;
		}
		if (n == 0 && s->ssl == NULL) {
			load_session_lost(s);
			return;
		}
		if (s->ssl == NULL) {
			if (errno != EAGAIN)
				load_fail(s, "control connection: %s", strerror(errno));
			return;
		}
		n = load_tls_outcome(s->ssl, (int)n, &err);
		if (n == 0)
			load_session_lost(s);
		else if (n < 0)
			load_fail(s, "control connection: %s", err.text);
		return;
	}
}

static void shake(struct load_session *s)
{
	struct load *l = s->load;
	struct err err = ERR_INIT;
	int r = SSL_connect(s->ssl);

	if (r == 1) {
		if (SSL_session_reused(s->ssl))
			l->tls_resumed++;
		else
			l->tls_full++;
		if (l->tls_text[0] == '\0')
			(void)snprintf(l->tls_text, sizeof(l->tls_text), "%s %s", SSL_get_version(s->ssl),
				SSL_get_cipher_name(s->ssl));
		wait_for(s, EPOLLIN);
		load_session_connected(s);
		if (s->ssl != NULL && SSL_has_pending(s->ssl))
			receive(s);
		return;
	}
	r = load_tls_outcome(s->ssl, r, &err);
	if (r > 0)
		wait_for(s, (uint32_t)r);
	else
		load_fail(s, "TLS handshake: %s", r == 0 ? "connection closed" : err.text);
}

static void ready(struct load_session *s, uint32_t events)
{
	s->alive_ms = clock_ms();
	if (s->state == LOAD_CONNECTING) {
		int error = 0;
		socklen_t len = sizeof(error);

		if (getsockopt(s->ctrl.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
			load_fail(s, "cannot connect: %s", strerror(error));
			return;
		}
		wait_for(s, EPOLLIN);
		if (s->load->opt->implicit)
			load_ctrl_secure(s);
		else
			load_session_connected(s);
		return;
	}
	if (s->state == LOAD_HANDSHAKE) {
		shake(s);
		return;
	}
	if ((events & EPOLLOUT) && !flush(s))
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(s);
}

int load_ctrl_open(struct load_session *s)
{
	struct load *l = s->load;
	int one = 1, fd = socket(l->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->ctrl = (struct load_source){.fd = fd, .ready = ready, .session = s};
	memset(&s->reply, 0, sizeof(s->reply));
	if (s->out.max == 0)
		buf_init(&s->out, OUT_MAX);
	buf_clear(&s->out);
	s->state = LOAD_CONNECTING;
	(void)snprintf(s->command, sizeof(s->command), "connect");
	if (connect(fd, &l->addr.sa, addr_len(&l->addr)) < 0 && errno != EINPROGRESS) {
		int saved = errno;

		fd_close(&s->ctrl.fd);
		return -saved;
	}
	return load_watch(l, &s->ctrl, EPOLLOUT) ? 0 : -errno;
}

void load_ctrl_secure(struct load_session *s)
{
	SSL_SESSION *resume = s->load->opt->resume_login ? s->tls_session : NULL;

	s->state = LOAD_HANDSHAKE;
	s->ssl = load_tls_new(s->load->ctx, s->ctrl.fd, &s->tls_session, resume);
	if (s->ssl == NULL)
		load_fail(s, "TLS: no memory");
	else
		shake(s);
}

void load_ctrl_close(struct load_session *s)
{
	if (s->ssl != NULL)
		(void)SSL_shutdown(s->ssl); /* says close_notify; nobody waits for the answer */
	SSL_free(s->ssl);
	s->ssl = NULL;
	load_unwatch(s->load, &s->ctrl);
}

void load_ctrl_send(struct load_session *s, const char *fmt, ...)
{
	size_t begin = s->out.len, shown;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(&s->out, fmt, ap);
	va_end(ap);
	if (r == 0) {
		shown = s->out.len - begin;
		if (strncmp(fmt, "PASS", 4) == 0)
			shown = 4;
		(void)snprintf(s->command, sizeof(s->command), "%.*s", (int)shown, s->out.data + begin);
		r = buf_puts(&s->out, "\r\n");
	}
	if (r < 0)
		load_fail(s, "%s: too much waits to be sent", s->command);
	else
		(void)flush(s);
}
