/* DELE (RFC 959 4.1.3): a link is removed itself, never what it leads to. */
#include <errno.h>

#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"

struct dele_work {
	struct path_work w;
	uint64_t bytes;
};

static int dele_look(struct path_work *w, unsigned flags)
{
	struct dele_work *d = (struct dele_work *)w;
	struct session_access a;
	struct statx st;
	int r = session_allowed(w->s, "DELE", w->vpath, VFS_NOFOLLOW, &a);

	if (r < 0)
		return r;
	r = vfs_lstat(w->root, a.real, VFS_NOLINKS, STATX_TYPE | STATX_SIZE, &st);
	if (r == 0 && S_ISDIR(st.stx_mode))
		r = -EISDIR;
	if (r == 0)
		r = vfs_unlink(w->root, a.real);
	if (r == 0)
		d->bytes = st.stx_size;
	session_access_done(&a);
	return r;
}

static enum ftp_result dele_answer(struct session *s, struct path_work *w)
{
	if (w->r == 0)
		session_log_delete(s, w->vpath, ((struct dele_work *)w)->bytes);
	return path_work_done(s, w, 250, "DELE command successful");
}

static enum ftp_result dele_run(struct session *s, const char *arg)
{
	struct dele_work *d = path_work_new(s, arg, sizeof *d, dele_look, dele_answer);

	return d ? path_work_run(&d->w, PATH_POOL) : FTP_DONE;
}

const struct session_cmd session_cmd_dele = {.verb = "DELE", .run = dele_run};
