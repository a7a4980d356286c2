/* The root and the choice of the way to resolve a path: openat2 where it works, else the walk (walk.c). */
#include "vfs/vfs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

enum { OPENAT2_UNKNOWN, OPENAT2_ON, OPENAT2_OFF };
static atomic_int openat2_state = OPENAT2_UNKNOWN;

/* With ".." in a link's text openat2 says -EAGAIN when something was renamed meanwhile: so often it is asked
 * again before the walk, which has no such doubt, takes over. */
#define RACE_TRIES 8

static int sys_openat2(int dirfd, const char *path, int oflags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)(oflags | O_CLOEXEC), .resolve = resolve};
	long fd;

	if ((oflags & O_CREAT) != 0 || (oflags & O_TMPFILE) == O_TMPFILE)
		how.mode = mode & 07777;
	fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

bool vfs_has_openat2(void)
{
	int state = atomic_load(&openat2_state), fd;

	if (state == OPENAT2_UNKNOWN) {
		/* Any failure counts: some system call filters answer with EPERM what they do not know. */
		fd = sys_openat2(AT_FDCWD, ".", O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
		state = fd < 0 ? OPENAT2_OFF : OPENAT2_ON;
		fd_close(&fd);
		atomic_store(&openat2_state, state);
	}
	return state == OPENAT2_ON;
}

void vfs_set_openat2(bool on)
{
	atomic_store(&openat2_state, on ? OPENAT2_UNKNOWN : OPENAT2_OFF);
}

int vfs_openat2(int dirfd, const char *path, int oflags, mode_t mode, uint64_t resolve)
{
	return vfs_has_openat2() ? sys_openat2(dirfd, path, oflags, mode, resolve) : -ENOSYS;
}

/* Kernels before 5.12 know openat2 but not RESOLVE_CACHED. */
static int cached_result(int fd)
{
	return fd == -EINVAL || fd == -ENOSYS ? -EAGAIN : fd;
}

static int open_in_root(
	const struct vfs_root *root, const char *vpath, int oflags, mode_t mode, unsigned flags)
{
	uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	const char *path = vpath[1] == '\0' ? "." : vpath + 1;
	int i, fd = -EAGAIN;

	if ((flags & VFS_NOLINKS) != 0)
		resolve |= RESOLVE_NO_SYMLINKS;
	if ((flags & VFS_CACHED) != 0)
		return cached_result(vfs_openat2(root->fd, path, oflags, mode, resolve | RESOLVE_CACHED));
	for (i = 0; fd == -EAGAIN && i < RACE_TRIES; i++)
		fd = vfs_openat2(root->fd, path, oflags, mode, resolve);
	if (fd == -EAGAIN || fd == -ENOSYS)
		fd = vfs_walk_open(root, vpath, oflags, mode, flags, NULL, NULL);
	return fd;
}

int vfs_open(const struct vfs_root *root, const char *vpath, int oflags, mode_t mode, unsigned flags)
{
	if (!vfs_path_is_normal(vpath))
		return -EINVAL;
	if ((flags & VFS_NOFOLLOW) != 0)
		oflags |= O_NOFOLLOW;
	if ((flags & VFS_CACHED) != 0 && (oflags & (O_CREAT | O_TRUNC)) != 0)
		return -EAGAIN;
	return open_in_root(root, vpath, oflags | O_CLOEXEC, mode, flags);
}

int vfs_path_fd(const struct vfs_root *root, const char *vpath, unsigned flags)
{
	return vfs_open(root, vpath, O_PATH, 0, flags);
}

int vfs_parent_open(const struct vfs_root *root, const char *vpath, unsigned flags, const char **ret_name)
{
	char parent[VFS_PATH_SIZE];
	int fd;

	if (!vfs_path_is_normal(vpath))
		return -EINVAL;
	if (vpath[1] == '\0')
		return -EBUSY;
	vfs_path_parent(vpath, parent);
	fd = vfs_open(root, parent, O_PATH | O_DIRECTORY, 0, flags & (VFS_CACHED | VFS_NOLINKS));
	if (fd >= 0)
		*ret_name = vfs_path_base(vpath);
	return fd;
}

bool vfs_is_local(const struct statx *st)
{
	const struct vfs_fstype *type = vfs_fstype_known(makedev(st->stx_dev_major, st->stx_dev_minor));

	return type && type->local;
}

void vfs_fd_kind(int fd, struct statx *ret_st)
{
	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE, ret_st) < 0)
		ret_st->stx_mask = 0;
}

bool vfs_fd_is_local(int fd)
{
	struct statx st;

	vfs_fd_kind(fd, &st);
	return st.stx_mask && vfs_is_local(&st);
}

/* What is known of an object whose path has been resolved. With VFS_CACHED it has to be of a local file system, else what
 * that is is remembered for who asks with VFS_CACHED later. 0, -EAGAIN. */
