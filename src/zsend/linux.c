/* The Linux model and the event loop's call, over whatever back end was built. */
#include <errno.h>

#include "zsend/zsend_priv.h"

int64_t zs_linux(int out_fd, int in_fd, int64_t *offset, size_t count)
{
	if (count > SSIZE_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (count == 0)
		return 0;
	if (count > ZS_SLICE_MAX)
		count = ZS_SLICE_MAX;
	if ((zs_caps(NULL) & ZS_CAP_SENDFILE) == 0)
		return zsend_copy_stack(out_fd, in_fd, offset, count);
	return zsend_native(out_fd, in_fd, offset, count);
}

bool zsend_is_unsupported(int e)
{
	switch (e) {
	case EINVAL:
	case ENOSYS:
	case EOPNOTSUPP:
#if ENOTSUP != EOPNOTSUPP
	case ENOTSUP:
#endif
	case EOVERFLOW:
	case ENOTSOCK:
	case ESPIPE:
	case EPERM: /* a system call filter: no socket gives this to a sender that may copy */
		return true;
	default:
		return false;
	}
}

ssize_t zs_send(int sock, int file, uint64_t *off, size_t max)
{
	int64_t pos, r;

	if (max == 0 || *off > INT64_MAX)
		return -EINVAL;
	if (!zsend_cap_usable(ZS_CAP_SENDFILE))
		return -ENOTSUP;
	if (max > ZS_SLICE_MAX)
		max = ZS_SLICE_MAX;
	do {
		pos = (int64_t)*off;
		r = zsend_native(sock, file, &pos, max);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return zsend_is_unsupported(errno) ? -ENOTSUP : -errno;
	*off += (uint64_t)r;
	return (ssize_t)r;
}
