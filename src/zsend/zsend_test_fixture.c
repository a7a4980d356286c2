#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "zsend/zsend_test_fixture.h"

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

static const struct way ways[WAY_COUNT] = {
	{"sendfile", zs_linux, 0, 0, ZS_CAP_SENDFILE, SENDFILE},
	{"splice", by_splice, EINVAL, 0, ZS_CAP_SPLICE, SPLICE},
	{"copy", by_copy, EINVAL, EINVAL, ZS_CAP_COPY, COPY},
};

void way_take(const struct way *w)
{
	bent_reset();
	bent.fail[BENT_SENDFILE] = w->refuse_sendfile;
	bent.fail[BENT_SPLICE] = w->refuse_splice;
}

const struct way *way_next(const struct way *w)
{
	for (w = w == NULL ? ways : w + 1; w < ways + WAY_COUNT; w++)
		if ((zs_caps(NULL) & w->cap) != 0)
			return w;
	return NULL;
}

uint64_t seed = 4711;
char content[100];

uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % below);
}

void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rnd(256);
}

int file_with(const void *data, size_t n)
{
	int fd = memfd_create("zsend", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	return fd;
}

int reopened(int fd, int flags)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, flags | O_CLOEXEC);
	assert_true(r >= 0);
	return r;
}

void nonblock(int fd, bool on)
{
	int fl = fcntl(fd, F_GETFL);

	assert_int_equal(fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK), 0);
}

void pair_unix(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
}

void pair_tcp(int sv[2])
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
void buffer(const int sv[2], int bytes)
{
	assert_int_equal(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

void close2(const int sv[2])
{
	close(sv[0]);
	close(sv[1]);
}

/* Fill a socket until it takes no more. */
void stuff(int s)
{
	static const char junk[4 * KIB];

	for (size_t n = sizeof(junk); n > 0; n /= 2)
		while (write(s, junk, n) > 0)
			;
	assert_int_equal(errno, EAGAIN);
}

/* Read up to max bytes that are there. Returns how many. */
size_t arrive(int s, struct arrival *a, size_t max)
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

void arrive_rest(int s, struct arrival *a)
{
	struct pollfd pfd = {.fd = s, .events = POLLIN};

	while (a->got < a->len && poll(&pfd, 1, 2000) == 1 && arrive(s, a, SIZE_MAX) > 0)
		;
	check(a->got == a->len, "%zu of %zu bytes arrived\n", a->got, a->len);
	assert_int_equal(arrive(s, a, SIZE_MAX), 0);
}

void base_case(struct fds *f)
{
	int sv[2];

	pair_unix(sv);
	*f = (struct fds){
		.out = sv[0], .in = file_with(content, sizeof(content)), .other = sv[1], .more = -1};
	f->offp = &f->off;
	f->count = 10;
}

void fds_close(struct fds *f)
{
	close(f->out);
	close(f->in);
	if (f->other >= 0)
		close(f->other);
	if (f->more >= 0)
		close(f->more);
}

void in_becomes(struct fds *f, int fd)
{
	close(f->in);
	f->in = fd;
}

void out_becomes(struct fds *f, int fd)
{
	close(f->out);
	f->out = fd;
}

void in_procfs(struct fds *f)
{
	in_becomes(f, open("/proc/self/status", O_RDONLY));
}

void peer_closed(struct fds *f)
{
	close(f->other);
	f->other = -1;
}

static void on_alarm(int sig)
{
}

void alarm_every(int us)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval it = {.it_value.tv_usec = us, .it_interval.tv_usec = us};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

void alarm_off(void)
{
	struct itimerval never = {0};

	setitimer(ITIMER_REAL, &never, NULL);
}

static int set_up(void **state)
{
	fill((uint8_t *)content, sizeof(content));
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int zsend_run_tests(const struct CMUnitTest *tests, size_t n)
{
	return _cmocka_run_group_tests("zsend", tests, n, set_up, NULL);
}
