/* Conformance of libzsend: what the two models return, and every error by its real cause, against
 * sendfile, splice and copying. Rows are those of include/zsend.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "zsend/zsend_test_fixture.h"

/* ---- Linux model: what it returns ---- */

static void linux_rows_of_offset_and_count(void **state)
{
	enum { SIZE = 10000 };
	static const struct {
		int64_t off;
		size_t count;
		int64_t want;
	} rows[] = {
		{0, 0, 0},
		{0, 1, 1},
		{0, SIZE, SIZE},
		{0, SIZE + 1, SIZE},
		{1, SIZE, SIZE - 1},
		{4095, 2, 2},
		{4096, 4096, 4096},
		{SIZE - 1, 100, 1},
		{SIZE, 100, 0},
		{SIZE + 1, 100, 0},
		{INT64_C(1) << 40, 1, 0},
		{17, SSIZE_MAX, SIZE - 17},
	};
	uint8_t data[SIZE];
	int in;

	fill(data, SIZE);
	in = file_with(data, SIZE);
	for (EACH_WAY(w)) {
		for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
			bool by_position = i % 2 == 1; /* offset NULL */
			int64_t off = rows[i / 2].off, want = rows[i / 2].want, before = 3, r;
			struct arrival a = {.want = data + off, .len = (size_t)want};
			int sv[2];

			bent_reset();
			pair_unix(sv);
			assert_int_equal(
				lseek(in, by_position ? off : before, SEEK_SET), by_position ? off : before);
			r = w->send(sv[0], in, by_position ? NULL : &off, rows[i / 2].count);
			check(r == want, "%s row %zu: %lld\n", w->name, i, (long long)r);
			if (by_position)
				assert_int_equal(lseek(in, 0, SEEK_CUR), off + want);
			else
				assert_int_equal(lseek(in, 0, SEEK_CUR), before);
			if (!by_position)
				assert_int_equal(off, rows[i / 2].off + want);
			arrive_rest(sv[1], &a);
			close2(sv);
		}
	}
	close(in);
}

static void linux_partial_is_positive_and_only_full_is_eagain(void **state)
{
	enum { SIZE = 1 << 20 };
	uint8_t *data = malloc(SIZE);
	int in;

	fill(data, SIZE);
	in = file_with(data, SIZE);
	for (EACH_WAY(w)) {
		for (int tcp = 0; tcp < 2; tcp++) {
			struct arrival a = {.want = data, .len = SIZE};
			int64_t off = 0, r;
			int sv[2];

			bent_reset();
			(tcp ? pair_tcp : pair_unix)(sv);
			buffer(sv, 4 * KIB);
			r = w->send(sv[0], in, &off, SIZE);
			check(r > 0 && r < SIZE && off == r, "%s: %lld\n", w->name, (long long)r);
			while ((r = w->send(sv[0], in, &off, SIZE)) > 0)
				;
			r = off;
			assert_int_equal(w->send(sv[0], in, &off, SIZE), -1);
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(off, r);
			while (off < SIZE) {
				struct pollfd pfd = {.fd = sv[0], .events = POLLOUT};

				arrive(sv[1], &a, 10000);
				(void)poll(&pfd, 1, 1);
				r = w->send(sv[0], in, &off, SIZE);
				assert_true(r > 0 || errno == EAGAIN);
			}
			arrive_rest(sv[1], &a);
			close2(sv);
		}
	}
	close(in);
	free(data);
}

/* ---- Errors by their real cause ---- */

