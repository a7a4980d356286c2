/* Which bytes of a file are in memory. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <sys/vfs.h>
#ifndef SYS_cachestat
#ifdef __alpha__
#define SYS_cachestat 561
#else
#define SYS_cachestat 451 /* newer than Debian 12's headers; one number on all other architectures */
#endif
#endif
#endif

#include "zsend/zsend_priv.h"

#ifndef __linux__

int64_t zs_resident(int file, uint64_t off, size_t len)
{
	return -ENOTSUP;
}

#else

#define SCRATCH     16384 /* bytes; the vectors below all point to it */
#define SCRATCH_IOV 64
#define READ_ALL    (256u * 1024) /* up to here every byte is read, above */
#define PROBE_STEP  (64u * 1024) /* the last one of each such block; half of what Linux reads ahead at least */
#define TMPFS       0x01021994
#define RAMFS       0x858458f6

/* cachestat(2), Linux 6.5 */
struct cachestat_range {
	uint64_t off, len;
};
struct cachestat_counts {
	uint64_t cache, dirty, writeback, evicted, recently_evicted;
};

/* Pages of [off, off + len) that the page cache has, or -errno. */
static int64_t pages_cached(int file, uint64_t off, uint64_t len)
{
	struct cachestat_range range = {off, len};
	struct cachestat_counts counts;

	if (syscall(SYS_cachestat, file, &range, &counts, 0) < 0)
		return -errno;
	return (int64_t)counts.cache;
}

/* Bytes from off that are cached without a gap, or -errno. Halves the range until the gap is found: the
 * call counts, it does not say where. */
static int64_t prefix_by_cachestat(int file, uint64_t off, uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), base = off / page * page;
	uint64_t have = 0, pages = (off + len - base + page - 1) / page, ask = pages;

	while (have < pages) {
		int64_t n = pages_cached(file, base, ask * page);

		if (n < 0)
			return n;
		if ((uint64_t)n >= ask)
			have = ask;
		else
			pages = ask - 1;
		ask = have + (pages - have + 1) / 2;
	}
	if (have == 0)
		return 0;
	have = have * page - (off - base);
	return (int64_t)(have < len ? have : len);
}

/* The same by reading without waiting, into one small buffer over and over. */
static int64_t prefix_by_reading(int file, uint64_t off, uint64_t len)
{
	char scratch[SCRATCH];
	struct iovec iov[SCRATCH_IOV];
	uint64_t done = 0;

	while (done < len) {
		uint64_t want = 0;
		ssize_t r;
		int n;

		for (n = 0; n < SCRATCH_IOV && done + want < len; n++) {
			iov[n].iov_base = scratch;
			iov[n].iov_len = len - done - want < SCRATCH ? (size_t)(len - done - want) : SCRATCH;
			want += iov[n].iov_len;
		}
		r = preadv2(file, iov, n, (off_t)(off + done), RWF_NOWAIT);
		if (r < 0 && errno != EAGAIN)
			return done > 0 ? (int64_t)done : -errno;
		if (r > 0)
			done += (uint64_t)r;
		if (r < (ssize_t)want)
			break;
	}
	return (int64_t)done;
}

/* Is the byte at pos there? 1 yes, 0 no or still on its way, -errno cannot tell. */
static int byte_ready(int file, uint64_t pos)
{
	char c;
	struct iovec iov = {&c, 1};

	if (preadv2(file, &iov, 1, (off_t)pos, RWF_NOWAIT) >= 0)
		return 1;
	return errno == EAGAIN ? 0 : -errno;
}

/* The same for longer ranges, at a tenth of the price. In a block whose last byte is not there, every byte is read:
 * that finds the gap, and makes the kernel fetch the whole block. Else it would fetch the page that was asked for, and
 * the next probe would take the block for present. */
static int64_t prefix_by_probing(int file, uint64_t off, uint64_t len)
{
	uint64_t upto = PROBE_STEP - off % PROBE_STEP;
	int64_t r = byte_ready(file, off);

	for (uint64_t done = 0; done < len; done = upto, upto += PROBE_STEP) {
		if (upto > len)
			upto = len;
		if (done > 0 || r > 0)
			r = byte_ready(file, off + upto - 1);
		if (r == 0) {
			r = prefix_by_reading(file, off + done, upto - done);
			if (r >= 0 && (uint64_t)r < upto - done)
				return (int64_t)done + r;
		}
		if (r < 0)
			return done > 0 ? (int64_t)done : r;
	}
	return (int64_t)len;
}

static bool lives_in_memory(int file)
{
	struct statfs fs;

	return fstatfs(file, &fs) == 0 && ((uint64_t)fs.f_type == TMPFS || (uint64_t)fs.f_type == RAMFS);
}

static int64_t resident_uncounted(int file, uint64_t off, uint64_t len)
{
	int64_t r = -ENOSYS;

	if (zsend_cap_usable(ZS_CAP_NOWAIT))
		r = len <= READ_ALL ? prefix_by_reading(file, off, len) : prefix_by_probing(file, off, len);
	if (r == -ENOSYS)
		zsend_cap_failed(ZS_CAP_NOWAIT);
	if (r != -ENOSYS && r != -EOPNOTSUPP && r != -EINVAL && r != -EPERM)
		return r;
	/* tmpfs had no RWF_NOWAIT for long, and needs none */
	return lives_in_memory(file) ? (int64_t)len : -ENOTSUP;
}

int64_t zs_resident(int file, uint64_t off, size_t len)
{
	uint64_t n = len;
	struct stat st;
	int64_t r = -ENOSYS;

	if (fstat(file, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || off > INT64_MAX)
		return -EINVAL;
	if (off >= (uint64_t)st.st_size || len == 0)
		return 0;
	if (n > (uint64_t)st.st_size - off)
		n = (uint64_t)st.st_size - off;
	if (zsend_cap_usable(ZS_CAP_CACHESTAT))
		r = prefix_by_cachestat(file, off, n);
	if (r == -ENOSYS)
		zsend_cap_failed(ZS_CAP_CACHESTAT);
	/* Newer kernels answer only owners and writers (EPERM), and some file systems never: read then. */
	if (r < 0)
		return r == -EBADF ? r : resident_uncounted(file, off, n);
	/* A page is in the cache from the moment its reading starts; cachestat(2) counts it then. */
	if (r > 0 && byte_ready(file, off + (uint64_t)r - 1) == 0)
		return resident_uncounted(file, off, (uint64_t)r);
	return r;
}

#endif
