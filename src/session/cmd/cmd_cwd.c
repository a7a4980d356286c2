/* CWD, XCWD, CDUP, XCUP, PWD, XPWD (RFC 959 4.1.1, 4.1.3). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/reply.h"
#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"
#include "session/list.h"
#include "session/readme.h"

#define SEEN_ENTRY 17          /* hex digits and a blank */
#define SEEN_MAX   (4096 * 17) /* bytes of directories remembered for "once" */

struct cwd_work {
	struct path_work w;
	const char *verb;
	char *cwd;       /* where the session is */
	char *seen;      /* copy of s->display_seen, for "once" */
	char *text;      /* of DisplayChdir */
	char *readme;    /* of DisplayReadme */
	uint64_t marker; /* of this directory and display file */
	char dir[VFS_PATH_SIZE];
};

static void cwd_done(struct path_work *w)
{
	struct cwd_work *c = (struct cwd_work *)w;

	free(c->cwd);
	free(c->seen);
	free(c->text);
	free(c->readme);
}

/* --- DisplayChdir --- */

/* One number for a directory and the state of its display file. */
static uint64_t display_marker(struct cwd_work *c, const char *file)
{
	uint64_t h = 14695981039346656037u;
	char vpath[VFS_PATH_SIZE];
	struct statx st;

	if (vfs_path_resolve(c->dir, file, vpath) < 0 || vfs_stat(c->w.root, vpath, 0, STATX_MTIME, &st) < 0)
		memset(&st, 0, sizeof st);
	for (const char *p = c->dir; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	return (h ^ (uint64_t)st.stx_mtime.tv_sec) * 1099511628211u;
}

static bool marker_known(const char *seen, uint64_t marker)
{
	char text[SEEN_ENTRY + 1];

	(void)snprintf(text, sizeof text, "%016llx ", (unsigned long long)marker);
	return seen && strstr(seen, text);
}

/* Remember that the text was shown; a client that walks through very many directories sees some texts
 * again. */
static void marker_add(struct session *s, uint64_t marker)
{
	size_t n = s->display_seen ? strlen(s->display_seen) : 0;
	char *p;

	if (n + SEEN_ENTRY > SEEN_MAX)
		n = 0;
	p = realloc(s->display_seen, n + SEEN_ENTRY + 1);
	if (!p)
		return;
	s->display_seen = p;
	(void)snprintf(p + n, SEEN_ENTRY + 1, "%016llx ", (unsigned long long)marker);
}

static int display_look(struct cwd_work *c, const struct ftp_conf *conf, unsigned flags)
{
	const struct ftp_display *d = &conf->display_chdir;

	if (!d->path)
		return 0;
	if (flags & VFS_CACHED)
		return -EAGAIN; /* reads a file */
	if (d->once) {
		c->marker = display_marker(c, d->path);
		if (marker_known(c->seen, c->marker))
			return 0;
	}
	c->text = session_display_text(c->w.s, d, c->dir);
	return 0;
}

static int readme_look(struct cwd_work *c, const struct ftp_conf *conf, unsigned flags)
{
	if (!c->w.s->scope->conf.readmes)
		return 0;
	if (flags & VFS_CACHED)
		return -EAGAIN; /* reads the directory */
	c->readme = readme_text(c->w.s, conf, c->dir);
	return 0;
}

/* --- the directory --- */

static int dir_look(struct cwd_work *c, const char *vpath, unsigned flags)
{
	struct session_access a;
	struct statx st;
	int r = session_allowed(c->w.s, c->verb, vpath, path_cached(flags), &a);

	if (r < 0)
		return r;
	r = vfs_stat(c->w.root, a.real, path_cached(flags) | VFS_NOLINKS, STATX_TYPE, &st);
	if (r == 0 && !S_ISDIR(st.stx_mode))
		r = -ENOTDIR;
	if (r == 0)
		r = vfs_access(c->w.root, a.real, X_OK, path_cached(flags) | VFS_NOLINKS);
	if (r == 0) {
		/* With ShowSymlinks the client may know what is behind a link, else it stays where it
		 * thinks to be. */
		(void)str_copy(c->dir, sizeof c->dir, c->w.s->scope->conf.show_symlinks ? a.real : vpath);
		r = display_look(c, a.conf, flags);
		if (r == 0)
			r = readme_look(c, a.conf, flags);
	}
	session_access_done(&a);
	return r;
}

/* CDPath: other places where a relative name may be. */
static int cdpath_look(struct cwd_work *c, unsigned flags)
{
	const struct session *s = c->w.s;
	char base[VFS_PATH_SIZE], vpath[VFS_PATH_SIZE];
	int r = -ENOENT;

	if (c->w.arg[0] == '/' || c->w.arg[0] == '~')
		return r;
	for (const struct ftp_dir_rule *d = s->scope->conf.cdpath; d && r == -ENOENT;
		d = (const struct ftp_dir_rule *)d->item.next) {
		if (d->groups && !ftp_expr_match(d->groups, FTP_EXPR_GROUP, &s->who))
			continue;
		if (d->path[0] == '~' && flags & VFS_CACHED)
			return -EAGAIN; /* may have to ask for a home directory */
		if (list_tilde_path(s, "/", d->path, base) == 0 &&
			vfs_path_resolve(base, c->w.arg, vpath) == 0)
			r = dir_look(c, vpath, flags);
	}
	return r;
}

static int cwd_look(struct path_work *w, unsigned flags)
{
	struct cwd_work *c = (struct cwd_work *)w;
	int r;

	if (w->arg[0] == '~') {
		if (flags & VFS_CACHED)
			return -EAGAIN;
		r = list_tilde_path(w->s, c->cwd, w->arg, w->vpath);
		if (r < 0)
			return r;
	}
	r = dir_look(c, w->vpath, flags);
	if (r == -ENOENT) {
		r = cdpath_look(c, flags);
	}
	return r;
}

static enum ftp_result cwd_answer(struct session *s, struct path_work *w)
{
	struct cwd_work *c = (struct cwd_work *)w;
	char done[64];

	if (w->r < 0)
		return path_work_failed(s, w);
	session_set_cwd(s, c->dir);
	if (c->text && c->marker)
		marker_add(s, c->marker);
	session_reply_display(s, 250, c->text);
	(void)snprintf(done, sizeof done, "%s command successful", c->verb);
	readme_reply(s, 250, c->readme, false, done);
	return FTP_DONE;
}

static enum ftp_result change_dir(struct session *s, const char *arg)
{
	struct cwd_work *c = path_work_new(s, arg, sizeof *c, cwd_look, cwd_answer);

	if (!c)
		return FTP_DONE;
	c->verb = s->cmd->verb;
	c->w.done = cwd_done;
	c->cwd = xstrdup(s->cwd);
	c->seen = s->display_seen ? strdup(s->display_seen) : NULL;
	return path_work_run(&c->w, PATH_TRY_CACHED);
}

static bool cwd_check(struct session *s, const char *arg)
{
	if (*arg)
		return true;
	session_reply(s, 501, "Invalid number of parameters");
	return false;
}

static enum ftp_result cdup_run(struct session *s, const char *arg)
{
	return change_dir(s, "..");
}

static enum ftp_result pwd_run(struct session *s, const char *arg)
{
	session_replied(s, 257, reply_path(session_out(s), s->cwd, " is the current directory"));
	return FTP_DONE;
}

const struct session_cmd session_cmd_cwd = {.verb = "CWD", .check = cwd_check, .run = change_dir};
const struct session_cmd session_cmd_xcwd = {.verb = "XCWD", .check = cwd_check, .run = change_dir};
const struct session_cmd session_cmd_cdup = {.verb = "CDUP", .run = cdup_run};
const struct session_cmd session_cmd_xcup = {.verb = "XCUP", .run = cdup_run};
const struct session_cmd session_cmd_pwd = {.verb = "PWD", .run = pwd_run};
const struct session_cmd session_cmd_xpwd = {.verb = "XPWD", .run = pwd_run};
