#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "vfs/dir.h"
#include "vfs/glob.h"
#include "vfs/vfs_test_tree.h"

static void stream_gives_every_entry_once(void **state)
{
	struct test_tree *t = *state;
	static unsigned char seen[3000];
	const struct vfs_dirent *ent;
	struct vfs_dir *dir = NULL;
	char name[64];
	unsigned i, n = 0;

	for (i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "root/a-rather-long-name-%u", i);
		tree_file(t, name, "");
	}
	memset(seen, 0, sizeof(seen));
	assert_int_equal(vfs_dir_open(t->root, "/", 0, 0, &dir), 0);
	while (vfs_dir_next(dir, &ent) == 1) {
		assert_int_equal(sscanf(ent->name, "a-rather-long-name-%u", &i), 1);
		assert_true(i < 3000 && seen[i] == 0);
		seen[i] = 1;
		n++;
	}
	assert_int_equal(n, 3000);
	assert_int_equal(vfs_dir_rewind(dir), 0);
	assert_int_equal(vfs_dir_next(dir, &ent), 1);
	vfs_dir_close(&dir);
	assert_null(dir);
}

static void stream_describes_entries(void **state)
{
	struct test_tree *t = *state;
	const struct vfs_dirent *ent;
	struct vfs_dir *dir = NULL, *child = NULL;
	unsigned seen = 0;
	char text[20];

	tree_file(t, "root/file", "123");
	tree_dir(t, "root/dir");
	tree_link(t, "/file", "root/link");
	tree_link(t, "../../outside/secret", "root/dangling");
	assert_int_equal(vfs_dir_open(t->root, "/", VFS_DIR_STAT | VFS_DIR_FOLLOW, STATX_SIZE, &dir), 0);
	while (vfs_dir_next(dir, &ent) == 1) {
		seen++;
		if (str_eq(ent->name, "file")) {
			assert_int_equal(ent->type, DT_REG);
			assert_int_equal(ent->st.stx_size, 3);
		} else if (str_eq(ent->name, "dir")) {
			assert_int_equal(ent->type, DT_DIR);
		} else if (str_eq(ent->name, "link")) {
			assert_int_equal(ent->type, DT_LNK);
			assert_int_equal(ent->stat_result, 0);
			assert_int_equal(ent->st.stx_size, 3);
			assert_int_equal(vfs_readlink_at(vfs_dir_fd(dir), ent->name, text, sizeof(text)), 5);
			assert_string_equal(text, "/file");
		} else {
			assert_string_equal(ent->name, "dangling");
			assert_int_equal(ent->stat_result, -ENOENT);
		}
	}
	assert_int_equal(seen, 4);
	assert_int_equal(vfs_dir_open_child(dir, "dir", &child), 0);
	assert_string_equal(vfs_dir_path(child), "/dir");
	assert_int_equal(vfs_dir_next(child, &ent), 0);
	vfs_dir_close(&child);
	assert_int_equal(vfs_dir_open_child(dir, "..", &child), -EINVAL);
	assert_int_equal(vfs_dir_open_child(dir, "link", &child), -ENOTDIR);
	vfs_dir_close(&dir);
	assert_int_equal(vfs_dir_open(t->root, "/file", 0, 0, &dir), -ENOTDIR);
}

static void make_tree(struct test_tree *t)
{
	tree_dir(t, "root/t");
	tree_dir(t, "root/t/a");
	tree_dir(t, "root/t/a/b");
	tree_file(t, "root/t/a/b/f", "");
	tree_file(t, "root/t/g", "");
	tree_link(t, "../../../outside", "root/t/a/exit");
	tree_link(t, "/keep", "root/t/keep");
	tree_dir(t, "root/keep");
	tree_file(t, "root/keep/f", "");
}

