/* Removing trees: depth first with one open stream a level, every step by directory descriptor and name. */
#include "vfs/dir.h"
#include "vfs/vfs_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

/* A directory that is not empty after its entries were removed is read again: some file systems skip entries
 * when others are removed while reading. */
#define PASSES_MAX 3

struct level {
	struct vfs_dir *dir;
	unsigned passes;
	bool failed; /* something in it stays */
};

struct removal {
	const struct vfs_work *work;
	int first_error;
	int top_fd;     /* where the tree hangs */
	unsigned depth; /* levels in use */
	struct level level[VFS_TREE_DEPTH];
};

static void note_error(struct removal *rm, int r)
{
	if (rm->first_error == 0)
		rm->first_error = r;
	if (rm->depth > 0)
		rm->level[rm->depth - 1].failed = true;
}

static int ask(const struct removal *rm, const char *vpath, bool is_dir)
{
	return rm->work != NULL && rm->work->allow != NULL ? rm->work->allow(rm->work->arg, vpath, is_dir)
							   : 0;
}

static bool is_mount_point(int fd)
{
	struct statx st;

#ifdef STATX_ATTR_MOUNT_ROOT
	return statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
#else
	return false;
#endif
}

static int push(struct removal *rm, struct vfs_dir *dir)
{
	if (rm->depth == VFS_TREE_DEPTH) {
		vfs_dir_close(&dir);
		return -ENAMETOOLONG;
	}
	if (is_mount_point(vfs_dir_fd(dir))) {
		vfs_dir_close(&dir);
		return -EBUSY;
	}
	rm->level[rm->depth++] = (struct level){.dir = dir};
	return 0;
}

/* One entry of the deepest directory: a directory becomes the next level, anything else is removed. */
static int remove_entry(struct removal *rm, const struct vfs_dirent *ent)
{
	struct vfs_dir *dir = rm->level[rm->depth - 1].dir, *child;
	char path[VFS_PATH_SIZE];
	bool is_dir = ent->type == DT_DIR;
	int r;

	if (ent->type == DT_UNKNOWN) {
		struct stat st;

		if (fstatat(vfs_dir_fd(dir), ent->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		is_dir = S_ISDIR(st.st_mode);
	}
	r = vfs_path_resolve(vfs_dir_path(dir), ent->name, path);
	if (r == 0)
		r = ask(rm, path, is_dir);
	if (r < 0)
		return r;
	if (is_dir) {
		r = vfs_dir_open_child(dir, ent->name, &child);
		if (r == -EACCES) /* not readable, but an empty one may go */
			return unlinkat(vfs_dir_fd(dir), ent->name, AT_REMOVEDIR) < 0 ? -EACCES : 0;
		return r < 0 ? r : push(rm, child);
	}
	if (unlinkat(vfs_dir_fd(dir), ent->name, 0) < 0)
		return -errno;
	vfs_count(rm->work, 1);
	return 0;
}

/* The deepest directory has been read to its end: remove it by its name in its parent. */
static void leave(struct removal *rm)
{
	struct level *lv = &rm->level[rm->depth - 1];
	bool failed = lv->failed;
	int parent_fd = rm->depth > 1 ? vfs_dir_fd(lv[-1].dir) : rm->top_fd, r = 0;

	if (!failed && unlinkat(parent_fd, vfs_path_base(vfs_dir_path(lv->dir)), AT_REMOVEDIR) < 0)
		r = -errno;
	if ((r == -ENOTEMPTY || r == -EEXIST) && ++lv->passes < PASSES_MAX && vfs_dir_rewind(lv->dir) == 0)
		return;
	if (!failed && r == 0)
		vfs_count(rm->work, 1);
	vfs_dir_close(&lv->dir);
	rm->depth--;
	if (r < 0)
		note_error(rm, r);
	else if (failed && rm->depth > 0)
		rm->level[rm->depth - 1].failed = true;
}

static int remove_levels(struct removal *rm)
{
	while (rm->depth > 0) {
		const struct vfs_dirent *ent;
		int r;

		if (vfs_cancelled(rm->work))
			return -ECANCELED;
		r = vfs_dir_next(rm->level[rm->depth - 1].dir, &ent);
		if (r == 1) {
			r = remove_entry(rm, ent);
			if (r < 0 && r != -ENOENT) /* gone meanwhile is as good as removed */
				note_error(rm, r);
			continue;
		}
		if (r < 0)
			note_error(rm, r);
		leave(rm);
	}
	return rm->first_error;
}

static int remove_top(struct removal *rm, const struct vfs_root *root, const char *vpath, const char *name)
{
	struct vfs_dir *dir;
	struct stat st;
	int r, fd = rm->top_fd;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = ask(rm, vpath, S_ISDIR(st.st_mode));
	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(fd, name, 0) < 0)
			return -errno;
		vfs_count(rm->work, 1);
		return 0;
	}
	r = vfs_dir_open(root, vpath, VFS_NOFOLLOW | VFS_NOLINKS, 0, &dir);
	if (r == -EACCES)
		return unlinkat(fd, name, AT_REMOVEDIR) < 0 ? -EACCES : 0;
	if (r == 0)
		r = push(rm, dir);
	return r < 0 ? r : remove_levels(rm);
}

int vfs_rmtree(const struct vfs_root *root, const char *vpath, const struct vfs_work *work)
{
	struct removal rm = {.work = work};
	const char *name;
	int r, fd = vfs_parent_open(root, vpath, VFS_NOLINKS, &name);

	if (fd < 0)
		return fd;
	rm.top_fd = fd;
	r = remove_top(&rm, root, vpath, name);
	while (rm.depth > 0)
		vfs_dir_close(&rm.level[--rm.depth].dir);
	fd_close(&fd);
	return r;
}
