#include "session/ctrl.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/keepalive.h"
#include "ftp/qos.h"
#include "ipc/message.h"
#include "session/proc.h"
#include "session/session_priv.h"
#include "session/watch.h"

#define READ_BYTES 4096
#define READ_TURNS 8 /* reads in one turn of the loop: others wait */

/* Urgent data of "IAC IP IAC DM ABOR" must stay in its place in the stream. The descriptor may also be one
 * end of a local socket pair (TLS relay), which knows none of these options; that is fine. */
static void socket_options(int fd, const struct ftp_conf *conf)
{
	int on = 1, nodelay = conf->nodelay_ctrl;

	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay);
	ftp_keepalive(fd, &conf->socket_options, FTP_KEEPALIVE_CTRL_S);
	ftp_qos_mark(fd, AF_UNSPEC, conf->qos.ctrl_set ? conf->qos.ctrl : IPTOS_LOWDELAY);
}

static void ctrl_watch(struct ctrl *c)
{
	int events = 0;

	if (c->fd < 0)
		return;
	if (c->out.len > 0)
		events |= UV_WRITABLE;
	if (c->closing)
		events |= c->out.len > 0 ? 0 : UV_READABLE;
	else if (!c->eof)
		events |= UV_DISCONNECT | (line_room(&c->lines) < 2 ? 0 : UV_READABLE | UV_PRIORITIZED);
	watch_set(c->watch, events);
}

static void ctrl_lost(struct ctrl *c)
{
	session_control_lost(c->s);
}

/* Everything is sent and our direction is closed. Closing the socket while input waits would make the
 * kernel send a reset, which can overtake the last reply: so read until the client closes, for a short
 * time. */
static void close_drain(struct ctrl *c)
{
	char buf[READ_BYTES];
	ssize_t n = 1;

	for (int turn = 0; turn < READ_TURNS && n > 0; turn++)
		n = read(c->fd, buf, sizeof buf);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		ctrl_lost(c);
}

static void close_timeout(void *arg)
{
	ctrl_lost(arg);
}

/* Returns 0, or -errno when the connection is lost. */
static int out_send(struct ctrl *c)
{
	ssize_t n;

	while (c->out.len > 0) {
		n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!c->stuck_since_ms) {
				c->stuck_since_ms = clock_ms();
				timers_arm(c->s);
			}
			return 0;
		}
		if (n < 0)
			return -errno;
		c->s->raw_out += (uint64_t)n;
		buf_consume(&c->out, (size_t)n);
		c->converted -= (size_t)n < c->converted ? (size_t)n : c->converted;
		c->stuck_since_ms = 0;
	}
	if (c->clearing) {
		struct ipc_sid m = {.sid = c->s->sid};

		c->clearing = false;
		proc_send(c->s->proc, IPC_CCC, &m);
	}
	buf_done(&c->out); /* idle connections keep no memory */
	buf_init(&c->out, CTRL_OUT_MAX);
	return 0;
}

void ctrl_flush(struct ctrl *c)
{
	if (out_send(c) < 0) {
		ctrl_lost(c);
		return;
	}
	if (c->leaving && c->out.len == 0) {
		session_give_back(c->s);
		return;
	}
	if (c->closing && c->out.len == 0 && !c->eof)
		(void)shutdown(c->fd, SHUT_WR); /* the client may be gone already */
	if (c->closing && c->out.len == 0 && c->eof) {
		ctrl_lost(c);
		return;
	}
	ctrl_watch(c);
}

void ctrl_close(struct ctrl *c)
{
	if (c->closing)
		return;
	c->closing = true;
	c->alarm = alarm_new(session_loop(c->s), close_timeout, c);
	alarm_set(c->alarm, CTRL_CLOSE_MS);
	ctrl_flush(c);
}

void ctrl_clear(struct ctrl *c)
{
	c->clearing = true;
}

void ctrl_leave(struct ctrl *c)
{
	c->leaving = true;
	ctrl_close(c);
}