static void tree_goes_but_not_what_links_point_to(void **state)
{
	struct test_tree *t = *state;
	_Atomic uint64_t done = 0;
	struct vfs_work work = {.done = &done};
	struct statx st;

	make_tree(t);
	assert_int_equal(vfs_rmtree(t->root, "/t", &work), 0);
	assert_int_equal(done, 7);
	assert_int_equal(vfs_lstat(t->root, "/t", 0, STATX_TYPE, &st), -ENOENT);
	assert_int_equal(vfs_lstat(t->root, "/keep/f", 0, STATX_TYPE, &st), 0);
	assert_int_equal(access(tree_host(t, "outside/secret"), F_OK), 0);
	tree_link(t, "keep", "root/alias");
	assert_int_equal(vfs_rmtree(t->root, "/alias", NULL), 0);
	assert_int_equal(vfs_lstat(t->root, "/keep/f", 0, STATX_TYPE, &st), 0);
	assert_int_equal(vfs_rmtree(t->root, "/none", NULL), -ENOENT);
	assert_int_equal(vfs_rmtree(t->root, "/", NULL), -EBUSY);
}

static int spare_b(void *arg, const char *vpath, bool is_dir)
{
	(*(int *)arg)++;
	return is_dir && str_eq(vpath, "/t/a/b") ? -EPERM : 0;
}

static void tree_keeps_what_policy_refuses(void **state)
{
	struct test_tree *t = *state;
	int asked = 0;
	struct vfs_work work = {.allow = spare_b, .arg = &asked};
	struct statx st;

	make_tree(t);
	assert_int_equal(vfs_rmtree(t->root, "/t", &work), -EPERM);
	assert_int_equal(asked, 6);
	assert_int_equal(vfs_lstat(t->root, "/t/a/b/f", 0, STATX_TYPE, &st), 0);
	assert_int_equal(vfs_lstat(t->root, "/t/g", 0, STATX_TYPE, &st), -ENOENT);
	assert_int_equal(vfs_lstat(t->root, "/t/a/exit", 0, STATX_TYPE, &st), -ENOENT);
}

static void deep_trees_have_a_limit_and_work_can_be_cancelled(void **state)
{
	struct test_tree *t = *state;
	atomic_bool cancel = true;
	struct vfs_work work = {.cancel = &cancel};
	char vpath[VFS_PATH_SIZE] = "";
	int i;

	for (i = 0; i < VFS_TREE_DEPTH; i++)
		strcat(vpath, "/d");
	assert_int_equal(vfs_mkdir_p(t->root, vpath, 0755, NULL), 0);
	assert_int_equal(vfs_rmtree(t->root, "/d", &work), -ECANCELED);
	assert_int_equal(vfs_rmtree(t->root, "/d", NULL), 0);
	strcat(vpath, "/d");
	assert_int_equal(vfs_mkdir_p(t->root, vpath, 0755, NULL), 0);
	assert_int_equal(vfs_rmtree(t->root, "/d", NULL), -ENAMETOOLONG);
	assert_int_equal(vfs_rmtree(t->root, "/d/d", NULL), 0);
}

static unsigned entries(struct test_tree *t)
{
	const struct vfs_dirent *ent;
	struct vfs_dir *dir = NULL;
	unsigned n = 0;

	assert_int_equal(vfs_dir_open(t->root, "/", 0, 0, &dir), 0);
	while (vfs_dir_next(dir, &ent) == 1)
		n++;
	vfs_dir_close(&dir);
	return n;
}

