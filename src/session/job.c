/* Work in libuv's thread pool on behalf of a session. */
#include <stdlib.h>

#include "base/alloc.h"
#include "session/proc.h"
#include "session/session_priv.h"

struct session_job {
	uv_work_t req;
	struct session *s;
	session_work_fn *work;
	session_done_fn *done;
	void *arg;
	atomic_bool cancel;
};

static void job_work(uv_work_t *req)
{
	struct session_job *j = req->data;

	j->work(j->arg, &j->cancel);
}

static void job_done(uv_work_t *req, int status)
{
	struct session_job *j = req->data;
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
	j->req.data = j;
	session_ref(s);
	s->job = j;
	(void)uv_queue_work(
		session_loop(s), &j->req, job_work, job_done); /* fails only without a work function */
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
