/* SITE COPY, and SITE CPFR with SITE CPTO: a file or a tree is copied by the server.
 *
 * What is copied is read and what is made is written, so both are asked about: of each object at the source RETR and
 * SITE_CPFR, of each new one STOR (of directories MKD, of links SITE_SYMLINK) and SITE_CPTO; <Limit SITE_COPY> stands
 * for both SITE names (ftp/conf_limit.c). All of it is asked when the copy is made, whatever CPFR has seen before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "ftp/policy.h"
#include "session/cmd/args.h"
#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"
#include "session/owner.h"
#include "vfs/copier.h"

struct copy {
	struct session *s;
	const char *verb; /* "SITE COPY", "SITE CPTO": static */
	char *from_arg, *to_arg;
	char from[VFS_PATH_SIZE], to[VFS_PATH_SIZE]; /* vpaths; from after a look: without links */

	struct session_access target; /* conf NULL: not asked yet */
	struct vfs_copier_options opt;
	struct vfs_copier *copier;
	int result;         /* 1: it is done; 0: not yet; -errno */
	bool source_failed; /* the error is about the source */

	int owned_fd; /* a copied file, for UserOwner and GroupOwner; -1 = not needed */
	struct ftp_owner user_owner, group_owner;

	struct session_long progress;
};

static void copy_free(struct copy *c)
{
	session_long_end(c->s, &c->progress);
	session_close_fd(c->s, &c->owned_fd, 0);
	if (c->target.conf)
		session_access_done(&c->target);
	free(c->from_arg);
	free(c->to_arg);
	free(c);
}

/* --- what is allowed --- */

/* May an object be read? flags as session_allowed(); real: its path without links, may be NULL. */
static int source_allowed(struct session *s, const char *vpath, unsigned flags, char *real)
{
	static const char *const verbs[] = {"RETR", "SITE_CPFR"};
	struct session_access a;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(verbs); i++) {
		r = session_allowed(s, verbs[i], vpath, flags, &a);
		if (r == 0 && real && i == 0)
			(void)str_copy(real, VFS_PATH_SIZE, a.real);
		if (r == 0)
			session_access_done(&a);
	}
	return r;
}

static const char *making_verb(mode_t mode)
{
	return S_ISDIR(mode) ? "MKD" : S_ISLNK(mode) ? "SITE_SYMLINK" : "STOR";
}

static int size_allowed(const struct session *s, const struct ftp_conf *conf, const struct stat *st)
{
	const struct ftp_max_size *max = policy_max_size(conf->max_store_size, &s->who);

	return S_ISREG(st->st_mode) && max && (uint64_t)st->st_size > max->bytes ? -EFBIG : 0;
}

/* One object of what is copied. In a pool thread. */
static int object_allowed(void *arg, const char *from, const char *to, const struct stat *st,
	const char *link, mode_t *ret_mode)
{
	struct copy *c = arg;
	char real[VFS_PATH_SIZE];
	const struct ftp_conf *conf;
	int r = source_allowed(c->s, from, VFS_NOFOLLOW, real);

	if (r == 0 && !str_eq(real, from))
		r = -EPERM; /* someone has put a link in the way: what was asked about is something else */
	c->source_failed = r < 0;
	if (r < 0)
		return r;
	r = session_new_allowed(c->s, "SITE_CPTO", &c->target, to, &conf);
	if (r == 0)
		r = session_new_allowed(c->s, making_verb(st->st_mode), &c->target, to, &conf);
	if (r == 0 && link)
		r = path_link_allowed(c->s, to, link);
	if (r == 0)
		r = size_allowed(c->s, conf, st);
	if (r < 0)
		log_debug(&c->s->log, 3, "%s of '%s' to '%s': %s", c->verb, from, to, err_text(r));
	*ret_mode = S_ISDIR(st->st_mode) ? session_dir_mode(c->s, conf)
					 : session_copy_mode(c->s, conf, st->st_mode);
	return r;
}

/* --- copying --- */

/* Everything before the first byte. In a pool thread. */
static int copy_open(struct copy *c)
{
	char from[VFS_PATH_SIZE];
	int r = source_allowed(c->s, c->from, 0, from);

	c->source_failed = r < 0;
	if (r < 0)
		return r;
	r = session_allowed(c->s, "SITE_CPTO", c->to, VFS_NOFOLLOW | VFS_MISSING_OK, &c->target);
	if (r < 0) {
		c->target.conf = NULL;
		return r;
	}
	c->opt.replace = c->target.conf->allow_overwrite;
	c->opt.keep_failed = c->s->scope->conf.copy_keep_failed;
	c->opt.allow = object_allowed;
	c->opt.arg = c;
	return vfs_copier_new(c->s->root, from, c->target.real, &c->opt, &c->copier);
}

/* The copy is there: open it, if it is a file and is to be given away. */
static void copy_keep(struct copy *c)
{
	struct statx st;

	if (!owner_wanted(c->target.conf) ||
		vfs_lstat(c->s->root, c->target.real, VFS_NOLINKS, STATX_TYPE, &st) < 0 ||
		!S_ISREG(st.stx_mode))
		return;
	c->owned_fd = vfs_open(c->s->root, c->target.real, O_PATH | O_NOFOLLOW, 0, VFS_NOLINKS);
	c->user_owner = c->target.conf->user_owner;
	c->group_owner = c->target.conf->group_owner;
	if (c->owned_fd < 0)
		log_warn(&c->s->log, "a copy keeps its owner: %s", strerror(-c->owned_fd));
}

