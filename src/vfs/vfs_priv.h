/* Inside of vfs: resolution of one path to one descriptor. */
#ifndef VFS_VFS_PRIV_H
#define VFS_VFS_PRIV_H

#include "vfs/fstype.h"
#include "vfs/vfs.h"

/* openat2(dirfd, path, ...) with RESOLVE_* bits. Descriptor or -errno; -ENOSYS where it is missing or off. */
int vfs_openat2(int dirfd, const char *path, int oflags, mode_t mode, uint64_t resolve);

/* The walk over descriptors: opens vpath as vfs_open() does, without openat2's path resolution. ret_canon
 * (may be NULL) gets the canonical vpath of what was opened, or with VFS_MISSING_OK of what was not there
 * (then the return is -ENOENT and *ret_canon is not empty). oflags must not hold O_TMPFILE together with
 * ret_canon. ret_st (may be NULL): type and device of what was opened with O_PATH, no stx_mask when they are not to be
 * had. */
int vfs_walk_open(const struct vfs_root *root, const char *vpath, int oflags, mode_t mode, unsigned flags,
	char *ret_canon, struct statx *ret_st);

/* O_PATH descriptor of an object; flags VFS_CACHED, VFS_NOFOLLOW, VFS_NOLINKS. */
int vfs_path_fd(const struct vfs_root *root, const char *vpath, unsigned flags);

/* Type and device of an open object, as far as the kernel has them in memory; else no stx_mask. */
void vfs_fd_kind(int fd, struct statx *ret_st);
/* Does the kernel answer about this object, or an open one, without asking another machine or process? False when
 * that is not known. Neither blocks. */
bool vfs_is_local(const struct statx *st); /* only stx_dev is looked at */
bool vfs_fd_is_local(int fd);

/* rename(2) between open directories, flags as vfs_rename(). */
int vfs_rename_at(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);

/* copy.c: the bytes of one open file into another. The caller opens both, sets size (bytes to copy) and zeroes the
 * rest. */
struct vfs_copying {
	int in, out;
	off_t size, off;
	off_t data_end; /* of the data that off is in */
	bool by_hand;   /* the kernel does not copy between these two */
	char *chunk;
};
/* Copy at most max bytes more. 1: all is copied, and holes are; 0: go on; -errno. */
int vfs_copying_step(struct vfs_copying *c, size_t max, uint64_t *ret_bytes);
void vfs_copying_done(struct vfs_copying *c); /* closes both */

/* A name for what becomes another name when it is complete, and a new file of such a name (0600). */
#define VFS_TEMP_NAME 40
int vfs_temp_name(char name[VFS_TEMP_NAME]);
int vfs_temp_open(int dir_fd, char name[VFS_TEMP_NAME]);

static inline bool vfs_cancelled(const struct vfs_work *work)
{
	return work != NULL && work->cancel != NULL &&
	       atomic_load_explicit(work->cancel, memory_order_relaxed);
}

static inline void vfs_count(const struct vfs_work *work, uint64_t n)
{
	if (work != NULL && work->done != NULL)
		(void)atomic_fetch_add_explicit(work->done, n, memory_order_relaxed);
}

#endif
