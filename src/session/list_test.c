#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"
#include "session/facts.h"
#include "session/list.h"
#include "session/list_priv.h"
#include "session/mlsx.h"
#include "vfs/vfs_test_tree.h"

/* --- a session with rules: nothing called "denied" may be seen --- */

static struct ftp_list_options list_options;
static struct ftp_scope scope, section;
static struct ftp_server server = {.scope = &scope};
static struct session_account account;
static struct session session;
static char cwd[VFS_PATH_SIZE];
static unsigned asked;
static const atomic_bool go_on;

int session_allowed(
	struct session *s, const char *verb, const char *vpath, unsigned flags, struct session_access *ret)
{
	int r = vfs_realpath(s->root, vpath, flags & (VFS_NOFOLLOW | VFS_MISSING_OK), ret->real);

	asked++;
	if (r < 0)
		return r;
	if (verb && strstr(ret->real, "denied"))
		return -EPERM;
	ret->conf = &scope.conf;
	ret->scope = &scope;
	return 0;
}

void session_access_done(struct session_access *a)
{
}

bool session_entry_allowed(
	struct session *s, const char *verb, const struct session_access *dir, const char *name)
{
	return !str_eq(name, "denied");
}

static int setup(void **state)
{
	struct test_tree *t;
	int r = tree_setup(state);

	if (r < 0)
		return r;
	t = *state;
	scope = (struct ftp_scope){.conf = {.show_symlinks = true, .use_globbing = true, .times_gmt = true}};
	scope.dirs = NULL;
	list_options = (struct ftp_list_options){.options = ""};
	memset(&session, 0, sizeof session);
	session.root = t->root;
	session.scope = &scope;
	session.server = &server;
	session.cwd = cwd;
	strcpy(cwd, "/");
	account = (struct session_account){.user = "alice"};
	session.account = &account;
	tree_dir(t, "root/d");
	tree_file(t, "root/d/b", "12345");
	tree_file(t, "root/d/a", "1");
	tree_file(t, "root/d/c.txt", "123");
	tree_file(t, "root/d/.hidden", "x");
	tree_dir(t, "root/d/sub");
	tree_file(t, "root/d/sub/x", "x");
	tree_dir(t, "root/d/sub/deep");
	tree_file(t, "root/d/sub/deep/y", "y");
	tree_link(t, "a", "root/d/ln");
	tree_link(t, "nowhere", "root/d/dangling");
	tree_link(t, "sub", "root/d/lnsub");
	return 0;
}

/* The whole listing, through a buffer of size bytes, or "error <n>". Returned (free()). */
static char *text_of(enum list_kind kind, const char *arg, size_t size)
{
	struct listing *l = listing_new(&session, kind, arg);
	struct buf out;
	char *piece = malloc(size);
	ssize_t n;
	int r = listing_open(l, &go_on);

	buf_init(&out, 64 << 20);
	assert_int_equal(buf_puts(&out, ""), 0);
	if (r < 0) {
		listing_free(l);
		assert_int_equal(buf_printf(&out, "error %d", -r), 0);
	} else {
		struct xfer_source *src = listing_source(l);

		while ((n = src->fill(src, piece, size, &go_on)) > 0) {
			assert_true((size_t)n <= size);
			assert_int_equal(buf_append(&out, piece, (size_t)n), 0);
		}
		assert_int_equal(n, 0);
		src->free(src);
	}
	free(piece);
	return out.data;
}

/* Attributes of long lines are cut off: only what follows the date is compared. */
static char *names_of(char *text)
{
	char *in = text, *out = text;

	while (*in) {
		size_t n = strcspn(in, "\n");
		size_t skip = 0;

		n += in[n] == '\n';
		if (n > 50 && strchr("-dl", in[0]) && in[10] == ' ')
			skip = (size_t)(strchr(in + 10, ':') + 4 - in);
		memmove(out, in + skip, n - skip);
		out += n - skip;
		in += n;
	}
	*out = '\0';
	return text;
}

