/* Alarms of watch.h: all of a loop on one timer, because a session has one at all times and a uv_timer_t is large. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "session/watch_priv.h"

struct alarm {
	struct alarms *all;
	alarm_fn *fn;
	void *arg;
	uint64_t at;  /* of the loop's time */
	uint64_t seq; /* of equal times the one that was set first */
	size_t pos;   /* in the heap, UNSET when it is not set */
};

#define UNSET SIZE_MAX

struct alarms {
	uv_timer_t timer;
	struct alarm **heap; /* the next one first */
	size_t n, room;
	size_t alarms;     /* set or not */
	uint64_t armed_at; /* for the timer, UINT64_MAX: it is not running */
	uint64_t seq;
	bool firing;
};

static bool before(const struct alarm *a, const struct alarm *b)
{
	return a->at < b->at || (a->at == b->at && a->seq < b->seq);
}

static void heap_put(struct alarms *all, size_t pos, struct alarm *a)
{
	all->heap[pos] = a;
	a->pos = pos;
}

/* Bring a to its place, beginning at pos, which is free. */
static void heap_sift(struct alarms *all, size_t pos, struct alarm *a)
{
	while (pos > 0 && before(a, all->heap[(pos - 1) / 2])) {
		heap_put(all, pos, all->heap[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * pos + 1;

		if (child + 1 < all->n && before(all->heap[child + 1], all->heap[child]))
			child++;
		if (child >= all->n || !before(all->heap[child], a))
			break;
		heap_put(all, pos, all->heap[child]);
		pos = child;
	}
	heap_put(all, pos, a);
}

static void heap_add(struct alarms *all, struct alarm *a)
{
	if (all->n == all->room) {
		all->room = all->room ? 2 * all->room : 16;
		all->heap = xrealloc(all->heap, all->room * sizeof(struct alarm *));
	}
	heap_sift(all, all->n++, a);
}

static void heap_remove(struct alarms *all, struct alarm *a)
{
	size_t pos = a->pos;
	struct alarm *last = all->heap[--all->n];

	a->pos = UNSET;
	if (last != a)
		heap_sift(all, pos, last);
}

static void alarms_fire(uv_timer_t *h);

/* Set the timer for what is next, if that has changed. */
static void alarms_arm(struct alarms *all)
{
	uint64_t at = all->n > 0 ? all->heap[0]->at : UINT64_MAX, now = uv_now(all->timer.loop);

	if (all->firing || at == all->armed_at)
		return; /* firing does it at its end */
	all->armed_at = at;
	if (all->n == 0)
		(void)uv_timer_stop(&all->timer);
	else /* fails only for a handle being closed */
		(void)uv_timer_start(&all->timer, alarms_fire, at > now ? at - now : 0, 0);
}

static void alarms_closed(uv_handle_t *h)
{
	free(h->data);
}

static void alarms_drop(struct alarms *all)
{
	loop_parts(all->timer.loop)->alarms = NULL;
	loop_parts_leave(all->timer.loop);
	free(all->heap);
	uv_close((uv_handle_t *)&all->timer, alarms_closed);
}

static void alarms_fire(uv_timer_t *h)
{
	struct alarms *all = h->data;
	uint64_t now = uv_now(h->loop);

	all->firing = true;
	all->armed_at = UINT64_MAX;
	while (all->n > 0 && all->heap[0]->at <= now) {
		struct alarm *a = all->heap[0];

		heap_remove(all, a);
		a->fn(a->arg);
	}
	all->firing = false;
	if (all->alarms == 0)
		alarms_drop(all);
	else
		alarms_arm(all);
}

static struct alarms *alarms_of(uv_loop_t *loop)
{
	struct loop_parts *parts = loop_parts(loop);
	struct alarms *all = parts->alarms;

	if (!all) {
		parts->alarms = all = xcalloc(1, sizeof *all);
		all->armed_at = UINT64_MAX;
		(void)uv_timer_init(loop, &all->timer); /* cannot fail */
		all->timer.data = all;
	}
	return all;
}

struct alarm *alarm_new(uv_loop_t *loop, alarm_fn *fn, void *arg)
{
	struct alarm *a = xcalloc(1, sizeof *a);

	*a = (struct alarm){.all = alarms_of(loop), .fn = fn, .arg = arg, .pos = UNSET};
	a->all->alarms++;
	return a;
}

static void alarm_set_at(struct alarm *a, uint64_t at)
{
	struct alarms *all = a->all;

	if (a->pos != UNSET)
		heap_remove(all, a);
	a->at = at;
	a->seq = all->seq++;
	heap_add(all, a);
	alarms_arm(all);
}

static uint64_t now_of(struct alarm *a)
{
	uv_loop_t *loop = a->all->timer.loop;

	uv_update_time(loop); /* "from now", not from when this turn of the loop began */
	return uv_now(loop);
}

void alarm_set(struct alarm *a, uint64_t ms)
{
	alarm_set_at(a, now_of(a) + ms);
}

void alarm_set_near(struct alarm *a, uint64_t ms, uint64_t grid_ms)
{
	uint64_t now = now_of(a), at = now + ms;

	if (grid_ms)
		at -= at % grid_ms;
	alarm_set_at(a, at > now ? at : now + 1);
}

void alarm_stop(struct alarm *a)
{
	if (!a || a->pos == UNSET)
		return;
	heap_remove(a->all, a);
	alarms_arm(a->all);
}

void alarm_free(struct alarm **ap)
{
	struct alarm *a = *ap;

	if (!a)
		return;
	*ap = NULL;
	alarm_stop(a);
	if (--a->all->alarms == 0 && !a->all->firing)
		alarms_drop(a->all);
	free(a);
}
