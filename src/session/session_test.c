/* A whole session process, forked, with this test as its master and as its client: over loopback, in a
 * temporary directory. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "ftp/conf.h"
#include "ftp/verb.h"
#include "ipc/chan.h"
#include "session/proc.h"

#define WAIT_MS 60000 /* for anything that should happen at once */
#define BIG     (24 * 1024 * 1024)

struct fake {
	char dir[64];
	struct ftp_config *config;
	struct ipc_chan chan;
	struct ipc_scratch *scratch;
	pid_t pid;
	uint32_t sid;
	int verdict;    /* answer to the next claims */
	unsigned ended; /* SESSION_END messages */
	int back_fd;    /* of REIN */
	unsigned claims, releases;
};

struct client {
	struct fake *f;
	int fd;
	char in[65536];
	size_t len;
	char line[4096];
	uint16_t data_port;
};

/* --- the process --- */

static void load_config(struct fake *f, const char *more)
{
	struct ftp_config_options opt = {.name = "test", .family = AF_UNSPEC};
	struct err err = ERR_INIT;
	char *text = xasprintf("ServerName test\nPort 2121\n%s\n", more);
	int r;

	opt.text = text;
	r = ftp_config_load(&opt, 1, &f->config, NULL, &err);
	if (r < 0)
		fail_msg("config: %s", err.text);
	free(text);
}

static void fake_start(struct fake *f, const char *config)
{
	struct proc_start start = {.role = IPC_SESSION, .id = 1, .user = "tester", .root = f->dir};
	int fds[2];

	load_config(f, config);
	assert_int_equal(ipc_pair(fds), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		fd_close(&fds[0]);
		start.chan_fd = fds[1];
		start.config = f->config;
		log_set_level(LOG_ERR);
		if (getenv("SESSION_DEBUG"))
			log_set_debug(10);
		if (getenv("SESSION_DEBUG"))
			log_set_level(LOG_DEBUG);
		_exit(session_main(&start));
	}
	fd_close(&fds[1]);
	ipc_chan_init(&f->chan, fds[0], IPC_MASTER, IPC_SESSION);
	f->scratch = xcalloc(1, sizeof *f->scratch);
}

/* Serve what the process asks of its master. */
static void fake_serve(struct fake *f)
{
	struct ipc_xfer_verdict verdict = {0};
	struct ipc_msg m;

	while (ipc_recv(&f->chan, f->scratch, &m) > 0) {
		if (m.permit->type == IPC_SESSION_END)
			f->ended++;
		else if (m.permit->type == IPC_REIN) {
			assert_int_equal(m.rein.input.len, 6);
			assert_memory_equal(m.rein.input.data, "NOOP\r\n", 6);
			f->back_fd = ipc_msg_take_fd(&m);
		} else if (m.permit->type == IPC_XFER_DONE)
			f->releases++;
		else if (m.permit->type == IPC_XFER_CLAIM) {
			f->claims++;
			verdict.sid = m.xfer_claim.sid;
			verdict.refused = (uint32_t)f->verdict;
			assert_int_equal(ipc_send(&f->chan, IPC_XFER_VERDICT, &verdict, -1), 0);
		}
		ipc_msg_done(&m);
	}
}

static int fake_setup(void **state)
{
	struct fake *f = xcalloc(1, sizeof *f);

	(void)strcpy(f->dir, "/tmp/wherry-session-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	*state = f;
	return 0;
}

static void fake_stop(struct fake *f)
{
	struct ipc_retire m = {.now = true, .text = "421 the end"};
	int status;

	assert_int_equal(ipc_send(&f->chan, IPC_RETIRE, &m, -1), 0);
	for (int i = 0; i < WAIT_MS / 10; i++) {
		fake_serve(f);
		if (waitpid(f->pid, &status, WNOHANG) == f->pid) {
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), 0);
			f->pid = 0;
			break;
		}
		(void)usleep(10000);
	}
	if (f->pid) {
		(void)kill(f->pid, SIGKILL);
		(void)waitpid(f->pid, &status, 0);
		fail_msg("the process did not end");
	}
	ipc_chan_done(&f->chan);
}

static int fake_teardown(void **state)
{
	struct fake *f = *state;
	char cmd[128];
	int status;

	if (f->pid > 0) {
		(void)kill(f->pid, SIGKILL);
		(void)waitpid(f->pid, &status, 0);
	}
	free(f->scratch);
	ftp_config_free(f->config);
	(void)snprintf(cmd, sizeof cmd, "rm -rf %s", f->dir);
	assert_int_equal(system(cmd), 0);
	free(f);
	return 0;
}

static void file_put(struct fake *f, const char *name, const void *data, size_t n)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, n), 0);
	fd_close(&fd);
}

static char *file_get(struct fake *f, const char *name, size_t *ret_len)
{
	char path[256], *text = NULL;
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return NULL;
	assert_int_equal(fd_read_all(fd, 64 * 1024 * 1024, &text, ret_len), 0);
	fd_close(&fd);
	return text;
}

/* Longer, without taking room. */
static void file_grow(struct fake *f, const char *name, off_t size)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
	assert_int_equal(truncate(path, size), 0);
}

static void assert_file(struct fake *f, const char *name, const char *want)
{
	size_t len;
	char *got = file_get(f, name, &len);

	if (!want)
		assert_null(got);
	else {
		assert_non_null(got);
		assert_string_equal(got, want);
	}
	free(got);
}

/* Until it has that many bytes. */
static void wait_file(struct fake *f, const char *name, size_t size)
{
	uint64_t until = clock_ms() + WAIT_MS;
	size_t len = 0;

	do {
		(void)usleep(1000);
		free(file_get(f, name, &len));
	} while (len < size && clock_ms() < until);
}

static char *big_data(void)
{
	char *p = xmalloc(BIG);

	for (size_t i = 0; i < BIG; i++)
		p[i] = (char)(i * 2654435761u >> 13);
	return p;
}

/* --- the client --- */

/* Wait for fd while serving the process. */
static void wait_fd(struct fake *f, int fd, short events)
{
	uint64_t until = clock_ms() + WAIT_MS;

	while (clock_ms() < until) {
		struct pollfd p[2] = {{.fd = fd, .events = events}, {.fd = f->chan.fd, .events = POLLIN}};

		(void)poll(p, 2, 200);
		if (p[1].revents)
			fake_serve(f);
		if (p[0].revents)
			return;
	}
	fail_msg("nothing happened in %d ms", WAIT_MS);
}

