/* The auth process as a whole: the test is master, login processes and session processes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/auth_test_fixture.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "ftp/conf.h"
#include "ipc/chan.h"
#include "log/log_file.h"

#define WAIT_MS 60000

static pid_t pid;
static struct ftp_config *config;
static struct ipc_chan master;
static struct ipc_scratch scratch;
static int confined;

static int confine(const struct proc_start *start, int root_fd, struct err *err)
{
	confined = root_fd;
	return 0;
}

static int setup(void **state)
{
	struct proc_start start = {.role = IPC_AUTH, .id = 1, .can_switch_uid = true, .confine = confine};
	char text[600];
	int fds[2];

	if (fixture_setup(state) < 0)
		return -1;
	(void)snprintf(text, sizeof(text), "alice:%s:1001:1001::/home/alice:\nbob:%s:1002:1002::/home/bob:\n",
		fixture_hash("alicepw"), fixture_hash("bobpw"));
	(void)fixture_file("users", text, 0600);
	(void)fixture_file("groups", "staff:x:2000:alice\n", 0600);
	config = fixture_config("AuthUserFile @D/users\nAuthGroupFile @D/groups\nAuthOrder mod_auth_file.c\n"
				"RequireValidShell off\nUseFtpUsers off\nTransferLog @D/xferlog\n");
	if (ipc_pair(fds) < 0)
		return -1;
	config->logfiles->fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		fd_close(&fds[0]);
		start.chan_fd = fds[1];
		start.config = config;
		confined = 0;
		int status = auth_main(&start);

		ftp_config_free(config);
		exit(confined == -1 ? status : 9); /* a leak makes it another status under ASan */
	}
	fd_close(&fds[1]);
	ipc_chan_init(&master, fds[0], IPC_MASTER, IPC_AUTH);
	return pid > 0 ? 0 : -1;
}

/* The exit status of auth, which must end by itself. */
static int ended(void)
{
	uint64_t end = clock_ms() + WAIT_MS;
	int status = 0;
	pid_t r;

	while ((r = waitpid(pid, &status, WNOHANG)) == 0 && clock_ms() < end)
		usleep(2000);
	if (r == 0)
		return -1;
	pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int teardown(void **state)
{
	int status;

	ipc_chan_done(&master); /* master is gone */
	status = pid > 0 ? ended() : 0;
	if (status == -1 && pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	fd_close(&config->logfiles->fd);
	ftp_config_free(config);
	return fixture_teardown(state) != 0 || status != 0 ? -1 : 0;
}

/* A login or session process that auth has been told of. */
static void connect_peer(enum ipc_role role, struct ipc_chan *ret_c)
{
	struct ipc_peer who = {.id = 42};
	int fds[2];

	assert_int_equal(ipc_pair(fds), 0);
	assert_int_equal(
		ipc_send(&master, role == IPC_LOGIN ? IPC_AUTH_PEER : IPC_NAMES_PEER, &who, fds[1]), 0);
	fd_close(&fds[1]);
	ipc_chan_init(ret_c, fds[0], role, IPC_AUTH);
}

/* The next message, or what ipc_recv() says at the end. */
static int receive(struct ipc_chan *c, struct ipc_msg *m)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	int r;

	while ((r = ipc_recv(c, &scratch, m)) == 0) {
		if (poll(&p, 1, WAIT_MS) <= 0)
			return -ETIMEDOUT;
	}
	return r;
}

static void ask(struct ipc_chan *c, uint32_t sid, const char *user, const char *password)
{
	struct ipc_auth_request q = {
		.sid = sid, .request = 1, .user = user, .password = password, .client_name = ""};

	(void)addr_parse("192.0.2.1", 40000, &q.client);
	(void)addr_parse("127.0.0.1", 21, &q.local);
	assert_int_equal(ipc_send(c, IPC_AUTH_REQUEST, &q, -1), 0);
}

static void a_grant_goes_to_master_and_a_failure_to_login(void **state)
{
	struct ipc_chan login;
	struct ipc_msg m;

	connect_peer(IPC_LOGIN, &login);
	ask(&login, 11, "alice", "alicepw");
	assert_int_equal(receive(&master, &m), 1);
	assert_int_equal(m.permit->type, IPC_GRANT);
	assert_int_equal(m.grant.sid, 11);
	assert_string_equal(m.grant.user, "alice");
	assert_string_equal(m.grant.group_names, "1001\nstaff");
	ask(&login, 12, "alice", "wrong");
	assert_int_equal(receive(&login, &m), 1);
	assert_int_equal(m.permit->type, IPC_AUTH_FAILED);
	assert_int_equal(m.auth_failed.sid, 12);
	assert_int_equal(m.auth_failed.request, 1);
	assert_int_equal(m.auth_failed.reason, IPC_AUTH_BAD_PASSWORD);
	ipc_chan_done(&login);
}

static void many_requests_are_answered_each_to_its_process(void **state)
{
	struct ipc_chan a, b;
	struct ipc_msg m;
	unsigned grants = 0;

	connect_peer(IPC_LOGIN, &a);
	connect_peer(IPC_LOGIN, &b);
	for (uint32_t i = 0; i < 50; i++) {
		ask(&a, 100 + i, "alice", i % 2 != 0 ? "alicepw" : "no");
		ask(&b, 200 + i, "nobody", "x");
	}
	for (unsigned i = 0; i < 25; i++) {
		assert_int_equal(receive(&a, &m), 1);
		assert_in_range(m.auth_failed.sid, 100, 149);
		assert_int_equal(receive(&master, &m), 1);
		grants += m.grant.sid % 2 == 1;
	}
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(receive(&b, &m), 1);
		assert_int_equal(m.auth_failed.reason, IPC_AUTH_NO_USER);
		assert_in_range(m.auth_failed.sid, 200, 249);
	}
	assert_int_equal(grants, 25);
	ipc_chan_done(&a);
	ipc_chan_done(&b);
}

