#include "session/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

#define TICK_MS (POOL_STALL_MS / 2)

struct pool {
	unsigned base;    /* threads that take anything, and the most of one place */
	uv_async_t woken; /* some task is finished */
	uv_timer_t tick;  /* while tasks wait */
	unsigned handles; /* of the loop, not closed yet */

	pthread_mutex_t lock; /* all below */
	pthread_cond_t more;
	struct list waiting, running, finished;
	unsigned n_waiting;
	unsigned threads, idle;
	bool stalled; /* places count: every task has been asked */
	bool stopping;
	pthread_cond_t ended; /* a thread */
};

/* A plain mutex that is held once cannot fail to be taken. */
static void pool_lock(struct pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
}

static void pool_unlock(struct pool *p)
{
	(void)pthread_mutex_unlock(&p->lock);
}

/* --- which task is next; under the lock --- */

static bool place_full(const struct pool *p, const struct pool_task *t)
{
	unsigned n = 0;

	for (const struct list *it = p->running.next; it != &p->running; it = it->next)
		n += LIST_OBJ(it, const struct pool_task, link)->where == t->where;
	return n >= p->base;
}

/* Tasks of one place stand together in long queues: do not count the same place again and again. */
static struct pool_task *task_next(struct pool *p)
{
	const struct pool_task *full = NULL;

	LIST_EACH(it, tmp, &p->waiting)
	{
		struct pool_task *t = LIST_OBJ(it, struct pool_task, link);

		if (!p->stalled)
			return t;
		if (full && full->where == t->where)
			continue;
		if (!place_full(p, t))
			return t;
		full = t;
	}
	return NULL;
}

static void task_run(struct pool *p, struct pool_task *t)
{
	list_del(&t->link);
	p->n_waiting--;
	list_add(&p->running, &t->link);
	pool_unlock(p);
	t->work(t);
	pool_lock(p);
	list_del(&t->link);
	list_add(&p->finished, &t->link);
	pool_unlock(p);
	(void)uv_async_send(
		&p->woken); /* without the lock, which who is woken takes; it cannot be closed before we end */
	pool_lock(p);
}

/* --- threads --- */

/* Wait until there may be a task; false: there was none for so long that this thread is not needed. */
static bool thread_wait(struct pool *p)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += POOL_IDLE_S;
	p->idle++;
	if (p->threads > p->base)
		r = pthread_cond_timedwait(&p->more, &p->lock, &until);
	else
		(void)pthread_cond_wait(&p->more, &p->lock);
	p->idle--;
	return r != ETIMEDOUT || p->threads <= p->base;
}

static void *thread_main(void *arg)
{
	struct pool *p = arg;
	bool needed = true;
	struct pool_task *t;

	pool_lock(p);
	for (;;) {
		t = task_next(p);
		if (t) {
			needed = true;
			task_run(p, t);
		} else if (!needed || p->stopping)
			break;
		else
			needed = thread_wait(p);
	}
	p->threads--;
	(void)pthread_cond_signal(&p->ended);
	pool_unlock(p);
	return NULL;
}

/* Under the lock. Signals are the loop's, but for those that the thread itself causes: blocked, a SIGBUS of a
 * mapped file that was cut would end the process without asking map.c. */
static int thread_start(struct pool *p)
{
	static const int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		(void)sigdelset(&all, own[i]);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, thread_main, p);
	(void)pthread_attr_destroy(&attr);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		p->threads++;
	return -r;
}

/* --- the loop's side --- */

static void place_ask(struct pool_task *t)
{
	if (t->asked)
		return;
	t->asked = true;
	t->where = t->place ? t->place(t) : 0;
}

static void places_ask(struct list *tasks)
{
	LIST_EACH(it, tmp, tasks)
	place_ask(LIST_OBJ(it, struct pool_task, link));
}

/* All threads are busy and someone has waited for long: look where they hang, and make a thread for the first
 * task whose place has not its share. */
