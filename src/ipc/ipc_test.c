#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "ipc/chan.h"

static struct ipc_scratch scratch;

static void channels(struct ipc_chan *a, enum ipc_role ra, struct ipc_chan *b, enum ipc_role rb)
{
	int fds[2];

	assert_int_equal(ipc_pair(fds), 0);
	ipc_chan_init(a, fds[0], ra, rb);
	ipc_chan_init(b, fds[1], rb, ra);
}

static void a_grant_arrives_as_it_was_sent(void **state)
{
	uint32_t groups[] = {5, 4294967294u};
	struct ipc_grant g = {.sid = 7,
		.request = 1,
		.user = "alice",
		.sent_user = "ALICE",
		.email = "",
		.uid = 1000,
		.gid = 1001,
		.groups = {groups, 2},
		.group_names = "users",
		.home = "/home/alice",
		.root = "/",
		.chdir = ""};
	struct ipc_chan auth, master;
	struct ipc_msg m;

	channels(&auth, IPC_AUTH, &master, IPC_MASTER);
	assert_int_equal(ipc_recv(&master, &scratch, &m), 0);
	assert_int_equal(ipc_send(&auth, IPC_GRANT, &g, -1), 0);
	assert_int_equal(ipc_recv(&master, &scratch, &m), 1);
	assert_int_equal(m.permit->type, IPC_GRANT);
	assert_string_equal(m.grant.user, "alice");
	assert_string_equal(m.grant.home, "/home/alice");
	assert_int_equal(m.grant.groups.n, 2);
	assert_true(m.grant.groups.v[1] == 4294967294u);
	ipc_chan_done(&auth);
	assert_int_equal(ipc_recv(&master, &scratch, &m), -WE_CLOSED);
	ipc_chan_done(&master);
}

static void group_names_may_have_blanks(void **state)
{
	char names[] = "staff\ndomain users\n\nx", none[] = "";
	const char *list[4];

	assert_int_equal(ipc_group_names_most(names), 4);
	assert_int_equal(ipc_group_names(names, list), 3);
	assert_string_equal(list[0], "staff");
	assert_string_equal(list[1], "domain users");
	assert_string_equal(list[2], "x");
	assert_true(ipc_group_names_most(none) >= 1);
	assert_int_equal(ipc_group_names(none, list), 0);
}

static char *text_of(size_t n)
{
	char *s = xmalloc(n + 1);

	memset(s, 'x', n);
	s[n] = '\0';
	return s;
}

/* What clients and administrators can bring about, all at once. */
static void a_session_start_with_everything_at_its_maximum_arrives(void **state)
{
	static uint32_t ids[IPC_IDS_MAX];
	char *path = text_of(4095), *name = text_of(256), *line = text_of(1024), *bytes = text_of(65536),
	     *names = text_of(IPC_GROUP_NAMES_MAX), *env = text_of(8192);
	struct ipc_session_start start = {.grant = {.user = name,
						  .sent_user = name,
						  .email = line,
						  .groups = {ids, IPC_IDS_MAX},
						  .group_names = names,
						  .home = path,
						  .root = path,
						  .chdir = path,
						  .class_name = name},
		.handoff = {.clnt = line,
			.client_name = name,
			.input = {(uint8_t *)bytes, 65536},
			.tls_env = env,
			.tls_sessions = {(uint8_t *)bytes, 24 * 1024},
			.tls_peer = {(uint8_t *)bytes, 32}},
		.class_name = name};
	struct ipc_chan master, session;
	struct ipc_msg m;
	int fds[2];

	(void)addr_parse("127.0.0.1", 21, &start.peer);
	start.local = start.peer;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	channels(&master, IPC_MASTER, &session, IPC_SESSION);
	assert_int_equal(ipc_send(&master, IPC_SESSION_START, &start, fds[0]), 0);
	assert_int_equal(ipc_recv(&session, &scratch, &m), 1);
	assert_string_equal(m.session_start.grant.group_names, names);
	assert_int_equal(m.session_start.handoff.input.len, 65536);
	close(m.fd);
	close(fds[0]);
	close(fds[1]);
	ipc_chan_done(&master);
	ipc_chan_done(&session);
	free(path);
	free(name);
	free(line);
	free(bytes);
	free(names);
	free(env);
}

static void a_descriptor_travels_and_none_leaks(void **state)
{
	struct ipc_handoff h = {.sid = 3, .clnt = "", .client_name = "", .input = {"NOOP\r\n", 6}};
	struct ipc_chan login, master;
	struct ipc_msg m;
	int before = fd_count(), fd;

	channels(&login, IPC_LOGIN, &master, IPC_MASTER);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ipc_send(&login, IPC_HANDOFF, &h, fd), 0);
	assert_int_equal(ipc_recv(&master, &scratch, &m), 1);
	assert_true(m.fd >= 0 && m.fd != fd);
	assert_int_equal(m.handoff.input.len, 6);
	assert_memory_equal(m.handoff.input.data, "NOOP\r\n", 6);
	ipc_msg_done(&m);
	fd_close(&fd);
	ipc_chan_done(&login);
	ipc_chan_done(&master);
	assert_int_equal(fd_count(), before);
}

