#include "login/client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "ftp/keepalive.h"
#include "ftp/qos.h"
#include "login/secure.h"

#define READ_BYTES 4096 /* at one wake-up, so that one client's flood does not keep the others waiting */

static void check_empty(void *arg)
{
	struct client_table *t = arg;

	if (t->count == 0 && t->relays.count == 0 && t->empty != NULL)
		t->empty(t->arg);
}

void client_table_init(struct client_table *t, uv_loop_t *loop, const struct login_env *env)
{
	memset(t, 0, sizeof(*t));
	relay_table_init(&t->relays, loop, check_empty, t);
	t->loop = loop;
	t->env = env;
	for (unsigned i = 0; i < CLIENT_BUCKETS; i++) {
		list_init(&t->by_cid[i]);
		list_init(&t->by_sid[i]);
	}
}

struct client *client_of(const struct login_conn *c)
{
	return CONTAINER_OF(c, struct client, conn);
}

struct client *client_by_cid(const struct client_table *t, uint32_t cid)
{
	const struct list *head = &t->by_cid[cid % CLIENT_BUCKETS];

	for (struct list *it = head->next; it != head; it = it->next)
		if (LIST_OBJ(it, struct client, cid_link)->conn.cid == cid)
			return LIST_OBJ(it, struct client, cid_link);
	return NULL;
}

struct client *client_by_sid(const struct client_table *t, uint32_t sid)
{
	const struct list *head = &t->by_sid[sid % CLIENT_BUCKETS];

	for (struct list *it = head->next; it != head; it = it->next)
		if (LIST_OBJ(it, struct client, sid_link)->conn.sid == sid)
			return LIST_OBJ(it, struct client, sid_link);
	return NULL;
}

static void handle_closed(uv_handle_t *h)
{
	struct client *cl = h->data;

	if (--cl->handles == 0)
		free(cl);
}

/* The connection has ended or was handed over. The event handle goes first: the socket itself may live on
 * in another process, and must be out of our epoll set before our descriptor is closed. */
static void client_close(struct client *cl)
{
	struct client_table *t = cl->table;

	(void)uv_poll_stop(&cl->poll); /* cannot fail */
	uv_close((uv_handle_t *)&cl->poll, handle_closed);
	uv_close((uv_handle_t *)&cl->timer, handle_closed);
	if (cl->relay_fd >= 0) {
		int r = relay_start(&t->relays, cl->relay_sid, cl->fd, cl->secure, cl->relay_fd);

		if (r < 0)
			log_err(&cl->conn.log, "cannot carry the control connection: %s", uv_strerror(r));
		cl->fd = cl->relay_fd = -1;
		cl->secure = NULL;
	}
	login_secure_free(&cl->secure);
	fd_close(&cl->fd);
	list_del(&cl->cid_link);
	list_del(&cl->sid_link);
	login_conn_done(&cl->conn);
	t->count--;
	check_empty(t);
}

/* --- bytes, in clear or through TLS --- */

static void lost(struct client *cl, ssize_t error)
{
	const char *why = cl->encrypted ? tls_failure(cl->secure->tls) : NULL;

	login_conn_broken(&cl->conn, why != NULL ? why : err_text((int)error), clock_ms());
}

/* Send what there is, until it is gone or the socket is full. */
static void output_send(struct client *cl)
{
	while (cl->conn.out.len > 0 && cl->conn.state != LOGIN_GONE) {
		ssize_t k = login_secure_send(cl->encrypted ? cl->secure : NULL, cl->fd, cl->conn.out.data,
			cl->conn.out.len, &cl->tls_waits);

		if (k >= 0) {
			login_conn_sent(&cl->conn, (size_t)k, clock_ms());
			continue;
		}
		if (k == -EINTR)
			continue;
		if (k != -EAGAIN)
			lost(cl, k);
		return;
	}
}

static void input_read(struct client *cl)
{
	static char bytes[READ_BYTES];
	size_t want = login_conn_wants_input(&cl->conn);
	ssize_t k;

	if (want == 0)
		return;
	/* After our end nothing is read but away. */
	k = login_secure_recv(cl->encrypted && !cl->shut ? cl->secure : NULL, cl->fd, bytes,
		want < sizeof(bytes) ? want : sizeof(bytes));
	if (k > 0) {
		login_conn_input(&cl->conn, bytes, (size_t)k, clock_ms());
		wipe(bytes, (size_t)k); /* may have been a password */
	} else if (k == 0) {
		login_conn_eof(&cl->conn, clock_ms());
	} else if (k != -EAGAIN && k != -EINTR) {
		lost(cl, k);
	}
}

