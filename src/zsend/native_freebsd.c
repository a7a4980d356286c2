/* FreeBSD: sendfile(2), whose model zs_bsd() has, so that call is passed on as it is.
 * Written from the manual page; never run: the project's machines have Linux only. Kept as small as it can
 * be for that reason. */
#include <errno.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "zsend/zsend_priv.h"

_Static_assert(sizeof(struct zs_hdtr) == sizeof(struct sf_hdtr), "struct zs_hdtr mirrors struct sf_hdtr");

int zsend_bsd_native(
	int fd, int s, int64_t offset, size_t nbytes, struct zs_hdtr *hdtr, int64_t *sbytes, int flags)
{
	int native = (int)((unsigned)flags & 0xffff0000u);
	off_t sent = 0;
	int r;

	if ((flags & ZS_NODISKIO) != 0)
		native |= SF_NODISKIO;
#ifdef SF_USER_READAHEAD
	if ((flags & ZS_USER_READAHEAD) != 0)
		native |= SF_USER_READAHEAD;
#endif
#ifdef SF_NOCACHE
	if ((flags & ZS_NOCACHE) != 0)
		native |= SF_NOCACHE;
#endif
	r = sendfile(fd, s, offset, nbytes, (struct sf_hdtr *)hdtr, &sent, native);
	if (sbytes != NULL)
		*sbytes = sent;
	return r;
}

int64_t zsend_native(int out_fd, int in_fd, int64_t *offset, size_t count)
{
	int64_t pos = offset != NULL ? *offset : lseek(in_fd, 0, SEEK_CUR);
	off_t sent = 0;
	int r;

	if (pos < 0) {
		errno = EINVAL;
		return -1;
	}
	if ((int64_t)count > INT64_MAX - pos)
		count = (size_t)(INT64_MAX - pos);
	if (count == 0) /* the system's 0 means "until end of file" */
		return 0;
	r = sendfile(in_fd, out_fd, pos, count, NULL, &sent, 0);
	if (r < 0 && sent == 0)
		return -1;
	if (offset != NULL)
		*offset = pos + sent;
	else if (lseek(in_fd, pos + sent, SEEK_SET) < 0)
		return -1;
	return sent;
}
