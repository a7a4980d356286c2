#include "session/xfer_path.h"

#include <errno.h>
#include <pthread.h>

#include "base/err.h"
#include "base/log.h"
#include "session/session_priv.h"

#define CHUNK_MIN ((uint64_t)4096) /* of UseSendfile <percent> */
#define BADFS_MAX 16

/* Devices whose files the kernel will not send, or not take from a pipe, found by trying. */
struct badfs {
	dev_t dev[BADFS_MAX];
	unsigned n, next;
};
static pthread_mutex_t badfs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct badfs no_sendfile, no_splice;

static bool badfs_known(const struct badfs *b, dev_t dev)
{
	bool found = false;

	(void)pthread_mutex_lock(&badfs_lock); /* cannot fail: held once */
	for (unsigned i = 0; i < b->n; i++)
		found = found || b->dev[i] == dev;
	(void)pthread_mutex_unlock(&badfs_lock);
	return found;
}

static void badfs_add(struct badfs *b, dev_t dev)
{
	if (badfs_known(b, dev))
		return;
	(void)pthread_mutex_lock(&badfs_lock);
	b->dev[b->next] = dev; /* the oldest makes room */
	b->next = (b->next + 1) % BADFS_MAX;
	b->n = b->n < BADFS_MAX ? b->n + 1 : BADFS_MAX;
	(void)pthread_mutex_unlock(&badfs_lock);
}

/* Why bytes must go through this process; NULL: they need not. First match. */
static const char *copy_reason(const struct xfer *x, const struct ftp_conf *conf)
{
	if (conf->sendfile.kind == FTP_SENDFILE_OFF)
		return "config";
	if (x->ascii)
		return "ascii";
	if (!x->seekable || !x->size_known)
		return "nonregular";
	if (x->cur >= x->end)
		return "empty";
	if (badfs_known(&no_sendfile, x->dev))
		return "badfs";
	return NULL;
}

static void upload_choose(struct xfer *x, const struct ftp_conf *conf)
{
	const char *reason = conf->sendfile.kind == FTP_SENDFILE_OFF ? "config"
			     : x->ascii                              ? "ascii"
			     : !x->store->regular                    ? "nonregular"
			     : x->store->mode == STORE_APPEND        ? "append" /* splice(2): EINVAL */
			     : badfs_known(&no_splice, x->dev)       ? "badfs"
								     : NULL;

	x->path = reason ? XFER_RECV : XFER_SPLICE;
	log_debug(&x->s->log, 10, "'%s' is written by %s%s%s", x->vpath, reason ? "copying" : "the kernel",
		reason ? ", reason: " : "", reason ? reason : "");
}

static void chunk_choose(struct xfer *x, const struct ftp_sendfile *f)
{
	if (f->kind == FTP_SENDFILE_BYTES)
		x->chunk = f->bytes;
	else if (f->kind == FTP_SENDFILE_PERCENT) { /* of the whole file, not of what REST leaves */
		x->chunk = (uint64_t)((double)x->file_size * f->percent / 100.0);
		x->chunk = x->chunk < CHUNK_MIN ? CHUNK_MIN : x->chunk;
	}
}

void xfer_path_choose(struct xfer *x, const struct ftp_conf *conf)
{
	const char *reason;

	if (x->kind == XFER_UPLOAD) {
		upload_choose(x, conf);
		return;
	}
	if (x->kind == XFER_LISTING) {
		x->path = XFER_STREAM;
		return;
	}
	reason = copy_reason(x, conf);
	x->path = !reason ? XFER_SENDFILE : x->seekable ? XFER_COPY : XFER_STREAM;
	if (!reason)
		chunk_choose(x, &conf->sendfile);
	log_debug(&x->s->log, 10, "'%s' is sent by %s%s%s", x->vpath, reason ? "copying" : "the kernel",
		reason ? ", reason: " : "", reason ? reason : "");
}

bool xfer_path_no_splice(int error)
{
	return error == EINVAL || error == ENOSYS || error == ENOTSUP || error == EPERM;
}

static void upload_fall_back(struct xfer *x, int error)
{
	if (xfer_path_no_splice(error) && error != EPERM)
		badfs_add(&no_splice, x->dev);
	log_notice(&x->s->log, "the kernel does not write '%s' from a pipe (%s): copying from byte %llu on",
		x->vpath, err_text(error), (unsigned long long)x->store->offset);
	x->path = XFER_RECV;
}

void xfer_path_fall_back(struct xfer *x, int error)
{
	if (x->kind == XFER_UPLOAD) {
		upload_fall_back(x, error);
		return;
	}
	if (x->cur == x->start && (error == EINVAL || error == ENOTSUP || error == EOVERFLOW))
		badfs_add(&no_sendfile, x->dev);
	log_notice(&x->s->log, "the kernel does not send '%s' (%s): copying from byte %llu on", x->vpath,
		err_text(error), (unsigned long long)x->cur);
	x->path = XFER_COPY;
}
