#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "log/log_file.h"
#include "log/log_sink.h"
#include "log/tlslog.h"
#include "log/xferlog.h"

static char dir[64], path_buf[128];

static const char *in_dir(const char *name)
{
	(void)snprintf(path_buf, sizeof(path_buf), "%s/%s", dir, name);
	return path_buf;
}

static struct addr client_addr; /* 192.0.2.7 */

static int make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)addr_parse("192.0.2.7", 0, &client_addr);
	setenv("TZ", "TST-1", 1); /* one hour east, no rules */
	tzset();
	(void)snprintf(
		dir, sizeof(dir), "%s/wherry-log-XXXXXX", tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
	char cmd[128];

	log_set_sink(NULL, NULL);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd) == 0 ? 0 : -1;
}

/* Content of a file as string, valid until the next call. */
static const char *content(const char *name)
{
	static char *text;
	int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);

	free(text);
	text = NULL;
	assert_true(fd >= 0);
	assert_int_equal(fd_read_all(fd, 100000, &text, NULL), 0);
	fd_close(&fd);
	return text;
}

static void log_file_is_made_with_its_mode(void **state)
{
	struct stat st;
	mode_t old = umask(077);
	struct err err = ERR_INIT;
	int fd = log_file_open(in_dir("new"), 0, 0644, &err), again;

	(void)umask(old);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(log_file_write(fd, "one\n", 4), 0);
	again = log_file_open(path_buf, 0, LOG_FILE_MODE, &err); /* mode of an old one stays */
	assert_int_equal(fstat(again, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(log_file_write(again, "two\n", 4), 0);
	assert_string_equal(content("new"), "one\ntwo\n");
	fd_close(&fd);
	fd_close(&again);
}

static void log_file_refuses_what_others_could_have_put_there(void **state)
{
	struct err err = ERR_INIT;
	int fd;

	assert_int_equal(symlink("target", in_dir("link")), 0);
	assert_int_equal(log_file_open(path_buf, 0, 0640, &err), -WE_DENIED);
	assert_true(str_ends(err.text, "/link' is a symbolic link"));
	assert_int_equal(log_file_check(path_buf, 0, &err), -WE_DENIED);
	fd = log_file_open(path_buf, LOG_FILE_SYMLINK, 0640, &err); /* dangling: the target is made */
	assert_true(fd >= 0);
	fd_close(&fd);
	assert_int_equal(log_file_check(path_buf, LOG_FILE_SYMLINK, &err), 0);

	assert_int_equal(mkdir(in_dir("open"), 0755), 0);
	assert_int_equal(chmod(path_buf, 01777), 0);
	assert_int_equal(log_file_open(in_dir("open/log"), 0, 0640, &err), -WE_DENIED);
	assert_true(str_ends(err.text, "is in a directory that everyone may write to"));
	assert_int_equal(access(path_buf, F_OK), -1);
	fd = log_file_open(path_buf, LOG_FILE_WRITABLE_DIR, 0640, &err);
	assert_true(fd >= 0);
	fd_close(&fd);

	assert_int_equal(log_file_open(in_dir("none/log"), 0, 0640, &err), -ENOENT);
	assert_int_equal(log_file_open("relative", 0, 0640, &err), -WE_CONFIG);
	assert_int_equal(log_file_open("/tmp/", 0, 0640, &err), -WE_CONFIG);
	assert_true(log_file_open(dir, LOG_FILE_WRITABLE_DIR, 0640, &err) < 0);
	assert_int_equal(log_file_check(in_dir("not-there-yet"), 0, &err), 0);
	assert_int_equal(access(path_buf, F_OK), -1);
	fd = log_file_open("/dev/null", 0, 0640, &err);
	assert_true(fd >= 0);
	fd_close(&fd);
}

static void rotated_file_keeps_its_number(void **state)
{
	struct err err = ERR_INIT;
	int fd = log_file_replace(-1, log_file_open(in_dir("log"), 0, 0640, &err)), number = fd;
	char old[128];

	assert_int_equal(log_file_write(fd, "old\n", 4), 0);
	strcpy(old, path_buf);
	assert_int_equal(rename(old, in_dir("log.1")), 0);
	assert_int_equal(log_file_replace(fd, log_file_open(in_dir("log"), 0, 0640, &err)), number);
	assert_int_equal(log_file_write(fd, "new\n", 4), 0);
	assert_string_equal(content("log.1"), "old\n");
	assert_string_equal(content("log"), "new\n");
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	fd_close(&fd);
}

static const struct log_ctx process_ctx = {.process = "session"};
static const struct log_ctx session_ctx = {
	.parent = &process_ctx, .user = "al \"ice", .client = &client_addr, .sid = 7};

/* The line behind its time: digits of the time are checked to be where they belong. */
static const char *after_time(const char *line)
{
	static const char form[] = "dddd-dd-dd dd:dd:dd,ddd ";
	size_t i;

	for (i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
			fail_msg("no time: %s", line);
	}
	return line + i;
}

static void diagnostic_lines_go_to_the_file(void **state)
{
	struct err err = ERR_INIT;
	struct log_sink sink = {.kind = LOG_SINK_FILE, .program = "wherryd"};
	char host[256] = "", want[600];
	const char *text;

	(void)gethostname(host, sizeof(host) - 1);
	sink.fd = log_file_open(in_dir("system"), 0, 0640, &err);
	log_sink_install(&sink);
	log_notice(&session_ctx, "USER %s: Login incorrect", "bob");
	log_notice(NULL, "started");
	log_info(NULL, "below the level");
	text = after_time(content("system"));
	(void)snprintf(want, sizeof(want),
		"%s wherryd[%d] %s (192.0.2.7[192.0.2.7]): USER bob: Login incorrect "
		"[process=session user=\"al \\x22ice\" sid=7]\n",
		host, (int)getpid(), host);
	if (!str_starts(text, want))
		fail_msg("'%s' does not begin with '%s'", text, want);
	text = after_time(text + strlen(want));
	(void)snprintf(want, sizeof(want), "%s wherryd[%d] %s: started\n", host, (int)getpid(), host);
	assert_string_equal(text, want);
	fd_close(&sink.fd);
}

static void lines_of_a_server_go_to_its_own_file(void **state)
{
	struct err err = ERR_INIT;
	struct log_sink sink = {.kind = LOG_SINK_FILE, .program = "wherryd"};
	struct log_ctx server = {.parent = &process_ctx}, session = {.parent = &server, .sid = 7};

	sink.fd = log_file_open(in_dir("main"), 0, 0640, &err);
	server.fd = log_file_open(in_dir("own"), 0, 0640, &err);
	log_sink_install(&sink);
	log_notice(&session, "of the\n\x1bsession");
	log_notice(NULL, "of the daemon");
	assert_non_null(strstr(content("own"), "of the__session [process=session sid=7]\n"));
	assert_null(strstr(content("own"), "of the daemon"));
	assert_null(strstr(content("main"), "session"));
	assert_non_null(strstr(content("main"), "of the daemon"));
	fd_close(&server.fd);
	server.fd = LOG_NOWHERE;
	log_notice(&session, "to nobody");
	assert_null(strstr(content("main"), "to nobody"));
	fd_close(&sink.fd);
}

static void diagnostic_lines_can_be_json(void **state)
{
	struct err err = ERR_INIT;
	struct log_sink sink = {.kind = LOG_SINK_FILE, .program = "wherryd", .json = true};
	char want[400];
	const char *text;

	sink.fd = log_file_open(in_dir("json"), 0, 0640, &err);
	log_sink_install(&sink);
	log_warn(&session_ctx, "odd \"name\"");
	text = content("json");
	assert_true(str_starts(text, "{\"time\": \"20"));
	(void)snprintf(want, sizeof(want),
		"Z\", \"level\": \"warning\", \"pid\": %d, \"process\": \"session\", \"client\": "
		"\"192.0.2.7\", "
		"\"user\": \"al \\\"ice\", \"sid\": 7, \"message\": \"odd \\\"name\\\"\"}\n",
		(int)getpid());
	assert_string_equal(strchr(text, 'Z'), want);
	fd_close(&sink.fd);
}

static int syslog_server(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)str_copy(sa.sun_path, sizeof(sa.sun_path), path);
	(void)unlink(path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Receive one datagram and compare it from the first ' ' after the time on. */
static void expect_datagram(int fd, const char *pri, const char *want)
{
	char got[4096];
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

	assert_true(n > 0);
	got[n] = '\0';
	assert_true(str_starts(got, pri));
	assert_string_equal(got + strlen(pri) + strlen("Nov 22 04:42:16"), want);
}

static void syslog_lines_survive_a_restart_of_the_daemon(void **state)
{
	struct log_syslog sys;
	struct log_sink sink = {
		.kind = LOG_SINK_SYSLOG, .sys = &sys, .facility = LOG_FTP, .program = "wherryd"};
	char host[256] = "", want[400];
	int server, i;

	(void)gethostname(host, sizeof(host) - 1);
	assert_int_equal(log_syslog_open(&sys, in_dir("socket"), "wherryd"), -ENOENT);
	server = syslog_server(path_buf);
	log_sink_install(&sink);
	log_notice(NULL, "first"); /* connects by itself */
	(void)snprintf(want, sizeof(want), " wherryd[%d]: %s: first", (int)getpid(), host);
	expect_datagram(server, "<93>", want);
	fd_close(&server);
	log_notice(NULL, "lost");
	server = syslog_server(in_dir("socket"));
	log_err(NULL, "second");
	(void)snprintf(want, sizeof(want), " wherryd[%d]: %s: second", (int)getpid(), host);
	expect_datagram(server, "<91>", want);
	for (i = 0; i < 100000; i++) /* nobody reads: must not block */
		log_syslog_write(&sys, LOG_DAEMON | LOG_INFO, "flood");
	fd_close(&server);
	log_syslog_close(&sys);
	log_syslog_write(&sys, LOG_DAEMON | LOG_INFO, "closed");
}

static void names_of_syslog_are_known(void **state)
{
	int v = -1;

	assert_int_equal(log_level_parse("Warn", &v), 0);
	assert_int_equal(v, LOG_WARNING);
	assert_int_equal(log_level_parse("loud", &v), -EINVAL);
	assert_string_equal(log_level_name(LOG_ERR), "err");
}

static void xferlog_lines_have_the_known_form(void **state)
{
	static const struct {
		struct xferlog x;
		const char *want;
	} row[] = {
		{{.wall_secs = 1700000000,
			 .duration_ms = 2999,
			 .remote_host = "192.0.2.7",
			 .bytes = 5000000000u,
			 .path = "/home/alice/big.iso",
			 .direction = XFERLOG_OUT,
			 .user = "alice",
			 .service = "ftp",
			 .complete = true},
			"Tue Nov 14 23:13:20 2023 2 192.0.2.7 5000000000 /home/alice/big.iso b _ o r alice "
			"ftp 0 * c\n"},
		{{.wall_secs = 1699138799, /* 23:59:59 on the 4th */
			 .remote_host = "2001:db8::1",
			 .path = "/srv/ftp/in coming/a\tb\nc\x7f\xc3\xa4\xff",
			 .ascii = true,
			 .direction = XFERLOG_IN,
			 .anonymous = true,
			 .user = "me@exa mple",
			 .service = "ftps",
			 .ident = "root"},
			"Sat Nov  4 23:59:59 2023 0 2001:db8::1 0 /srv/ftp/in_coming/a_b_c_\xc3\xa4\xff a _ "
			"i a me@exa_mple "
			"ftps 1 root i\n"},
		{{.wall_secs = 0,
			 .bytes = 1,
			 .path = "/x",
			 .direction = XFERLOG_DELETE,
			 .user = "",
			 .complete = true},
			"Thu Jan  1 01:00:00 1970 0 - 1 /x b _ d r UNKNOWN ftp 0 * c\n"},
	};
	char line[XFERLOG_LINE_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_LEN(row); i++) {
		assert_int_equal(xferlog_format(&row[i].x, line, sizeof(line)), strlen(row[i].want));
		assert_string_equal(line, row[i].want);
	}
	assert_int_equal(xferlog_format(&row[0].x, line, 40), -ENOBUFS);
}

static void xferlog_is_written(void **state)
{
	struct xferlog x = {
		.remote_host = "h", .path = "/p", .direction = XFERLOG_OUT, .user = "u", .service = "ftp"};
	struct err err = ERR_INIT;
	int fd = log_file_open(in_dir("xferlog"), 0, 0640, &err);

	assert_int_equal(xferlog_write(fd, &x), 0);
	assert_int_equal(xferlog_write(-1, &x), 0);
	fd_close(&fd);
	assert_string_equal(content("xferlog"), "Thu Jan  1 01:00:00 1970 0 h 0 /p b _ o r u ftp 0 * i\n");
}

static void tlslog_lines_are_one_line_each(void **state)
{
	const struct log_ctx process = {.process = "session"},
			     ctx = {.parent = &process, .client = &client_addr, .user = "a b", .sid = 7};
	struct tlslog t = {
		.wall_ms = 1500, .ctx = &ctx, .channel = "data", .text = "TLSv1.3\nx", .duration_ms = 3};
	char line[TLSLOG_LINE_SIZE];
	size_t n;

	n = tlslog_format(&t, line, sizeof(line));
	assert_int_equal(n, strlen(line));
	assert_string_equal(
		line, "1970-01-01 01:00:01,500 data sid=7 client=192.0.2.7 user=a_b: TLSv1.3_x, 3 ms\n");
	t.ctx = &process;
	t.duration_ms = -1;
	n = tlslog_format(&t, line, sizeof(line));
	assert_int_equal(n, strlen(line));
	assert_string_equal(line, "1970-01-01 01:00:01,500 data: TLSv1.3_x\n");
	assert_int_equal(tlslog_format(&t, line, 20), 19);
	assert_int_equal(line[18], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_file_is_made_with_its_mode),
		cmocka_unit_test(log_file_refuses_what_others_could_have_put_there),
		cmocka_unit_test(rotated_file_keeps_its_number),
		cmocka_unit_test(diagnostic_lines_go_to_the_file),
		cmocka_unit_test(lines_of_a_server_go_to_its_own_file),
		cmocka_unit_test(diagnostic_lines_can_be_json),
		cmocka_unit_test(syslog_lines_survive_a_restart_of_the_daemon),
		cmocka_unit_test(names_of_syslog_are_known),
		cmocka_unit_test(xferlog_lines_have_the_known_form),
		cmocka_unit_test(xferlog_is_written),
		cmocka_unit_test(tlslog_lines_are_one_line_each),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