/* Read what there is. Returns 0, or -errno when the connection is lost. */
static int in_read(struct ctrl *c)
{
	char buf[READ_BYTES];
	size_t room;
	ssize_t n;

	for (int turn = 0; turn < READ_TURNS; turn++) {
		room = line_room(&c->lines);
		if (room < 2)
			return 0;
		room = room - 1 < sizeof buf ? room - 1
					     : sizeof buf; /* the filter may give one byte more than it got */
		n = read(c->fd, buf, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0) {
			c->eof = true;
			return 0;
		}
		c->s->raw_in += (uint64_t)n;
		if (telnet_filter(&c->telnet, buf, (size_t)n, line_input(&c->lines), &c->out) < 0)
			return -ENOMEM;
		c->converted = c->out.len; /* answers to Telnet commands are no text */
		if ((size_t)n < room)
			return 0;
	}
	return 0;
}

static void in_event(struct ctrl *c, int events)
{
	if (events & UV_DISCONNECT && line_room(&c->lines) < 2)
		c->eof = true; /* what is behind the full buffer is lost with the client */
	else if (in_read(c) < 0) {
		ctrl_lost(c);
		return;
	}
	session_input(c->s); /* that flushes */
}

static void ctrl_event(void *arg, int events)
{
	struct ctrl *c = arg;
	struct session *s = c->s;

	session_ref(s);
	if (c->closing && c->out.len == 0)
		close_drain(c);
	else if (events & (UV_READABLE | UV_DISCONNECT | UV_PRIORITIZED) && !c->closing && !c->eof)
		in_event(c, events);
	else
		session_output_moved(s);
	if (s->ctrl)
		line_rest(&s->ctrl->lines);
	session_unref(s);
}

int ctrl_open(struct session *s, int fd, const struct ipc_handoff *handoff, struct ctrl **ret_ctrl)
{
	const struct ftp_conf *conf = &s->scope->conf;
	struct ctrl *c = xcalloc(1, sizeof *c);
	size_t max_line = conf->command_buffer_bytes;
	int r;

	c->s = s;
	c->fd = fd;
	buf_init(&c->out, CTRL_OUT_MAX);
	telnet_unpack(handoff->telnet, &c->telnet);
	line_init(&c->lines, max_line, LINE_PENDING_MAX);
	r = fd_nonblock(fd, true);
	if (r == 0 && handoff->input.len > 0)
		r = buf_append(line_input(&c->lines), handoff->input.data, handoff->input.len);
	if (r < 0) {
		ctrl_free(&c);
		return r;
	}
	c->watch = watch_new(session_loop(s), fd, ctrl_event, c);
	socket_options(fd, conf);
	*ret_ctrl = c;
	return 0;
}

void ctrl_free(struct ctrl **cp)
{
	struct ctrl *c = *cp;

	if (!c)
		return;
	*cp = NULL;
	watch_free(&c->watch);
	alarm_free(&c->alarm);
	fd_close(&c->fd);
	buf_done(&c->out);
	line_done(&c->lines);
	free(c);
}

/* The whole line at or behind p, empty ones skipped; *ret_next is behind its end. NULL when there is none. */
static const char *line_at(const char *p, const char *end, size_t *ret_len, const char **ret_next)
{
	const char *lf;

	while (p < end) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			return NULL;
		*ret_len = (size_t)(lf - p);
		if (*ret_len > 0 && lf[-1] == '\r')
			--*ret_len;
		*ret_next = lf + 1;
		if (*ret_len > 0)
			return p;
		p = lf + 1;
	}
	return NULL;
}

const char *ctrl_peek(const struct ctrl *c, size_t *ret_len)
{
	const char *next, *p;
	size_t n;

	p = line_pending(&c->lines, &n);
	return line_at(p, p + n, ret_len, &next);
}

bool ctrl_waits(const struct ctrl *c, const char *verb)
{
	size_t len, n;
	const char *p = line_pending(&c->lines, &n), *end = p + n, *line;

	if (!n)
		return false;
	while ((line = line_at(p, end, &len, &p)) != NULL) {
		if (ctrl_line_is(line, len, verb))
			return true;
	}
	return false;
}

bool ctrl_line_is(const char *line, size_t len, const char *verb)
{
	if (len != strlen(verb))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (ascii_upper(line[i]) != verb[i])
			return false;
	}
	return true;
}
