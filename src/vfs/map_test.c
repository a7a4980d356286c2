/* Reading mapped files that others cut meanwhile, through windows, at any offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "vfs/map.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static char buf[VFS_MAP_COPY_MAX];
static char path[64];

/* Never NUL, so that bytes which were not in the file are seen. */
static char pattern(uint64_t off)
{
	return (char)('A' + (off / 7 + off / 4096) % 50);
}

static int file_new(uint64_t size, bool filled)
{
	int fd;

	assert_int_equal(vfs_map_guard_install(), 0); /* in each test: cmocka takes SIGBUS for itself */
	(void)snprintf(path, sizeof path, "/tmp/wherry-map-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (uint64_t off = 0; filled && off < size; off += sizeof buf) {
		for (size_t i = 0; i < sizeof buf; i++)
			buf[i] = pattern(off + i);
		assert_true(
			pwrite(fd, buf, size - off < sizeof buf ? size - off : sizeof buf, (off_t)off) > 0);
	}
	(void)unlink(path);
	return fd;
}

static struct map *map_new(int fd, uint64_t size, uint64_t off)
{
	struct map *m;

	assert_int_equal(map_open(fd, size, off, 0, &m), 0);
	return m;
}

static void assert_pattern(const char *p, size_t n, uint64_t off)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != pattern(off + i))
			fail_msg("byte %llu is 0x%02x", (unsigned long long)(off + i), (unsigned char)p[i]);
	}
}

static unsigned mappings_of_test_file(void)
{
	char line[512];
	unsigned n = 0;
	FILE *f = fopen("/proc/self/maps", "re");

	while (fgets(line, sizeof line, f))
		n += strstr(line, path) != NULL;
	(void)fclose(f);
	return n;
}

static void every_offset_and_length_reads_as_from_the_file(void **state)
{
	static const uint64_t at[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 99999, 199999};
	int fd = file_new(200000, true);
	struct map *m = map_new(fd, 200000, 4097);

	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		ssize_t want = 200000 - at[i] < sizeof buf ? (ssize_t)(200000 - at[i]) : (ssize_t)sizeof buf;

		memset(buf, 0, sizeof buf);
		assert_int_equal(map_read(m, at[i], buf, SIZE_MAX), want);
		assert_pattern(buf, (size_t)want, at[i]);
		assert_int_equal(map_read(m, at[i], buf, 1), 1);
	}
	assert_int_equal(map_read(m, 200000, buf, 1), 0);
	assert_int_equal(map_read(m, UINT64_MAX, buf, 1), 0);
	assert_int_equal(map_size(m), 200000);
	map_close(&m);
	assert_null(m);
	map_close(&m);
	fd_close(&fd);
}

static void a_big_file_is_seen_through_two_windows_at_most(void **state)
{
	uint64_t size = 5 * VFS_MAP_WINDOW + 12345, mark[] = {1, 4294967297, 5368709119};
	int fd = file_new((uint64_t)5 << 30, false);
	struct map *m;

	assert_int_equal(pwrite(fd, "x", 1, VFS_MAP_WINDOW - 1), 1);
	assert_int_equal(pwrite(fd, "y", 1, VFS_MAP_WINDOW), 1);
	m = map_new(fd, size, 5000);
	for (uint64_t off = 5000; off < size; off += 60000) {
		const void *p;
		ssize_t n = map_span(m, off, 60000, &p), k = map_read(m, off, buf, 60000);

		assert_true(n > 0 && n == k);
		assert_true(mappings_of_test_file() >= 1 && mappings_of_test_file() <= 2);
		if ((size_t)n < 60000) /* the rest is in the next window */
			assert_true(map_read(m, off + (uint64_t)n, buf, 60000 - (size_t)n) > 0 ||
				    off + (uint64_t)n == size);
	}
	assert_int_equal(map_read(m, VFS_MAP_WINDOW - 1, buf, 1), 1);
	assert_int_equal(buf[0], 'x');
	assert_int_equal(map_read(m, VFS_MAP_WINDOW, buf, 1), 1);
	assert_int_equal(buf[0], 'y');
	map_close(&m);
	assert_int_equal(mappings_of_test_file(), 0);
	for (size_t i = 0; i < 3; i++) { /* beyond what 32 bits count */
		assert_int_equal(pwrite(fd, &"abc"[i], 1, (off_t)mark[i]), 1);
		m = map_new(fd, (uint64_t)5 << 30, mark[i]);
		assert_true(map_read(m, mark[i], buf, sizeof buf) >= 1);
		assert_int_equal(buf[0], "abc"[i]);
		map_close(&m);
	}
	fd_close(&fd);
}

