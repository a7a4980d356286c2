#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "score/score_priv.h"

static const struct score_info info = {.program = "wherryd", .server = SCORE_STANDALONE};

struct seen {
	unsigned count;
	struct score_session last;
};

static int see(void *arg, const struct score_session *s)
{
	struct seen *seen = arg;

	seen->count++;
	seen->last = *s;
	return 0;
}

static struct score_board *memory_board(void)
{
	struct score_board *b;

	assert_int_equal(score_create(NULL, &info, &b, NULL), 0);
	return b;
}

static struct score_stats read_board(const struct score_board *b, struct seen *seen)
{
	struct score_reader *r;
	struct score_stats st;

	memset(seen, 0, sizeof(*seen));
	assert_int_equal(score_open_board(b, &r, NULL), 0);
	assert_int_equal(score_read_all(r, see, seen, &st), 0);
	score_reader_free(r);
	return st;
}

/* A child that runs fn with its region and then waits to be killed. */
static pid_t spawn(struct score_board *b, unsigned slots, void (*fn)(struct score_region *r))
{
	struct score_region *r;
	int pipefd[2];
	pid_t pid;
	char c;

	assert_int_equal(score_region_new(b, SCORE_SESSION, slots, &r, NULL), 0);
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

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void fill(struct score_region *r)
{
	struct score_slot *s = score_claim(r, 77);
	struct addr client, server;

	(void)addr_parse("192.0.2.7", 40001, &client);
	(void)addr_parse("2001:db8::1", 2121, &server);
	score_set_begin(s, 1000);
	score_set_client(s, &client, "client.example.net");
	score_set_server(s, &server, "Mirror");
	score_set_class(s, "local");
	score_set_protocol(s, "ftps");
	score_set_tls(s, true, false);
	score_set_user(s, "alice", 1001, 1002);
	score_set_cwd(s, "/home/alice");
	score_set_cmd(s, "RETR", "big.iso");
	score_set_rate_limit(s, 125000);
	score_xfer_start(s, SCORE_DOWNLOAD, 5000, SCORE_PATH_SENDFILE);
	score_xfer_progress(s, &(struct score_progress){2000, 1500, 4, SCORE_PATH_SENDFILE});
}

static void reader_sees_what_the_child_wrote(void **state)
{
	struct score_board *b = memory_board();
	char text[ADDR_TEXT_MAX];
	struct score_stats st;
	struct seen seen;
	pid_t pid = spawn(b, 100, fill);

	st = read_board(b, &seen);
	assert_int_equal(st.sessions, 1);
	assert_int_equal(st.processes, 1);
	assert_int_equal(seen.last.pid, pid);
	assert_int_equal(seen.last.id, 77);
	assert_int_equal(seen.last.role, SCORE_SESSION);
	assert_int_equal(seen.last.begin_ms, 1000);
	assert_true(seen.last.since_ms > 1000);
	assert_string_equal(addr_text(&seen.last.client, text), "192.0.2.7");
	assert_int_equal(addr_port(&seen.last.client), 40001);
	assert_string_equal(addr_text(&seen.last.server, text), "2001:db8::1");
	assert_int_equal(addr_port(&seen.last.server), 2121);
	assert_string_equal(seen.last.client_name, "client.example.net");
	assert_string_equal(seen.last.label, "Mirror");
	assert_string_equal(seen.last.class_name, "local");
	assert_string_equal(seen.last.protocol, "ftps");
	assert_string_equal(seen.last.user, "alice");
	assert_int_equal(seen.last.uid, 1001);
	assert_int_equal(seen.last.gid, 1002);
	assert_string_equal(seen.last.cwd, "/home/alice");
	assert_string_equal(seen.last.cmd, "RETR");
	assert_string_equal(seen.last.arg, "big.iso");
	assert_true(seen.last.tls_control && !seen.last.tls_data && seen.last.logged_in && !seen.last.idle);
	assert_int_equal(seen.last.rate_limit_bps, 125000);
	assert_true(seen.last.xfer_active && seen.last.dir == SCORE_DOWNLOAD);
	assert_string_equal(score_path_name(seen.last.path), "sendfile");
	assert_int_equal(seen.last.xfer_size, 5000);
	assert_int_equal(seen.last.xfer_done, 2000);
	assert_int_equal(seen.last.xfer_acked, 1500);
	assert_int_equal(seen.last.xfer_elapsed_ms, 4);
	end(pid);
	score_close(b, true);
}

/* A region of this very process: written and read here. */
static struct score_region *own_region(struct score_board **ret_b, unsigned slots)
{
	struct score_region *r, *copy = malloc(sizeof(*copy));

	*ret_b = memory_board();
	assert_non_null(copy);
	assert_int_equal(score_region_new(*ret_b, SCORE_LOGIN, slots, &r, NULL), 0);
	*copy = *r;
	copy->board = NULL;
	/* a second mapping of the same memory, so that set_pid() may take the first */
	copy->map = mremap(r->map, 0, r->map_bytes, MREMAP_MAYMOVE);
	assert_true(copy->map != MAP_FAILED);
	copy->tables = score_tables(copy->map, slots);
	score_region_set_pid(r, getpid());
	return copy;
}

static void own_done(struct score_board *b, struct score_region *r)
{
	assert_int_equal(munmap(r->map, r->map_bytes), 0);
	free(r);
	score_close(b, true);
}

static void slots_are_reused_and_stay_dense(void **state)
{
	struct score_slot *slots[65], *again;
	struct score_board *b;
	struct seen seen;
	struct score_region *r = own_region(&b, 65);
	uint32_t i;

	for (i = 0; i < 65; i++) {
		slots[i] = score_claim(r, i);
		assert_non_null(slots[i]);
	}
	assert_null(score_claim(r, 99));
	assert_int_equal(read_board(b, &seen).sessions, 65);
	score_release(slots[3]);
	assert_int_equal(read_board(b, &seen).sessions, 64);
	again = score_claim(r, 99);
	assert_non_null(again);
	assert_int_equal(again->index, 3);
	score_release(again);
	for (i = 1; i < 65; i++) {
		if (i != 3)
			score_release(slots[i]);
	}
	assert_int_equal(read_board(b, &seen).sessions, 1);
	assert_int_equal(seen.last.id, 0);
	assert_int_equal(((struct score_region_head *)(void *)r->map)->used, 1);
	score_release(slots[0]);
	assert_int_equal(read_board(b, &seen).sessions, 0);
	own_done(b, r);
}

static void a_released_slot_keeps_nothing(void **state)
{
	struct score_board *b;
	struct seen seen;
	struct score_region *r = own_region(&b, 4);
	struct score_slot *s = score_claim(r, 1);

	score_set_user(s, "alice", 1, 1);
	score_set_cmd(s, "STOR", "x");
	score_xfer_start(s, SCORE_UPLOAD, 0, SCORE_PATH_COPY);
	score_release(s);
	s = score_claim(r, 2);
	(void)read_board(b, &seen);
	assert_int_equal(seen.last.id, 2);
	assert_string_equal(seen.last.user, "(none)");
	assert_string_equal(seen.last.cmd, "idle");
	assert_false(seen.last.logged_in);
	assert_false(seen.last.xfer_active);
	assert_int_equal(seen.last.dir, SCORE_NO_TRANSFER);
	score_release(s);
	own_done(b, r);
}

/* [i]: of the session with number i. */
static int see_user(void *arg, const struct score_session *s)
{
	char(*users)[SCORE_USER_MAX] = arg;

	memcpy(users[s->id], s->user, SCORE_USER_MAX);
	return 0;
}

static void expect_users(const struct score_board *b, const char *const *users, unsigned n)
{
	char seen[8][SCORE_USER_MAX];
	struct score_reader *r;

	assert_int_equal(score_open_board(b, &r, NULL), 0);
	assert_int_equal(score_read_all(r, see_user, seen, NULL), 0);
	score_reader_free(r);
	for (unsigned i = 0; i < n; i++)
		assert_string_equal(seen[i], users[i]);
}

static void sessions_share_only_what_is_equal(void **state)
{
	struct score_slot *s[4];
	struct score_board *b;
	struct score_region *r = own_region(&b, 4);

	for (unsigned i = 0; i < 4; i++) {
		s[i] = score_claim(r, i);
		score_set_protocol(s[i], "ftp");
		score_set_user(s[i], i < 3 ? "alice" : "bob", 1, 1);
	}
	assert_in_range(r->commons, 2, 3);
	expect_users(b, (const char *const[]){"alice", "alice", "alice", "bob"}, 4);
	score_set_user(s[0], "bob", 1, 1);
	expect_users(b, (const char *const[]){"bob", "alice", "alice", "bob"}, 4);
	score_set_user(s[1], "carol", 1, 1);
	score_set_user(s[2], "dave", 1, 1); /* in alice's place */
	expect_users(b, (const char *const[]){"bob", "carol", "dave", "bob"}, 4);
	score_set_user(s[3], "erin", 1, 1); /* as many as slots */
	score_set_user(s[3], "frank", 1, 1);
	expect_users(b, (const char *const[]){"bob", "carol", "dave", "frank"}, 4);
	for (unsigned i = 0; i < 4; i++)
		score_release(s[i]);
	assert_int_equal(r->commons, 0);
	for (size_t i = 0; i < 5 * sizeof(struct score_common); i++)
		assert_int_equal(((const char *)r->tables.common)[i], 0);
	own_done(b, r);
}

static void commands_of_many_sessions_are_kept_apart(void **state)
{
	struct score_slot *s[3];
	struct score_board *b;
	struct seen seen;
	struct score_region *r = own_region(&b, 3);

	for (unsigned i = 0; i < 3; i++) {
		s[i] = score_claim(r, i);
		score_set_cmd(s[i], "CWD", "first");
	}
	score_set_cmd(s[2], "CWD", "second");
	(void)read_board(b, &seen);
	assert_string_equal(seen.last.arg, "second");
	score_set_idle(s[0]);
	score_set_idle(s[2]);
	(void)read_board(b, &seen);
	assert_string_equal(seen.last.cmd, "idle");
	assert_string_equal(seen.last.arg, "");
	score_set_cmd(s[2], "NOOP", ""); /* where that of the first was */
	(void)read_board(b, &seen);
	assert_string_equal(seen.last.cmd, "NOOP");
	assert_string_equal(seen.last.arg, "");
	for (unsigned i = 0; i < 3; i++)
		score_release(s[i]);
	for (size_t i = 0; i < 3 * sizeof(struct score_work); i++)
		assert_int_equal(((const char *)r->tables.work)[i], 0);
	own_done(b, r);
}

static void without_memory_for_it_no_user_is_shown(void **state)
{
	struct score_board *b;
	struct score_region *r = own_region(&b, 1);
	struct score_offsets at = score_offsets(1);
	struct score_slot *s = score_claim(r, 7);
	int empty = memfd_create("empty", MFD_CLOEXEC);
	size_t n = at.over - at.common;
	struct seen seen;
	char *p = mmap(r->map + at.common, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, empty, 0);
	bool known = madvise(p, n, MADV_POPULATE_WRITE) == 0 || errno != EINVAL;

	fd_close(&empty);
	if (!known) { /* an older kernel */
		score_release(s);
		own_done(b, r);
		skip();
	}
	score_set_class(s, "c");
	score_set_user(s, "alice", 1000, 1000);
	score_set_cmd(s, "LIST", "");
	assert_int_equal(read_board(b, &seen).sessions, 1);
	assert_false(seen.last.logged_in);
	assert_string_equal(seen.last.user, "(none)");
	assert_string_equal(seen.last.class_name, "");
	assert_string_equal(seen.last.cmd, "");
	score_release(s);
	own_done(b, r);
}

static void a_new_transfer_shows_nothing_of_the_last(void **state)
{
	struct score_board *b;
	struct seen seen;
	struct score_region *r = own_region(&b, 4);
	struct score_slot *s = score_claim(r, 1);

	score_xfer_start(s, SCORE_DOWNLOAD, 100, SCORE_PATH_SENDFILE);
	score_xfer_progress(s, &(struct score_progress){100, 100, 50, SCORE_PATH_SENDFILE});
	score_xfer_end(s, &(struct score_progress){100, 100, 60, SCORE_PATH_SENDFILE});
	score_set_idle(s);
	(void)read_board(b, &seen);
	assert_int_equal(seen.last.xfer_done, 100);
	assert_int_equal(seen.last.xfer_elapsed_ms, 60);
	assert_false(seen.last.xfer_active);
	score_xfer_start(s, SCORE_DOWNLOAD, 70, SCORE_PATH_TLS);
	(void)read_board(b, &seen);
	assert_int_equal(seen.last.xfer_size, 70);
	assert_int_equal(seen.last.xfer_done, 0);
	assert_int_equal(seen.last.xfer_acked, 0);
	assert_int_equal(seen.last.xfer_elapsed_ms, 0);
	assert_true(seen.last.xfer_active);
	score_release(s);
	own_done(b, r);
}

static void every_path_has_a_name_of_its_own(void **state)
{
	for (unsigned i = SCORE_PATH_NONE + 1; i < SCORE_PATH_COUNT; i++) {
		assert_string_not_equal(score_path_name((enum score_path)i), "");
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(
				score_path_name((enum score_path)i), score_path_name((enum score_path)k));
	}
	assert_string_equal(score_path_name(SCORE_PATH_DEFLATE), "deflate");
	assert_string_equal(score_path_name(SCORE_PATH_SPLICE), "splice");
	assert_string_equal(score_path_name(SCORE_PATH_COUNT), "");
	assert_true(score_path_in_kernel(SCORE_PATH_SPLICE));
	assert_false(score_path_in_kernel(SCORE_PATH_MAPPED));
}

static void long_texts_overflow_and_are_cut_between_characters(void **state)
{
	char cwd[700], arg[3000], name[400];
	struct score_board *b;
	struct seen seen;
	struct score_region *r = own_region(&b, 4);
	struct score_slot *s = score_claim(r, 1), *other = score_claim(r, 2);
	size_t i;

	memset(cwd, 'd', sizeof(cwd));
	cwd[0] = '/';
	cwd[sizeof(cwd) - 1] = '\0';
	for (i = 0; i + 2 < sizeof(arg); i += 2)
		memcpy(arg + i, "\xc3\xa4",
			2); /* a-umlaut: two bytes, so that 1023 is in the middle of one */
	arg[i] = '\0';
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	score_set_cwd(s, cwd);
	score_set_cmd(s, "RETR", arg);
	score_set_client(s, NULL, name);
	score_set_user(s, arg, 1, 1);
	score_release(other);
	(void)read_board(b, &seen);
	assert_string_equal(seen.last.cwd, cwd);
	assert_int_equal(strlen(seen.last.arg), SCORE_ARG_MAX - 2);
	assert_memory_equal(seen.last.arg, arg, SCORE_ARG_MAX - 2);
	assert_int_equal(strlen(seen.last.client_name), SCORE_NAME_MAX - 1);
	assert_int_equal(strlen(seen.last.user), SCORE_USER_MAX - 2);
	assert_int_equal(seen.last.client.sa.sa_family, 0);
	score_set_cmd(s, "RETR", "short");
	score_set_cwd(s, NULL);
	(void)read_board(b, &seen);
	assert_string_equal(seen.last.arg, "short");
	assert_string_equal(seen.last.cwd, "");
	score_release(s);
	own_done(b, r);
}

static void without_a_slot_nothing_happens(void **state)
{
	struct score_slot *s = score_claim(NULL, 1);

	assert_null(s);
	score_set_cmd(s, "LIST", "");
	score_set_idle(s);
	score_xfer_start(s, SCORE_DOWNLOAD, 1, SCORE_PATH_COPY);
	score_xfer_progress(s, &(struct score_progress){1, 1, 1, SCORE_PATH_SENDFILE});
	score_xfer_end(s, &(struct score_progress){1, 1, 1, SCORE_PATH_SENDFILE});
	score_release(s);
	score_region_child(NULL);
	score_region_reap(NULL, 1);
	score_close(NULL, true);
}

static void a_slot_that_never_stands_still_is_skipped(void **state)
{
	struct score_board *b;
	struct score_stats st;
	struct seen seen;
	struct score_region *r = own_region(&b, 8);
	struct score_slot *s = score_claim(r, 1), *t = score_claim(r, 2);

	atomic_fetch_add(&r->tables.hot[s->index].seq, 1);
	st = read_board(b, &seen);
	assert_int_equal(st.busy, 1);
	assert_int_equal(st.sessions, 1);
	assert_int_equal(seen.last.id, 2);
	score_release(s);
	score_release(t);
	own_done(b, r);
}

static void child_keeps_one_mapping(struct score_region *r)
{
	char line[512];
	unsigned maps = 0;
	FILE *f = fopen("/proc/self/maps", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		maps += strstr(line, "memfd:scoreboard") != NULL;
	if (f != NULL)
		(void)fclose(f);
	for (int fd = 0; fd < 256; fd++) {
		char link[64], to[128];
		ssize_t n;

		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		if (strstr(to, "memfd:scoreboard") != NULL)
			maps += 100;
	}
	score_set_cmd(score_claim(r, maps), "X", "");
}

static void a_child_keeps_nothing_but_its_region(void **state)
{
	struct score_board *b = memory_board();
	struct score_region *unforked;
	struct seen seen;
	pid_t first = spawn(b, 4, fill), pid;

	assert_int_equal(score_region_new(b, SCORE_SESSION, 4, &unforked, NULL), 0);
	pid = spawn(b, 4, child_keeps_one_mapping);
	(void)read_board(b, &seen);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.last.pid, pid);
	assert_int_equal(seen.last.id, 1); /* maps counted in the child */
	end(pid);
	end(first);
	score_close(b, true);
}

static void reaping_frees(void **state)
{
	struct score_board *b = memory_board();
	struct seen seen;
	pid_t pid;
	int i;

	for (i = 0; i < 4; i++) {
		score_no_punch = i % 2;
		pid = spawn(b, 100, fill);
		assert_int_equal(read_board(b, &seen).sessions, 1);
		end(pid);
		assert_int_equal(read_board(b, &seen).dead, 1);
		assert_int_equal(seen.count, 0);
		score_region_reap(b, pid);
		assert_int_equal(read_board(b, &seen).dead, 0);
	}
	score_no_punch = false;
	pid = spawn(b, 100, child_keeps_one_mapping); /* the region is used again, and is clean */
	assert_int_equal(read_board(b, &seen).sessions, 1);
	assert_string_equal(seen.last.user, "(none)");
	assert_int_equal(seen.last.xfer_size, 0);
	end(pid);
	score_close(b, true);
}

static void count_cleared(void *arg, pid_t pid, unsigned sessions)
{
	*(unsigned *)arg += sessions;
}

static void scrubbing_takes_the_dead_only(void **state)
{
	struct score_board *b = memory_board();
	pid_t one = spawn(b, 4, fill), two = spawn(b, 4, fill);
	unsigned sessions = 0;
	struct seen seen;

	assert_int_equal(score_scrub(b, count_cleared, &sessions), 0);
	assert_int_equal(kill(one, SIGKILL), 0);
	(void)waitid(P_PID, (id_t)one, NULL, WEXITED | WNOWAIT); /* stays a zombie */
	assert_int_equal(read_board(b, &seen).dead, 1);
	assert_int_equal(seen.last.pid, two);
	assert_int_equal(score_scrub(b, count_cleared, &sessions), 1);
	assert_int_equal(sessions, 1);
	assert_int_equal(read_board(b, &seen).dead, 0);
	assert_int_equal(waitpid(one, NULL, 0), one);
	end(two);
	score_close(b, true);
}

static void a_reused_pid_is_not_the_old_process(void **state)
{
	uint64_t ticks;

	assert_int_equal(score_proc_ticks(getpid(), &ticks), 0);
	assert_true(score_proc_alive(getpid(), ticks));
	assert_true(score_proc_alive(getpid(), 0));
	assert_false(score_proc_alive(getpid(), ticks + 1));
	assert_false(score_proc_alive(0, 0));
	assert_false(score_proc_alive(-1, 0));
}

/* ---- files ---------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/score_test_XXXXXX";

static const char *file(const char *name)
{
	static char path[2][128];
	static int which;

	which ^= 1;
	(void)snprintf(path[which], sizeof(path[which]), "%s/%s", folder, name);
	return path[which];
}

static void a_new_board_replaces_the_old_file(void **state)
{
	struct score_board *b, *c;
	struct score_reader *old, *new;
	struct score_daemon d;
	struct stat st;
	mode_t mask = umask(077);

	assert_int_equal(score_create(file("board"), &info, &b, NULL), 0);
	assert_int_equal(score_open(file("board"), &old, NULL), 0);
	assert_int_equal(score_create(file("board"), &info, &c, NULL), 0);
	assert_int_equal(score_open(file("board"), &new, NULL), 0);
	score_read_daemon(new, &d);
	assert_int_equal(d.pid, getpid());
	assert_true(d.alive);
	assert_string_equal(d.program, "wherryd");
	assert_int_equal(stat(file("board"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(access(file("board.new"), F_OK), -1);
	score_reader_free(old);
	score_reader_free(new);
	score_close(b, false);
	score_close(c, true);
	assert_int_equal(access(file("board"), F_OK), -1);
	(void)umask(mask);
}

static void bad_places_are_refused(void **state)
{
	struct score_board *b;
	struct err e;

	assert_int_equal(symlink("elsewhere", file("link")), 0);
	assert_int_equal(score_create(file("link"), &info, &b, &e), -WE_DENIED);
	assert_non_null(strstr(e.text, "symbolic link"));
	assert_int_equal(unlink(file("link")), 0);
	assert_int_equal(mkdir(file("open"), 0777), 0);
	assert_int_equal(chmod(file("open"), 01777), 0);
	assert_int_equal(score_create(file("open/board"), &info, &b, &e), -WE_DENIED);
	assert_non_null(strstr(e.text, "world-writable"));
	assert_int_equal(score_create(file("open"), &info, &b, &e), -WE_DENIED);
	assert_int_equal(rmdir(file("open")), 0);
	assert_int_equal(score_create(file("none/board"), &info, &b, &e), -ENOENT);
	assert_int_equal(score_create("board", &info, &b, &e), -EINVAL);
	assert_int_equal(score_create(file(""), &info, &b, &e), -EINVAL);
}

static void put(const char *path, const void *data, size_t n, off_t off)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, n, off), n);
	fd_close(&fd);
}

static void each_kind_of_bad_file_has_its_message(void **state)
{
	static const struct {
		uint32_t off, value;
		int code;
		const char *words;
	} rows[] = {
		{0, 0x30303030, -WE_SYNTAX, "corrupted or old"},
		{offsetof(struct score_header, version), 0, -WE_VERSION, "too old"},
		{offsetof(struct score_header, version), 99, -WE_VERSION, "too new"},
		{offsetof(struct score_header, slot_bytes), 1, -WE_VERSION, "another build"},
	};
	struct score_reader *r;
	struct score_board *b;
	struct err e;
	size_t i;

	assert_int_equal(score_open(file("board"), &r, &e), -ENOENT);
	assert_int_equal(symlink("elsewhere", file("link")), 0);
	assert_int_equal(score_open(file("link"), &r, &e), -ELOOP);
	assert_int_equal(unlink(file("link")), 0);
	assert_int_equal(score_open(folder, &r, &e), -WE_SYNTAX);
	put(file("board"), "x", 1, 0);
	assert_int_equal(score_open(file("board"), &r, &e), -WE_SYNTAX);
	assert_int_equal(score_attach(file("board"), &b, &e), -WE_SYNTAX);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(score_create(file("board"), &info, &b, NULL), 0);
		score_close(b, false);
		put(file("board"), &rows[i].value, 4, rows[i].off);
		assert_int_equal(score_open(file("board"), &r, &e), rows[i].code);
		assert_non_null(strstr(e.text, rows[i].words));
		assert_int_equal(score_attach(file("board"), &b, &e), rows[i].code);
	}
	assert_int_equal(score_create(file("board"), &info, &b, NULL), 0);
	score_close(b, false);
	assert_int_equal(truncate(file("board"), 5000), 0);
	assert_int_equal(score_open(file("board"), &r, &e), -WE_SYNTAX);
	assert_non_null(strstr(e.text, "cut short"));
	assert_int_equal(unlink(file("board")), 0);
}

static void a_board_of_an_earlier_boot_has_no_sessions(void **state)
{
	struct score_daemon d;
	struct score_reader *r;
	struct score_board *b;
	struct score_stats st;
	struct seen seen = {0};
	pid_t pid;

	assert_int_equal(score_create(file("board"), &info, &b, NULL), 0);
	pid = spawn(b, 4, fill);
	put(file("board"), "0", 2, offsetof(struct score_header, boot_id));
	assert_int_equal(score_open(file("board"), &r, NULL), 0);
	score_read_daemon(r, &d);
	assert_false(d.alive);
	assert_int_equal(score_read_all(r, see, &seen, &st), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(st.dead, 1);
	score_reader_free(r);
	score_close(b, false);
	assert_int_equal(score_attach(file("board"), &b, NULL), 0);
	assert_int_equal(score_scrub(b, NULL, NULL), 1);
	score_close(b, true);
	end(pid);
}

static void files_of_mappings_are_shown(void **state)
{
	struct score_preload p = {.size = 10, .hits = 3, .generation = 2, .path = "/srv/ftp/file"}, got;
	struct score_board *b = memory_board();
	struct score_reader *r;

	score_set_preload(NULL, 0, &p);
	score_set_preload(b, SCORE_PRELOADS_MAX, &p);
	assert_int_equal(score_open_board(b, &r, NULL), 0);
	assert_false(score_read_preload(r, 0, &got));
	score_set_preload(b, 0, &p);
	assert_true(score_read_preload(r, 0, &got));
	assert_string_equal(got.path, "/srv/ftp/file");
	assert_true(got.size == 10 && got.hits == 3 && got.stale == 0 && got.generation == 2);
	memset(p.path, 'x', sizeof(p.path)); /* without its NUL */
	score_set_preload(b, SCORE_PRELOADS_MAX - 1, &p);
	assert_true(score_read_preload(r, SCORE_PRELOADS_MAX - 1, &got));
	assert_int_equal(strlen(got.path), sizeof(got.path) - 1);
	assert_false(score_read_preload(r, SCORE_PRELOADS_MAX, &got));
	score_set_preload(b, 0, NULL);
	assert_false(score_read_preload(r, 0, &got));
	score_reader_free(r);
	score_close(b, true);
}

