/* The whole process in a child, between a fake master, a fake auth and clients over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "ftp/conf.h"
#include "ipc/chan.h"
#include "login/conn.h"
#include "login/login.h"

#define WAIT_MS 60000

static struct ftp_config *config;
static struct addr server_addr;
static struct ipc_chan master, auth;
static struct ipc_scratch scratch;
static pid_t child;
static uint32_t next_sid;
static struct ftp_logfile *log_file; /* the child's, in the place of its configuration's */

/* --- fixtures --- */

static void child_run(int chan_fd, int listener, unsigned max_fds)
{
	struct proc_start start = {.role = IPC_LOGIN,
		.id = 1,
		.chan_fd = chan_fd,
		.config = config,
		.listeners = &listener,
		.n_listeners = 1};
	struct rlimit limit = {max_fds, max_fds};

	log_set_level(LOG_EMERG);
	fd_close(&master.fd);
	config->logfiles = log_file;
	if (max_fds != 0)
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	_exit(login_main(&start));
}

static int listen_on_loopback(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	addr_parse("127.0.0.1", 0, &server_addr);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &server_addr.sa, addr_len(&server_addr)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(addr_local(fd, &server_addr), 0);
	return fd;
}

static void auth_give(void)
{
	struct ipc_peer m = {.id = 2};
	int fds[2];

	ipc_chan_done(&auth);
	assert_int_equal(ipc_pair(fds), 0);
	ipc_chan_init(&auth, fds[0], IPC_AUTH, IPC_LOGIN);
	assert_int_equal(ipc_send(&master, IPC_AUTH_CHANNEL, &m, fds[1]), 0);
	fd_close(&fds[1]);
}

static void process_start(unsigned max_fds)
{
	char text[200];
	struct ftp_config_options opt = {.text = text, .name = "test.conf"};
	int fds[2], listener = listen_on_loopback();

	snprintf(text, sizeof(text), "ServerName test\nDefaultAddress 127.0.0.1\nPort %u\nTimeoutLogin 60\n",
		addr_port(&server_addr));
	assert_int_equal(ftp_config_load(&opt, 1, &config, NULL, NULL), 0);
	assert_int_equal(ipc_pair(fds), 0);
	ipc_chan_init(&master, fds[0], IPC_MASTER, IPC_LOGIN);
	ipc_chan_init(&auth, -1, IPC_AUTH, IPC_LOGIN);
	next_sid = 100;
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		child_run(fds[1], listener, max_fds);
	fd_close(&fds[1]);
	fd_close(&listener);
	auth_give();
}

static int setup(void **state)
{
	process_start(0);
	return 0;
}

/* The process ends by itself, within the time, and well. */
static void process_ends(void)
{
	uint64_t end = clock_ms() + WAIT_MS;
	int status = -1;
	pid_t r;

	while ((r = waitpid(child, &status, WNOHANG)) == 0 && clock_ms() < end)
		(void)poll(NULL, 0, 5);
	assert_int_equal(r, child);
	child = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int teardown(void **state)
{
	ipc_chan_done(&master);
	ipc_chan_done(&auth);
	if (child > 0) { /* master gone: it must go as well */
		process_ends();
	}
	ftp_config_free(config);
	return 0;
}

static void receive(struct ipc_chan *c, enum ipc_type type, struct ipc_msg *m)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(ipc_recv(c, &scratch, m), 1);
	assert_int_equal(m->permit->type, type);
}

static int client_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &server_addr.sa, addr_len(&server_addr)), 0);
	return fd;
}

/* Answer the CONNECT that is there; returns the sid. */
static uint32_t admit(uint32_t verdict, const char *text)
{
	struct ipc_msg m;
	struct ipc_admit a = {.sid = ++next_sid, .verdict = verdict, .text = text};

	receive(&master, IPC_CONNECT, &m);
	a.cid = m.connect.cid;
	assert_int_equal(ipc_send(&master, IPC_ADMIT, &a, -1), 0);
	return a.sid;
}

