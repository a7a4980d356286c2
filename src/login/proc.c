/* The login process: its event loop, its listeners, and its channels to master and auth. */
#include "login/login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ftp/extlogs.h"
#include "ftp/keys.h"
#include "ftp/tls_servers.h"
#include "ftp/variant.h"
#include "ipc/chan.h"
#include "login/client.h"

#define ACCEPT_BATCH    32  /* connections at one wake-up of a listener */
#define MESSAGE_BATCH   128 /* messages at one wake-up of a channel */
#define ACCEPT_PAUSE_MS 100 /* without accepting, after the system had no resources */

struct proc;

struct listener {
	struct proc *proc;
	uv_poll_t poll;
	int fd;
};

struct channel {
	struct proc *proc;
	struct ipc_chan chan;
	uv_poll_t poll;
	void (*message)(struct proc *p, struct ipc_msg *m);
	void (*gone)(struct proc *p, struct channel *ch); /* closed by the peer, or it broke the rules */
};

struct proc {
	const struct proc_start *start;
	uv_loop_t loop;
	struct log_ctx log;
	struct login_env env;
	struct client_table clients;
	struct channel *master, *auth; /* NULL = not there */
	struct listener *listeners;
	unsigned n_listeners;
	uv_timer_t accept_pause;
	int spare_fd; /* given up to accept and turn away when descriptors are out; -1 = none */
	bool crowded; /* descriptors are out, and the log says so */
	bool retired; /* end with the last client */
	struct ipc_scratch scratch;
};

/* --- channels --- */

static void channel_freed(uv_handle_t *h)
{
	free(h->data);
}

static void channel_close(struct channel **ch)
{
	struct channel *c = *ch;

	if (c == NULL)
		return;
	*ch = NULL;
	(void)uv_poll_stop(&c->poll); /* cannot fail */
	ipc_chan_done(&c->chan);
	uv_close((uv_handle_t *)&c->poll, channel_freed);
}

static void on_channel(uv_poll_t *h, int status, int events);

static void channel_arm(struct channel *ch)
{
	int events = UV_READABLE | (ipc_chan_wants_write(&ch->chan) ? UV_WRITABLE : 0);

	(void)uv_poll_start(
		&ch->poll, events, on_channel); /* the descriptor is registered already: cannot fail */
}

/* NULL, with fd closed, when the loop does not take it. */
static struct channel *channel_new(struct proc *p, int fd, enum ipc_role peer,
	void (*message)(struct proc *p, struct ipc_msg *m), void (*gone)(struct proc *p, struct channel *ch))
{
	struct channel *ch = xcalloc(1, sizeof(*ch));

	if (uv_poll_init(&p->loop, &ch->poll, fd) < 0) {
		fd_close(&fd);
		free(ch);
		return NULL;
	}
	ch->proc = p;
	ch->poll.data = ch;
	ch->message = message;
	ch->gone = gone;
	ipc_chan_init(&ch->chan, fd, IPC_LOGIN, peer);
	channel_arm(ch);
	return ch;
}

/* Messages that are there, up to a number. False when the channel has ended. */
static bool channel_read(struct channel *ch)
{
	struct proc *p = ch->proc;

	for (unsigned i = 0; i < MESSAGE_BATCH; i++) {
		struct ipc_msg m;
		int r = ipc_recv(&ch->chan, &p->scratch, &m);

		if (r == 0)
			return true;
		if (r < 0) {
			if (r != -WE_CLOSED)
				log_err(&p->log, "channel failed: %s", err_text(r));
			return false;
		}
		ch->message(p, &m);
		ipc_msg_done(&m);
		if (ch->chan.fd < 0) /* the message replaced this channel */
			return true;
	}
	return true;
}

static void on_channel(uv_poll_t *h, int status, int events)
{
	struct channel *ch = h->data;
	bool alive = status >= 0 && channel_read(ch);

	if (ch->chan.fd < 0)
		return;
	if (alive && ipc_chan_flush(&ch->chan) < 0)
		alive = false;
	if (!alive)
		ch->gone(ch->proc, ch);
	else
		channel_arm(ch);
}

/* --- what connections ask for --- */

