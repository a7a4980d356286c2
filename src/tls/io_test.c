/* Bytes in and out, and the ends of connections. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tls/tls_priv.h"
#include "tls/tls_test_fixture.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

struct pair {
	struct tls_context *ctx;
	SSL_CTX *client;
	struct fx_pair p;
};

static void open_with(
	struct pair *t, int version, enum tls_role role, int buf_bytes, const struct tls_conn_options *opt)
{
	struct tls_config conf = fx_config();
	struct err err = ERR_INIT;

	conf.ec_cert = NULL;
	t->ctx = fx_context(&conf, role);
	t->client = fx_client_ctx(version);
	fx_sockets(t->p.fds, buf_bytes);
	assert_int_equal(tls_conn_new(t->ctx, t->p.fds[0], opt, &t->p.server, &err), 0);
	t->p.client = SSL_new(t->client);
	SSL_set_fd(t->p.client, t->p.fds[1]);
	SSL_set_connect_state(t->p.client);
	assert_int_equal(fx_handshake(&t->p, NULL), 0);
}

static void open_sized(struct pair *t, int version, enum tls_role role, int buf_bytes)
{
	open_with(t, version, role, buf_bytes, NULL);
}

static void open_pair(struct pair *t, int version, enum tls_role role)
{
	open_sized(t, version, role, 0);
}

static void close_pair(struct pair *t)
{
	fx_close(&t->p);
	SSL_CTX_free(t->client);
	tls_context_unref(&t->ctx);
}

/* Wait for n bytes. */
static void server_reads(struct pair *t, char *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = tls_read(t->p.server, buf + got, n - got);

		assert_true(r > 0 || r == -EAGAIN);
		if (r > 0)
			got += (size_t)r;
		else
			fx_wait(t->p.fds[0], tls_wants(t->p.server));
	}
}

static void client_reads(struct pair *t, char *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		int r = SSL_read(t->p.client, buf + got, (int)(n - got));

		if (r > 0)
			got += (size_t)r;
		else
			fx_wait(t->p.fds[1], POLLIN);
		ERR_clear_error();
	}
}

static void make_bytes(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 131 >> 7 ^ i);
}

static char lent[8 * 17000]; /* for several records */

/* The client takes what is there. */
static size_t drain_client(struct pair *t, uint8_t *p, size_t n)
{
	size_t got = 0;
	int r;

	while (got < n && (r = SSL_read(t->p.client, p + got, (int)(n - got))) > 0)
		got += (size_t)r;
	ERR_clear_error();
	return got;
}

/* After -EAGAIN fewer bytes, or more, from elsewhere in memory: what arrives is what was taken. */
static void writes_may_shrink_and_move_after_eagain(void **state)
{
	const size_t total = 3u << 20;
	uint8_t *data = malloc(total), *got = malloc(total + 1);

	make_bytes(data, total);
	for (size_t v = 0; v < 4; v++) {
		struct pair t;
		size_t sent = 0, received = 0, again = 0;
		unsigned seed = 7;

		open_sized(&t, versions[v % 2], TLS_DATA, 4096);
		if (v >= 2)
			tls_lend(t.p.server, lent, sizeof(lent));
		while (sent < total) {
			size_t n = (seed = seed * 1103515245u + 12345u) >> 8 & (v < 2 ? 0xffff : 0x3ffff);
			uint8_t *copy;
			ssize_t r;

			n = n % (total - sent) + 1;
			if (again % 3 == 1)
				n = n % 50 + 1;
			n = n < total - sent ? n : total - sent;
			copy = malloc(n);
			memcpy(copy, data + sent, n);
			r = tls_write(t.p.server, copy, n);
			memset(copy, 0xee, n);
			free(copy);
			memset(lent, 0xee, sizeof(lent));
			if (r == -EAGAIN) {
				assert_int_equal(tls_wants(t.p.server), POLLOUT);
				again++;
				received += drain_client(&t, got + received, 1 + again * 37 % 9000);
				continue;
			}
			assert_true(r > 0 && (size_t)r <= n);
			sent += (size_t)r;
		}
		while (tls_shutdown(t.p.server) == -EAGAIN)
			received += drain_client(&t, got + received, total + 1 - received);
		while (received < total || SSL_get_shutdown(t.p.client) == 0) {
			fx_wait(t.p.fds[1], POLLIN);
			received += drain_client(&t, got + received, total + 1 - received);
		}
		assert_true(again > 50);
		assert_int_equal(received, total);
		assert_memory_equal(got, data, total);
		assert_true(tls_said_close(t.p.server));
		assert_int_equal(tls_write(t.p.server, "x", 1), -WE_CLOSED);
		close_pair(&t);
	}
	free(data);
	free(got);
}

