#include "master/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

int loop_init(struct loop *l, const sigset_t *signals, struct err *err)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

	memset(l, 0, sizeof(*l));
	l->signal_fd = -1;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return err_sys(err, errno, "cannot make an epoll descriptor");
	if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
		return err_sys(err, errno, "cannot block signals");
	l->signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->signal_fd, &ev) < 0)
		return err_sys(err, errno, "cannot make a signal descriptor");
	return 0;
}

void loop_done(struct loop *l)
{
	fd_close(&l->epoll_fd);
	fd_close(&l->signal_fd);
}

int loop_add(struct loop *l, struct loop_watch *w, int fd, uint32_t events, loop_fn *fn, void *arg)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	w->fd = fd;
	w->events = events;
	w->fn = fn;
	w->arg = arg;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		w->fd = -1;
		return -errno;
	}
	return 0;
}

void loop_mod(struct loop *l, struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (w->fd < 0 || w->events == events)
		return;
	w->events = events;
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev); /* cannot fail for a watched descriptor */
}

void loop_del(struct loop *l, struct loop_watch *w)
{
	if (w->fd >= 0)
		(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL); /* it may be closed already */
	w->fd = -1;
}

static void read_signals(struct loop *l)
{
	struct signalfd_siginfo si;

	while (read(l->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		l->on_signal(l->arg, (int)si.ssi_signo);
}

static int wait_ms(uint64_t now, uint64_t next)
{
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	return next - now > 3600000 ? 3600000 : (int)(next - now);
}

void loop_run(struct loop *l)
{
	while (!l->stop) {
		uint64_t now = clock_ms(), next = l->on_turn(l->arg, now);
		struct epoll_event ev;

		/* One event a turn: a handler may free any other watch. */
		if (l->stop || epoll_wait(l->epoll_fd, &ev, 1, wait_ms(now, next)) < 1)
			continue;
		if (ev.data.ptr == NULL) {
			read_signals(l);
		} else {
			struct loop_watch *w = ev.data.ptr;

			w->fn(w->arg, ev.events);
		}
	}
}
