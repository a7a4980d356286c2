#include "vfs/map.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define READ_TRIES 4 /* a file that is cut again and again while it is copied */

struct window {
	char *mem; /* NULL = none */
	uint64_t off;
	size_t len;
};

struct map {
	int fd;
	uint64_t size;
	unsigned flags;
	bool borrowed;           /* window[0] is all of it and somebody else's */
	struct window window[2]; /* the one used last, and another */
	unsigned last;
	uint64_t ahead; /* the kernel was asked for everything up to here */
};

/* --- the guard --- */

struct guard {
	uintptr_t lo, hi; /* whole pages */
	sigjmp_buf back;
};

static _Thread_local struct guard *volatile guard;

static void on_sigbus(int signo, siginfo_t *si, void *context)
{
	struct guard *g = guard;
	uintptr_t at = (uintptr_t)si->si_addr;
	bool access = si->si_code == BUS_ADRERR || si->si_code == BUS_MCEERR_AR;

	if (g != NULL && access && at >= g->lo && at < g->hi) {
		guard = NULL;
		siglongjmp(g->back, 1);
	}
	(void)signal(SIGBUS, SIG_DFL); /* cannot fail */
	if (si->si_code <= 0)          /* sent by a process; else the access is made again, and ends us */
		(void)raise(SIGBUS);
}

int vfs_map_guard_install(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	return sigaction(SIGBUS, &sa, NULL) < 0 ? -errno : 0;
}

/* memcpy(); false: a page of src could not be had, and dst holds anything. */
static bool copy_guarded(void *dst, const void *src, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct guard g = {
		.lo = (uintptr_t)src & ~(page - 1), .hi = ((uintptr_t)src + n + page - 1) & ~(page - 1)};

	if (sigsetjmp(g.back, 1) != 0)
		return false;
	guard = &g;
	atomic_signal_fence(memory_order_seq_cst);
	memcpy(dst, src, n);
	atomic_signal_fence(memory_order_seq_cst);
	guard = NULL;
	return true;
}

/* --- windows --- */

static uint64_t page_floor(uint64_t off)
{
	return off & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
}

static void window_drop(struct window *w)
{
	if (w->mem != NULL && munmap(w->mem, w->len) < 0)
		log_debug(NULL, 7, "xfer_mmap: munmap of %zu bytes: %s", w->len, strerror(errno));
	w->mem = NULL;
}

static void advise(void *mem, size_t len, int advice)
{
	if (madvise(mem, len, advice) < 0)
		log_debug(NULL, 8, "xfer_mmap: madvise %d of %zu bytes: %s", advice, len, strerror(errno));
}

static int window_open(struct map *m, struct window *w, uint64_t off)
{
	uint64_t from = page_floor(off), left = m->size - from;
	size_t len = left < VFS_MAP_WINDOW ? (size_t)left : VFS_MAP_WINDOW;
	void *mem = mmap(NULL, len, PROT_READ, (m->flags & VFS_MAP_PRIVATE) != 0 ? MAP_PRIVATE : MAP_SHARED,
		m->fd, (off_t)from);

	if (mem == MAP_FAILED) {
		int r = -errno;

		log_debug(NULL, 3, "xfer_mmap: mmap of %zu bytes: %s", len, strerror(-r));
		return r;
	}
	window_drop(w);
	*w = (struct window){mem, from, len};
	advise(mem, len, MADV_SEQUENTIAL);
	if ((m->flags & VFS_MAP_HUGE) != 0)
		advise(mem, len, MADV_HUGEPAGE);
	return 0;
}

static bool window_has(const struct window *w, uint64_t off)
{
	return w->mem != NULL && off >= w->off && off - w->off < w->len;
}

/* The window that off lies in, mapped if need be. */
static int window_at(struct map *m, uint64_t off, struct window **ret_w)
{
	int r;

	if (!window_has(&m->window[m->last], off)) {
		if (!window_has(&m->window[!m->last], off)) {
			r = window_open(m, &m->window[!m->last], off);
			if (r == -ENOMEM) { /* few addresses: then one window must do */
				window_drop(&m->window[0]);
				window_drop(&m->window[1]);
				r = window_open(m, &m->window[!m->last], off);
			}
			if (r < 0)
				return r;
		}
		m->last = !m->last;
	}
	*ret_w = &m->window[m->last];
	return 0;
}

