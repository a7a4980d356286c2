#include "session/mapped.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/str.h"
#include "session/proc.h"
#include "session/session_priv.h"
#include "vfs/preload.h"

static uint64_t counted_total; /* of the process: what MaxTotal limits */

/* --- the process --- */

int mapped_init(struct session_proc *p)
{
	p->preloads = p->start->preloads;
	return vfs_map_guard_install();
}

static void let_go(struct session_proc *p)
{
	preloads_free(p->preloads);
	p->preloads = NULL;
}

void mapped_done(struct session_proc *p)
{
	let_go(p);
}

void mapped_session(struct session *s)
{
	struct session_proc *p = s->proc;

	if (s->server->scope->conf.mmap_engine)
		p->preloads_wanted = true;
	else if (!p->preloads_wanted)
		let_go(p);
}

/* --- preloads --- */

static void tell_master(const struct xfer *x, const struct preload *p, bool stale)
{
	struct session_proc *proc = x->s->proc;
	struct ipc_map_used q = {.index = (uint32_t)(p - proc->preloads->list), .stale = stale};

	proc_send(proc, IPC_MAP_USED, &q);
}

static void preload_drop(struct preload *p)
{
	p->outdated = true;
	if (p->users == 0)
		preload_unmap(p);
}

static void preload_is_stale(struct xfer *x, struct preload *p)
{
	char shown[512];

	log_notice(&x->s->log,
		"xfer_mmap: '%s' is not what was preloaded: %llu bytes of %lld.%09ld then, %llu bytes of "
		"%lld.%09ld now",
		str_escape(p->path, shown, sizeof shown), (unsigned long long)p->id.size,
		(long long)p->id.mtime.tv_sec, p->id.mtime.tv_nsec, (unsigned long long)x->id.size,
		(long long)x->id.mtime.tv_sec, x->id.mtime.tv_nsec);
	tell_master(x, p, true);
	preload_drop(p);
}

/* The preload to read x from, or NULL. */
static struct preload *preload_of(struct xfer *x)
{
	struct preloads *t = x->s->proc->preloads;
	char host[VFS_PATH_SIZE * 2], asked[VFS_PATH_SIZE * 2];
	struct preload *p;

	if (!t)
		return NULL;
	p = preload_find(t, vfs_host_text(x->s->root, x->real, host, sizeof host),
		vfs_host_text(x->s->root, x->vpath, asked, sizeof asked));
	if (!p || p->outdated)
		return NULL;
	/* What was mapped must be what this name was: by a link, somebody who may write here could have had another
	 * file mapped under it, which the access rules know by its own name. */
	if (p->flags & PRELOAD_NO_VALIDATE)
		return str_eq(p->real, host) && x->cur < p->id.size ? p : NULL;
	if (!preload_current(t, p)) {
		log_debug(&x->s->log, 9, "xfer_mmap: '%s' has been mapped anew since", p->path);
		preload_drop(p);
		return NULL;
	}
	if (!file_id_equal(&x->id, &p->id)) {
		preload_is_stale(x, p);
		return NULL;
	}
	return p;
}

static int open_preload(struct xfer *x, struct map_ref *ref, struct preload *p)
{
	bool other = (p->flags & PRELOAD_NO_VALIDATE) != 0; /* perhaps another file by now */
	int r = map_over(p->mem, p->id.size, other ? p->fd : x->fd, &ref->map);

	if (r < 0)
		return r;
	if (other && (x->end == x->id.size || x->end > p->id.size)) {
		x->end = p->id.size;
		x->file_size = (int64_t)p->id.size;
	}
	ref->preload = p;
	p->users++;
	tell_master(x, p, false);
	log_debug(&x->s->log, 9, "xfer_mmap: using the preload of '%s'", x->vpath);
	return 0;
}

/* --- transfers --- */

static int open_own(struct xfer *x, struct map_ref *ref, const struct ftp_mmap_options *o)
{
	uint64_t most = 2 * VFS_MAP_WINDOW, left = x->end - x->cur, bytes = left < most ? left : most;
	unsigned flags = (o->flags & PRELOAD_PRIVATE ? VFS_MAP_PRIVATE : 0u) |
			 (o->flags & PRELOAD_HUGE ? VFS_MAP_HUGE : 0u);
	int r;

	if (!x->fs->local)
		return -EREMOTE; /* mmap(2) may ask another process or machine, and this is the loop */
	if (o->max_total && counted_total + bytes > o->max_total)
		return -WE_LIMIT;
	r = map_open(x->fd, x->end, x->cur, flags, &ref->map);
	if (r < 0)
		return r;
	ref->counted = bytes;
	counted_total += bytes;
	log_debug(&x->s->log, 9, "xfer_mmap: '%s' is mapped for this transfer", x->vpath);
	return 0;
}

/* Why x is not for a mapping; NULL: it is. */
static const char *declined(const struct xfer *x, const struct ftp_mmap_options *o)
{
	uint64_t max = o->max_file ? o->max_file : FTP_MMAP_MAX_FILE;

	if (x->ascii)
		return "ASCII";
	if (!x->seekable || !x->size_known)
		return "no regular file";
	if (x->cur >= x->end)
		return "empty";
	if (x->id.size > max)
		return "size";
	return NULL;
}

bool mapped_open(struct xfer *x)
{
	const struct ftp_conf *conf = &x->s->server->scope->conf;
	struct map_ref ref = {0};
	const char *reason;
	struct preload *p;
	int r;

	if (!conf->mmap_engine)
		return false;
	reason = declined(x, &conf->mmap_options);
	if (reason) {
		log_debug(&x->s->log, 9, "xfer_mmap: '%s' is not mapped: %s", x->vpath, reason);
		return false;
	}
	p = preload_of(x);
	r = p ? open_preload(x, &ref, p) : open_own(x, &ref, &conf->mmap_options);
	if (r == -WE_LIMIT || r == -EREMOTE)
		log_debug(&x->s->log, 9, "xfer_mmap: '%s' is not mapped: %s", x->vpath,
			r == -WE_LIMIT ? "MaxTotal" : "no local file system");
	else if (r < 0)
		log_notice(&x->s->log, "xfer_mmap: cannot map '%s' (%s), reading it instead", x->vpath,
			err_text(r));
	if (r < 0)
		return false;
	x->map = xmalloc(sizeof ref);
	*x->map = ref;
	return true;
}

void mapped_close(struct xfer *x)
{
	struct map_ref *ref = x->map;
	struct preload *p = ref ? ref->preload : NULL;

	if (!ref)
		return;
	if (p) {
		p->users--;
		if (!p->outdated && x->slice.end == SLICE_EOF && x->cur < x->end) { /* it was cut meanwhile */
			tell_master(x, p, true);
			p->outdated = true;
		}
	}
	map_close(&ref->map);
	if (p && p->outdated)
		preload_drop(p);
	counted_total -= ref->counted;
	free(ref);
	x->map = NULL;
}

bool mapped_is_other_file(const struct xfer *x)
{
	return x->map->preload && (x->map->preload->flags & PRELOAD_NO_VALIDATE) != 0;
}

ssize_t mapped_read(struct xfer *x, char *buf, size_t size)
{
	return map_read(x->map->map, x->cur, buf, size);
}