static void copy_work(void *arg, const atomic_bool *cancel)
{
	struct copy *c = arg;

	c->result = c->copier ? 0 : copy_open(c);
	if (c->result == 0)
		c->result = vfs_copier_step(c->copier, clock_ms() + SESSION_SLICE_MS, cancel);
	if (c->result == 1)
		copy_keep(c);
	if (c->result != 0)
		vfs_copier_free(&c->copier);
}

static enum ftp_result copy_fail(struct session *s, struct copy *c)
{
	int r = c->result;
	bool full = r == -ENOSPC || r == -EDQUOT || r == -EFBIG;

	if (r == -ECANCELED)
		session_reply(s, 426, "%s aborted", c->verb);
	else if (r == -EEXIST && !c->opt.replace)
		session_reply(s, 550, "%s: Copy permission denied, it exists", c->to_arg);
	else
		session_reply_errno(s, full ? 552 : 550, c->source_failed ? c->from_arg : c->to_arg, r);
	copy_free(c);
	return FTP_DONE;
}

static enum ftp_result copy_worked(struct session *s, void *arg)
{
	struct copy *c = arg;

	if (c->result < 0)
		return copy_fail(s, c);
	if (c->result == 0) {
		c->progress.done = vfs_copier_bytes(c->copier);
		c->progress.total = vfs_copier_total(c->copier);
		return session_job_long(s, &c->progress, copy_work, copy_worked, c);
	}
	if (c->owned_fd >= 0)
		owner_give(s, &c->user_owner, &c->group_owner, c->owned_fd);
	if (str_eq(c->verb, "SITE COPY"))
		session_reply(s, 200, "SITE COPY command successful");
	else
		session_reply(s, 250, "Copy successful");
	copy_free(c);
	return FTP_DONE;
}

/* from, from_arg, to_arg: given; from NULL: what from_arg names. */
static enum ftp_result copy_start(
	struct session *s, const char *verb, const char *from, char *from_arg, char *to_arg)
{
	struct copy *c = xcalloc(1, sizeof *c);

	c->s = s;
	c->owned_fd = -1;
	c->verb = verb;
	c->from_arg = from_arg;
	c->to_arg = to_arg;
	c->progress = (struct session_long){.verb = verb, .name = to_arg, .begun_ms = clock_ms()};
	if (from)
		(void)str_copy(c->from, sizeof c->from, from);
	else
		c->result = session_path(s, from_arg, c->from);
	c->source_failed = c->result < 0;
	if (c->result == 0)
		c->result = session_path(s, to_arg, c->to);
	if (c->result < 0)
		return copy_fail(s, c);
	session_note_path(s, c->to);
	return session_job_long(s, &c->progress, copy_work, copy_worked, c);
}

/* --- the commands --- */

static bool copy_check(struct session *s, const char *arg)
{
	if (s->scope->conf.copy_engine)
		return true;
	session_reply(s, 500, "'%s' not understood", s->cmd->line ? s->cmd->line : "SITE");
	return false;
}

static enum ftp_result copy_run(struct session *s, const char *arg)
{
	char *from, *to;

	if (args_link(arg, &from, &to) < 0) {
		session_reply(s, 501, "Invalid number of parameters");
		return FTP_DONE;
	}
	return copy_start(s, "SITE COPY", NULL, from, to);
}

struct cpfr {
	struct path_work w;
	char real[VFS_PATH_SIZE];
};

static int cpfr_look(struct path_work *w, unsigned flags)
{
	struct cpfr *f = (struct cpfr *)w;
	struct statx st;
	int r = source_allowed(w->s, w->vpath, path_cached(flags), f->real);

	return r < 0 ? r : vfs_lstat(w->root, f->real, VFS_NOLINKS | path_cached(flags), STATX_TYPE, &st);
}

static enum ftp_result cpfr_answer(struct session *s, struct path_work *w)
{
	if (w->r < 0)
		return path_work_failed(s, w);
	s->copy_from = xstrdup(((struct cpfr *)w)->real);
	session_reply(s, 350, "File or directory exists, ready for destination name");
	return FTP_DONE;
}

static enum ftp_result cpfr_run(struct session *s, const char *arg)
{
	struct cpfr *f = path_work_new(s, arg, sizeof *f, cpfr_look, cpfr_answer);

	return f ? path_work_run(&f->w, PATH_TRY_CACHED) : FTP_DONE;
}

static bool cpto_check(struct session *s, const char *arg)
{
	if (!copy_check(s, arg))
		return false;
	if (s->copy_from)
		return true;
	session_reply(s, 503, "Bad sequence of commands");
	return false;
}

static enum ftp_result cpto_run(struct session *s, const char *arg)
{
	char *from = s->copy_from;

	s->copy_from = NULL;
	/* the client's own name for the source is forgotten: it sees the one without links */
	return copy_start(s, "SITE CPTO", from, from, xstrdup(arg));
}

const struct session_cmd session_site_copy = {.verb = "COPY", .check = copy_check, .run = copy_run};
const struct session_cmd session_site_cpfr = {.verb = "CPFR", .check = copy_check, .run = cpfr_run};
const struct session_cmd session_site_cpto = {.verb = "CPTO", .check = cpto_check, .run = cpto_run};
