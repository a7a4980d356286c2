/* MFMT, MFF, MFCT (draft-somers-ftp-mfxx-03): change facts of a file. Nothing is changed before everything
 * was checked. */
#include <errno.h>
#include <stdio.h>

#include "session/cmd/args.h"
#include "session/cmd/cmd.h"
#include "session/cmd/path_work.h"
#include "session/facts.h"
#include "session/names.h"

struct facts_work {
	struct path_work w;
	struct args_mff f;
	gid_t gid;
	bool denied; /* by a rule */
};

/* The argument's first word, when there is a path behind it; the reply is given if not. */
static bool first_word(struct session *s, const char *arg, size_t *ret_n, const char **ret_path)
{
	if (args_split(arg, ret_n, ret_path))
		return true;
	session_reply(s, 501, "Invalid number of parameters");
	return false;
}

static enum ftp_result facts_failed(struct session *s, const struct facts_work *f)
{
	if (!f->denied)
		return path_work_failed(s, &f->w);
	session_reply(s, 550, "Unable to handle command");
	return FTP_DONE;
}

/* Ask the rules about each of verbs (NULL-terminated); the last answer stays in *ret_a. */
static int facts_allowed(
	struct facts_work *f, const char *const *verbs, unsigned flags, struct session_access *ret_a)
{
	int r = -EINVAL;

	for (size_t i = 0; verbs[i]; i++) {
		if (i > 0)
			session_access_done(ret_a);
		r = session_allowed(f->w.s, verbs[i], f->w.vpath, flags, ret_a);
		f->denied = r == -EPERM;
		if (r < 0)
			return r;
	}
	return r;
}

static int set_mtime(const struct path_work *w, const char *real, int64_t secs, unsigned flags)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)secs}};

	return vfs_utime(w->root, real, times, flags);
}

/* --- MFMT --- */

static int mfmt_look(struct path_work *w, unsigned flags)
{
	static const char *const verbs[] = {"MFMT", NULL};
	struct facts_work *f = (struct facts_work *)w;
	struct session_access a;
	int r = facts_allowed(f, verbs, 0, &a);

	if (r < 0)
		return r;
	r = set_mtime(w, a.real, f->f.modify, VFS_NOLINKS);
	session_access_done(&a);
	return r;
}

static enum ftp_result mfmt_answer(struct session *s, struct path_work *w)
{
	struct facts_work *f = (struct facts_work *)w;
	char time[15];

	if (w->r < 0)
		return facts_failed(s, f);
	facts_time(f->f.modify, time);
	session_reply(s, 213, "Modify=%s; %s", time, w->arg);
	return FTP_DONE;
}

static bool time_ok(struct session *s, const char *arg, size_t n, int64_t *ret_secs)
{
	if (args_time(arg, n, false, ret_secs) == 0)
		return true;
	session_reply(s, 501, "%.*s: Invalid argument", (int)(n > 256 ? 256 : n), arg);
	return false;
}

static enum ftp_result mfmt_run(struct session *s, const char *arg)
{
	struct facts_work *f;
	const char *path;
	int64_t secs;
	size_t n;

	if (!first_word(s, arg, &n, &path) || !time_ok(s, arg, n, &secs))
		return FTP_DONE;
	f = path_work_new(s, path, sizeof *f, mfmt_look, mfmt_answer);
	if (!f)
		return FTP_DONE;
	f->f.modify = secs;
	return path_work_run(&f->w, PATH_POOL);
}

/* --- MFF --- */

static int mff_apply(struct facts_work *f, const char *real)
{
	const struct vfs_root *root = f->w.root;
	int r = 0;

	if (f->f.has_group)
		r = vfs_chgrp(root, real, f->gid);
	if (r == 0 && f->f.has_mode)
		r = vfs_chmod(root, real, f->f.mode, VFS_NOFOLLOW | VFS_NOLINKS);
	if (r == 0 && f->f.has_modify) /* last: the others would not touch it, but a server of files may */
		r = set_mtime(&f->w, real, f->f.modify, VFS_NOFOLLOW | VFS_NOLINKS);
	return r;
}