/* Raw bytes from a peer that does not follow the rules. */
static int raw(enum ipc_role from, enum ipc_role to, const void *data, size_t len)
{
	struct ipc_chan a, b;
	struct ipc_msg m;
	int r;

	channels(&a, from, &b, to);
	assert_int_equal(send(a.fd, data, len, 0), (ssize_t)len);
	r = ipc_recv(&b, &scratch, &m);
	if (r == 1)
		ipc_msg_done(&m);
	ipc_chan_done(&a);
	ipc_chan_done(&b);
	return r;
}

static void every_wrong_sender_is_refused(void **state)
{
	unsigned type, from, to, accepted = 0;

	for (type = 1; type < IPC_TYPE_COUNT; type++) {
		const struct ipc_permit *p = ipc_permit_find(type);

		assert_non_null(p);
		assert_int_equal(p->type, type);
		assert_true(p->size <= sizeof(struct ipc_msg));
		for (from = 0; from < IPC_ROLE_COUNT; from++) {
			for (to = 0; to < IPC_ROLE_COUNT; to++) {
				unsigned char packet[4096] = {(unsigned char)type};
				int r = raw(from, to, packet, 4);

				assert_int_equal(r, -WE_PERMIT); /* no fields: never valid */
			}
		}
		accepted++;
	}
	assert_int_equal(accepted, IPC_TYPE_COUNT - 1);
	assert_null(ipc_permit_find(0));
	assert_null(ipc_permit_find(IPC_TYPE_COUNT));
}

static void a_valid_message_from_the_wrong_role_is_refused(void **state)
{
	unsigned char sid[8] = {IPC_DISCONNECT, 0, 0, 0, 1, 0, 0, 0};

	assert_int_equal(raw(IPC_LOGIN, IPC_MASTER, sid, 8), 1);
	assert_int_equal(raw(IPC_SESSION, IPC_MASTER, sid, 8), -WE_PERMIT);
	assert_int_equal(raw(IPC_LOGIN, IPC_AUTH, sid, 8), -WE_PERMIT);
	assert_int_equal(raw(IPC_LOGIN, IPC_MASTER, sid, 7), -WE_PERMIT);
	assert_int_equal(raw(IPC_LOGIN, IPC_MASTER, sid, 3), -WE_PERMIT);
}

static void fields_over_their_maximum_are_refused(void **state)
{
	struct ipc_auth_failed f = {1, 2, 3};
	struct ipc_kick k = {.sid = 1};
	struct ipc_chan master, session;
	char text[2000];
	struct buf b;

	memset(text, 'x', sizeof(text));
	text[1999] = '\0';
	k.text = text;
	channels(&master, IPC_MASTER, &session, IPC_SESSION);
	assert_int_equal(ipc_send(&master, IPC_KICK, &k, -1), -EMSGSIZE);
	ipc_chan_done(&master);
	ipc_chan_done(&session);

	buf_init(&b, 100);
	assert_int_equal(ipc_encode(ipc_permit_find(IPC_AUTH_FAILED)->fields, &f, &b), 0);
	assert_int_equal(
		ipc_decode(ipc_permit_find(IPC_AUTH_FAILED)->fields, b.data, b.len, &scratch, &f), 0);
	assert_int_equal(f.reason, 3);
	assert_int_equal(
		ipc_decode(ipc_permit_find(IPC_AUTH_FAILED)->fields, b.data, b.len - 1, &scratch, &f),
		-WE_SYNTAX);
	assert_int_equal(buf_putc(&b, 0), 0);
	assert_int_equal(ipc_decode(ipc_permit_find(IPC_AUTH_FAILED)->fields, b.data, b.len, &scratch, &f),
		-WE_SYNTAX);
	buf_done(&b);
}

static void a_full_socket_queues_and_keeps_the_order(void **state)
{
	struct ipc_chan login, master;
	struct ipc_disconnect d;
	struct ipc_msg m;
	uint32_t sent = 0, got = 0;

	channels(&login, IPC_LOGIN, &master, IPC_MASTER);
	while (!ipc_chan_wants_write(&login) || sent < 2000) {
		d.sid = ++sent;
		assert_int_equal(ipc_send(&login, IPC_DISCONNECT, &d, -1), 0);
		assert_in_range(sent, 1, 100000);
	}
	while (got < sent) {
		int r = ipc_recv(&master, &scratch, &m);

		assert_true(r >= 0);
		if (r == 1)
			assert_int_equal(m.disconnect.sid, ++got);
		assert_int_equal(ipc_chan_flush(&login), 0);
	}
	assert_false(ipc_chan_wants_write(&login));
	login.queue_max = 0;
	ipc_chan_done(&master);
	assert_int_equal(ipc_send(&login, IPC_DISCONNECT, &d, -1), -WE_CLOSED);
	ipc_chan_done(&login);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_arrives_as_it_was_sent),
		cmocka_unit_test(group_names_may_have_blanks),
		cmocka_unit_test(a_session_start_with_everything_at_its_maximum_arrives),
		cmocka_unit_test(a_descriptor_travels_and_none_leaks),
		cmocka_unit_test(every_wrong_sender_is_refused),
		cmocka_unit_test(a_valid_message_from_the_wrong_role_is_refused),
		cmocka_unit_test(fields_over_their_maximum_are_refused),
		cmocka_unit_test(a_full_socket_queues_and_keeps_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