static void a_file_that_was_cut_ends_where_it_ends_now(void **state)
{
	static const off_t end[] = {
		180001, 180000, 135000, 131072, 4097, 1, 0}; /* the first: in its last page */
	int fd = file_new(180003, true);
	struct map *m = map_new(fd, 180003, 0);

	assert_true(map_intact(m, 180003));
	for (size_t i = 0; i < sizeof end / sizeof *end; i++) {
		uint64_t off = 0;
		ssize_t n;

		assert_int_equal(ftruncate(fd, end[i]), 0);
		assert_false(map_intact(m, (uint64_t)end[i] + 1));
		assert_true(map_intact(m, (uint64_t)end[i]));
		while ((n = map_read(m, off, buf, sizeof buf)) > 0) {
			assert_pattern(buf, (size_t)n, off);
			off += (uint64_t)n;
		}
		assert_int_equal(n, 0);
		assert_int_equal(off, end[i]);
	}
	map_close(&m);
	fd_close(&fd);
}

/* The kernel says EFAULT for what is behind the end, and map_intact() what was NUL bytes of the last page. */
static void a_send_from_a_file_that_was_cut_fails_without_a_signal(void **state)
{
	int fd = file_new(65536, true), sv[2];
	struct map *m = map_new(fd, 65536, 0);
	const void *p;
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(map_span(m, 0, 65536, &p), 65536);
	assert_int_equal(ftruncate(fd, 100), 0); /* between asking and sending */
	n = send(sv[0], (const char *)p + 4096, 4096, MSG_DONTWAIT);
	assert_true(n < 0 && errno == EFAULT);
	assert_int_equal(send(sv[0], p, 4096, MSG_DONTWAIT), 4096);
	assert_false(map_intact(m, 4096));
	assert_int_equal(map_span(m, 0, 65536, &p), 100);
	assert_int_equal(map_span(m, 100, 1, &p), 0);
	map_close(&m);
	fd_close(&fd);
	fd_close(&sv[0]);
	fd_close(&sv[1]);
}

#define STORM_SIZE (1u << 20)
#define STORM_STEP 499 /* bytes a cut: nearly never at the end of a page */

static void cut(int fd, off_t size)
{
	if (ftruncate(fd, size) < 0)
		abort();
}

static void cut_in_steps(int fd)
{
	for (unsigned size = STORM_SIZE; size > 0; size = size > STORM_STEP ? size - STORM_STEP : 0)
		cut(fd, (off_t)size);
	cut(fd, 0);
}

static void *cut_thread(void *arg)
{
	cut_in_steps(*(int *)arg);
	return NULL;
}

/* Read what is left before the end, again and again, so that nearly every cut is in what is being read. Returns
 * the bytes that were not the file's. */
static unsigned read_while_it_is_cut(int fd)
{
	char own[16384];
	unsigned wrong = 0;
	uint64_t off;
	struct stat st;
	struct map *m;
	ssize_t n;

	if (map_open(fd, STORM_SIZE, 0, 0, &m) < 0)
		return 1;
	do {
		if (fstat(fd, &st) < 0)
			return 1;
		off = (uint64_t)st.st_size > sizeof own ? (uint64_t)st.st_size - sizeof own : 0;
		n = map_read(m, off, own, sizeof own);
		for (ssize_t i = 0; i < n; i++)
			wrong += own[i] != pattern(off + (uint64_t)i);
		wrong += n < 0;
	} while (st.st_size > 0);
	map_close(&m);
	return wrong;
}

static void cutting_the_file_under_its_reader_ends_nobody(void **state)
{
	for (int round = 0; round < 10; round++) {
		int fd = file_new(STORM_SIZE, true);
		pid_t pid = fork();

		if (pid == 0) {
			cut_in_steps(fd);
			_exit(0);
		}
		assert_int_equal(read_while_it_is_cut(fd), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		fd_close(&fd);
	}
}

static void *reader_thread(void *arg)
{
	int *fd = arg;

	*fd = (int)read_while_it_is_cut(*fd);
	return NULL;
}

static void guards_of_threads_do_not_mix(void **state)
{
	for (int round = 0; round < 4; round++) {
		int fd = file_new(STORM_SIZE, true), result[4];
		pthread_t reader[4], cutter;

		assert_int_equal(pthread_create(&cutter, NULL, cut_thread, &fd), 0);
		for (int i = 0; i < 4; i++) {
			result[i] = fd;
			assert_int_equal(pthread_create(&reader[i], NULL, reader_thread, &result[i]), 0);
		}
		for (int i = 0; i < 4; i++) {
			(void)pthread_join(reader[i], NULL);
			assert_int_equal(result[i], 0);
		}
		(void)pthread_join(cutter, NULL);
		fd_close(&fd);
	}
}

static int signal_that_ends(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &none);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void touch_foreign_mapping(void)
{
	int fd = file_new(8192, true);
	volatile char *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);

	cut(fd, 0);
	(void)p[4096];
}