/* What MFF does can be done by other commands too: a rule against those counts. */
static int mff_look(struct path_work *w, unsigned flags)
{
	struct facts_work *f = (struct facts_work *)w;
	const char *verbs[5] = {"MFF"};
	struct session_access a;
	size_t n = 1;
	int r = f->f.has_group ? names_gid_of(w->s->server->index, f->f.group, &f->gid) : 0;

	if (r < 0)
		return r;
	if (f->f.has_modify)
		verbs[n++] = "MFMT";
	if (f->f.has_mode)
		verbs[n++] = "SITE_CHMOD";
	if (f->f.has_group)
		verbs[n++] = "SITE_CHGRP";
	r = facts_allowed(f, verbs, VFS_NOFOLLOW, &a);
	if (r < 0)
		return r;
	r = mff_apply(f, a.real);
	session_access_done(&a);
	return r;
}

static enum ftp_result mff_answer(struct session *s, struct path_work *w)
{
	struct facts_work *f = (struct facts_work *)w;
	char text[256] = "", time[15];
	size_t n = 0;

	if (w->r < 0)
		return facts_failed(s, f);
	if (f->f.has_modify) {
		facts_time(f->f.modify, time);
		n += (size_t)snprintf(text + n, sizeof text - n, "modify=%s;", time);
	}
	if (f->f.has_group)
		n += (size_t)snprintf(text + n, sizeof text - n, "UNIX.group=%s;", f->f.group);
	if (f->f.has_mode)
		(void)snprintf(text + n, sizeof text - n, "UNIX.mode=%04o;", (unsigned)f->f.mode);
	session_reply(s, 213, "%s %s", text, w->arg);
	return FTP_DONE;
}

static enum ftp_result mff_run(struct session *s, const char *arg)
{
	struct args_mff facts;
	struct facts_work *f;
	const char *path;
	char bad[65];
	size_t n;

	if (!first_word(s, arg, &n, &path))
		return FTP_DONE;
	switch (args_mff(arg, n, &facts, bad)) {
	case 0:
		break;
	case ARGS_MFF_FACT:
		session_reply(s, 504, "Cannot modify fact '%s'", bad);
		return FTP_DONE;
	case ARGS_MFF_VALUE:
		session_reply(s, 501, "%s: Invalid argument", bad);
		return FTP_DONE;
	default:
		session_reply(s, 550, "%.*s: Invalid argument", (int)(n > 256 ? 256 : n), arg);
		return FTP_DONE;
	}
	f = path_work_new(s, path, sizeof *f, mff_look, mff_answer);
	if (!f)
		return FTP_DONE;
	f->f = facts;
	return path_work_run(&f->w, PATH_POOL);
}

/* --- MFCT: Linux cannot set the time of creation, so this only says what is wrong --- */

static int mfct_look(struct path_work *w, unsigned flags)
{
	static const char *const verbs[] = {"MFCT", NULL};
	struct session_access a;
	int r = facts_allowed((struct facts_work *)w, verbs, path_cached(flags), &a);

	if (r == 0)
		session_access_done(&a);
	return r;
}

static enum ftp_result mfct_answer(struct session *s, struct path_work *w)
{
	if (w->r < 0)
		return facts_failed(s, (struct facts_work *)w);
	session_reply(s, 504, "%s: The time of creation cannot be changed", w->arg);
	return FTP_DONE;
}

static enum ftp_result mfct_run(struct session *s, const char *arg)
{
	struct facts_work *f;
	const char *path;
	int64_t secs;
	size_t n;

	if (!first_word(s, arg, &n, &path) || !time_ok(s, arg, n, &secs))
		return FTP_DONE;
	f = path_work_new(s, path, sizeof *f, mfct_look, mfct_answer);
	return f ? path_work_run(&f->w, PATH_TRY_CACHED) : FTP_DONE;
}

const struct session_cmd session_cmd_mfmt = {.verb = "MFMT", .run = mfmt_run};
const struct session_cmd session_cmd_mff = {.verb = "MFF", .run = mff_run};
const struct session_cmd session_cmd_mfct = {.verb = "MFCT", .run = mfct_run};