/* An idle session must not cost more than its slot. */
static void idle_sessions_cost_little(void **state)
{
	struct score_slot *slots[1000];
	struct score_board *b;
	struct stat before, after;
	struct seen seen;
	struct score_region *r = own_region(&b, SCORE_SLOTS_MAX);
	int i;

	assert_int_equal(fstat(score_board_fd(b), &before), 0);
	for (i = 0; i < 1000; i++) {
		slots[i] = score_claim(r, (uint32_t)i);
		score_set_user(slots[i], "anonymous", 1, 1);
		score_set_cwd(slots[i], "/pub");
		score_set_idle(slots[i]);
	}
	assert_int_equal(read_board(b, &seen).sessions, 1000);
	assert_int_equal(fstat(score_board_fd(b), &after), 0);
	assert_true((after.st_blocks - before.st_blocks) * 512 <= 1000 * 240 + 4 * 4096);
	for (i = 0; i < 1000; i++)
		score_release(slots[i]);
	own_done(b, r);
}

static int make_folder(void **state)
{
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_sees_what_the_child_wrote),
		cmocka_unit_test(files_of_mappings_are_shown),
		cmocka_unit_test(slots_are_reused_and_stay_dense),
		cmocka_unit_test(a_released_slot_keeps_nothing),
		cmocka_unit_test(sessions_share_only_what_is_equal),
		cmocka_unit_test(commands_of_many_sessions_are_kept_apart),
		cmocka_unit_test(without_memory_for_it_no_user_is_shown),
		cmocka_unit_test(a_new_transfer_shows_nothing_of_the_last),
		cmocka_unit_test(long_texts_overflow_and_are_cut_between_characters),
		cmocka_unit_test(without_a_slot_nothing_happens),
		cmocka_unit_test(a_slot_that_never_stands_still_is_skipped),
		cmocka_unit_test(a_child_keeps_nothing_but_its_region),
		cmocka_unit_test(reaping_frees),
		cmocka_unit_test(scrubbing_takes_the_dead_only),
		cmocka_unit_test(a_reused_pid_is_not_the_old_process),
		cmocka_unit_test(a_new_board_replaces_the_old_file),
		cmocka_unit_test(bad_places_are_refused),
		cmocka_unit_test(each_kind_of_bad_file_has_its_message),
		cmocka_unit_test(a_board_of_an_earlier_boot_has_no_sessions),
		cmocka_unit_test(every_path_has_a_name_of_its_own),
		cmocka_unit_test(idle_sessions_cost_little),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