static void sent_by_a_process(void)
{
	if (vfs_map_guard_install() == 0)
		(void)kill(getpid(), SIGBUS);
}

static void other_bus_errors_end_the_process_as_ever(void **state)
{
	assert_int_equal(signal_that_ends(touch_foreign_mapping), SIGBUS);
	assert_int_equal(signal_that_ends(sent_by_a_process), SIGBUS);
}

/* Let this process have so many bytes of addresses more. */
static void limit_addresses(size_t more)
{
	struct rlimit few;
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%zu", &pages) != 1)
		abort();
	(void)fclose(f);
	few.rlim_cur = few.rlim_max = pages * (size_t)sysconf(_SC_PAGESIZE) + more;
	(void)setrlimit(RLIMIT_AS, &few);
}

static void without_addresses(void)
{
	int fd = file_new(VFS_MAP_WINDOW, false);
	struct map *m;

	limit_addresses(VFS_MAP_WINDOW / 2);
	if (map_open(fd, VFS_MAP_WINDOW, 0, 0, &m) == -ENOMEM)
		(void)raise(SIGUSR1);
}

static void with_addresses_for_one_window(void)
{
	int fd = file_new(5 * VFS_MAP_WINDOW, false);
	struct map *m;
	uint64_t off = 0;
	ssize_t n;

	limit_addresses(VFS_MAP_WINDOW * 3 / 2);
	if (map_open(fd, 5 * VFS_MAP_WINDOW, 0, 0, &m) < 0)
		return;
	while ((n = map_read(m, off, buf, sizeof buf)) > 0)
		off += (uint64_t)n;
	if (n == 0 && off == 5 * VFS_MAP_WINDOW)
		(void)raise(SIGUSR1);
}

static void one_window_is_enough(void **state)
{
	if (SANITIZED) /* their shadow needs more */
		skip();
	assert_int_equal(signal_that_ends(with_addresses_for_one_window), SIGUSR1);
}

static void what_cannot_be_mapped_is_an_error_number(void **state)
{
	int fd = file_new(0, false), proc = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	struct map *m;

	assert_int_equal(map_open(fd, 0, 0, 0, &m), -EINVAL);
	assert_int_equal(map_open(fd, 10, 10, 0, &m), -EINVAL);
	assert_int_equal(map_open(-1, 10, 0, 0, &m), -EBADF);
	assert_true(map_open(proc, 10, 0, 0, &m) < 0);
	if (!SANITIZED) /* their shadow needs more */
		assert_int_equal(signal_that_ends(without_addresses), SIGUSR1);
	fd_close(&fd);
	fd_close(&proc);
}

static void memory_of_somebody_else_is_read_and_left_mapped(void **state)
{
	int fd = file_new(10000, true);
	char *mem = mmap(NULL, 10000, PROT_READ, MAP_SHARED, fd, 0);
	struct map *m;

	assert_int_equal(map_over(mem, 10000, fd, &m), 0);
	assert_int_equal(map_read(m, 5000, buf, sizeof buf), 5000);
	assert_pattern(buf, 5000, 5000);
	map_close(&m);
	assert_int_equal(mem[9999], pattern(9999));
	(void)munmap(mem, 10000);
	fd_close(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_offset_and_length_reads_as_from_the_file),
		cmocka_unit_test(a_big_file_is_seen_through_two_windows_at_most),
		cmocka_unit_test(a_file_that_was_cut_ends_where_it_ends_now),
		cmocka_unit_test(a_send_from_a_file_that_was_cut_fails_without_a_signal),
		cmocka_unit_test(cutting_the_file_under_its_reader_ends_nobody),
		cmocka_unit_test(guards_of_threads_do_not_mix),
		cmocka_unit_test(other_bus_errors_end_the_process_as_ever),
		cmocka_unit_test(one_window_is_enough),
		cmocka_unit_test(what_cannot_be_mapped_is_an_error_number),
		cmocka_unit_test(memory_of_somebody_else_is_read_and_left_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
