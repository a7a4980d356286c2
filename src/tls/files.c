/* Files of certificates and keys. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "tls/tls_priv.h"

/* Not fd_read_all(): it would leave copies of a key behind as it grows. */
static int read_whole(int fd, char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = read(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

int tls_file_read(const char *path, bool private, char **ret_text, size_t *ret_len, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *text;
	int r;

	if (fd < 0)
		return err_sys(err, errno, "cannot open '%.250s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot look at '%.250s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "'%.250s' is not a regular file", path);
	if (private && (st.st_mode & (S_IROTH | S_IWOTH)) != 0)
		return err_set(err, EACCES, "'%.250s' holds a private key and can be %s by everyone", path,
			(st.st_mode & S_IWOTH) != 0 ? "written" : "read");
	if (st.st_size > (off_t)TLS_FILE_MAX)
		return err_sys(err, EFBIG, "cannot use '%.250s'", path);
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL)
		return err_set(err, ENOMEM, "out of memory");
	r = read_whole(fd, text, (size_t)st.st_size);
	if (r < 0) {
		wipe(text, (size_t)st.st_size);
		free(text);
		return err_sys(err, -r, "cannot read '%.250s'", path);
	}
	text[st.st_size] = '\0';
	*ret_text = text;
	*ret_len = (size_t)st.st_size;
	return 0;
}
