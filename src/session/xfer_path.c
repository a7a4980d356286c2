#include "session/xfer_path.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "session/mapped.h"
#include "session/session_priv.h"
#include "session/slice.h"
#include "tls/tls.h"

#define CHUNK_MIN  ((uint64_t)4096)        /* of UseSendfile <percent> */
#define REMOTE_MAX ((uint64_t)1024 * 1024) /* of one request, where pages come from another machine */
#define BADFS_MAX  16

/* Devices whose files the kernel will not send, or not take from a pipe, found by trying. A number of a device
 * may be used again by another kind of file system, as far as that is known. */
struct badfs {
	struct {
		dev_t dev;
		const struct vfs_fstype *fs;
	} row[BADFS_MAX];
	unsigned n, next;
};
static pthread_mutex_t badfs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct badfs no_sendfile, no_splice;

/* Under the lock. */
static bool badfs_find(const struct badfs *b, const struct xfer *x)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->row[i].dev == x->dev && b->row[i].fs == x->fs)
			return true;
	return false;
}

static bool badfs_known(const struct badfs *b, const struct xfer *x)
{
	bool found;

	(void)pthread_mutex_lock(&badfs_lock); /* cannot fail: held once */
	found = badfs_find(b, x);
	(void)pthread_mutex_unlock(&badfs_lock);
	return found;
}

static void badfs_add(struct badfs *b, const struct xfer *x)
{
	(void)pthread_mutex_lock(&badfs_lock);
	if (!badfs_find(b, x)) {
		b->row[b->next].dev = x->dev; /* the oldest makes room */
		b->row[b->next].fs = x->fs;
		b->next = (b->next + 1) % BADFS_MAX;
		b->n = b->n < BADFS_MAX ? b->n + 1 : BADFS_MAX;
	}
	(void)pthread_mutex_unlock(&badfs_lock);
}

/* Why bytes must go through this process; NULL: they need not. The first one that fits is told. */
static const char *copy_reason(const struct xfer *x, const struct ftp_conf *conf, bool protected)
{
	if (conf->sendfile.kind == FTP_SENDFILE_OFF)
		return "config";
	if (xfer_rate_limited(x) && x->s->scope->conf.transfer_options & FTP_TRANSFER_COPY_THROTTLED)
		return "rate";
	if (x->ascii)
		return "ascii";
	if (protected)
		return "protected";
	if (x->deflated)
		return "deflate";
	if (x->size_known && x->cur >= x->end)
		return "empty";
	if (!x->seekable)
		return "nonregular";
	if (!x->size_known || x->fs->send == VFS_SEND_COPY || x->fs->send == VFS_SEND_NEVER ||
		badfs_known(&no_sendfile, x))
		return "badfs";
	return NULL;
}

static void upload_choose(struct xfer *x, const struct ftp_conf *conf)
{
	const char *reason = conf->sendfile.kind == FTP_SENDFILE_OFF ? "config"
			     : x->ascii                              ? "ascii"
			     : x->deflated                           ? "deflate"
			     : x->s->prot_private                    ? "protected"
			     : !x->store->regular                    ? "nonregular"
			     : x->store->mode == STORE_APPEND        ? "append" /* splice(2): EINVAL */
			     : badfs_known(&no_splice, x)            ? "badfs"
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
	if (x->fs->send == VFS_SEND_SLICES && (!x->chunk || x->chunk > REMOTE_MAX))
		x->chunk = REMOTE_MAX;
}

static void chosen_log(const struct xfer *x, const char *reason, const struct ftp_sendfile *f)
{
	char percent[40] = "";

	if (reason)
		log_debug(&x->s->log, 10, "'%s' is sent by copying%s, reason: %s", x->vpath,
			x->map ? " from a mapping" : "", reason);
	else if (!x->chunk)
		log_debug(&x->s->log, 10, "'%s' is sent by the kernel", x->vpath);
	else {
		if (f->kind == FTP_SENDFILE_PERCENT)
			(void)snprintf(percent, sizeof percent, " (%g%%)", f->percent);
		log_debug(&x->s->log, 10, "'%s' is sent by the kernel in parts of %llu bytes%s", x->vpath,
			(unsigned long long)x->chunk, percent);
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
	reason = copy_reason(x, conf, x->s->prot_private);
	x->kernel_tls = reason && !copy_reason(x, conf, false);
	if (!reason || x->kernel_tls)
		chunk_choose(x, &conf->sendfile);
	if (!reason)
		x->path = XFER_SENDFILE;
	else if (mapped_open(x))
		x->path = x->deflated ? XFER_STREAM : XFER_MAPPED;
	else
		x->path = x->seekable && !x->deflated ? XFER_COPY : XFER_STREAM;
	chosen_log(x, reason, &conf->sendfile);
}

void xfer_path_secured(struct xfer *x)
{
	if (!x->kernel_tls || !x->wire.tls)
		return;
	if (!wire_kernel_tls(&x->wire)) {
		log_debug(&x->s->log, 5, "the kernel does not encrypt '%s': %s", x->vpath,
			tls_ktls_reason(x->wire.tls));
		return;
	}
	mapped_close(x);
	x->path = XFER_SENDFILE;
	log_debug(&x->s->log, 10, "'%s' is sent and encrypted by the kernel", x->vpath);
}

/* Says the error that this pair of descriptors cannot do it, rather than that something broke? */
static bool says_cannot(int error)
{
	return error == EINVAL || error == ENOSYS || error == ENOTSUP || error == EOPNOTSUPP ||
	       error == EOVERFLOW || error == ENOTSOCK || error == ESPIPE;
}

static bool is_foreseen(int error)
{
	return says_cannot(error) || error == ENOMEM || error == ENOBUFS || error == EIO || error == ESTALE ||
	       error == ENXIO || error == EFAULT || error == ENODATA;
}

bool xfer_path_no_splice(int error)
{
	return error == EINVAL || error == ENOSYS || error == ENOTSUP || error == EPERM;
}

static void upload_fall_back(struct xfer *x, int error)
{
	if (xfer_path_no_splice(error) && error != EPERM)
		badfs_add(&no_splice, x);
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
	if (x->cur == x->start && says_cannot(error) && !x->wire.tls) /* it may be TLS that cannot */
		badfs_add(&no_sendfile, x);
	if (!is_foreseen(error))
		log_warn(&x->s->log, "sending '%s' in the kernel failed with an unexpected error %d",
			x->vpath, error);
	log_notice(&x->s->log, "the kernel does not send '%s' (%s): copying from byte %llu on", x->vpath,
		err_text(error), (unsigned long long)x->cur);
	x->path = XFER_COPY;
}

void xfer_path_unmapped(struct xfer *x, int error)
{
	if (mapped_is_other_file(x)) {
		slice_file(x, error);
		return;
	}
	log_notice(&x->s->log, "xfer_mmap: cannot read the mapping of '%s' (%s): copying from byte %llu on",
		x->vpath, err_text(error), (unsigned long long)x->cur);
	x->unmapped = true; /* map_ref is the loop's to close */
	x->path = x->path == XFER_MAPPED ? XFER_COPY : x->path;
	x->slice.end = SLICE_MORE;
}
