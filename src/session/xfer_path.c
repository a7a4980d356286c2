#include "session/xfer_path.h"

#include <errno.h>
#include <pthread.h>

#include "base/err.h"
#include "base/log.h"
#include "session/session_priv.h"

#define CHUNK_MIN ((uint64_t)4096) /* of UseSendfile <percent> */
#define BADFS_MAX 16

/* Devices whose files the kernel will not send, found by trying. */
static pthread_mutex_t badfs_lock = PTHREAD_MUTEX_INITIALIZER;
static dev_t badfs[BADFS_MAX];
static unsigned n_badfs, next_badfs;

static bool badfs_known(dev_t dev)
{
	bool found = false;

	(void)pthread_mutex_lock(&badfs_lock); /* cannot fail: held once */
	for (unsigned i = 0; i < n_badfs; i++)
		found = found || badfs[i] == dev;
	(void)pthread_mutex_unlock(&badfs_lock);
	return found;
}

static void badfs_add(dev_t dev)
{
	if (badfs_known(dev))
		return;
	(void)pthread_mutex_lock(&badfs_lock);
	badfs[next_badfs] = dev; /* the oldest makes room */
	next_badfs = (next_badfs + 1) % BADFS_MAX;
	n_badfs = n_badfs < BADFS_MAX ? n_badfs + 1 : BADFS_MAX;
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
	if (badfs_known(x->dev))
		return "badfs";
	return NULL;
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
		x->path = XFER_RECV;
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

void xfer_path_fall_back(struct xfer *x, int error)
{
	if (x->cur == x->start && (error == EINVAL || error == ENOTSUP || error == EOVERFLOW))
		badfs_add(x->dev);
	log_notice(&x->s->log, "the kernel does not send '%s' (%s): copying from byte %llu on", x->vpath,
		err_text(error), (unsigned long long)x->cur);
	x->path = XFER_COPY;
}
