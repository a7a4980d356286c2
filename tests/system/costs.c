/* Preloaded into the server by y_costs.py: counts in a shared page what asks for memory and what sets timers, in all its
 * processes.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dlfcn.h>

/* The same fields in the same order in y_costs.py. */
struct counts {
	_Atomic uint64_t memory; /* malloc(), calloc(), realloc(), aligned_alloc(), posix_memalign() */
	_Atomic uint64_t freed;
	_Atomic uint64_t timers; /* uv_timer_start() */
	_Atomic uint64_t large;  /* of memory: pieces of more than LARGE bytes */
};
#define LARGE 256

static struct counts none, *counts = &none;

/* glibc's own, which need no dlsym(): that asks for memory itself. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void count(size_t n)
{
	counts->memory++;
	if (n > LARGE)
		counts->large++;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("COSTS_PAGE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *page;

	if (fd < 0)
		return;
	page = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		abort();
	counts = page;
	close(fd);
}

void *malloc(size_t n)
{
	count(n);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	count(n * size);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	count(n);
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	count(n);
	return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	count(n);
	*p = __libc_memalign(align, n);
	return *p ? 0 : 12; /* ENOMEM */
}

void free(void *p)
{
	if (p)
		counts->freed++;
	__libc_free(p);
}

int uv_timer_start(void *timer, void *fn, uint64_t ms, uint64_t repeat)
{
	static int (*real)(void *, void *, uint64_t, uint64_t);

	if (!real)
		real = (int (*)(void *, void *, uint64_t, uint64_t))dlsym(RTLD_NEXT, "uv_timer_start");
	counts->timers++;
	return real(timer, fn, ms, repeat);
}
