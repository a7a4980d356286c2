/* RETR: send a file (RFC 959 4.1.3). All checks come first. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "ftp/policy.h"
#include "session/claim.h"
#include "session/cmd/cmd.h"
#include "session/secure.h"
#include "session/xfer_priv.h"

struct retr {
	struct session *s;
	char *arg;
	char vpath[VFS_PATH_SIZE];
	uint64_t restart, range; /* REST or RANG */
	int result;              /* of looking: 0 or -errno */
	bool cancelled;
	struct session_access access;
	int fd;
	struct stat st;
	const struct vfs_fstype *fs;
	bool endless; /* st_size says nothing */
};

static void retr_free(struct retr *r)
{
	if (r->access.conf)
		session_access_done(&r->access);
	session_close_fd(r->s, &r->fd, r->st.st_dev);
	free(r->arg);
	free(r);
}

/* Files that the kernel makes up while they are read have no size before. */
static bool size_unknown(const struct vfs_fstype *fs, const struct stat *st)
{
	return S_ISREG(st->st_mode) &&
	       (fs->send == VFS_SEND_COPY || (fs->send == VFS_SEND_NEVER && st->st_size == 0));
}

/* Access and open. flags: VFS_CACHED on the loop, then -EAGAIN means: ask the pool. */
static int retr_look(struct retr *r, unsigned flags)
{
	int n = session_allowed(r->s, "RETR", r->vpath, flags, &r->access);

	if (n < 0)
		return n;
	/* O_NONBLOCK: a FIFO without writer must not hold us */
	r->fd = vfs_open(
		r->s->root, r->access.real, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, flags | VFS_NOLINKS);
	if (r->fd < 0 || fstat(r->fd, &r->st) < 0) {
		n = r->fd < 0 ? r->fd : -errno;
		session_access_done(&r->access);
		return n;
	}
	r->fs = vfs_fstype_get(r->fd, r->st.st_dev);
	r->endless = size_unknown(r->fs, &r->st);
	return 0;
}

/* Does it begin where there is nothing? REST may name the end of the file, a range must have a byte in it,
 * unless the file has none at all. */
static bool retr_beyond(const struct retr *r)
{
	uint64_t size = (uint64_t)r->st.st_size;

	if (!r->restart && !r->range)
		return false;
	return r->endless || !S_ISREG(r->st.st_mode) || r->restart > size ||
	       (r->range && size && r->restart == size);
}

/* What speaks against sending the file; true: a reply was given. */
static bool retr_refused(struct session *s, const struct retr *r)
{
	const struct ftp_max_size *max = policy_max_size(r->access.conf->max_retrieve_size, &s->who);
	uint64_t size = (uint64_t)r->st.st_size;

	if (!secure_data_allowed(s, r->access.conf))
		return true;
	if (!S_ISREG(r->st.st_mode) && !S_ISFIFO(r->st.st_mode))
		session_reply(s, 550, "%s: Not a regular file", r->arg);
	else if ((r->restart || r->range) && !r->access.conf->allow_retrieve_restart)
		session_reply(s, 451, "%s: Restart not permitted, try again", r->arg);
	else if (retr_beyond(r))
		session_reply(s, 554, "%s: invalid %s argument", r->range ? "RANG" : "REST", r->arg);
	else if (max && S_ISREG(r->st.st_mode) && size > max->bytes)
		session_reply(s, 550, "%s: File size exceeds limit", r->arg);
	else
		return false;
	return true;
}

static enum ftp_result retr_go(struct session *s, void *arg, const char *refused, bool cancelled)
{
	struct retr *r = arg;
	struct xfer_download d = {.verb = "RETR",
		.name = r->arg,
		.vpath = r->vpath,
		.real = r->access.real,
		.st = &r->st,
		.fs = r->fs,
		.endless = r->endless,
		.start = r->restart,
		.length = r->range,
		.conf = r->access.conf};
	enum ftp_result result = FTP_DONE;

	if (cancelled)
		session_reply(s, 426, "Transfer aborted. Data connection closed");
	else if (refused)
		session_reply(s, 451, "%s", refused);
	else {
		d.fd = r->fd;
		r->fd = -1;
		result = xfer_start_download(s, &d);
	}
	retr_free(r);
	return result;
}

static enum ftp_result retr_looked(struct session *s, struct retr *r, bool cancelled)
{
	if (cancelled)
		return retr_go(s, r, NULL, true);
	if (r->result < 0)
		session_reply_errno(s, 550, r->arg, r->result);
	else if (!retr_refused(s, r))
		return claim_ask(s, r->access.conf, FTP_XFER_RETR, retr_go, r);
	retr_free(r);
	return FTP_DONE;
}

static void retr_work(void *arg, const atomic_bool *cancel)
{
	struct retr *r = arg;

	r->result = retr_look(r, 0);
}

static enum ftp_result retr_done(struct session *s, void *arg)
{
	return retr_looked(s, arg, session_job_cancelled(s));
}

static enum ftp_result retr_run(struct session *s, const char *arg)
{
	struct retr *r = xcalloc(1, sizeof *r);

	r->s = s;
	r->fd = -1;
	r->arg = xstrdup(arg);
	r->restart = s->restart;
	r->range = s->range;
	s->restart = s->range = 0;
	r->result = session_path(s, arg, r->vpath);
	if (r->result == 0) {
		session_note_path(s, r->vpath);
		r->result = retr_look(r, VFS_CACHED);
		if (r->result == -EAGAIN)
			return session_job(s, retr_work, retr_done, r);
	}
	return retr_looked(s, r, false);
}

const struct session_cmd session_cmd_retr = {.verb = "RETR", .run = retr_run};
