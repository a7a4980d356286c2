/* What an event loop asks: zs_send(), residency, and the flags that depend on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zsend/zsend_test_fixture.h"

/* ---- The event loop's calls ---- */

static void send_returns_what_a_loop_needs(void **state)
{
	struct fds f;
	uint64_t off = 90;

	bent_reset();
	base_case(&f);
	if ((zs_caps(NULL) & ZS_CAP_SENDFILE) == 0) {
		assert_int_equal(zs_send(f.out, f.in, &off, 10), -ENOTSUP);
		fds_close(&f);
		return;
	}
	bent.eintr_every = 2;
	bent.sending = 1;
	assert_int_equal(
		zs_send(f.out, f.in, &off, SIZE_MAX / 2), 10); /* clamped to the file, EINTR retried */
	assert_int_equal(bent.calls[BENT_SENDFILE], 2);
	assert_int_equal(off, 100);
	assert_int_equal(zs_send(f.out, f.in, &off, 10), 0);
	assert_int_equal(zs_send(f.out, f.in, &off, 0), -EINVAL);
	off = UINT64_MAX;
	assert_int_equal(zs_send(f.out, f.in, &off, 10), -EINVAL);
	off = 0;
	stuff(f.out);
	assert_int_equal(zs_send(f.out, f.in, &off, 10), -EAGAIN);
	bent_reset();
	bent.fail[BENT_SENDFILE] = EIO;
	assert_int_equal(zs_send(f.out, f.in, &off, 10), -EIO);
	bent_reset();
	in_procfs(&f);
	assert_int_equal(zs_send(f.out, f.in, &off, 10), -ENOTSUP);
	in_becomes(&f, file_with(content, 100));
	peer_closed(&f);
	assert_int_equal(zs_send(f.out, f.in, &off, 10), -EPIPE);
	assert_int_equal(off, 0);
	fds_close(&f);
}

#define PAGE ((int64_t)sysconf(_SC_PAGESIZE))

/* A file on a disk with no page in memory; -1 if the build folder is on no such file system. */
static int cold_file(int64_t size)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *data = malloc((size_t)size);

	if (fd < 0) {
		free(data);
		return -1;
	}
	memset(data, 'x', (size_t)size);
	assert_int_equal(pwrite(fd, data, (size_t)size, 0), size);
	free(data);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0); /* one page read is one page */
	if (zs_resident(fd, 0, (size_t)size) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void touch(int fd, int64_t page)
{
	char c;

	assert_int_equal(pread(fd, &c, 1, page * PAGE + 7), 1);
}

static bool is_there(int fd, int64_t page)
{
	unsigned char *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, page * PAGE), resident;

	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mincore(map, PAGE, &resident), 0);
	assert_int_equal(munmap(map, PAGE), 0);
	return (resident & 1) != 0;
}

/* Is it there, or being read? The pages of a block do not arrive in order. */
static bool comes(int fd, int64_t page)
{
	int tries = 0;

	while (!is_there(fd, page) && tries++ < 5000)
		assert_int_equal(usleep(500), 0);
	return is_there(fd, page);
}

/* Probing without waiting may start reading ahead; put it back. */
static void chill(int fd, int64_t page)
{
	int absent = 0, tries = 0;

	while (absent < 3) { /* a page on its way in looks absent, cannot be dropped, and comes back */
		assert_in_range(tries++, 0, 5000);
		assert_int_equal(posix_fadvise(fd, page * PAGE, PAGE, POSIX_FADV_DONTNEED), 0);
		assert_int_equal(usleep(500), 0);
		absent = is_there(fd, page) ? 0 : absent + 1;
	}
}

/* With page hole taken out, bytes from off are resident up to the hole; or all of them when the probe
 * itself has brought it back, which a fast disk does before the answer is given. */
static void told_up_to_hole(int fd, int64_t hole, uint64_t off, size_t len, int64_t up_to, int64_t all)
{
	int64_t got;
	int tries = 0;

	do { /* an earlier hole may still be on its way in, and the kernel may answer for less on a busy machine */
		chill(fd, hole);
		got = zs_resident(fd, off, len);
	} while (got < up_to && tries++ < 100);
	if (got == all && all != up_to)
		assert_true(is_there(fd, hole));
	else
		assert_int_equal(got, up_to);
}

