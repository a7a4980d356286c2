/* SIZE and MDTM (RFC 3659 3, 4): of regular files only. */

#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"
#include "session/facts.h"

struct stat_work {
	struct path_work w;
	struct statx st;
	bool special; /* it exists, but is no regular file */
};

static int file_look(struct path_work *w, const char *verb, unsigned mask, unsigned flags)
{
	struct stat_work *t = (struct stat_work *)w;
	struct session_access a;
	int r = session_allowed(w->s, verb, w->vpath, path_cached(flags), &a);

	if (r < 0)
		return r;
	r = vfs_stat(w->root, a.real, VFS_NOLINKS | path_cached(flags), mask | STATX_TYPE, &t->st);
	t->special = r == 0 && !S_ISREG(t->st.stx_mode);
	session_access_done(&a);
	return r;
}

static int size_look(struct path_work *w, unsigned flags)
{
	return file_look(w, "SIZE", STATX_SIZE, flags);
}

static enum ftp_result size_answer(struct session *s, struct path_work *w)
{
	const struct stat_work *t = (struct stat_work *)w;

	if (w->r < 0)
		return path_work_failed(s, w);
	if (t->special)
		session_reply(s, 550, "%s: not a regular file", w->arg);
	else
		session_reply(s, 213, "%llu", (unsigned long long)t->st.stx_size);
	return FTP_DONE;
}

/* The size after translation could only be told by reading the whole file. */
static bool size_check(struct session *s, const char *arg)
{
	if (!s->ascii)
		return true;
	session_reply(s, 550, "SIZE not allowed in ASCII mode");
	return false;
}

static enum ftp_result size_run(struct session *s, const char *arg)
{
	struct stat_work *t = path_work_new(s, arg, sizeof *t, size_look, size_answer);

	return t ? path_work_run(&t->w, PATH_TRY_CACHED) : FTP_DONE;
}

static int mdtm_look(struct path_work *w, unsigned flags)
{
	return file_look(w, "MDTM", STATX_MTIME, flags);
}

static enum ftp_result mdtm_answer(struct session *s, struct path_work *w)
{
	const struct stat_work *t = (struct stat_work *)w;
	char time[15];

	if (w->r < 0)
		return path_work_failed(s, w);
	facts_time(t->st.stx_mtime.tv_sec, time);
	if (t->special)
		session_reply(s, 550, "%s: not a plain file", w->arg);
	else
		session_reply(s, 213, "%s", time);
	return FTP_DONE;
}

static enum ftp_result mdtm_run(struct session *s, const char *arg)
{
	struct stat_work *t = path_work_new(s, arg, sizeof *t, mdtm_look, mdtm_answer);

	return t ? path_work_run(&t->w, PATH_TRY_CACHED) : FTP_DONE;
}

const struct session_cmd session_cmd_size = {.verb = "SIZE", .check = size_check, .run = size_run};
const struct session_cmd session_cmd_mdtm = {.verb = "MDTM", .run = mdtm_run};