/* --- TLS --- */

static void urgent_inline(int fd, int on)
{
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)); /* an improvement only */
}

static void handshake_failed(struct client *cl, const char *why)
{
	login_conn_tls_failed(&cl->conn, why, clock_ms());
	login_secure_free(&cl->secure); /* why was in it */
	output_send(cl);
}

static void handshake_done(struct client *cl)
{
	char text[512];
	char *env = login_secure_env_text(cl->secure, &cl->conn.server->scope->conf);

	cl->encrypted = true;
	urgent_inline(cl->fd, 1);
	cl->conn.cert_shown = tls_peer_has_cert(cl->secure->tls);
	(void)tls_peer_export(cl->secure->tls,
		&cl->conn.cert); /* one for which there is no room is no login (TLSUserName) */
	login_conn_secured(
		&cl->conn, tls_describe_text(cl->secure->tls, text, sizeof(text)), env, clock_ms());
	free(env);
	output_send(cl);
}

/* A client that sends a Telnet Synch beside the TLS stream must not break it: an urgent byte in the handshake is
 * kept out of it. */
static void handshake(struct client *cl)
{
	const char *why = NULL;
	struct err err = ERR_INIT;
	int r = 0;

	cl->tls_waits = 0;
	if (cl->secure == NULL) {
		urgent_inline(cl->fd, 0);
		r = login_secure_new(&cl->conn, cl->fd, &cl->secure, &err);
		why = err.text;
	}
	if (r == 0)
		r = login_secure_step(cl->secure, &cl->conn, &why);
	if (r == -EAGAIN)
		cl->tls_waits = tls_wants(cl->secure->tls);
	else if (r < 0)
		handshake_failed(cl, why);
	else
		handshake_done(cl);
}

int client_hand_over(struct client *cl, struct ipc_chan *master, const struct ipc_handoff *m)
{
	struct ipc_handoff h = *m;
	uint8_t fingerprint[TLS_FINGERPRINT_BYTES];
	struct buf sessions;
	int fds[2], r;

	if (!cl->encrypted)
		return ipc_send(master, IPC_HANDOFF, m, cl->fd);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	buf_init(&sessions, TLS_SESSIONS_EXPORT_MAX);
	r = tls_sessions_export(cl->secure->sessions, &sessions);
	h.tls_sessions = (struct ipc_bytes){sessions.data, sessions.len};
	if (tls_peer_fingerprint(cl->secure->tls, fingerprint))
		h.tls_peer = (struct ipc_bytes){fingerprint, sizeof(fingerprint)};
	if (r == 0)
		r = ipc_send(master, IPC_HANDOFF, &h, fds[1]);
	if (sessions.data != NULL)
		wipe(sessions.data, sessions.len);
	buf_done(&sessions);
	fd_close(&fds[1]);
	if (r < 0) {
		fd_close(&fds[0]);
		return r;
	}
	login_secure_keep(cl->secure, &cl->conn);
	cl->relay_fd = fds[0];
	cl->relay_sid = m->sid;
	return 0;
}

static void on_socket(uv_poll_t *h, int status, int events)
{
	struct client *cl = h->data;

	if (status < 0) { /* libuv's word for EPOLLERR: a reset */
		if (cl->conn.state == LOGIN_SECURING && cl->secure != NULL)
			handshake(cl); /* an alert came before it: that says more */
		login_conn_broken(&cl->conn, "connection reset", clock_ms());
	} else if ((events & UV_READABLE) != 0 && cl->conn.state != LOGIN_SECURING) {
		input_read(cl);
	}
	client_update(cl);
}

static void on_timer(uv_timer_t *h)
{
	struct client *cl = h->data;

	login_conn_tick(&cl->conn, clock_ms());
	client_update(cl);
}

static void timer_arm(struct client *cl)
{
	uint64_t due = login_conn_deadline(&cl->conn), now = clock_ms();

	if (due == 0) {
		(void)uv_timer_stop(&cl->timer); /* cannot fail */
		return;
	}
	uv_update_time(cl->table->loop);
	(void)uv_timer_start(
		&cl->timer, on_timer, due > now ? due - now : 0, 0); /* cannot fail with a callback */
}

/* HOST and the name in the TLS handshake lead to another server, whose options count then. */
static void server_options(struct client *cl)
{
	const struct ftp_server *server = cl->conn.server;

	if (server == cl->options_of)
		return;
	cl->options_of = server;
	if (server == NULL)
		return;
	ftp_keepalive(cl->fd, &server->scope->conf.socket_options, FTP_KEEPALIVE_CTRL_S);
	if (server->scope->conf.qos.ctrl_set)
		ftp_qos_mark(cl->fd, AF_UNSPEC, server->scope->conf.qos.ctrl);
}