/* The caller gives up in the middle (ABOR): the end can still be said. */
static void close_notify_follows_a_half_written_record(void **state)
{
	static uint8_t big[1 << 20];
	struct pair t;
	uint8_t *got = malloc(sizeof(big) * 2);
	size_t sent = 0, received = 0;
	ssize_t r;

	make_bytes(big, sizeof(big));
	open_sized(&t, TLS1_3_VERSION, TLS_DATA, 4096);
	tls_lend(t.p.server, lent, sizeof(lent));
	while ((r = tls_write(t.p.server, big + sent, sizeof(big) - sent)) > 0)
		sent += (size_t)r;
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(tls_shutdown(t.p.server), -EAGAIN);
	while (tls_shutdown(t.p.server) == -EAGAIN)
		received += drain_client(&t, got + received, sizeof(big));
	while (SSL_get_shutdown(t.p.client) == 0) {
		fx_wait(t.p.fds[1], POLLIN);
		received += drain_client(&t, got + received, sizeof(big));
	}
	assert_true(received >= sent && received <= sent + sizeof(lent));
	assert_memory_equal(got, big, received);
	assert_int_equal(tls_shutdown(t.p.server), 0);
	free(got);
	close_pair(&t);
}

static void uploads_arrive_whole(void **state)
{
	const size_t total = 2u << 20;
	uint8_t *data = malloc(total), *got = malloc(total + 100);

	make_bytes(data, total);
	for (size_t v = 0; v < 2; v++) {
		size_t sent = 0, received = 0;
		ssize_t r = -EAGAIN;
		struct pair t;

		open_pair(&t, versions[v], TLS_DATA);
		while (r != 0) {
			int w = sent < total ? SSL_write(t.p.client, data + sent, (int)(total - sent)) : 0;

			if (w > 0 && (sent += (size_t)w) == total)
				assert_int_equal(SSL_shutdown(t.p.client), 0);
			ERR_clear_error();
			while ((r = tls_read(t.p.server, got + received, total + 100 - received)) > 0)
				received += (size_t)r;
			assert_true(r == 0 || r == -EAGAIN);
			assert_int_equal(tls_pending(t.p.server), r == 0); /* an end is news, too */
			if (r == -EAGAIN)
				assert_int_equal(tls_wants(t.p.server), POLLIN);
		}
		assert_int_equal(received, total);
		assert_memory_equal(got, data, total);
		assert_true(tls_heard_close(t.p.server));
		assert_int_equal(tls_read(t.p.server, got, 1), 0);    /* for ever */
		assert_int_equal(tls_write(t.p.server, "226", 3), 3); /* the other direction is open */
		assert_int_equal(tls_shutdown(t.p.server), 0);
		close_pair(&t);
	}
	free(data);
	free(got);
}

