/* Files as a session sees them: virtual absolute paths ("/a/b") under one root directory descriptor.
 *
 * The one idea: a path is never given to the kernel as host text. It is resolved below the root's descriptor
 * by openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), or on kernels without it by a walk over O_NOFOLLOW
 * descriptors, and what changes a directory works on the parent's descriptor and the last component. So a
 * link swapped in between cannot lead out of the root, and with VFS_NOLINKS to no other place in it either.
 * Links are followed as after chroot(2): an absolute target starts at the root, ".." stops there.
 *
 * All functions return 0 (or what is said) or -errno, and print nothing. A vpath is the output of
 * vfs_path_resolve(): absolute, normalised; other text is answered with -EINVAL. Strings and roots are
 * borrowed for the call unless said otherwise. Everything but vfs_path_* may block on a disk, except with
 * VFS_CACHED, and everything may be called from any thread. Policy (limits, hidden files) is not here.
 */
#ifndef VFS_VFS_H
#define VFS_VFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

#define VFS_PATH_MAX  4096 /* longest virtual path in bytes, without its NUL */
#define VFS_PATH_SIZE (VFS_PATH_MAX + 1)
#define VFS_NAME_MAX  255 /* longest component */
#define VFS_LINK_MAX  40  /* links followed in one resolution, as the kernel: then -ELOOP */

/* Flags of one call. */
enum {
	/* Only what the kernel answers from memory: else -EAGAIN, ask a pool thread without this flag. Objects
	 * on file systems that ask other machines or processes, or of which nobody knows yet what they are
	 * (fstype.h), are always -EAGAIN. vfs_open() looks only at the path: the opening itself does not wait
	 * if vfs_realpath() or vfs_stat() with this flag knew the object. Never with O_CREAT or O_TRUNC
	 * (always -EAGAIN) */
	VFS_CACHED = 1,
	VFS_NOFOLLOW = 2, /* a link as last component is the object itself */
	VFS_NOLINKS =
		4, /* any link on the way: -ELOOP. For a path from vfs_realpath() that policy has seen */
	VFS_MISSING_OK = 8,  /* vfs_realpath(): the last component need not exist */
	VFS_NOREPLACE = 16,  /* vfs_rename(), vfs_copy_file(): existing target: -EEXIST */
	VFS_ROOT_NOLINKS = 4 /* vfs_root_open(): no component of the host path may be a link: -ELOOP */
};

struct vfs_root {
	int fd;     /* O_PATH descriptor of the directory */
	char *path; /* its real host path when it was opened, for logs and records; never used to open anything */
};

/* Open host directory path (links in it are followed unless VFS_ROOT_NOLINKS). The root is returned
 * (vfs_root_close()) and is immutable, so threads may share it. */
int vfs_root_open(const char *path, unsigned flags, struct vfs_root **ret_root, struct err *err);
/* The same from a directory descriptor (given on success; O_PATH will do) and the text for logs. */
int vfs_root_from_fd(int fd, const char *path, struct vfs_root **ret_root);
void vfs_root_close(struct vfs_root **root); /* NULL inside is fine; sets NULL */
/* Host path text of a vpath for logs and records: root path + vpath without doubled '/'. Cut to size; returns
 * dst. */
const char *vfs_host_text(const struct vfs_root *root, const char *vpath, char *dst, size_t size);

/* Use openat2 (default: when the kernel has it). For tests and for finding faults; process-wide. */
void vfs_set_openat2(bool on);
bool vfs_has_openat2(void); /* what calls use now */

/* Pure text: join cwd (a vpath) and arg (as a client sent it; absolute or relative, "" is cwd) and normalise
 * "//", ".", ".." (never above "/"). No other byte is changed, none is special. -ENAMETOOLONG when the
 * result, at any point, exceeds VFS_PATH_MAX or a component VFS_NAME_MAX; out is then undefined. out
 * overlaps neither. */
int vfs_path_resolve(const char *cwd, const char *arg, char out[VFS_PATH_SIZE]);
bool vfs_path_is_normal(const char *vpath);   /* does vfs_path_resolve() leave it as it is? */
const char *vfs_path_base(const char *vpath); /* last component, "" for "/"; points into vpath */
/* Parent of vpath ("/" for "/") into out. */
void vfs_path_parent(const char *vpath, char out[VFS_PATH_SIZE]);
/* Is vpath dir itself or below it? Both normalised. */
bool vfs_path_within(const char *vpath, const char *dir);

/* open(2) in the root: oflags as there (O_CLOEXEC is added, O_NOFOLLOW means VFS_NOFOLLOW), mode with O_CREAT
 * or O_TMPFILE. Returns a descriptor. Give O_NONBLOCK where the object could be a FIFO or a device. */
int vfs_open(const struct vfs_root *root, const char *vpath, int oflags, mode_t mode, unsigned flags);
/* O_PATH descriptor of the parent directory and the last component, for work with *at() calls. Flags:
 * VFS_CACHED, VFS_NOLINKS. "/" has no parent: -EBUSY. *ret_name points into vpath. */
int vfs_parent_open(const struct vfs_root *root, const char *vpath, unsigned flags, const char **ret_name);

