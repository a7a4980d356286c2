/* The relay between a TLS client and a session: bytes both ways, ends from both sides, CCC at every point. */
#include "login/relay.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "login/secure.h"
#include "tls/tls_test_fixture.h"

#define WAIT_MS 60000 /* for anything that should happen at once */

struct fixture {
	uv_loop_t loop;
	struct relay_table table;
	struct tls_context *ctx;
	SSL_CTX *client_ctx;
	struct fx_pair p; /* p.server and p.fds[0] are the relay's */
	int session;      /* the session's end */
};

static void nobody(void *arg)
{
}

static struct fixture *fixture_open(int buf_bytes)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct tls_config conf = fx_config();
	struct secure *s = xcalloc(1, sizeof(*s));
	int fds[2], ok;

	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	relay_table_init(&f->table, &f->loop, nobody, NULL);
	f->ctx = fx_context(&conf, TLS_CONTROL);
	f->client_ctx = fx_client_ctx(TLS1_3_VERSION);
	fx_open(&f->p, f->ctx, NULL, f->client_ctx, NULL);
	assert_int_equal(fx_handshake(&f->p, &ok), 0);
	assert_int_equal(ok, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	if (buf_bytes > 0)
		for (int i = 0; i < 2; i++)
			assert_int_equal(
				setsockopt(f->p.fds[i], SOL_SOCKET, SO_SNDBUF, &buf_bytes, sizeof(buf_bytes)),
				0);
	s->tls = f->p.server;
	f->p.server = NULL;
	f->session = fds[0];
	assert_int_equal(relay_start(&f->table, 7, f->p.fds[0], s, fds[1]), 0);
	f->p.fds[0] = -1;
	return f;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void fixture_close(struct fixture *f)
{
	relay_end_all(&f->table);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	fd_close(&f->session);
	fx_close(&f->p);
	SSL_CTX_free(f->client_ctx);
	tls_context_unref(&f->ctx);
	fx_forget();
	free(f);
}

/* The next n bytes that the session gets; they must be text. */
static void session_gets(struct fixture *f, const char *text)
{
	size_t n = strlen(text), at = 0;
	char got[256];

	for (uint64_t end = clock_ms() + WAIT_MS; at < n && clock_ms() < end;) {
		ssize_t k = recv(f->session, got + at, n - at, MSG_DONTWAIT);

		if (k > 0)
			at += (size_t)k;
		else if (k == 0)
			break;
		else
			turn(f);
	}
	assert_int_equal(at, n);
	assert_memory_equal(got, text, n);
}

static void session_gets_end(struct fixture *f)
{
	char got;

	for (uint64_t end = clock_ms() + WAIT_MS; clock_ms() < end; turn(f)) {
		ssize_t k = recv(f->session, &got, 1, MSG_DONTWAIT);

		assert_int_not_equal(k, 1);
		if (k == 0)
			return;
	}
	fail_msg("the session does not get the end");
}

static void session_waits(struct fixture *f)
{
	char got;

	for (int i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(recv(f->session, &got, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void client_says(struct fixture *f, const char *text)
{
	assert_int_equal(SSL_write(f->p.client, text, (int)strlen(text)), (int)strlen(text));
}

static void session_says(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->session, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* text, encrypted. Longer ones than 255 bytes are not asked for. */
static void client_gets(struct fixture *f, const char *text)
{
	size_t n = strlen(text), at = 0;
	char got[256];

	for (uint64_t end = clock_ms() + WAIT_MS; at < n && clock_ms() < end; turn(f)) {
		int k = SSL_read(f->p.client, got + at, (int)(n - at));

		if (k > 0)
			at += (size_t)k;
	}
	assert_int_equal(at, n);
	assert_memory_equal(got, text, n);
}

static void client_hears_close(struct fixture *f)
{
	char got;

	for (uint64_t end = clock_ms() + WAIT_MS; clock_ms() < end; turn(f)) {
		assert_true(SSL_read(f->p.client, &got, 1) <= 0);
		if ((SSL_get_shutdown(f->p.client) & SSL_RECEIVED_SHUTDOWN) != 0)
			return;
	}
	fail_msg("no close_notify");
}

/* The same in clear, after CCC. */
static void client_says_clear(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->p.fds[1], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void client_gets_clear(struct fixture *f, const char *text)
{
	size_t n = strlen(text), at = 0;
	char got[256];

	for (uint64_t end = clock_ms() + WAIT_MS; at < n && clock_ms() < end; turn(f)) {
		ssize_t k = recv(f->p.fds[1], got + at, n - at, MSG_DONTWAIT);

		if (k > 0)
			at += (size_t)k;
	}
	assert_int_equal(at, n);
	assert_memory_equal(got, text, n);
}

static void relay_ends(struct fixture *f)
{
	for (uint64_t end = clock_ms() + WAIT_MS; f->table.count > 0 && clock_ms() < end;)
		turn(f);
	assert_int_equal(f->table.count, 0);
}

static void bytes_go_both_ways(void **state)
{
	struct fixture *f = fixture_open(0);

	client_says(f, "PWD\r\n");
	session_gets(f, "PWD\r\n");
	session_says(f, "257 \"/\"\r\n");
	client_gets(f, "257 \"/\"\r\n");
	fixture_close(f);
}

static void when_the_client_ends_the_session_gets_what_came_before_and_may_answer(void **state)
{
	struct fixture *f = fixture_open(0);

	client_says(f, "QUIT\r\n");
	(void)SSL_shutdown(f->p.client);
	assert_int_equal(shutdown(f->p.fds[1], SHUT_WR), 0);
	session_gets(f, "QUIT\r\n");
	session_gets_end(f);
	session_says(f, "221 Goodbye.\r\n");
	fd_close(&f->session);
	client_gets(f, "221 Goodbye.\r\n");
	relay_ends(f);
	fixture_close(f);
}

static void a_client_that_closes_without_a_word_is_at_its_end(void **state)
{
	struct fixture *f = fixture_open(0);

	client_says(f, "NOOP\r\n");
	assert_int_equal(shutdown(f->p.fds[1], SHUT_WR), 0);
	session_gets(f, "NOOP\r\n");
	session_gets_end(f);
	fixture_close(f);
}

static void when_the_session_ends_the_client_gets_all_and_close_notify(void **state)
{
	struct fixture *f = fixture_open(0);

	session_says(f, "421 over\r\n");
	fd_close(&f->session);
	client_gets(f, "421 over\r\n");
	client_hears_close(f);
	assert_int_equal(f->table.count, 1); /* it waits for the client */
	fd_close(&f->p.fds[1]);
	relay_ends(f);
	fixture_close(f);
}

static void a_lone_close_notify_is_the_end_when_nobody_tells_of_ccc(void **state)
{
	struct fixture *f = fixture_open(0);
	uint64_t began = clock_ms();

	(void)SSL_shutdown(f->p.client);
	session_waits(f);
	session_gets_end(f);
	assert_true(clock_ms() - began >= RELAY_HEARD_MS - 100);
	fixture_close(f);
}

/* --- CCC --- */

static void ccc_said(struct fixture *f)
{
	client_says(f, "CCC\r\n");
	session_gets(f, "CCC\r\n");
	session_says(f, "200 Clearing\r\n");
}

static void both_ways_in_clear(struct fixture *f)
{
	client_says_clear(f, "PWD\r\n");
	session_gets(f, "PWD\r\n");
	session_says(f, "257 \"/\"\r\n");
	client_gets_clear(f, "257 \"/\"\r\n");
	fd_close(&f->p.fds[1]);
	session_gets_end(f);
	fd_close(&f->session);
	relay_ends(f);
	fixture_close(f);
}

static void ccc_goes_on_in_clear(void **state)
{
	struct fixture *f = fixture_open(0);

	ccc_said(f);
	relay_clear(&f->table, 7);
	client_gets(f, "200 Clearing\r\n");
	client_hears_close(f);
	(void)SSL_shutdown(f->p.client);
	both_ways_in_clear(f);
}

static void ccc_answered_before_the_relay_knows_of_it(void **state)
{
	struct fixture *f = fixture_open(0);

	ccc_said(f);
	client_gets(f, "200 Clearing\r\n");
	(void)SSL_shutdown(f->p.client);
	session_waits(f);
	relay_clear(&f->table, 7);
	client_hears_close(f);
	both_ways_in_clear(f);
}

static void clear_bytes_that_came_with_the_answer_to_ccc_wait(void **state)
{
	struct fixture *f = fixture_open(0);

	ccc_said(f);
	client_gets(f, "200 Clearing\r\n");
	(void)SSL_shutdown(f->p.client);
	client_says_clear(f, "SYST\r\n");
	session_waits(f);
	relay_clear(&f->table, 7);
	client_hears_close(f);
	session_gets(f, "SYST\r\n");
	both_ways_in_clear(f);
}

static void after_ccc_a_client_may_go_on_without_close_notify(void **state)
{
	struct fixture *f = fixture_open(0);

	ccc_said(f);
	relay_clear(&f->table, 7);
	client_gets(f, "200 Clearing\r\n");
	client_hears_close(f);
	both_ways_in_clear(f);
}

static void a_command_in_tls_after_ccc_ends_the_connection(void **state)
{
	struct fixture *f = fixture_open(0);

	ccc_said(f);
	relay_clear(&f->table, 7);
	client_gets(f, "200 Clearing\r\n");
	client_says(f, "PWD\r\n");
	relay_ends(f);
	session_gets_end(f);
	fixture_close(f);
}

static void ccc_of_others_and_twice_does_nothing(void **state)
{
	struct fixture *f = fixture_open(0);

	relay_clear(&f->table, 8);
	client_says(f, "PWD\r\n");
	session_gets(f, "PWD\r\n");
	ccc_said(f);
	relay_clear(&f->table, 7);
	relay_clear(&f->table, 7);
	client_gets(f, "200 Clearing\r\n");
	client_hears_close(f);
	(void)SSL_shutdown(f->p.client);
	turn(f);
	relay_clear(&f->table, 7);
	both_ways_in_clear(f);
}

/* --- full buffers --- */

#define MUCH (1024 * 1024)

static unsigned char pattern(size_t at)
{
	return (unsigned char)(at * 7 + at / 251);
}

typedef ssize_t move_fn(struct fixture *f, void *p, size_t n);

static ssize_t session_sends(struct fixture *f, void *p, size_t n)
{
	return send(f->session, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t session_takes(struct fixture *f, void *p, size_t n)
{
	return recv(f->session, p, n, MSG_DONTWAIT);
}

static ssize_t client_sends(struct fixture *f, void *p, size_t n)
{
	return SSL_write(f->p.client, p, (int)n);
}

static ssize_t client_takes(struct fixture *f, void *p, size_t n)
{
	return SSL_read(f->p.client, p, (int)n);
}

/* Nothing is taken before nothing more can be sent. */
static void nothing_is_lost(move_fn *sends, move_fn *takes)
{
	struct fixture *f = fixture_open(8192);
	unsigned char bytes[4096]; /* MUCH is a multiple of it */
	size_t said = 0, got = 0;
	bool full = false;
	ssize_t k;

	for (uint64_t end = clock_ms() + WAIT_MS; got < MUCH && clock_ms() < end; turn(f)) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = pattern(said + i);
		if (said < MUCH) {
			k = sends(f, bytes, MUCH - said < sizeof(bytes) ? MUCH - said : sizeof(bytes));
			full = full || k <= 0;
			said += k > 0 ? (size_t)k : 0;
		}
		if (!full && said < MUCH)
			continue;
		k = takes(f, bytes, sizeof(bytes));
		for (ssize_t i = 0; i < k; i++)
			assert_int_equal(bytes[i], pattern(got + (size_t)i));
		got += k > 0 ? (size_t)k : 0;
	}
	assert_true(full);
	assert_int_equal(got, MUCH);
	fixture_close(f);
}

static void nothing_is_lost_when_the_client_is_slow(void **state)
{
	nothing_is_lost(session_sends, client_takes);
}

static void nothing_is_lost_when_the_session_is_slow(void **state)
{
	nothing_is_lost(client_sends, session_takes);
}

static void ccc_while_the_client_does_not_read_loses_nothing(void **state)
{
	struct fixture *f = fixture_open(8192);
	unsigned char bytes[4096];
	size_t said = 0, got = 0;

	memset(bytes, 'x', sizeof(bytes));
	for (int idle = 0; idle < 20; turn(f)) { /* until everything is full */
		ssize_t k = send(f->session, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);

		said += k > 0 ? (size_t)k : 0;
		idle = k > 0 ? 0 : idle + 1;
	}
	relay_clear(&f->table, 7);
	turn(f);
	for (uint64_t end = clock_ms() + WAIT_MS; got < said && clock_ms() < end; turn(f)) {
		int k = SSL_read(f->p.client, bytes, sizeof(bytes));

		got += k > 0 ? (size_t)k : 0;
	}
	assert_int_equal(got, said);
	client_hears_close(f);
	(void)SSL_shutdown(f->p.client);
	both_ways_in_clear(f);
}

static void forged_bytes_end_the_connection(void **state)
{
	struct fixture *f = fixture_open(0);
	static const char forged[37] = "\x17\x03\x03\x00\x20";

	assert_int_equal(send(f->p.fds[1], forged, sizeof(forged), 0), sizeof(forged));
	relay_ends(f);
	session_gets_end(f);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(when_the_client_ends_the_session_gets_what_came_before_and_may_answer),
		cmocka_unit_test(a_client_that_closes_without_a_word_is_at_its_end),
		cmocka_unit_test(when_the_session_ends_the_client_gets_all_and_close_notify),
		cmocka_unit_test(a_lone_close_notify_is_the_end_when_nobody_tells_of_ccc),
		cmocka_unit_test(ccc_goes_on_in_clear),
		cmocka_unit_test(ccc_answered_before_the_relay_knows_of_it),
		cmocka_unit_test(clear_bytes_that_came_with_the_answer_to_ccc_wait),
		cmocka_unit_test(after_ccc_a_client_may_go_on_without_close_notify),
		cmocka_unit_test(a_command_in_tls_after_ccc_ends_the_connection),
		cmocka_unit_test(ccc_of_others_and_twice_does_nothing),
		cmocka_unit_test(nothing_is_lost_when_the_client_is_slow),
		cmocka_unit_test(nothing_is_lost_when_the_session_is_slow),
		cmocka_unit_test(ccc_while_the_client_does_not_read_loses_nothing),
		cmocka_unit_test(forged_bytes_end_the_connection),
	};

	return cmocka_run_group_tests(tests, fx_start, fx_end);
}
