/* The programs as a user starts them, on a scoreboard with live processes. TOOLS_DIR: where they were
 * built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "score/score.h"

static char folder[] = "/tmp/programs_test_XXXXXX";
static struct score_board *board;
static pid_t sessions, strangers;
static char output[100000]; /* of the last program, both streams */

/* Run "TOOLS_DIR/<command>" by the shell with $D the folder. Returns the exit status. */
static int run(const char *command)
{
	char line[2000];
	size_t n;
	FILE *f;
	int st;

	(void)snprintf(line, sizeof(line), "D=%s; cd $D && %s/%s 2>&1", folder, TOOLS_DIR, command);
	f = popen(line, "r");
	assert_non_null(f);
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	st = pclose(f);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + st;
}

static void has(const char *text)
{
	if (strstr(output, text) == NULL)
		fail_msg("no '%s' in:\n%s", text, output);
}

static void has_not(const char *text)
{
	if (strstr(output, text) != NULL)
		fail_msg("'%s' in:\n%s", text, output);
}

static void user_sessions(struct score_region *r)
{
	struct score_slot *s = score_claim(r, 1);
	struct addr client, server;

	(void)addr_parse("192.0.2.7", 40001, &client);
	(void)addr_parse("127.0.0.1", 2121, &server);
	score_set_client(s, &client, NULL);
	score_set_server(s, &server, "Mirror");
	score_set_class(s, "local");
	score_set_protocol(s, "ftp");
	score_set_user(s, "alice", 1001, 1002);
	score_set_cwd(s, "/home/alice");
	score_set_cmd(s, "RETR", "big\x1b[31m.iso");
	score_xfer_start(s, SCORE_DOWNLOAD, 5000, SCORE_PATH_SENDFILE);
	score_xfer_progress(s, &(struct score_progress){2000, 1500, 0, SCORE_PATH_SENDFILE});
	s = score_claim(r, 2);
	score_set_server(s, &server, "Other");
	score_set_user(s, "bob", 1001, 1002);
	score_set_idle(s);
	s = score_claim(r, 3);
	score_set_server(s, &server, "Mirror");
	score_set_user(s, "carol", 1001, 1002);
	score_set_cmd(s, "STOR", "up.bin");
	score_xfer_start(s, SCORE_UPLOAD, 0, SCORE_PATH_COPY);
	score_xfer_progress(s, &(struct score_progress){123456, 0, 10, SCORE_PATH_COPY});
}

static void login_sessions(struct score_region *r)
{
	(void)score_claim(r, 4);
}

static pid_t spawn(enum score_role role, void (*fn)(struct score_region *r))
{
	struct score_region *r;
	int pipefd[2];
	pid_t pid;
	char c;

	assert_int_equal(score_region_new(board, role, 10, &r, NULL), 0);
	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test must leave nobody behind */
		score_region_child(r);
		fn(r);
		(void)!write(pipefd[1], "", 1);
		for (;;)
			pause();
	}
	score_region_set_pid(r, pid);
	assert_int_equal(read(pipefd[0], &c, 1), 1);
	(void)close(pipefd[0]);
	(void)close(pipefd[1]);
	return pid;
}

static const char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	const struct score_info info = {.program = "wherryd"};
	char conf[300];

	if (mkdtemp(folder) == NULL || score_create(path_of("board"), &info, &board, NULL) < 0)
		return -1;
	sessions = spawn(SCORE_SESSION, user_sessions);
	strangers = spawn(SCORE_LOGIN, login_sessions);
	(void)snprintf(conf, sizeof(conf), "ServerName x\nScoreboardFile %s/board\n", folder);
	put_file("conf", conf);
	put_file("conf.none", "ScoreboardFile none\n");
	put_file("garbage", "this is not a scoreboard\n");
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = {"conf", "conf.none", "garbage", "shutmsg", "sock"};
	size_t i;

	if (sessions > 0)
		(void)kill(sessions, SIGKILL);
	(void)kill(strangers, SIGKILL);
	while (wait(NULL) > 0)
		;
	score_close(board, true);
	for (i = 0; i < ARRAY_LEN(files); i++)
		(void)unlink(path_of(files[i]));
	return rmdir(folder);
}

static void ftpwho_shows_all_forms(void **state)
{
	char want[100];

	assert_int_equal(run("ftpwho -f $D/board"), 0);
	(void)snprintf(want, sizeof(want), "standalone FTP daemon [%d], up for 0 min\n", (int)getpid());
	has(want);
	has(" alice    [  0m0s] ( 40%) RETR big?[31m.iso\n");
	has(" bob      [  0m0s]   0m0s idle\n");
	has(" carol    [  0m0s] (n/a) STOR up.bin\n");
	has(" (none)   [  0m0s] (authenticating)\n");
	has("Service class local                -   1 user\n");
	has("Service class                      -   3 users\n");
	assert_int_equal(run("ftpwho -v -o ONELINE -c $D/conf"), 0);
	has(" client: 192.0.2.7 [192.0.2.7] server: 127.0.0.1:2121 (Mirror) protocol: ftp location: "
	    "/home/alice "
	    "class: local session: 1 source: sendfile\n");
	assert_int_equal(run("ftpwho -o compat -S Other -f $D/board"), 0);
	has("Wherry Server 'Other'\n");
	has(" 0m0s   idle\n");
	has_not("RETR");
	assert_int_equal(run("ftpwho -S nothing -f $D/board"), 0);
	has("no users connected\n");
}

