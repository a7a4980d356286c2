/* Conformance of libzsend: every row of the contract in include/zsend.h, against sendfile, splice and copying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zsend.h"
#include "zsend/zsend_test_kernel.h"

#define KIB          1024
#define GIB          (INT64_C(1) << 30)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define check(cond, ...)                                                                                     \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			print_error(__VA_ARGS__);                                                            \
			fail();                                                                              \
		}                                                                                            \
	} while (0)

/* ---- The ways under test ---- */

enum { SENDFILE, SPLICE, COPY, WAY_COUNT };

static struct zs_pipe pipe_kept = {.rd = -1, .wr = -1};

static int64_t by_splice(int out, int in, int64_t *off, size_t n)
{
	if (pipe_kept.rd < 0)
		assert_int_equal(zs_pipe_open(&pipe_kept, 64 * KIB), 0);
	return zs_splice(out, in, off, n, &pipe_kept);
}

static int64_t by_copy(int out, int in, int64_t *off, size_t n)
{
	static char buf[5000]; /* no multiple of a page */

	return zs_copy(out, in, off, n, buf, sizeof(buf));
}

static const struct way {
	const char *name;
	int64_t (*send)(int out, int in, int64_t *off, size_t n);
	int refuse_sendfile, refuse_splice; /* how zs_bsd() is made to take this way */
	uint32_t cap;
	int kind;
} ways[] = {
	{"sendfile", zs_linux, 0, 0, ZS_CAP_SENDFILE, SENDFILE},
	{"splice", by_splice, EINVAL, 0, ZS_CAP_SPLICE, SPLICE},
	{"copy", by_copy, EINVAL, EINVAL, ZS_CAP_COPY, COPY},
};

static void way_take(const struct way *w)
{
	bent_reset();
	bent.fail[BENT_SENDFILE] = w->refuse_sendfile;
	bent.fail[BENT_SPLICE] = w->refuse_splice;
}

static const struct way *way_next(const struct way *w)
{
	for (w = w == NULL ? ways : w + 1; w < ways + WAY_COUNT; w++)
		if ((zs_caps(NULL) & w->cap) != 0)
			return w;
	return NULL;
}

/* clang-format off */
#define EACH_WAY(w) const struct way *w = way_next(NULL); w != NULL; w = way_next(w)
/* clang-format on */

/* ---- Fixtures ---- */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % below);
}

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rnd(256);
}

static int file_with(const void *data, size_t n)
{
	int fd = memfd_create("zsend", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	return fd;
}

static int reopened(int fd, int flags)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, flags | O_CLOEXEC);
	assert_true(r >= 0);
	return r;
}

static void nonblock(int fd, bool on)
{
	int fl = fcntl(fd, F_GETFL);

	assert_int_equal(fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK), 0);
}

static void pair_unix(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
}

static void pair_tcp(int sv[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &len), 0);
	sv[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(sv[0], (struct sockaddr *)&a, sizeof(a)), 0);
	sv[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(sv[1] >= 0);
	nonblock(sv[0], true);
	close(l);
}

