#include "login/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "login/secure.h"
#include "tls/tls.h"

#define TURNS 16 /* reads at one wake-up: others wait */

enum clearing { CLEAR_NO, CLEAR_DRAIN, CLEAR_SHUTDOWN, CLEAR_WAIT };

struct relay {
	struct list link;
	struct relay_table *table;
	uint32_t sid;
	int net, local;
	struct secure *secure; /* NULL after CCC */
	struct buf to_net, to_local;
	enum clearing clearing;
	bool heard;                   /* close_notify: the end, or an answer to CCC that came before CLEAR */
	bool net_ended, local_ended;  /* nothing more comes from there */
	bool local_shut;              /* the session knows that the client has ended */
	bool ending;                  /* the client has everything and close_notify */
	short tls_waits;              /* POLLIN or POLLOUT that TLS needs to go on writing, 0 = none */
	int net_events, local_events; /* that the loop watches for */
	unsigned handles;
	uv_poll_t net_poll, local_poll;
	uv_timer_t timer;
};

void relay_table_init(struct relay_table *t, uv_loop_t *loop, void (*gone)(void *arg), void *arg)
{
	*t = (struct relay_table){.loop = loop, .gone = gone, .arg = arg};
	list_init(&t->relays);
}

static void handle_closed(uv_handle_t *h)
{
	struct relay *r = h->data;

	if (--r->handles == 0)
		free(r);
}

/* The event handles go before the descriptors. */
static void relay_end(struct relay *r)
{
	struct relay_table *t = r->table;

	if (r->net < 0)
		return;
	uv_close((uv_handle_t *)&r->net_poll, handle_closed);
	uv_close((uv_handle_t *)&r->local_poll, handle_closed);
	uv_close((uv_handle_t *)&r->timer, handle_closed);
	login_secure_free(&r->secure);
	fd_close(&r->net);
	fd_close(&r->local);
	if (r->to_net.data != NULL)
		wipe(r->to_net.data, r->to_net.len);
	buf_done(&r->to_net);
	buf_done(&r->to_local);
	list_del(&r->link);
	t->count--;
	t->gone(t->arg);
}

static void relay_pump(struct relay *r, bool in, bool out);

static void timed_out(uv_timer_t *h)
{
	struct relay *r = h->data;

	if (r->heard && r->clearing == CLEAR_NO && !r->ending) {
		r->net_ended = true;
		relay_pump(r, true, true);
	} else {
		relay_end(r);
	}
}

static void timer_set(struct relay *r, uint64_t ms)
{
	uv_update_time(r->table->loop);
	(void)uv_timer_start(&r->timer, timed_out, ms, 0); /* cannot fail with a callback */
}

static bool again(ssize_t k)
{
	return k == -EAGAIN || k == -EINTR;
}

/* A buffer that is empty goes back to the system. */
static void taken(struct buf *b, size_t n)
{
	buf_consume(b, n);
	if (b->len > 0)
		return;
	buf_done(b);
	buf_init(b, RELAY_BUFFER);
}

/* The client has said close_notify. Is it the end? It may be its part of a CCC, of which we are about to be told: it is
 * the end when TCP says so, or when nobody tells us. */
