/* Descriptors: closing, flags, whole reads and writes. All descriptors here are close-on-exec. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Close *fd unless it is -1, and set it to -1. errno is kept. */
void fd_close(int *fd);
int fd_nonblock(int fd, bool on); /* 0 or -errno */
/* Write all n bytes to a blocking descriptor. 0 or -errno. */
int fd_write_all(int fd, const void *p, size_t n);
/* Read to end of file, at most max bytes, into a fresh NUL-terminated string: returned (free()). 0, -EFBIG
 * when there is more, or -errno. */
int fd_read_all(int fd, size_t max, char **ret_data, size_t *ret_len);
/* Remove path when it is still the object st (dev and inode), not one that somebody has put there since. The caller keeps the object
 * open, or its inode might have been given to another. */
void fd_unlink_same(const char *path, const struct stat *st);
/* Number of open descriptors of this process, or -errno. For tests and status. */
int fd_count(void);

static inline void fd_auto_close(int *fd)
{
	fd_close(fd);
}
#define auto_fd __attribute__((cleanup(fd_auto_close)))

#endif
