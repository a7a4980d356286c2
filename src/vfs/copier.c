#include "vfs/copier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "vfs/dir.h"
#include "vfs/vfs_priv.h"

#define UNIT_BYTES (4u << 20) /* between two looks at the clock */

struct level {
	struct vfs_dir *from;
	int to;
	mode_t mode;
};

struct vfs_copier {
	const struct vfs_root *root;
	const struct vfs_copier_options *opt;
	char from[VFS_PATH_SIZE], to[VFS_PATH_SIZE];
	int to_fd;           /* parent of the target */
	const char *to_name; /* in to */
	char temp[VFS_TEMP_NAME];
	bool made, complete;
	bool tree;
	dev_t dev; /* of the copy of a tree */
	ino_t ino;
	struct vfs_copying file; /* in >= 0: the one that is being copied */
	mode_t file_mode;
	uint64_t bytes, total;
	unsigned depth;
	struct level level[VFS_TREE_DEPTH];
};

/* --- objects --- */

static int ask(const struct vfs_copier *c, const char *from, const struct stat *st, const char *link,
	mode_t *ret_mode)
{
	size_t head = strlen(c->from), rest = strlen(from) - head;
	char to[VFS_PATH_SIZE];

	if (strlen(c->to) + rest >= sizeof(to))
		return -ENAMETOOLONG;
	strcpy(to, c->to);
	strcat(to, from + head);
	*ret_mode = S_ISDIR(st->st_mode) ? 0700 : 0600;
	return c->opt->allow != NULL ? c->opt->allow(c->opt->arg, from, to, st, link, ret_mode) : 0;
}

