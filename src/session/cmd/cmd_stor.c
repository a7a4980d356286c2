/* STOR, APPE, STOU: take a file (RFC 959 4.1.3). Where a
 * limit of parallel transfers applies, master is asked after the checks and before anything is created.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/line.h"
#include "ftp/policy.h"
#include "ftp/profile.h"
#include "session/claim.h"
#include "session/cmd/cmd.h"
#include "session/secure.h"
#include "session/xfer_priv.h"

struct stor {
	struct session *s;
	const char *verb;
	unsigned command; /* FTP_XFER_ bit */
	char *arg;
	char vpath[VFS_PATH_SIZE];
	struct session_access access;
	struct store_options opt;
	bool looked; /* the checks are done; next is opening */
	bool exists;
	struct store *store;
	/* when it is refused */
	int code; /* 0 = not refused */
	const char *text;
	int error; /* negative: the text is that of the error */
	char hidden[VFS_PATH_SIZE];
};

static void stor_free(struct stor *t)
{
	if (t->access.conf)
		session_access_done(&t->access);
	free(t->arg);
	free(t);
}

static void stor_refuse(struct stor *t, int code, const char *text, int error)
{
	t->code = code;
	t->text = text;
	t->error = error;
}

static bool type_ok(const struct statx *st)
{
	dev_t rdev = makedev(st->stx_rdev_major, st->stx_rdev_minor);

	return S_ISREG(st->stx_mode) || S_ISFIFO(st->stx_mode) ||
	       (S_ISCHR(st->stx_mode) && (rdev == makedev(1, 3) || rdev == makedev(1, 7)));
}

/* The name itself is a link: what the client replaces is then not what it sees. */
static bool is_link(const struct stor *t)
{
	struct statx st;

	return vfs_lstat(t->s->root, t->vpath, 0, STATX_TYPE, &st) == 0 && S_ISLNK(st.stx_mode);
}

/* Access and everything that can be said before opening. */
static void stor_look(struct stor *t)
{
	const struct ftp_conf *conf;
	const char *text;
	struct statx st;
	int r, code;

	r = session_allowed(
		t->s, t->verb, t->vpath, t->opt.mode == STORE_UNIQUE ? 0 : VFS_MISSING_OK, &t->access);
	if (r < 0) {
		stor_refuse(t, 550, NULL, r);
		return;
	}
	conf = t->opt.conf = t->access.conf;
	t->opt.create_mode = session_file_mode(t->s, conf);
	t->opt.may_exist = conf->allow_overwrite || t->opt.mode == STORE_APPEND;
	code = secure_data_refused(t->s, conf, &text);
	if (code) {
		stor_refuse(t, code, text, 0);
		return;
	}
	if (t->opt.mode == STORE_UNIQUE)
		return;
	t->exists = vfs_lstat(t->s->root, t->access.real, VFS_NOLINKS, STATX_TYPE, &st) == 0;
	if (t->exists && !t->opt.may_exist)
		stor_refuse(t, 550, "Overwrite permission denied", 0);
	else if (t->exists && !type_ok(&st))
		stor_refuse(t, 550, "Not a regular file", 0);
	else if (!(t->s->scope->conf.transfer_options & FTP_TRANSFER_SYMLINK_UPLOAD) &&
		 !str_eq(t->access.real, t->vpath) && is_link(t)) /* equal: no link on the way */
		stor_refuse(t, 550, "Not a regular file", 0);
	else if (t->exists && t->opt.mode != STORE_REPLACE && !conf->allow_store_restart)
		stor_refuse(t, 451, "Append/Restart not permitted, try again", 0);
	else if (t->opt.mode == STORE_RESTART && conf->hidden_stores.on)
		stor_refuse(t, 501,
			t->opt.length ? "RANG not compatible with server configuration"
				      : "REST not compatible with server configuration",
			0);
}

static void stor_open(struct stor *t)
{
	const struct ftp_max_size *max = policy_max_size(t->access.conf->max_store_size, &t->s->who);
	enum store_problem problem;
	int r;

	t->opt.limit = max ? max->bytes : UINT64_MAX;
	r = store_open(t->s->root, t->access.real, &t->opt, &t->store, &problem, t->hidden);
	switch (problem) {
	case STORE_OK:
		break;
	case STORE_NOT_REGULAR:
		stor_refuse(t, 550, "Not a regular file", 0);
		break;
	case STORE_EXISTS:
		stor_refuse(t, 550, "Overwrite permission denied", 0);
		break;
	case STORE_BEYOND_END:
		stor_refuse(t, 554, t->opt.length ? "invalid RANG argument" : "invalid REST argument", 0);
		break;
	case STORE_NO_ROOM:
		stor_refuse(t, r == -EFBIG ? 552 : 452, NULL, r);
		break;
	case STORE_NO_NAME:
		stor_refuse(t, 450, "STOU: unable to generate unique filename", 0);
		break;
	case STORE_HIDDEN_EXISTS:
		stor_refuse(t, 550, "Temporary hidden file exists", 0);
		break;
	default:
		stor_refuse(t, 550, NULL, r);
	}
}

