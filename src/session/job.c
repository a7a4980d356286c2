/* Work in the thread pool on behalf of a session. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "session/ctrl.h"
#include "session/pool.h"
#include "session/proc.h"
#include "session/session_priv.h"
#include "session/xfer.h"
#include "vfs/fstype.h"

#define LONG_MS 1000

struct session_job {
	struct pool_task task;
	struct session *s;
	session_work_fn *work;
	session_done_fn *done;
	void *arg;
	atomic_bool cancel;
};

/* Most jobs work on the object of their command. */
uint64_t session_place(const struct session *s)
{
	return vfs_device_hint(s->root, s->cmd && s->cmd->vpath ? s->cmd->vpath : s->cwd);
}

static uint64_t job_place(const struct pool_task *t)
{
	const struct session_job *j = t->arg;

	return session_place(j->s);
}

static void job_work(struct pool_task *t)
{
	struct session_job *j = t->arg;

	j->work(j->arg, &j->cancel);
}

static void job_done(struct pool_task *t)
{
	struct session_job *j = t->arg;
	struct session *s = j->s;
	enum ftp_result result;

	/* s->job stays for the time of done(), which may ask session_job_cancelled(), and is replaced when
	 * it starts another. */
	result = j->done(s, j->arg);
	if (s->job == j)
		s->job = NULL;
	free(j);
	session_finish(s, result);
	session_unref(s);
}

enum ftp_result session_job(struct session *s, session_work_fn *work, session_done_fn *done, void *arg)
{
	struct session_job *j = xcalloc(1, sizeof *j);

	j->s = s;
	j->work = work;
	j->done = done;
	j->arg = arg;
	atomic_init(&j->cancel, s->job && atomic_load(&s->job->cancel));
	j->task = (struct pool_task){.work = job_work, .done = job_done, .place = job_place, .arg = j};
	session_ref(s);
	s->job = j;
	pool_add(s->proc->pool, &j->task);
	return FTP_WAIT_JOB;
}

bool session_job_cancelled(const struct session *s)
{
	return s->job && atomic_load(&s->job->cancel);
}

void session_job_cancel(struct session *s)
{
	if (s->job)
		atomic_store(&s->job->cancel, true);
}

/* --- long work --- */

/* The client may want to hear of it. */
static void long_begin(struct session *s, const struct session_long *what)
{
	timers_transfer(s); /* work for the client, after which it must not be sent away for doing nothing */
	if (s->long_job || !s->ctrl || line_waiting(&s->ctrl->lines))
		return;
	s->long_job = what;
	log_debug(&s->log, 5, "%s takes long", what->verb);
	if (s->ctrl->eof)
		session_job_cancel(s);
}

enum ftp_result session_job_long(struct session *s, const struct session_long *what, session_work_fn *work,
	session_done_fn *done, void *arg)
{
	if (clock_ms() - what->begun_ms >= LONG_MS)
		long_begin(s, what);
	return session_job(s, work, done, arg);
}

void session_long_end(struct session *s, const struct session_long *what)
{
	if (s->long_job == what)
		s->long_job = NULL;
}

/* --- closing --- */

struct closing {
	struct pool_task task;
	struct session *s;
	int fd;
	dev_t dev;
};

static uint64_t closing_place(const struct pool_task *t)
{
	const struct closing *c = t->arg;

	return c->dev;
}

static void closing_work(struct pool_task *t)
{
	struct closing *c = t->arg;

	fd_close(&c->fd);
}

static void closing_done(struct pool_task *t)
{
	struct closing *c = t->arg;

	session_unref(c->s);
	free(c);
}

void session_close_fd(struct session *s, int *fd, dev_t dev)
{
	const struct vfs_fstype *fs = dev ? vfs_fstype_known(dev) : NULL;
	struct closing *c;

	if (*fd < 0 || (fs && fs->local)) {
		fd_close(fd);
		return;
	}
	c = xcalloc(1, sizeof *c);
	c->s = s;
	c->fd = *fd;
	c->dev = dev;
	c->task = (struct pool_task){
		.work = closing_work, .done = closing_done, .place = closing_place, .arg = c};
	*fd = -1;
	session_ref(s);
	pool_add(s->proc->pool, &c->task);
}

struct source_end {
	struct pool_task task;
	struct session *s;
	struct xfer_source *src;
};

static uint64_t source_end_place(const struct pool_task *t)
{
	const struct source_end *e = t->arg;

	return session_place(e->s);
}

static void source_end_work(struct pool_task *t)
{
	struct source_end *e = t->arg;

	e->src->free(e->src);
}

static void source_end_done(struct pool_task *t)
{
	struct source_end *e = t->arg;

	session_unref(e->s);
	free(e);
}

void session_free_source(struct session *s, struct xfer_source *src)
{
	struct source_end *e = xcalloc(1, sizeof *e);

	e->s = s;
	e->src = src;
	e->task = (struct pool_task){
		.work = source_end_work, .done = source_end_done, .place = source_end_place, .arg = e};
	session_ref(s);
	pool_add(s->proc->pool, &e->task);
}
