#include "vfs/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define DIR_BUF_BYTES 32768

/* As the kernel writes them, getdents64(2). */
struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	unsigned short d_reclen;
	unsigned char d_type;
	char d_name[];
};

struct vfs_dir {
	const struct vfs_root *root;
	int fd;
	unsigned flags, mask;
	char *path;
	size_t at, len; /* bytes of buf handed out, filled */
	struct vfs_dirent ent;
	_Alignas(8) char buf[DIR_BUF_BYTES];
};

/* Takes fd over in any case. */
static int dir_new(int fd, const struct vfs_root *root, const char *path, unsigned flags, unsigned mask,
	struct vfs_dir **ret_dir)
{
	struct vfs_dir *dir = malloc(sizeof(*dir));

	if (dir == NULL || (dir->path = strdup(path)) == NULL) {
		free(dir);
		fd_close(&fd);
		return -ENOMEM;
	}
	dir->root = root;
	dir->fd = fd;
	dir->flags = flags;
	dir->mask = mask;
	dir->at = dir->len = 0;
	*ret_dir = dir;
	return 0;
}

int vfs_dir_open(const struct vfs_root *root, const char *vpath, unsigned flags, unsigned mask,
	struct vfs_dir **ret_dir)
{
	unsigned how = flags & (VFS_NOFOLLOW | VFS_NOLINKS | VFS_CACHED);
	int fd = vfs_open(root, vpath, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, how);

	return fd < 0 ? fd : dir_new(fd, root, vpath, flags, mask, ret_dir);
}

int vfs_dir_open_child(const struct vfs_dir *parent, const char *name, struct vfs_dir **ret_dir)
{
	char path[VFS_PATH_SIZE];
	int fd, r;

	if (strchr(name, '/') != NULL || strcmp(name, "..") == 0)
		return -EINVAL;
	r = vfs_path_resolve(parent->path, name, path);
	if (r < 0)
		return r;
	fd = openat(parent->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return dir_new(fd, parent->root, path, parent->flags, parent->mask, ret_dir);
}

static int dir_fill(struct vfs_dir *dir)
{
	long n = syscall(SYS_getdents64, dir->fd, dir->buf, sizeof(dir->buf));

	if (n < 0)
		return errno == ENOENT ? 0 : -errno; /* ENOENT: removed meanwhile, so it is empty */
	dir->at = 0;
	dir->len = (size_t)n;
	return n > 0;
}

/* A link's target may lie anywhere in the root, so it is resolved from there. */
static int stat_target(struct vfs_dir *dir, struct vfs_dirent *ent)
{
	char path[VFS_PATH_SIZE];
	int r = vfs_path_resolve(dir->path, ent->name, path);

	return r < 0 ? r : vfs_stat(dir->root, path, 0, dir->mask | STATX_TYPE, &ent->st);
}

static unsigned char type_of(const struct statx *st)
{
	return (unsigned char)((st->stx_mode & S_IFMT) >> 12); /* DT_* are made of S_IF* */
}

static void dir_stat(struct vfs_dir *dir, struct vfs_dirent *ent)
{
	ent->stat_result = 0;
	if (statx(dir->fd, ent->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, dir->mask | STATX_TYPE,
		    &ent->st) < 0) {
		ent->stat_result = -errno;
		return;
	}
	ent->type = type_of(&ent->st);
	if (ent->type == DT_LNK && (dir->flags & VFS_DIR_FOLLOW) != 0)
		ent->stat_result = stat_target(dir, ent);
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int vfs_dir_next(struct vfs_dir *dir, const struct vfs_dirent **ret_ent)
{
	const struct linux_dirent64 *raw;

	do {
		if (dir->at >= dir->len) {
			int r = dir_fill(dir);

			if (r <= 0)
				return r;
		}
		raw = (const struct linux_dirent64 *)(const void *)(dir->buf + dir->at);
		dir->at += raw->d_reclen;
	} while (is_dots(raw->d_name));
	dir->ent.name = raw->d_name;
	dir->ent.len = strlen(raw->d_name);
	dir->ent.type = raw->d_type;
	dir->ent.ino = raw->d_ino;
	dir->ent.stat_result = -ENODATA;
	if ((dir->flags & VFS_DIR_STAT) != 0)
		dir_stat(dir, &dir->ent);
	*ret_ent = &dir->ent;
	return 1;
}

int vfs_dir_rewind(struct vfs_dir *dir)
{
	dir->at = dir->len = 0;
	return lseek(dir->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

void vfs_dir_close(struct vfs_dir **dir)
{
	if (*dir == NULL)
		return;
	fd_close(&(*dir)->fd);
	free((*dir)->path);
	free(*dir);
	*dir = NULL;
}

int vfs_dir_fd(const struct vfs_dir *dir)
{
	return dir->fd;
}

const char *vfs_dir_path(const struct vfs_dir *dir)
{
	return dir->path;
}