static void ftpwho_json_is_valid_and_filtered(void **state)
{
	json_t *v;

	assert_int_equal(run("ftpwho -o json -f $D/board"), 0);
	v = json_loads(output, 0, NULL);
	assert_non_null(v);
	assert_int_equal(json_array_size(json_object_get(v, "connections")), 4);
	json_decref(v);
	has_not("inf");
	has_not("nan");
	assert_int_equal(run("ftpwho -o json -S Mirror -f $D/board"), 0);
	v = json_loads(output, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(v, "connections")), 2);
	json_decref(v);
}

static void ftpcount_counts_classes(void **state)
{
	char want[100];

	assert_int_equal(run("ftpcount --file $D/board"), 0);
	(void)snprintf(want, sizeof(want), "Master wherryd process %d:\nService class local ", (int)getpid());
	has(want);
	assert_int_equal(run("ftpcount -f $D/board -S nothing"), 0);
	has("0 users\n");
}

static void ftptop_prints_batches(void **state)
{
	assert_int_equal(run("ftptop -b -n 2 -d 0 -f $D/board"), 0);
	has("4 Total FTP Sessions: 1 downloading, 1 uploading, 1 idle\n");
	has("  PID S USER ");
	has("[#####---------]  40% sendfile RETR big?[31m.iso\n");
	assert_int_equal(run("ftptop -n 1 -D -f $D/board | cat"), 0); /* no terminal: batch by itself */
	has("RETR");
	has_not("STOR");
	assert_int_equal(run("ftptop -bA -n 1 -f $D/board"), 0);
	has("(authenticating)");
	has_not("alice");
	assert_int_equal(run("ftptop -b -a -i -n 1 -f $D/board"), 0);
	has_not("(authenticating)");
	has_not("bob");
	assert_int_equal(run("ftptop -V"), 0);
	has("ftptop/");
	assert_int_equal(run("ftptop -d -1 -f $D/board"), 1);
	has("negative delay illegal");
	assert_int_equal(run("ftptop -d 16 -f $D/board"), 1);
	has("delay of 0-15 seconds only supported");
	assert_int_equal(run("ftptop -d nan -f $D/board"), 1);
	assert_int_equal(run("ftptop -n 0 -f $D/board"), 1);
}

static void each_problem_has_its_message(void **state)
{
	static const char *const tools[] = {"ftpwho", "ftpcount", "ftpscrub", "ftptop -b -n 1"};
	char line[200];
	size_t i;

	for (i = 0; i < ARRAY_LEN(tools); i++) {
		(void)snprintf(line, sizeof(line), "%s -f $D/none", tools[i]);
		assert_int_equal(run(line), 1);
		has("/none: No such file or directory\n(Perhaps you need to specify the ScoreboardFile with "
		    "-f");
		(void)snprintf(line, sizeof(line), "%s -f $D/garbage", tools[i]);
		assert_int_equal(run(line), 1);
		has("corrupted or old");
		(void)snprintf(line, sizeof(line), "%s -c $D/conf.none", tools[i]);
		assert_int_equal(run(line), 1);
		has("disabled in the configuration");
		(void)snprintf(line, sizeof(line), "%s -c $D/none", tools[i]);
		assert_int_equal(run(line), 1);
		(void)snprintf(line, sizeof(line), "%s -Z", tools[i]);
		assert_int_equal(run(line), 1);
		has("unknown option: Z\n");
		(void)snprintf(line, sizeof(line), "%s --what", tools[i]);
		assert_int_equal(run(line), 1);
		has("unknown option: --what\n");
		(void)snprintf(line, sizeof(line), "%s --help", tools[i]);
		assert_int_equal(run(line), 0);
		has("  -f, --file FILE\n        scoreboard file\n");
	}
	assert_int_equal(run("ftpwho -o xml"), 1);
	has("unknown outform value: 'xml'");
	assert_int_equal(run("ftpwho -f"), 1);
	has("needs an argument");
	assert_int_equal(run("ftpwho -f $D/board >/dev/full"), 1);
}