void client_update(struct client *cl)
{
	int events = 0;

	if (cl->fd < 0)
		return;
	server_options(cl);
	output_send(cl);
	if (cl->conn.state == LOGIN_SECURING && cl->conn.out.len == 0)
		handshake(cl);
	/* What TLS has taken from the socket does not make it readable again. */
	while (cl->encrypted && !cl->shut && tls_pending(cl->secure->tls) > 0 &&
		login_conn_wants_input(&cl->conn) > 0) {
		input_read(cl);
		output_send(cl);
	}
	if (cl->conn.state == LOGIN_LINGERING && !cl->shut) {
		if (cl->encrypted)
			(void)tls_shutdown(cl->secure->tls); /* the client will see the end in any case */
		cl->shut = true;
		(void)shutdown(cl->fd, SHUT_WR); /* a client that is gone already is noticed below */
	}
	if (cl->conn.state == LOGIN_GONE) {
		client_close(cl);
		return;
	}
	if (login_conn_wants_input(&cl->conn) > 0)
		events |= UV_READABLE;
	if (cl->tls_waits != 0)
		events |= cl->tls_waits == POLLIN ? UV_READABLE : UV_WRITABLE;
	else if (cl->conn.out.len > 0)
		events |= UV_WRITABLE;
	if (events == 0)
		(void)uv_poll_stop(&cl->poll);
	else if (uv_poll_start(&cl->poll, events, on_socket) < 0) {
		login_conn_broken(&cl->conn, "no room in the event loop", clock_ms());
		client_close(cl);
		return;
	}
	timer_arm(cl);
}

static void socket_options(int fd, const struct ftp_server *server)
{
	const struct ftp_conf *conf = server != NULL ? &server->scope->conf : NULL;
	int on = 1;

	/* Options are improvements: the connection works without. The urgent mark of an ABOR must not take
	 * a byte out of the stream. */
	urgent_inline(fd, 1);
	if (conf == NULL || conf->nodelay_ctrl)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* In the table by its number, not yet begun. NULL, with fd closed, when resources are out. */
static struct client *client_make(struct client_table *t, int fd)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL || uv_poll_init(t->loop, &cl->poll, fd) < 0) {
		free(cl);
		fd_close(&fd);
		return NULL;
	}
	(void)uv_timer_init(t->loop, &cl->timer); /* cannot fail */
	cl->poll.data = cl->timer.data = cl;
	cl->handles = 2;
	cl->table = t;
	cl->fd = fd;
	cl->relay_fd = -1;
	list_init(&cl->sid_link);
	if (++t->last_cid == 0)
		t->last_cid = 1;
	list_add(&t->by_cid[t->last_cid % CLIENT_BUCKETS], &cl->cid_link);
	t->count++;
	return cl;
}

static void known_by_sid(struct client *cl)
{
	if (cl->conn.sid != 0 && list_empty(&cl->sid_link))
		list_add(&cl->table->by_sid[cl->conn.sid % CLIENT_BUCKETS], &cl->sid_link);
}

void client_new(struct client_table *t, int fd, const struct addr *peer, const struct addr *local)
{
	struct client *cl = client_make(t, fd);

	if (cl == NULL)
		return;
	login_conn_init(&cl->conn, t->env, t->last_cid, peer, local, clock_ms());
	socket_options(fd, cl->conn.server);
	client_update(cl);
}

bool client_adopt(struct client_table *t, int fd, const struct ipc_adopt *m)
{
	struct client *cl = client_make(t, fd);

	if (cl == NULL)
		return false;
	login_conn_adopt(&cl->conn, t->env, t->last_cid, m, clock_ms());
	known_by_sid(cl);
	client_update(cl);
	return true;
}

void client_admit(struct client *cl, const struct ipc_admit *m)
{
	login_conn_admit(&cl->conn, m, clock_ms());
	known_by_sid(cl);
	client_update(cl);
}

void client_each(
	struct client_table *t, void (*fn)(struct login_conn *c, void *arg, uint64_t now_ms), void *arg)
{
	for (unsigned i = 0; i < CLIENT_BUCKETS; i++)
		LIST_EACH(it, tmp, &t->by_cid[i])
		{
			struct client *cl = LIST_OBJ(it, struct client, cid_link);

			fn(&cl->conn, arg, clock_ms());
			client_update(cl);
		}
}