/* Have the kernel read what comes after off: within w, and in the window behind it when it begins soon. */
static void read_ahead(struct map *m, struct window *w, uint64_t off)
{
	struct window *next = &m->window[w == &m->window[0]];
	uint64_t end = w->off + w->len, to = off + VFS_MAP_AHEAD;

	if (m->borrowed || (off + VFS_MAP_AHEAD / 2 <= m->ahead && m->ahead <= to))
		return;
	if (to > end && end < m->size && !window_has(next, end) && window_open(m, next, end) == 0)
		advise(next->mem, next->len < VFS_MAP_AHEAD ? next->len : VFS_MAP_AHEAD, MADV_WILLNEED);
	m->ahead = to;
	off = page_floor(off);
	advise(w->mem + (off - w->off), (size_t)((to < end ? to : end) - off), MADV_WILLNEED);
}

/* --- maps --- */

static struct map *map_new(int fd, uint64_t size, unsigned flags)
{
	struct map *m = calloc(1, sizeof(*m));

	if (m != NULL) {
		m->fd = fd;
		m->size = size;
		m->flags = flags;
	}
	return m;
}

int map_open(int fd, uint64_t size, uint64_t off, unsigned flags, struct map **ret_map)
{
	struct map *m;
	int r;

	if (off >= size)
		return -EINVAL;
	m = map_new(fd, size, flags);
	if (m == NULL)
		return -ENOMEM;
	r = window_open(m, &m->window[0], off);
	if (r < 0) {
		free(m);
		return r;
	}
	*ret_map = m;
	return 0;
}

int map_over(const void *mem, uint64_t size, int fd, struct map **ret_map)
{
	struct map *m = map_new(fd, size, 0);

	if (m == NULL)
		return -ENOMEM;
	m->borrowed = true;
	m->window[0] = (struct window){(char *)(uintptr_t)mem, 0, (size_t)size};
	*ret_map = m;
	return 0;
}

void map_close(struct map **map)
{
	struct map *m = *map;

	if (m == NULL)
		return;
	for (int i = 0; i < 2 && !m->borrowed; i++)
		window_drop(&m->window[i]);
	free(m);
	*map = NULL;
}

uint64_t map_size(const struct map *m)
{
	return m->size;
}

/* Bytes of [off, off + n) that the file has now, 0 = none, or -errno. */
static ssize_t still_there(const struct map *m, uint64_t off, size_t n)
{
	struct stat st;

	if (fstat(m->fd, &st) < 0)
		return -errno;
	if (off >= (uint64_t)st.st_size)
		return 0;
	return (uint64_t)st.st_size - off < n ? (ssize_t)((uint64_t)st.st_size - off) : (ssize_t)n;
}

ssize_t map_span(struct map *m, uint64_t off, size_t n, const void **ret_p)
{
	struct window *w;
	ssize_t have;
	int r;

	if (off >= m->size)
		return 0;
	if (n > m->size - off)
		n = (size_t)(m->size - off);
	have = still_there(m, off, n);
	if (have <= 0)
		return have;
	r = window_at(m, off, &w);
	if (r < 0)
		return r;
	read_ahead(m, w, off);
	if ((uint64_t)have > w->off + w->len - off)
		have = (ssize_t)(w->off + w->len - off);
	*ret_p = w->mem + (off - w->off);
	return have;
}

bool map_intact(const struct map *m, uint64_t end)
{
	struct stat st;

	return fstat(m->fd, &st) == 0 && (uint64_t)st.st_size >= end;
}

ssize_t map_read(struct map *m, uint64_t off, void *buf, size_t n)
{
	const void *p;
	bool copied;
	ssize_t have;

	n = n < VFS_MAP_COPY_MAX ? n : VFS_MAP_COPY_MAX;
	for (int i = 0; i < READ_TRIES; i++) {
		have = map_span(m, off, n, &p);
		if (have <= 0)
			return have;
		n = (size_t)have;
		copied = copy_guarded(buf, p, n);
		have = still_there(m, off, n);
		if (copied || have <= 0)
			return have;
	}
	return -EIO;
}