static int tcp_pair(int fds[2], struct addr *ret_client)
{
	struct addr a;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(addr_parse("127.0.0.1", 0, &a), 0);
	assert_int_equal(bind(l, &a.sa, addr_len(&a)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(addr_local(l, &a), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[0], &a.sa, addr_len(&a)), 0);
	fds[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	assert_int_equal(addr_local(fds[0], ret_client), 0);
	fd_close(&l);
	return 0;
}

static struct client *client_new(struct fake *f, const char *input)
{
	struct client *c = xcalloc(1, sizeof *c);
	uint32_t group = (uint32_t)getgid();
	struct ipc_session_start m = {0};
	int fds[2];

	c->f = f;
	(void)tcp_pair(fds, &m.peer);
	c->fd = fds[0];
	assert_int_equal(addr_local(fds[1], &m.local), 0);
	m.class_name = "";
	m.connected_wall_ms = clock_wall_ms();
	m.grant = (struct ipc_grant){.sid = ++f->sid,
		.request = 1,
		.user = "tester",
		.sent_user = "tester",
		.email = "",
		.uid = (uint32_t)getuid(),
		.gid = group,
		.groups = {&group, 1},
		.group_names = "testers",
		.home = f->dir,
		.root = f->dir,
		.chdir = ""};
	m.handoff = (struct ipc_handoff){.sid = f->sid, .generation = 1, .clnt = "", .client_name = ""};
	m.handoff.input = (struct ipc_bytes){input, strlen(input)};
	assert_int_equal(ipc_send(&f->chan, IPC_SESSION_START, &m, fds[1]), 0);
	fd_close(&fds[1]);
	return c;
}

static void client_free(struct client *c)
{
	fd_close(&c->fd);
	free(c);
}

/* Next line of replies; false at the end of the connection. */
static bool line_get(struct client *c)
{
	char *lf;
	ssize_t n;

	while (!(lf = memchr(c->in, '\n', c->len))) {
		wait_fd(c->f, c->fd, POLLIN);
		n = read(c->fd, c->in + c->len, sizeof c->in - c->len);
		if (n <= 0)
			return false;
		c->len += (size_t)n;
	}
	assert_true(lf > c->in && lf[-1] == '\r');
	n = lf - c->in + 1;
	memcpy(c->line, c->in, (size_t)n - 2);
	c->line[n - 2] = '\0';
	c->len -= (size_t)n;
	memmove(c->in, lf + 1, c->len);
	return true;
}

/* The next final or intermediate reply begins with want. */
static void expect(struct client *c, const char *want)
{
	do {
		if (!line_get(c))
			fail_msg("connection closed instead of '%s'", want);
		if (getenv("SESSION_DEBUG"))
			(void)fprintf(stderr, "    %s\n", c->line);
	} while (c->line[0] == ' ' || c->line[3] == '-');
	if (strncmp(c->line, want, strlen(want)) != 0)
		fail_msg("'%s' instead of '%s'", c->line, want);
}

static void expect_closed(struct client *c)
{
	if (line_get(c))
		fail_msg("'%s' instead of the end", c->line);
}

static void put(struct client *c, const char *text)
{
	assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void say(struct client *c, const char *line, const char *want)
{
	char text[512];

	assert_true(snprintf(text, sizeof text, "%s\r\n", line) < (int)sizeof text);
	put(c, text); /* one packet: two would wait for an acknowledgement in between */
	expect(c, want);
}

static struct client *client_ready(struct fake *f)
{
	struct client *c = client_new(f, "");

	expect(c, "230 User tester logged in");
	return c;
}

static int connect_from(const char *from, uint16_t port)
{
	struct addr src, dst;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(addr_parse(from, 0, &src), 0);
	assert_int_equal(addr_parse("127.0.0.1", port, &dst), 0);
	assert_int_equal(bind(fd, &src.sa, addr_len(&src)), 0);
	if (connect(fd, &dst.sa, addr_len(&dst)) < 0)
		fd_close(&fd);
	return fd;
}

static void epsv(struct client *c)
{
	unsigned port;

	say(c, "EPSV", "229 Entering Extended Passive Mode (|||");
	assert_int_equal(sscanf(strstr(c->line, "|||"), "|||%u|)", &port), 1);
	c->data_port = (uint16_t)port;
}

static int data_connect(struct client *c)
{
	int fd;

	epsv(c);
	fd = connect_from("127.0.0.1", c->data_port);
	assert_true(fd >= 0);
	return fd;
}

static char *data_read_all(struct client *c, int fd, size_t *ret_len)
{
	char *p = xmalloc(BIG + 1);
	size_t len = 0;
	ssize_t n;

	do {
		wait_fd(c->f, fd, POLLIN);
		n = read(fd, p + len, BIG + 1 - len);
		assert_true(n >= 0);
		len += (size_t)n;
	} while (n > 0);
	fd_close(&fd);
	*ret_len = len;
	p[len < BIG ? len : BIG] = '\0';
	return p;
}

static void data_write_all(struct client *c, int fd, const char *p, size_t n)
{
	ssize_t w;

	while (n > 0) {
		w = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w < 0 && errno == EAGAIN) {
			wait_fd(c->f, fd, POLLOUT);
			continue;
		}
		assert_true(w > 0);
		p += w;
		n -= (size_t)w;
	}
	fd_close(&fd);
}

static void upload(struct client *c, const char *cmd, const char *text, const char *want)
{
	int fd = data_connect(c);

	say(c, cmd, "150 ");
	data_write_all(c, fd, text, strlen(text));
	expect(c, want);
}

static void assert_download(
	struct client *c, const char *cmd, const char *want150, const char *want, size_t n)
{
	int fd = data_connect(c);
	size_t len;
	char *got;

	say(c, cmd, want150);
	got = data_read_all(c, fd, &len);
	assert_int_equal(len, n);
	assert_memory_equal(got, want, n);
	free(got);
	expect(c, "226 Transfer complete");
}

/* --- tests --- */

static void begins_and_quits(void **state)
{
	struct fake *f = *state;
	struct client *c;

	fake_start(f, "");
	c = client_new(f, "NOOP\r\nNO"); /* what login had read already */
	expect(c, "230 User tester logged in");
	expect(c, "200 NOOP command successful");
	put(c, "OP\r\n");
	expect(c, "200 NOOP");
	say(c, "XYZZY", "500 XYZZY not understood");
	say(c, "ABOR", "226 Abort successful");
	say(c, "ABOR x", "500 'ABOR x' not understood");
	say(c, "RETR", "500 'RETR' not understood");
	say(c, "PASV x", "501 Invalid number of parameters");
	say(c, "QUIT", "221 Goodbye.");
	expect_closed(c);
	client_free(c);
	while (f->ended < 1)
		wait_fd(f, f->chan.fd, POLLIN), fake_serve(f);
	fake_stop(f);
}

static void downloads(void **state)
{
	struct fake *f = *state;
	char *big = big_data();
	struct client *c;

	file_put(f, "big", big, BIG);
	file_put(f, "one", "x", 1);
	file_put(f, "empty", "", 0);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200 Type set to I");
	assert_download(
		c, "RETR big", "150 Opening BINARY mode data connection for big (25165824 bytes)", big, BIG);
	assert_download(c, "RETR one", "150 Opening BINARY mode data connection for one (1 byte)", "x", 1);
	assert_download(c, "RETR empty", "150 Opening BINARY mode data connection for empty", "", 0);
	assert_string_equal(c->line, "226 Transfer complete");
	say(c, "REST 25165820", "350 Restarting at 25165820.");
	assert_download(
		c, "RETR big", "150 Opening BINARY mode data connection for big (4 bytes)", big + BIG - 4, 4);
	say(c, "REST 25165824", "350");
	assert_download(c, "RETR big", "150 Opening BINARY mode data connection for big", "", 0);
	say(c, "REST 25165825", "350");
	say(c, "RETR big", "554 REST: invalid");
	say(c, "RETR missing", "550 missing: No such file or directory");
	say(c, "RETR .", "550 .: Not a regular file");
	client_free(c);
	fake_stop(f);
	free(big);
}

static void hashes_keep_the_order_of_replies(void **state)
{
	struct fake *f = *state;
	struct client *c;

	file_put(f, "f", "abc", 3);
	fake_start(f, "");
	c = client_ready(f);
	put(c, "HASH f\r\nNOOP\r\nXCRC f 0 2\r\nMD5 f\r\nOPTS HASH md5\r\nHASH f\r\nQUIT\r\n");
	expect(c, "213 SHA-1 0-3 a9993e364706816aba3e25717850c26c9cd0d89d f");
	expect(c, "200 NOOP");
	expect(c, "213 9E83486D");
	expect(c, "251 f 900150983CD24FB0D6963F7D28E17F72");
	expect(c, "200 MD5");
	expect(c, "213 MD5 0-3 900150983cd24fb0d6963f7d28e17f72 f");
	expect(c, "221");
	client_free(c);
	fake_stop(f);
}

/* Hours of work, unless it can be stopped. */
static void hashes_are_aborted(void **state)
{
	struct fake *f = *state;
	struct client *c, *other;

	file_put(f, "huge", "", 0);
	file_put(f, "f", "abc", 3);
	file_grow(f, "huge", (off_t)1 << 42);
	fake_start(f, "");
	c = client_ready(f);
	other = client_ready(f);
	put(c, "XSHA512 huge\r\n");
	say(other, "HASH f", "213 SHA-1 0-3 a9993e364706816aba3e25717850c26c9cd0d89d f");
	put(c, "ABOR\r\n");
	expect(c, "426 XSHA512 aborted");
	expect(c, "226 Abort successful");
	put(c, "HASH huge\r\nABOR\r\n");
	expect(c, "426 HASH aborted");
	expect(c, "226 Abort successful");
	say(c, "NOOP", "200");
	put(c, "HASH huge\r\n");
	client_free(c); /* goes away: the process must come to its end all the same */
	client_free(other);
	fake_stop(f);
}

static void ranges_are_sent_exactly(void **state)
{
	struct fake *f = *state;
	char *big = big_data();
	struct client *c;

	file_put(f, "big", big, BIG);
	file_put(f, "empty", "", 0);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE A", "200");
	say(c, "RANG 0 5", "551 RANG: Transfer ranges not allowed in ASCII mode");
	say(c, "RANG 1 0", "350 Reset byte transfer range");
	say(c, "TYPE I", "200");
	say(c, "RANG 3", "500 'RANG 3' not understood");
	say(c, "RANG 3 x", "501 RANG requires a value");
	say(c, "RANG 3 9223372036854775808", "501 RANG requires a value");
	say(c, "RANG 3 2", "501 RANG start must be less than end");
	say(c, "RANG 7 7", "350 Transferring byte range of 1 byte starting from 7");
	assert_download(
		c, "RETR big", "150 Opening BINARY mode data connection for big (1 byte)", big + 7, 1);
	say(c, "RANG 5 10000005", "350 Transferring byte range of 10000001 bytes starting from 5");
	assert_download(c, "RETR big", "150 Opening BINARY mode data connection for big (10000001 bytes)",
		big + 5, 10000001);
	assert_download(c, "RETR big", "150", big, BIG); /* it was for one transfer only */
	say(c, "RANG 25165820 25165900", "350");
	assert_download(
		c, "RETR big", "150 Opening BINARY mode data connection for big (4 bytes)", big + BIG - 4, 4);
	say(c, "RANG 25165824 25165900", "350");
	say(c, "RETR big", "554 RANG: invalid");
	say(c, "RANG 0 5", "350");
	assert_download(c, "RETR empty", "150 Opening BINARY mode data connection for empty", "", 0);
	say(c, "RANG 1 5", "350");
	say(c, "RETR empty", "554 RANG: invalid");
	client_free(c);
	fake_stop(f);
	free(big);
}

static void the_later_of_rest_and_rang_counts(void **state)
{
	struct fake *f = *state;
	struct client *c;

	file_put(f, "f", "0123456789", 10);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	say(c, "RANG 2 4", "350");
	say(c, "REST 7", "350");
	assert_download(c, "RETR f", "150", "789", 3);
	say(c, "REST 7", "350");
	say(c, "RANG 2 4", "350");
	assert_download(c, "RETR f", "150", "234", 3);
	say(c, "RANG 2 4", "350");
	say(c, "RANG 1 0", "350");
	assert_download(c, "RETR f", "150", "0123456789", 10);
	say(c, "RANG 2 4", "350");
	say(c, "ABOR", "226");
	assert_download(c, "RETR f", "150", "0123456789", 10);
	client_free(c);
	fake_stop(f);
}

static void ranges_are_stored_exactly(void **state)
{
	struct fake *f = *state;
	struct client *c;

	file_put(f, "f", "0123456789", 10);
	fake_start(f, "AllowOverwrite on\nAllowStoreRestart on\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	say(c, "RANG 2 4", "350");
	upload(c, "STOR f", "abc", "226");
	assert_file(f, "f", "01abc56789");
	say(c, "RANG 2 4", "350");
	upload(c, "STOR f", "ABCD", "550 Transfer aborted. More bytes than the range has");
	assert_file(f, "f", "01ABC56789");
	say(c, "RANG 2 4", "350");
	upload(c, "STOR f", "xy", "426 Transfer aborted. Data connection closed");
	assert_file(f, "f", "01xyC56789");
	say(c, "RANG 11 12", "350");
	say(c, "STOR f", "554 f: invalid RANG argument");
	say(c, "RANG 2 4", "350");
	say(c, "APPE f", "550 APPE incompatible with RANG");
	upload(c, "APPE f", "+", "226"); /* the refused one has consumed it */
	say(c, "RANG 2 4", "350");
	say(c, "STOU", "550 STOU incompatible with RANG");
	client_free(c);
	fake_stop(f);
}

static void sendfile_off_and_chunks(void **state)
{
	struct fake *f = *state;
	char *big = big_data();
	struct client *c;

	file_put(f, "big", big, BIG);
	file_put(f, "small", big, 10000);
	fake_start(f, "<Directory /*>\nUseSendfile off\n</Directory>\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	assert_download(c, "RETR big", "150 ", big, BIG);
	assert_download(c, "RETR small", "150 ", big, 10000);
	client_free(c);
	fake_stop(f);
	free(big);
}

static void ascii_both_ways(void **state)
{
	struct fake *f = *state;
	struct client *c;

	file_put(f, "text", "a\nb\r\nc", 6);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE A", "200 Type set to A");
	assert_download(c, "RETR text", "150 Opening ASCII mode data connection for text (6 bytes)",
		"a\r\nb\r\nc", 7);
	upload(c, "STOR up", "1\r\n2\n\r3\r", "226 Transfer complete");
	assert_file(f, "up", "1\n2\n\r3\r");
	say(c, "REST 1", "501 REST: Resuming transfers not allowed in ASCII mode");
	say(c, "REST 0", "350");
	client_free(c);
	fake_stop(f);
}

static void uploads(void **state)
{
	struct fake *f = *state;
	char *big = big_data(), *got;
	struct client *c;
	size_t len;
	int fd;

	file_put(f, "old", "012345", 6);
	fake_start(f, "AllowOverwrite on\nAllowStoreRestart on\nUmask 027\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "STOR big", "150 Opening BINARY mode data connection for big");
	data_write_all(c, fd, big, BIG);
	expect(c, "226");
	got = file_get(f, "big", &len);
	assert_int_equal(len, BIG);
	assert_memory_equal(got, big, BIG);
	free(got);
	upload(c, "APPE old", "67", "226");
	assert_file(f, "old", "01234567");
	say(c, "REST 2", "350");
	upload(c, "STOR old", "XY", "226");
	assert_file(f, "old", "01XY4567");
	upload(c, "STOR old", "new", "226");
	assert_file(f, "old", "new");
	fd = data_connect(c);
	say(c, "STOU", "150 FILE: ftp");
	data_write_all(c, fd, "unique", 6);
	got = xstrdup(c->line + 10);
	expect(c, "226");
	assert_file(f, got, "unique");
	free(got);
	say(c, "STOR no/such/dir", "550 no/such/dir: No such file or directory");
	client_free(c);
	fake_stop(f);
	free(big);
}

static void uploads_refused(void **state)
{
	struct fake *f = *state;
	struct client *c;

	file_put(f, "old", "012345", 6);
	fake_start(f, "MaxStoreFileSize 4 B\n<Limit STOU>\nDenyAll\n</Limit>\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	say(c, "STOR old", "550 old: Overwrite permission denied");
	say(c, "APPE old", "451 old: Append/Restart not permitted, try again");
	say(c, "STOU", "550 STOU: Operation not permitted");
	upload(c, "STOR new", "0123456789", "552 Transfer aborted. File too large");
	assert_file(f, "new", "0123");
	assert_file(f, "old", "012345");
	client_free(c);
	fake_stop(f);
}

static void hidden_store_and_broken_upload(void **state)
{
	struct fake *f = *state;
	struct linger hard = {1, 0};
	struct client *c;
	int fd;

	file_put(f, "h", "old", 3);
	fake_start(f, "AllowOverwrite on\nHiddenStores on\nTimeoutLinger 1\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "STOR h", "150");
	assert_int_equal(send(fd, "part", 4, 0), 4);
	wait_file(f, ".in.h.", 4);
	assert_file(f, ".in.h.", "part");
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	fd_close(&fd);
	expect(c, "426 Transfer aborted. Data connection closed");
	assert_file(f, ".in.h.", NULL);
	assert_file(f, "h", "old");
	upload(c, "STOR h", "whole", "226");
	assert_file(f, "h", "whole");
	client_free(c);
	fake_stop(f);
}

/* ABOR at different moments: always the transfer's 426, then 226, and the session goes on. */
static void abort_gives_two_replies(void **state)
{
	static const char *const forms[] = {"ABOR\r\n",
		"\xff\xf4\xff\xf2"
		"ABOR\r\n",
		"\xff\xf2"
		"abor\n"};
	struct fake *f = *state;
	char *big = big_data();
	struct client *c;
	int fd;

	file_put(f, "big", big, BIG);
	fake_start(f, "AllowOverwrite on\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		fd = data_connect(c);
		say(c, "RETR big", "150"); /* and do not read: the socket fills */
		put(c, forms[i]);
		expect(c, "426 Transfer aborted. Data connection closed");
		expect(c, "226 Abort successful");
		fd_close(&fd);
		fd = data_connect(c);
		say(c, "STOR up", "150");
		put(c, forms[i]);
		expect(c, "426");
		expect(c, "226 Abort");
		fd_close(&fd);
		epsv(c);
		put(c, "RETR big\r\n"); /* no data connection */
		put(c, forms[i]);
		put(c, "NOOP\r\n");
		do
			assert_true(line_get(c));
		while (strncmp(c->line, "150", 3) == 0);
		assert_memory_equal(c->line, "426", 3);
		expect(c, "226 Abort");
		expect(c, "200 NOOP");
		fd = data_connect(c);
		put(c, "RETR big\r\nABOR\r\nNOOP\r\n");
		do
			assert_true(line_get(c));
		while (strncmp(c->line, "150", 3) == 0);
		assert_memory_equal(c->line, "426", 3);
		expect(c, "226 Abort");
		expect(c, "200 NOOP");
		fd_close(&fd);
	}
	client_free(c);
	fake_stop(f);
	free(big);
}

static void urgent_abort(void **state)
{
	struct fake *f = *state;
	char *big = big_data();
	struct client *c;
	int fd;

	file_put(f, "big", big, BIG);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "RETR big", "150");
	assert_int_equal(send(c->fd, "\xff\xf4\xff", 3, MSG_OOB), 3);
	assert_int_equal(send(c->fd, "\xf2", 1, 0), 1);
	put(c, "ABOR\r\n");
	expect(c, "426");
	expect(c, "226 Abort");
	fd_close(&fd);
	client_free(c);
	fake_stop(f);
	free(big);
}

static void commands_during_a_transfer(void **state)
{
	struct fake *f = *state;
	char *big = big_data(), *got;
	struct client *c;
	size_t len;
	int fd;

	file_put(f, "big", big, BIG);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "RETR big", "150");
	say(c, "NOOP", "200 NOOP");   /* at once */
	put(c, "TYPE A\r\nNOOP\r\n"); /* queued, in order */
	got = data_read_all(c, fd, &len);
	assert_int_equal(len, BIG);
	free(got);
	expect(c, "226");
	expect(c, "200 Type set to A");
	expect(c, "200 NOOP");
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "RETR big", "150");
	put(c, "QUIT\r\n");
	expect(c, "426");
	expect(c, "221 Goodbye.");
	expect_closed(c);
	fd_close(&fd);
	client_free(c);
	/* behind one that came in one packet with what began the transfer */
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	put(c, "RETR big\r\nNOOP\r\n");
	expect(c, "150");
	say(c, "NOOP", "200 NOOP");
	expect(c, "200 NOOP");
	put(c, "QUIT\r\n");
	expect(c, "426");
	expect(c, "221 Goodbye.");
	fd_close(&fd);
	client_free(c);
	fake_stop(f);
	free(big);
}

static void strangers_do_not_steal_the_port(void **state)
{
	struct fake *f = *state;
	struct client *c;
	size_t len;
	char *got;
	int thief, fd;

	file_put(f, "f", "data", 4);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	epsv(c);
	thief = connect_from("127.0.0.2", c->data_port);
	assert_true(thief >= 0);
	put(c, "RETR f\r\n");
	got = data_read_all(c, thief, &len);
	assert_int_equal(len, 0);
	free(got);
	fd = connect_from("127.0.0.1", c->data_port);
	assert_true(fd >= 0);
	expect(c, "150");
	got = data_read_all(c, fd, &len);
	assert_string_equal(got, "data");
	free(got);
	expect(c, "226");
	say(c, "PORT 127,0,0,2,100,1", "500 Illegal PORT command");
	say(c, "PORT 127,0,0,1,3,1", "500 Illegal PORT command");
	say(c, "PORT 127,0,0,1", "501 Illegal PORT command");
	say(c, "EPRT |3|1|2|", "522 Network protocol not supported, use (1,2)");
	say(c, "EPRT |1|127.0.0.2|3333|", "500 Illegal EPRT command");
	say(c, "EPSV 2", "522");
	say(c, "EPSV 9", "522");
	say(c, "EPSV x", "501");
	say(c, "EPSV ALL", "200 EPSV ALL command successful");
	say(c, "PASV", "500 Illegal PASV command, EPSV ALL in effect");
	say(c, "PORT 127,0,0,1,100,1", "500 Illegal PORT command, EPSV ALL in effect");
	client_free(c);
	fake_stop(f);
}

static void active_connections(void **state)
{
	struct fake *f = *state;
	struct client *c;
	struct addr a;
	char cmd[64];
	size_t len;
	char *got;
	int l, fd;

	file_put(f, "f", "data", 4);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	assert_int_equal(addr_parse("127.0.0.1", 0, &a), 0);
	l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l, &a.sa, addr_len(&a)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(addr_local(l, &a), 0);
	(void)snprintf(cmd, sizeof cmd, "PORT 127,0,0,1,%u,%u", addr_port(&a) >> 8, addr_port(&a) & 255u);
	say(c, cmd, "200 PORT command successful");
	for (int i = 0; i < 2; i++) { /* the address is kept */
		put(c, "RETR f\r\n");
		wait_fd(f, l, POLLIN);
		fd = accept(l, NULL, NULL);
		expect(c, "150");
		got = data_read_all(c, fd, &len);
		assert_string_equal(got, "data");
		free(got);
		expect(c, "226");
	}
	fd_close(&l);
	say(c, "RETR f", "425 Unable to build data connection: Connection refused");
	client_free(c);
	fake_stop(f);
}

static void early_150_without_connection(void **state)
{
	struct fake *f = *state;
	struct client *c;
	size_t len;
	char *got;

	file_put(f, "f", "data", 4);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	epsv(c);
	say(c, "RETR f", "150"); /* before we connect */
	got = data_read_all(c, connect_from("127.0.0.1", c->data_port), &len);
	assert_string_equal(got, "data");
	free(got);
	expect(c, "226");
	client_free(c);
	fake_stop(f);
}

static void rate_limits_a_download(void **state)
{
	struct fake *f = *state;
	char *big = big_data();
	struct client *c;
	uint64_t begin;

	file_put(f, "f", big, 300000);
	fake_start(f, "TransferRate RETR 200\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	begin = clock_ms();
	assert_download(c, "RETR f", "150", big, 300000);
	assert_in_range(clock_ms() - begin, 1300, 10000);
	client_free(c);
	fake_stop(f);
	free(big);
}

static void counted_transfers(void **state)
{
	struct fake *f = *state;
	struct client *c;

	file_put(f, "f", "data", 4);
	fake_start(f, "MaxTransfersPerUser RETR,STOR 2 \"only %m\"\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	assert_download(c, "RETR f", "150", "data", 4);
	upload(c, "STOR g", "x", "226");
	f->verdict = 1;
	say(c, "RETR f", "451 only 2");
	say(c, "STOR h", "451 only 2");
	say(c, "NOOP", "200");
	assert_file(f, "h", NULL);
	fake_serve(f);
	assert_int_equal(f->claims, 4);
	assert_int_equal(f->releases, 2);
	client_free(c);
	fake_stop(f);
}

static void ftpaccess_counts_while_it_is_there(void **state)
{
	struct fake *f = *state;
	static const char deny[] = "<Limit RETR>\nDenyAll\n</Limit>\n";
	char path[128];
	struct client *c;

	(void)snprintf(path, sizeof path, "%s/d", f->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	file_put(f, "d/f", "data", 4);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	assert_download(c, "RETR d/f", "150", "data", 4);
	file_put(f, "d/.ftpaccess", deny, sizeof deny - 1);
	say(c, "RETR d/f", "550 d/f: Operation not permitted");
	(void)snprintf(path, sizeof path, "%s/d/.ftpaccess", f->dir);
	assert_int_equal(unlink(path), 0);
	assert_download(c, "RETR d/f", "150", "data", 4);
	client_free(c);
	fake_stop(f);
}

/* Commands that name nothing are judged by the directory that the session is in; nothing was found there the last time. */
static void ftpaccess_that_comes_later_counts_for_commands_without_a_path(void **state)
{
	struct fake *f = *state;
	static const char deny[] = "<Limit TYPE>\nDenyAll\n</Limit>\n";
	static const char *const places[] = {"", "d/", "d/e/"};
	char path[128], moved[128];
	struct client *c;

	(void)snprintf(path, sizeof path, "%s/d", f->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof path, "%s/d/e", f->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "CWD d/e", "250");
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		(void)snprintf(path, sizeof path, "%s.ftpaccess", places[i]);
		say(c, "TYPE I", "200");
		file_put(f, path, deny, sizeof deny - 1);
		say(c, "CWD .", "250"); /* reads it: what has to be read is not seen without a path */
		say(c, "TYPE I", "550");
		(void)snprintf(path, sizeof path, "%s/%s.ftpaccess", f->dir, places[i]);
		assert_int_equal(unlink(path), 0);
		say(c, "TYPE I", "200");
	}
	/* A link has come onto the way, to a place where something is known. */
	file_put(f, "d/.ftpaccess", deny, sizeof deny - 1);
	say(c, "CWD /d", "250");
	say(c, "TYPE I", "550");
	say(c, "CWD /", "250");
	(void)snprintf(path, sizeof path, "%s/m", f->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	say(c, "CWD m", "250");
	say(c, "TYPE I", "200");
	(void)snprintf(moved, sizeof moved, "%s/n", f->dir);
	assert_int_equal(rename(path, moved), 0);
	say(c, "TYPE I", "200");
	assert_int_equal(symlink("d", path), 0);
	say(c, "TYPE I", "550");
	client_free(c);
	fake_stop(f);
}

static void timeouts(void **state)
{
	struct fake *f = *state;
	char *big = big_data();
	struct client *c;
	int fd;

	file_put(f, "big", big, BIG);
	fake_start(f, "TimeoutIdle 3\nTimeoutStalled 1\n");
	c = client_ready(f);
	expect(c, "421 Idle timeout (3 seconds): closing control connection");
	expect_closed(c);
	client_free(c);
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "RETR big", "150");
	expect(c, "426");
	expect(c, "421 ");
	expect_closed(c);
	fd_close(&fd);
	client_free(c);
	fake_stop(f);
	free(big);
}

static void half_closed_client_is_answered(void **state)
{
	struct fake *f = *state;
	struct client *c;

	fake_start(f, "");
	c = client_new(f, "");
	put(c, "NOOP\r\nTYPE I\r\nNOOP\r\nunfinished");
	assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
	expect(c, "230");
	expect(c, "200 NOOP");
	expect(c, "200 Type");
	expect(c, "200 NOOP");
	expect_closed(c);
	client_free(c);
	fake_stop(f);
}

/* Pipelines far beyond any buffer while not reading: everything is answered once we read, nothing is lost. */
static void many_pipelined_commands(void **state)
{
	struct fake *f = *state;
	struct client *c;
	unsigned sent = 0, got = 0, total = 30000;
	ssize_t n;

	fake_start(f, "");
	c = client_ready(f);
	assert_int_equal(fd_nonblock(c->fd, true), 0);
	while (got < total) {
		struct pollfd p = {.fd = c->fd, .events = (short)(POLLIN | (sent < total ? POLLOUT : 0))};

		assert_true(poll(&p, 1, WAIT_MS) > 0);
		while (sent < total && (n = send(c->fd, "NOOP\r\n", 6, MSG_NOSIGNAL)) == 6)
			sent++;
		while (memchr(c->in, '\n', c->len) || p.revents & POLLIN) {
			expect(c, "200 NOOP");
			got++;
			p.revents = 0;
		}
	}
	client_free(c);
	fake_stop(f);
}

/* The socket comes back with what was not executed, still open, and nothing is said of the session after that: its number
 * is another's. */
static void rein_gives_the_client_back(void **state)
{
	struct fake *f = *state;
	struct client *c;

	fake_start(f, "");
	c = client_ready(f);
	f->back_fd = -1;
	put(c, "REIN\r\nNOOP\r\n");
	for (int i = 0; i < WAIT_MS / 10 && f->back_fd < 0; i++) {
		fake_serve(f);
		(void)usleep(10000);
	}
	assert_int_equal(write(f->back_fd, "220 again\r\n", 11), 11);
	expect(c, "220 again");
	fd_close(&f->back_fd);
	expect_closed(c);
	client_free(c);
	fake_stop(f);
	assert_int_equal(f->ended, 0);
}

static void kick_and_retire(void **state)
{
	struct fake *f = *state;
	struct ipc_retire retire = {.now = false, .text = "421 bye"};
	char *big = big_data(), *got;
	struct client *a, *b;
	struct ipc_kick kick;
	size_t len;
	int fd, status;

	file_put(f, "big", big, BIG);
	fake_start(f, "");
	a = client_ready(f);
	kick = (struct ipc_kick){.sid = f->sid, .text = "421 kicked"};
	b = client_ready(f);
	assert_int_equal(ipc_send(&f->chan, IPC_KICK, &kick, -1), 0);
	expect(a, "421 kicked");
	expect_closed(a);
	client_free(a);
	say(b, "TYPE I", "200");
	fd = data_connect(b);
	say(b, "RETR big", "150");
	assert_int_equal(ipc_send(&f->chan, IPC_RETIRE, &retire, -1), 0);
	(void)usleep(50000);
	got = data_read_all(b, fd, &len);
	assert_int_equal(len, BIG);
	free(got);
	expect(b, "226");
	expect(b, "421 bye");
	expect_closed(b);
	client_free(b);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	f->pid = 0;
	ipc_chan_done(&f->chan);
	free(big);
}

static void client_reset(struct client *c)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	client_free(c);
}

static void retired_transfer_can_be_ended(void **state)
{
	struct fake *f = *state;
	struct ipc_retire retire = {.now = false, .text = "421 bye"};
	struct ipc_kick kick = {.sid = 1, .text = "421 kicked"};
	char *big = big_data();
	struct client *c;
	int fd;

	file_put(f, "big", big, BIG);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "RETR big", "150");
	assert_int_equal(ipc_send(&f->chan, IPC_RETIRE, &retire, -1), 0);
	assert_int_equal(ipc_send(&f->chan, IPC_KICK, &kick, -1), 0);
	expect(c, "426");
	expect(c, "421 kicked");
	expect_closed(c);
	fd_close(&fd);
	client_free(c);
	while (waitpid(f->pid, NULL, WNOHANG) == 0)
		fake_serve(f), (void)usleep(10000);
	f->pid = 0;
	ipc_chan_done(&f->chan);
	free(big);
}

/* The farewell of a kick cannot be sent: the session ends while it is being ended. */
static void kick_of_a_client_that_is_gone(void **state)
{
	struct fake *f = *state;
	struct ipc_kick kick = {.sid = 1, .text = "421 kicked"};
	char *big = big_data();
	struct client *c;
	int fd;

	file_put(f, "big", big, BIG);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "RETR big", "150");
	assert_int_equal(kill(f->pid, SIGSTOP), 0);
	assert_int_equal(ipc_send(&f->chan, IPC_KICK, &kick, -1), 0);
	client_reset(c);
	assert_int_equal(kill(f->pid, SIGCONT), 0);
	while (f->ended < 1)
		wait_fd(f, f->chan.fd, POLLIN), fake_serve(f);
	fd_close(&fd);
	c = client_ready(f); /* the process lives */
	say(c, "NOOP", "200");
	client_free(c);
	fake_stop(f);
	free(big);
}

static void limits_on_time_and_rate(void **state)
{
	struct fake *f = *state;
	struct client *c;
	uint64_t begin;
	bool at_once = false;

	fake_start(f, "TimeoutNoTransfer 5\nMaxCommandRate 5 1\n");
	c = client_ready(f);
	for (int turn = 0; turn < 2 && !at_once; turn++) { /* a machine may stand still, but not each time */
		if (turn > 0)
			(void)usleep(1100000); /* none of them counts any more */
		begin = clock_ms();
		put(c, "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nTYPE I\r\n");
		for (int i = 0; i < 5; i++)
			expect(c, "200 NOOP");
		at_once = clock_ms() - begin < 700;
		expect(c, "200 Type"); /* delayed, not refused */
		assert_true(clock_ms() - begin >= 900);
	}
	assert_true(at_once);
	expect(c, "421 No transfer timeout (5 seconds): closing control connection");
	expect_closed(c);
	client_free(c);
	fake_stop(f);
	free(f->scratch);
	ftp_config_free(f->config);
	f->ended = 0;
	fake_start(f, "TimeoutSession 1\n");
	c = client_ready(f);
	expect(c, "421 Session Timeout (1 seconds): closing control connection");
	expect_closed(c);
	client_free(c);
	fake_stop(f);
}

#define DEAF_MS 60000 /* TimeoutIdle begins when the buffers are full, which takes long on a busy machine */

/* Asks for more than all buffers hold and reads nothing: it is cut off, and another session does not
 * notice. */
static void client_that_never_reads_is_cut(void **state)
{
	struct fake *f = *state;
	struct client *deaf, *other;
	char many[6 * 1000];
	uint64_t until = clock_ms() + DEAF_MS;

	for (size_t i = 0; i < sizeof many; i += 6)
		memcpy(many + i, "FEAT\r\n", 6);
	fake_start(f, "TimeoutIdle 2\n");
	deaf = client_ready(f);
	assert_int_equal(fd_nonblock(deaf->fd, true), 0);
	other = client_ready(f);
	while (f->ended < 1) {
		assert_true(clock_ms() < until);
		(void)send(deaf->fd, many, sizeof many, MSG_NOSIGNAL | MSG_DONTWAIT);
		say(other, "NOOP", "200 NOOP");
		(void)usleep(20000);
		fake_serve(f);
	}
	client_free(deaf);
	client_free(other);
	fake_stop(f);
}

static void cold_file_comes_whole(void **state)
{
	struct fake *f = *state;
	char *big = big_data(), path[128];
	struct client *c;
	int fd;

	file_put(f, "big", big, BIG);
	(void)snprintf(path, sizeof path, "%s/big", f->dir);
	fd = open(path, O_RDONLY);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	fd_close(&fd);
	fake_start(f, "<Directory /*>\nUseSendfile 1%\n</Directory>\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	assert_download(c, "RETR big", "150", big, BIG);
	client_free(c);
	fake_stop(f);
	free(big);
}

static void fifo_is_read_as_it_fills(void **state)
{
	struct fake *f = *state;
	char path[128], *got;
	struct client *c;
	size_t len;
	int fd, w;

	(void)snprintf(path, sizeof path, "%s/fifo", f->dir);
	assert_int_equal(mkfifo(path, 0644), 0);
	fake_start(f, "");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	put(c, "RETR fifo\r\n");
	w = open(path, O_WRONLY);
	expect(c, "150 Opening BINARY mode data connection for fifo");
	assert_int_equal(write(w, "one", 3), 3);
	(void)usleep(300000);
	assert_int_equal(write(w, "two", 3), 3);
	fd_close(&w);
	got = data_read_all(c, fd, &len);
	assert_string_equal(got, "onetwo");
	free(got);
	expect(c, "226");
	client_free(c);
	fake_stop(f);
}

/* Every verb, with and without arguments, idle and while a transfer is being set up: one reply each and
 * the session lives. */
static void every_verb_in_every_state(void **state)
{
	static const char *const args[] = {"", " x", " /", " I", " 0", " a b c"};
	struct fake *f = *state;
	struct client *c;
	char line[128];

	fake_start(f, "AllowOverwrite on\nTimeoutStalled 1\n");
	c = client_ready(f);
	for (const struct ftp_verb *v = ftp_verbs; v->name; v++) {
		if (strcmp(v->name, "QUIT") == 0 || strcmp(v->name, "REIN") == 0)
			continue; /* they leave the session */
		for (size_t i = 0; i < ARRAY_LEN(args); i++) {
			if (v->flags & VERB_TRANSFER) /* without PASV it would dial our control port */
				say(c, "EPSV", "229");
			(void)snprintf(line, sizeof line, "%s%s\r\nABOR\r\nNOOP\r\n", v->name, args[i]);
			put(c, line);
			do
				assert_true(line_get(c));
			while (c->line[0] == ' ' || c->line[3] == '-' || strncmp(c->line, "150", 3) == 0);
			if (v->flags & VERB_TRANSFER) /* the ABOR behind it was seen */
				assert_int_not_equal(atoi(c->line), 425);
			if (strcmp(v->name, "ABOR") != 0 || i > 0) {
				assert_in_range(atoi(c->line), 200, 599);
				if (!verb_may_answer(v, (unsigned)atoi(c->line)))
					fail_msg("%s answers %s", v->name, c->line);
			}
			expect(c, "226 Abort successful");
			expect(c, "200 NOOP");
		}
	}
	client_free(c);
	fake_stop(f);
}

static void missing_root_refuses(void **state)
{
	struct fake *f = *state;
	struct client *c;
	char saved[64];

	(void)strcpy(saved, f->dir);
	(void)strcat(f->dir, "-none");
	fake_start(f, "");
	c = client_new(f, "");
	expect(c, "530 ");
	expect_closed(c);
	client_free(c);
	fake_stop(f);
	(void)strcpy(f->dir, saved);
}

/* The root of the process is reached through a link: AllowChrootSymlinks decides. */
static void link_to_the_root(void **state)
{
	static const char *const config[] = {"", "AllowChrootSymlinks off\n"};
	static const char *const want[] = {"230 ", "530 "};
	struct fake *f = *state;
	char saved[64], real[80];
	struct client *c;

	(void)strcpy(saved, f->dir);
	(void)snprintf(real, sizeof real, "%s/real", saved);
	assert_int_equal(mkdir(real, 0755), 0);
	(void)strcat(f->dir, "/link");
	assert_int_equal(symlink("real", f->dir), 0);
	for (int i = 0; i < 2; i++) {
		fake_start(f, config[i]);
		c = client_new(f, "");
		expect(c, want[i]);
		client_free(c);
		fake_stop(f);
		free(f->scratch);
		ftp_config_free(f->config);
		f->scratch = NULL;
		f->config = NULL;
	}
	(void)strcpy(f->dir, saved);
}

static void vanished_client_ends_its_transfer(void **state)
{
	struct fake *f = *state;
	char *big = big_data();
	struct client *c;
	int fd;

	file_put(f, "big", big, BIG);
	fake_start(f, "DeleteAbortedStores on\n");
	c = client_ready(f);
	say(c, "TYPE I", "200");
	fd = data_connect(c);
	say(c, "STOR up", "150");
	assert_int_equal(send(fd, "part", 4, 0), 4);
	(void)usleep(50000);
	client_free(c);
	while (f->ended < 1)
		wait_fd(f, f->chan.fd, POLLIN), fake_serve(f);
	assert_file(f, "up", NULL);
	fd_close(&fd);
	fake_stop(f);
	free(big);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(begins_and_quits),
		T(downloads),
		T(hashes_keep_the_order_of_replies),
		T(hashes_are_aborted),
		T(ranges_are_sent_exactly),
		T(the_later_of_rest_and_rang_counts),
		T(ranges_are_stored_exactly),
		T(sendfile_off_and_chunks),
		T(ascii_both_ways),
		T(uploads),
		T(uploads_refused),
		T(hidden_store_and_broken_upload),
		T(abort_gives_two_replies),
		T(urgent_abort),
		T(commands_during_a_transfer),
		T(strangers_do_not_steal_the_port),
		T(active_connections),
		T(early_150_without_connection),
		T(rate_limits_a_download),
		T(counted_transfers),
		T(ftpaccess_counts_while_it_is_there),
		T(ftpaccess_that_comes_later_counts_for_commands_without_a_path),
		T(timeouts),
		T(half_closed_client_is_answered),
		T(many_pipelined_commands),
		T(rein_gives_the_client_back),
		T(kick_and_retire),
		T(retired_transfer_can_be_ended),
		T(kick_of_a_client_that_is_gone),
		T(every_verb_in_every_state),
		T(limits_on_time_and_rate),
		T(client_that_never_reads_is_cut),
		T(cold_file_comes_whole),
		T(fifo_is_read_as_it_fills),
		T(missing_root_refuses),
		T(link_to_the_root),
		T(vanished_client_ends_its_transfer),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
