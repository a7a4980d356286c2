/* SITE MKDIR (with parents), SITE RMDIR (with contents), SITE SYMLINK. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "session/cmd/args.h"
#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"
#include "session/owner.h"

/* --- SITE MKDIR --- */

/* What SITE MKDIR does MKD does too: a rule against either counts. */
static int mkdir_allowed(struct session *s, const char *vpath, unsigned flags, struct session_access *ret_a)
{
	int r = session_allowed(s, "MKD", vpath, flags, ret_a);

	if (r < 0)
		return r;
	session_access_done(ret_a);
	return session_allowed(s, "SITE_MKDIR", vpath, flags, ret_a);
}

#define OWNED_MAX 64 /* new directories of one command that can be given away */

struct mkdir_work {
	struct path_work w;
	unsigned n_owned;
	struct {
		int fd;
		struct ftp_owner user, group;
	} owned[OWNED_MAX]; /* for UserOwner and GroupOwner */
};

/* Keep a new directory until all are made: in one that belongs to another the next could not be made. */
static void mkdir_keep(struct mkdir_work *m, const struct session_access *a)
{
	int fd = m->n_owned < OWNED_MAX ? vfs_open(m->w.root, a->real, O_PATH | O_DIRECTORY, 0, VFS_NOLINKS)
					: -EMFILE;

	if (fd < 0) {
		log_warn(&m->w.s->log, "a new directory keeps its owner: %s", strerror(-fd));
		return;
	}
	m->owned[m->n_owned].fd = fd;
	m->owned[m->n_owned].user = a->conf->user_owner;
	m->owned[m->n_owned++].group = a->conf->group_owner;
}

/* One directory on the way; that it is there already is fine. */
static int mkdir_one(struct path_work *w, const char *vpath)
{
	struct session_access a;
	struct statx st;
	int r = vfs_stat(w->root, vpath, 0, STATX_TYPE, &st);

	if (r == 0)
		return S_ISDIR(st.stx_mode) ? 0 : -ENOTDIR;
	if (r != -ENOENT)
		return r;
	r = mkdir_allowed(w->s, vpath, VFS_MISSING_OK, &a);
	if (r < 0)
		return r;
	r = vfs_mkdir(w->root, a.real, session_dir_mode(w->s, a.conf));
	if (r == 0 && owner_wanted(a.conf))
		mkdir_keep((struct mkdir_work *)w, &a);
	session_access_done(&a);
	return r == -EEXIST ? 0 : r; /* another client was faster */
}

static int mkdir_look(struct path_work *w, unsigned flags)
{
	char vpath[VFS_PATH_SIZE];
	struct session_access a;
	int r;

	for (size_t i = 1; w->vpath[1]; i++) {
		if (w->vpath[i] && w->vpath[i] != '/')
			continue;
		memcpy(vpath, w->vpath, i);
		vpath[i] = '\0';
		r = mkdir_one(w, vpath);
		if (r < 0)
			return r;
		if (!w->vpath[i])
			break;
	}
	/* Also where nothing had to be made a rule may say no. */
	r = mkdir_allowed(w->s, w->vpath, 0, &a);
	if (r == 0)
		session_access_done(&a);
	return r;
}

static void mkdir_done(struct path_work *w)
{
	struct mkdir_work *m = (struct mkdir_work *)w;

	while (m->n_owned > 0)
		session_close_fd(w->s, &m->owned[--m->n_owned].fd, 0);
}

static enum ftp_result mkdir_answer(struct session *s, struct path_work *w)
{
	struct mkdir_work *m = (struct mkdir_work *)w;

	for (unsigned i = 0; i < m->n_owned; i++)
		owner_give(s, &m->owned[i].user, &m->owned[i].group, m->owned[i].fd);
	return path_work_done(s, w, 200, "SITE MKDIR command successful");
}

static bool mkdir_check(struct session *s, const char *arg)
{
	if (!strchr(arg, '*'))
		return true;
	session_reply(s, 550, "%s: Invalid directory name", arg);
	return false;
}

static enum ftp_result mkdir_run(struct session *s, const char *arg)
{
	struct mkdir_work *m = path_work_new(s, arg, sizeof *m, mkdir_look, mkdir_answer);

	if (!m)
		return FTP_DONE;
	m->w.done = mkdir_done;
	return path_work_run(&m->w, PATH_POOL);
}

/* --- SITE RMDIR --- */

struct rmdir_work {
	struct path_work w;
	struct session_access dir; /* answer for the directory asked about last */
	char dir_path[VFS_PATH_SIZE];
	bool has_dir;
};

