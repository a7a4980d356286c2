/* The parts of the session process that know no session: filters, address texts, port choice,
 * upload files. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "session/ascii.h"
#include "session/hostport.h"
#include "session/passive.h"
#include "session/pipes.h"
#include "session/store.h"

/* --- ascii --- */

static const char *const file_texts[] = {
	"", "\n", "a\nb\n", "\r\n", "a\r\nb\n\n\r\n", "\r\r\n\r", "no end", "\n\n\n", "\r"};

static void ascii_out_of_every_split(void **state)
{
	for (size_t t = 0; t < ARRAY_LEN(file_texts); t++) {
		const char *src = file_texts[t];
		size_t n = strlen(src), whole, len;
		char want[64], got[64];
		struct ascii_state st = {0};

		whole = ascii_out(&st, src, n, want);
		for (size_t a = 0; a <= n; a++) {
			for (size_t b = a; b <= n; b++) {
				st = (struct ascii_state){0};
				len = ascii_out(&st, src, a, got);
				len += ascii_out(&st, src + a, b - a, got + len);
				len += ascii_out(&st, src + b, n - b, got + len);
				assert_int_equal(len, whole);
				assert_memory_equal(got, want, whole);
			}
		}
	}
}

static void ascii_out_makes_crlf_of_bare_lf_only(void **state)
{
	struct ascii_state st = {0};
	char got[64];
	size_t n = ascii_out(&st, "a\nb\r\nc\r\r\n", 9, got);

	assert_int_equal(n, 10);
	assert_memory_equal(got, "a\r\nb\r\nc\r\r\n", 10);
}

/* Cut the network anywhere: going on from ascii_out_taken() must give the same stream. */
static void ascii_out_resumes_at_every_cut(void **state)
{
	for (size_t t = 0; t < ARRAY_LEN(file_texts); t++) {
		const char *src = file_texts[t];
		size_t n = strlen(src), whole, taken, len;
		char want[64], got[64];
		struct ascii_state st = {0};

		whole = ascii_out(&st, src, n, want);
		for (size_t cut = 0; cut <= whole; cut++) {
			st = (struct ascii_state){0};
			memcpy(got, want, cut);
			taken = ascii_out_taken(&st, src, n, cut);
			len = cut + ascii_out(&st, src + taken, n - taken, got + cut);
			assert_int_equal(len, whole);
			assert_memory_equal(got, want, whole);
		}
	}
}

static void ascii_in_of_every_split(void **state)
{
	static const struct {
		const char *net, *file;
	} cases[] = {{"a\r\nb\r\n", "a\nb\n"}, {"\r", "\r"}, {"\r\r\n", "\r\n"}, {"a\rb", "a\rb"},
		{"\n", "\n"}, {"\r\n\r\n\r", "\n\n\r"}, {"x\r\r\ry", "x\r\r\ry"}};

	for (size_t t = 0; t < ARRAY_LEN(cases); t++) {
		const char *src = cases[t].net;
		size_t n = strlen(src), len;
		char got[64];

		for (size_t a = 0; a <= n; a++) {
			struct ascii_state st = {0};

			len = ascii_in(&st, src, a, got);
			len += ascii_in(&st, src + a, n - a, got + len);
			len += ascii_in_end(&st, got + len);
			assert_int_equal(len, strlen(cases[t].file));
			assert_memory_equal(got, cases[t].file, len);
		}
	}
}

/* --- addresses --- */

static void port_arguments(void **state)
{
	static const char *const bad[] = {"", "1,2,3,4,5", "1,2,3,4,5,6,7", "256,1,1,1,4,4", "1,2,3,4,5,",
		"0,0,0,0,9,9", "1,2,3,4,0,0", " 1,2,3,4,5,6", "1,2,3,4,5,6 ", "1,2,3,4,5,-6",
		"0001,2,3,4,5,6", "a,b,c,d,e,f"};
	struct addr a;
	char text[ADDR_TEXT_MAX];

	assert_int_equal(port_parse("192,0,2,7,4,1", &a), 0);
	assert_string_equal(addr_text(&a, text), "192.0.2.7");
	assert_int_equal(addr_port(&a), 1025);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(port_parse(bad[i], &a), -EINVAL);
}

