/* AVBL (draft-peterson-streamlined-ftp-command-extensions-10 4): room for the user's files. */
#include <errno.h>
#include <sys/stat.h>

#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"

struct avbl {
	struct path_work w;
	uint64_t bytes;
};

static int avbl_look(struct path_work *w, unsigned flags)
{
	struct session_access a;
	struct statvfs fs;
	struct statx st;
	int r = session_allowed(w->s, "AVBL", w->vpath, 0, &a);

	if (r < 0)
		return r;
	r = vfs_lstat(w->root, a.real, VFS_NOLINKS, STATX_TYPE, &st);
	if (r == 0 && !S_ISDIR(st.stx_mode))
		r = -ENOTDIR;
	if (r == 0)
		r = vfs_statvfs(w->root, a.real, &fs);
	if (r == 0) /* where it is read-only there is none */
		((struct avbl *)w)->bytes =
			fs.f_flag & ST_RDONLY ? 0 : (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
	session_access_done(&a);
	return r;
}

static enum ftp_result avbl_answer(struct session *s, struct path_work *w)
{
	if (w->r < 0)
		return path_work_failed(s, w);
	session_reply(s, 213, "%llu", (unsigned long long)((struct avbl *)w)->bytes);
	return FTP_DONE;
}

static enum ftp_result avbl_run(struct session *s, const char *arg)
{
	struct avbl *a = path_work_new(s, *arg ? arg : ".", sizeof *a, avbl_look, avbl_answer);

	return a ? path_work_run(&a->w, PATH_POOL) : FTP_DONE;
}

const struct session_cmd session_cmd_avbl = {.verb = "AVBL", .run = avbl_run};