static void names_are_told_to_session_processes(void **state)
{
	static const struct {
		uint32_t kind, id, server;
		const char *name;
		bool found;
		uint32_t ret_id;
		const char *ret_name;
	} rows[] = {{IPC_NAME_OF_UID, 1001, 0, "", true, 0, "alice"},
		{IPC_NAME_OF_UID, 5, 0, "", false, 0, ""}, {IPC_NAME_OF_GID, 2000, 0, "", true, 0, "staff"},
		{IPC_UID_OF_NAME, 0, 0, "bob", true, 1002, ""},
		{IPC_GID_OF_NAME, 0, 0, "staff", true, 2000, ""},
		{IPC_GID_OF_NAME, 0, 0, "bob", false, 0, ""},
		{IPC_HOME_OF_NAME, 0, 0, "bob", true, 0, "/home/bob"},
		{IPC_HOME_OF_NAME, 0, 0, "nobody", false, 0, ""}, {99, 0, 0, "bob", false, 0, ""},
		{IPC_NAME_OF_UID, 1001, 7, "", true, 0, "alice"}};
	struct ipc_chan c;
	struct ipc_msg m;

	connect_peer(IPC_SESSION, &c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipc_name_request q = {.kind = rows[i].kind,
			.id = rows[i].id,
			.server = rows[i].server,
			.name = rows[i].name};

		assert_int_equal(ipc_call(&c, IPC_NAME_REQUEST, &q, &scratch, &m, WAIT_MS), 0);
		assert_int_equal(m.name_reply.found, rows[i].found);
		assert_int_equal(m.name_reply.id, rows[i].ret_id);
		assert_string_equal(m.name_reply.name, rows[i].ret_name);
	}
	ipc_chan_done(&c);
}

/* Its channel is closed, the others go on. */
static void who_asks_for_what_it_may_not_is_dropped(void **state)
{
	static const struct {
		enum ipc_role role;
		uint32_t type;
	} rows[] = {{IPC_LOGIN, IPC_NAME_REQUEST}, {IPC_LOGIN, IPC_GRANT}, {IPC_LOGIN, IPC_AUTH_PEER},
		{IPC_LOGIN, IPC_RETIRE}, {IPC_SESSION, IPC_AUTH_REQUEST}, {IPC_SESSION, 999},
		{IPC_SESSION, 0}, {IPC_LOGIN, IPC_AUTH_REQUEST}}; /* the last two words: malformed */
	struct ipc_chan good;
	struct ipc_msg m;

	connect_peer(IPC_LOGIN, &good);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipc_chan c;
		uint32_t packet[8] = {rows[i].type};

		connect_peer(rows[i].role, &c);
		assert_int_equal(send(c.fd, packet, sizeof(packet), MSG_NOSIGNAL), sizeof(packet));
		assert_int_equal(receive(&c, &m), -WE_CLOSED);
		ipc_chan_done(&c);
		ask(&good, 5, "bob", "bobpw");
		assert_int_equal(receive(&master, &m), 1);
		assert_string_equal(m.grant.user, "bob");
	}
	ipc_chan_done(&good);
}

