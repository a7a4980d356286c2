/* Linux: sendfile(2). */
#include <errno.h>
#include <sys/sendfile.h>

#include "zsend/zsend_priv.h"

_Static_assert(sizeof(off_t) == sizeof(int64_t), "build with 64-bit off_t");

int64_t zsend_native(int out_fd, int in_fd, int64_t *offset, size_t count)
{
	ssize_t r = sendfile(out_fd, in_fd, (off_t *)offset, count);

	/* Only now is it certain that *offset can be read. The kernel refuses a range that ends behind
	 * INT64_MAX; ours is cut there. */
	if (r < 0 && errno == EINVAL && offset != NULL && *offset > INT64_MAX - (int64_t)count) {
		count = (size_t)(INT64_MAX - *offset);
		r = count == 0 ? 0 : sendfile(out_fd, in_fd, (off_t *)offset, count);
	}
	if (r < 0 && errno == ENOSYS)
		zsend_cap_failed(ZS_CAP_SENDFILE);
	return r;
}
