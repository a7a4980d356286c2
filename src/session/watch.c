#include "session/watch.h"

#include <stdlib.h>

#include "base/alloc.h"

struct watch {
	uv_poll_t handle;
	watch_fn *fn;
	void *arg;
	int events; /* asked for */
};

struct alarm {
	uv_timer_t handle;
	alarm_fn *fn;
	void *arg;
};

static void handle_closed(uv_handle_t *h)
{
	free(h->data);
}

static void watch_event(uv_poll_t *h, int status, int events)
{
	struct watch *w = h->data;

	w->fn(w->arg, status < 0 ? w->events : events);
}

int watch_new(uv_loop_t *loop, int fd, watch_fn *fn, void *arg, struct watch **ret_watch)
{
	struct watch *w = xcalloc(1, sizeof *w);
	int r;

	w->fn = fn;
	w->arg = arg;
	r = uv_poll_init(loop, &w->handle, fd);
	if (r < 0) {
		free(w);
		return r; /* libuv's numbers are -errno here */
	}
	w->handle.data = w;
	*ret_watch = w;
	return 0;
}

void watch_set(struct watch *w, int events)
{
	if (!w || w->events == events)
		return;
	w->events = events;
	if (events)
		(void)uv_poll_start(
			&w->handle, events, watch_event); /* fails only for a handle being closed */
	else
		(void)uv_poll_stop(&w->handle);
}

void watch_free(struct watch **w)
{
	if (!*w)
		return;
	uv_close((uv_handle_t *)&(*w)->handle, handle_closed);
	*w = NULL;
}

static void alarm_event(uv_timer_t *h)
{
	struct alarm *a = h->data;

	a->fn(a->arg);
}

struct alarm *alarm_new(uv_loop_t *loop, alarm_fn *fn, void *arg)
{
	struct alarm *a = xcalloc(1, sizeof *a);

	a->fn = fn;
	a->arg = arg;
	(void)uv_timer_init(loop, &a->handle); /* cannot fail */
	a->handle.data = a;
	return a;
}

void alarm_set(struct alarm *a, uint64_t ms)
{
	uv_update_time(a->handle.loop); /* "from now", not from when this turn of the loop began */
	(void)uv_timer_start(&a->handle, alarm_event, ms, 0); /* fails only for a handle being closed */
}

void alarm_set_near(struct alarm *a, uint64_t ms, uint64_t grid_ms)
{
	uint64_t at, now;

	uv_update_time(a->handle.loop);
	now = uv_now(a->handle.loop);
	at = now + ms;
	if (grid_ms)
		at -= at % grid_ms;
	ms = at > now ? at - now : 1;
	(void)uv_timer_start(&a->handle, alarm_event, ms, 0); /* fails only for a handle being closed */
}

void alarm_stop(struct alarm *a)
{
	if (a)
		(void)uv_timer_stop(&a->handle);
}

void alarm_free(struct alarm **a)
{
	if (!*a)
		return;
	uv_close((uv_handle_t *)&(*a)->handle, handle_closed);
	*a = NULL;
}