static int fds_of(pid_t of)
{
	char path[64];
	DIR *dir;
	int n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)of);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

/* All that was sent before has been handled when this returns. */
static void settle(void)
{
	struct ipc_chan c;
	struct ipc_msg m;

	connect_peer(IPC_LOGIN, &c);
	ask(&c, 1, "bob", "no");
	assert_int_equal(receive(&c, &m), 1);
	ipc_chan_done(&c);
}

/* Peers that have gone are closed soon, not at once. */
static void has_at_most(int n)
{
	uint64_t end = clock_ms() + WAIT_MS;

	do
		settle();
	while (fds_of(pid) > n && clock_ms() < end);
	assert_true(fds_of(pid) <= n);
}

static void peers_may_go_while_their_jobs_run(void **state)
{
	struct ipc_msg m;
	int before;

	settle();
	before = fds_of(pid);
	for (unsigned i = 0; i < 40; i++) {
		struct ipc_chan login, session;
		struct ipc_name_request q = {.kind = IPC_NAME_OF_UID, .id = 1001, .name = ""};

		connect_peer(IPC_LOGIN, &login);
		connect_peer(IPC_SESSION, &session);
		ask(&login, 2, "alice", "alicepw");
		ask(&login, 1, "alice", "wrong");
		assert_int_equal(ipc_send(&session, IPC_NAME_REQUEST, &q, -1), 0);
		ipc_chan_done(&login);
		ipc_chan_done(&session);
	}
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(receive(&master, &m), 1);
		assert_int_equal(m.grant.sid, 2); /* master knows best that the client is gone */
	}
	has_at_most(before);
}

static void it_ends_when_master_goes_in_the_middle_of_jobs(void **state)
{
	struct ipc_chan login;

	connect_peer(IPC_LOGIN, &login);
	for (unsigned i = 0; i < 30; i++)
		ask(&login, i, "alice", "alicepw");
	ipc_chan_done(&master);
	assert_int_equal(ended(), 0);
	ipc_chan_done(&login);
}

static void it_ends_when_retired(void **state)
{
	struct ipc_retire q = {.now = true, .text = ""};
	struct ipc_chan login;

	connect_peer(IPC_LOGIN, &login);
	ask(&login, 1, "alice", "alicepw");
	assert_int_equal(ipc_send(&master, IPC_RETIRE, &q, -1), 0);
	assert_int_equal(ended(), 0);
	ipc_chan_done(&login);
}

static void log_files_are_replaced_and_others_closed(void **state)
{
	struct ipc_log_reopen q = {.index = config->logfiles->index};
	auto_fd int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int before;

	settle();
	before = fds_of(pid);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ipc_send(&master, IPC_LOG_REOPEN, &q, fd), 0);
		q.index = 99;
	}
	has_at_most(before);
}

/* A process that asks without end fills its own memory, not auth's. */
static void flood_waits_with_its_sender(void **state)
{
	char password[401]; /* crypt(3) takes 512 */
	struct ipc_chan login;

	memset(password, 'x', sizeof(password) - 1);
	password[sizeof(password) - 1] = '\0';
	connect_peer(IPC_LOGIN, &login);
	for (uint32_t i = 1; i <= 4000; i++)
		ask(&login, i, "alice", password);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(ipc_chan_flush(&login), 0);
		usleep(10000);
	}
	assert_true(ipc_chan_wants_write(&login));
	ipc_chan_done(&login);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(flood_waits_with_its_sender),
		T(a_grant_goes_to_master_and_a_failure_to_login),
		T(many_requests_are_answered_each_to_its_process),
		T(names_are_told_to_session_processes),
		T(who_asks_for_what_it_may_not_is_dropped),
		T(peers_may_go_while_their_jobs_run),
		T(it_ends_when_master_goes_in_the_middle_of_jobs),
		T(it_ends_when_retired),
		T(log_files_are_replaced_and_others_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
