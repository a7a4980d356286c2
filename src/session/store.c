#include "session/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

#define NFS_MAGIC    0x6969
#define UNIQUE_TRIES 100
#define UNIQUE_CHARS 6
#define DEVICE_NULL  makedev(1, 3)
#define DEVICE_FULL  makedev(1, 7)
#define WRITE_FLAGS                                                                                          \
	(O_WRONLY | O_NONBLOCK | O_NOCTTY) /* O_NONBLOCK: a FIFO without reader must not hold us */

/* Append with %P replaced by the process id. Returns the new length or size when it does not fit. */
static size_t part_append(char *out, size_t at, size_t size, const char *part)
{
	int n;

	for (; *part && at < size; part++) {
		if (part[0] == '%' && part[1] == 'P') {
			n = snprintf(out + at, size - at, "%d", (int)getpid());
			at += (size_t)n;
			part++;
		} else
			out[at++] = *part;
	}
	return at < size ? at : size;
}

int store_hidden_name(const struct ftp_hidden *h, const char *path, char out[VFS_PATH_SIZE])
{
	const char *name = vfs_path_base(path);
	size_t dir = (size_t)(name - path), at;

	memcpy(out, path, dir);
	at = part_append(out, dir, VFS_PATH_SIZE, h->prefix ? h->prefix : "");
	for (; *name && at < VFS_PATH_SIZE; name++)
		out[at++] = *name; /* not part_append(): a '%P' of the client's is a name */
	at = part_append(out, at, VFS_PATH_SIZE, h->suffix ? h->suffix : "");
	if (at >= VFS_PATH_SIZE || at - dir > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	out[at] = '\0';
	return 0;
}

static bool writable_type(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISFIFO(st->st_mode) ||
	       (S_ISCHR(st->st_mode) && (st->st_rdev == DEVICE_NULL || st->st_rdev == DEVICE_FULL));
}

/* Create exclusively, or open what is there without touching its content. */
static int target_open(struct store *st, const struct store_options *opt, enum store_problem *problem)
{
	int flags = WRITE_FLAGS | (st->mode == STORE_APPEND ? O_APPEND : 0), fd;

	fd = vfs_open(st->root, st->path, flags | O_CREAT | O_EXCL, opt->create_mode, VFS_NOLINKS);
	st->existed = fd == -EEXIST;
	if (st->existed && !opt->may_exist)
		*problem = STORE_EXISTS;
	else if (st->existed)
		fd = vfs_open(st->root, st->path, flags, 0, VFS_NOLINKS);
	return fd;
}

static int hidden_open(struct store *st, const struct ftp_hidden *h, mode_t mode, enum store_problem *problem)
{
	char parent[VFS_PATH_SIZE];
	struct statfs fs;
	int flags = WRITE_FLAGS | O_CREAT, fd, dir;

	fd = store_hidden_name(h, st->path, st->hidden);
	if (fd < 0) {
		st->hidden[0] = '\0';
		return fd;
	}
	vfs_path_parent(st->path, parent);
	dir = vfs_open(st->root, parent, O_PATH | O_DIRECTORY, 0, VFS_NOLINKS);
	if (dir < 0)
		return dir;
	if (fstatfs(dir, &fs) < 0 || fs.f_type != NFS_MAGIC) /* exclusive creation is not reliable there */
		flags |= O_EXCL;
	fd_close(&dir);
	fd = vfs_open(st->root, st->hidden, flags, mode, VFS_NOLINKS);
	if (fd == -EEXIST)
		*problem = STORE_HIDDEN_EXISTS;
	return fd;
}

static int unique_open(
	struct store *st, const struct store_options *opt, const char *dir, enum store_problem *problem)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	const char *prefix = opt->conf->store_unique_prefix ? opt->conf->store_unique_prefix : "ftp";
	unsigned char random[UNIQUE_CHARS];
	char name[UNIQUE_CHARS + 1];
	int fd = -EEXIST;

	for (int i = 0; i < UNIQUE_TRIES && fd == -EEXIST; i++) {
		if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
			return -errno;
		for (int k = 0; k < UNIQUE_CHARS; k++)
			name[k] = letters[random[k] % (sizeof letters - 1)];
		name[UNIQUE_CHARS] = '\0';
		if ((size_t)snprintf(st->path, sizeof st->path, "%s/%s%s", dir[1] ? dir : "", prefix, name) >=
			sizeof st->path)
			return -ENAMETOOLONG;
		fd = vfs_open(
			st->root, st->path, WRITE_FLAGS | O_CREAT | O_EXCL, opt->create_mode, VFS_NOLINKS);
	}
	if (fd == -EEXIST)
		*problem = STORE_NO_NAME;
	return fd;
}

