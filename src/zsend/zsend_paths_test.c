/* From one way to the next: refusals, filters, SIGPIPE, the pipe; and files too large for one call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zsend/zsend_test_fixture.h"

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
	char buf[16];

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
	return zs_copy(f.out, f.in, &f.off, 10, buf, sizeof(buf)) == -1 && errno == EPIPE ? 0 : 4;
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
	/* the same place in a file that has become shorter: nothing is there any more */
	bent.room = 100;
	assert_int_equal(zs_splice(sv[0], in, &off, 5000, &p), 100);
	assert_true(p.held > 0);
	a = (struct arrival){.want = rewritten, .len = 100};
	arrive_rest(sv[1], &a);
	usleep(20000);
	assert_int_equal(ftruncate(in, 100), 0);
	bent.room = -1;
	assert_int_equal(zs_splice(sv[0], in, &off, 4000, &p), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusal_after_some_calls_goes_on_where_it_was),
		cmocka_unit_test(filtered_calls_are_noticed_and_gone_around),
		cmocka_unit_test(sigpipe_is_as_documented),
		cmocka_unit_test(pipe_never_sends_bytes_of_another_place),
		cmocka_unit_test(one_call_moves_at_most_the_slice),
		cmocka_unit_test(offsets_above_four_gib_and_at_the_very_end),
		cmocka_unit_test(bsd_model_has_no_slice),
	};

	return zsend_run_tests(tests, ARRAY_LEN(tests));
}
