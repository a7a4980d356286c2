#include "log/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

#define OPEN_TRIES 4 /* while others make and remove the file */

static int check_dir(int dir_fd, const char *path, unsigned flags, struct err *err)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return err_sys(err, errno, "cannot look at the directory of log file '%s'", path);
	if ((st.st_mode & S_IWOTH) != 0 && (flags & LOG_FILE_WRITABLE_DIR) == 0)
		return err_set(
			err, WE_DENIED, "log file '%s' is in a directory that everyone may write to", path);
	return 0;
}

static int check_type(const struct stat *st, const char *path, struct err *err)
{
	if (S_ISREG(st->st_mode) || S_ISFIFO(st->st_mode) || S_ISCHR(st->st_mode))
		return 0;
	if (S_ISLNK(st->st_mode))
		return err_set(err, WE_DENIED, "log file '%s' is a symbolic link", path);
	return err_set(err, WE_DENIED, "log file '%s' is %s", path,
		S_ISDIR(st->st_mode) ? "a directory" : "not a file");
}

/* The directory of path, looked at, and the last component. Descriptor or error. */
static int open_dir(const char *path, unsigned flags, const char **ret_name, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int fd, r;

	if (*path != '/' || slash[1] == '\0')
		return err_set(err, WE_CONFIG, "log file '%s' must be an absolute path of a file", path);
	dir = slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? err_sys(err, errno, "cannot open '%s', the directory of a log file", dir) : 0;
	free(dir);
	if (r == 0)
		r = check_dir(fd, path, flags, err);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	*ret_name = slash + 1;
	return fd;
}

/* Open or make the file. Descriptor or -errno. */
static int open_append(int dir_fd, const char *name, unsigned flags, mode_t mode)
{
	int how = O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC | O_NONBLOCK, i, fd;

	for (i = 0; i < OPEN_TRIES; i++) {
		fd = openat(dir_fd, name, how | O_CREAT | O_EXCL, mode);
		if (fd >= 0) {
			(void)fchmod(fd, mode); /* only makes it wider than the umask has left it */
			return fd;
		}
		if (errno != EEXIST)
			return -errno;
		if ((flags & LOG_FILE_SYMLINK) != 0)
			fd = openat(dir_fd, name, how | O_CREAT, mode); /* a link may dangle */
		else
			fd = openat(dir_fd, name, how | O_NOFOLLOW);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

int log_file_open(const char *path, unsigned flags, mode_t mode, struct err *err)
{
	const char *name = NULL;
	struct stat st;
	int r, fd = -1, dir_fd = open_dir(path, flags, &name, err);

	if (dir_fd < 0)
		return dir_fd;
	fd = open_append(dir_fd, name, flags, mode);
	if (fd == -ELOOP)
		r = err_set(err, WE_DENIED, "log file '%s' is a symbolic link", path);
	else if (fd < 0)
		r = err_sys(err, -fd, "cannot open log file '%s'", path);
	else if (fstat(fd, &st) < 0)
		r = err_sys(err, errno, "cannot look at log file '%s'", path);
	else
		r = check_type(&st, path, err);
	fd_close(&dir_fd);
	if (r == 0)
		return fd;
	fd_close(&fd);
	return r;
}

int log_file_check(const char *path, unsigned flags, struct err *err)
{
	const char *name = NULL;
	struct stat st;
	int r = 0, dir_fd = open_dir(path, flags, &name, err);

	if (dir_fd < 0)
		return dir_fd;
	if (fstatat(dir_fd, name, &st, (flags & LOG_FILE_SYMLINK) != 0 ? 0 : AT_SYMLINK_NOFOLLOW) == 0)
		r = check_type(&st, path, err);
	else if (errno != ENOENT)
		r = err_sys(err, errno, "cannot look at log file '%s'", path);
	fd_close(&dir_fd);
	return r;
}

int log_file_replace(int fd, int new_fd)
{
	int r;

	if (fd < 0 || fd == new_fd)
		return new_fd;
	r = dup3(new_fd, fd, O_CLOEXEC) < 0 ? -errno : fd;
	fd_close(&new_fd);
	return r;
}

int log_file_write(int fd, const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(fd, line, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