static int kind_look(int fd, const struct statx *st, unsigned flags)
{
	if ((flags & VFS_CACHED) != 0)
		return st->stx_mask && vfs_is_local(st) ? 0 : -EAGAIN;
	if (st->stx_mask)
		(void)vfs_fstype_learn(fd, makedev(st->stx_dev_major, st->stx_dev_minor));
	return 0;
}

/* Is the directory of vpath there, and no link on the way to it? */
static bool parent_is_real(const struct vfs_root *root, const char *vpath, uint64_t resolve)
{
	char parent[VFS_PATH_SIZE];
	int fd;

	vfs_path_parent(vpath, parent);
	if (parent[1] == '\0')
		return true;
	fd = vfs_openat2(root->fd, parent + 1, O_PATH | O_DIRECTORY, 0, resolve);
	if (fd < 0)
		return false;
	fd_close(&fd);
	return true;
}

/* O_PATH descriptor of vpath, whose canonical path goes to canon ("" when nothing is known of it), type and device to *ret_st.
 * Where the kernel meets no link, vpath is canonical itself: one call instead of three for each component. */
static int real_open(const struct vfs_root *root, const char *vpath, unsigned flags,
	char canon[VFS_PATH_SIZE], struct statx *ret_st)
{
	int how = O_PATH | ((flags & VFS_NOFOLLOW) != 0 ? O_NOFOLLOW : 0), fd;
	uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;

	if ((flags & VFS_CACHED) != 0)
		resolve |= RESOLVE_CACHED;
	fd = vfs_openat2(root->fd, vpath + 1, how, 0, resolve);
	if (fd >= 0)
		vfs_fd_kind(fd, ret_st);
	if (fd >= 0 ||
		(fd == -ENOENT && (flags & VFS_MISSING_OK) != 0 && parent_is_real(root, vpath, resolve)))
		strcpy(canon, vpath);
	else if (fd != -ENOENT || (flags & VFS_MISSING_OK) != 0)
		fd = vfs_walk_open(root, vpath, how, 0, flags, canon, ret_st);
	return fd;
}

int vfs_realpath_type(const struct vfs_root *root, const char *vpath, unsigned flags, char out[VFS_PATH_SIZE],
	mode_t *ret_type)
{
	char canon[VFS_PATH_SIZE] = "";
	struct statx st = {0};
	int fd, r = 0;

	if (!vfs_path_is_normal(vpath))
		return -EINVAL;
	if (vpath[1] == '\0') { /* that is open already */
		vfs_fd_kind(root->fd, &st);
		r = kind_look(root->fd, &st, flags);
		strcpy(canon, "/");
	} else {
		fd = real_open(root, vpath, flags, canon, &st);
		if (fd < 0 && !(fd == -ENOENT && (flags & VFS_MISSING_OK) != 0 && canon[0] != '\0'))
			return fd;
		if (fd >= 0)
			r = kind_look(fd, &st, flags);
		else
			st.stx_mask = 0;
		fd_close(&fd);
	}
	if (r < 0)
		return r;
	*ret_type = st.stx_mask & STATX_TYPE ? st.stx_mode & S_IFMT : 0;
	strcpy(out, canon); /* both have VFS_PATH_SIZE bytes */
	return 0;
}

int vfs_realpath(const struct vfs_root *root, const char *vpath, unsigned flags, char out[VFS_PATH_SIZE])
{
	mode_t type;

	return vfs_realpath_type(root, vpath, flags, out, &type);
}

int vfs_root_from_fd(int fd, const char *path, struct vfs_root **ret_root)
{
	struct vfs_root *root;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	root = xcalloc(1, sizeof(*root));
	root->fd = fd;
	root->path = xstrdup(path);
	*ret_root = root;
	return 0;
}

/* A host directory all of whose components must be real: the walk under "/", which refuses links. */
static int open_without_links(const char *path)
{
	struct vfs_root top = {.fd = -1};
	char norm[VFS_PATH_SIZE];
	int r, fd;

	r = vfs_path_resolve("/", path, norm);
	if (r < 0)
		return r;
	top.fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top.fd < 0)
		return -errno;
	fd = vfs_open(&top, norm, O_PATH | O_DIRECTORY, 0, VFS_NOLINKS);
	fd_close(&top.fd);
	return fd;
}

int vfs_root_open(const char *path, unsigned flags, struct vfs_root **ret_root, struct err *err)
{
	char *real;
	int fd, r;

	if ((flags & VFS_ROOT_NOLINKS) != 0) {
		fd = *path == '/' ? open_without_links(path) : -EINVAL;
	} else {
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		return err_sys(err, -fd, "cannot open directory '%s'", path);
	real = realpath(path, NULL);
	r = vfs_root_from_fd(fd, real != NULL ? real : path, ret_root);
	free(real);
	if (r < 0) {
		fd_close(&fd);
		return err_sys(err, -r, "cannot use directory '%s'", path);
	}
	return 0;
}

void vfs_root_close(struct vfs_root **root)
{
	if (*root == NULL)
		return;
	fd_close(&(*root)->fd);
	free((*root)->path);
	free(*root);
	*root = NULL;
}