/* Begin with a file. name NULL: the target itself, under its temporary name. */
static int file_begin(struct vfs_copier *c, int from_fd, const char *from, int to_fd, const char *name,
	const struct stat *want, mode_t mode)
{
	struct vfs_copying *f = &c->file;
	struct stat st;

	memset(f, 0, sizeof(*f));
	f->out = -1;
	c->file_mode = mode;
	f->in = openat(from_fd, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (f->in < 0)
		return -errno;
	if (fstat(f->in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL; /* it was one when it was asked about */
	f->size = st.st_size < want->st_size ? st.st_size : want->st_size; /* what was asked about */
	if (name != NULL)
		f->out = openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	else {
		f->out = vfs_temp_open(to_fd, c->temp);
		c->made = f->out >= 0;
		return f->out < 0 ? f->out : 0;
	}
	return f->out < 0 ? -errno : 0;
}

static int file_step(struct vfs_copier *c)
{
	uint64_t n;
	int r = vfs_copying_step(&c->file, UNIT_BYTES, &n);

	c->bytes += n;
	if (r <= 0)
		return r;
	if (fchmod(c->file.out, c->file_mode) < 0)
		return -errno;
	r = close(c->file.out) < 0 ? -errno : 0; /* some file systems tell of a full disk only here */
	c->file.out = -1;
	vfs_copying_done(&c->file);
	return r;
}

static int dir_open_made(int fd, const char *name)
{
	int dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return dir < 0 ? -errno : dir;
}

static int level_push(struct vfs_copier *c, struct vfs_dir *from, int to, mode_t mode)
{
	if (c->depth == VFS_TREE_DEPTH)
		return -ENAMETOOLONG;
	c->level[c->depth++] = (struct level){.from = from, .to = to, .mode = mode};
	return 0;
}

static int level_leave(struct vfs_copier *c)
{
	struct level *lv = &c->level[--c->depth];
	int r = fchmod(lv->to, lv->mode) < 0 ? -errno : 0;

	vfs_dir_close(&lv->from);
	fd_close(&lv->to);
	return r;
}

/* A directory in the deepest one. */
static int dir_enter(struct vfs_copier *c, struct level *lv, const char *name, mode_t mode)
{
	struct vfs_dir *child;
	struct stat st;
	int to, r = vfs_dir_open_child(lv->from, name, &child);

	if (r < 0)
		return r;
	if (fstat(vfs_dir_fd(child), &st) < 0)
		r = -errno;
	else if (st.st_dev == c->dev && st.st_ino == c->ino)
		r = -EINVAL; /* the copy has been moved to where it is copied from */
	if (r == 0 && mkdirat(lv->to, name, 0700) < 0)
		r = -errno;
	to = r < 0 ? r : dir_open_made(lv->to, name);
	r = to < 0 ? to : level_push(c, child, to, mode);
	if (r < 0) {
		vfs_dir_close(&child);
		if (to >= 0)
			fd_close(&to);
	}
	return r;
}

static int entry_copy(struct vfs_copier *c, const char *name)
{
	struct level *lv = &c->level[c->depth - 1];
	char from[VFS_PATH_SIZE], text[VFS_PATH_SIZE];
	int fd = vfs_dir_fd(lv->from), r;
	struct stat st;
	mode_t mode;
	bool link;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	link = S_ISLNK(st.st_mode);
	if (!link && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	r = vfs_path_resolve(vfs_dir_path(lv->from), name, from);
	if (r == 0 && link)
		r = vfs_readlink_at(fd, name, text, sizeof(text));
	if (r >= 0)
		r = ask(c, from, &st, link ? text : NULL, &mode);
	if (r < 0)
		return r;
	if (link)
		return symlinkat(text, lv->to, name) < 0 ? -errno : 0;
	if (S_ISDIR(st.st_mode))
		return dir_enter(c, lv, name, mode);
	return file_begin(c, fd, name, lv->to, name, &st, mode);
}

static int tree_step(struct vfs_copier *c)
{
	const struct vfs_dirent *ent;
	int r = vfs_dir_next(c->level[c->depth - 1].from, &ent);

	if (r == 0)
		return level_leave(c);
	if (r < 0)
		return r;
	r = entry_copy(c, ent->name);
	if (r == -ENOENT) { /* gone meanwhile, or to be left out */
		vfs_copying_done(&c->file);
		return 0;
	}
	return r;
}

/* --- the whole --- */

static int finish(struct vfs_copier *c)
{
	int r = vfs_rename_at(
		c->to_fd, c->temp, c->to_fd, c->to_name, c->opt->replace && !c->tree ? 0 : VFS_NOREPLACE);

	c->complete = r == 0;
	return r < 0 ? r : 1;
}

int vfs_copier_step(struct vfs_copier *c, uint64_t until_ms, const atomic_bool *cancel)
{
	int r = 0;

	while (r == 0) {
		if (cancel != NULL && atomic_load(cancel))
			return -ECANCELED;
		if (c->file.in >= 0)
			r = file_step(c);
		else if (c->depth > 0)
			r = tree_step(c);
		else
			return finish(c);
		if (clock_ms() >= until_ms)
			break;
	}
	return r;
}

static int top_link(struct vfs_copier *c, const char *text)
{
	int r = vfs_temp_name(c->temp);

	if (r < 0)
		return r;
	if (symlinkat(text, c->to_fd, c->temp) < 0)
		return -errno;
	c->made = true;
	return 0;
}

static int top_dir(struct vfs_copier *c, mode_t mode)
{
	struct vfs_dir *from;
	struct stat st;
	int to, r = vfs_temp_name(c->temp);

	if (r == 0)
		r = vfs_dir_open(c->root, c->from, VFS_NOFOLLOW | VFS_NOLINKS, 0, &from);
	if (r < 0)
		return r;
	r = mkdirat(c->to_fd, c->temp, 0700) < 0 ? -errno : 0;
	c->made = r == 0;
	to = r < 0 ? r : dir_open_made(c->to_fd, c->temp);
	if (to < 0) {
		vfs_dir_close(&from);
		return to;
	}
	r = level_push(c, from, to, mode); /* the first level: there is room */
	if (fstat(to, &st) < 0)
		return -errno;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	return r;
}

/* Can the target be? st: of what is copied. */
static int target_check(const struct vfs_copier *c, const struct stat *st)
{
	struct stat target;

	if (fstatat(c->to_fd, c->to_name, &target, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st->st_mode) || !c->opt->replace)
		return -EEXIST;
	if (S_ISDIR(target.st_mode))
		return -EISDIR;
	return target.st_dev == st->st_dev && target.st_ino == st->st_ino ? -EINVAL : 0;
}

static int copier_begin(struct vfs_copier *c, int from_fd, const char *name)
{
	char text[VFS_PATH_SIZE];
	struct stat st;
	mode_t mode;
	int r;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	c->tree = S_ISDIR(st.st_mode);
	if (strcmp(c->to, c->from) == 0 || (c->tree && vfs_path_within(c->to, c->from)))
		return -EINVAL;
	if (!c->tree && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return -EINVAL;
	r = target_check(c, &st);
	if (r == 0 && S_ISLNK(st.st_mode))
		r = vfs_readlink_at(from_fd, name, text, sizeof(text));
	if (r >= 0)
		r = ask(c, c->from, &st, S_ISLNK(st.st_mode) ? text : NULL, &mode);
	if (r < 0)
		return r;
	if (c->tree)
		return top_dir(c, mode);
	if (S_ISLNK(st.st_mode))
		return top_link(c, text);
	r = file_begin(c, from_fd, name, c->to_fd, NULL, &st, mode);
	c->total = r == 0 ? (uint64_t)c->file.size : 0;
	return r;
}

int vfs_copier_new(const struct vfs_root *root, const char *from, const char *to,
	const struct vfs_copier_options *opt, struct vfs_copier **ret_copier)
{
	struct vfs_copier *c = calloc(1, sizeof(*c));
	const char *name;
	int from_fd, r;

	if (c == NULL)
		return -ENOMEM;
	c->root = root;
	c->opt = opt;
	c->file.in = c->file.out = c->to_fd = -1;
	strcpy(c->from, from);
	strcpy(c->to, to);
	from_fd = vfs_parent_open(root, from, VFS_NOLINKS, &name);
	if (from_fd == -EBUSY) /* the root itself: whatever the target is, it lies within */
		from_fd = -EINVAL;
	r = from_fd;
	if (r >= 0)
		r = c->to_fd = vfs_parent_open(root, c->to, VFS_NOLINKS, &c->to_name);
	if (r == -EBUSY)
		r = -EEXIST;
	if (r >= 0)
		r = copier_begin(c, from_fd, name);
	if (from_fd >= 0)
		fd_close(&from_fd);
	if (c->to_fd < 0)
		c->to_fd = -1;
	if (r < 0)
		vfs_copier_free(&c);
	else
		*ret_copier = c;
	return r < 0 ? r : 0;
}

uint64_t vfs_copier_bytes(const struct vfs_copier *c)
{
	return c->bytes;
}

uint64_t vfs_copier_total(const struct vfs_copier *c)
{
	return c->total;
}

/* What failed has told its error already; what goes wrong here is not told. */
static void leftover_remove(struct vfs_copier *c)
{
	char path[VFS_PATH_SIZE], parent[VFS_PATH_SIZE];

	if (!c->tree) {
		(void)unlinkat(c->to_fd, c->temp, 0);
		return;
	}
	vfs_path_parent(c->to, parent);
	if (vfs_path_resolve(parent, c->temp, path) == 0)
		(void)vfs_rmtree(c->root, path, NULL);
}

void vfs_copier_free(struct vfs_copier **copier)
{
	struct vfs_copier *c = *copier;

	if (c == NULL)
		return;
	if (c->file.out >= 0)
		(void)fchmod(c->file.out, c->file_mode); /* matters only when it is kept */
	vfs_copying_done(&c->file);
	while (c->depth > 0)
		(void)level_leave(c);
	if (c->made && !c->complete &&
		!(c->opt->keep_failed &&
			vfs_rename_at(c->to_fd, c->temp, c->to_fd, c->to_name, VFS_NOREPLACE) == 0))
		leftover_remove(c);
	fd_close(&c->to_fd);
	free(c);
	*copier = NULL;
}
