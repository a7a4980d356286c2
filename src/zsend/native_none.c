/* No in-kernel back end: a system without one, or -Dsendfile=disabled. */
#include <errno.h>

#include "zsend/zsend_priv.h"

int64_t zsend_native(int out_fd, int in_fd, int64_t *offset, size_t count)
{
	errno = ENOSYS;
	return -1;
}
