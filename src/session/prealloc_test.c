#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "session/prealloc.h"

#define MI ((uint64_t)1024 * 1024)

struct fixture {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	(void)snprintf(f->path, sizeof f->path, "/tmp/wherry-prealloc-XXXXXX");
	f->fd = mkstemp(f->path);
	*state = f;
	return f->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)unlink(f->path);
	fd_close(&f->fd);
	free(f);
	return 0;
}

static uint64_t disk_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static uint64_t file_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static bool room_for(int fd, uint64_t bytes)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize > bytes &&
	       fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
}

static void what_is_announced_is_reserved_and_the_rest_given_back(void **state)
{
	struct fixture *f = *state;
	struct prealloc p;

	if (!room_for(f->fd, 64 * MI))
		skip();
	assert_int_equal(prealloc_begin(&p, f->fd, 8 * MI), 0);
	assert_true(disk_bytes(f->fd) >= 8 * MI);
	assert_int_equal(file_bytes(f->fd), 0);
	assert_int_equal(pwrite(f->fd, "abc", 3, 0), 3);
	prealloc_end(&p, f->fd);
	assert_int_equal(file_bytes(f->fd), 3);
	assert_true(disk_bytes(f->fd) <= 64 * 1024);
}

static void a_large_announcement_is_reserved_bit_by_bit(void **state)
{
	struct fixture *f = *state;
	struct prealloc p;

	if (!room_for(f->fd, 3 * PREALLOC_AHEAD))
		skip();
	assert_int_equal(prealloc_begin(&p, f->fd, 2 * PREALLOC_AHEAD + MI), 0);
	assert_true(disk_bytes(f->fd) < PREALLOC_AHEAD + MI);
	prealloc_go_on(&p, f->fd, MI); /* not yet */
	assert_int_equal(p.until, PREALLOC_AHEAD);
	prealloc_go_on(&p, f->fd, PREALLOC_AHEAD - MI);
	assert_int_equal(p.until, 2 * PREALLOC_AHEAD - MI);
	prealloc_go_on(&p, f->fd, 2 * PREALLOC_AHEAD - 2 * MI);
	assert_int_equal(p.until, 2 * PREALLOC_AHEAD + MI);
	assert_true(disk_bytes(f->fd) >= 2 * PREALLOC_AHEAD + MI);
	prealloc_go_on(&p, f->fd,
		3 * PREALLOC_AHEAD); /* more than was announced comes: nothing is reserved for it */
	assert_int_equal(p.until, 2 * PREALLOC_AHEAD + MI);
	prealloc_end(&p, f->fd);
	assert_true(disk_bytes(f->fd) <= 64 * 1024);
}

static void little_and_nonsense_is_not_reserved(void **state)
{
	struct fixture *f = *state;
	struct prealloc p;

	assert_int_equal(prealloc_begin(&p, f->fd, 0), 0);
	assert_int_equal(prealloc_begin(&p, f->fd, 1000), 0);
	assert_int_equal(prealloc_begin(&p, f->fd, UINT64_MAX), 0);
	prealloc_go_on(&p, f->fd, 500);
	prealloc_end(&p, f->fd);
	assert_int_equal(disk_bytes(f->fd), 0);
}

static void more_than_there_is_has_no_room(void **state)
{
	struct fixture *f = *state;
	struct statvfs fs;
	uint64_t free_bytes;

	assert_int_equal(fstatvfs(f->fd, &fs), 0);
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	assert_int_equal(prealloc_check(f->fd, 0, 0), 0);
	assert_int_equal(prealloc_check(f->fd, 1, 0), 0);
	assert_int_equal(prealloc_check(f->fd, 2 * free_bytes, 0), -ENOSPC);
	assert_int_equal(prealloc_check(f->fd, UINT64_MAX, 0), -ENOSPC);
	assert_int_equal(prealloc_check(f->fd, 2 * free_bytes, 2 * free_bytes), 0);
}

static void a_pipe_reserves_nothing(void **state)
{
	int fds[2];
	struct prealloc p;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(prealloc_check(fds[1], 8 * MI, 0), 0);
	assert_int_equal(prealloc_begin(&p, fds[1], 8 * MI), 0);
	prealloc_end(&p, fds[1]);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_announced_is_reserved_and_the_rest_given_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_announcement_is_reserved_bit_by_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(little_and_nonsense_is_not_reserved, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_there_is_has_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pipe_reserves_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
