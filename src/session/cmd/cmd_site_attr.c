/* SITE CHMOD, SITE CHGRP, SITE UTIME: attributes of what a path leads to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/cmd/args.h"
#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"
#include "session/names.h"

static bool two_parts(
	struct session *s, const char *name, const char *arg, size_t *ret_n, const char **ret_path)
{
	if (args_split(arg, ret_n, ret_path))
		return true;
	session_reply(s, 500, "'SITE %s' not understood", name);
	return false;
}

/* --- SITE CHMOD --- */

struct chmod_work {
	struct path_work w;
	struct args_chmod change;
};

static int chmod_look(struct path_work *w, unsigned flags)
{
	const struct args_chmod *change = &((struct chmod_work *)w)->change;
	struct session_access a;
	struct statx st;
	int r = session_allowed(w->s, "SITE_CHMOD", w->vpath, 0, &a);

	if (r < 0)
		return r;
	r = vfs_lstat(w->root, a.real, VFS_NOLINKS, STATX_TYPE | STATX_MODE, &st);
	if (r == 0)
		r = vfs_chmod(w->root, a.real, args_chmod_apply(change, st.stx_mode), VFS_NOLINKS);
	session_access_done(&a);
	return r;
}

static enum ftp_result chmod_answer(struct session *s, struct path_work *w)
{
	return path_work_done(s, w, 200, "SITE CHMOD command successful");
}

static enum ftp_result chmod_run(struct session *s, const char *arg)
{
	struct args_chmod change;
	struct chmod_work *c;
	const char *path;
	size_t n;

	if (!two_parts(s, "CHMOD", arg, &n, &path))
		return FTP_DONE;
	if (args_chmod(arg, n, &change) < 0) {
		session_reply(s, 550, "'%.*s': invalid mode", (int)(n > 256 ? 256 : n), arg);
		return FTP_DONE;
	}
	c = path_work_new(s, path, sizeof *c, chmod_look, chmod_answer);
	if (!c)
		return FTP_DONE;
	c->change = change;
	return path_work_run(&c->w, PATH_POOL);
}

/* --- SITE CHGRP --- */

struct chgrp_work {
	struct path_work w;
	char group[65];
	bool unknown;
};

static int chgrp_look(struct path_work *w, unsigned flags)
{
	struct chgrp_work *g = (struct chgrp_work *)w;
	struct session_access a;
	gid_t gid;
	int r = names_gid_of(w->s->server->index, g->group, &gid);

	g->unknown = r == -EINVAL;
	if (r < 0)
		return r;
	r = session_allowed(w->s, "SITE_CHGRP", w->vpath, 0, &a);
	if (r < 0)
		return r;
	r = vfs_chgrp(w->root, a.real, gid);
	session_access_done(&a);
	return r;
}

static enum ftp_result chgrp_answer(struct session *s, struct path_work *w)
{
	const struct chgrp_work *g = (struct chgrp_work *)w;

	if (!g->unknown)
		return path_work_done(s, w, 200, "SITE CHGRP command successful");
	session_reply(s, 550, "%s: Invalid argument", g->group);
	return FTP_DONE;
}

static enum ftp_result chgrp_run(struct session *s, const char *arg)
{
	struct chgrp_work *g;
	const char *path;
	size_t n;

	if (!two_parts(s, "CHGRP", arg, &n, &path))
		return FTP_DONE;
	if (n >= sizeof g->group) {
		session_reply(s, 550, "%.*s: Invalid argument", (int)sizeof g->group, arg);
		return FTP_DONE;
	}
	g = path_work_new(s, path, sizeof *g, chgrp_look, chgrp_answer);
	if (!g)
		return FTP_DONE;
	memcpy(g->group, arg, n);
	return path_work_run(&g->w, PATH_POOL);
}

/* --- SITE UTIME --- */

struct utime_work {
	struct path_work w;
	struct timespec times[2];
};

static int utime_look(struct path_work *w, unsigned flags)
{
	struct session_access a;
	int r = session_allowed(w->s, "SITE_UTIME", w->vpath, 0, &a);

	if (r < 0)
		return r;
	r = vfs_utime(w->root, a.real, ((struct utime_work *)w)->times, VFS_NOLINKS);
	session_access_done(&a);
	return r;
}

static enum ftp_result utime_answer(struct session *s, struct path_work *w)
{
	return path_work_done(s, w, 200, "SITE UTIME command successful");
}

static enum ftp_result utime_run(struct session *s, const char *arg)
{
	struct utime_work *u;
	int64_t atime, mtime;
	char *path;

	if (args_utime(arg, &atime, &mtime, &path) < 0) {
		session_reply(s, 500, "%s: Invalid argument", arg);
		return FTP_DONE;
	}
	u = path_work_new(s, path, sizeof *u, utime_look, utime_answer);
	free(path);
	if (!u)
		return FTP_DONE;
	u->times[0].tv_sec = (time_t)atime;
	u->times[1].tv_sec = (time_t)mtime;
	return path_work_run(&u->w, PATH_POOL);
}

const struct session_cmd session_site_chmod = {.verb = "CHMOD", .run = chmod_run};
const struct session_cmd session_site_chgrp = {.verb = "CHGRP", .run = chgrp_run};
const struct session_cmd session_site_utime = {.verb = "UTIME", .run = utime_run};