static int to_master(void *arg, const struct login_conn *c, enum ipc_type type, const void *msg)
{
	struct proc *p = arg;
	int r;

	if (p->master == NULL)
		return -WE_CLOSED;
	if (type == IPC_HANDOFF)
		r = client_hand_over(client_of(c), &p->master->chan, msg);
	else
		r = ipc_send(&p->master->chan, type, msg, -1);
	channel_arm(p->master);
	return r;
}

static int to_auth(void *arg, const struct ipc_auth_request *req)
{
	struct proc *p = arg;
	int r;

	if (p->auth == NULL)
		return -WE_CLOSED;
	r = ipc_send(&p->auth->chan, IPC_AUTH_REQUEST, req, -1);
	channel_arm(p->auth);
	return r;
}

static int to_resolver(void *arg, const struct ipc_resolve *q)
{
	struct proc *p = arg;
	int r;

	if (p->auth == NULL)
		return -WE_CLOSED;
	r = ipc_send(&p->auth->chan, IPC_RESOLVE, q, -1);
	channel_arm(p->auth);
	return r;
}

/* --- accepting --- */

static void listeners_arm(struct proc *p, bool on);

static void accept_resume(uv_timer_t *h)
{
	listeners_arm(h->data, true);
}

static void accept_wait(struct proc *p)
{
	listeners_arm(p, false);
	(void)uv_timer_start(
		&p->accept_pause, accept_resume, ACCEPT_PAUSE_MS, 0); /* cannot fail with a callback */
}

/* Descriptors are out. With the spare one, take the next client off the queue and tell it: otherwise it
 * would wait, and the listener would wake us for it without end. False when that is not possible either. */