static void copy_keeps_content_mode_times_and_holes(void **state)
{
	const struct timespec times[2] = {{1000, 5}, {2000, 7}};
	struct test_tree *t = *state;
	_Atomic uint64_t done = 0;
	atomic_bool cancel = false;
	struct vfs_work work = {.cancel = &cancel, .done = &done};
	struct statx st;
	char buf[4];
	int fd;

	fd = vfs_open(t->root, "/sparse", O_RDWR | O_CREAT, 0600, 0);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "head", 4, 0), 4);
	assert_int_equal(pwrite(fd, "tail", 4, 64 << 20), 4);
	assert_int_equal(ftruncate(fd, 96 << 20), 0);
	fd_close(&fd);
	assert_int_equal(vfs_chmod(t->root, "/sparse", 0751, 0), 0);
	assert_int_equal(vfs_utime(t->root, "/sparse", times, 0), 0);
	assert_int_equal(vfs_copy_file(t->root, "/sparse", "/copy", 0, &work), 0);
	assert_int_equal(vfs_lstat(t->root, "/copy", 0, STATX_BASIC_STATS, &st), 0);
	assert_int_equal(st.stx_size, 96 << 20);
	assert_int_equal(st.stx_mode & 07777, 0751);
	assert_int_equal(st.stx_mtime.tv_sec, 2000);
	assert_int_equal(st.stx_mtime.tv_nsec, 7);
	assert_true(done >= 8);
	if (done < 1 << 20) /* a file system that tells its holes */
		assert_true(st.stx_blocks < 4096);
	fd = vfs_open(t->root, "/copy", O_RDONLY, 0, 0);
	assert_int_equal(pread(fd, buf, 4, 64 << 20), 4);
	assert_memory_equal(buf, "tail", 4);
	assert_int_equal(pread(fd, buf, 4, 0), 4);
	assert_memory_equal(buf, "head", 4);
	fd_close(&fd);

	assert_int_equal(vfs_copy_file(t->root, "/sparse", "/copy", VFS_NOREPLACE, &work), -EEXIST);
	cancel = true;
	assert_int_equal(vfs_copy_file(t->root, "/sparse", "/copy2", 0, &work), -ECANCELED);
	assert_int_equal(entries(t), 2); /* no temporary name is left */
}

static void copy_takes_links_as_they_are_and_nothing_odd(void **state)
{
	struct test_tree *t = *state;
	char text[40];

	tree_link(t, "../outside/secret", "root/link");
	tree_dir(t, "root/dir");
	tree_file(t, "root/old", "old");
	assert_int_equal(mkfifo(tree_host(t, "root/fifo"), 0600), 0);
	assert_int_equal(vfs_copy_file(t->root, "/link", "/old", 0, NULL), 0);
	assert_int_equal(vfs_readlink_at(t->root->fd, "old", text, sizeof(text)), 17);
	assert_int_equal(vfs_copy_file(t->root, "/dir", "/x", 0, NULL), -EINVAL);
	assert_int_equal(vfs_copy_file(t->root, "/fifo", "/x", 0, NULL), -EINVAL);
	assert_int_equal(vfs_copy_file(t->root, "/link", "/dir", 0, NULL), -EISDIR);
	assert_int_equal(vfs_copy_file(t->root, "/none", "/x", 0, NULL), -ENOENT);
	assert_int_equal(entries(t), 4);
}

