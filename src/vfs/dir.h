/* Directory streams: raw getdents64(2) with one 32 KiB buffer, so memory is constant whatever the directory
 * holds. A stream belongs to one thread at a time; every call may block on a disk. */
#ifndef VFS_DIR_H
#define VFS_DIR_H

#include "vfs/vfs.h"

struct vfs_dir;

enum {
	VFS_DIR_STAT = 256,  /* lstat each entry */
	VFS_DIR_FOLLOW = 512 /* with VFS_DIR_STAT: for links, what they lead to in the root */
};

/* One entry; valid until the next call on its stream. */
struct vfs_dirent {
	const char
		*name; /* never "." or ".." (".." of a root would show what lies outside), never with '/' */
	size_t len;    /* of name */
	unsigned char type; /* DT_REG, DT_DIR, DT_LNK ...; DT_UNKNOWN where the file system does not tell and
	                       VFS_DIR_STAT was not asked. Of the entry itself, a link is DT_LNK */
	uint64_t ino;
	int stat_result; /* with VFS_DIR_STAT: 0, or -errno and st is not valid (gone meanwhile, dangling link) */
	struct statx st; /* with VFS_DIR_STAT: the fields of mask */
};

/* flags: VFS_NOFOLLOW, VFS_NOLINKS, VFS_CACHED of vfs.h and VFS_DIR_*; mask: STATX_* wanted. root is kept
 * until vfs_dir_close(). */
int vfs_dir_open(const struct vfs_root *root, const char *vpath, unsigned flags, unsigned mask,
	struct vfs_dir **ret_dir);
/* A directory of an open one by its entry's name, links not followed: for recursion. Same flags and mask as
 * the parent. */
int vfs_dir_open_child(const struct vfs_dir *parent, const char *name, struct vfs_dir **ret_dir);
/* 1 and an entry, 0 at the end, -errno. */
int vfs_dir_next(struct vfs_dir *dir, const struct vfs_dirent **ret_ent);
int vfs_dir_rewind(struct vfs_dir *dir);
void vfs_dir_close(struct vfs_dir **dir); /* NULL inside is fine; sets NULL */

int vfs_dir_fd(const struct vfs_dir *dir);           /* the directory's descriptor, borrowed */
const char *vfs_dir_path(const struct vfs_dir *dir); /* its vpath, borrowed */

#endif
