/* Operations on one object. Each resolves to an O_PATH descriptor of the object or of its parent, and
 * works on that. What came to the kernel with openat2 or after it (faccessat2, fchmodat2, AT_EMPTY_PATH of
 * utimensat) has an older way beside it. */
#include "vfs/vfs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* the same number everywhere since 6.6 */
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

static int stat_at(
	const struct vfs_root *root, const char *vpath, unsigned flags, unsigned mask, struct statx *ret_st)
{
	int how = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | ((flags & VFS_CACHED) != 0 ? AT_STATX_DONT_SYNC : 0);
	struct statx st;
	int r, fd = vfs_path_fd(root, vpath, flags);

	if (fd < 0)
		return fd;
	r = result(statx(fd, "", how, mask, &st));
	if (r == 0 && (flags & VFS_CACHED) == 0)
		(void)vfs_fstype_get(
			fd, makedev(st.stx_dev_major, st.stx_dev_minor)); /* for those that may not ask */
	fd_close(&fd);
	if (r == 0)
		*ret_st = st;
	return r;
}

/* The same, and of what may be told from memory only where that is the truth. */
static int stat_known(
	const struct vfs_root *root, const char *vpath, unsigned flags, unsigned mask, struct statx *ret_st)
{
	struct statx st;
	int r = stat_at(root, vpath, flags, mask, &st);

	if (r == 0 && (flags & VFS_CACHED) != 0 && !vfs_is_local(&st))
		return -EAGAIN;
	if (r == 0)
		*ret_st = st;
	return r;
}

int vfs_stat(
	const struct vfs_root *root, const char *vpath, unsigned flags, unsigned mask, struct statx *ret_st)
{
	return stat_known(root, vpath, flags & ~(unsigned)VFS_NOFOLLOW, mask, ret_st);
}

int vfs_lstat(
	const struct vfs_root *root, const char *vpath, unsigned flags, unsigned mask, struct statx *ret_st)
{
	return stat_known(root, vpath, flags | VFS_NOFOLLOW, mask, ret_st);
}

dev_t vfs_device_hint(const struct vfs_root *root, const char *vpath)
{
	char path[VFS_PATH_SIZE];
	struct statx st;
	size_t n = strlen(vpath);

	if (n >= sizeof path || !vfs_path_is_normal(vpath))
		return 0;
	memcpy(path, vpath, n + 1);
	for (;;) {
		if (stat_at(root, path, VFS_CACHED, STATX_TYPE, &st) == 0)
			return makedev(st.stx_dev_major, st.stx_dev_minor);
		if (path[1] == '\0')
			return 0;
		vfs_path_parent(path, path);
	}
}

static bool in_group(gid_t gid)
{
	gid_t *list;
	bool found = gid == getegid();
	int n = getgroups(0, NULL);

	if (found || n <= 0)
		return found;
	list = xcalloc((size_t)n, sizeof(*list));
	n = getgroups(n, list);
	while (n > 0 && !found)
		found = list[--n] == gid;
	free(list);
	return found;
}

/* Kernels before 5.8: judge by the mode bits. Access lists are not seen; the operation itself still is. */
static int access_by_mode(int fd, int how)
{
	struct statvfs fs;
	struct stat st;
	unsigned bits;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (how == F_OK)
		return 0;
	if ((how & W_OK) != 0 && fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0)
		return -EROFS;
	if (geteuid() == 0)
		bits = S_ISDIR(st.st_mode) || (st.st_mode & 0111) != 0 ? 7 : 6;
	else if (st.st_uid == geteuid())
		bits = st.st_mode >> 6;
	else if (in_group(st.st_gid))
		bits = st.st_mode >> 3;
	else
		bits = st.st_mode;
	return ((unsigned)how & ~bits) == 0 ? 0 : -EACCES;
}

int vfs_access(const struct vfs_root *root, const char *vpath, int how, unsigned flags)
{
	int r = -ENOSYS, fd = vfs_path_fd(root, vpath, flags);

	if (fd < 0)
		return fd;
#ifdef SYS_faccessat2
	/* Not through libc, whose own fallback does not know AT_EMPTY_PATH. */
	if (vfs_has_openat2())
		r = result((int)syscall(SYS_faccessat2, fd, "", how, AT_EACCESS | AT_EMPTY_PATH));
#endif
	if (r == -ENOSYS)
		r = access_by_mode(fd, how);
	fd_close(&fd);
	return r;
}

int vfs_statvfs(const struct vfs_root *root, const char *vpath, struct statvfs *ret_st)
{
	struct statvfs st;
	int r, fd = vfs_path_fd(root, vpath, 0);

	if (fd < 0)
		return fd;
	r = result(fstatvfs(fd, &st));
	fd_close(&fd);
	if (r == 0)
		*ret_st = st;
	return r;
}

int vfs_unlink(const struct vfs_root *root, const char *vpath)
{
	const char *name;
	int r, fd = vfs_parent_open(root, vpath, VFS_NOLINKS, &name);

	if (fd < 0)
		return fd == -EBUSY ? -EISDIR : fd;
	r = result(unlinkat(fd, name, 0));
	fd_close(&fd);
	return r;
}

int vfs_mkdir(const struct vfs_root *root, const char *vpath, mode_t mode)
{
	const char *name;
	int r, fd = vfs_parent_open(root, vpath, VFS_NOLINKS, &name);

	if (fd < 0)
		return fd == -EBUSY ? -EEXIST : fd;
	r = result(mkdirat(fd, name, mode & 07777));
	fd_close(&fd);
	return r;
}