static void what_was_read_ahead_is_pending(void **state)
{
	char buf[100];
	struct pair t;

	open_pair(&t, TLS1_3_VERSION, TLS_DATA);
	assert_int_equal(tls_pending(t.p.server), 0);
	assert_int_equal(SSL_write(t.p.client, "0123456789", 10), 10);
	assert_int_equal(SSL_write(t.p.client, "abcdef", 6), 6);
	fx_wait(t.p.fds[0], POLLIN);
	assert_int_equal(tls_read(t.p.server, buf, 4), 4);
	assert_int_equal(tls_pending(t.p.server), 6);
	assert_int_equal(tls_read(t.p.server, buf, 6), 6);
	assert_true(tls_pending(t.p.server) > 0); /* the second record is in our memory, not in the socket */
	assert_int_equal(tls_read(t.p.server, buf, sizeof(buf)), 6);
	assert_int_equal(tls_read(t.p.server, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(tls_pending(t.p.server), 0);
	close_pair(&t);
}

static void an_end_without_close_notify_is_told_apart(void **state)
{
	for (size_t v = 0; v < 4; v++) {
		struct linger hard = {1, 0};
		char buf[100];
		struct pair t;
		ssize_t r;

		open_pair(&t, versions[v & 1], TLS_DATA);
		assert_int_equal(SSL_write(t.p.client, "partial", 7), 7);
		server_reads(&t, buf, 7);
		if (v < 2)
			assert_int_equal(shutdown(t.p.fds[1], SHUT_WR), 0);
		else {
			assert_int_equal(
				setsockopt(t.p.fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
			close(t.p.fds[1]);
			t.p.fds[1] = -1;
		}
		fx_wait(t.p.fds[0], POLLIN);
		r = tls_read(t.p.server, buf, sizeof(buf));
		assert_int_equal(r, v < 2 ? -WE_CLOSED : -ECONNRESET);
		assert_non_null(strstr(tls_error(t.p.server), v < 2 ? "without close_notify" : "reset"));
		assert_int_equal(tls_read(t.p.server, buf, sizeof(buf)), r);
		assert_false(tls_heard_close(t.p.server));
		assert_int_equal(tls_pending(t.p.server), 1);
		assert_int_equal(ERR_peek_error(), 0);
		close_pair(&t);
	}
}

/* Such an end, or garbage, on one data connection does not take the session from the next. */
static void a_broken_connection_leaves_the_session_usable(void **state)
{
	for (size_t v = 0; v < 4; v++) {
		struct tls_config conf = fx_config();
		struct tls_context *ctx = fx_context(&conf, TLS_CONTROL), *data = fx_context(&conf, TLS_DATA);
		SSL_CTX *client = fx_client_ctx(versions[v & 1]);
		struct tls_conn_options opt = {.sessions = tls_sessions_new(), .tickets = 4};
		struct fx_pair ctrl, p;
		char buf[10];
		ssize_t r;

		fx_forget();
		fx_connect(&ctrl, ctx, &opt, client, NULL);
		opt.tickets = 0;
		for (int i = 0; i < 3; i++) {
			fx_connect(&p, data, &opt, client, fx_got[0]);
			assert_true(tls_resumed(p.server));
			if (v >= 2)
				assert_int_equal(
					send(p.fds[1], "\x17\x03\x03\x00\x20garbage garbage garbage garbage",
						37, 0),
					37);
			shutdown(p.fds[1], SHUT_WR);
			do {
				fx_wait(p.fds[0], POLLIN);
				r = tls_read(p.server, buf, sizeof(buf));
			} while (r == -EAGAIN);
			assert_int_equal(r, v >= 2 ? -EPROTO : -WE_CLOSED);
			fx_close(&p);
		}
		fx_close(&ctrl);
		tls_sessions_free(&opt.sessions);
		SSL_CTX_free(client);
		tls_context_unref(&ctx);
		tls_context_unref(&data);
	}
}

static void garbage_is_no_handshake(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int result;
	} cases[] = {
		{"USER anonymous\r\n", 16, -EPROTO},
		{"GET / HTTP/1.0\r\n\r\n", 18, -EPROTO},
		{"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff", 10, -EPROTO}, /* a hello of 16 MiB */
		{"\x16\x03\x01\xff\xff\x01", 6, -EPROTO},                  /* a record of 64 KiB */
		{"\x80\x05\x01\x00\x02\x00\x00", 7, -EPROTO},              /* SSL 2 */
		{"\x16\x03\x01", 3, -WE_CLOSED},                           /* less than a record */
		{"", 0, -WE_CLOSED},
	};
	struct tls_config conf = fx_config();
	struct tls_context *ctx = fx_context(&conf, TLS_CONTROL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct tls_conn *c;
		int fds[2], r;

		fx_sockets(fds, 0);
		assert_int_equal(tls_conn_new(ctx, fds[0], NULL, &c, &err), 0);
		assert_int_equal(tls_accept(c), -EAGAIN);
		assert_int_equal(tls_wants(c), POLLIN);
		assert_int_equal(send(fds[1], cases[i].bytes, cases[i].n, 0), cases[i].n);
		shutdown(fds[1], SHUT_WR);
		do {
			fx_wait(fds[0], POLLIN);
			r = tls_accept(c);
		} while (r == -EAGAIN);
		assert_int_equal(r, cases[i].result);
		assert_true(strncmp(tls_error(c), "TLS handshake", 13) == 0);
		tls_conn_free(&c);
		close(fds[0]);
		close(fds[1]);
	}
	tls_context_unref(&ctx);
}

static void renegotiation_is_refused(void **state)
{
	struct pair t;
	char buf[10];
	int r;

	open_pair(&t, TLS1_2_VERSION, TLS_CONTROL);
	assert_int_equal(SSL_renegotiate(t.p.client), 1);
	(void)SSL_do_handshake(t.p.client); /* the hello goes out */
	fx_wait(t.p.fds[0], POLLIN);
	assert_int_equal(tls_read(t.p.server, buf, sizeof(buf)), -EAGAIN); /* a warning is its answer */
	fx_wait(t.p.fds[1], POLLIN);
	r = SSL_do_handshake(t.p.client);
	assert_int_equal(SSL_get_error(t.p.client, r), SSL_ERROR_SSL);
	assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
	ERR_clear_error();
	close_pair(&t);
}

/* TLS 1.3: the peer wants new keys in the middle. */
static void key_updates_are_answered(void **state)
{
	struct pair t;
	char buf[10];

	open_pair(&t, TLS1_3_VERSION, TLS_DATA);
	for (int i = 0; i < 3; i++) {
		bool told = tls_ktls_tx(t.p.server) && i > 0;

		assert_int_equal(SSL_key_update(t.p.client, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_write(t.p.client, "new", 3), 3);
		server_reads(&t, buf, 3);
		if (told) { /* the kernel goes on with the old ones: nothing that cannot be understood is sent */
			assert_int_equal(tls_write(t.p.server, "keys", 4), -EPROTO);
			assert_int_equal(tls_shutdown(t.p.server), -EPROTO);
			break;
		}
		assert_int_equal(tls_rekey_asked(t.p.server), tls_ktls_tx(t.p.server));
		assert_int_equal(tls_write(t.p.server, "keys", 4), 4);
		client_reads(&t, buf, 4);
		assert_memory_equal(buf, "keys", 4);
	}
	close_pair(&t);
}

/* OpenSSL from 3.2 on, which lets the kernel decrypt TLS 1.3: on older kernels the peer's next record cannot be read. */
static void new_keys_of_the_peer_are_noticed_where_the_kernel_decrypts(void **state)
{
	for (int rx = 0; rx < 2; rx++) {
		struct pair t;
		char buf[3];

		open_pair(&t, TLS1_3_VERSION, TLS_DATA);
		t.p.server->ktls_rx =
			t.p.server->ktls_rx || rx == 1; /* which it does not, so that it goes on here */
		tls_conn_watch_keys(t.p.server);
		assert_false(tls_rekey_asked(t.p.server));
		assert_int_equal(SSL_key_update(t.p.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_write(t.p.client, "new", 3), 3);
		server_reads(&t, buf, 3);
		assert_int_equal(tls_rekey_asked(t.p.server), t.p.server->ktls_rx);
		close_pair(&t);
	}
}

static unsigned key_updates;

static void count_updates(int sent, int version, int type, const void *data, size_t n, SSL *ssl, void *arg)
{
	const uint8_t *p = data;

	key_updates += !sent && type == SSL3_RT_HANDSHAKE && n > 0 && p[0] == SSL3_MT_KEY_UPDATE;
}

/* The limit of a key, made small. Tiny pieces: the socket is often full in the middle of a change of keys. */
static void a_key_encrypts_only_so_many_records(void **state)
{
	static const struct {
		int version;
		size_t total, piece, updates_min, updates_max;
		bool several;
	} cases[] = {{TLS1_2_VERSION, 1u << 20, 1u << 20, 0, 0, true},
		{TLS1_3_VERSION, 1u << 20, 1u << 20, 30, 40, false},
		{TLS1_3_VERSION, 1u << 20, 1u << 20, 30, 40, true},
		{TLS1_3_VERSION, 20000, 5, 1900, 2000, false}};
	const struct tls_conn_options opt = {.records = 3, .key_records = 2};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t sent = 0, received = 0, again = 0, total = cases[i].total;
		uint8_t *data = malloc(total), *got = malloc(total + 1);
		struct pair t;

		make_bytes(data, total);
		open_with(&t, cases[i].version, TLS_DATA, 4096, &opt);
		assert_false(tls_ktls_tx(t.p.server));
		assert_string_equal(tls_ktls_reason(t.p.server), "more bytes than one key may encrypt");
		if (cases[i].several)
			tls_lend(t.p.server, lent, sizeof(lent));
		SSL_set_msg_callback(t.p.client, count_updates);
		key_updates = 0;
		while (sent < total) {
			size_t n = total - sent < cases[i].piece ? total - sent : cases[i].piece;
			ssize_t r = tls_write(t.p.server, data + sent, n);

			if (r == -EAGAIN)
				received += drain_client(&t, got + received, 1 + ++again * 37 % 900);
			else
				assert_true(r > 0);
			sent += r > 0 ? (size_t)r : 0;
		}
		while (tls_shutdown(t.p.server) == -EAGAIN)
			received += drain_client(&t, got + received, total + 1 - received);
		while (SSL_get_shutdown(t.p.client) == 0) {
			fx_wait(t.p.fds[1], POLLIN);
			received += drain_client(&t, got + received, total + 1 - received);
		}
		assert_true(again > 20);
		assert_int_equal(received, total);
		assert_memory_equal(got, data, total);
		assert_in_range(key_updates, cases[i].updates_min, cases[i].updates_max);
		close_pair(&t);
		free(data);
		free(got);
	}
}

static void the_kernel_is_asked_up_to_the_limit_of_a_key(void **state)
{
	const struct tls_conn_options opt = {.records = TLS_KEY_RECORDS};
	struct pair t;

	open_with(&t, TLS1_3_VERSION, TLS_DATA, 0, &opt);
	if (!tls_ktls_tx(t.p.server))
		assert_string_not_equal(tls_ktls_reason(t.p.server), "more bytes than one key may encrypt");
	close_pair(&t);
}

/* CCC: what comes behind the close_notify is plain text, and stays in the socket. */
static void bytes_behind_close_notify_stay_in_the_socket(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		struct pair t;
		char buf[20];

		open_pair(&t, versions[v], TLS_CONTROL);
		assert_int_equal(SSL_write(t.p.client, "CCC\r\n", 5), 5);
		server_reads(&t, buf, 5);
		assert_int_equal(tls_write(t.p.server, "200\r\n", 5), 5);
		assert_int_equal(tls_shutdown(t.p.server), 0);
		client_reads(&t, buf, 5);
		assert_int_equal(SSL_shutdown(t.p.client), 0);
		assert_int_equal(send(t.p.fds[1], "USER alice\r\n", 12, 0), 12);
		while (tls_read(t.p.server, buf, sizeof(buf)) == -EAGAIN)
			fx_wait(t.p.fds[0], POLLIN);
		assert_true(tls_heard_close(t.p.server));
		fx_wait(t.p.fds[0], POLLIN);
		assert_int_equal(recv(t.p.fds[0], buf, sizeof(buf), 0), 12);
		assert_memory_equal(buf, "USER alice\r\n", 12);
		close_pair(&t);
	}
}

/* Who goes on only later must not wait for what the handshake waited for. */
static void after_success_the_same_direction_is_waited_for(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		struct pair t;
		char buf[10];

		open_pair(&t, versions[v], TLS_DATA);
		assert_int_equal(tls_write(t.p.server, "down", 4), 4);
		assert_int_equal(tls_wants(t.p.server), POLLOUT);
		client_reads(&t, buf, 4);
		assert_int_equal(SSL_write(t.p.client, "up", 2), 2);
		server_reads(&t, buf, 2);
		assert_int_equal(tls_wants(t.p.server), POLLIN);
		close_pair(&t);
	}
}

static size_t first_record(int fd)
{
	uint8_t head[5];

	fx_wait(fd, POLLIN);
	assert_int_equal(recv(fd, head, 5, MSG_PEEK), 5);
	return (size_t)head[3] << 8 | head[4];
}

/* The first byte can be shown before 16 KiB have come; later large ones cost less. */
static void records_are_small_at_first(void **state)
{
	static uint8_t data[64 * 1024], got[64 * 1024];
	struct pair t;
	size_t n = 0;

	open_pair(&t, TLS1_2_VERSION, TLS_DATA);
	assert_int_equal(tls_write(t.p.server, data, 16384), 16384);
	assert_true(first_record(t.p.fds[1]) < 4096 + 64);
	while (n < 16384)
		n += drain_client(&t, got, sizeof(got));
	assert_int_equal(tls_write(t.p.server, data, 32768), 32768);
	while (n < 16384 + 32768)
		n += drain_client(&t, got, sizeof(got));
	assert_int_equal(tls_write(t.p.server, data, 16384), 16384);
	assert_true(first_record(t.p.fds[1]) >= 16384);
	close_pair(&t);
}

static unsigned segments_out(int fd)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	return i.tcpi_data_segs_out;
}

/* On loopback each call of send(2) is a segment, as long as nothing waits. */
static void records_go_out_together_when_memory_is_lent(void **state)
{
	static uint8_t data[5 * 16384], got[2 * sizeof(data)];
	const int on = 1;

	for (int several = 0; several < 2; several++) {
		struct pair t;
		unsigned before;
		size_t n = 0;

		open_pair(&t, TLS1_3_VERSION, TLS_DATA);
		assert_int_equal(setsockopt(t.p.fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
		for (int i = 0; i < 2; i++) { /* records are small at first */
			before = segments_out(t.p.fds[0]);
			if (several)
				tls_lend(t.p.server, lent, sizeof(lent));
			assert_int_equal(tls_write(t.p.server, data, sizeof(data)), sizeof(data));
			for (; n < (size_t)(i + 1) * sizeof(data); n += drain_client(&t, got, sizeof(got)))
				fx_wait(t.p.fds[1], POLLIN);
		}
		if (!tls_ktls_tx(t.p.server)) {
			if (several)
				assert_true(segments_out(t.p.fds[0]) - before < 5);
			else
				assert_int_equal(segments_out(t.p.fds[0]) - before, 5);
		}
		close_pair(&t);
	}
}

/* Lent memory and the stack are not used after the call, whatever could not be kept of them. */
static void what_cannot_be_kept_is_not_looked_at_again(void **state)
{
	static char memory[512 * 1024];
	struct tls_out o = {0};
	int fds[2];

	fx_sockets(fds, 0);
	tls_out_begin(&o, memory, sizeof(memory));
	o.len = o.made = sizeof(memory);
	assert_int_equal(tls_out_end(&o), -ENOMEM);
	assert_null(o.data);
	assert_int_equal(tls_out_send(&o, fds[0]), 0);
	assert_int_equal(recv(fds[1], memory, sizeof(memory), MSG_DONTWAIT), -1);
	tls_out_done(&o);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

/* A peer that asks for new keys, and reads no answer. */
static void answers_that_nobody_reads_do_not_pile_up(void **state)
{
	struct pair t;
	char buf[10];
	ssize_t r;

	open_sized(&t, TLS1_3_VERSION, TLS_CONTROL, 4096);
	do {
		if (SSL_key_update(t.p.client, SSL_KEY_UPDATE_REQUESTED) == 1)
			(void)SSL_do_handshake(t.p.client);
		ERR_clear_error();
		r = tls_read(t.p.server, buf, sizeof(buf));
		assert_true(t.p.server->out.kept_size <= 256u * 1024);
	} while (r == -EAGAIN);
	assert_int_equal(r, -EPROTO);
	assert_int_equal(tls_write(t.p.server, "x", 1), -EPROTO);
	assert_non_null(tls_failure(t.p.server));
	close_pair(&t);
}

static void without_kernel_tls_files_are_not_sent_in_the_kernel(void **state)
{
	struct pair t;
	uint64_t off = 0;
	int fd = open(fx_path("rsa.pem"), O_RDONLY | O_CLOEXEC);

	open_pair(&t, TLS1_3_VERSION, TLS_CONTROL);
	assert_false(tls_ktls_tx(t.p.server));
	assert_int_equal(tls_sendfile(t.p.server, fd, &off, 10), -ENOTSUP);
	assert_int_equal(off, 0);
	close(fd);
	close_pair(&t);
}

/* In a kernel with TLS: file, bytes and close_notify in one stream of records. Needs the module "tls"; without it there is
 * nothing to test, and the names of what was tested are printed. */
static void files_are_sent_in_the_kernel_where_it_can(void **state)
{
	static const struct {
		int version;
		const char *cipher;
	} cases[] = {{TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256"},
		{TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384"},
		{TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305"}, {TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA256"},
		{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"}, {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
		{TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"}};
	const size_t total = 1u << 20;
	uint8_t *data = malloc(total), *got = malloc(total + 1);
	unsigned tested = 0;
	int fd = open(fx_path("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	make_bytes(data, total);
	assert_int_equal(fd_write_all(fd, data, total), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_config conf = fx_config();
		struct pair t = {.client = fx_client_ctx(cases[i].version)};
		size_t received = 0;
		uint64_t off = 5;
		char text[200];
		ssize_t r;

		conf.ec_cert = NULL;
		conf.ciphers = "ALL";
		t.ctx = fx_context(&conf, TLS_DATA);
		if (cases[i].version == TLS1_2_VERSION)
			SSL_CTX_set_cipher_list(t.client, cases[i].cipher);
		else
			SSL_CTX_set_ciphersuites(t.client, cases[i].cipher);
		fx_connect(&t.p, t.ctx, NULL, t.client, NULL);
		if (!tls_ktls_tx(t.p.server)) {
			close_pair(&t);
			continue;
		}
		print_message("%s\n", tls_describe_text(t.p.server, text, sizeof(text)));
		tested++;
		assert_int_equal(tls_write(t.p.server, data, 5), 5);
		while (off < total - 7) {
			r = tls_sendfile(t.p.server, fd, &off, total - 7 - off);
			assert_true(r > 0 || r == -EAGAIN);
			assert_int_equal(tls_wants(t.p.server), POLLOUT);
			received += drain_client(&t, got + received, total + 1 - received);
		}
		off = total;
		assert_int_equal(tls_sendfile(t.p.server, fd, &off, 100), 0); /* the end of the file */
		for (size_t n = total - 7; n<total; n += r> 0 ? (size_t)r : 0) {
			r = tls_write(t.p.server, data + n, total - n);
			assert_true(r > 0 || r == -EAGAIN);
			received += drain_client(&t, got + received, total + 1 - received);
		}
		while (tls_shutdown(t.p.server) == -EAGAIN)
			received += drain_client(&t, got + received, total + 1 - received);
		while (SSL_get_shutdown(t.p.client) == 0) {
			received += drain_client(&t, got + received, total + 1 - received);
			if (SSL_get_shutdown(t.p.client) == 0)
				fx_wait(t.p.fds[1], POLLIN);
		}
		assert_int_equal(received, total);
		assert_memory_equal(got, data, total);
		close_pair(&t);
	}
	close(fd);
	free(data);
	free(got);
	if (tested == 0)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_may_shrink_and_move_after_eagain),
		cmocka_unit_test(close_notify_follows_a_half_written_record),
		cmocka_unit_test(uploads_arrive_whole),
		cmocka_unit_test(what_was_read_ahead_is_pending),
		cmocka_unit_test(an_end_without_close_notify_is_told_apart),
		cmocka_unit_test(a_broken_connection_leaves_the_session_usable),
		cmocka_unit_test(garbage_is_no_handshake),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(key_updates_are_answered),
		cmocka_unit_test(new_keys_of_the_peer_are_noticed_where_the_kernel_decrypts),
		cmocka_unit_test(bytes_behind_close_notify_stay_in_the_socket),
		cmocka_unit_test(a_key_encrypts_only_so_many_records),
		cmocka_unit_test(the_kernel_is_asked_up_to_the_limit_of_a_key),
		cmocka_unit_test(after_success_the_same_direction_is_waited_for),
		cmocka_unit_test(records_are_small_at_first),
		cmocka_unit_test(files_are_sent_in_the_kernel_where_it_can),
		cmocka_unit_test(records_go_out_together_when_memory_is_lent),
		cmocka_unit_test(what_cannot_be_kept_is_not_looked_at_again),
		cmocka_unit_test(answers_that_nobody_reads_do_not_pile_up),
		cmocka_unit_test(without_kernel_tls_files_are_not_sent_in_the_kernel),
	};

	return cmocka_run_group_tests(tests, fx_start, fx_end);
}
