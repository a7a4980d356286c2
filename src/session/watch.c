/* Watches of watch.h: all of a loop in an epoll set of their own that the loop knows as one descriptor, because a session has a
 * watch at all times and a uv_poll_t is large. */
#include "session/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "session/watch_priv.h"

#define LOOK_MS 20
#define BATCH   64 /* descriptors that are served in one turn of the loop */

struct watch {
	uv_loop_t *loop;
	watch_fn *fn;
	void *arg;
	struct alarm *
		look; /* fd is looked at instead: the kernel has no more room for it, or tells no events of it */
	int fd;
	int events; /* asked for */
};

struct watches {
	uv_poll_t poll;
	int set;
	size_t used; /* watches that ask for something; none: the set goes */
	unsigned n_batch;
	struct watch *batch[BATCH]; /* whose events are being told; NULL: asks for nothing any more */
};

struct loop_parts *loop_parts(uv_loop_t *loop)
{
	if (!loop->data)
		loop->data = xcalloc(1, sizeof(struct loop_parts));
	return loop->data;
}

void loop_parts_leave(uv_loop_t *loop)
{
	struct loop_parts *p = loop->data;

	if (p->alarms || p->watches)
		return;
	free(p);
	loop->data = NULL;
}

static uint32_t to_epoll(int events)
{
	return (events & UV_READABLE ? EPOLLIN : 0u) | (events & UV_WRITABLE ? EPOLLOUT : 0u) |
	       (events & UV_DISCONNECT ? EPOLLRDHUP : 0u) | (events & UV_PRIORITIZED ? EPOLLPRI : 0u);
}

/* What of these events w has asked for; after an error all. */
static int from_epoll(const struct watch *w, uint32_t got)
{
	int events = (got & EPOLLIN ? UV_READABLE : 0) | (got & EPOLLOUT ? UV_WRITABLE : 0) |
		     (got & EPOLLRDHUP ? UV_DISCONNECT : 0) | (got & EPOLLPRI ? UV_PRIORITIZED : 0);

	return got & (EPOLLERR | EPOLLHUP) ? w->events : events & w->events;
}

static void set_event(uv_poll_t *h, int status, int events)
{
	struct watches *all = h->data;
	struct epoll_event got[BATCH];
	int n = epoll_wait(all->set, got, BATCH, 0);

	all->n_batch = n > 0 ? (unsigned)n : 0; /* interrupted: the next turn */
	for (unsigned i = 0; i < all->n_batch; i++)
		all->batch[i] = got[i].data.ptr;
	for (unsigned i = 0; i < all->n_batch; i++) {
		struct watch *w = all->batch[i];
		int told = w ? from_epoll(w, got[i].events) : 0;

		if (told)
			w->fn(w->arg, told);
	}
	all->n_batch = 0;
}

static void set_closed(uv_handle_t *h)
{
	free(h->data);
}

static struct watches *watches_of(uv_loop_t *loop)
{
	struct loop_parts *parts = loop_parts(loop);
	struct watches *all = parts->watches;

	if (!all) {
		parts->watches = all = xcalloc(1, sizeof *all);
		all->set = epoll_create1(EPOLL_CLOEXEC);
		all->poll.data = all;
		if (all->set >= 0 && uv_poll_init(loop, &all->poll, all->set) < 0)
			fd_close(&all->set); /* everything is looked at */
		if (all->set >= 0)           /* starting fails only for a handle being closed */
			(void)uv_poll_start(&all->poll, UV_READABLE, set_event);
	}
	return all;
}

static void watches_drop(uv_loop_t *loop)
{
	struct loop_parts *parts = loop_parts(loop);
	struct watches *all = parts->watches;
	int set = all->set;

	parts->watches = NULL;
	loop_parts_leave(loop);
	if (set < 0) {
		free(all);
		return;
	}
	uv_close((uv_handle_t *)&all->poll, set_closed);
	fd_close(&set);
}

static void look_event(void *arg)
{
	struct watch *w = arg;
	struct pollfd p = {.fd = w->fd, .events = (short)to_epoll(w->events)}; /* the same numbers */
	int told;

	alarm_set(w->look, LOOK_MS);
	if (poll(&p, 1, 0) <= 0)
		return;
	told = p.revents & POLLNVAL ? w->events : from_epoll(w, (uint32_t)p.revents);
	if (told)
		w->fn(w->arg, told);
}

struct watch *watch_new(uv_loop_t *loop, int fd, watch_fn *fn, void *arg)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->loop = loop;
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	return w;
}

/* It asks for nothing any more: also what has been fetched is not told. */
static void watch_leave(struct watch *w, struct watches *all)
{
	for (unsigned i = 0; i < all->n_batch; i++) {
		if (all->batch[i] == w)
			all->batch[i] = NULL;
	}
	if (--all->used == 0)
		watches_drop(w->loop);
}

void watch_set(struct watch *w, int events)
{
	struct epoll_event e = {.events = to_epoll(events), .data.ptr = w};
	struct watches *all;
	int op;

	if (!w || w->events == events)
		return;
	/* Even a descriptor that is in the set for nothing would be told of by its errors. */
	op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	all = watches_of(w->loop);
	if (!w->look && epoll_ctl(all->set, op, w->fd, &e) < 0 && op == EPOLL_CTL_ADD)
		w->look = alarm_new(w->loop, look_event, w);
	if (w->look && events)
		alarm_set(w->look, LOOK_MS);
	else
		alarm_stop(w->look);
	all->used += op == EPOLL_CTL_ADD;
	w->events = events;
	if (!events)
		watch_leave(w, all);
}

void watch_free(struct watch **w)
{
	if (!*w)
		return;
	watch_set(*w, 0);
	alarm_free(&(*w)->look);
	free(*w);
	*w = NULL;
}
