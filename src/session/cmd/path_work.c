#include "session/cmd/path_work.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"

void *path_work_new(
	struct session *s, const char *arg, size_t size, path_look_fn *look, path_answer_fn *answer)
{
	struct path_work *w = xcalloc(1, size);
	int r = session_path(s, arg, w->vpath);

	if (r < 0) {
		free(w);
		session_reply_errno(s, 550, arg, r);
		return NULL;
	}
	w->s = s;
	w->root = s->root;
	w->arg = xstrdup(arg);
	w->look = look;
	w->answer = answer;
	session_note_path(s, w->vpath);
	return w;
}

void path_work_free(struct path_work *w)
{
	if (w->done)
		w->done(w);
	free(w->arg);
	free(w);
}

static enum ftp_result finish(struct session *s, struct path_work *w)
{
	enum ftp_result result = w->answer(s, w);

	path_work_free(w);
	return result;
}

static void pool_work(void *arg, const atomic_bool *cancel)
{
	struct path_work *w = arg;

	w->cancel = cancel;
	w->r = w->look(w, 0);
	w->cancel = NULL;
}

static enum ftp_result pool_done(struct session *s, void *arg)
{
	return finish(s, arg);
}

enum ftp_result path_work_run(struct path_work *w, enum path_try how)
{
	struct session *s = w->s;

	if (how == PATH_TRY_CACHED) {
		w->r = w->look(w, VFS_CACHED);
		if (w->r != -EAGAIN)
			return finish(s, w);
	}
	return session_job(s, pool_work, pool_done, w);
}

enum ftp_result path_work_failed(struct session *s, const struct path_work *w)
{
	session_reply_errno(s, 550, w->arg, w->r);
	return FTP_DONE;
}

enum ftp_result path_work_done(struct session *s, const struct path_work *w, int code, const char *text)
{
	if (w->r < 0)
		return path_work_failed(s, w);
	session_reply(s, code, "%s", text);
	return FTP_DONE;
}

int path_link_allowed(struct session *s, const char *link, const char *text)
{
	char dir[VFS_PATH_SIZE], vpath[VFS_PATH_SIZE];
	struct session_access a;
	int r;

	vfs_path_parent(link, dir);
	if (vfs_path_resolve(dir, text, vpath) < 0)
		return 0;
	r = session_allowed(s, "SITE_SYMLINK", vpath, VFS_MISSING_OK, &a);
	if (r == 0)
		session_access_done(&a);
	return r == -EPERM ? r : 0;
}