static void residency_is_told_to_the_byte(void **state)
{
	const int64_t n = 64;
	int fd;

	bent_reset();
	fd = cold_file(n * PAGE + 100);
	if (fd < 0)
		skip();
	for (int without_cachestat = 0; without_cachestat < 2; without_cachestat++) {
		bent.fail[BENT_CACHESTAT] = without_cachestat ? EPERM : 0;
		for (int64_t hole = 0; hole < n - 1; hole += 7) {
			for (int64_t p = 0; p <= n; p++)
				touch(fd, p);
			assert_int_equal(zs_resident(fd, 0, SIZE_MAX), n * PAGE + 100);
			assert_int_equal(zs_resident(fd, 5, 10), 10);
			assert_int_equal(zs_resident(fd, (uint64_t)(3 * PAGE - 3), 100), 100);
			told_up_to_hole(fd, hole, 0, (size_t)(n * PAGE), hole * PAGE, n * PAGE);
			told_up_to_hole(fd, hole, (uint64_t)(hole * PAGE + 3), 100, 0, 100);
			told_up_to_hole(fd, hole, (uint64_t)(hole * PAGE + PAGE + 3), 100, 100, 100);
			if (hole > 0)
				told_up_to_hole(fd, hole, (uint64_t)(hole * PAGE - 3), 100, 3, 100);
		}
	}
	close(fd);
}

/* Where cachestat(2) does not answer, long ranges are probed. */
static void long_ranges_are_probed_block_by_block(void **state)
{
	const int64_t block = 64 * 1024 / PAGE, n = 5 * block;
	const size_t size = (size_t)(n * PAGE + 100);
	int fd;

	bent_reset();
	fd = cold_file((int64_t)size);
	if (fd < 0)
		skip();
	bent.fail[BENT_CACHESTAT] = EPERM;
	for (int64_t p = 0; p <= n; p++)
		touch(fd, p);
	bent.calls[BENT_PREADV2] = 0;
	assert_int_equal(zs_resident(fd, 0, SIZE_MAX), size);
	assert_in_range(bent.calls[BENT_PREADV2], 1, 7);
	assert_int_equal(zs_resident(fd, 5, size - 10), size - 10);
	/* the first page, the last ones of blocks, and the beginning of the last block */
	told_up_to_hole(fd, 0, 0, size, 0, (int64_t)size);
	told_up_to_hole(fd, 0, 9, size - 9, 0, (int64_t)size - 9);
	for (int64_t b = 1; b <= 5; b++) {
		told_up_to_hole(fd, b * block - 1, 0, size, (b * block - 1) * PAGE, (int64_t)size);
		told_up_to_hole(fd, b * block - 1, (uint64_t)PAGE + 9, size - (size_t)PAGE - 9,
			(b * block - 2) * PAGE - 9, (int64_t)size - PAGE - 9);
	}
	told_up_to_hole(fd, n, 0, size, n * PAGE, (int64_t)size);
	close(fd);
}

/* Ask for a cold file until all of it is told to be there: was it, each time? */
static bool probed_without_a_hole(int fd, int64_t n)
{
	int64_t got = 0;

	for (int tries = 0; got < n * PAGE; tries++) {
		assert_in_range(tries, 0, 5000);
		got = zs_resident(fd, 0, (size_t)(n * PAGE));
		for (int64_t p = 0; p < got / PAGE; p++) {
			if (!comes(fd, p))
				return false;
		}
		assert_int_equal(usleep(500), 0);
	}
	return true;
}

/* What a probe makes the kernel fetch must not look like the whole block. Now and then it does: when the disk has brought
 * the page before the probe is answered. */
static void probing_a_cold_file_leaves_no_hole(void **state)
{
	const int64_t n = 5 * 64 * 1024 / PAGE;
	bool whole = false;

	bent_reset();
	for (int files = 0; files < 8 && !whole; files++) {
		int fd;

		bent.fail[BENT_CACHESTAT] = 0;
		fd = cold_file(n * PAGE);
		if (fd < 0)
			skip();
		bent.fail[BENT_CACHESTAT] = EPERM;
		whole = probed_without_a_hole(fd, n);
		close(fd);
	}
	assert_true(whole);
}

static void residency_where_it_cannot_be_told(void **state)
{
	int fd = file_with(content, 100), disk, p[2];

	bent_reset();
	assert_int_equal(zs_resident(fd, 0, 1000), 100);
	assert_int_equal(zs_resident(fd, 30, 20), 20);
	assert_int_equal(zs_resident(fd, 100, 20), 0);
	assert_int_equal(zs_resident(fd, 0, 0), 0);
	assert_int_equal(zs_resident(fd, UINT64_MAX, 20), -EINVAL);
	assert_int_equal(zs_resident(-1, 0, 20), -EBADF);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(zs_resident(p[0], 0, 20), -EINVAL);
	close2(p);
	bent.fail[BENT_CACHESTAT] = EPERM;
	bent.fail[BENT_PREADV2] = EOPNOTSUPP;
	assert_int_equal(zs_resident(fd, 0, 1000), 100); /* a memory file system needs no probe */
	close(fd);
	bent_reset();
	disk = cold_file(PAGE);
	if (disk < 0)
		return;
	touch(disk, 0);
	bent.fail[BENT_CACHESTAT] = bent.fail[BENT_PREADV2] = EOPNOTSUPP;
	assert_int_equal(zs_resident(disk, 0, 10), -ENOTSUP);
	/* in the cache, yet its reading has not ended */
	bent_reset();
	bent.fail[BENT_PREADV2] = EAGAIN;
	assert_int_equal(zs_resident(disk, 0, 10), 0);
	close(disk);
}