/* One line of the server, without CRLF; "" at the end of the connection. */
static const char *hear(int fd)
{
	static char line[2048];
	size_t n = 0;

	while (n + 1 < sizeof(line)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t k;

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		k = recv(fd, line + n, 1, 0);
		if (k <= 0 || line[n] == '\n')
			break;
		n++;
	}
	while (n > 0 && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	return line;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A greeted client. */
static int client_ready(uint32_t *ret_sid)
{
	int fd = client_connect();

	*ret_sid = admit(IPC_OK, "");
	assert_true(str_starts(hear(fd), "220 "));
	return fd;
}

/* --- tests --- */

static void a_login_passes_through_auth_and_master(void **state)
{
	struct ipc_login_result result = {.request = 1, .verdict = IPC_OK, .text = ""};
	struct ipc_msg m;
	uint32_t sid;
	int fd = client_ready(&sid), session;

	say(fd, "USER alice\r\n");
	assert_string_equal(hear(fd), "331 Password required for alice");
	say(fd, "PASS secret\r\nPWD\r\n");
	receive(&auth, IPC_AUTH_REQUEST, &m);
	assert_int_equal(m.auth_request.sid, sid);
	assert_string_equal(m.auth_request.password, "secret");
	result.sid = sid;
	assert_int_equal(ipc_send(&master, IPC_LOGIN_RESULT, &result, -1), 0);
	receive(&master, IPC_HANDOFF, &m);
	assert_int_equal(m.handoff.sid, sid);
	assert_int_equal(m.handoff.input.len, 5);
	assert_memory_equal(m.handoff.input.data, "PWD\r\n", 5);
	session = ipc_msg_take_fd(&m);
	say(session, "230 hello\r\n");
	assert_string_equal(hear(fd), "230 hello");
	fd_close(&session); /* the last end: login has let go of it */
	assert_string_equal(hear(fd), "");
	fd_close(&fd);
}

static void a_wrong_password_is_answered_after_a_while(void **state)
{
	struct ipc_auth_failed failed = {.request = 1, .reason = IPC_AUTH_BAD_PASSWORD};
	struct ipc_msg m;
	uint32_t sid;
	uint64_t before;
	int fd = client_ready(&sid);

	before = clock_ms();
	say(fd, "USER alice\r\nPASS wrong\r\n");
	receive(&auth, IPC_AUTH_REQUEST, &m);
	failed.sid = sid;
	assert_int_equal(ipc_send(&auth, IPC_AUTH_FAILED, &failed, -1), 0);
	assert_string_equal(hear(fd), "331 Password required for alice");
	assert_string_equal(hear(fd), "530 Login incorrect.");
	assert_true(clock_ms() - before >= 450);
	fd_close(&fd);
	receive(&master, IPC_DISCONNECT, &m);
	assert_int_equal(m.disconnect.sid, sid);
}

static void a_dying_auth_fails_its_logins_and_the_next_one_serves(void **state)
{
	struct ipc_msg m;
	uint32_t sid;
	int fd = client_ready(&sid);

	say(fd, "USER alice\r\nPASS one\r\n");
	receive(&auth, IPC_AUTH_REQUEST, &m);
	ipc_chan_done(&auth);
	assert_string_equal(hear(fd), "331 Password required for alice");
	assert_string_equal(hear(fd), "530 Login incorrect.");
	say(fd, "USER alice\r\nPASS two\r\n");
	assert_string_equal(hear(fd), "331 Password required for alice");
	auth_give();
	receive(&auth, IPC_AUTH_REQUEST, &m);
	assert_string_equal(m.auth_request.password, "two");
	assert_int_equal(m.auth_request.request, 2);
	fd_close(&fd);
}

static void a_refusal_is_read_even_by_clients_that_have_sent_more(void **state)
{
	int fd = client_connect();
	uint64_t before;

	say(fd, "USER alice\r\nPASS x\r\n");
	(void)admit(IPC_REFUSE_TEXT, "530 Sorry");
	assert_string_equal(hear(fd), "530 Sorry");
	before = clock_ms();
	assert_string_equal(hear(fd), "");
	assert_true(clock_ms() - before < LOGIN_LINGER_MS); /* our side ends at once */
	fd_close(&fd);
}

static void clients_that_go_before_they_are_admitted_are_reported(void **state)
{
	struct linger reset = {1, 0};
	struct ipc_msg m;
	uint32_t sid;
	int fd = client_connect();

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	fd_close(&fd);
	sid = admit(IPC_OK, "");
	receive(&master, IPC_DISCONNECT, &m);
	assert_int_equal(m.disconnect.sid, sid);
}

static void a_half_closed_client_is_answered(void **state)
{
	uint32_t sid;
	int fd = client_ready(&sid);

	say(fd, "NOOP\r\nSYST\r\n");
	shutdown(fd, SHUT_WR);
	assert_string_equal(hear(fd), "200 NOOP command successful");
	assert_string_equal(hear(fd), "215 UNIX Type: L8");
	assert_string_equal(hear(fd), "");
	fd_close(&fd);
}

static void a_client_that_never_reads_does_not_stop_others(void **state)
{
	static char flood[65536];
	uint32_t sid;
	int deaf = client_ready(&sid), fd;
	ssize_t k;

	memset(flood, '\n', sizeof(flood));
	for (size_t i = 0; i + 6 <= sizeof(flood); i += 6)
		memcpy(flood + i, "HELP\r\n", 6);
	do
		k = send(deaf, flood, sizeof(flood), MSG_NOSIGNAL | MSG_DONTWAIT);
	while (k > 0);
	assert_int_equal(errno, EAGAIN);
	fd = client_ready(&sid);
	say(fd, "NOOP\r\n");
	assert_string_equal(hear(fd), "200 NOOP command successful");
	fd_close(&fd);
	fd_close(&deaf);
}

static void retiring_waits_for_the_clients(void **state)
{
	struct ipc_retire retire = {.now = false, .text = ""};
	uint32_t sid;
	int fd = client_ready(&sid), late;

	assert_int_equal(ipc_send(&master, IPC_RETIRE, &retire, -1), 0);
	say(fd, "NOOP\r\n");
	assert_string_equal(hear(fd), "200 NOOP command successful");
	late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		connect(late, &server_addr.sa, addr_len(&server_addr)), -1); /* nobody listens any more */
	fd_close(&late);
	say(fd, "QUIT\r\n");
	assert_string_equal(hear(fd), "221 Goodbye.");
	fd_close(&fd);
	process_ends();
}

static void retiring_at_once_tells_the_clients(void **state)
{
	struct ipc_retire retire = {.now = true, .text = "Going down"};
	uint32_t sid;
	int fd = client_ready(&sid);

	assert_int_equal(ipc_send(&master, IPC_RETIRE, &retire, -1), 0);
	assert_string_equal(hear(fd), "421 Going down");
	assert_string_equal(hear(fd), "");
	fd_close(&fd);
	process_ends();
}

static void it_ends_with_master(void **state)
{
	uint32_t sid;
	int fd = client_ready(&sid);

	ipc_chan_done(&master);
	assert_string_equal(hear(fd), "");
	fd_close(&fd);
	process_ends();
}

static void out_of_descriptors_new_clients_are_turned_away(void **state)
{
	int fds[40], n = 0;

	ipc_chan_done(&master); /* that one had enough */
	process_ends();
	ftp_config_free(config);
	process_start(40);
	/* clients stay unadmitted: each costs the process one descriptor */
	for (n = 0; n < 40; n++)
		fds[n] = client_connect();
	/* the first ones wait for their ADMIT, the last ones found no room */
	for (int i = n - 10; i < n; i++)
		assert_string_equal(hear(fds[i]), "421 Service not available, too many connections");
	assert_int_equal(poll(&(struct pollfd){.fd = fds[0], .events = POLLIN}, 1, 0), 0);
	(void)admit(IPC_OK, "");
	assert_true(str_starts(hear(fds[0]), "220 "));
	for (int i = 0; i < n; i++)
		fd_close(&fds[i]);
}

static void log_files_are_replaced_in_place(void **state)
{
	struct ipc_log_reopen reopen = {.index = 4};
	struct ftp_logfile file = {.index = 4};
	int old[2], new[2];
	char byte;

	ipc_chan_done(&master);
	process_ends();
	ftp_config_free(config);
	assert_int_equal(pipe(old), 0);
	assert_int_equal(pipe(new), 0);
	file.fd = old[1];
	log_file = &file;
	process_start(0);
	log_file = NULL;
	fd_close(&old[1]);
	/* The child holds the other end of the old pipe until the new one is put over it. */
	assert_int_equal(ipc_send(&master, IPC_LOG_REOPEN, &reopen, new[1]), 0);
	assert_int_equal(read(old[0], &byte, 1), 0);
	fd_close(&old[0]);
	fd_close(&new[0]);
	fd_close(&new[1]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_login_passes_through_auth_and_master),
		T(a_wrong_password_is_answered_after_a_while),
		T(a_dying_auth_fails_its_logins_and_the_next_one_serves),
		T(a_refusal_is_read_even_by_clients_that_have_sent_more),
		T(clients_that_go_before_they_are_admitted_are_reported),
		T(a_half_closed_client_is_answered),
		T(a_client_that_never_reads_does_not_stop_others),
		T(retiring_waits_for_the_clients),
		T(retiring_at_once_tells_the_clients),
		T(it_ends_with_master),
		T(log_files_are_replaced_in_place),
		T(out_of_descriptors_new_clients_are_turned_away),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
