#include "vfs/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/shown.h"

#ifndef MADV_POPULATE_READ /* since Linux 5.14 */
#define MADV_POPULATE_READ 22
#endif

struct file_id file_id_of(const struct stat *st)
{
	return (struct file_id){st->st_dev, st->st_ino, (uint64_t)st->st_size, st->st_mtim, st->st_ctim};
}

static bool time_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       time_equal(&a->mtime, &b->mtime) && time_equal(&a->ctime, &b->ctime);
}

/* --- the table --- */

int preloads_new(unsigned n, struct preloads **ret_t, struct err *err)
{
	struct preloads *t = xcalloc(1, sizeof(*t));
	const void *ro;
	void *rw;
	int r;

	t->n = n;
	t->list = xcalloc(n + 1, sizeof(*t->list));
	for (unsigned i = 0; i < n; i++)
		t->list[i].fd = -1;
	r = n > 0 ? shown_new("wherry-preloads", n * sizeof(uint32_t), &rw, &ro) : 0;
	if (r == 0 && n > 0) {
		t->gens = rw;
		t->seen = ro;
	}
	if (r < 0 && r != -EINVAL && r != -ENOSYS) { /* those two: an old kernel; validation is enough */
		preloads_free(t);
		return err_sys(err, -r, "cannot make memory for the numbers of preloads");
	}
	*ret_t = t;
	return 0;
}

void preloads_free(struct preloads *t)
{
	if (t == NULL)
		return;
	if (t->gens != NULL)
		(void)munmap(t->gens, t->n * sizeof(uint32_t));
	preloads_forget(t);
	free(t->list);
	free(t);
}

void preload_publish(struct preloads *t, struct preload *p)
{
	if (t->gens != NULL)
		atomic_store(&t->gens[p - t->list], p->gen);
}

bool preload_current(const struct preloads *t, const struct preload *p)
{
	return t->seen == NULL || atomic_load(&t->seen[p - t->list]) == p->gen;
}

/* --- one file --- */

/* A regular file for reading, or another file not at all: opening a device can already have an effect. fd: O_PATH,
 * borrowed. */
static int open_again(int fd, const char *real)
{
	char proc[32];
	int r;

	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd); /* always fits */
	r = open(proc, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (r < 0 && errno == ENOENT) /* no /proc */
		r = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return r;
}

/* Open what path leads to. Returns the descriptor, with *ret_real (free()). */
static int file_open(
	const char *path, uint64_t max_size, char **ret_real, struct stat *ret_st, struct err *err)
{
	char *real = realpath(path, NULL);
	auto_fd int look = real != NULL ? open(real, O_PATH | O_CLOEXEC | O_NOFOLLOW) : -1;
	int r = 0;

	if (look < 0 || fstat(look, ret_st) < 0)
		r = err_sys(err, errno, "cannot open '%.250s'", path);
	else if (!S_ISREG(ret_st->st_mode))
		r = err_set(err, WE_CONFIG, "'%.250s' is not a regular file", path);
	else if (ret_st->st_size == 0)
		r = err_set(err, ENODATA, "'%.250s' is empty", path);
	else if (max_size != 0 && (uint64_t)ret_st->st_size > max_size)
		r = err_set(err, WE_LIMIT, "'%.250s' is larger than TransferMMapOptions allow", path);
	else if ((uint64_t)ret_st->st_size > SIZE_MAX / 2)
		r = err_sys(err, EOVERFLOW, "cannot map '%.250s'", path);
	else if ((r = open_again(look, real)) < 0)
		r = err_sys(err, errno, "cannot open '%.250s'", path);
	if (r < 0)
		free(real);
	else
		*ret_real = real;
	return r;
}

static void *file_map(int fd, const struct stat *st, unsigned flags)
{
	int how = (flags & PRELOAD_PRIVATE) != 0 ? MAP_PRIVATE : MAP_SHARED;
	void *mem = mmap(NULL, (size_t)st->st_size, PROT_READ, how, fd, 0);

	return mem != MAP_FAILED ? mem : NULL;
}

static void advise(void *mem, size_t len, int advice)
{
	if (madvise(mem, len, advice) < 0)
		log_debug(NULL, 8, "xfer_mmap: madvise %d of %zu bytes: %s", advice, len, strerror(errno));
}

