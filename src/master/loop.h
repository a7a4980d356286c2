/* Master's event loop: epoll, one signalfd, one deadline. Master forks, so it uses no library with threads or
 * hidden descriptors; children make their own libuv loops.
 */
#ifndef MASTER_LOOP_H
#define MASTER_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

struct loop_watch;
typedef void loop_fn(void *arg, uint32_t events); /* EPOLL* bits */

/* One descriptor that is waited for. Lives in its owner; fd -1 = not watched. */
struct loop_watch {
	int fd; /* borrowed */
	uint32_t events;
	loop_fn *fn;
	void *arg;
};

struct loop {
	int epoll_fd, signal_fd;
	bool stop;
	void (*on_signal)(void *arg, int signo);
	/* Called before each wait; returns the time (clock_ms()) of its next work, UINT64_MAX for none. */
	uint64_t (*on_turn)(void *arg, uint64_t now_ms);
	void *arg;
};

/* Of two times of next work the sooner one. */
static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* signals: those that on_signal wants; they are blocked in this process. 0 or -errno. */
int loop_init(struct loop *l, const sigset_t *signals, struct err *err);
void loop_done(struct loop *l);
int loop_add(struct loop *l, struct loop_watch *w, int fd, uint32_t events, loop_fn *fn, void *arg);
void loop_mod(struct loop *l, struct loop_watch *w, uint32_t events);
void loop_del(struct loop *l, struct loop_watch *w); /* not watched: fine */
void loop_run(struct loop *l);                       /* until stop */

#endif