static void nodiskio_sends_what_is_in_memory_then_ebusy(void **state)
{
	int fd, sv[2];
	struct zs_hdtr hdtr;
	struct iovec h = {content, 10};
	int64_t sbytes;

	bent_reset();
	fd = cold_file(20 * PAGE);
	if (fd < 0)
		skip();
	for (EACH_WAY(w)) {
		way_take(w);
		pair_unix(sv);
		for (int64_t p = 0; p < 20; p++)
			chill(fd, p);
		touch(fd, 0);
		touch(fd, 1);
		hdtr = (struct zs_hdtr){&h, 1, NULL, 0};
		assert_int_equal(zs_bsd(fd, sv[0], 100, 0, &hdtr, &sbytes, ZS_NODISKIO), -1);
		assert_int_equal(errno, EBUSY);
		assert_int_equal(sbytes, 10 + 2 * PAGE - 100);
		close2(sv);
	}
	close(fd);
}

static void sync_copies_and_nocache_forgets(void **state)
{
	int fd, sv[2];
	int64_t sbytes;

	bent_reset();
	fd = cold_file(16 * PAGE);
	if (fd < 0)
		skip();
	pair_unix(sv);
	assert_int_equal(zs_bsd(fd, sv[0], 0, 0, NULL, &sbytes, ZS_SYNC), 0);
	assert_int_equal(sbytes, 16 * PAGE);
	assert_int_equal(bent.calls[BENT_SENDFILE] + bent.calls[BENT_SPLICE], 0);
	assert_int_equal(zs_resident(fd, 0, (size_t)(16 * PAGE)), 16 * PAGE);
	/* the page that is only begun stays */
	assert_int_equal(zs_bsd(fd, sv[0], 100, (size_t)(8 * PAGE), NULL, &sbytes, ZS_SYNC | ZS_NOCACHE), 0);
	assert_int_equal(zs_resident(fd, (uint64_t)(8 * PAGE), (size_t)(8 * PAGE)), 8 * PAGE);
	assert_int_equal(zs_resident(fd, (uint64_t)(7 * PAGE), (size_t)PAGE), 0);
	assert_int_equal(zs_resident(fd, 0, (size_t)PAGE), 0);
	close2(sv);
	close(fd);
}

static void cork_is_held_for_the_call_only(void **state)
{
	struct iovec h = {content, 10};
	struct zs_hdtr hdtr = {&h, 1, &h, 1};
	int in = file_with(content, 100), sv[2], on = 1;
	socklen_t len = sizeof(on);

	bent_reset();
	pair_tcp(sv);
	assert_int_equal(zs_bsd(in, sv[0], 0, 0, &hdtr, NULL, 0), 0);
	assert_int_equal(getsockopt(sv[0], IPPROTO_TCP, TCP_CORK, &on, &len), 0);
	assert_int_equal(on, 0);
	on = 1;
	assert_int_equal(setsockopt(sv[0], IPPROTO_TCP, TCP_CORK, &on, sizeof(on)), 0);
	assert_int_equal(zs_bsd(in, sv[0], 0, 0, &hdtr, NULL, 0), 0);
	assert_int_equal(getsockopt(sv[0], IPPROTO_TCP, TCP_CORK, &on, &len), 0);
	assert_int_equal(on, 1); /* the caller's cork is the caller's */
	close2(sv);
	close(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(send_returns_what_a_loop_needs),
		cmocka_unit_test(residency_is_told_to_the_byte),
		cmocka_unit_test(long_ranges_are_probed_block_by_block),
		cmocka_unit_test(probing_a_cold_file_leaves_no_hole),
		cmocka_unit_test(residency_where_it_cannot_be_told),
		cmocka_unit_test(nodiskio_sends_what_is_in_memory_then_ebusy),
		cmocka_unit_test(sync_copies_and_nocache_forgets),
		cmocka_unit_test(cork_is_held_for_the_call_only),
	};

	return zsend_run_tests(tests, ARRAY_LEN(tests));
}