static void copy_works_across_file_systems(void **state)
{
	struct test_tree *t = *state;
	char shm[] = "/dev/shm/wherry-vfs-XXXXXX", from[VFS_PATH_SIZE], to[VFS_PATH_SIZE], *data;
	struct vfs_root *top = NULL;
	size_t len = 0;
	int fd = mkstemp(shm), i;

	if (fd < 0)
		skip();
	for (i = 0; i < 40000; i++)
		assert_int_equal(dprintf(fd, "%09d\n", i), 10);
	fd_close(&fd);
	assert_int_equal(vfs_root_open("/", 0, &top, NULL), 0);
	assert_int_equal(vfs_path_resolve("/", shm, from), 0);
	assert_int_equal(vfs_path_resolve("/", tree_host(t, "root/copy"), to), 0);
	assert_int_equal(vfs_copy_file(top, from, to, 0, NULL), 0);
	(void)unlink(shm);
	fd = vfs_open(top, to, O_RDONLY, 0, 0);
	assert_int_equal(fd_read_all(fd, 1 << 20, &data, &len), 0);
	assert_int_equal(len, 400000);
	assert_memory_equal(data + 399990, "000039999\n", 10);
	free(data);
	fd_close(&fd);
	vfs_root_close(&top);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All matches, sorted, joined by blanks. */
static const char *matches(struct test_tree *t, const char *cwd, const char *pattern)
{
	static char out[2000];
	struct vfs_glob *gl = NULL;
	struct vfs_match m;
	char *list[100], want[VFS_PATH_SIZE];
	size_t n = 0, i;

	assert_int_equal(vfs_glob_open(t->root, cwd, pattern, NULL, &gl), 0);
	while (vfs_glob_next(gl, &m) == 1) {
		assert_int_equal(vfs_path_resolve(cwd, m.shown, want), 0);
		assert_string_equal(m.vpath, want);
		assert_true(n < ARRAY_LEN(list));
		list[n++] = xstrdup(m.shown);
	}
	vfs_glob_close(&gl);
	qsort(list, n, sizeof(list[0]), by_text);
	out[0] = '\0';
	for (i = 0; i < n; i++) {
		strcat(strcat(out, i > 0 ? " " : ""), list[i]);
		free(list[i]);
	}
	return out;
}

static void glob_fills_patterns_in(void **state)
{
	static const struct {
		const char *cwd, *pattern, *want;
	} row[] = {
		{"/", "*", "a.c b.c dir exit link odd*name"},
		{"/", "*.c", "a.c b.c"},
		{"/", ".*", ".hidden"},
		{"/", "?.c", "a.c b.c"},
		{"/", "[!a].c", "b.c"},
		{"/", "[a-b].c", "a.c b.c"},
		{"/", "dir/*", "dir/c.c dir/sub"},
		{"/", "*/*.c", "dir/c.c link/c.c"},
		{"/dir", "../*.c", "../a.c ../b.c"},
		{"/dir", "/*.c", "/a.c /b.c"},
		{"/dir", "*", "c.c sub"},
		{"/", "*/", "dir/ link/"},
		{"/", "*/sub/d*", "dir/sub/deep link/sub/deep"},
		{"/", "*/../a.c", "dir/../a.c exit/../a.c link/../a.c"}, /* ".." is text */
		{"/", "{a,b,x}.c", "a.c b.c"},
		{"/", "{dir/{c,d},a}.c", "a.c dir/c.c"},
		{"/", "{*.c,dir}", "a.c b.c dir"},
		{"/", "{,a.c}", "a.c"},
		{"/", "odd\\*name", "odd*name"},
		{"/", "odd\\**", "odd*name"},
		{"/", "*\\**", "odd*name"},
		{"/", "a.c", "a.c"},
		{"/", "none*", ""},
		{"/", "exit/*", ""},
		{"/", "a.c/*", ""},
		{"/", "*.c/", ""},
		{"/", "{a.c", ""},
		{"/", "", ""},
		{"/", "/", ""},
		{"/", "[", ""},
		{"/", "\\", ""},
	};
	struct test_tree *t = *state;
	size_t i;

	tree_file(t, "root/a.c", "");
	tree_file(t, "root/b.c", "");
	tree_file(t, "root/.hidden", "");
	tree_file(t, "root/odd*name", "");
	tree_dir(t, "root/dir");
	tree_file(t, "root/dir/c.c", "");
	tree_dir(t, "root/dir/sub");
	tree_file(t, "root/dir/sub/deep", "");
	tree_link(t, "/dir", "root/link");
	tree_link(t, "../outside", "root/exit");
	for (i = 0; i < ARRAY_LEN(row); i++) {
		const char *got = matches(t, row[i].cwd, row[i].pattern);

		if (!str_eq(got, row[i].want))
			fail_msg("%s in %s: '%s' is not '%s'", row[i].pattern, row[i].cwd, got, row[i].want);
	}
}

static void glob_has_limits(void **state)
{
	struct test_tree *t = *state;
	struct vfs_glob *gl = NULL;
	struct vfs_match m;
	atomic_bool cancel = true;
	char long_pattern[VFS_GLOB_PATTERN_MAX + 2], parts[2 * 33 + 1] = "";
	int i;

	memset(long_pattern, '*', sizeof(long_pattern) - 1);
	long_pattern[sizeof(long_pattern) - 1] = '\0';
	assert_int_equal(vfs_glob_open(t->root, "/", long_pattern, NULL, &gl), -ENAMETOOLONG);
	for (i = 0; i < 33; i++)
		strcat(parts, "*/");
	assert_int_equal(vfs_glob_open(t->root, "/", parts, NULL, &gl), -E2BIG);
	assert_int_equal(vfs_glob_open(t->root, "/", parts + 2, NULL, &gl), 0);
	vfs_glob_close(&gl);
	assert_int_equal(
		vfs_glob_open(t->root, "/", "{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}", NULL, &gl), -E2BIG);
	assert_int_equal(vfs_glob_open(t->root, "/", "{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}", NULL, &gl), 0);
	assert_int_equal(vfs_glob_next(gl, &m), 0);
	vfs_glob_close(&gl);
	assert_int_equal(vfs_glob_open(t->root, "/", "*", &cancel, &gl), 0);
	assert_int_equal(vfs_glob_next(gl, &m), -ECANCELED);
	vfs_glob_close(&gl);
	assert_null(gl);
}

/* Links to their own directory make every level as wide as the first: only the maximum ends that. */
static void glob_visits_a_bounded_number_of_entries(void **state)
{
	struct test_tree *t = *state;
	struct vfs_glob *gl = NULL;
	struct vfs_match m;
	uint64_t begin = clock_ms();
	char name[20], pattern[64] = "";
	int i, r;

	for (i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "root/l%d", i);
		tree_link(t, ".", name);
	}
	for (i = 0; i < 20; i++)
		strcat(pattern, "*/");
	strcat(pattern, "none*");
	assert_int_equal(vfs_glob_open(t->root, "/", pattern, NULL, &gl), 0);
	do
		r = vfs_glob_next(gl, &m);
	while (r == 1);
	assert_int_equal(r, -E2BIG);
	vfs_glob_close(&gl);
	assert_true(clock_ms() - begin < 60000);
}

