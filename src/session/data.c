#include "session/data_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "session/passive.h"
#include "session/proc.h"
#include "session/session_priv.h"
#include "session/watch.h"

#define STALLED_DEFAULT_MS 3600000 /* TimeoutStalled when it is not configured: too long to wait */
#define OPEN_MS            60000   /* for a connection; then this long */
#define RETRY_MS           250     /* between tries of a source port that is still in use */
#define RETRY_FOR_MS       4000
#define FOREIGN_LOGGED     3 /* strangers at one listener that are written down */

static void connect_begin(struct data *d);

static const struct ftp_conf *data_conf(const struct data *d)
{
	return &d->s->scope->conf;
}

/* --- opening --- */

static void open_clear(struct data *d)
{
	watch_free(&d->watch);
	alarm_free(&d->alarm);
	fd_close(&d->fd);
	if (d->asked)
		d->stale++;
	d->asked = false;
	d->opened = NULL;
}

static void listener_close(struct data *d)
{
	if (d->listen_fd < 0)
		return;
	watch_free(&d->watch);
	fd_close(&d->listen_fd);
	d->foreign = 0;
}

/* The end of opening. fd: given. */
static void open_done(struct data *d, int fd, int error)
{
	data_opened_fn *opened = d->opened;
	void *arg = d->arg;

	if (fd >= 0 && fd == d->fd)
		d->fd = -1;
	open_clear(d);
	listener_close(d);
	opened(arg, fd, error);
}

static void open_timeout(void *arg)
{
	struct data *d = arg;
	struct session *s = d->s;

	session_ref(s);
	if (d->listen_fd < 0 && d->fd < 0 && !d->asked && clock_ms() < d->give_up_ms)
		connect_begin(d); /* the next try */
	else
		open_done(d, -1, ETIMEDOUT);
	session_unref(s);
}

bool data_foreign_allowed(const struct session *s, const struct addr *a)
{
	const struct ftp_foreign *f = &s->scope->conf.foreign;
	const struct ftp_class *class;

	if (!f->class_name)
		return f->on;
	class = ftp_class_named(s->proc->start->config, f->class_name);
	return class && ftp_class_has(class, a, NULL);
}

static bool peer_ok(struct data *d, const struct addr *peer)
{
	char text[ADDR_TEXT_MAX];

	if (addr_host_equal(peer, &d->s->peer) || data_foreign_allowed(d->s, peer))
		return true;
	if (d->foreign++ < FOREIGN_LOGGED)
		log_warn(&d->s->log,
			"SECURITY VIOLATION: passive connection from foreign IP address %s rejected, still "
			"waiting for the "
			"client",
			addr_text(peer, text));
	return false;
}

/* Take the connection that is the client's. A stranger who was faster costs nothing: we go on listening. False: nobody
 * has come yet. Its options are those of the listener. */
static bool accept_try(struct data *d)
{
	struct addr peer;
	socklen_t len = sizeof peer;
	int fd = accept4(d->listen_fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return false;
	if (fd >= 0 && !peer_ok(d, &peer)) {
		fd_close(&fd);
		return false;
	}
	if (fd >= 0)
		d->peer_port = addr_port(&peer);
	open_done(d, fd, fd < 0 ? errno : 0);
	return true;
}

static void accept_event(void *arg, int events)
{
	struct data *d = arg;
	struct session *s = d->s;

	session_ref(s);
	(void)accept_try(d);
	session_unref(s);
}

static void connect_event(void *arg, int events)
{
	struct data *d = arg;
	struct session *s = d->s;
	int error = 0;
	socklen_t len = sizeof error;

	session_ref(s);
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		d->peer_port = addr_port(&d->target);
		open_done(d, d->fd, 0);
	} else
		open_done(d, -1, error);
	session_unref(s);
}

static void wait_until(struct data *d, uint64_t at_ms)
{
	uint64_t now = clock_ms();

	if (!d->alarm)
		d->alarm = alarm_new(session_loop(d->s), open_timeout, d);
	alarm_set(d->alarm, at_ms > now ? at_ms - now : 1);
}

