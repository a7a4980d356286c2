/* The walk: resolves a path component by component over O_PATH | O_NOFOLLOW descriptors.
 *
 * Nothing here ever opens ".." of a descriptor, since a directory that someone moves out of the root
 * meanwhile would lead outside. Instead the walk knows the canonical path of where it stands, and ".." in
 * a link's text walks the shortened path again from the root. */
#include "vfs/vfs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

#define STEPS_MAX 20000 /* opens in one resolution: bounds the walking again */
#define REST_SIZE (2 * VFS_PATH_SIZE)
#define FOLLOWED  (-WE_LAST) /* a link was put in front of the rest: go on */

struct walk {
	const struct vfs_root *root;
	unsigned flags;
	int cur;                  /* the directory reached; the root's own descriptor is borrowed */
	char done[VFS_PATH_SIZE]; /* its canonical path, "" for the root */
	size_t done_len;
	char rest[REST_SIZE]; /* still to go */
	size_t pos;           /* where in rest */
	unsigned links, steps;
	struct statx st; /* of what was looked at last */
};

static int open_one(struct walk *w, int dirfd, const char *name, int oflags, mode_t mode)
{
	int fd;

	if (++w->steps > STEPS_MAX)
		return -ELOOP;
	if ((w->flags & VFS_CACHED) != 0) {
		fd = vfs_openat2(dirfd, name, oflags, mode, RESOLVE_CACHED);
		return fd == -ENOSYS || fd == -EINVAL ? -EAGAIN : fd;
	}
	fd = openat(dirfd, name, oflags | O_CLOEXEC, mode);
	return fd < 0 ? -errno : fd;
}

/* fd: given, unless it is the root's. */
static void stand_in(struct walk *w, int fd)
{
	if (w->cur != w->root->fd)
		fd_close(&w->cur);
	w->cur = fd;
}

static void go_root(struct walk *w)
{
	stand_in(w, w->root->fd);
	w->done_len = 0;
	w->done[0] = '\0';
}

static int done_append(struct walk *w, const char *name)
{
	size_t n = strlen(name);

	if (w->done_len + 1 + n > VFS_PATH_MAX)
		return -ENAMETOOLONG;
	w->done[w->done_len++] = '/';
	memcpy(w->done + w->done_len, name, n + 1);
	w->done_len += n;
	return 0;
}

/* Next component of a path at *pos: copied to name ("" at the end). */
static int next_name(const char *path, size_t *pos, char name[VFS_NAME_MAX + 1])
{
	size_t n;

	*pos += strspn(path + *pos, "/");
	n = strcspn(path + *pos, "/");
	if (n > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, path + *pos, n);
	name[n] = '\0';
	*pos += n;
	return 0;
}

static int go_up(struct walk *w)
{
	char again[VFS_PATH_SIZE], name[VFS_NAME_MAX + 1];
	size_t pos = 0;
	int r = 0;

	if (w->done_len == 0)
		return 0;
	vfs_path_parent(w->done, again);
	go_root(w);
	while (r == 0) {
		int fd;

		(void)next_name(again, &pos, name); /* was checked on the way in */
		if (name[0] == '\0')
			return 0;
		fd = open_one(w, w->cur, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd < 0)
			return fd;
		stand_in(w, fd);
		r = done_append(w, name);
	}
	return r;
}

/* What the kernel refuses by itself when it follows a link: links of procfs that are not text (they jump
 * to an object), and those of fs.protected_symlinks (in /tmp-like directories, of someone else). */