/* A client that announces more than there is room for learns it before it sends, and nothing is touched. */
static int announced_check(
	struct store *st, uint64_t announced, const struct stat *sb, enum store_problem *problem)
{
	int r = announced > st->limit ? -EFBIG
				      : prealloc_check(st->fd, announced, (uint64_t)sb->st_blocks * 512);

	st->announced = announced;
	if (r < 0)
		*problem = STORE_NO_ROOM;
	return r;
}

/* After opening: what is it, and where does writing begin? */
static int target_look(struct store *st, const struct store_options *opt, enum store_problem *problem)
{
	struct stat sb;

	if (fstat(st->fd, &sb) < 0)
		return -errno;
	if (!writable_type(&sb)) {
		*problem = STORE_NOT_REGULAR;
		return -EINVAL;
	}
	st->dev = sb.st_dev;
	st->regular = S_ISREG(sb.st_mode);
	if (!st->regular)
		st->limit = UINT64_MAX;
	st->size_before = (uint64_t)sb.st_size;
	if (st->mode == STORE_RESTART && S_ISREG(sb.st_mode)) {
		if (opt->restart > st->size_before) {
			*problem = STORE_BEYOND_END;
			return -EINVAL;
		}
		st->offset = opt->restart;
	} else if (st->mode == STORE_APPEND)
		st->offset = st->size_before;
	st->start = st->offset;
	if (st->regular && (st->mode == STORE_REPLACE || st->mode == STORE_UNIQUE))
		return announced_check(st, opt->announced, &sb, problem);
	if (st->mode == STORE_RESTART && opt->length)
		st->end = st->offset + opt->length;
	return 0;
}

int store_open(struct vfs_root *root, const char *real, const struct store_options *opt,
	struct store **ret_store, enum store_problem *ret_problem, char *ret_hidden)
{
	const struct ftp_conf *conf = opt->conf;
	struct store *st = calloc(1, sizeof *st);
	int r;

	*ret_problem = STORE_ERRNO;
	if (!st)
		return -ENOMEM;
	st->root = root;
	st->mode = opt->mode;
	st->limit = opt->limit;
	st->end = UINT64_MAX;
	st->replace = opt->may_exist;
	st->user_owner = conf->user_owner;
	st->group_owner = conf->group_owner;
	st->delete_aborted = conf->delete_aborted_stores == FTP_ON;
	(void)snprintf(st->path, sizeof st->path, "%s", real);
	if (opt->mode == STORE_UNIQUE)
		st->fd = unique_open(st, opt, real, ret_problem);
	else if (opt->mode == STORE_REPLACE && conf->hidden_stores.on) {
		st->delete_aborted = conf->delete_aborted_stores != FTP_OFF;
		st->fd = hidden_open(st, &conf->hidden_stores, opt->create_mode, ret_problem);
	} else
		st->fd = target_open(st, opt, ret_problem);
	r = st->fd < 0 ? st->fd : target_look(st, opt, ret_problem);
	if (r == 0) {
		*ret_store = st;
		*ret_problem = STORE_OK;
		return 0;
	}
	(void)snprintf(ret_hidden, VFS_PATH_SIZE, "%s", vfs_path_base(st->hidden));
	if (st->fd < 0)
		free(st);
	else
		(void)store_end(
			st, false, &(enum store_problem){STORE_OK}, &(int64_t){0}); /* nothing is in it */
	return r;
}

int store_begin(struct store *st)
{
	st->started = true;
	if (!st->regular || (st->mode != STORE_REPLACE && st->mode != STORE_UNIQUE))
		return 0;
	/* A hidden file may have been there without our noticing, see hidden_open(). */
	if ((st->existed || st->size_before > 0) && ftruncate(st->fd, 0) < 0)
		return -errno;
	return prealloc_begin(&st->room, st->fd, st->announced);
}

