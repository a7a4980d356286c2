#include "master/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

#define SKEL_DEPTH 16
#define DIR_FLAGS  (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct owner {
	uid_t uid;
	gid_t gid;
};

/* Make name in dir, and open it. It is locked to us until it is really the new one: who may write to dir could have put
 * something else there. */
static int make_dir(int dir, const char *name, mode_t mode, const struct owner *o)
{
	auto_fd int fd = -1;
	struct stat st;
	int ret;

	if (mkdirat(dir, name, 0700) < 0)
		return -errno;
	fd = openat(dir, name, DIR_FLAGS);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 0777) != 0700 || st.st_nlink > 2)
		return -ESTALE;
	if ((o->uid != geteuid() || o->gid != st.st_gid) && fchown(fd, o->uid, o->gid) < 0)
		return -errno;
	if (fchmod(fd, mode) < 0)
		return -errno;
	ret = fd;
	fd = -1;
	return ret;
}

static int copy_entry(int from, int to, const char *name, const struct owner *o, unsigned depth);

static int copy_dir(int from, int to, const struct owner *o, unsigned depth)
{
	DIR *d = fdopendir(from); /* takes from */
	struct dirent *e;
	int r = 0;

	if (d == NULL) {
		r = -errno;
		(void)close(from);
		return r;
	}
	while (r == 0 && (e = readdir(d)) != NULL)
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			r = copy_entry(dirfd(d), to, e->d_name, o, depth);
	(void)closedir(d); /* only read */
	return r;
}

static int copy_file(int from, int to, const char *name, const struct stat *st, const struct owner *o)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_fd int out = -1;
	char buf[16384];
	ssize_t n;
	int r = 0;

	if (in < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	while (r == 0 && (n = read(in, buf, sizeof(buf))) != 0)
		r = n < 0 ? -errno : fd_write_all(out, buf, (size_t)n);
	if (r == 0 &&
		((geteuid() == 0 && fchown(out, o->uid, o->gid) < 0) || fchmod(out, st->st_mode & 0777) < 0))
		r = -errno;
	return r;
}

static int copy_link(int from, int to, const char *name, const struct owner *o)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 ||
		(geteuid() == 0 && fchownat(to, name, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) < 0))
		return -errno;
	return 0;
}

/* Devices, sockets and pipes stay behind. */
static int copy_entry(int from, int to, const char *name, const struct owner *o, unsigned depth)
{
	struct stat st;
	auto_fd int sub = -1;
	int in;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st, o);
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, name, o);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (depth == 0)
		return -ELOOP;
	in = openat(from, name, DIR_FLAGS);
	if (in < 0)
		return -errno;
	sub = make_dir(to, name, st.st_mode & 0777, o);
	if (sub < 0) {
		(void)close(in);
		return sub;
	}
	return copy_dir(in, sub, o, depth - 1);
}

static void fill(int home, const char *skel, const struct owner *o)
{
	int from = open(skel, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = from < 0 ? -errno : 0;

	if (r == 0)
		r = copy_dir(from, home, o, SKEL_DEPTH);
	if (r < 0)
		log_err(NULL, "CreateHome: cannot copy '%s': %s", skel, strerror(-r));
}

/* The directory *fd goes one down, to name, which is made when it is missing. 1: it was made. */
static int step(int *fd, const char *name, mode_t mode, const struct owner *o)
{
	int next = openat(*fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), made = 0;

	if (next < 0 && errno != ENOENT)
		return -errno;
	if (next < 0) {
		next = make_dir(*fd, name, mode, o);
		made = 1;
		if (next < 0)
			return next;
	}
	fd_close(fd);
	*fd = next;
	return made;
}

void home_make(const struct ftp_create_home *how, const char *home, uid_t uid, gid_t gid)
{
	const struct owner user = {uid, how->home_group.set && !how->as_user ? how->home_group.id : gid};
	struct owner above = {geteuid(), getegid()};
	auto_fd int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *copy = xstrdup(home), *rest = copy, *name;
	int r = fd < 0 ? -errno : 0;

	if (!how->as_user) {
		above.uid = how->dir_user_own ? uid : how->dir_user.set ? how->dir_user.id : above.uid;
		above.gid = how->dir_group_own ? gid : how->dir_group.set ? how->dir_group.id : above.gid;
	}
	while (r >= 0 && (name = strsep(&rest, "/")) != NULL) {
		if (rest != NULL)
			rest += strspn(rest, "/");
		if (rest != NULL && *rest == '\0')
			rest = NULL;
		if (*name == '\0' || str_eq(name, "."))
			continue;
		if (str_eq(name, ".."))
			r = -EINVAL;
		else
			r = step(&fd, name, rest == NULL ? how->mode : how->dir_mode,
				rest == NULL ? &user : &above);
	}
	if (r < 0)
		log_err(NULL, "CreateHome: cannot make '%s': %s", home,
			r == -ELOOP || r == -ENOTDIR ? "a link or file is in the way" : strerror(-r));
	if (r == 1) {
		log_notice(NULL, "CreateHome: made '%s'", home);
		if (how->skel != NULL)
			fill(fd, how->skel, &user);
	}
	free(copy);
}