static void memory_prepare(struct preload *p, bool wait)
{
	void *mem = (void *)(uintptr_t)p->mem;
	size_t len = (size_t)p->id.size;

	p->locked = 0;
	p->lock_error = p->populate_error = 0;
	advise(mem, len, MADV_SEQUENTIAL);
	if ((p->flags & PRELOAD_HUGE) != 0)
		advise(mem, len, MADV_HUGEPAGE);
	if ((p->flags & PRELOAD_LOCK) != 0) {
		if (mlock2(mem, len, MLOCK_ONFAULT) < 0 && (errno != ENOSYS || mlock(mem, len) < 0))
			p->lock_error = errno;
		else
			p->locked = len;
	}
	if ((p->flags & PRELOAD_POPULATE) == 0)
		return;
	if (!wait)
		advise(mem, len, MADV_WILLNEED);
	else if (madvise(mem, len, MADV_POPULATE_READ) < 0)
		p->populate_error = errno;
}

int preload_map(struct preload *p, bool wait, struct err *err)
{
	struct preload fresh = *p;
	struct stat st;
	int r;

	fresh.fd = file_open(p->path, p->max_size, &fresh.real, &st, err);
	if (fresh.fd < 0)
		return fresh.fd;
	fresh.mem = file_map(fresh.fd, &st, p->flags);
	if (fresh.mem == NULL) {
		r = err_sys(err, errno, "cannot map '%.250s'", p->path);
		fd_close(&fresh.fd);
		free(fresh.real);
		return r;
	}
	preload_unmap(p);
	*p = fresh;
	p->id = file_id_of(&st);
	p->gen++;
	memory_prepare(p, wait);
	return 0;
}

void preload_unmap(struct preload *p)
{
	if (p->mem != NULL && munmap((void *)(uintptr_t)p->mem, (size_t)p->id.size) < 0)
		log_debug(NULL, 7, "xfer_mmap: munmap of '%s': %s", p->path, strerror(errno));
	p->mem = NULL;
	p->locked = 0;
	free(p->real);
	p->real = NULL;
	fd_close(&p->fd);
}

int preload_check(const char *path, uint64_t *ret_size, struct err *err)
{
	char *real = NULL;
	struct stat st;
	void *mem;
	auto_fd int fd = file_open(path, 0, &real, &st, err);

	free(real);
	if (fd < 0) {
		int r = fd;

		fd = -1;
		return r;
	}
	mem = file_map(fd, &st, 0);
	if (mem == NULL)
		return err_sys(err, errno, "cannot map '%.250s'", path);
	(void)munmap(mem, (size_t)st.st_size);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* --- in children --- */

/* Could this process open the mapped file? A path that leads to another file by now says nothing about it: then its
 * own mode does. */
static bool readable(const struct preload *p)
{
	auto_fd int fd = open(p->real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char proc[32];

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if (st.st_dev == p->id.dev && st.st_ino == p->id.ino)
		return true;
	if ((p->flags & PRELOAD_NO_VALIDATE) == 0)
		return false;
	fd_close(&fd);
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", p->fd); /* always fits */
	fd = open(proc, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd >= 0;
}

void preloads_keep_readable(struct preloads *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->list[i].mem != NULL && !readable(&t->list[i]))
			preload_unmap(&t->list[i]);
	}
	t->gens = NULL; /* not inherited */
}

void preloads_forget(struct preloads *t)
{
	for (unsigned i = 0; i < t->n; i++)
		preload_unmap(&t->list[i]);
	if (t->seen != NULL)
		(void)munmap((void *)(uintptr_t)t->seen, t->n * sizeof(uint32_t));
	t->seen = NULL;
	t->gens = NULL; /* not inherited */
}

struct preload *preload_find(const struct preloads *t, const char *real, const char *asked)
{
	struct preload *found = NULL;

	for (unsigned i = 0; i < t->n; i++) {
		struct preload *p = &t->list[i];

		if (p->mem == NULL)
			continue;
		if (strcmp(p->real, real) == 0)
			return p;
		if (strcmp(p->path, asked) == 0)
			found = p;
	}
	return found;
}