static void eprt_arguments(void **state)
{
	static const struct {
		const char *arg;
		int want;
	} cases[] = {{"|1|192.0.2.7|2000|", 0}, {"!2!2001:db8::1!2000!", 0},
		{"|3|192.0.2.7|2000|", -EPROTONOSUPPORT}, {"|1|192.0.2.7|70000|", -EINVAL},
		{"|1|2001:db8::1|2000|", -EINVAL}, {"|2|192.0.2.7|2000|", -EINVAL},
		{"|2|fe80::1%eth0|2000|", -EINVAL}, {"|1|192.0.2.7|2000", -EINVAL},
		{"|1|192.0.2.7|2000||", -EINVAL}, {"", -EINVAL}, {"|", -EINVAL}, {"||||", -EINVAL},
		{"\x7f"
		 "1\x7f"
		 "1.2.3.4\x7f"
		 "2000\x7f",
			-EINVAL},
		{"|1|0.0.0.0|2000|", -EINVAL}, {"|1||2000|", -EINVAL}};
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(eprt_parse(cases[i].arg, true, &a), cases[i].want);
	assert_int_equal(eprt_parse("|2|2001:db8::1|2000|", false, &a), -EPROTONOSUPPORT);
}

static void port_walk_tries_each_port_once(void **state)
{
	struct port_walk w;
	bool seen[10];
	uint16_t p;

	for (uint32_t random = 0; random < 25; random++) {
		memset(seen, 0, sizeof seen);
		port_walk_init(&w, 5000, 5009, random);
		for (int i = 0; i < 10; i++) {
			p = port_walk_next(&w);
			assert_in_range(p, 5000, 5009);
			assert_false(seen[p - 5000]);
			seen[p - 5000] = true;
		}
		assert_int_equal(port_walk_next(&w), 0);
	}
	port_walk_init(&w, 65535, 65535, 7);
	assert_int_equal(port_walk_next(&w), 65535);
	assert_int_equal(port_walk_next(&w), 0);
}

static void passive_ports_are_exclusive(void **state)
{
	struct ftp_conf conf = {0};
	struct addr host, first, second;
	bool fallback;
	int a, b;

	assert_int_equal(addr_parse("127.0.0.1", 0, &host), 0);
	a = passive_listen(&host, &conf, &first, &fallback);
	assert_true(a >= 0);
	assert_false(fallback);
	conf.passive_min = conf.passive_max = addr_port(&first);
	b = passive_listen(&host, &conf, &second, &fallback);
	assert_true(b >= 0);
	assert_true(fallback);
	assert_int_not_equal(addr_port(&second), addr_port(&first));
	fd_close(&a);
	fd_close(&b);
}

