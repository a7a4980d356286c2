/* Hashes of files: HASH (draft-bryan-ftpext-hash-02), MD5 (draft-twine-ftpmd5-00), and XCRC and its kin, which
 * were never written down.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "session/cmd/args.h"
#include "session/cmd/cmd.h"
#include "session/digest_cache.h"
#include "session/iobuf.h"

/* What the three kinds of commands answer. */
struct kind {
	int denied, special, too_large; /* codes of failure; otherwise 550 */
};
static const struct kind kind_hash = {552, 553, 556}, kind_md5 = {550, 504, 550}, kind_x = {550, 550, 550};

struct hash {
	struct session *s;
	const struct kind *kind;
	const char *verb; /* static */
	enum ftp_digest algorithm;
	char *path; /* as sent, without quotes */
	char vpath[VFS_PATH_SIZE];
	bool ranged;         /* start and end were given */
	uint64_t start, end; /* of the file; end behind the last byte */

	int result; /* of looking and reading: 0 or -errno */
	int fd;
	struct stat st;   /* when it was opened */
	uint64_t wall_ms; /* then */
	bool special;     /* no size says where the end is */
	bool changed;     /* it did not stay as it was opened */
	bool settled;     /* the result is good for the same file later */

	struct digest *digest;
	uint64_t at;
	struct session_long progress;
};

static void hash_free(struct hash *h)
{
	session_long_end(h->s, &h->progress);
	digest_free(h->digest);
	session_close_fd(h->s, &h->fd, h->st.st_dev);
	free(h->path);
	free(h);
}

static enum ftp_result hash_refuse(struct session *s, struct hash *h, int code, const char *text)
{
	session_reply(s, code, "%s: %s", h->path, text);
	hash_free(h);
	return FTP_DONE;
}

/* --- looking --- */

/* A hash tells what is in a file: who may not download it may not ask for its hash either. */
static int access_look(struct hash *h, unsigned flags, struct session_access *ret)
{
	int r = session_allowed(h->s, "RETR", h->vpath, flags, ret);

	if (r < 0)
		return r;
	session_access_done(ret);
	r = session_allowed(h->s, h->verb, h->vpath, flags, ret);
	if (r < 0 || ret->conf->digest_enable)
		return r;
	session_access_done(ret);
	return -EPERM;
}

/* flags: VFS_CACHED on the loop, then -EAGAIN means: ask the pool. */
static int hash_look(struct hash *h, unsigned flags)
{
	struct session_access a;
	int r = access_look(h, flags, &a);

	if (r < 0)
		return r;
	/* O_NONBLOCK: a FIFO without writer must not hold us */
	h->fd = vfs_open(h->s->root, a.real, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, flags | VFS_NOLINKS);
	session_access_done(&a);
	if (h->fd < 0)
		return h->fd;
	h->wall_ms = clock_wall_ms();
	return fstat(h->fd, &h->st) < 0 ? -errno : 0;
}

/* --- the end --- */

static enum ftp_result hash_answer(struct session *s, struct hash *h, char *text)
{
	if (h->kind != &kind_hash) {
		for (char *p = text; *p; p++)
			*p = ascii_upper(*p);
	}
	if (h->kind == &kind_hash)
		session_reply(s, 213, "%s %llu-%llu %s %s", ftp_digest_name(h->algorithm),
			(unsigned long long)h->start, (unsigned long long)h->end, text, h->path);
	else if (h->kind == &kind_md5)
		session_reply(s, 251, "%s %s", h->path, text);
	else
		session_reply(s, 213, "%s", text);
	hash_free(h);
	return FTP_DONE;
}

static enum ftp_result hash_finish(struct session *s, struct hash *h)
{
	const struct ftp_conf *conf = &s->scope->conf;
	char text[DIGEST_TEXT_MAX];
	struct digest_key key;

	if (digest_final(h->digest, text) < 0)
		return hash_refuse(s, h, 550, err_text(EIO));
	if (h->settled && conf->digest_cache_entries) {
		key = digest_key_of(&h->st, h->start, h->end, h->algorithm);
		digest_cache_add(&key, text, conf->digest_cache_entries, clock_ms());
	}
	return hash_answer(s, h, text);
}

/* --- reading --- */

/* Is the file still as it was opened? What was only appended to has not changed in what was read. */
static void hash_compare(struct hash *h)
{
	struct stat now;
	bool same;

	if (fstat(h->fd, &now) < 0) {
		h->result = -errno;
		return;
	}
	same = now.st_mtim.tv_sec == h->st.st_mtim.tv_sec && now.st_mtim.tv_nsec == h->st.st_mtim.tv_nsec &&
	       now.st_size == h->st.st_size;
	h->changed = !same && now.st_size <= h->st.st_size;
	h->settled = same && now.st_ctim.tv_sec == h->st.st_ctim.tv_sec &&
		     now.st_ctim.tv_nsec == h->st.st_ctim.tv_nsec && digest_key_settled(&h->st, h->wall_ms);
}