static void stars_do_not_explode(void **state)
{
	struct test_tree *t = *state;
	char name[220] = "root/", pattern[200] = "";
	uint64_t begin = clock_ms();
	int i;

	memset(name + 5, 'a', 200);
	name[205] = '\0';
	tree_file(t, name, "");
	for (i = 0; i < 60; i++)
		strcat(pattern, "*a");
	strcat(pattern, "*b");
	assert_string_equal(matches(t, "/", pattern), "");
	assert_true(clock_ms() - begin < 60000); /* and not for ever */
}

static void glob_text_is_recognised(void **state)
{
	assert_true(vfs_has_glob("a*"));
	assert_true(vfs_has_glob("a?"));
	assert_true(vfs_has_glob("[a]"));
	assert_true(vfs_has_glob("{a,b}"));
	assert_false(vfs_has_glob("a\\*"));
	assert_false(vfs_has_glob("{a"));
	assert_false(vfs_has_glob("{a}"));
	assert_false(vfs_has_glob("a,b}"));
	assert_false(vfs_has_glob("plain/name"));
	assert_false(vfs_has_glob(""));
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(stream_gives_every_entry_once),
		TREE_TEST(stream_describes_entries),
		TREE_TEST(tree_goes_but_not_what_links_point_to),
		TREE_TEST(tree_keeps_what_policy_refuses),
		TREE_TEST(deep_trees_have_a_limit_and_work_can_be_cancelled),
		TREE_TEST(copy_keeps_content_mode_times_and_holes),
		TREE_TEST(copy_takes_links_as_they_are_and_nothing_odd),
		TREE_TEST(copy_works_across_file_systems),
		TREE_TEST(glob_fills_patterns_in),
		TREE_TEST(glob_has_limits),
		TREE_TEST(glob_visits_a_bounded_number_of_entries),
		TREE_TEST(stars_do_not_explode),
		cmocka_unit_test(glob_text_is_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
