/* Preloaded into the server by inject.py: lets sendfile(2), pread(2), mmap(2) and cachestat(2) fail as a shared page says,
 * counts, and sets the wall clock wrong. Never allocates or opens after the start: the processes are confined.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NR_CACHESTAT 451
#define MAP_LEAST    (1 << 20)

/* The same fields in the same order in inject.py. */
struct rule {
	_Atomic uint32_t after; /* so many calls are left alone */
	_Atomic uint32_t times; /* then so many are changed */
	_Atomic uint32_t error; /* errno that they give, 0 = none */
	_Atomic uint32_t
		most; /* without error: bytes moved at most; UINT32_MAX = as asked, 0 = end of file */
};
struct plan {
	struct rule sendfile, pread;
	_Atomic uint32_t no_cachestat;
	_Atomic uint32_t calls, largest; /* of sendfile: since the test set them to 0; bytes asked for */
	_Atomic uint32_t loop_calls;     /* of them, in the first thread of a process */
	_Atomic uint32_t cold_calls;     /* of these, for bytes that were not in memory */
	_Atomic uint32_t preads;
	struct rule map; /* mmap(2) of files for reading, at least MAP_LEAST bytes */
	_Atomic uint32_t
		loop_dirs; /* open directories (not O_PATH) closed in the first thread of a process */
	_Atomic uint32_t pool_dirs; /* and in others */
	_Atomic int32_t wall_s;     /* seconds that the wall clock is ahead */
};

static struct plan none, *plan = &none;
static ssize_t (*real_sendfile)(int, int, off64_t *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off64_t);
static long (*real_syscall)(long, ...);
static int (*real_close)(int);

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("INJECT_PLAN");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	real_sendfile = (ssize_t(*)(int, int, off64_t *, size_t))dlsym(RTLD_NEXT, "sendfile64");
	real_pread = (ssize_t(*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
	real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (fd < 0)
		return;
	plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (plan == MAP_FAILED)
		abort();
	close(fd);
}

int close(int fd)
{
	struct stat st;

	if (!real_close) /* of a library that starts before this one */
		real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
	if ((fcntl(fd, F_GETFL) & O_PATH) == 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		atomic_fetch_add(getpid() == gettid() ? &plan->loop_dirs : &plan->pool_dirs, 1);
	return real_close(fd);
}

static int down(_Atomic uint32_t *n)
{
	uint32_t v = atomic_load(n);

	while (v > 0)
		if (atomic_compare_exchange_weak(n, &v, v - 1))
			return 1;
	return 0;
}

/* Does the rule change this call? */
static int hits(struct rule *r)
{
	if (atomic_load(&r->times) == 0 || down(&r->after))
		return 0;
	return atomic_load(&r->times) == UINT32_MAX || down(&r->times);
}

/* A byte that cannot be read without waiting, of three in the range. */
static int is_cold(int fd, const off64_t *offset, size_t count)
{
	char c;
	struct iovec iov = {&c, 1};

	for (int i = 0; i < 3 && offset && count > 0; i++)
		if (preadv2(fd, &iov, 1, *offset + (off64_t)((count - 1) / 2 * (size_t)i), RWF_NOWAIT) < 0 &&
			errno == EAGAIN)
			return 1;
	return 0;
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	uint32_t asked = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count,
		 before = atomic_load(&plan->largest);

	atomic_fetch_add(&plan->calls, 1);
	if (getpid() == gettid()) {
		atomic_fetch_add(&plan->loop_calls, 1);
		atomic_fetch_add(&plan->cold_calls, (uint32_t)is_cold(in, offset, count));
	}
	while (before < asked && !atomic_compare_exchange_weak(&plan->largest, &before, asked))
		;
	if (hits(&plan->sendfile)) {
		if (plan->sendfile.error) {
			errno = (int)plan->sendfile.error;
			return -1;
		}
		if (count > plan->sendfile.most)
			count = plan->sendfile.most;
		if (count == 0)
			return 0;
	}
	return real_sendfile(out, in, offset, count);
}

ssize_t sendfile(int out, int in, off64_t *offset, size_t count)
{
	return sendfile64(out, in, offset, count);
}

ssize_t pread64(int fd, void *buf, size_t count, off64_t offset)
{
	atomic_fetch_add(&plan->preads, 1);
	if (hits(&plan->pread)) {
		if (plan->pread.error) {
			errno = (int)plan->pread.error;
			return -1;
		}
		if (count > plan->pread.most)
			count = plan->pread.most;
	}
	return real_pread(fd, buf, count, offset);
}

ssize_t pread(int fd, void *buf, size_t count, off64_t offset)
{
	return pread64(fd, buf, count, offset);
}

long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == NR_CACHESTAT && plan->no_cachestat) {
		errno = ENOSYS;
		return -1;
	}
	return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void *map(void *at, size_t n, int prot, int flags, int fd, off64_t off)
{
	if (fd >= 0 && prot == PROT_READ && n >= MAP_LEAST && hits(&plan->map)) {
		errno = (int)atomic_load(&plan->map.error);
		return MAP_FAILED;
	}
	if (!real_syscall) /* before start() */
		real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	return (void *)real_syscall(SYS_mmap, at, n, prot, flags, fd, off);
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	return map(at, n, prot, flags, fd, off);
}

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t off)
{
	return map(at, n, prot, flags, fd, off);
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int r;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	r = real(clock, ts);
	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += atomic_load(&plan->wall_s);
	return r;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
