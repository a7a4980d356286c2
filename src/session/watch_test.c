/* Watches: nothing before they are asked, what the loop cannot watch is looked at, none calls after its end. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fd.h"
#include "session/watch.h"

struct seen {
	struct watch *watch;
	unsigned calls, leave_after;
	int events;
};

static uv_loop_t loop;

static int loop_setup(void **state)
{
	return uv_loop_init(&loop);
}

static int loop_teardown(void **state)
{
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* ends only when no handle is left */
	return uv_loop_close(&loop);
}

static void on_event(void *arg, int events)
{
	struct seen *s = arg;

	s->events = events;
	if (++s->calls == s->leave_after)
		watch_free(&s->watch);
}

static void an_unused_watch_costs_nothing(void **state)
{
	struct watch *w = watch_new(&loop, -1, on_event, NULL);

	watch_set(w, 0);
	assert_false(uv_loop_alive(&loop));
	watch_free(&w);
	assert_null(w);
	watch_free(&w);
}

static void a_socket_is_told_about(void **state)
{
	struct seen s = {.leave_after = 2};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	s.watch = watch_new(&loop, fd[0], on_event, &s);
	watch_set(s.watch, UV_READABLE);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(s.calls, 0);
	watch_set(s.watch, UV_WRITABLE);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.events, UV_WRITABLE);
	watch_set(s.watch, 0);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(s.calls, 1);
	watch_set(s.watch, UV_READABLE | UV_DISCONNECT);
	fd_close(&fd[1]);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.events, UV_READABLE | UV_DISCONNECT);
	assert_null(s.watch);
	fd_close(&fd[0]);
}

/* Two ends of a TCP connection. */
static void connection_make(int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd[1], (struct sockaddr *)&a, len), 0);
	fd[0] = accept(listener, NULL, NULL);
	assert_true(fd[0] >= 0);
	fd_close(&listener);
}

struct reader {
	struct watch *watch;
	int fd, error;
	size_t bytes;
};

static void read_one(void *arg, int events)
{
	struct reader *r = arg;
	char c;
	ssize_t n = recv(r->fd, &c, 1, MSG_DONTWAIT);

	if (n > 0) {
		r->bytes++;
		watch_set(r->watch, UV_READABLE); /* as before */
		return;
	}
	r->error = n < 0 ? errno : 0;
	watch_free(&r->watch);
}

static void an_error_behind_bytes_is_told_after_them(void **state)
{
	struct linger hard = {.l_onoff = 1};
	struct reader r = {.error = -1};
	int fd[2];

	connection_make(fd);
	assert_int_equal(send(fd[1], "abc", 3, MSG_NOSIGNAL), 3);
	(void)setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	fd_close(&fd[1]); /* a reset */
	r.fd = fd[0];
	r.watch = watch_new(&loop, fd[0], read_one, &r);
	watch_set(r.watch, UV_READABLE);
	for (int turn = 0; turn < 100 && r.watch; turn++)
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(r.bytes, 3);
	assert_int_equal(r.error, ECONNRESET);
	assert_null(r.watch);
	fd_close(&fd[0]);
}

/* Of two whose events came in the same turn each takes the other one away. */
static struct watch *pair[2];

static void take_the_other(void *arg, int events)
{
	unsigned *told = arg;

	++*told;
	watch_free(&pair[0]);
	watch_free(&pair[1]);
}

static void who_is_freed_in_the_same_turn_is_not_told(void **state)
{
	unsigned told = 0;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	for (int i = 0; i < 2; i++) {
		pair[i] = watch_new(&loop, fd[i], take_the_other, &told);
		watch_set(pair[i], UV_WRITABLE);
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(told, 1);
	for (int i = 0; i < 2; i++)
		fd_close(&fd[i]);
}

/* epoll takes no regular files. */
static void what_the_kernel_does_not_watch_is_looked_at(void **state)
{
	struct seen s = {.leave_after = 3};
	FILE *f = tmpfile();

	assert_non_null(f);
	s.watch = watch_new(&loop, fileno(f), on_event, &s);
	watch_set(s.watch, UV_READABLE);
	watch_set(s.watch, 0);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_false(uv_loop_alive(&loop));
	watch_set(s.watch, UV_READABLE | UV_PRIORITIZED);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(s.calls, 3);
	assert_int_equal(s.events, UV_READABLE);
	(void)fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_unused_watch_costs_nothing, loop_setup, loop_teardown),
		cmocka_unit_test_setup_teardown(a_socket_is_told_about, loop_setup, loop_teardown),
		cmocka_unit_test_setup_teardown(
			an_error_behind_bytes_is_told_after_them, loop_setup, loop_teardown),
		cmocka_unit_test_setup_teardown(
			who_is_freed_in_the_same_turn_is_not_told, loop_setup, loop_teardown),
		cmocka_unit_test_setup_teardown(
			what_the_kernel_does_not_watch_is_looked_at, loop_setup, loop_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