/* Only the sender's buffer: tiny TCP windows wait for the kernel's probes, 200 ms each. */
static void buffer(const int sv[2], int bytes)
{
	assert_int_equal(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

static void close2(const int sv[2])
{
	close(sv[0]);
	close(sv[1]);
}

/* Fill a socket until it takes no more. */
static void stuff(int s)
{
	static const char junk[4 * KIB];

	for (size_t n = sizeof(junk); n > 0; n /= 2)
		while (write(s, junk, n) > 0)
			;
	assert_int_equal(errno, EAGAIN);
}

/* What arrived and is expected, compared as it comes. */
struct arrival {
	const uint8_t *want;
	size_t len, got;
};

/* Read up to max bytes that are there. Returns how many. */
static size_t arrive(int s, struct arrival *a, size_t max)
{
	uint8_t buf[8 * KIB];
	size_t n = 0;

	while (n < max) {
		ssize_t r = read(s, buf, max - n < sizeof(buf) ? max - n : sizeof(buf));

		if (r <= 0)
			break;
		check(a->got + (size_t)r <= a->len, "%zu bytes too many\n", a->got + (size_t)r - a->len);
		check(memcmp(buf, a->want + a->got, (size_t)r) == 0, "other bytes near %zu\n", a->got);
		a->got += (size_t)r;
		n += (size_t)r;
	}
	return n;
}

static void arrive_rest(int s, struct arrival *a)
{
	struct pollfd pfd = {.fd = s, .events = POLLIN};

	while (a->got < a->len && poll(&pfd, 1, 2000) == 1 && arrive(s, a, SIZE_MAX) > 0)
		;
	check(a->got == a->len, "%zu of %zu bytes arrived\n", a->got, a->len);
	assert_int_equal(arrive(s, a, SIZE_MAX), 0);
}

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

/* Descriptors of one error case. */
struct fds {
	int out, in, other, more;
	int64_t off, *offp;
	size_t count;
};

static char content[100];

static void base_case(struct fds *f)
{
	int sv[2];

	pair_unix(sv);
	*f = (struct fds){
		.out = sv[0], .in = file_with(content, sizeof(content)), .other = sv[1], .more = -1};
	f->offp = &f->off;
	f->count = 10;
}

static void fds_close(struct fds *f)
{
	close(f->out);
	close(f->in);
	if (f->other >= 0)
		close(f->other);
	if (f->more >= 0)
		close(f->more);
}

static void in_becomes(struct fds *f, int fd)
{
	close(f->in);
	f->in = fd;
}

static void out_becomes(struct fds *f, int fd)
{
	close(f->out);
	f->out = fd;
}

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
static void in_procfs(struct fds *f)
{
	in_becomes(f, open("/proc/self/status", O_RDONLY));
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
static void peer_closed(struct fds *f)
{
	close(f->other);
	f->other = -1;
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
	assert_int_equal(poll(&pfd, 1, 2000), 1);
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

static void on_alarm(int sig)
{
}

/* A blocking, full socket and a signal on its way. */
static void interrupted(struct fds *f)
{
	struct sigaction sa = {.sa_handler = on_alarm}; /* no SA_RESTART */
	struct itimerval soon = {.it_value.tv_usec = 20000, .it_interval.tv_usec = 20000};

	stuff(f->out);
	nonblock(f->out, false);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
}

static void alarm_off(void)
{
	struct itimerval never = {0};

	setitimer(ITIMER_REAL, &never, NULL);
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

/* ---- Partial sends: every room from nothing to all, for every shape of a job ---- */

#define HEAD_MAX 9
#define FILE_LEN 40

/* A job over three header vectors (one of them empty), FILE_LEN bytes of file, two trailer vectors. */
struct shape {
	int64_t head, file, tail; /* bytes */
	int64_t offset;
	bool to_eof; /* nbytes is passed as 0 */
	uint8_t bytes[64];
	uint8_t want[128];
	struct iovec hv[3], tv[2];
	struct zs_hdtr hdtr;
};

static void shape_build(struct shape *s, const uint8_t *file)
{
	uint8_t *p = s->bytes;

	fill(p, sizeof(s->bytes));
	s->hv[0] = (struct iovec){p, (size_t)s->head / 3};
	s->hv[1] = (struct iovec){p + 20, 0};
	s->hv[2] = (struct iovec){p + s->head / 3, (size_t)(s->head - s->head / 3)};
	s->tv[0] = (struct iovec){p + 30, (size_t)s->tail / 2};
	s->tv[1] = (struct iovec){p + 30 + s->tail / 2, (size_t)(s->tail - s->tail / 2)};
	s->hdtr = (struct zs_hdtr){s->hv, 3, s->tv, 2};
	memcpy(s->want, p, (size_t)s->head);
	memcpy(s->want + s->head, file + s->offset, (size_t)s->file);
	memcpy(s->want + s->head + s->file, p + 30, (size_t)s->tail);
}

/* What zs_resume() must say after room bytes: the table of partial sends. */
static enum zs_left left_after(const struct shape *s, int64_t room)
{
	if (room >= s->head + s->file + s->tail)
		return ZS_DONE;
	return s->file > 0 && room < s->head + s->file ? ZS_MORE : ZS_HDTR_ONLY;
}

static void one_room(const struct way *w, struct shape *s, int in, const uint8_t *file, int64_t room)
{
	int64_t all = s->head + s->file + s->tail, sbytes = -1, want = room < all ? room : all;
	struct arrival a = {.want = s->want, .len = (size_t)all};
	struct zs_job job;
	int sv[2], r;

	way_take(w);
	bent.room = room;
	pair_unix(sv);
	shape_build(s, file);
	assert_int_equal(
		zs_job_init(&job, s->offset, s->to_eof ? 0 : (size_t)s->file, FILE_LEN, &s->hdtr), 0);
	r = zs_bsd(in, sv[0], s->offset, s->to_eof ? 0 : (size_t)s->file, &s->hdtr, &sbytes, 0);
	check(sbytes == want && (room < all ? r == -1 && errno == EAGAIN : r == 0),
		"%s H=%lld F=%lld T=%lld R=%lld: %d %s, %lld bytes\n", w->name, (long long)s->head,
		(long long)s->file, (long long)s->tail, (long long)room, r, strerror(errno),
		(long long)sbytes);
	assert_int_equal(zs_resume(&job, sbytes), left_after(s, room));
	if (room < s->head)
		assert_int_equal(job.offset, s->offset);
	else if (room <= s->head + s->file)
		assert_int_equal(job.offset, s->offset + room - s->head);
	assert_int_equal(job.sent, want);

	bent.room = -1;
	assert_int_equal(zs_job_send(&job, in, sv[0], &sbytes, 0), 0);
	assert_int_equal(sbytes, all - want);
	assert_int_equal(job.sent, all);
	assert_int_equal(job.nbytes, 0);
	arrive_rest(sv[1], &a);
	close2(sv);
}

static void every_row_of_partial_sends_at_every_room(void **state)
{
	static const int64_t heads[] = {0, 1, HEAD_MAX}, files[] = {0, 1, 17}, tails[] = {0, 1, 5};
	uint8_t file[FILE_LEN];
	int in;

	fill(file, sizeof(file));
	in = file_with(file, sizeof(file));
	for (EACH_WAY(w))
		for (int i = 0; i < 3 * 3 * 3 * 2; i++) {
			struct shape s = {.head = heads[i % 3],
				.file = files[i / 3 % 3],
				.tail = tails[i / 9 % 3],
				.to_eof = i / 27 == 1};

			if (s.file == 0)
				s.to_eof = true; /* only at end of file can the file part be empty */
			s.offset = s.to_eof ? FILE_LEN - s.file : 2;
			for (int64_t room = 0; room <= s.head + s.file + s.tail + 1; room++)
				one_room(w, &s, in, file, room);
		}
	close(in);
}

static void sends_in_dribbles(void **state)
{
	uint8_t file[FILE_LEN];
	int in;

	fill(file, sizeof(file));
	in = file_with(file, sizeof(file));
	for (EACH_WAY(w))
		for (int64_t room = 1; room <= 12; room++) {
			struct shape s = {.head = 9, .file = 17, .tail = 5, .offset = 4};
			struct arrival a = {.want = s.want, .len = 31};
			int64_t total = 0, sbytes;
			struct zs_job job;
			int sv[2], r;

			way_take(w);
			pair_unix(sv);
			shape_build(&s, file);
			assert_int_equal(zs_job_init(&job, s.offset, 17, FILE_LEN, &s.hdtr), 0);
			do {
				bent.room = room;
				r = zs_job_send(&job, in, sv[0], &sbytes, 0);
				assert_int_equal(sbytes, total + room < 31 ? room : 31 - total);
				total += sbytes;
				assert_int_equal(job.sent, total);
			} while (r < 0 && errno == EAGAIN);
			assert_int_equal(r, 0);
			arrive_rest(sv[1], &a);
			close2(sv);
		}
	close(in);
}

/* Counting nbytes down to 0 would turn "none left" into "until end of file": the file goes on behind the range. */
static void nbytes_counted_down_to_zero_is_not_until_end_of_file(void **state)
{
	uint8_t file[FILE_LEN];
	int in;

	fill(file, sizeof(file));
	in = file_with(file, sizeof(file));
	for (EACH_WAY(w)) {
		struct shape s = {.head = 3, .file = 10, .tail = 5};
		struct arrival a = {.want = s.want, .len = 18};
		struct zs_job job;
		int64_t sbytes;
		int sv[2];

		way_take(w);
		pair_unix(sv);
		shape_build(&s, file);
		assert_int_equal(zs_job_init(&job, 0, 10, FILE_LEN, &s.hdtr), 0);
		bent.room = 13;
		assert_int_equal(zs_job_send(&job, in, sv[0], NULL, 0), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(job.nbytes, 0);
		assert_int_equal(zs_resume(&job, 0), ZS_HDTR_ONLY);
		for (bent.room = 0; zs_job_send(&job, in, sv[0], &sbytes, 0) < 0; bent.room = 1)
			assert_in_range(sbytes, 0, 1);
		assert_int_equal(zs_job_send(&job, in, sv[0], &sbytes, 0), 0); /* done, and stays done */
		assert_int_equal(sbytes, 0);
		arrive_rest(sv[1], &a);
		close2(sv);
	}
	close(in);
}

static void resume_refuses_impossible_counts(void **state)
{
	struct iovec h = {content, 4}, t = {content, 2};
	struct zs_hdtr hdtr = {&h, 1, &t, 1};
	struct zs_job job, before;

	assert_int_equal(zs_job_init(&job, 0, 10, 100, &hdtr), 0);
	before = job;
	assert_int_equal(zs_resume(&job, -1), -EINVAL);
	assert_int_equal(zs_resume(&job, 17), -EINVAL);
	assert_memory_equal(&job, &before, sizeof(job));
	assert_int_equal(zs_resume(&job, 16), ZS_DONE);
	assert_int_equal(zs_resume(&job, 1), -EINVAL);
	assert_int_equal(zs_job_init(&job, -1, 0, 100, NULL), -EINVAL);
	assert_int_equal(zs_job_init(&job, 0, 0, -1, NULL), -EINVAL);
	hdtr.hdr_cnt = -1;
	assert_int_equal(zs_job_init(&job, 0, 0, 100, &hdtr), -EINVAL);
	assert_int_equal(zs_job_init(&job, 200, 0, 100, NULL), 0);
	assert_int_equal(zs_resume(&job, 0), ZS_DONE);
}

static void file_that_shrank_ends_early_and_trailers_follow(void **state)
{
	for (EACH_WAY(w)) {
		struct iovec t = {(char *)"the end", 7};
		struct zs_hdtr hdtr = {NULL, 0, &t, 1};
		struct arrival a = {.want = (const uint8_t *)"0123the end", .len = 11};
		struct zs_job job;
		int sv[2], in = file_with("0123456789", 10);

		way_take(w);
		pair_unix(sv);
		assert_int_equal(zs_job_init(&job, 0, 0, 10, &hdtr), 0);
		assert_int_equal(ftruncate(in, 4), 0);
		bent.room = 6;
		assert_int_equal(zs_job_send(&job, in, sv[0], NULL, 0), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(pwrite(in, "456789", 6, 4), 6); /* too late: trailers are under way */
		bent.room = -1;
		assert_int_equal(zs_job_send(&job, in, sv[0], NULL, 0), 0);
		assert_int_equal(job.nbytes, 6);
		assert_true(job.file_done);
		arrive_rest(sv[1], &a);
		close2(sv);
		close(in);
	}
}

static void blocking_send_tells_bytes_and_interruption(void **state)
{
	enum { SIZE = 32 << 20 };
	char *data = calloc(1, SIZE);
	int in = file_with(data, SIZE);

	for (EACH_WAY(w)) {
		struct sigaction sa = {.sa_handler = on_alarm};
		struct itimerval soon = {.it_value.tv_usec = 50000, .it_interval.tv_usec = 50000};
		int64_t sbytes = 0;
		int sv[2], e, r;

		way_take(w);
		pair_tcp(sv);
		buffer(sv, 64 * KIB);
		nonblock(sv[0], false);
		sigaction(SIGALRM, &sa, NULL);
		setitimer(ITIMER_REAL, &soon, NULL);
		r = zs_bsd(in, sv[0], 0, 0, NULL, &sbytes, 0);
		e = errno;
		alarm_off();
		check(r == -1 && e == EINTR && sbytes > 0 && sbytes < SIZE, "%s: %d %s %lld\n", w->name, r,
			strerror(e), (long long)sbytes);
		close2(sv);
	}
	close(in);
	free(data);
}

/* ---- Random jobs over real sockets with tiny buffers and a bad-tempered kernel ---- */

struct random_job {
	uint8_t *bytes, *want; /* vectors; what must arrive */
	struct iovec hv[20], tv[20];
	struct zs_hdtr hdtr;
	size_t head, tail, size, offset, nbytes, file; /* bytes; nbytes as passed, file as sent */
	uint8_t *data;
	int in;
};

static size_t random_vectors(uint8_t *bytes, struct iovec *v, int *cnt)
{
	size_t n = 0;

	*cnt = (int)rnd(21);
	for (int i = 0; i < *cnt; i++) {
		size_t len = rnd(3) == 0 ? 0 : rnd(rnd(2) == 0 ? 30 : 3000);

		v[i] = (struct iovec){bytes + n, len};
		n += len;
	}
	return n;
}

static void random_job_make(struct random_job *j)
{
	enum { PART = 20 * 3000 };
	size_t avail;

	j->bytes = malloc(2 * PART);
	fill(j->bytes, 2 * PART);
	j->head = random_vectors(j->bytes, j->hv, &j->hdtr.hdr_cnt);
	j->tail = random_vectors(j->bytes + PART, j->tv, &j->hdtr.trl_cnt);
	j->hdtr.headers = j->hv;
	j->hdtr.trailers = j->tv;
	j->size = rnd(rnd(2) == 0 ? 5000 : 150000);
	j->offset = rnd((uint32_t)j->size + 100);
	j->nbytes = rnd(3) == 0 ? 0 : rnd((uint32_t)j->size + 1000);
	j->data = malloc(j->size + 1);
	fill(j->data, j->size);
	j->in = file_with(j->data, j->size);
	avail = j->offset < j->size ? j->size - j->offset : 0;
	j->file = j->nbytes == 0 || j->nbytes > avail ? avail : j->nbytes;
	j->want = malloc(j->head + j->file + j->tail + 1);
	memcpy(j->want, j->bytes, j->head);
	memcpy(j->want + j->head, j->data + (avail > 0 ? j->offset : 0), j->file);
	memcpy(j->want + j->head + j->file, j->bytes + PART, j->tail);
}

static void random_job_free(struct random_job *j)
{
	free(j->bytes);
	free(j->data);
	free(j->want);
	close(j->in);
}

static void random_kernel(void)
{
	bent.eintr_every = rnd(3) == 0 ? 2 + rnd(5) : 0;
	bent.eagain_every = rnd(3) == 0 ? 2 + rnd(5) : 0;
	bent.step = rnd(4) == 0 ? 1 + rnd(700) : 0;
}

static void send_random_job(const struct way *w, struct random_job *j)
{
	struct arrival a = {.want = j->want, .len = j->head + j->file + j->tail};
	int64_t total = 0, sbytes;
	struct zs_job job;
	int sv[2], r;

	way_take(w);
	(rnd(2) == 0 ? pair_tcp : pair_unix)(sv);
	buffer(sv, (int)(1 + rnd(32 * KIB)));
	random_kernel();
	assert_int_equal(zs_job_init(&job, (int64_t)j->offset, j->nbytes, (int64_t)j->size, &j->hdtr), 0);
	for (;;) {
		r = zs_job_send(&job, j->in, sv[0], &sbytes, rnd(4) == 0 ? ZS_NOSIGPIPE : 0);
		total += sbytes;
		assert_int_equal(job.sent, total);
		if (r == 0)
			break;
		check(errno == EAGAIN || errno == EINTR, "%s: %s\n", w->name, strerror(errno));
		arrive(sv[1], &a, 1 + rnd(20000));
	}
	assert_int_equal(total, a.len);
	arrive_rest(sv[1], &a);
	close2(sv);
}

static void random_jobs_arrive_byte_for_byte(void **state)
{
	for (uint64_t s = 1; s <= 250; s++)
		for (EACH_WAY(w)) {
			struct random_job j = {0};

			seed = s * 7919;
			random_job_make(&j);
			send_random_job(w, &j);
			random_job_free(&j);
		}
}

static void random_slices_of_the_linux_model_arrive(void **state)
{
	for (uint64_t s = 1; s <= 150; s++)
		for (EACH_WAY(w)) {
			struct random_job j = {0};
			struct arrival a;
			int64_t off, end;
			int sv[2];

			seed = s * 104729;
			random_job_make(&j);
			bent_reset();
			(rnd(2) == 0 ? pair_tcp : pair_unix)(sv);
			buffer(sv, (int)(1 + rnd(32 * KIB)));
			random_kernel();
			off = (int64_t)j.offset;
			end = off + (int64_t)j.file;
			a = (struct arrival){.want = j.want + j.head, .len = j.file};
			while (off < end) {
				int64_t before = off, n = end - off;
				int64_t r = w->send(sv[0], j.in, &off, 1 + rnd((uint32_t)n));

				assert_int_equal(off, before + (r > 0 ? r : 0));
				check(r > 0 || (r == -1 && (errno == EAGAIN || errno == EINTR)),
					"%s: %lld %s\n", w->name, (long long)r, strerror(errno));
				if (r < 0)
					arrive(sv[1], &a, 1 + rnd(20000));
			}
			arrive_rest(sv[1], &a);
			close2(sv);
			random_job_free(&j);
		}
}

/* ---- Falling back ---- */

static void refusal_after_some_calls_goes_on_where_it_was(void **state)
{
	enum { SIZE = 300000 };
	static const int causes[] = {EINVAL, EOPNOTSUPP, EOVERFLOW, ESPIPE};
	uint8_t *data = malloc(SIZE);
	int in;

	fill(data, SIZE);
	in = file_with(data, SIZE);
	for (unsigned i = 0; i < ARRAY_LEN(causes) * 4; i++) {
		struct arrival a = {.want = data, .len = SIZE};
		int64_t sbytes, off = 0;
		int sv[2], r;

		bent_reset();
		bent.step = 7001;
		bent.fail[BENT_SENDFILE] = causes[i / 4];
		bent.after[BENT_SENDFILE] = i % 4;
		bent.fail[BENT_SPLICE] = i % 2 != 0 ? EINVAL : 0;
		bent.after[BENT_SPLICE] = 3;
		pair_unix(sv);
		while ((r = zs_bsd(in, sv[0], off, 0, NULL, &sbytes, 0)) < 0) {
			assert_int_equal(errno, EAGAIN);
			off += sbytes;
			arrive(sv[1], &a, SIZE_MAX);
		}
		arrive_rest(sv[1], &a);
		close2(sv);
	}
	close(in);
	free(data);
}

/* A system call filter as a container has it, in a process of its own: it cannot be taken off again. */
static void filter_out(unsigned number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {ARRAY_LEN(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		_exit(100);
}

static int without_sendfile(void)
{
	struct fds f;
	uint32_t failed;
	uint64_t off = 0;
	int64_t sbytes;

	base_case(&f);
	filter_out(SYS_sendfile);
	if (zs_linux(f.out, f.in, &f.off, 10) != -1 || errno != ENOSYS)
		return 1;
	if (zs_send(f.out, f.in, &off, 10) != -ENOTSUP || off != 0)
		return 2;
	if ((zs_caps(&failed) & ZS_CAP_SENDFILE) == 0 || failed != ZS_CAP_SENDFILE)
		return 3;
	bent_reset();
	if (zs_bsd(f.in, f.out, 0, 10, NULL, &sbytes, 0) != 0 || sbytes != 10)
		return 4;
	return bent.calls[BENT_SENDFILE] == 0 && bent.calls[BENT_SPLICE] > 0 ? 0 : 5;
}

static int without_splice(void)
{
	struct fds f;
	uint32_t failed;
	int64_t sbytes;

	base_case(&f);
	filter_out(SYS_splice);
	bent.fail[BENT_SENDFILE] = EINVAL;
	if (zs_bsd(f.in, f.out, 0, 10, NULL, &sbytes, 0) != 0 || sbytes != 10)
		return 1;
	return zs_caps(&failed) != 0 && failed == ZS_CAP_SPLICE ? 0 : 2;
}

static int sigpipe_is_kept_away(void)
{
	struct fds f;
	sigset_t set;

	signal(SIGPIPE, SIG_DFL);
	base_case(&f);
	peer_closed(&f);
	if (zs_bsd(f.in, f.out, 0, 10, NULL, NULL, ZS_NOSIGPIPE) != -1 || errno != EPIPE)
		return 1;
	/* One that was pending before stays. */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGPIPE);
	if (zs_bsd(f.in, f.out, 0, 10, NULL, NULL, ZS_NOSIGPIPE) != -1 || errno != EPIPE)
		return 2;
	if (sigpending(&set) != 0 || !sigismember(&set, SIGPIPE))
		return 3;
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* Copying raises none at all. */
	signal(SIGPIPE, SIG_DFL);
	return by_copy(f.out, f.in, &f.off, 10) == -1 && errno == EPIPE ? 0 : 4;
}

static int sigpipe_is_raised(void)
{
	struct fds f;

	signal(SIGPIPE, SIG_DFL);
	base_case(&f);
	peer_closed(&f);
	(void)zs_linux(f.out, f.in, &f.off, 10);
	return 1;
}

static int in_child(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		bent_reset();
		_exit(run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void filtered_calls_are_noticed_and_gone_around(void **state)
{
	if ((zs_caps(NULL) & ZS_CAP_SENDFILE) == 0)
		skip();
	assert_int_equal(in_child(without_sendfile), 0);
	assert_int_equal(in_child(without_splice), 0);
}

static void sigpipe_is_as_documented(void **state)
{
	int status;

	assert_int_equal(in_child(sigpipe_is_kept_away), 0);
	status = in_child(sigpipe_is_raised);
	if ((zs_caps(NULL) & ZS_CAP_SENDFILE) != 0)
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	else
		assert_int_equal(status, 1 << 8);
}

/* ---- The pipe ---- */

static void pipe_never_sends_bytes_of_another_place(void **state)
{
	enum { SIZE = 256 * KIB };
	uint8_t *data = malloc(SIZE), *rewritten = malloc(SIZE);
	int64_t off = 0, first;
	struct arrival a = {.want = data, .len = SIZE};
	struct zs_pipe p;
	int sv[2], in;

	if ((zs_caps(NULL) & ZS_CAP_SPLICE) == 0) {
		assert_int_equal(zs_pipe_open(&p, 0), -1);
		assert_int_equal(errno, ENOSYS);
		goto out;
	}
	bent_reset();
	fill(data, SIZE);
	in = file_with(data, SIZE);
	pair_unix(sv);
	assert_int_equal(zs_pipe_open(&p, 0), 0);
	bent.room = 1000;
	first = zs_splice(sv[0], in, &off, SIZE, &p);
	assert_int_equal(first, 1000);
	assert_true(p.held > 0);
	/* the same file from elsewhere */
	bent.room = -1;
	arrive(sv[1], &a, SIZE_MAX);
	off = 77;
	a = (struct arrival){.want = data + 77, .len = 500};
	assert_int_equal(zs_splice(sv[0], in, &off, 500, &p), 500);
	arrive_rest(sv[1], &a);
	/* the same place after a change; usleep because a file's times tick with the clock interrupt */
	bent.room = 100;
	assert_int_equal(zs_splice(sv[0], in, &off, 5000, &p), 100);
	assert_true(p.held > 0);
	a = (struct arrival){.want = data + 577, .len = 100};
	arrive_rest(sv[1], &a);
	usleep(20000);
	memset(rewritten, '!', SIZE);
	assert_int_equal(pwrite(in, rewritten, SIZE, 0), SIZE);
	bent.room = -1;
	assert_int_equal(zs_splice(sv[0], in, &off, 4000, &p), 4000);
	a = (struct arrival){.want = rewritten, .len = 4000};
	arrive_rest(sv[1], &a);
	/* without a pipe of one's own */
	off = 5;
	bent.room = 3;
	assert_int_equal(zs_splice(sv[0], in, &off, 4000, NULL), 3);
	assert_int_equal(off, 8);
	zs_pipe_close(&p);
	zs_pipe_close(&p);
	close2(sv);
	close(in);
out:
	free(data);
	free(rewritten);
}

/* ---- Large files ---- */

static int sparse(int64_t size)
{
	int fd = memfd_create("sparse", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void one_call_moves_at_most_the_slice(void **state)
{
	int in = sparse(3 * GIB), out = open("/dev/null", O_WRONLY);

	for (EACH_WAY(w)) {
		static char buf[1 << 20];
		int64_t off = 5, r;

		bent_reset();
		r = w->kind == COPY ? zs_copy(out, in, &off, 3 * GIB, buf, sizeof(buf))
				    : w->send(out, in, &off, 3 * GIB);
		check(r == ZS_SLICE_MAX, "%s: %lld\n", w->name, (long long)r);
		assert_int_equal(off, 5 + r);
		assert_true(bent.largest <= ZS_SLICE_MAX);
	}
	close(in);
	close(out);
}

static void offsets_above_four_gib_and_at_the_very_end(void **state)
{
	const int64_t mark = 5 * GIB + 123;
	int in = sparse(6 * GIB);

	assert_int_equal(pwrite(in, "five gibibytes", 14, mark), 14);
	for (EACH_WAY(w)) {
		struct arrival a = {.want = (const uint8_t *)"five gibibytesfive gib", .len = 22};
		int64_t off = mark, sbytes, r;
		int sv[2];

		way_take(w);
		bent.fail[BENT_SENDFILE] = bent.fail[BENT_SPLICE] = 0;
		pair_unix(sv);
		assert_int_equal(w->send(sv[0], in, &off, 14), 14);
		assert_int_equal(off, mark + 14);
		way_take(w);
		assert_int_equal(zs_bsd(in, sv[0], mark, 8, NULL, &sbytes, 0), 0);
		arrive_rest(sv[1], &a);
		/* a range that would end behind INT64_MAX is cut, not refused for that */
		bent_reset();
		off = INT64_MAX - 5;
		r = w->send(sv[0], in, &off, 100);
		check(r == 0 || errno == EOVERFLOW || errno == EFBIG, "%s: %lld %s\n", w->name, (long long)r,
			strerror(errno));
		assert_int_equal(off, INT64_MAX - 5);
		assert_int_equal(zs_bsd(in, sv[0], INT64_MAX - 5, 100, NULL, &sbytes, 0), 0);
		assert_int_equal(sbytes, 0);
		close2(sv);
	}
	close(in);
}

static void *drain(void *arg)
{
	int64_t *total = arg;
	int fd = (int)*total;
	ssize_t r;

	*total = 0;
	while ((r = recv(fd, NULL, 1 << 20, MSG_TRUNC)) > 0) /* TCP: dropped in the kernel */
		*total += r;
	return NULL;
}

static void bsd_model_has_no_slice(void **state)
{
	int in = sparse(2 * GIB + 12345), sv[2];
	int64_t sbytes, total;
	pthread_t t;

	if ((zs_caps(NULL) & ZS_CAP_SENDFILE) == 0)
		skip();
	bent_reset();
	pair_tcp(sv);
	nonblock(sv[0], false);
	nonblock(sv[1], false);
	total = sv[1];
	assert_int_equal(pthread_create(&t, NULL, drain, &total), 0);
	assert_int_equal(zs_bsd(in, sv[0], 0, 0, NULL, &sbytes, 0), 0);
	assert_int_equal(sbytes, 2 * GIB + 12345);
	shutdown(sv[0], SHUT_WR);
	pthread_join(t, NULL);
	assert_int_equal(total, sbytes);
	assert_true(bent.largest <= ZS_SLICE_MAX);
	close2(sv);
	close(in);
}

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

/* Probing without waiting may start reading ahead; put it back. */
static void chill(int fd, int64_t page)
{
	assert_int_equal(posix_fadvise(fd, page * PAGE, PAGE, POSIX_FADV_DONTNEED), 0);
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
			chill(fd, hole);
			assert_int_equal(zs_resident(fd, 0, (size_t)(n * PAGE)), hole * PAGE);
			chill(fd, hole);
			assert_int_equal(zs_resident(fd, (uint64_t)(hole * PAGE + 3), 100), 0);
			chill(fd, hole);
			assert_int_equal(zs_resident(fd, (uint64_t)(hole * PAGE + PAGE + 3), 100), 100);
			if (hole > 0) {
				chill(fd, hole);
				assert_int_equal(zs_resident(fd, (uint64_t)(hole * PAGE - 3), 100), 3);
			}
		}
	}
	close(fd);
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
	assert_int_equal(getsockopt(sv[0], IPPROTO_TCP, 3 /* TCP_CORK */, &on, &len), 0);
	assert_int_equal(on, 0);
	on = 1;
	assert_int_equal(setsockopt(sv[0], IPPROTO_TCP, 3, &on, sizeof(on)), 0);
	assert_int_equal(zs_bsd(in, sv[0], 0, 0, &hdtr, NULL, 0), 0);
	assert_int_equal(getsockopt(sv[0], IPPROTO_TCP, 3, &on, &len), 0);
	assert_int_equal(on, 1); /* the caller's cork is the caller's */
	close2(sv);
	close(in);
}

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
		cmocka_unit_test(capabilities_fit_the_build),
		cmocka_unit_test(copying_build_keeps_the_linux_model),
		cmocka_unit_test(linux_rows_of_offset_and_count),
		cmocka_unit_test(linux_partial_is_positive_and_only_full_is_eagain),
		cmocka_unit_test(errors_of_the_linux_model),
		cmocka_unit_test(errors_of_the_bsd_model),
		cmocka_unit_test(bsd_arguments_are_checked),
		cmocka_unit_test(every_row_of_partial_sends_at_every_room),
		cmocka_unit_test(sends_in_dribbles),
		cmocka_unit_test(nbytes_counted_down_to_zero_is_not_until_end_of_file),
		cmocka_unit_test(resume_refuses_impossible_counts),
		cmocka_unit_test(file_that_shrank_ends_early_and_trailers_follow),
		cmocka_unit_test(blocking_send_tells_bytes_and_interruption),
		cmocka_unit_test(random_jobs_arrive_byte_for_byte),
		cmocka_unit_test(random_slices_of_the_linux_model_arrive),
		cmocka_unit_test(refusal_after_some_calls_goes_on_where_it_was),
		cmocka_unit_test(filtered_calls_are_noticed_and_gone_around),
		cmocka_unit_test(sigpipe_is_as_documented),
		cmocka_unit_test(pipe_never_sends_bytes_of_another_place),
		cmocka_unit_test(one_call_moves_at_most_the_slice),
		cmocka_unit_test(offsets_above_four_gib_and_at_the_very_end),
		cmocka_unit_test(bsd_model_has_no_slice),
		cmocka_unit_test(send_returns_what_a_loop_needs),
		cmocka_unit_test(residency_is_told_to_the_byte),
		cmocka_unit_test(residency_where_it_cannot_be_told),
		cmocka_unit_test(nodiskio_sends_what_is_in_memory_then_ebusy),
		cmocka_unit_test(sync_copies_and_nocache_forgets),
		cmocka_unit_test(cork_is_held_for_the_call_only),
	};

	seed = 4711;
	fill((uint8_t *)content, sizeof(content));
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