/* Next piece of the file. false: there is none, or it failed. */
static bool hash_piece(struct hash *h, char *buf)
{
	uint64_t left = h->end - h->at;
	ssize_t n;

	do
		n = pread(h->fd, buf, left < IOBUF_SIZE ? (size_t)left : IOBUF_SIZE, (off_t)h->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		h->result = -errno;
	else if (n == 0)
		h->changed = h->at < h->end;
	else {
		h->result = digest_update(h->digest, buf, (size_t)n);
		h->at += (uint64_t)n;
	}
	return n > 0 && h->result == 0;
}

static void hash_work(void *arg, const atomic_bool *cancel)
{
	struct hash *h = arg;
	uint64_t until_ms = clock_ms() + SESSION_SLICE_MS;
	char *buf = iobuf_get();

	if (!buf) {
		h->result = -ENOMEM;
		return;
	}
	if (h->at == h->start)
		(void)posix_fadvise(h->fd, (off_t)h->start, (off_t)(h->end - h->start),
			POSIX_FADV_SEQUENTIAL); /* a hint */
	if (h->st.st_size == 0)                 /* what the kernel makes up while it is read */
		h->special = pread(h->fd, buf, 1, 0) > 0;
	while (h->at < h->end && hash_piece(h, buf) && !atomic_load(cancel) && clock_ms() < until_ms)
		;
	iobuf_put(buf);
	if (h->at == h->end && h->result == 0)
		hash_compare(h);
}

static enum ftp_result hash_worked(struct session *s, void *arg)
{
	struct hash *h = arg;

	if (session_job_cancelled(s)) {
		session_reply(s, 426, "%s aborted", h->verb);
		hash_free(h);
		return FTP_DONE;
	}
	if (h->result < 0)
		return hash_refuse(s, h, 550, err_text(h->result));
	if (h->special)
		return hash_refuse(s, h, h->kind->special, "Not a regular file");
	if (h->changed)
		return hash_refuse(s, h, 450, "File changed while it was read");
	if (h->at == h->end)
		return hash_finish(s, h);
	h->progress.done = h->at - h->start;
	return session_job_long(s, &h->progress, hash_work, hash_worked, h);
}

static enum ftp_result hash_begin(struct session *s, struct hash *h)
{
	const struct ftp_conf *conf = &s->scope->conf;
	struct digest_key key = digest_key_of(&h->st, h->start, h->end, h->algorithm);
	char text[DIGEST_TEXT_MAX];

	if (conf->digest_cache_entries &&
		digest_cache_find(&key, conf->digest_cache_age_ms, clock_ms(), text)) {
		log_debug(&s->log, 8, "%s: the hash is known", h->verb);
		return hash_answer(s, h, text);
	}
	h->digest = digest_new(h->algorithm);
	if (!h->digest)
		return hash_refuse(s, h, 550, "The algorithm is not available");
	h->at = h->start;
	h->progress.total = h->end - h->start;
	return session_job_long(s, &h->progress, hash_work, hash_worked, h);
}

/* --- checks --- */

/* What part of the file it is. false: a reply was given and h freed. */
static bool range_ok(struct session *s, struct hash *h)
{
	bool by_rang = h->kind == &kind_hash; /* an end behind that of the file is no error then */
	uint64_t size = (uint64_t)h->st.st_size;

	if (!h->ranged)
		h->end = size;
	else if (by_rang && h->start > 0 && h->start >= size) {
		session_reply(s, 554, "RANG: invalid %s argument", h->path);
		hash_free(h);
		return false;
	} else if (by_rang && h->end > size)
		h->end = size;
	else if (h->end > size) {
		session_reply(s, 501, "%s: end exceeds file size", h->verb);
		hash_free(h);
		return false;
	}
	return true;
}

static enum ftp_result hash_looked(struct session *s, void *arg)
{
	struct hash *h = arg;
	uint64_t max = s->scope->conf.digest_max_bytes;
	bool denied = h->result == -EPERM || h->result == -EACCES;

	if (session_job_cancelled(s)) {
		session_reply(s, 426, "%s aborted", h->verb);
		hash_free(h);
		return FTP_DONE;
	}
	if (h->result < 0)
		return hash_refuse(s, h, denied ? h->kind->denied : 550, err_text(h->result));
	if (!S_ISREG(h->st.st_mode))
		return hash_refuse(s, h, h->kind->special, "Not a regular file");
	if (!range_ok(s, h))
		return FTP_DONE;
	if (max && h->end - h->start > max)
		return hash_refuse(s, h, h->kind->too_large, "File size exceeds limit");
	return hash_begin(s, h);
}

static void look_work(void *arg, const atomic_bool *cancel)
{
	struct hash *h = arg;

	h->result = hash_look(h, 0);
}

/* path: given. */
static enum ftp_result hash_start(struct session *s, const struct kind *kind, enum ftp_digest algorithm,
	char *path, const struct args_hash *range)
{
	struct hash *h = xcalloc(1, sizeof *h);

	h->s = s;
	h->kind = kind;
	h->verb = s->cmd->verb;
	h->algorithm = algorithm;
	h->path = path;
	h->fd = -1;
	h->progress = (struct session_long){.verb = h->verb, .name = path, .begun_ms = clock_ms()};
	if (range) {
		h->ranged = true;
		h->start = range->start;
		h->end = range->end;
	}
	h->result = session_path(s, path, h->vpath);
	if (h->result == 0) {
		session_note_path(s, h->vpath);
		h->result = hash_look(h, VFS_CACHED);
		if (h->result == -EAGAIN)
			return session_job(s, look_work, hash_looked, h);
	}
	return hash_looked(s, h);
}

/* --- the commands --- */

static bool offered(struct session *s, enum ftp_digest algorithm)
{
	if (ftp_digest_on(&s->scope->conf, algorithm))
		return true;
	session_reply(s, 500, "%s not understood", s->cmd->verb);
	return false;
}

/* RANG is honoured, and stays for the transfer that it may be meant for. */
static enum ftp_result hash_run(struct session *s, const char *arg)
{
	struct args_hash range = {.start = s->restart, .end = s->restart + s->range};

	if (!offered(s, s->digest))
		return FTP_DONE;
	return hash_start(s, &kind_hash, s->digest, xstrdup(arg), s->range ? &range : NULL);
}

static enum ftp_result md5_run(struct session *s, const char *arg)
{
	if (!offered(s, FTP_DIGEST_MD5))
		return FTP_DONE;
	return hash_start(s, &kind_md5, FTP_DIGEST_MD5, xstrdup(arg), NULL);
}

static enum ftp_result x_run(struct session *s, const char *arg, enum ftp_digest algorithm)
{
	const char *verb = s->cmd->verb;
	struct args_hash a;

	if (!offered(s, algorithm))
		return FTP_DONE;
	switch (args_hash(arg, &a)) {
	case ARGS_HASH_OK:
		return hash_start(s, &kind_x, algorithm, a.path, a.ranged ? &a : NULL);
	case ARGS_HASH_START:
		session_reply(s, 501, "%s requires a start greater than or equal to 0", verb);
		break;
	case ARGS_HASH_END:
		session_reply(s, 501, "%s requires an end greater than 0", verb);
		break;
	case ARGS_HASH_ORDER:
		session_reply(s, 501, "%s requires end (%llu) greater than start (%llu)", verb,
			(unsigned long long)a.end, (unsigned long long)a.start);
		break;
	case ARGS_HASH_COUNT:
		session_reply(s, 501, "Invalid number of parameters");
		break;
	}
	return FTP_DONE;
}

static enum ftp_result xcrc_run(struct session *s, const char *arg)
{
	return x_run(s, arg, FTP_DIGEST_CRC32);
}

static enum ftp_result xmd5_run(struct session *s, const char *arg)
{
	return x_run(s, arg, FTP_DIGEST_MD5);
}

static enum ftp_result xsha1_run(struct session *s, const char *arg)
{
	return x_run(s, arg, FTP_DIGEST_SHA1);
}

static enum ftp_result xsha256_run(struct session *s, const char *arg)
{
	return x_run(s, arg, FTP_DIGEST_SHA256);
}

static enum ftp_result xsha512_run(struct session *s, const char *arg)
{
	return x_run(s, arg, FTP_DIGEST_SHA512);
}

const struct session_cmd session_cmd_hash = {.verb = "HASH", .run = hash_run};
const struct session_cmd session_cmd_md5 = {.verb = "MD5", .run = md5_run};
const struct session_cmd session_cmd_xcrc = {.verb = "XCRC", .run = xcrc_run};
const struct session_cmd session_cmd_xmd5 = {.verb = "XMD5", .run = xmd5_run};
const struct session_cmd session_cmd_xsha = {.verb = "XSHA", .run = xsha1_run};
const struct session_cmd session_cmd_xsha1 = {.verb = "XSHA1", .run = xsha1_run};
const struct session_cmd session_cmd_xsha256 = {.verb = "XSHA256", .run = xsha256_run};
const struct session_cmd session_cmd_xsha512 = {.verb = "XSHA512", .run = xsha512_run};
