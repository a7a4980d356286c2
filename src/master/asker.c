#include "master/asker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "master/newborn.h"

#define DEATH_SECS 5 /* from then on until its alarm has ended the process */

static void run(struct master *m, int fd, unsigned secs, size_t size, asker_fn *fn, void *arg)
	__attribute__((noreturn));
static void run(struct master *m, int fd, unsigned secs, size_t size, asker_fn *fn, void *arg)
{
	void *answer = xcalloc(1, size);
	struct sandbox_identity id;
	struct err err = ERR_INIT;
	int r;

	helper_begin("wherryd-ocsp", "OCSP", secs);
	if (dup2(fd, ASKER_FD) < 0)
		_exit(1);
	(void)close_range(ASKER_FD + 1, ~0u, 0);
	if (m->opt.announcement != NULL)
		wipe(m->opt.announcement, strlen(m->opt.announcement));
	score_forget(m->board);
	rate_table_free(m->rates);
	for (struct list *it = m->generations.next; it != &m->generations; it = it->next)
		ftp_config_wipe_secrets(LIST_OBJ(it, struct generation, link)->config);
	r = login_identity(m->gen->config, &id, &err);
	sandbox_drop_bounding(0);
	if (r == 0)
		r = sandbox_switch(&id, &err);
	if (r == 0)
		r = sandbox_drop_caps(0, &err);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
	if (r == 0)
		r = sandbox_confine_asker(&err);
	fn(arg, answer, r < 0 ? err.text : NULL);
	_exit(fd_write_all(ASKER_FD, answer, size) < 0);
}

static void on_answer(void *arg, uint32_t events)
{
	struct asker *a = arg;
	ssize_t n = read(a->fd, (char *)a->answer + a->got, a->size - a->got);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		a->got += (size_t)n;
	if (n <= 0 || a->got == a->size)
		a->done(a->arg, a->got);
}

int asker_start(struct asker *a, struct master *m, unsigned secs, size_t size, asker_fn *fn, void *fn_arg)
{
	int fds[2], r = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		run(m, fds[1], secs, size, fn, fn_arg);
	if (pid < 0)
		r = -errno;
	fd_close(&fds[1]);
	a->watch.fd = -1;
	if (r == 0)
		r = fd_nonblock(fds[0], true);
	if (r == 0)
		r = loop_add(&m->loop, &a->watch, fds[0], EPOLLIN, on_answer, a);
	if (r < 0) {
		fd_close(&fds[0]); /* a process that has no reader ends */
		return r;
	}
	a->fd = fds[0];
	a->m = m;
	a->deadline_ms = clock_ms() + (secs + DEATH_SECS) * UINT64_C(1000);
	a->answer = xcalloc(1, size);
	a->size = size;
	a->got = 0;
	return 0;
}

void asker_stop(struct asker *a)
{
	if (a->fd < 0)
		return;
	loop_del(&a->m->loop, &a->watch);
	fd_close(&a->fd);
	free(a->answer);
	a->answer = NULL;
}
