/* RNFR, RNTO (RFC 959 4.1.3). The name given by RNFR is used up by the next RNTO, whether that succeeds or
 * not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"

struct rename_work {
	struct path_work w;
	char *from; /* RNTO: a vpath without links but the last component */
	char real[VFS_PATH_SIZE];
	bool refused; /* the target exists and AllowOverwrite is off */
};

static void rename_done(struct path_work *w)
{
	free(((struct rename_work *)w)->from);
}

/* --- RNFR --- */

static int rnfr_look(struct path_work *w, unsigned flags)
{
	struct rename_work *n = (struct rename_work *)w;
	struct session_access a;
	struct statx st;
	int r = session_allowed(w->s, "RNFR", w->vpath, VFS_NOFOLLOW | path_cached(flags), &a);

	if (r < 0)
		return r;
	r = vfs_lstat(w->root, a.real, VFS_NOLINKS | path_cached(flags), STATX_TYPE, &st);
	memcpy(n->real, a.real, sizeof n->real);
	session_access_done(&a);
	return r;
}

static enum ftp_result rnfr_answer(struct session *s, struct path_work *w)
{
	char *from;

	if (w->r < 0)
		return path_work_failed(s, w);
	from = strdup(((struct rename_work *)w)->real);
	if (!from) {
		w->r = -ENOMEM;
		return path_work_failed(s, w);
	}
	s->rename_from = from;
	session_reply(s, 350, "File or directory exists, ready for destination name");
	return FTP_DONE;
}

static enum ftp_result rnfr_run(struct session *s, const char *arg)
{
	struct rename_work *n;

	free(s->rename_from);
	s->rename_from = NULL;
	n = path_work_new(s, arg, sizeof *n, rnfr_look, rnfr_answer);
	return n ? path_work_run(&n->w, PATH_TRY_CACHED) : FTP_DONE;
}

/* --- RNTO --- */

/* To another file system: a file is copied and then removed, a directory stays where it is. */
static int rename_across(struct rename_work *n, const char *to, unsigned flags)
{
	struct vfs_work work = {.cancel = n->w.cancel};
	struct statx st;
	int r = vfs_lstat(n->w.root, n->from, VFS_NOLINKS, STATX_TYPE, &st);

	if (r < 0)
		return r;
	if (!S_ISREG(st.stx_mode) && !S_ISLNK(st.stx_mode))
		return -EPERM;
	r = vfs_copy_file(n->w.root, n->from, to, flags, &work);
	return r < 0 ? r : vfs_unlink(n->w.root, n->from);
}

static int rnto_look(struct path_work *w, unsigned flags)
{
	struct rename_work *n = (struct rename_work *)w;
	unsigned replace;
	struct session_access a;
	int r = session_allowed(w->s, "RNTO", w->vpath, VFS_NOFOLLOW | VFS_MISSING_OK, &a);

	if (r < 0)
		return r;
	replace = a.conf->allow_overwrite ? 0 : VFS_NOREPLACE;
	r = vfs_rename(w->root, n->from, a.real, replace);
	if (r == -EXDEV)
		r = rename_across(n, a.real, replace);
	n->refused = r == -EEXIST && replace;
	session_access_done(&a);
	return r;
}

static enum ftp_result rnto_answer(struct session *s, struct path_work *w)
{
	if (!((struct rename_work *)w)->refused)
		return path_work_done(s, w, 250, "Rename successful");
	session_reply(s, 550, "%s: Rename permission denied", w->arg);
	return FTP_DONE;
}

static bool rnto_check(struct session *s, const char *arg)
{
	if (s->rename_from)
		return true;
	session_reply(s, 503, "Bad sequence of commands");
	return false;
}

static enum ftp_result rnto_run(struct session *s, const char *arg)
{
	struct rename_work *n = path_work_new(s, arg, sizeof *n, rnto_look, rnto_answer);
	char *from = s->rename_from;

	s->rename_from = NULL;
	if (!n) {
		free(from);
		return FTP_DONE;
	}
	n->from = from;
	s->cmd->rename_from = strdup(from); /* only for records */
	n->w.done = rename_done;
	return path_work_run(&n->w, PATH_POOL);
}

const struct session_cmd session_cmd_rnfr = {.verb = "RNFR", .run = rnfr_run};
const struct session_cmd session_cmd_rnto = {.verb = "RNTO", .check = rnto_check, .run = rnto_run};