static void stall_look(struct pool *p)
{
	p->stalled = true;
	places_ask(&p->running);
	places_ask(&p->waiting);
	if (p->idle > 0)
		(void)pthread_cond_signal(&p->more);
	else if (p->threads < POOL_THREADS_MAX && task_next(p))
		(void)thread_start(p); /* if not now, then perhaps at the next tick */
}

static void pool_tick(uv_timer_t *timer)
{
	struct pool *p = timer->data;
	uint64_t now_ms = clock_ms();

	pool_lock(p);
	if (list_empty(&p->waiting)) {
		/* As long as there are more threads than one place may have, places go on counting. */
		p->stalled = p->stalled && p->threads > p->base;
		(void)uv_timer_stop(&p->tick);
	} else if (p->threads == 0)
		(void)thread_start(p);
	else if (p->stalled ||
		 now_ms >= LIST_OBJ(p->waiting.next, struct pool_task, link)->added_ms + POOL_STALL_MS)
		stall_look(p);
	pool_unlock(p);
}

static void pool_woken(uv_async_t *async)
{
	struct pool *p = async->data;
	struct list mine;

	list_init(&mine);
	pool_lock(p);
	while (!list_empty(&p->finished)) {
		struct list *it = p->finished.next;

		list_del(it);
		list_add(&mine, it);
	}
	pool_unlock(p);
	while (!list_empty(&mine)) {
		struct pool_task *t = LIST_OBJ(mine.next, struct pool_task, link);

		list_del(&t->link);
		t->done(t);
	}
}

void pool_add(struct pool *p, struct pool_task *t)
{
	bool must_wait;

	t->added_ms = clock_ms();
	t->asked = false;
	t->where = 0;
	pool_lock(p);
	if (p->stalled)
		place_ask(t);
	list_add(&p->waiting, &t->link);
	p->n_waiting++;
	must_wait = p->n_waiting > p->idle;
	if (must_wait && p->threads < p->base)
		(void)thread_start(p); /* without any thread the tick tries again */
	else if (must_wait && p->stalled)
		stall_look(p);
	if (must_wait && !uv_is_active((uv_handle_t *)&p->tick))
		(void)uv_timer_start(&p->tick, pool_tick, TICK_MS, TICK_MS);
	pool_unlock(p);
	if (!must_wait)
		(void)pthread_cond_signal(&p->more); /* who wakes up finds the lock free */
}

unsigned pool_threads(struct pool *p)
{
	unsigned n;

	pool_lock(p);
	n = p->threads;
	pool_unlock(p);
	return n;
}

/* --- making and freeing --- */

static void conds_init(struct pool *p)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->more, &attr);
	(void)pthread_cond_init(&p->ended, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int pool_new(uv_loop_t *loop, unsigned threads, struct pool **ret_pool)
{
	struct pool *p = xcalloc(1, sizeof *p);
	int r = uv_async_init(loop, &p->woken, pool_woken);

	if (r < 0) {
		free(p);
		return r; /* libuv's numbers are -errno here */
	}
	(void)uv_timer_init(loop, &p->tick); /* cannot fail */
	p->woken.data = p->tick.data = p;
	p->handles = 2;
	p->base = threads;
	(void)pthread_mutex_init(&p->lock, NULL);
	conds_init(p);
	list_init(&p->waiting);
	list_init(&p->running);
	list_init(&p->finished);
	*ret_pool = p;
	return 0;
}

static void handle_closed(uv_handle_t *h)
{
	struct pool *p = h->data;

	if (--p->handles > 0)
		return;
	(void)pthread_cond_destroy(&p->more);
	(void)pthread_cond_destroy(&p->ended);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

void pool_free(struct pool **pool)
{
	struct pool *p = *pool;

	*pool = NULL;
	if (!p)
		return;
	pool_lock(p);
	p->stopping = true;
	(void)pthread_cond_broadcast(&p->more);
	while (p->threads > 0)
		(void)pthread_cond_wait(&p->ended, &p->lock);
	pool_unlock(p);
	uv_close((uv_handle_t *)&p->woken, handle_closed);
	uv_close((uv_handle_t *)&p->tick, handle_closed);
}