/* Connect fd (given), which has its source address. */
static void connect_with(struct data *d, int fd)
{
	int r;

	d->fd = fd;
	data_socket_options(fd, d->target.sa.sa_family, data_conf(d));
	r = connect(fd, &d->target.sa, addr_len(&d->target)) < 0 ? -errno : 0;
	if ((r == -EADDRINUSE || r == -EADDRNOTAVAIL) && clock_ms() < d->retry_until_ms) {
		fd_close(&d->fd); /* the connection before from our port to his is not forgotten yet */
		wait_until(d, clock_ms() + RETRY_MS);
		return;
	}
	if (r < 0 && r != -EINPROGRESS) {
		open_done(d, -1, -r);
		return;
	}
	wait_until(d, d->give_up_ms);
	d->watch = watch_new(session_loop(d->s), fd, connect_event, d);
	watch_set(d->watch, UV_WRITABLE);
}

/* Source port of active connections: 0 = any, else the port below the control port. */
static uint16_t source_port(const struct data *d, bool *ret_needs_master)
{
	enum ftp_root_revoke rr = data_conf(d)->root_revoke;
	uint16_t control = addr_port(&d->s->local), port = (uint16_t)(control ? control - 1 : 0);

	*ret_needs_master = rr == FTP_ROOT_REVOKE_OFF && port < 1024;
	if (rr == FTP_ROOT_REVOKE_OFF || (rr == FTP_ROOT_REVOKE_ON && port >= 1024))
		return port;
	return 0;
}

static int source_bind(const struct data *d, int fd, uint16_t port)
{
	struct addr local;
	int on = 1;

	addr_unmap(&d->s->local, &local);
	if (local.sa.sa_family != d->target.sa.sa_family)
		return 0;
	addr_set_port(&local, port);
	if (port && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
		return -errno;
	return bind(fd, &local.sa, addr_len(&local)) < 0 ? -errno : 0;
}

static void connect_begin(struct data *d)
{
	struct ipc_sid m = {.sid = d->s->sid};
	bool needs_master;
	uint16_t port = source_port(d, &needs_master);
	int fd, r;

	if (needs_master && !addr_is_any(&d->target)) {
		d->asked = true;
		wait_until(d, d->give_up_ms);
		proc_send(d->s->proc, IPC_ACTIVE_REQUEST, &m);
		return;
	}
	fd = socket(d->target.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : source_bind(d, fd, port);
	if (r == -EADDRINUSE && clock_ms() < d->retry_until_ms) {
		fd_close(&fd);
		wait_until(d, clock_ms() + RETRY_MS);
		return;
	}
	if (r < 0) {
		fd_close(&fd);
		open_done(d, -1, -r);
		return;
	}
	connect_with(d, fd);
}

void session_active_socket(struct session *s, int fd, int error)
{
	struct data *d = s->data;

	if (!d || d->stale > 0 || !d->asked) {
		if (d && d->stale > 0)
			d->stale--;
		fd_close(&fd);
		return;
	}
	d->asked = false;
	session_ref(s);
	if (fd < 0)
		open_done(d, -1, error ? error : EACCES);
	else
		connect_with(d, fd);
	session_unref(s);
}

void data_open(struct session *s, data_opened_fn *opened, void *arg)
{
	struct data *d = data_get(s);
	uint32_t stalled = data_conf(d)->timeout_stalled_ms;
	uint64_t now = clock_ms();

	d->opened = opened;
	d->arg = arg;
	d->peer_port = 0;
	d->give_up_ms = now + (stalled == 0 || stalled == STALLED_DEFAULT_MS ? OPEN_MS : stalled);
	d->retry_until_ms = now + RETRY_FOR_MS;
	if (d->listen_fd < 0) {
		d->cpsv = false;
		addr_unmap(d->active_set ? &d->active : &s->peer, &d->target);
		connect_begin(d);
		return;
	}
	session_ref(s);
	if (!accept_try(d)) { /* the client has usually connected by now */
		d->watch = watch_new(session_loop(s), d->listen_fd, accept_event, d);
		watch_set(d->watch, UV_READABLE);
		wait_until(d, d->give_up_ms);
	}
	session_unref(s);
}

void data_reset(struct data *d)
{
	if (!d)
		return;
	open_clear(d);
	listener_close(d);
}

bool data_is_passive(const struct data *d)
{
	return d && d->listen_fd >= 0;
}

bool data_is_cpsv(const struct data *d)
{
	return d && d->cpsv;
}

uint16_t data_peer_port(const struct data *d)
{
	return d ? d->peer_port : 0;
}

struct data *data_get(struct session *s)
{
	struct data *d = s->data;

	if (d)
		return d;
	d = s->data = xcalloc(1, sizeof *d);
	d->s = s;
	d->fd = d->listen_fd = -1;
	return d;
}

void data_free(struct data **d)
{
	if (!*d)
		return;
	data_reset(*d);
	free(*d);
	*d = NULL;
}
