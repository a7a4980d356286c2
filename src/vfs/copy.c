/* Copying one file, for renames across file systems. */
#include "vfs/vfs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"

#define SLICE_BYTES (8u << 20)   /* between two looks at the cancel flag */
#define CHUNK_BYTES (128u << 10) /* buffer of the copying way */
#define TEMP_TRIES  16

/* --- bytes --- */

/* Up to max bytes at off by read and write. Bytes, 0 at the end of the file, or -errno. */
static ssize_t copy_by_hand(struct vfs_copying *c, off_t off, size_t max)
{
	ssize_t n, k, at = 0;

	if (c->chunk == NULL && (c->chunk = malloc(CHUNK_BYTES)) == NULL)
		return -ENOMEM;
	n = pread(c->in, c->chunk, max < CHUNK_BYTES ? max : CHUNK_BYTES, off);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	while (at < n) {
		k = pwrite(c->out, c->chunk + at, (size_t)(n - at), off + at);
		if (k < 0 && errno != EINTR)
			return -errno;
		at += k > 0 ? k : 0;
	}
	return n;
}

static ssize_t copy_slice(struct vfs_copying *c, off_t off, size_t max)
{
	off_t in_off = off, out_off = off;
	ssize_t n;

	if (!c->by_hand) {
		n = copy_file_range(c->in, &in_off, c->out, &out_off, max, 0);
		if (n > 0)
			return n;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO))
			return -errno;
		c->by_hand = true; /* other errors mean "not between these"; 0 is believed only from read */
	}
	return copy_by_hand(c, off, max);
}

/* The next data of the file, behind a hole. False: only a hole is left. */
static bool next_data(struct vfs_copying *c)
{
	off_t data = lseek(c->in, c->off, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO)
		return false;
	if (data < 0)
		data = c->off;
	hole = lseek(c->in, data, SEEK_HOLE);
	c->off = data;
	c->data_end = hole > data && hole < c->size ? hole : c->size;
	return data < c->size;
}

int vfs_copying_step(struct vfs_copying *c, size_t max, uint64_t *ret_bytes)
{
	ssize_t n;

	*ret_bytes = 0;
	if (c->off >= c->size || (c->off >= c->data_end && !next_data(c)))
		return ftruncate(c->out, c->size) < 0 ? -errno : 1;
	if ((uint64_t)(c->data_end - c->off) < max)
		max = (size_t)(c->data_end - c->off);
	n = copy_slice(c, c->off, max);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	if (n == 0)
		c->size = c->off; /* someone has cut the file */
	c->off += n;
	*ret_bytes = (uint64_t)n;
	return 0;
}

void vfs_copying_done(struct vfs_copying *c)
{
	free(c->chunk);
	c->chunk = NULL;
	fd_close(&c->in);
	fd_close(&c->out);
}

static int copy_data(struct vfs_copying *c, const struct vfs_work *work)
{
	uint64_t n;
	int r;

	do {
		if (vfs_cancelled(work))
			return -ECANCELED;
		r = vfs_copying_step(c, SLICE_BYTES, &n);
		vfs_count(work, n);
	} while (r == 0);
	return r < 0 ? r : 0;
}

/* Mode, group and times of st. Set-id bits stay only where the ids they speak of do. */
static int copy_meta(int out, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	mode_t mode = st->st_mode & 07777;
	struct stat now;

	if (fchown(out, st->st_uid, st->st_gid) < 0)
		(void)!fchown(out, (uid_t)-1, st->st_gid); /* as far as allowed; looked at below */
	if (fstat(out, &now) < 0)
		return -errno;
	if (now.st_uid != st->st_uid)
		mode &= ~(mode_t)S_ISUID;
	if (now.st_gid != st->st_gid)
		mode &= ~(mode_t)S_ISGID;
	if (fchmod(out, mode) < 0 || futimens(out, times) < 0)
		return -errno;
	return 0;
}

int vfs_temp_name(char name[VFS_TEMP_NAME])
{
	uint64_t r;

	if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return -EIO;
	(void)snprintf(name, VFS_TEMP_NAME, ".wherry-%016llx.tmp", (unsigned long long)r); /* always fits */
	return 0;
}

int vfs_temp_open(int dir_fd, char name[VFS_TEMP_NAME])
{
	int i, r, fd;

	for (i = 0; i < TEMP_TRIES; i++) {
		r = vfs_temp_name(name);
		if (r < 0)
			return r;
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
	}
	return -EEXIST;
}

static int copy_regular(
	int from_fd, const char *from, int to_fd, char temp[VFS_TEMP_NAME], const struct vfs_work *work)
{
	struct vfs_copying c = {.in = -1, .out = -1};
	struct stat st;
	int r;

	c.in = openat(from_fd, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (c.in < 0)
		return -errno;
	if (fstat(c.in, &st) < 0)
		r = -errno;
	else
		r = S_ISREG(st.st_mode) ? 0 : -EINVAL;
	c.size = r == 0 ? st.st_size : 0;
	if (r == 0)
		r = c.out = vfs_temp_open(to_fd, temp);
	if (r >= 0) {
		r = copy_data(&c, work);
		if (r == 0)
			r = copy_meta(c.out, &st);
		if (close(c.out) < 0 && r == 0)
			r = -errno; /* some file systems tell of a full disk only here */
		c.out = -1;
		if (r < 0)
			(void)unlinkat(to_fd, temp, 0); /* the first error is the one to tell */
	}
	vfs_copying_done(&c);
	return r;
}

static int copy_link(int from_fd, const char *from, int to_fd, char temp[VFS_TEMP_NAME])
{
	char text[VFS_PATH_SIZE];
	int r = vfs_readlink_at(from_fd, from, text, sizeof(text));

	if (r >= 0)
		r = vfs_temp_name(temp);
	if (r < 0)
		return r;
	return symlinkat(text, to_fd, temp) < 0 ? -errno : 0;
}

static int copy_at(
	int from_fd, const char *from, int to_fd, const char *to, unsigned flags, const struct vfs_work *work)
{
	struct stat st, target;
	char temp[VFS_TEMP_NAME];
	int r;

	if (fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (fstatat(to_fd, to, &target, AT_SYMLINK_NOFOLLOW) == 0) { /* before the work; rename decides */
		if ((flags & VFS_NOREPLACE) != 0)
			return -EEXIST;
		if (S_ISDIR(target.st_mode))
			return -EISDIR;
	}
	if (S_ISLNK(st.st_mode))
		r = copy_link(from_fd, from, to_fd, temp);
	else
		r = S_ISREG(st.st_mode) ? copy_regular(from_fd, from, to_fd, temp, work) : -EINVAL;
	if (r < 0)
		return r;
	r = vfs_rename_at(to_fd, temp, to_fd, to, flags);
	if (r < 0)
		(void)unlinkat(to_fd, temp, 0); /* the rename's error is the one to tell */
	return r;
}

int vfs_copy_file(const struct vfs_root *root, const char *from, const char *to, unsigned flags,
	const struct vfs_work *work)
{
	const char *from_name, *to_name;
	int from_fd, to_fd, r;

	from_fd = vfs_parent_open(root, from, VFS_NOLINKS, &from_name);
	if (from_fd < 0)
		return from_fd;
	to_fd = vfs_parent_open(root, to, VFS_NOLINKS, &to_name);
	r = to_fd < 0 ? to_fd : copy_at(from_fd, from_name, to_fd, to_name, flags, work);
	fd_close(&from_fd);
	fd_close(&to_fd);
	return r;
}
