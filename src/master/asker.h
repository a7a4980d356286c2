/* A process forked to ask an OCSP responder, as the account of the login processes: it may read files and use the network, and
 * nothing else. It reads what strangers say, so nothing that it answers is believed beyond what it can do anyway. Its answer is a
 * struct that comes through a pipe. Who waits for it is delayed by nothing: the process ends by itself. */
#ifndef MASTER_ASKER_H
#define MASTER_ASKER_H

#include "master/master.h"

#define ASKER_FD 3 /* in the process: where the answer goes */

/* In the process: fill answer. failed: NULL, or why the process cannot ask (it has not become what it should be). */
typedef void asker_fn(void *arg, void *answer, const char *failed);

struct asker {
	int fd;               /* -1 = there is no process */
	uint64_t deadline_ms; /* it has ended by then, or is not what it was: asker_stop() */
	struct master *m;
	struct loop_watch watch;
	void *answer; /* any bytes but for their number */
	size_t size, got;
	void (*done)(
		void *arg, size_t got); /* got < size: it has ended without an answer. Calls asker_stop() */
	void *arg;
};

/* Fork one that runs fn(arg) and has size bytes to say, and that ends after secs at the latest. a->done and a->arg are set. 0, or
 * -errno. */
int asker_start(struct asker *a, struct master *m, unsigned secs, size_t size, asker_fn *fn, void *fn_arg);
/* Listen to it no more; its answer is freed. Fine when there is none. */
void asker_stop(struct asker *a);

#endif