static void net_heard(struct relay *r)
{
	char next;

	if (!r->heard && r->clearing == CLEAR_NO)
		timer_set(r, RELAY_HEARD_MS);
	r->heard = true;
	r->net_ended = recv(r->net, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool tls_holds(const struct relay *r)
{
	return r->secure != NULL && tls_pending(r->secure->tls) > 0;
}

/* Client to session. False: the connection is lost. */
static bool pump_in(struct relay *r)
{
	static char bytes[4096];
	bool empty = false; /* nothing more is there; what comes later wakes us */
	ssize_t k;

	for (int turn = 0; turn < TURNS || tls_holds(r); turn++) {
		if (r->to_local.len > 0) {
			k = send(r->local, r->to_local.data, r->to_local.len, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (k < 0)
				return again(-errno);
			taken(&r->to_local, (size_t)k);
			continue;
		}
		if (empty || r->net_ended || r->clearing == CLEAR_WAIT)
			return true;
		if (r->heard) {
			net_heard(r);
			return true;
		}
		k = login_secure_recv(r->secure, r->net, bytes, sizeof(bytes));
		if (k > 0 && buf_append(&r->to_local, bytes, (size_t)k) < 0)
			return false;
		empty = k > 0 && (size_t)k < sizeof(bytes) && !tls_holds(r);
		if (k == 0 && r->secure != NULL && tls_heard_close(r->secure->tls))
			net_heard(r);
		else
			r->net_ended = k == 0;
		if (k < 0 && r->secure != NULL)
			login_secure_failed(r->secure);
		if (k < 0)
			return again(k);
	}
	return true;
}

/* Session to client. False: the connection is lost. */
static bool pump_out(struct relay *r)
{
	static char bytes[4096];
	bool empty = false;
	ssize_t k;

	for (int turn = 0; turn < TURNS; turn++) {
		if (r->to_net.len > 0) {
			k = login_secure_send(
				r->secure, r->net, r->to_net.data, r->to_net.len, &r->tls_waits);
			if (k < 0)
				return again(k);
			taken(&r->to_net, (size_t)k);
			continue;
		}
		if (empty || r->local_ended || r->clearing == CLEAR_SHUTDOWN || r->clearing == CLEAR_WAIT)
			return true;
		k = recv(r->local, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (k < 0 && again(-errno)) {
			if (r->clearing == CLEAR_DRAIN) /* all of what was to be encrypted is */
				r->clearing = CLEAR_SHUTDOWN;
			return true;
		}
		if (k > 0 && buf_append(&r->to_net, bytes, (size_t)k) < 0)
			return false;
		empty = k > 0 && (size_t)k < sizeof(bytes) && r->clearing == CLEAR_NO;
		r->local_ended = k <= 0;
	}
	return true;
}

/* --- CCC (RFC 4217 8): close_notify both ways, then the same socket goes on in clear --- */

/* Some clients (curl) do not answer our close_notify and go on in clear at once: what comes then is the letters of
 * a command, and no type of a TLS record (RFC 8446 5.1). */
static bool speaks_clear(const struct relay *r)
{
	unsigned char first;

	return recv(r->net, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && (first < 20 || first > 24);
}

static void cleared(struct relay *r)
{
	login_secure_free(&r->secure);
	r->heard = false;
	r->clearing = CLEAR_NO;
	(void)uv_timer_stop(&r->timer); /* cannot fail */
}

static bool clear_step(struct relay *r)
{
	char none;
	int k;

	if (r->clearing == CLEAR_SHUTDOWN) {
		k = tls_shutdown(r->secure->tls);
		if (k == -EAGAIN)
			r->tls_waits = tls_wants(r->secure->tls);
		if (k < 0)
			return k == -EAGAIN;
		r->clearing = CLEAR_WAIT;
	}
	if (r->clearing == CLEAR_WAIT && speaks_clear(r))
		cleared(r);
	if (r->clearing == CLEAR_WAIT) {
		k = (int)tls_read(r->secure->tls, &none, 1);
		if (k < 0)
			return again(k);
		if (k > 0)
			return false; /* a command in TLS after CCC: nobody may take it for one of the two kinds */
		cleared(r);
	}
	return true;
}

/* --- events --- */

static void on_event(uv_poll_t *h, int status, int events);

/* Are there bytes, which are not read yet? */
static bool net_waits(const struct relay *r)
{
	char next;

	return recv(r->net, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* Each start costs two system calls. False when the loop does not take it. */
static bool poll_for(uv_poll_t *h, int *now, int events)
{
	if (*now == events)
		return true;
	*now = events;
	if (events == 0)
		return uv_poll_stop(h) == 0;
	return uv_poll_start(h, events, on_event) == 0;
}

/* As poll_for(). */
static bool watch(struct relay *r)
{
	int net = 0, local = 0;

	if (!r->net_ended && r->to_local.len == 0 && !(r->heard && net_waits(r)))
		net |= UV_READABLE;
	if (r->to_net.len > 0 || r->clearing == CLEAR_SHUTDOWN)
		net |= r->tls_waits == POLLIN ? UV_READABLE : UV_WRITABLE;
	if (!r->local_ended && r->to_net.len == 0 && (r->clearing == CLEAR_NO || r->clearing == CLEAR_DRAIN))
		local |= UV_READABLE;
	if (r->to_local.len > 0)
		local |= UV_WRITABLE;
	if (r->ending)
		net |= UV_READABLE;
	return poll_for(&r->net_poll, &r->net_events, net) &&
	       poll_for(&r->local_poll, &r->local_events, local);
}

/* The session has closed and the client has all: say the end, and wait a little so that it can read it. */
static void end_softly(struct relay *r)
{
	r->ending = true;
	if (r->secure != NULL)
		(void)tls_shutdown(
			r->secure->tls); /* when the socket is full the client does not read anyway */
	(void)shutdown(r->net, SHUT_WR);
	timer_set(r, RELAY_LINGER_MS);
}

/* in, out: is there anything to do in that direction? */
static void relay_pump(struct relay *r, bool in, bool out)
{
	bool alive = (!in || pump_in(r)) && (!out || pump_out(r));

	if (alive && r->clearing != CLEAR_NO)
		alive = clear_step(r);
	if (alive && r->net_ended && r->to_local.len == 0 && !r->local_shut) {
		r->local_shut = true;
		(void)shutdown(r->local, SHUT_WR); /* a session that is gone is noticed by reading */
	}
	if (alive && r->local_ended && r->to_net.len == 0 && !r->ending)
		end_softly(r);
	if (!alive || (r->ending && r->net_ended) || !watch(r))
		relay_end(r);
}

/* Ending: what the client still says is thrown away. */
static void drain(struct relay *r)
{
	char bytes[4096];
	ssize_t k = recv(r->net, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (k == 0 || (k < 0 && !again(-errno)))
		relay_end(r);
}

static void on_event(uv_poll_t *h, int status, int events)
{
	struct relay *r = h->data;

	if (status < 0)
		relay_end(r); /* reset */
	else if (r->ending)
		drain(r);
	else
		relay_pump(r, h == &r->net_poll || r->to_local.len > 0,
			h == &r->local_poll || r->to_net.len > 0 || r->clearing != CLEAR_NO);
}

int relay_start(struct relay_table *t, uint32_t sid, int net, struct secure *s, int local)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	int e;

	*r = (struct relay){.table = t, .sid = sid, .net = net, .local = local, .secure = s};
	buf_init(&r->to_net, RELAY_BUFFER);
	buf_init(&r->to_local, RELAY_BUFFER);
	r->net_poll.data = r->local_poll.data = r->timer.data = r;
	e = uv_poll_init(t->loop, &r->net_poll, net);
	if (e == 0) {
		r->handles = 1;
		e = uv_poll_init(t->loop, &r->local_poll, local);
	}
	if (e < 0) {
		login_secure_free(&r->secure);
		fd_close(&r->net);
		fd_close(&r->local);
		if (r->handles == 0)
			free(r);
		else
			uv_close((uv_handle_t *)&r->net_poll, handle_closed);
		return e;
	}
	(void)uv_timer_init(t->loop, &r->timer); /* cannot fail */
	r->handles = 3;
	list_add(&t->relays, &r->link);
	t->count++;
	relay_pump(r, true, true);
	return 0;
}

void relay_clear(struct relay_table *t, uint32_t sid)
{
	LIST_EACH(it, tmp, &t->relays)
	{
		struct relay *r = LIST_OBJ(it, struct relay, link);

		if (r->sid != sid || r->secure == NULL || r->clearing != CLEAR_NO || r->ending)
			continue;
		r->clearing = CLEAR_DRAIN;
		timer_set(r, RELAY_CLEAR_MS);
		relay_pump(r, true, true);
		return;
	}
}

void relay_end_all(struct relay_table *t)
{
	LIST_EACH(it, tmp, &t->relays)
	relay_end(LIST_OBJ(it, struct relay, link));
}