uint64_t store_room(const struct store *st)
{
	uint64_t end = st->limit < st->end ? st->limit : st->end;

	return end > st->offset ? end - st->offset : 0;
}

/* What is wrong with one more byte. */
static int store_full(const struct store *st)
{
	return st->end < st->limit ? -ERANGE : -EFBIG;
}

int store_write(struct store *st, const char *p, size_t n)
{
	bool full = n > store_room(st);
	ssize_t w;

	if (full)
		n = (size_t)store_room(st);
	prealloc_go_on(&st->room, st->fd, st->offset);
	while (n > 0) {
		w = st->mode == STORE_APPEND ? write(st->fd, p, n) : pwrite(st->fd, p, n, (off_t)st->offset);
		if (w < 0 && errno == ESPIPE)
			w = write(st->fd, p, n); /* FIFO */
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
		st->offset += (uint64_t)w;
	}
	return full ? store_full(st) : 0;
}

int store_splice(struct store *st, int from_pipe, size_t n)
{
	off_t off = (off_t)st->offset;
	ssize_t w;

	prealloc_go_on(&st->room, st->fd, st->offset);
	while (n > 0) {
		w = splice(from_pipe, NULL, st->fd, &off, n, SPLICE_F_MOVE);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		n -= (size_t)w;
		st->offset += (uint64_t)w;
	}
	return 0;
}

/* Remove what we have written, unless something else has its name by now. */
static void own_unlink(struct store *st, const char *path)
{
	struct stat mine;
	struct statx there;

	if (fstat(st->fd, &mine) == 0 && S_ISREG(mine.st_mode) &&
		vfs_lstat(st->root, path, VFS_NOLINKS, STATX_INO, &there) == 0 &&
		there.stx_ino == mine.st_ino &&
		makedev(there.stx_dev_major, there.stx_dev_minor) == mine.st_dev)
		(void)vfs_unlink(st->root, path); /* it stays then: nothing better can be done */
}

static void store_undo(struct store *st)
{
	const char *path = st->hidden[0] ? st->hidden : st->path;
	bool keeps_old = st->existed && (st->mode == STORE_APPEND || st->mode == STORE_RESTART);

	if (!st->started) { /* no byte came: an old file is as it was, a new one is ours to take away */
		if (!st->existed)
			own_unlink(st, path);
		return;
	}
	if (!st->delete_aborted)
		return;
	if (!keeps_old)
		own_unlink(st, path);
	else if (ftruncate(st->fd, (off_t)st->size_before) == 0)
		st->offset = st->size_before;
}

int store_place(const struct store *st)
{
	const char *path = st->hidden[0] ? st->hidden : st->path;
	struct stat written, named;
	int fd = vfs_open(st->root, path, O_PATH | O_NOFOLLOW, 0, VFS_NOLINKS), r = 0;

	if (fd < 0)
		return fd;
	if (fstat(st->fd, &written) < 0 || fstat(fd, &named) < 0)
		r = -errno;
	else if (written.st_dev != named.st_dev || written.st_ino != named.st_ino)
		r = -ESTALE;
	if (r == 0)
		return fd;
	fd_close(&fd);
	return r;
}

int store_end(struct store *st, bool complete, enum store_problem *ret_problem, int64_t *ret_size)
{
	struct stat sb;
	int r = 0;

	*ret_problem = STORE_OK;
	prealloc_end(&st->room, st->fd);
	if (!complete)
		store_undo(st);
	*ret_size = fstat(st->fd, &sb) == 0 ? (int64_t)sb.st_size : -1;
	if (close(st->fd) < 0 && errno != EINTR)
		r = -errno;
	if (r < 0)
		*ret_problem = STORE_ERRNO;
	if (r < 0 && st->hidden[0])
		(void)vfs_unlink(st->root, st->hidden); /* incomplete; what there is to say is said by r */
	if (r == 0 && complete && st->hidden[0]) {
		r = vfs_rename(st->root, st->hidden, st->path, st->replace ? 0 : VFS_NOREPLACE);
		if (r < 0) {
			*ret_problem = STORE_RENAME;
			(void)vfs_unlink(st->root, st->hidden);
		}
	}
	free(st);
	return complete ? r : 0;
}
