/* The file system as the configuration reader sees it. */
#include "conf/conf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static int real_look(void *arg, const char *path, enum conf_path_kind *ret_kind, bool *ret_link)
{
	struct stat st;

	*ret_link = false;
	*ret_kind = CONF_PATH_NONE;
	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	*ret_link = S_ISLNK(st.st_mode);
	if (*ret_link && stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	*ret_kind = S_ISREG(st.st_mode)   ? CONF_PATH_FILE
		    : S_ISDIR(st.st_mode) ? CONF_PATH_DIR
					  : CONF_PATH_OTHER;
	return 0;
}

static int real_list(
	void *arg, const char *dir, void (*each)(void *each_arg, const char *name), void *each_arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (d == NULL)
		return -errno;
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			each(each_arg, e->d_name);
	}
	closedir(d);
	return 0;
}

static int real_read(
	void *arg, const char *path, size_t max, char **ret_text, size_t *ret_len, uint64_t ret_id[2])
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
		return -EINVAL;
	(void)fd_nonblock(fd, false); /* only the open must not wait for a FIFO's writer */
	ret_id[0] = st.st_dev;
	ret_id[1] = st.st_ino;
	return fd_read_all(fd, max, ret_text, ret_len);
}

const struct conf_files conf_files_real = {NULL, real_look, real_list, real_read};