#define CHECK(kind, arg, want)                                                                               \
	do {                                                                                                 \
		char *text_ = names_of(text_of(LIST_KIND_##kind, arg, 65536));                               \
		assert_string_equal(text_, want);                                                            \
		free(text_);                                                                                 \
	} while (0)

static void list_shows_a_directory_sorted(void **state)
{
	CHECK(LIST, "d", "a\r\nb\r\nc.txt\r\ndangling -> nowhere\r\nln -> a\r\nlnsub -> sub\r\nsub\r\n");
	CHECK(LIST, "-r d", "sub\r\nlnsub -> sub\r\nln -> a\r\ndangling -> nowhere\r\nc.txt\r\nb\r\na\r\n");
	CHECK(LIST, "-1S d/sub", "deep\r\nx\r\n");
	CHECK(LIST, "-1 -- d/sub", "deep\r\nx\r\n");
	CHECK(LIST, "-Al d/a", "d/a\r\n");
	CHECK(LIST, "-1A d", ".hidden\r\na\r\nb\r\nc.txt\r\ndangling\r\nln\r\nlnsub\r\nsub\r\n");
	CHECK(LIST, "-1a d/sub", ".\r\n..\r\ndeep\r\nx\r\n");
	CHECK(LIST, "-d d", "d\r\n");
	CHECK(LIST, "-d", ".\r\n");
	CHECK(LIST, "-1F d", "a\r\nb\r\nc.txt\r\ndangling@\r\nln@\r\nlnsub@\r\nsub/\r\n");
	CHECK(LIST, "d/dangling", "d/dangling -> nowhere\r\n");
	CHECK(LIST, "none", "error 2");
	CHECK(LIST, "", "d\r\n");
	CHECK(LIST, "-d /", "/\r\n");
}

static void times_and_sizes_sort(void **state)
{
	struct test_tree *t = *state;
	struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	assert_int_equal(utimensat(AT_FDCWD, tree_host(t, "root/d/b"), old, 0), 0);
	CHECK(LIST, "-1S d/[abc]*", "d/b\r\nd/c.txt\r\nd/a\r\n");
	CHECK(LIST, "-1t d/?", "d/a\r\nd/b\r\n");
	CHECK(LIST, "-1tr d/?", "d/b\r\nd/a\r\n");
	assert_int_equal(utimensat(AT_FDCWD, tree_host(t, "root/d/a"), old, 0), 0);
	CHECK(LIST, "-1tr d/?", "d/a\r\nd/b\r\n"); /* equal ones by name */
	CHECK(LIST, "-1r d/?", "d/b\r\nd/a\r\n");
}

static void links_can_be_followed(void **state)
{
	CHECK(LIST, "-1L d", "a\r\nb\r\nc.txt\r\nln\r\nlnsub\r\nsub\r\n");
	CHECK(LIST, "-L d", "a\r\nb\r\nc.txt\r\nln\r\nlnsub\r\nsub\r\n");
	scope.conf.show_symlinks = false;
	CHECK(LIST, "d", "a\r\nb\r\nc.txt\r\nln\r\nlnsub\r\nsub\r\n");
	CHECK(LIST, "d/dangling", "error 2");
}

static void recursion_goes_down_but_not_into_links(void **state)
{
	CHECK(LIST, "-R d/sub", "deep\r\nx\r\n\r\nd/sub/deep:\r\ny\r\n");
	CHECK(LIST, "-1R",
		"d\r\n\r\nd:\r\na\r\nb\r\nc.txt\r\ndangling\r\nln\r\nlnsub\r\nsub\r\n\r\nd/"
		"sub:\r\ndeep\r\nx\r\n\r\n"
		"d/sub/deep:\r\ny\r\n");
	CHECK(LIST, "-RU d/sub/deep", "y\r\n");
	CHECK(NLST, "-R d/sub/deep", "d/sub/deep/y\r\n");
	list_options.max_depth = 1;
	scope.conf.list_options = &list_options;
	CHECK(LIST, "-R d/sub", "deep\r\nx\r\n\r\nd/sub/deep:\r\ny\r\n");
	CHECK(LIST, "-1R d",
		"a\r\nb\r\nc.txt\r\ndangling\r\nln\r\nlnsub\r\nsub\r\n\r\nd/sub:\r\ndeep\r\nx\r\n");
	list_options.max_dirs = 1;
	CHECK(LIST, "-R d/sub", "deep\r\nx\r\n");
	list_options.max_files = 2;
	CHECK(LIST, "-1 d", "a\r\nb\r\n");
}

static void patterns_list_files_then_directories(void **state)
{
	CHECK(LIST, "-1 d/[as]*", "d/a\r\n\r\nd/sub:\r\ndeep\r\nx\r\n");
	CHECK(LIST, "-1 d/s*", "deep\r\nx\r\n");
	CHECK(LIST, "-1d d/s*", "d/sub\r\n");
	CHECK(LIST, "d/z*", "error 2");
	CHECK(NLST, "-1 d/z*", "error 2");
	scope.conf.list_options = &list_options;
	list_options.flags = FTP_LIST_SORTED_NLST;
	CHECK(NLST, "d/*", "d/a\r\nd/b\r\nd/c.txt\r\nd/ln\r\nd/lnsub\r\nd/sub\r\n");
	list_options.flags = FTP_LIST_NO_ERROR_IF_ABSENT;
	CHECK(NLST, "d/z*", "");
	scope.conf.use_globbing = false;
	CHECK(NLST, "-1S d/sub/*", "");
}

static void nlst_names_as_typed(void **state)
{
	scope.conf.list_options = &list_options;
	list_options.flags = FTP_LIST_SORTED_NLST;
	CHECK(NLST, "d/sub", "d/sub/deep\r\nd/sub/x\r\n");
	CHECK(NLST, "d/sub/", "d/sub/deep\r\nd/sub/x\r\n");
	CHECK(NLST, "-1 d/sub", "deep\r\nx\r\n");
	CHECK(NLST, "-lFhn d", "d/a\r\nd/b\r\nd/c.txt\r\nd/ln\r\nd/lnsub\r\nd/sub\r\n");
	CHECK(NLST, "d/a", "d/a\r\n");
	strcpy(cwd, "/d/sub");
	CHECK(NLST, "", "deep\r\nx\r\n");
	CHECK(NLST, ".", "deep\r\nx\r\n");
	CHECK(NLST, "..", "../a\r\n../b\r\n../c.txt\r\n../ln\r\n../lnsub\r\n../sub\r\n");
	CHECK(NLST, "/d/dangling", "error 2");
	list_options.flags = FTP_LIST_ONLY_LIST;
	list_options.options = "-1";
	CHECK(NLST, "/d/sub/deep", "/d/sub/deep/y\r\n");
	list_options.flags = FTP_LIST_ONLY_NLST;
	CHECK(NLST, "/d/sub/deep", "y\r\n");
}

static void nlst_leaves_out_what_cannot_be_fetched(void **state)
{
	struct test_tree *t = *state;

	assert_int_equal(mkfifo(tree_host(t, "root/d/sub/fifo"), 0600), 0);
	CHECK(NLST, "d/sub/fifo", "error 22");
	scope.conf.list_options = &list_options;
	list_options.flags = FTP_LIST_SORTED_NLST;
	CHECK(NLST, "-1 d/sub", "deep\r\nx\r\n");
	CHECK(NLST, "d/sub/*", "d/sub/deep\r\nd/sub/x\r\n");
}

static void what_rules_hide_is_not_shown(void **state)
{
	struct test_tree *t = *state;

	scope.dirs = &section;
	tree_dir(t, "root/d/sub/denied");
	tree_file(t, "root/d/sub/denied/z", "z");
	CHECK(LIST, "-1 d/sub", "deep\r\nx\r\n");
	CHECK(LIST, "-1R d/sub", "deep\r\nx\r\n\r\nd/sub/deep:\r\ny\r\n");
	CHECK(NLST, "-1U d/sub/d*", "d/sub/deep\r\n");
	CHECK(LIST, "d/sub/denied", "error 1");
	CHECK(LIST, "d/sub/denied/z", "error 1");
	CHECK(NLST, "d/sub/denied/*", "error 2");
}

static void stat_lines_begin_with_a_blank(void **state)
{
	char *text = text_of(LIST_KIND_STAT, "-1C d/sub", 65536);

	for (char *p = text; *p; p = strchr(p, '\n') + 1)
		assert_int_equal(*p, ' ');
	assert_non_null(strstr(text, " .\r\n"));
	assert_non_null(strstr(text, " -rw"));
	free(text);
	text = text_of(LIST_KIND_STAT, "-R d/sub", 65536);
	for (char *p = text; *p; p = strchr(p, '\n') + 1)
		assert_int_equal(*p, ' ');
	free(text);
}

static void a_lone_option_word_may_be_a_file(void **state)
{
	CHECK(LIST, "-1", "d\r\n");
	tree_file(*state, "root/-1", "x");
	CHECK(LIST, "-1", "-1\r\n");
	CHECK(LIST, "-1 -1", "-1\r\nd\r\n");
	CHECK(LIST, "-1 -- -1", "-1\r\n");
}

static void home_is_found_by_tilde(void **state)
{
	struct test_tree *t = *state;
	char home[128];

	(void)snprintf(home, sizeof home, "%s", tree_host(t, "root/d/sub"));
	account.home = home;
	CHECK(LIST, "-1 ~", "deep\r\nx\r\n");
	CHECK(LIST, "-1 ~/deep", "y\r\n");
	CHECK(NLST, "~/deep", "/d/sub/deep/y\r\n");
	CHECK(NLST, "~/d*", "/d/sub/deep\r\n");
	CHECK(LIST, "~nobody-here", "error 2");
	tree_file(t, "root/~x", "x");
	CHECK(LIST, "~x", "~x\r\n");
	(void)snprintf(home, sizeof home, "%s", tree_host(t, "outside"));
	CHECK(LIST, "~", "error 2");
}

static void columns_are_eighty_wide(void **state)
{
	char name[64];

	tree_dir(*state, "root/c");
	for (int i = 0; i < 30; i++) {
		(void)snprintf(name, sizeof name, "root/c/name-%02d", i);
		tree_file(*state, name, "");
	}
	CHECK(LIST, "-C c",
		"name-00  name-04  name-08  name-12  name-16  name-20  name-24  name-28\r\n"
		"name-01  name-05  name-09  name-13  name-17  name-21  name-25  name-29\r\n"
		"name-02  name-06  name-10  name-14  name-18  name-22  name-26\r\n"
		"name-03  name-07  name-11  name-15  name-19  name-23  name-27\r\n");
}

static void faked_owners_and_modes_are_shown(void **state)
{
	char *text;

	scope.conf.dirfake_user_on = scope.conf.dirfake_group_on = scope.conf.dirfake_mode_on = true;
	scope.conf.dirfake_user = "~";
	scope.conf.dirfake_group = "ftp";
	scope.conf.dirfake_mode = 0440;
	text = text_of(LIST_KIND_LIST, "d/sub", 65536);
	assert_non_null(strstr(text, "dr-xr-x---"));
	assert_non_null(strstr(text, "-r--r-----   1 alice    ftp      "));
	free(text);
}

static void adjusted_links_are_seen_from_the_root(void **state)
{
	struct test_tree *t = *state;
	char target[256];

	(void)snprintf(target, sizeof target, "%s/x", tree_host(t, "root/d"));
	tree_dir(t, "root/l");
	tree_link(t, target, "root/l/abs");
	scope.conf.list_options = &list_options;
	list_options.flags = FTP_LIST_ADJUSTED_SYMLINKS;
	CHECK(LIST, "l", "abs -> /d/x\r\n");
}

static void small_buffers_give_the_same_bytes(void **state)
{
	struct test_tree *t = *state;
	char rel[400] = "root/big/";
	char *whole;

	tree_dir(t, "root/big");
	for (int i = 0; i < 300; i++) {
		(void)snprintf(rel + 9, sizeof rel - 9, "%03d-%0*d", i, i % 200, i);
		tree_file(t, rel, "");
	}
	for (unsigned k = 0; k < 3; k++) {
		static const char *const args[] = {"-RB", "-C big", "-lU big"};

		whole = text_of(LIST_KIND_LIST, args[k], 1 << 20);
		assert_true(strlen(whole) > 10000);
		for (size_t size = 16; size < 4000; size *= 3) {
			char *text = text_of(LIST_KIND_LIST, args[k], size);

			assert_string_equal(text, whole);
			free(text);
		}
		free(whole);
	}
}

static void rules_are_asked_once_a_directory(void **state)
{
	asked = 0;
	free(text_of(LIST_KIND_LIST, "d", 65536));
	assert_int_equal(asked, 1);
	asked = 0;
	free(text_of(LIST_KIND_NLST, "d/*", 65536));
	assert_in_range(asked, 1, 2);
}

static void a_listing_can_be_cancelled(void **state)
{
	static const atomic_bool stop = true;
	struct listing *l = listing_new(&session, LIST_KIND_LIST, "d");
	struct xfer_source *src;
	char buf[100];

	assert_int_equal(listing_open(l, &go_on), 0);
	src = listing_source(l);
	assert_int_equal(src->fill(src, buf, sizeof buf, &stop), -ECANCELED);
	src->free(src);
}

static void names_beyond_the_budget_are_still_listed(void **state)
{
	struct nameset_budget budget = {.names = NAMESET_NAMES_MAX - 3};
	struct nameset set;
	struct listing *l = listing_new(&session, LIST_KIND_LIST, "-1 d");
	struct xfer_source *src = listing_source(l);
	char buf[4096];
	ssize_t n;

	nameset_init(&set, &budget);
	assert_int_equal(nameset_add(&set, "b", 0), 0);
	assert_int_equal(nameset_add(&set, "c", 1), 0);
	assert_int_equal(nameset_add(&set, "a", 0), 0);
	assert_int_equal(nameset_add(&set, "d", 0), -ENOBUFS);
	nameset_sort(&set);
	assert_string_equal(nameset_name(&set, 0), "c");
	assert_string_equal(nameset_name(&set, 1), "a");
	nameset_done(&set);
	assert_int_equal(budget.names, NAMESET_NAMES_MAX - 3);

	l->budget.names = NAMESET_NAMES_MAX - 2;
	log_set_level(LOG_ERR);
	assert_int_equal(listing_open(l, &go_on), 0);
	n = src->fill(src, buf, sizeof buf, &go_on);
	assert_int_equal(n, strlen("a\r\nb\r\nc.txt\r\ndangling\r\nln\r\nlnsub\r\nsub\r\n"));
	l->budget.names = 0;
	src->free(src);
}

static void keys_sort_the_largest_first_and_keep_the_order_of_equals(void **state)
{
	static const int64_t keys[] = {
		5, -1, INT64_MAX, 5, INT64_MIN, ~(int64_t)300, 256, ~(int64_t)70000, 255};
	struct nameset_budget budget = {0};
	struct nameset set;
	char name[] = "0", order[16] = "";

	nameset_init(&set, &budget);
	nameset_sort_keys(&set);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++, name[0]++)
		assert_int_equal(nameset_add(&set, name, keys[i]), 0);
	nameset_sort_keys(&set);
	for (size_t i = 0; i < set.count; i++) {
		nameset_prefetch(&set, i);
		strcat(order, nameset_name(&set, i));
	}
	assert_string_equal(order, "268031574");
	assert_int_equal(nameset_add(&set, "more", 0), 0);
	nameset_done(&set);
}

/* Whatever the directory is and how often the names have to be dropped to make room for more. */
static void mlsd_names_each_entry_once(void **state)
{
	static const char *const all[] = {".hidden", "a", "b", "c.txt", "ln", "lnsub", "sub"};

	session.facts = VERB_FACT_TYPE | VERB_FACT_PERM;
	for (size_t room = 1; room <= 10; room++) {
		struct mlsd *m = mlsd_new(&session, "d");
		struct xfer_source *src = mlsd_source(m);
		char buf[8192], line[64];
		size_t lines = 0;
		ssize_t n;

		assert_int_equal(mlsd_open(m), 0);
		mlsd_budget(m)->names = NAMESET_NAMES_MAX - room;
		n = src->fill(src, buf, sizeof buf - 1, &go_on);
		assert_true(n > 0);
		buf[n] = '\0';
		for (const char *p = buf; (p = strchr(p, '\n')); p++)
			lines++;
		assert_int_equal(lines, 2 + sizeof all / sizeof *all);
		for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
			(void)snprintf(line, sizeof line, "; %s\r\n", all[i]);
			assert_non_null(strstr(buf, line));
		}
		assert_int_equal(src->fill(src, buf, sizeof buf, &go_on), 0);
		src->free(src);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, tree_teardown)

static void line_ends_in_names_are_replaced(void **state)
{
	char out[64];
	size_t n = list_put_name(out, "\ra\r\nb\xff\n", 7, false);

	assert_int_equal(n, 7);
	assert_memory_equal(out, "?a??b\xff?", n);
	assert_int_equal(list_put_name(out, "", 0, false), 0);
	n = list_put_name(out, "a\r\xff", 3, true);
	assert_int_equal(n, 9);
	assert_memory_equal(out, "a\\015\\377", n);
}

static void paths_are_joined_or_too_long(void **state)
{
	char out[VFS_PATH_SIZE], dir[VFS_PATH_SIZE];

	assert_int_equal(list_join("", "a", out), 0);
	assert_string_equal(out, "a");
	assert_int_equal(list_join("/", "a", out), 0);
	assert_string_equal(out, "/a");
	assert_int_equal(list_join("/d", "", out), 0);
	assert_string_equal(out, "/d/");
	memset(dir, 'd', sizeof dir);
	dir[VFS_PATH_SIZE - 3] = '\0';
	assert_int_equal(list_join(dir, "a", out), 0); /* with '/' and NUL it just fits */
	assert_int_equal(strlen(out), VFS_PATH_SIZE - 1);
	assert_int_equal(list_join(dir, "ab", out), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_sort_the_largest_first_and_keep_the_order_of_equals),
		T(mlsd_names_each_entry_once),
		cmocka_unit_test(line_ends_in_names_are_replaced),
		cmocka_unit_test(paths_are_joined_or_too_long),
		T(list_shows_a_directory_sorted),
		T(times_and_sizes_sort),
		T(links_can_be_followed),
		T(recursion_goes_down_but_not_into_links),
		T(patterns_list_files_then_directories),
		T(nlst_names_as_typed),
		T(nlst_leaves_out_what_cannot_be_fetched),
		T(what_rules_hide_is_not_shown),
		T(stat_lines_begin_with_a_blank),
		T(a_lone_option_word_may_be_a_file),
		T(home_is_found_by_tilde),
		T(columns_are_eighty_wide),
		T(faked_owners_and_modes_are_shown),
		T(adjusted_links_are_seen_from_the_root),
		T(small_buffers_give_the_same_bytes),
		T(rules_are_asked_once_a_directory),
		T(a_listing_can_be_cancelled),
		T(names_beyond_the_budget_are_still_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
