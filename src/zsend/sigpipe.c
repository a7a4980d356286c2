#include <errno.h>
#include <time.h>

#include "zsend/zsend_priv.h"

void zsend_sigpipe_block(struct zsend_sigpipe *g)
{
	sigset_t set;

	sigemptyset(&set);
	sigpending(&set);
	g->was_pending = sigismember(&set, SIGPIPE) == 1;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	g->active = pthread_sigmask(SIG_BLOCK, &set, &g->old) == 0;
}

void zsend_sigpipe_restore(struct zsend_sigpipe *g)
{
	int e = errno;
	sigset_t set;

	if (!g->active)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (!g->was_pending) {
#ifdef __APPLE__ /* no sigtimedwait */
		sigset_t pending;
		int sig;

		if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1)
			sigwait(&set, &sig);
#else
		static const struct timespec now = {0, 0};

		while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
			;
#endif
	}
	pthread_sigmask(SIG_SETMASK, &g->old, NULL);
	errno = e;
}
