/* Threads for what may block: file systems above all. One pool a session process, driven from its loop.
 *
 * Tasks run in the order they came, as long as threads are free. What hangs in one place must not take the
 * threads of all others, so each task has a place, the number of the device it works on. The threads that
 * the pool starts with take anything. When tasks had to wait for POOL_STALL_MS because all threads hang, the
 * places of all tasks are looked at: one place may have as many threads as the pool starts with, and for
 * tasks of other places there are more threads, up to POOL_THREADS_MAX, that end when they are not needed
 * any more. So a file server that does not answer holds up its own users and nobody else.
 */
#ifndef SESSION_POOL_H
#define SESSION_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"

#define POOL_STALL_MS    40 /* a task waits at most so long before hanging places are looked for */
#define POOL_THREADS_MAX 64
#define POOL_IDLE_S      20 /* then a thread beyond the first ones ends */

/* One piece of work. The owner zeroes it, sets the first four fields, and keeps it in place until done() is
 * called. */
struct pool_task {
	void (*work)(struct pool_task *t); /* in a pool thread */
	void (*done)(struct pool_task *t); /* on the loop, once, after work(); may free t or add it again */
	/* Where may work() hang? Number of a device, 0 = nobody knows, which is a place as well. On the loop,
	 * also while work() runs; does not block. NULL: 0. Asked only when threads are short. */
	uint64_t (*place)(const struct pool_task *t);
	void *arg;

	/* the pool's */
	struct list link;
	uint64_t added_ms;
	uint64_t where; /* place(), when asked is set */
	bool asked;
};

struct pool;

/* threads: how many it starts with, made when they are first needed. 0, or -errno. */
int pool_new(uv_loop_t *loop, unsigned threads, struct pool **ret_pool);
/* Every task is done. Ends the threads; the loop must run once more for the close callbacks. *pool is set to
 * NULL; NULL inside is fine. */
void pool_free(struct pool **pool);
/* t: kept until its done(). On the loop. */
void pool_add(struct pool *pool, struct pool_task *t);
unsigned pool_threads(struct pool *pool); /* that exist now */

#endif
