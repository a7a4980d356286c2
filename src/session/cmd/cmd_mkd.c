/* MKD, XMKD, RMD, XRMD (RFC 959 4.1.3). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "ftp/profile.h"
#include "ftp/reply.h"
#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"
#include "session/owner.h"

struct dir_work {
	struct path_work w;
	const char *verb;
	int fd; /* what was made, for UserOwner and GroupOwner; -1 = not needed */
	struct ftp_owner user_owner, group_owner;
};

#define DIR_EXISTS 1

static int mkd_look(struct path_work *w, unsigned flags)
{
	struct dir_work *d = (struct dir_work *)w;
	struct session_access a;
	struct statx st;
	int r = session_allowed(w->s, d->verb, w->vpath, VFS_MISSING_OK | VFS_NOFOLLOW, &a);

	if (r < 0)
		return r;
	r = strcmp(a.real, "/") == 0 ? -EEXIST : vfs_mkdir(w->root, a.real, session_dir_mode(w->s, a.conf));
	if (r == 0 && owner_wanted(a.conf)) {
		d->fd = vfs_open(w->root, a.real, O_PATH | O_DIRECTORY, 0, VFS_NOLINKS);
		d->user_owner = a.conf->user_owner;
		d->group_owner = a.conf->group_owner;
		if (d->fd < 0)
			log_warn(&w->s->log, "a new directory keeps its owner: %s", strerror(-d->fd));
	}
	if (r == -EEXIST && w->s->quirks & FTP_QUIRK_MKD_EXISTS &&
		vfs_stat(w->root, w->vpath, 0, STATX_TYPE, &st) == 0 && S_ISDIR(st.stx_mode))
		r = DIR_EXISTS; /* a camera that hears 550 does not go on to its CWD */
	session_access_done(&a);
	return r;
}

static void dir_done(struct path_work *w)
{
	session_close_fd(w->s, &((struct dir_work *)w)->fd, 0);
}

static enum ftp_result mkd_answer(struct session *s, struct path_work *w)
{
	struct dir_work *d = (struct dir_work *)w;

	if (d->fd >= 0)
		owner_give(s, &d->user_owner, &d->group_owner, d->fd);
	if (w->r < 0)
		return path_work_failed(s, w);
	session_replied(s, 257,
		reply_path(session_out(s), w->vpath,
			w->r == DIR_EXISTS ? " - Directory exists" : " - Directory successfully created"));
	return FTP_DONE;
}

static bool mkd_check(struct session *s, const char *arg)
{
	if (!strchr(arg, '*'))
		return true;
	session_reply(s, 550, "%s: Invalid directory name", arg);
	return false;
}

static int rmd_look(struct path_work *w, unsigned flags)
{
	struct dir_work *d = (struct dir_work *)w;
	struct session_access a;
	int r = session_allowed(w->s, d->verb, w->vpath, VFS_NOFOLLOW, &a);

	if (r < 0)
		return r;
	r = vfs_rmdir(w->root, a.real);
	session_access_done(&a);
	return r;
}

static enum ftp_result rmd_answer(struct session *s, struct path_work *w)
{
	if (w->r < 0)
		return path_work_failed(s, w);
	session_reply(s, 250, "%s command successful", s->cmd->verb);
	return FTP_DONE;
}

static enum ftp_result dir_run(struct session *s, const char *arg, path_look_fn *look, path_answer_fn *answer)
{
	struct dir_work *d = path_work_new(s, arg, sizeof *d, look, answer);

	if (!d)
		return FTP_DONE;
	d->verb = s->cmd->verb;
	d->fd = -1;
	d->w.done = dir_done;
	return path_work_run(&d->w, PATH_POOL);
}

static enum ftp_result mkd_run(struct session *s, const char *arg)
{
	return dir_run(s, arg, mkd_look, mkd_answer);
}

static enum ftp_result rmd_run(struct session *s, const char *arg)
{
	return dir_run(s, arg, rmd_look, rmd_answer);
}

const struct session_cmd session_cmd_mkd = {.verb = "MKD", .check = mkd_check, .run = mkd_run};
const struct session_cmd session_cmd_xmkd = {.verb = "XMKD", .check = mkd_check, .run = mkd_run};
const struct session_cmd session_cmd_rmd = {.verb = "RMD", .run = rmd_run};
const struct session_cmd session_cmd_xrmd = {.verb = "XRMD", .run = rmd_run};