/* statx(2), mask STATX_*; no automount is triggered. vfs_lstat() describes a last link itself. */
int vfs_stat(
	const struct vfs_root *root, const char *vpath, unsigned flags, unsigned mask, struct statx *ret_st);
int vfs_lstat(
	const struct vfs_root *root, const char *vpath, unsigned flags, unsigned mask, struct statx *ret_st);
/* May this process's effective ids do how (R_OK | W_OK | X_OK, or F_OK)? Links are followed unless
 * VFS_NOFOLLOW. */
int vfs_access(const struct vfs_root *root, const char *vpath, int how, unsigned flags);
/* Number of the device of an object, or of its nearest ancestor that the kernel has in memory: where work on
 * it may have to wait. Never blocks. 0: unknown. */
dev_t vfs_device_hint(const struct vfs_root *root, const char *vpath);
int vfs_statvfs(const struct vfs_root *root, const char *vpath, struct statvfs *ret_st);
/* Canonical vpath (no link in it) of an existing object: what the access policy looks at. VFS_NOFOLLOW: of
 * the last link itself. VFS_MISSING_OK: also of an object that an open with O_CREAT would create, through
 * a dangling link too. Between this and a later call the tree may change: open the result with
 * VFS_NOLINKS. */
int vfs_realpath(const struct vfs_root *root, const char *vpath, unsigned flags, char out[VFS_PATH_SIZE]);
/* Also says of what type (S_IFMT) the object was then; 0: it is missing, or nobody knows. */
int vfs_realpath_type(const struct vfs_root *root, const char *vpath, unsigned flags, char out[VFS_PATH_SIZE],
	mode_t *ret_type);

/* What changes a directory does not go through links: one on the way to the object is -ELOOP. So give it what
 * vfs_realpath() has found and policy has seen; a link swapped in since then leads nowhere. */
int vfs_unlink(const struct vfs_root *root, const char *vpath);             /* not directories: -EISDIR */
int vfs_mkdir(const struct vfs_root *root, const char *vpath, mode_t mode); /* umask applies */
/* With all missing parents; 0 too when it is a directory already. Links on the way: -ELOOP. ret_made (may
 * be NULL): directories made. */
int vfs_mkdir_p(const struct vfs_root *root, const char *vpath, mode_t mode, unsigned *ret_made);
int vfs_rmdir(const struct vfs_root *root, const char *vpath);
/* rename(2); flags 0 or VFS_NOREPLACE. -EXDEV: other file system, see vfs_copy_file(). */
int vfs_rename(const struct vfs_root *root, const char *from, const char *to, unsigned flags);
/* A link holding target as it is: later read as in chroot, whatever it says. */
int vfs_symlink(const struct vfs_root *root, const char *target, const char *vpath);
/* Text of the link name in an open directory, with a NUL, into buf. Returns its length, -EINVAL when it is no link,
 * -ENAMETOOLONG. */
int vfs_readlink_at(int dir_fd, const char *name, char *buf, size_t size);
/* mode & 07777; follows links unless VFS_NOLINKS. With VFS_NOFOLLOW a last link is -EOPNOTSUPP. */
int vfs_chmod(const struct vfs_root *root, const char *vpath, mode_t mode, unsigned flags);
/* (uid_t)-1 or (gid_t)-1 leaves as it is. Flags: VFS_NOFOLLOW, VFS_NOLINKS. */
int vfs_chown(const struct vfs_root *root, const char *vpath, uid_t uid, gid_t gid, unsigned flags);
int vfs_chgrp(const struct vfs_root *root, const char *vpath, gid_t gid); /* as VFS_NOFOLLOW | VFS_NOLINKS */
/* times: access, modification, as utimensat(2) (UTIME_NOW, UTIME_OMIT). Flags: VFS_NOFOLLOW, VFS_NOLINKS. */
int vfs_utime(const struct vfs_root *root, const char *vpath, const struct timespec times[2], unsigned flags);

/* What long work looks at; all fields may be zero. Kept for the call. */
struct vfs_work {
	const atomic_bool *cancel; /* true: stop soon with -ECANCELED */
	_Atomic uint64_t *done;    /* counted up: bytes copied, entries removed */
	/* vfs_rmtree(): asked once for each object, for a directory before its entries (0 = go on, -errno
	 * = leave it and what is in it). vpath is borrowed; runs in the calling thread. */
	int (*allow)(void *arg, const char *vpath, bool is_dir);
	void *arg;
};

#define VFS_TREE_DEPTH 128

/* Remove vpath and everything in it; links are removed, never followed, and mount points are left. Goes on
 * after an error and returns the first one. Deeper than VFS_TREE_DEPTH: -ENAMETOOLONG for that branch. */
int vfs_rmtree(const struct vfs_root *root, const char *vpath, const struct vfs_work *work);
/* Copy a regular file or (not followed) a link: to a temporary name beside the target, then rename over
 * it, so that the target is the old or the new file at any moment. Keeps mode, times and, where allowed,
 * group; holes stay holes. Anything else than a file or link: -EINVAL. Flags: VFS_NOREPLACE. work may be
 * NULL. */
int vfs_copy_file(const struct vfs_root *root, const char *from, const char *to, unsigned flags,
	const struct vfs_work *work);

#endif