/* Make r->dir the answer for a directory; rules and .ftpaccess files are looked up once for all its files. */
static int dir_ask(struct rmdir_work *r, const char *vpath)
{
	int n;

	if (r->has_dir && str_eq(r->dir_path, vpath))
		return 0;
	if (r->has_dir)
		session_access_done(&r->dir);
	n = session_allowed(r->w.s, NULL, vpath, VFS_NOFOLLOW, &r->dir);
	r->has_dir = n == 0;
	if (n == 0)
		(void)str_copy(r->dir_path, sizeof r->dir_path, vpath);
	return n;
}

static int entry_allowed(void *arg, const char *vpath, bool is_dir)
{
	struct rmdir_work *w = arg;
	char parent[VFS_PATH_SIZE];
	struct session_access a;
	int r;

	if (is_dir) {
		/* it may hold a .ftpaccess of its own */
		r = session_allowed(w->w.s, "SITE_RMDIR", vpath, VFS_NOFOLLOW, &a);
		if (r == 0)
			session_access_done(&a);
		if (r == 0)
			r = session_allowed(w->w.s, "RMD", vpath, VFS_NOFOLLOW, &a);
		if (r == 0)
			session_access_done(&a);
		return r;
	}
	vfs_path_parent(vpath, parent);
	r = dir_ask(w, parent);
	if (r == 0 && (!session_entry_allowed(w->w.s, "SITE_RMDIR", &w->dir, vfs_path_base(vpath)) ||
			      !session_entry_allowed(w->w.s, "DELE", &w->dir, vfs_path_base(vpath))))
		r = -EPERM;
	return r;
}

static int rmdir_look(struct path_work *w, unsigned flags)
{
	struct rmdir_work *d = (struct rmdir_work *)w;
	struct vfs_work work = {.cancel = w->cancel, .allow = entry_allowed, .arg = d};
	struct session_access a;
	struct statx st;
	int r = session_allowed(w->s, "SITE_RMDIR", w->vpath, VFS_NOFOLLOW, &a);

	if (r < 0)
		return r;
	r = vfs_lstat(w->root, a.real, VFS_NOLINKS, STATX_TYPE, &st);
	if (r == 0 && !S_ISDIR(st.stx_mode))
		r = -ENOTDIR;
	if (r == 0 && str_eq(a.real, "/"))
		r = -EBUSY; /* before anything in it is removed */
	if (r == 0)
		r = vfs_rmtree(w->root, a.real, &work);
	session_access_done(&a);
	if (d->has_dir)
		session_access_done(&d->dir);
	return r;
}

static enum ftp_result rmdir_answer(struct session *s, struct path_work *w)
{
	return path_work_done(s, w, 200, "SITE RMDIR command successful");
}

static enum ftp_result rmdir_run(struct session *s, const char *arg)
{
	struct rmdir_work *d = path_work_new(s, arg, sizeof *d, rmdir_look, rmdir_answer);

	return d ? path_work_run(&d->w, PATH_POOL) : FTP_DONE;
}

/* --- SITE SYMLINK --- */

struct symlink_work {
	struct path_work w;
	char *target;
};

static void symlink_done(struct path_work *w)
{
	free(((struct symlink_work *)w)->target);
}

static int symlink_look(struct path_work *w, unsigned flags)
{
	struct session_access a;
	int r = session_allowed(w->s, "SITE_SYMLINK", w->vpath, VFS_NOFOLLOW | VFS_MISSING_OK, &a);

	if (r < 0)
		return r;
	r = path_link_allowed(w->s, a.real, ((struct symlink_work *)w)->target);
	if (r == 0)
		r = vfs_symlink(w->root, ((struct symlink_work *)w)->target, a.real);
	session_access_done(&a);
	return r;
}

static enum ftp_result symlink_answer(struct session *s, struct path_work *w)
{
	return path_work_done(s, w, 200, "SITE SYMLINK command successful");
}

static enum ftp_result symlink_run(struct session *s, const char *arg)
{
	struct symlink_work *l;
	char *target, *path;

	if (args_link(arg, &target, &path) < 0) {
		session_reply(s, 500, "'SITE SYMLINK' not understood");
		return FTP_DONE;
	}
	l = path_work_new(s, path, sizeof *l, symlink_look, symlink_answer);
	free(path);
	if (!l) {
		free(target);
		return FTP_DONE;
	}
	l->target = target;
	l->w.done = symlink_done;
	return path_work_run(&l->w, PATH_POOL);
}

const struct session_cmd session_site_mkdir = {.verb = "MKDIR", .check = mkdir_check, .run = mkdir_run};
const struct session_cmd session_site_rmdir = {.verb = "RMDIR", .run = rmdir_run};
const struct session_cmd session_site_symlink = {.verb = "SYMLINK", .run = symlink_run};