static int link_allowed(const struct walk *w, const char *name, const char *text)
{
	struct statfs fs;
	struct stat dir, link;

	if (fstatfs(w->cur, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
		(text[0] == '/' || strchr(text, ':') != NULL))
		return -ELOOP;
	if (vfs_has_openat2())
		return 0; /* only a realpath walks then, and opening will ask the kernel */
	if (fstat(w->cur, &dir) < 0)
		return -errno;
	if ((dir.st_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH))
		return 0;
	if (fstatat(w->cur, name, &link, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return link.st_uid == geteuid() || link.st_uid == dir.st_uid ? 0 : -EACCES;
}

/* name in the current directory is a link: put its text before the rest. FOLLOWED or -errno. */
static int follow(struct walk *w, const char *name)
{
	char text[VFS_PATH_SIZE];
	size_t rest_len = strlen(w->rest + w->pos);
	int n, r;

	if ((w->flags & VFS_NOLINKS) != 0 || ++w->links > VFS_LINK_MAX)
		return -ELOOP;
	if ((w->flags & VFS_CACHED) != 0 && !vfs_fd_is_local(w->cur))
		return -EAGAIN; /* reading a link asks the file server */
	n = vfs_readlink_at(w->cur, name, text, sizeof(text));
	if (n < 0)
		return n;
	if ((size_t)n + rest_len >= sizeof(w->rest))
		return -ENAMETOOLONG;
	if (n == 0)
		return -ENOENT;
	r = link_allowed(w, name, text);
	if (r < 0)
		return r;
	if (text[0] == '/')
		go_root(w);
	/* The rest begins with the '/' after the link's name, or is empty. */
	memmove(w->rest + n, w->rest + w->pos, rest_len + 1);
	memcpy(w->rest, text, (size_t)n);
	w->pos = 0;
	return FOLLOWED;
}

/* File type bits of an open object. Types do not change, so what the kernel remembers is good enough: asking
 * a file server could block. 0 when even that is not to be had. */
static mode_t type_of(struct walk *w, int fd)
{
	vfs_fd_kind(fd, &w->st);
	return w->st.stx_mask & STATX_TYPE ? w->st.stx_mode & S_IFMT : 0;
}

static int enter(struct walk *w, const char *name)
{
	mode_t type;
	int r, fd = open_one(w, w->cur, name, O_PATH | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	type = type_of(w, fd);
	if (type == S_IFLNK)
		r = follow(w, name);
	else if (type == 0)
		r = -EIO;
	else
		r = type == S_IFDIR ? done_append(w, name) : -ENOTDIR;
	if (r < 0) {
		fd_close(&fd);
		return r == FOLLOWED ? 0 : r;
	}
	stand_in(w, fd);
	return 0;
}

/* Walk until one component is left: into name, "" when the current directory itself is the end. ret_dir:
 * it is followed by '/', so only a directory will do. */
static int to_last(struct walk *w, char name[VFS_NAME_MAX + 1], bool *ret_dir)
{
	for (;;) {
		int r = next_name(w->rest, &w->pos, name);
		size_t slashes = strspn(w->rest + w->pos, "/");
		bool last = w->rest[w->pos + slashes] == '\0';

		if (r == 0 && strcmp(name, "..") == 0)
			r = go_up(w);
		else if (r == 0 && name[0] != '\0' && strcmp(name, ".") != 0) {
			if (last) {
				*ret_dir = slashes > 0;
				return 0;
			}
			r = enter(w, name);
			last = false; /* a link may have added to the rest */
		}
		if (r < 0)
			return r;
		if (last) {
			name[0] = '\0';
			return 0;
		}
	}
}

/* Open the last component. Descriptor, FOLLOWED or -errno. */
static int open_last(struct walk *w, const char *name, bool dir, int oflags, mode_t mode)
{
	bool follows = (oflags & O_NOFOLLOW) == 0 || dir;
	char probe[1];
	mode_t type;
	int fd;

	if (dir && (oflags & O_CREAT) != 0)
		return -EISDIR;
	fd = open_one(
		w, w->cur, name, oflags | O_NOFOLLOW | (dir && !(oflags & O_PATH) ? O_DIRECTORY : 0), mode);
	if (fd >= 0) {
		if ((oflags & O_PATH) == 0)
			return fd;
		type = type_of(w, fd);
		if (follows && type == S_IFLNK) {
			fd_close(&fd);
			return follow(w, name);
		}
		if (dir && type != S_IFDIR) {
			fd_close(&fd);
			return -ENOTDIR;
		}
		return fd;
	}
	/* O_NOFOLLOW meets a link: ELOOP, with O_DIRECTORY ENOTDIR. */
	if ((fd == -ELOOP || fd == -ENOTDIR) && follows && readlinkat(w->cur, name, probe, 1) >= 0)
		return follow(w, name);
	return fd;
}

static void walk_start(struct walk *w, const struct vfs_root *root, const char *vpath, unsigned flags)
{
	w->root = root;
	w->flags = flags;
	w->cur = root->fd;
	w->pos = 0;
	w->links = w->steps = 0;
	w->st.stx_mask = 0;
	strcpy(w->rest, vpath); /* normal, so at most VFS_PATH_MAX */
	go_root(w);
}

int vfs_walk_open(const struct vfs_root *root, const char *vpath, int oflags, mode_t mode, unsigned flags,
	char *ret_canon, struct statx *ret_st)
{
	char name[VFS_NAME_MAX + 1];
	struct walk w;
	bool dir = false;
	int fd;

	walk_start(&w, root, vpath, flags);
	do {
		dir = false;
		fd = to_last(&w, name, &dir);
		if (fd < 0)
			goto out;
		if (name[0] == '\0') {
			fd = open_one(&w, w.cur, ".", oflags & ~O_NOFOLLOW, mode);
			if (fd >= 0 && ret_st != NULL)
				(void)type_of(&w, fd);
		} else
			fd = open_last(&w, name, dir, oflags, mode);
	} while (fd == FOLLOWED);
	if (ret_canon != NULL && (fd >= 0 || (fd == -ENOENT && !dir))) {
		int r = name[0] != '\0' ? done_append(&w, name) : 0;

		if (r < 0) {
			fd_close(&fd);
			fd = r;
			goto out;
		}
		strcpy(ret_canon, w.done_len != 0 ? w.done : "/");
	}
	if (ret_st != NULL)
		*ret_st = w.st;
out:
	stand_in(&w, root->fd);
	return fd;
}