static int is_directory(const struct vfs_root *root, const char *vpath)
{
	struct statx st;
	int r = vfs_stat(root, vpath, 0, STATX_TYPE, &st);

	if (r < 0)
		return r;
	return S_ISDIR(st.stx_mode) ? 0 : -ENOTDIR;
}

int vfs_mkdir_p(const struct vfs_root *root, const char *vpath, mode_t mode, unsigned *ret_made)
{
	char part[VFS_PATH_SIZE];
	unsigned made = 0;
	size_t at = 0;
	int r = 0;

	if (!vfs_path_is_normal(vpath))
		return -EINVAL;
	while (r == 0 && vpath[at] != '\0' && vpath[1] != '\0') {
		at += 1 + strcspn(vpath + at + 1, "/");
		memcpy(part, vpath, at);
		part[at] = '\0';
		r = vfs_mkdir(root, part, mode);
		if (r == 0)
			made++;
		else if (r == -EEXIST || r == -EACCES ||
			 r == -EROFS) /* the last two may hide that it exists */
			r = is_directory(root, part) == 0 ? 0 : r;
		if (r == -EEXIST && vpath[at] != '\0')
			r = -ENOTDIR;
	}
	if (ret_made != NULL)
		*ret_made = made;
	return r;
}

int vfs_rmdir(const struct vfs_root *root, const char *vpath)
{
	const char *name;
	int r, fd = vfs_parent_open(root, vpath, VFS_NOLINKS, &name);

	if (fd < 0)
		return fd;
	r = result(unlinkat(fd, name, AT_REMOVEDIR));
	fd_close(&fd);
	return r;
}

/* File systems without RENAME_NOREPLACE: link(2) has the same promise for all but directories. */
static int rename_by_link(int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat st;

	if (fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return -EEXIST;
		return result(renameat(from_fd, from, to_fd, to));
	}
	if (linkat(from_fd, from, to_fd, to, 0) < 0)
		return -errno;
	return result(unlinkat(from_fd, from, 0));
}

int vfs_rename_at(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	int r;

	if ((flags & VFS_NOREPLACE) == 0)
		return result(renameat(from_fd, from, to_fd, to));
	r = result((int)syscall(SYS_renameat2, from_fd, from, to_fd, to, RENAME_NOREPLACE));
	if (r == -EINVAL || r == -ENOSYS)
		r = rename_by_link(from_fd, from, to_fd, to);
	return r;
}

int vfs_rename(const struct vfs_root *root, const char *from, const char *to, unsigned flags)
{
	const char *from_name, *to_name;
	int from_fd, to_fd, r;

	from_fd = vfs_parent_open(root, from, VFS_NOLINKS, &from_name);
	if (from_fd < 0)
		return from_fd;
	to_fd = vfs_parent_open(root, to, VFS_NOLINKS, &to_name);
	r = to_fd < 0 ? to_fd : vfs_rename_at(from_fd, from_name, to_fd, to_name, flags);
	fd_close(&from_fd);
	fd_close(&to_fd);
	return r;
}

int vfs_symlink(const struct vfs_root *root, const char *target, const char *vpath)
{
	const char *name;
	int r, fd = vfs_parent_open(root, vpath, VFS_NOLINKS, &name);

	if (fd < 0)
		return fd == -EBUSY ? -EEXIST : fd;
	r = result(symlinkat(target, fd, name));
	fd_close(&fd);
	return r;
}

int vfs_readlink_at(int dir_fd, const char *name, char *buf, size_t size)
{
	ssize_t n = readlinkat(dir_fd, name, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return (int)n;
}

/* The one name by which old kernels let an O_PATH descriptor be changed. */
static const char *proc_name(int fd, char buf[32])
{
	(void)snprintf(buf, 32, "/proc/self/fd/%d", fd); /* always fits */
	return buf;
}

int vfs_chmod(const struct vfs_root *root, const char *vpath, mode_t mode, unsigned flags)
{
	struct stat st;
	char proc[32];
	int r = -ENOSYS, fd = vfs_path_fd(root, vpath, flags & (VFS_NOFOLLOW | VFS_NOLINKS));

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISLNK(st.st_mode))
		r = -EOPNOTSUPP;
	else if (vfs_has_openat2())
		r = result((int)syscall(SYS_fchmodat2, fd, "", mode & 07777, AT_EMPTY_PATH));
	if (r == -ENOSYS)
		r = result(chmod(proc_name(fd, proc), mode & 07777));
	fd_close(&fd);
	return r;
}

int vfs_chown(const struct vfs_root *root, const char *vpath, uid_t uid, gid_t gid, unsigned flags)
{
	int r, fd = vfs_path_fd(root, vpath, flags & (VFS_NOFOLLOW | VFS_NOLINKS));

	if (fd < 0)
		return fd;
	r = result(fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
	fd_close(&fd);
	return r;
}

int vfs_chgrp(const struct vfs_root *root, const char *vpath, gid_t gid)
{
	return vfs_chown(root, vpath, (uid_t)-1, gid, VFS_NOFOLLOW | VFS_NOLINKS);
}

int vfs_utime(const struct vfs_root *root, const char *vpath, const struct timespec times[2], unsigned flags)
{
	char proc[32];
	int r = -EINVAL, fd = vfs_path_fd(root, vpath, flags & (VFS_NOFOLLOW | VFS_NOLINKS));

	if (fd < 0)
		return fd;
	if (vfs_has_openat2())
		r = result(utimensat(fd, "", times, AT_EMPTY_PATH));
	if (r == -EINVAL)
		r = result(utimensat(AT_FDCWD, proc_name(fd, proc), times, 0));
	fd_close(&fd);
	return r;
}
