/* Log files. A file is known by its descriptor number, which stays the same for the life of a process: after
 * a rotation the new descriptor is put over the old number, so nobody who holds the number has to be told.
 * Files are opened by the master before anything is sandboxed; the others get descriptors.
 */
#ifndef LOG_LOG_FILE_H
#define LOG_LOG_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* AllowLogSymlinks on sets both. */
enum { LOG_FILE_SYMLINK = 1, LOG_FILE_WRITABLE_DIR = 2 };

#define LOG_FILE_MODE 0640

/* Open path (absolute) for appending. A new file gets exactly mode, whatever the umask.
 * Refused with -WE_DENIED: a symbolic link without LOG_FILE_SYMLINK, a file in a directory that everyone may
 * write to without LOG_FILE_WRITABLE_DIR, and what is neither file, FIFO nor character device.
 * A FIFO needs a reader by now, and is written without blocking.
 * Returns the descriptor or -WE_DENIED, -errno with *err filled. */
int log_file_open(const char *path, unsigned flags, mode_t mode, struct err *err);
/* The same checks on what is there, for -t: makes, opens and changes nothing. A missing file is fine. */
int log_file_check(const char *path, unsigned flags, struct err *err);
/* Put new_fd (given) over the number fd, which may be -1: then new_fd itself is the result. Returns the
 * number to use or -errno (new_fd is closed, fd as it was). */
int log_file_replace(int fd, int new_fd);
/* One write() of one whole line. A record is lost rather than retried: -errno, -EIO when it was cut. */
int log_file_write(int fd, const char *line, size_t len);

#endif
