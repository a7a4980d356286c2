/* The portable back end: pread(2) and send(2). */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zsend/zsend_priv.h"

static ssize_t out_write(int fd, const void *p, size_t n)
{
	ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

	if (r >= 0 || errno != ENOTSOCK)
		return r;
	/* sendfile(2) refuses O_APPEND; all ways agree */
	if ((fcntl(fd, F_GETFL) & O_APPEND) != 0) {
		errno = EINVAL;
		return -1;
	}
	return write(fd, p, n);
}

static ssize_t in_read(int fd, void *p, size_t n, int64_t pos)
{
	ssize_t r = pread(fd, p, n, pos);

	if (r < 0 && errno == EISDIR)
		errno = EINVAL;
	return r;
}

/* Copy until count, end of file, a short write (the destination is full or a signal came) or an error; the
 * bytes written are what counts, or -1 if there were none and an error. */
static int64_t copy_range(int out_fd, int in_fd, int64_t pos, size_t count, void *buf, size_t bufsz)
{
	size_t total = 0;

	while (total < count) {
		size_t want = count - total < bufsz ? count - total : bufsz;
		ssize_t got = in_read(in_fd, buf, want, pos + (int64_t)total);
		ssize_t put;

		if (got == 0)
			break;
		put = got < 0 ? -1 : out_write(out_fd, buf, (size_t)got);
		if (put < 0)
			return total > 0 ? (int64_t)total : -1;
		total += (size_t)put;
		if (put < got)
			break;
	}
	return (int64_t)total;
}

int64_t zs_copy(int out_fd, int in_fd, int64_t *offset, size_t count, void *buf, size_t bufsz)
{
	int64_t pos, r;

	if (count == 0)
		return 0;
	if (count > SSIZE_MAX || buf == NULL || bufsz == 0 || (offset != NULL && *offset < 0)) {
		errno = EINVAL;
		return -1;
	}
	pos = offset != NULL ? *offset : lseek(in_fd, 0, SEEK_CUR);
	if (pos < 0) {
		if (errno == ESPIPE) /* what cannot be read again cannot be the source */
			errno = EINVAL;
		return -1;
	}
	if (count > ZS_SLICE_MAX)
		count = ZS_SLICE_MAX;
	if ((int64_t)count > INT64_MAX - pos)
		count = (size_t)(INT64_MAX - pos);
	r = copy_range(out_fd, in_fd, pos, count, buf, bufsz);
	if (r <= 0)
		return r;
	if (offset != NULL)
		*offset = pos + r;
	else if (lseek(in_fd, pos + r, SEEK_SET) < 0)
		return -1;
	return r;
}

int64_t zsend_copy_stack(int out_fd, int in_fd, int64_t *offset, size_t count)
{
	char buf[ZSEND_STACK_COPY];

	return zs_copy(out_fd, in_fd, offset, count, buf, sizeof(buf));
}