static void full(struct fds *f)
{
	stuff(f->out);
}
static void in_write_only(struct fds *f)
{
	in_becomes(f, reopened(f->in, O_WRONLY));
}
static void in_closed(struct fds *f)
{
	close(f->in);
	f->in = -1;
}
static void out_read_only(struct fds *f)
{
	out_becomes(f, open("/dev/null", O_RDONLY));
}
static void out_closed(struct fds *f)
{
	close(f->out);
	f->out = -1;
}
static void bad_pointer(struct fds *f)
{
	f->offp = (int64_t *)8;
}
static void in_directory(struct fds *f)
{
	in_becomes(f, open("/", O_RDONLY | O_DIRECTORY));
}
static void in_unreadable(struct fds *f)
{
	in_becomes(f, open("/proc/self/mem", O_RDONLY));
}
static void in_pipe(struct fds *f)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	f->more = p[1];
	in_becomes(f, p[0]);
}
static void in_pipe_no_offset(struct fds *f)
{
	in_pipe(f);
	f->offp = NULL;
}
static void in_socket(struct fds *f)
{
	int sv[2];

	pair_unix(sv);
	assert_int_equal(write(sv[1], "abc", 3), 3);
	f->more = sv[1];
	in_becomes(f, sv[0]);
}
static void in_socket_no_offset(struct fds *f)
{
	in_socket(f);
	f->offp = NULL;
}
static void negative_offset(struct fds *f)
{
	f->off = -1;
}
static void negative_count(struct fds *f)
{
	f->count = (size_t)SSIZE_MAX + 1;
}
static void out_append(struct fds *f)
{
	int fd = file_with("", 0);

	out_becomes(f, reopened(fd, O_RDWR | O_APPEND));
	close(fd);
}
static void out_sealed(struct fds *f)
{
	int fd = file_with("", 0);

	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	out_becomes(f, fd);
}
static void shut_down(struct fds *f)
{
	assert_int_equal(shutdown(f->out, SHUT_WR), 0);
}
static void tcp_unconnected(struct fds *f)
{
	out_becomes(f, socket(AF_INET, SOCK_STREAM, 0));
}
static void unix_unconnected(struct fds *f)
{
	out_becomes(f, socket(AF_UNIX, SOCK_STREAM, 0));
}
static void udp_unconnected(struct fds *f)
{
	out_becomes(f, socket(AF_INET, SOCK_DGRAM, 0));
}
static void tcp_reset(struct fds *f)
{
	struct linger now = {1, 0};
	struct pollfd pfd;
	int sv[2];

	pair_tcp(sv);
	out_becomes(f, sv[0]);
	assert_int_equal(setsockopt(sv[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(sv[1]);
	pfd = (struct pollfd){.fd = sv[0], .events = POLLIN};
	assert_int_equal(poll(&pfd, 1, 60000), 1);
}
static void tcp_reset_seen(struct fds *f)
{
	char c;

	tcp_reset(f);
	assert_int_equal(read(f->out, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
}
static void send_timeout(struct fds *f)
{
	struct timeval tv = {0, 10000};

	stuff(f->out);
	nonblock(f->out, false);
	assert_int_equal(setsockopt(f->out, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
}

/* A blocking, full socket and a signal on its way. */
static void interrupted(struct fds *f)
{
	stuff(f->out);
	nonblock(f->out, false);
	alarm_every(20000);
}

#define ANY     -1 /* the call may succeed */
#define NO_CASE -2
static const struct {
	const char *name;
	void (*make)(struct fds *f);
	int want[WAY_COUNT];
	int bsd; /* the same for zs_bsd(); in this order: what sendfile gives, what the checks make of it */
} error_rows[] = {
	{"full", full, {EAGAIN, EAGAIN, EAGAIN}, EAGAIN},
	{"send timeout", send_timeout, {EAGAIN, EAGAIN, EAGAIN}, EAGAIN},
	{"in write-only", in_write_only, {EBADF, EBADF, EBADF}, EBADF},
	{"in closed", in_closed, {EBADF, EBADF, EBADF}, EBADF},
	{"out read-only", out_read_only, {EBADF, EBADF, EBADF}, ENOTSOCK},
	{"out closed", out_closed, {EBADF, EBADF, EBADF}, EBADF},
	{"bad offset pointer", bad_pointer, {EFAULT, NO_CASE, NO_CASE}, NO_CASE},
	{"in directory", in_directory, {EINVAL, EINVAL, EINVAL}, EINVAL},
	{"in procfs", in_procfs, {EINVAL, EINVAL, ANY}, ANY},
	{"in unreadable", in_unreadable, {EINVAL, EINVAL, EIO}, ANY},
	{"in pipe", in_pipe, {ESPIPE, ESPIPE, ESPIPE}, EINVAL},
	{"in pipe, no offset", in_pipe_no_offset, {EINVAL, EINVAL, EINVAL}, EINVAL},
	{"in socket", in_socket, {ESPIPE, ESPIPE, ESPIPE}, EINVAL},
	{"in socket, no offset", in_socket_no_offset, {EINVAL, EINVAL, EINVAL}, EINVAL},
	{"negative offset", negative_offset, {EINVAL, EINVAL, EINVAL}, EINVAL},
	{"negative count", negative_count, {EINVAL, EINVAL, EINVAL}, NO_CASE},
	{"out append", out_append, {EINVAL, EINVAL, EINVAL}, ENOTSOCK},
	{"out sealed", out_sealed, {EPERM, EPERM, EPERM}, ENOTSOCK},
	{"peer closed", peer_closed, {EPIPE, EPIPE, EPIPE}, EPIPE},
	{"shut down", shut_down, {EPIPE, EPIPE, EPIPE}, EPIPE},
	{"TCP never connected", tcp_unconnected, {EPIPE, EPIPE, EPIPE}, ENOTCONN},
	{"AF_UNIX never connected", unix_unconnected, {ENOTCONN, ENOTCONN, ENOTCONN}, ENOTCONN},
	{"UDP never connected", udp_unconnected, {EDESTADDRREQ, EDESTADDRREQ, EDESTADDRREQ}, EINVAL},
	{"reset", tcp_reset, {ECONNRESET, ECONNRESET, ECONNRESET}, ECONNRESET},
	{"reset and told", tcp_reset_seen, {EPIPE, EPIPE, EPIPE}, EPIPE},
	{"interrupted", interrupted, {EINTR, EINTR, EINTR}, EINTR},
};

static void errors_of_the_linux_model(void **state)
{
	for (EACH_WAY(w)) {
		for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
			int want = error_rows[i].want[w->kind];
			struct fds f;
			int64_t r, off;
			int e;

			if (want == NO_CASE)
				continue;
			bent_reset();
			base_case(&f);
			error_rows[i].make(&f);
			off = f.off;
			r = w->send(f.out, f.in, f.offp, f.count);
			e = errno;
			alarm_off();
			check(want == ANY ? r > 0 : r == -1 && e == want, "%s, %s: %lld, %s\n", w->name,
				error_rows[i].name, (long long)r, strerror(e));
			check(r > 0 || f.off == off, "%s, %s: offset moved\n", w->name, error_rows[i].name);
			fds_close(&f);
		}
	}
}

static void errors_of_the_bsd_model(void **state)
{
	for (EACH_WAY(w)) {
		for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
			int want = error_rows[i].bsd, e, r;
			int64_t sbytes = 77;
			struct fds f;

			if (want == NO_CASE)
				continue;
			way_take(w);
			base_case(&f);
			error_rows[i].make(&f);
			r = zs_bsd(f.in, f.out, f.off, f.count, NULL, &sbytes, 0);
			e = errno;
			alarm_off();
			check(want == ANY ? r == 0 : r == -1 && e == want, "%s, %s: %d, %s\n", w->name,
				error_rows[i].name, r, strerror(e));
			assert_int_equal(sbytes, 0);
			fds_close(&f);
		}
	}
}

static void bsd_arguments_are_checked(void **state)
{
	struct iovec ok = {content, 3}, bad = {(void *)8, 3},
		     huge[2] = {{content, SIZE_MAX / 2}, {content, SIZE_MAX / 2}};
	const struct {
		struct zs_hdtr hdtr;
		int flags, want;
	} rows[] = {
		{{&ok, -1, NULL, 0}, 0, EINVAL},
		{{NULL, 0, &ok, -1}, 0, EINVAL},
		{{&ok, 100000, NULL, 0}, 0, EINVAL},
		{{huge, 2, NULL, 0}, 0, EINVAL},
		{{&bad, 1, NULL, 0}, 0, EFAULT},
		{{&ok, 1, NULL, 0}, 2, EINVAL},
		{{&ok, 1, NULL, 0}, 0x20, EINVAL},
		{{NULL, 0, NULL, 0}, 0, 0},
		{{&ok, 1, &ok, 1},
			ZS_FLAGS(
				65535, ZS_SYNC | ZS_USER_READAHEAD | ZS_NOCACHE | ZS_NODISKIO | ZS_NOSIGPIPE),
			0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct zs_hdtr h = rows[i].hdtr;
		struct fds f;
		int r;

		bent_reset();
		base_case(&f);
		r = zs_bsd(f.in, f.out, 0, 10, &h, NULL, rows[i].flags);
		check(rows[i].want == 0 ? r == 0 : r == -1 && errno == rows[i].want, "row %zu: %d %s\n", i, r,
			strerror(errno));
		fds_close(&f);
	}
}

/* ---- The build ---- */

static void capabilities_fit_the_build(void **state)
{
	uint32_t failed = 77, caps = zs_caps(&failed);

	assert_true((caps & ZS_CAP_COPY) != 0);
	assert_int_equal(failed & ~caps, 0);
#ifdef ZSEND_LINUX
	assert_int_equal(caps & (ZS_CAP_SENDFILE | ZS_CAP_SPLICE), ZS_CAP_SENDFILE | ZS_CAP_SPLICE);
#else
	assert_int_equal(caps & (ZS_CAP_SENDFILE | ZS_CAP_SPLICE | ZS_CAP_BSD), 0);
#endif
}

/* Without a back end zs_linux() copies, under the same contract. */
static void copying_build_keeps_the_linux_model(void **state)
{
	struct arrival a = {.want = (const uint8_t *)content + 5, .len = 95};
	struct fds f;

	if ((zs_caps(NULL) & ZS_CAP_SENDFILE) != 0)
		skip();
	base_case(&f);
	f.off = 5;
	assert_int_equal(zs_linux(f.out, f.in, &f.off, SSIZE_MAX), 95);
	assert_int_equal(f.off, 100);
	arrive_rest(f.other, &a);
	assert_int_equal(zs_linux(f.out, f.in, &f.off, 1), 0);
	stuff(f.out);
	f.off = 5;
	assert_int_equal(zs_linux(f.out, f.in, &f.off, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(f.off, 5);
	fds_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linux_rows_of_offset_and_count),
		cmocka_unit_test(linux_partial_is_positive_and_only_full_is_eagain),
		cmocka_unit_test(errors_of_the_linux_model),
		cmocka_unit_test(errors_of_the_bsd_model),
		cmocka_unit_test(bsd_arguments_are_checked),
		cmocka_unit_test(capabilities_fit_the_build),
		cmocka_unit_test(copying_build_keeps_the_linux_model),
	};

	return zsend_run_tests(tests, ARRAY_LEN(tests));
}
