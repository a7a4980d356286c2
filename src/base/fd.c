#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* on Linux the descriptor is gone whatever it returns */
	*fd = -1;
	errno = saved;
}

int fd_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_write_all(int fd, const void *p, size_t n)
{
	const char *s = p;

	while (n > 0) {
		ssize_t k = write(fd, s, n);

		if (k < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		s += k;
		n -= (size_t)k;
	}
	return 0;
}

int fd_read_all(int fd, size_t max, char **ret_data, size_t *ret_len)
{
	struct buf b;
	int r = 0;

	buf_init(&b, max + 1);
	for (;;) {
		size_t room = b.max - b.len < 65536 ? b.max - b.len : 65536;
		ssize_t k;

		if (room == 0) {
			r = -EFBIG;
			break;
		}
		r = buf_reserve(&b, room);
		if (r < 0)
			break;
		k = read(fd, b.data + b.len, room);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			r = -errno;
		if (k <= 0)
			break;
		b.len += (size_t)k;
	}
	if (r == 0 && b.len > max)
		r = -EFBIG;
	if (r == 0)
		r = buf_append(&b, "", 0);
	if (r < 0) {
		buf_done(&b);
		return r;
	}
	*ret_data = b.data;
	if (ret_len != NULL)
		*ret_len = b.len;
	return 0;
}

void fd_unlink_same(const char *path, const struct stat *st)
{
	struct stat now;

	if (lstat(path, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino)
		(void)unlink(path); /* it may be gone by now, or not ours to remove */
}

int fd_count(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (d == NULL)
		return -errno;
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n - 3; /* ".", ".." and the directory itself */
}