static void stor_work(void *arg, const atomic_bool *cancel)
{
	struct stor *t = arg;

	if (!t->looked) {
		stor_look(t);
		t->looked = true;
		if (t->code || claim_needed(t->access.conf, t->command))
			return;
	}
	stor_open(t);
}

static enum ftp_result stor_done(struct session *s, void *arg);

static void stor_reply(struct session *s, const struct stor *t)
{
	if (t->error)
		session_reply_errno(s, t->code, t->arg, t->error);
	else if (t->hidden[0])
		session_reply(s, 550, "%s: Temporary hidden file %s already exists", t->arg, t->hidden);
	else if (t->code == 501 || t->code == 450 || t->code == 522 || t->code == 534)
		session_reply(s, t->code, "%s", t->text);
	else
		session_reply(s, t->code, "%s: %s", t->arg, t->text);
}

/* Master's answer, or none was needed. */
static enum ftp_result stor_claimed(struct session *s, void *arg, const char *refused, bool cancelled)
{
	struct stor *t = arg;

	if (!refused && !cancelled)
		return session_job(s, stor_work, stor_done, t);
	if (cancelled)
		session_reply(s, 426, "Transfer aborted. Data connection closed");
	else
		session_reply(s, 451, "%s", refused);
	stor_free(t);
	return FTP_DONE;
}

static enum ftp_result stor_start(struct session *s, struct stor *t)
{
	char vpath[VFS_PATH_SIZE];
	struct xfer_upload u = {.verb = t->verb, .name = t->arg, .vpath = t->vpath, .store = t->store};
	enum ftp_result result;

	u.conf = t->access.conf;
	if (t->opt.mode == STORE_UNIQUE) {
		(void)str_copy(vpath, sizeof vpath, t->store->path);
		u.vpath = vpath;
		u.name = vfs_path_base(vpath);
		session_note_path(s, vpath);
	}
	s->cmd->modified = t->store->existed || t->exists;
	t->store = NULL;
	result = xfer_start_upload(s, &u);
	stor_free(t);
	return result;
}

/* It was opened when the cancel came: nothing is in it yet. */
static void stor_undo(void *arg, const atomic_bool *cancel)
{
	struct stor *t = arg;
	enum store_problem problem;
	int64_t size;

	(void)store_end(t->store, false, &problem, &size);
	t->store = NULL;
}

static enum ftp_result stor_done(struct session *s, void *arg)
{
	struct stor *t = arg;

	if (session_job_cancelled(s))
		return t->store ? session_job(s, stor_undo, stor_done, t) : stor_claimed(s, t, NULL, true);
	if (!t->code && !t->store)
		return claim_ask(s, t->access.conf, t->command, stor_claimed, t);
	if (!t->code)
		return stor_start(s, t);
	stor_reply(s, t);
	stor_free(t);
	return FTP_DONE;
}

static enum ftp_result stor_begin(struct session *s, const char *verb, enum store_mode mode, const char *arg)
{
	struct stor *t = xcalloc(1, sizeof *t);
	int r;

	t->s = s;
	t->verb = verb;
	t->command = xfer_command_bit(verb);
	t->arg = xstrdup(arg);
	t->opt.mode = mode;
	t->opt.announced = s->allo;
	s->allo = 0;
	t->opt.restart = s->restart;
	t->opt.length = s->range;
	s->restart = s->range = 0;
	r = session_path(s, mode == STORE_UNIQUE ? "" : arg, t->vpath);
	if (r < 0) {
		session_reply_errno(s, 550, arg, r);
		stor_free(t);
		return FTP_DONE;
	}
	session_note_path(s, t->vpath);
	return session_job(s, stor_work, stor_done, t);
}

static enum ftp_result stor_run(struct session *s, const char *arg)
{
	return stor_begin(s, "STOR", s->restart || s->range ? STORE_RESTART : STORE_REPLACE, arg);
}

static bool appe_check(struct session *s, const char *arg)
{
	if (!s->range)
		return true;
	s->restart = s->range = 0;
	session_reply(s, 550, "APPE incompatible with RANG");
	return false;
}

static enum ftp_result appe_run(struct session *s, const char *arg)
{
	if (s->restart)
		log_notice(&s->log, "REST %llu is ignored by APPE", (unsigned long long)s->restart);
	return stor_begin(s, "APPE", STORE_APPEND, arg);
}

/* Some clients send a name, which does not matter. */
static bool stou_check(struct session *s, const char *arg)
{
	struct line_word w[2];

	if (line_words(arg, w, 2) > 1 && !(s->quirks & FTP_QUIRK_STOU_NAME))
		session_not_understood(s);
	else if (s->restart || s->range) {
		session_reply(s, 550, "STOU incompatible with %s", s->range ? "RANG" : "REST");
		s->restart = s->range = 0;
	} else
		return true;
	return false;
}

static enum ftp_result stou_run(struct session *s, const char *arg)
{
	return stor_begin(s, "STOU", STORE_UNIQUE, *arg ? arg : "STOU");
}

const struct session_cmd session_cmd_stor = {.verb = "STOR", .run = stor_run};
const struct session_cmd session_cmd_appe = {.verb = "APPE", .check = appe_check, .run = appe_run};
const struct session_cmd session_cmd_stou = {.verb = "STOU", .check = stou_check, .run = stou_run};