static void ftpshut_writes_and_removes(void **state)
{
	struct stat st;
	char *text;
	int fd;

	assert_int_equal(run("ftpshut -R -f $D/shutmsg"), 1);
	assert_int_equal(run("ftpshut -l 90 -d 3 -f $D/shutmsg +120 back at %s, -R 'be \nquick'"), 0);
	assert_int_equal(stat(path_of("shutmsg"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	fd = open(path_of("shutmsg"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_read_all(fd, 10000, &text, NULL), 0);
	fd_close(&fd);
	assert_non_null(strstr(text, " 0130 0003\nback at %s, -R be  quick\n"));
	free(text);
	assert_int_equal(run("ftpshut -f $D/shutmsg -R"), 0);
	has("ftpshut: ");
	has("/shutmsg removed\n");
	assert_int_equal(run("ftpshut -f $D/shutmsg"), 1);
	has("usage: ftpshut");
	assert_int_equal(run("ftpshut -f $D/shutmsg 2500"), 1);
	assert_int_equal(run("ftpshut -l x -f $D/shutmsg now"), 1);
	assert_int_equal(run("ftpshut -f $D/none/shutmsg now"), 1);
	assert_int_equal(access(path_of("shutmsg"), F_OK), -1);
}

/* A server for one request that answers with the given bytes. The request is left in *request. */
static int control(const char *command, const char *answer, char *request, size_t size)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pipefd[2], r;
	ssize_t n;
	pid_t pid;

	(void)str_copy(sun.sun_path, sizeof(sun.sun_path), path_of("sock"));
	(void)unlink(sun.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char got[5000];
		int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		n = read(c, got, sizeof(got));
		(void)!write(pipefd[1], got, n > 0 ? (size_t)n : 0);
		(void)fd_write_all(c, answer, strlen(answer));
		_exit(0);
	}
	(void)close(pipefd[1]);
	r = run(command);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	n = read(pipefd[0], request, size - 1);
	request[n > 0 ? n : 0] = '\0';
	(void)close(pipefd[0]);
	fd_close(&fd);
	return r;
}

static void wherryctl_asks_and_shows(void **state)
{
	char request[5000];
	json_t *v;

	assert_int_equal(control("wherryctl -s sock kick user 'a b'", "OK 2 sessions ended\n", request,
				 sizeof(request)),
		0);
	assert_string_equal(request, "kick user a\\x20b\n");
	assert_string_equal(output, "wherryctl: 2 sessions ended\n");
	assert_int_equal(control("wherryctl -s sock reload", "ERR conf:3: unknown directive\n", request,
				 sizeof(request)),
		1);
	assert_string_equal(output, "wherryctl: conf:3: unknown directive\n");
	assert_int_equal(control("wherryctl -s sock status", "OK \nversion 0.1.0\nsessions 12\n", request,
				 sizeof(request)),
		0);
	assert_string_equal(request, "status\n");
	has("version              0.1.0\nsessions             12\n");
	assert_int_equal(
		control("wherryctl -s sock status --json",
			"OK \nversion 0.1.0\nsessions 12\nconfig /a b\nid 007\n", request, sizeof(request)),
		0);
	v = json_loads(output, 0, NULL);
	assert_non_null(v);
	assert_int_equal(json_integer_value(json_object_get(v, "sessions")), 12);
	assert_string_equal(json_string_value(json_object_get(v, "config")), "/a b");
	assert_string_equal(json_string_value(json_object_get(v, "id")), "007");
	json_decref(v);
	assert_int_equal(control("wherryctl -s sock shutdown now", "", request, sizeof(request)), 1);
	has("no answer from the server");
	assert_int_equal(control("wherryctl -s sock reload", "220 hello\n", request, sizeof(request)), 1);
	has("the answer is not one of a server");
	assert_int_equal(run("wherryctl -s none reload"), 1);
	has("cannot reach the server at 'none': No such file or directory");
}

static void wherryctl_refuses_unknown_commands(void **state)
{
	static const char *const rows[] = {"", "dance", "kick", "kick user", "kick dog x", "kick user a b",
		"status x", "shutdown soon", "reload --json", "reload now", "tls", "tls now"};
	char line[100];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		(void)snprintf(line, sizeof(line), "wherryctl -s none %s", rows[i]);
		assert_int_equal(run(line), 1);
		has("usage: wherryctl");
	}
}

/* Last: it takes the sessions away. */
static void ftpscrub_clears_the_dead(void **state)
{
	char want[100];

	assert_int_equal(run("ftpscrub -v -f $D/board"), 0);
	assert_string_equal(output, "");
	assert_int_equal(kill(sessions, SIGKILL), 0);
	assert_int_equal(waitpid(sessions, NULL, 0), sessions);
	assert_int_equal(run("ftpscrub -v -f $D/board"), 0);
	(void)snprintf(want, sizeof(want), "cleared process %d (3 sessions)\n", (int)sessions);
	assert_string_equal(output, want);
	sessions = 0;
	assert_int_equal(run("ftpwho -f $D/board"), 0);
	has_not("alice");
	has("(none)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ftpwho_shows_all_forms),
		cmocka_unit_test(ftpwho_json_is_valid_and_filtered),
		cmocka_unit_test(ftpcount_counts_classes),
		cmocka_unit_test(ftptop_prints_batches),
		cmocka_unit_test(each_problem_has_its_message),
		cmocka_unit_test(ftpshut_writes_and_removes),
		cmocka_unit_test(wherryctl_asks_and_shows),
		cmocka_unit_test(wherryctl_refuses_unknown_commands),
		cmocka_unit_test(ftpscrub_clears_the_dead),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
