#include "session/watch.h"

#include <poll.h>
#include <stdlib.h>

#include "base/alloc.h"

#define LOOK_MS 20

enum watch_kind {
	WATCH_UNUSED, /* the loop knows nothing of it */
	WATCH_POLLED,
	WATCH_LOOKED /* the kernel has no more room for it, or tells no events of it: the timer asks */
};

struct watch {
	union {
		uv_handle_t any;
		uv_poll_t poll;
		uv_timer_t timer;
	} handle;
	uv_loop_t *loop;
	watch_fn *fn;
	void *arg;
	int fd;
	int events; /* asked for */
	enum watch_kind kind;
};

static void handle_closed(uv_handle_t *h)
{
	free(h->data);
}

static void watch_event(uv_poll_t *h, int status, int events)
{
	struct watch *w = h->data;

	/* libuv has stopped. But the error may be behind bytes that are read first. */
	if (status < 0)
		(void)uv_poll_start(h, w->events, watch_event); /* fails only for a handle being closed */
	w->fn(w->arg, status < 0 ? w->events : events);
}

static void look_event(uv_timer_t *h)
{
	struct watch *w = h->data;
	struct pollfd p = {.fd = w->fd};
	int events;

	p.events = (short)((w->events & UV_READABLE ? POLLIN : 0) | (w->events & UV_WRITABLE ? POLLOUT : 0) |
			   (w->events & UV_DISCONNECT ? POLLRDHUP : 0) |
			   (w->events & UV_PRIORITIZED ? POLLPRI : 0));
	if (poll(&p, 1, 0) <= 0)
		return;
	events = (p.revents & POLLIN ? UV_READABLE : 0) | (p.revents & POLLOUT ? UV_WRITABLE : 0) |
		 (p.revents & POLLRDHUP ? UV_DISCONNECT : 0) | (p.revents & POLLPRI ? UV_PRIORITIZED : 0);
	w->fn(w->arg, p.revents & (POLLERR | POLLHUP | POLLNVAL) ? w->events : events);
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

/* Four system calls, which a connection does without that is used up at once. */
static void watch_begin(struct watch *w)
{
	w->kind = WATCH_POLLED;
	if (uv_poll_init(w->loop, &w->handle.poll, w->fd) < 0) {
		w->kind = WATCH_LOOKED;
		(void)uv_timer_init(w->loop, &w->handle.timer); /* cannot fail */
	}
	w->handle.any.data = w;
}

void watch_set(struct watch *w, int events)
{
	if (!w || w->events == events)
		return;
	if (w->kind == WATCH_UNUSED)
		watch_begin(w);
	w->events = events;
	/* Starting fails only for a handle being closed. */
	if (w->kind == WATCH_LOOKED && events)
		(void)uv_timer_start(&w->handle.timer, look_event, LOOK_MS, LOOK_MS);
	else if (w->kind == WATCH_LOOKED)
		(void)uv_timer_stop(&w->handle.timer);
	else if (events)
		(void)uv_poll_start(&w->handle.poll, events, watch_event);
	else
		(void)uv_poll_stop(&w->handle.poll);
}

void watch_free(struct watch **w)
{
	if (!*w)
		return;
	if ((*w)->kind == WATCH_UNUSED)
		free(*w);
	else
		uv_close(&(*w)->handle.any, handle_closed);
	*w = NULL;
}