static int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* Nothing is set again on what has been accepted. */
static void accepted_connections_have_the_options(void **state)
{
	struct ftp_conf conf = {.nodelay_data = true,
		.socket_options = {.keepalive = true,
			.keepalive_idle = 71,
			.keepalive_count = 7,
			.keepalive_interval = 17,
			.sndbuf = 70000,
			.rcvbuf = 60000,
			.maxseg = 900}};
	struct addr host, bound;
	bool fallback;
	int listener, ours, client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(addr_parse("127.0.0.1", 0, &host), 0);
	listener = passive_listen(&host, &conf, &bound, &fallback);
	assert_true(listener >= 0);
	assert_int_equal(connect(client, &bound.sa, addr_len(&bound)), 0);
	ours = accept(listener, NULL, NULL);
	assert_true(ours >= 0);
	assert_int_equal(option_of(ours, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(ours, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(ours, IPPROTO_TCP, TCP_KEEPIDLE), 71);
	assert_int_equal(option_of(ours, IPPROTO_TCP, TCP_KEEPCNT), 7);
	assert_int_equal(option_of(ours, IPPROTO_TCP, TCP_KEEPINTVL), 17);
	assert_int_equal(option_of(ours, IPPROTO_IP, IP_TOS), IPTOS_THROUGHPUT);
	assert_int_equal(option_of(ours, SOL_SOCKET, SO_SNDBUF), 2 * 70000); /* as socket(7) says */
	assert_int_equal(option_of(ours, SOL_SOCKET, SO_RCVBUF), 2 * 60000);
	assert_true(option_of(ours, IPPROTO_TCP, TCP_MAXSEG) <= 900);
	fd_close(&ours);
	fd_close(&client);
	fd_close(&listener);
}

/* --- upload files --- */

struct tree {
	char path[64];
	struct vfs_root *root;
};

static int tree_setup(void **state)
{
	struct tree *t = xcalloc(1, sizeof *t);
	struct err err = ERR_INIT;

	(void)strcpy(t->path, "/tmp/wherry-store-XXXXXX");
	if (!mkdtemp(t->path) || vfs_root_open(t->path, 0, &t->root, &err) < 0)
		return -1;
	*state = t;
	return 0;
}

static int tree_teardown(void **state)
{
	struct tree *t = *state;
	char cmd[128];

	vfs_root_close(&t->root);
	(void)snprintf(cmd, sizeof cmd, "rm -rf %s", t->path);
	assert_int_equal(system(cmd), 0);
	free(t);
	return 0;
}

static void file_put(struct tree *t, const char *name, const char *text)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", t->path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	fd_close(&fd);
}

static void assert_file(struct tree *t, const char *name, const char *text)
{
	char path[128], *got = NULL;
	size_t len;
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", t->path, name);
	fd = open(path, O_RDONLY);
	if (!text) {
		assert_int_equal(fd, -1);
		return;
	}
	assert_true(fd >= 0);
	assert_int_equal(fd_read_all(fd, 1000, &got, &len), 0);
	assert_string_equal(got, text);
	free(got);
	fd_close(&fd);
}

struct upload {
	enum store_mode mode;
	uint64_t restart;
	const char *text;
	bool begin, complete;
	enum ftp_tristate delete_aborted;
	bool hidden;
	bool only_new;
	const char *meanwhile; /* what another one writes to "h" during the upload */
	uint64_t limit;
	uint64_t length;
};

static int upload(struct tree *t, const char *path, const struct upload *u)
{
	struct ftp_conf conf = {.delete_aborted_stores = u->delete_aborted};
	struct store_options opt = {.mode = u->mode,
		.conf = &conf,
		.create_mode = 0644,
		.may_exist = !u->only_new,
		.restart = u->restart,
		.length = u->length,
		.limit = u->limit ? u->limit : UINT64_MAX};
	enum store_problem problem;
	char hidden[VFS_PATH_SIZE];
	struct store *st;
	int64_t size;
	int r, e;

	conf.hidden_stores = (struct ftp_hidden){u->hidden, ".in.", "."};
	r = store_open(t->root, path, &opt, &st, &problem, hidden);
	if (r < 0)
		return -1000 - (int)problem;
	r = u->begin ? store_begin(st) : 0;
	if (r == 0 && u->begin)
		r = store_write(st, u->text, strlen(u->text));
	if (u->meanwhile)
		file_put(t, "h", u->meanwhile);
	e = store_end(st, u->complete, &problem, &size);
	return r < 0 ? r : e;
}

static void store_writes_and_replaces(void **state)
{
	struct tree *t = *state;

	assert_int_equal(
		upload(t, "/a", &(struct upload){.text = "new", .begin = true, .complete = true}), 0);
	assert_file(t, "a", "new");
	assert_int_equal(upload(t, "/a", &(struct upload){.text = "x", .begin = true, .complete = true}), 0);
	assert_file(t, "a", "x");
}

static void store_without_data_connection_changes_nothing(void **state)
{
	struct tree *t = *state;

	file_put(t, "old", "content");
	assert_int_equal(upload(t, "/old", &(struct upload){.text = ""}), 0);
	assert_file(t, "old", "content");
	assert_int_equal(upload(t, "/new", &(struct upload){.text = ""}), 0);
	assert_file(t, "new", NULL);
}

static void store_restart_keeps_the_tail(void **state)
{
	struct tree *t = *state;
	struct upload u = {
		.mode = STORE_RESTART, .restart = 2, .text = "XY", .begin = true, .complete = true};

	file_put(t, "f", "012345");
	assert_int_equal(upload(t, "/f", &u), 0);
	assert_file(t, "f", "01XY45");
	u.restart = 7;
	assert_int_equal(upload(t, "/f", &u), -1000 - STORE_BEYOND_END);
	assert_file(t, "f", "01XY45");
	assert_int_equal(upload(t, "/g", &u), -1000 - STORE_BEYOND_END);
	assert_file(t, "g", NULL);
}

static void store_of_a_range_writes_no_byte_behind_it(void **state)
{
	struct tree *t = *state;
	struct upload u = {.mode = STORE_RESTART,
		.restart = 2,
		.length = 3,
		.text = "abc",
		.begin = true,
		.complete = true};

	file_put(t, "f", "012345");
	assert_int_equal(upload(t, "/f", &u), 0);
	assert_file(t, "f", "01abc5");
	u.text = "ABCD";
	assert_int_equal(upload(t, "/f", &u), -ERANGE);
	assert_file(t, "f", "01ABC5");
	u.limit = 4;
	u.text = "xyz";
	assert_int_equal(upload(t, "/f", &u), -EFBIG);
	assert_file(t, "f", "01xyC5");
	u.restart = 0;
	u.limit = 0;
	assert_int_equal(upload(t, "/new", &u), 0);
	assert_file(t, "new", "xyz");
}

static void store_abort_deletes_or_cuts_back(void **state)
{
	struct tree *t = *state;
	struct upload u = {.text = "part", .begin = true, .delete_aborted = FTP_ON};

	assert_int_equal(upload(t, "/new", &u), 0);
	assert_file(t, "new", NULL);
	file_put(t, "log", "old");
	u.mode = STORE_APPEND;
	assert_int_equal(upload(t, "/log", &u), 0);
	assert_file(t, "log", "old");
	u.delete_aborted = FTP_UNSET;
	assert_int_equal(upload(t, "/log", &u), 0);
	assert_file(t, "log", "oldpart");
}

static void store_hidden_appears_only_complete(void **state)
{
	struct tree *t = *state;
	struct upload u = {.text = "part", .begin = true, .hidden = true};

	file_put(t, "h", "old");
	assert_int_equal(upload(t, "/h", &u), 0);
	assert_file(t, "h", "old");
	assert_file(t, ".in.h.", NULL);
	u.delete_aborted = FTP_OFF;
	assert_int_equal(upload(t, "/h", &u), 0);
	assert_file(t, ".in.h.", "part");
	u.complete = true;
	assert_int_equal(upload(t, "/h", &u), -1000 - STORE_HIDDEN_EXISTS);
	assert_int_equal(vfs_unlink(t->root, "/.in.h."), 0);
	assert_int_equal(upload(t, "/h", &u), 0);
	assert_file(t, "h", "part");
	assert_file(t, ".in.h.", NULL);
}

static uint32_t fs_magic; /* what the store is told about its file system; 0 = the truth */

int fstatfs(int fd, struct statfs *fs)
{
	int r = (int)syscall(SYS_fstatfs, fd, fs);

	if (r == 0 && fs_magic)
		fs->f_type = fs_magic;
	return r;
}

static void store_hidden_on_nfs_begins_anew(void **state)
{
	struct tree *t = *state;
	struct upload u = {.text = "new", .begin = true, .complete = true, .hidden = true};

	file_put(t, ".in.h.", "left by a server that died");
	fs_magic = 0x6969;
	assert_int_equal(upload(t, "/h", &u), 0);
	fs_magic = 0;
	assert_file(t, "h", "new");
	assert_file(t, ".in.h.", NULL);
}

static void store_hidden_overwrites_only_where_allowed(void **state)
{
	struct tree *t = *state;
	struct upload u = {.text = "mine",
		.begin = true,
		.complete = true,
		.hidden = true,
		.only_new = true,
		.meanwhile = "other's"};

	assert_int_equal(upload(t, "/h", &u), -EEXIST);
	assert_file(t, "h", "other's");
	assert_file(t, ".in.h.", NULL);
	u.only_new = false;
	assert_int_equal(upload(t, "/h", &u), 0);
	assert_file(t, "h", "mine");
}

static void store_stops_at_its_limit(void **state)
{
	struct tree *t = *state;
	struct upload u = {.text = "0123456789", .begin = true, .limit = 4};

	assert_int_equal(upload(t, "/l", &u), -EFBIG);
	assert_file(t, "l", "0123");
}

static int test_pipe(const char *text, int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	return write(fds[1], text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static void store_takes_bytes_from_a_pipe(void **state)
{
	struct tree *t = *state;
	struct ftp_conf conf = {0};
	struct store_options opt = {
		.mode = STORE_REPLACE, .conf = &conf, .create_mode = 0600, .limit = UINT64_MAX};
	enum store_problem problem;
	char hidden[VFS_PATH_SIZE], got[16];
	struct store *st;
	int64_t size;
	int fds[2];

	assert_int_equal(store_open(t->root, "/spliced", &opt, &st, &problem, hidden), 0);
	assert_int_equal(store_begin(st), 0);
	assert_int_equal(store_write(st, "ab", 2), 0);
	assert_int_equal(test_pipe("cdefgh", fds), 0);
	assert_int_equal(store_splice(st, fds[0], 4), 0);
	assert_int_equal(st->offset, 6);
	assert_int_equal(read(fds[0], got, sizeof got), 2);
	assert_memory_equal(got, "gh", 2);
	assert_int_equal(store_end(st, true, &problem, &size), 0);
	assert_int_equal(size, 6);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

/* splice(2) refuses files that are open for appending: nothing may be lost then. */
static void store_leaves_in_the_pipe_what_it_cannot_take(void **state)
{
	struct tree *t = *state;
	struct ftp_conf conf = {0};
	struct store_options opt = {
		.mode = STORE_APPEND, .conf = &conf, .create_mode = 0600, .limit = UINT64_MAX};
	enum store_problem problem;
	char hidden[VFS_PATH_SIZE], got[16];
	struct store *st;
	int64_t size;
	int fds[2];

	assert_int_equal(store_open(t->root, "/appended", &opt, &st, &problem, hidden), 0);
	assert_int_equal(store_begin(st), 0);
	assert_int_equal(test_pipe("abc", fds), 0);
	assert_int_equal(store_splice(st, fds[0], 3), -EINVAL);
	assert_int_equal(st->offset, 0);
	assert_int_equal(read(fds[0], got, sizeof got), 3);
	assert_int_equal(store_end(st, true, &problem, &size), 0);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static void a_pipe_that_is_not_empty_is_not_used_again(void **state)
{
	struct zs_pipe a, b;
	char got[4];

	pipes_trim();
	assert_int_equal(pipes_get(&a), 0);
	assert_int_equal(write(a.wr, "old", 3), 3);
	pipes_put(&a, false);
	assert_int_equal(pipes_get(&b), 0);
	assert_int_equal(read(b.rd, got, sizeof got), -1); /* EAGAIN */
	pipes_put(&b, true);
	assert_int_equal(b.rd, -1);
	assert_int_equal(pipes_get(&a), 0); /* the same again */
	pipes_put(&a, true);
	pipes_trim();
}

static void store_hidden_names(void **state)
{
	char out[VFS_PATH_SIZE], want[64];
	struct ftp_hidden h = {true, ".%P.", ".tmp"};

	assert_int_equal(store_hidden_name(&h, "/d/%P", out), 0);
	(void)snprintf(want, sizeof want, "/d/.%d.%%P.tmp", (int)getpid());
	assert_string_equal(out, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ascii_out_of_every_split),
		cmocka_unit_test(ascii_out_makes_crlf_of_bare_lf_only),
		cmocka_unit_test(ascii_out_resumes_at_every_cut),
		cmocka_unit_test(ascii_in_of_every_split),
		cmocka_unit_test(port_arguments),
		cmocka_unit_test(eprt_arguments),
		cmocka_unit_test(port_walk_tries_each_port_once),
		cmocka_unit_test(passive_ports_are_exclusive),
		cmocka_unit_test(accepted_connections_have_the_options),
		cmocka_unit_test_setup_teardown(store_writes_and_replaces, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(
			store_without_data_connection_changes_nothing, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(store_restart_keeps_the_tail, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(
			store_of_a_range_writes_no_byte_behind_it, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(store_abort_deletes_or_cuts_back, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(
			store_hidden_appears_only_complete, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(store_hidden_on_nfs_begins_anew, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(store_stops_at_its_limit, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(
			store_hidden_overwrites_only_where_allowed, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(store_takes_bytes_from_a_pipe, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(
			store_leaves_in_the_pipe_what_it_cannot_take, tree_setup, tree_teardown),
		cmocka_unit_test(a_pipe_that_is_not_empty_is_not_used_again),
		cmocka_unit_test(store_hidden_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