static bool turn_away(struct proc *p, int listen_fd)
{
	static const char text[] = "421 Service not available, too many connections\r\n";
	int fd;

	if (!p->crowded)
		log_warn(&p->log, "no descriptors left, turning clients away");
	p->crowded = true;
	if (p->spare_fd < 0)
		return false;
	fd_close(&p->spare_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		(void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* a courtesy */
	fd_close(&fd);
	p->spare_fd = fcntl(p->master->chan.fd, F_DUPFD_CLOEXEC, 3);
	return p->spare_fd >= 0;
}

/* One connection. False: no more now. */
static bool accept_one(struct proc *p, int listen_fd)
{
	struct addr peer, local;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(listen_fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return false;
		if ((errno == EMFILE || errno == ENFILE) && turn_away(p, listen_fd))
			return true;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			accept_wait(p);
			return false;
		}
		return errno != EBADF && errno != EINVAL; /* others are of that one connection: accept(2) */
	}
	p->crowded = false;
	if (addr_from_sockaddr((struct sockaddr *)&ss, len, &peer) < 0 || addr_local(fd, &local) < 0) {
		fd_close(&fd);
		return true;
	}
	addr_unmap(&peer, &peer);
	addr_unmap(&local, &local);
	client_new(&p->clients, fd, &peer, &local);
	return true;
}

static void on_listener(uv_poll_t *h, int status, int events)
{
	struct listener *l = h->data;

	if (status < 0) {
		log_err(&l->proc->log, "a listener failed: %s", uv_strerror(status));
		accept_wait(l->proc);
		return;
	}
	for (unsigned i = 0; i < ACCEPT_BATCH && accept_one(l->proc, l->fd); i++)
		;
}

static void listeners_arm(struct proc *p, bool on)
{
	for (unsigned i = 0; i < p->n_listeners; i++)
		if (on)
			(void)uv_poll_start(
				&p->listeners[i].poll, UV_READABLE, on_listener); /* cannot fail: as above */
		else
			(void)uv_poll_stop(&p->listeners[i].poll);
}

static void listeners_close(struct proc *p)
{
	listeners_arm(p, false);
	(void)uv_timer_stop(&p->accept_pause);
	for (unsigned i = 0; i < p->n_listeners; i++) {
		uv_close((uv_handle_t *)&p->listeners[i].poll, NULL);
		fd_close(&p->listeners[i].fd);
	}
	p->n_listeners = 0; /* the memory stays: the loop still looks at it */
}

/* --- messages of master --- */

static void stop_when_empty(void *arg)
{
	struct proc *p = arg;

	if (p->retired)
		uv_stop(&p->loop);
}

static void end_client(struct login_conn *c, void *arg, uint64_t now_ms)
{
	login_conn_end(c, arg, now_ms);
}

static void on_retire(struct proc *p, const struct ipc_retire *q)
{
	char line[1200];

	log_debug(&p->log, 1, "retired with %u clients", p->clients.count);
	listeners_close(p);
	p->retired = true;
	if (q->now) {
		(void)snprintf(line, sizeof(line), "421 %s",
			q->text[0] != '\0' ? q->text : "Service not available, closing control connection");
		client_each(&p->clients, end_client, line);
	}
	if (p->clients.count == 0 && p->clients.relays.count == 0)
		uv_stop(&p->loop);
}

static void on_auth_channel(struct proc *p, struct ipc_msg *m);

/* Master counts a client that is not here. */
static void disown(struct proc *p, uint32_t sid)
{
	struct ipc_disconnect gone = {.sid = sid};

	(void)ipc_send(&p->master->chan, IPC_DISCONNECT, &gone, -1); /* fails only when master is gone */
	channel_arm(p->master);
}

static void on_admit(struct proc *p, const struct ipc_admit *q)
{
	struct client *cl = client_by_cid(&p->clients, q->cid);

	if (cl != NULL)
		client_admit(cl, q);
	else if (q->verdict == IPC_OK) /* it went away meanwhile */
		disown(p, q->sid);
}

static void master_message(struct proc *p, struct ipc_msg *m)
{
	struct client *cl;

	switch (m->permit->type) {
	case IPC_ADMIT:
		on_admit(p, &m->admit);
		break;
	case IPC_LOGIN_RESULT:
		cl = client_by_sid(&p->clients, m->login_result.sid);
		if (cl != NULL) {
			login_conn_result(&cl->conn, &m->login_result, clock_ms());
			client_update(cl);
		} /* else it went away: master has our DISCONNECT */
		break;
	case IPC_CERT_STATUS:
		cl = client_by_sid(&p->clients, m->cert_status.sid);
		if (cl != NULL) {
			login_conn_cert_status(&cl->conn, &m->cert_status, clock_ms());
			client_update(cl);
		} /* else it went away */
		break;
	case IPC_ADOPT:
		if (!client_adopt(&p->clients, ipc_msg_take_fd(m), &m->adopt))
			disown(p, m->adopt.sid);
		break;
	case IPC_AUTH_CHANNEL:
		on_auth_channel(p, m);
		break;
	case IPC_KEYS_CHANNEL:
		ftp_keys_set_channel(ipc_msg_take_fd(m));
		break;
	case IPC_LOG_REOPEN:
		(void)ftp_logfile_reopen(p->start->config, m->log_reopen.index,
			ipc_msg_take_fd(m)); /* else the old file goes on */
		break;
	case IPC_CLEAR:
		relay_clear(&p->clients.relays, m->sid.sid);
		break;
	case IPC_RETIRE:
		on_retire(p, &m->retire);
		break;
	default: /* the permit table lets nothing else through */
		break;
	}
}

static void master_gone(struct proc *p, struct channel *ch)
{
	log_debug(&p->log, 1, "master is gone");
	uv_stop(&p->loop);
}

/* --- auth --- */

static void conn_auth_lost(struct login_conn *c, void *arg, uint64_t now_ms)
{
	login_conn_auth_lost(c, now_ms);
}

static void conn_auth_ready(struct login_conn *c, void *arg, uint64_t now_ms)
{
	login_conn_auth_ready(c, now_ms);
}

static void auth_message(struct proc *p, struct ipc_msg *m)
{
	bool name = m->permit->type == IPC_RESOLVED;
	struct client *cl = client_by_sid(&p->clients, name ? m->resolved.sid : m->auth_failed.sid);

	if (cl == NULL)
		return; /* it went away */
	if (name)
		login_conn_resolved(&cl->conn, &m->resolved, clock_ms());
	else
		login_conn_failed(&cl->conn, &m->auth_failed, clock_ms());
	client_update(cl);
}

static void auth_gone(struct proc *p, struct channel *ch)
{
	channel_close(&p->auth);
	client_each(&p->clients, conn_auth_lost, NULL);
}

static void on_auth_channel(struct proc *p, struct ipc_msg *m)
{
	if (p->auth != NULL) {
		(void)channel_read(p->auth); /* what the old one had said before it ended */
		auth_gone(p, p->auth);
	}
	p->auth = channel_new(p, ipc_msg_take_fd(m), IPC_AUTH, auth_message, auth_gone);
	if (p->auth != NULL)
		client_each(&p->clients, conn_auth_ready, NULL);
}

/* --- the process --- */

static int proc_init(struct proc *p, const struct proc_start *start)
{
	static const struct login_ops ops = {to_master, to_auth, to_resolver};
	int r;

	p->start = start;
	p->log = (struct log_ctx){.process = "login"};
	p->env = (struct login_env){
		.config = start->config, .ops = &ops, .arg = p, .score = start->score, .log = &p->log};
	r = uv_loop_init(&p->loop);
	if (r < 0)
		return r;
	p->env.variants = ftp_variants_new();
	p->env.extlogs = extlogs_new(start->config);
	extlogs_prepare(p->env.extlogs);
	p->env.tls_cache = tls_cache_new(&start->config->tls_cache);
	client_table_init(&p->clients, &p->loop, &p->env);
	p->clients.empty = stop_when_empty;
	p->clients.arg = p;
	(void)uv_timer_init(&p->loop, &p->accept_pause); /* cannot fail */
	p->accept_pause.data = p;
	p->master = channel_new(p, start->chan_fd, IPC_MASTER, master_message, master_gone);
	if (p->master == NULL)
		return -ENOMEM;
	p->spare_fd = fcntl(p->master->chan.fd, F_DUPFD_CLOEXEC, 3);
	p->listeners = xcalloc(start->n_listeners > 0 ? start->n_listeners : 1, sizeof(*p->listeners));
	for (unsigned i = 0; i < start->n_listeners; i++) {
		struct listener *l = &p->listeners[i];

		*l = (struct listener){.proc = p, .fd = start->listeners[i]};
		r = uv_poll_init(&p->loop, &l->poll, l->fd);
		if (r < 0)
			return r;
		l->poll.data = l;
		p->n_listeners++;
	}
	return 0;
}

static void handle_close(uv_handle_t *h, void *arg)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void conn_drop(struct login_conn *c, void *arg, uint64_t now_ms)
{
	login_conn_broken(c, "the process ends", now_ms);
}

static void proc_done(struct proc *p)
{
	client_each(&p->clients, conn_drop, NULL);
	relay_end_all(&p->clients.relays);
	listeners_close(p);
	channel_close(&p->auth);
	channel_close(&p->master);
	uv_walk(&p->loop, handle_close, NULL);
	(void)uv_run(&p->loop, UV_RUN_DEFAULT); /* the close callbacks */
	(void)uv_loop_close(&p->loop);
	fd_close(&p->spare_fd);
	free(p->listeners);
	extlogs_free(&p->env.extlogs);
	tls_cache_free(&p->env.tls_cache);
	ftp_variants_free(&p->env.variants);
}

int login_main(const struct proc_start *start)
{
	struct proc *p = xcalloc(1, sizeof(*p));
	struct err err = ERR_INIT;
	int r;

	p->spare_fd = -1;
	ftp_tls_start(start->config, IPC_LOGIN);
	r = proc_init(p, start);
	if (r < 0) {
		log_err(&p->log, "login process cannot start: %s", uv_strerror(r));
		return EXIT_FAILURE; /* what was set up goes with the process */
	}
	if (start->confine != NULL && start->confine(start, -1, &err) < 0) {
		log_err(&p->log, "login process cannot be confined: %s", err.text);
		return EXIT_FAILURE;
	}
	listeners_arm(p, true);
	(void)uv_run(&p->loop, UV_RUN_DEFAULT); /* until uv_stop() */
	proc_done(p);
	free(p);
	ftp_tls_stop();
	return EXIT_SUCCESS;
}
