#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "vfs/vfs_test_tree.h"

static void path_text_is_joined_and_normalised(void **state)
{
	static const struct {
		const char *cwd, *arg, *want;
	} row[] = {
		{"/", "", "/"},
		{"/", "/", "/"},
		{"/a", "", "/a"},
		{"/a", "b", "/a/b"},
		{"/a", "/b", "/b"},
		{"/a/b", "..", "/a"},
		{"/a/b", "../../../..", "/"},
		{"/a", "../../etc/passwd", "/etc/passwd"},
		{"/", "a//b/", "/a/b"},
		{"/", "./a/./b/.", "/a/b"},
		{"/a", "...", "/a/..."},
		{"/a", " b ", "/a/ b "},
		{"/a", "..b", "/a/..b"},
		{"/", "x\\..\\y", "/x\\..\\y"},
		{"/", "\xff\x01\"*[", "/\xff\x01\"*["},
		{"/a", "~", "/a/~"},
		{"/a", "b/../c", "/a/c"},
	};
	char out[VFS_PATH_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_LEN(row); i++) {
		assert_int_equal(vfs_path_resolve(row[i].cwd, row[i].arg, out), 0);
		assert_string_equal(out, row[i].want);
		assert_true(vfs_path_is_normal(out));
	}
}

static void path_text_has_limits(void **state)
{
	char arg[6000], out[VFS_PATH_SIZE], more[VFS_PATH_SIZE];
	size_t i;

	memset(arg, 'n', sizeof(arg));
	arg[255] = '\0';
	assert_int_equal(vfs_path_resolve("/", arg, out), 0);
	arg[255] = 'n';
	arg[256] = '\0';
	assert_int_equal(vfs_path_resolve("/", arg, out), -ENAMETOOLONG);
	for (i = 0; i < 4096; i++)
		arg[i] = i % 2 == 0 ? '/' : 'a';
	arg[4096] = '\0';
	assert_int_equal(vfs_path_resolve("/", arg, out), 0);
	assert_int_equal(strlen(out), VFS_PATH_MAX);
	assert_true(vfs_path_is_normal(out));
	assert_int_equal(vfs_path_resolve(out, "b", more), -ENAMETOOLONG);
	for (i = 0; i + 3 < sizeof(arg); i += 3)
		memcpy(arg + i, "../", 4);
	assert_int_equal(vfs_path_resolve("/a/b", arg, out), 0);
	assert_string_equal(out, "/");
}

static void path_parts_are_found(void **state)
{
	char out[VFS_PATH_SIZE];

	vfs_path_parent("/a/b", out);
	assert_string_equal(out, "/a");
	vfs_path_parent("/a", out);
	assert_string_equal(out, "/");
	vfs_path_parent("/", out);
	assert_string_equal(out, "/");
	assert_string_equal(vfs_path_base("/a/b"), "b");
	assert_string_equal(vfs_path_base("/"), "");
	assert_true(vfs_path_within("/a/b", "/a"));
	assert_true(vfs_path_within("/a", "/a"));
	assert_true(vfs_path_within("/x", "/"));
	assert_false(vfs_path_within("/ab", "/a"));
	assert_false(vfs_path_is_normal("a"));
	assert_false(vfs_path_is_normal("/a/"));
	assert_false(vfs_path_is_normal("/a//b"));
	assert_false(vfs_path_is_normal("/a/../b"));
	assert_false(vfs_path_is_normal(""));
}

/* The files that the table of open cases speaks of. */
static void make_open_cases(struct test_tree *t)
{
	char loop[32], next[32];
	int i;

	tree_dir(t, "root/dir");
	tree_dir(t, "root/dir/sub");
	tree_file(t, "root/file", "in root");
	tree_file(t, "root/dir/f", "in dir");
	tree_file(t, "root/dir/sub/deep", "deep");
	tree_file(t, "root/odd \xff\"\n*", "odd");
	tree_dir(t, "root/outside");
	tree_file(t, "root/outside/secret", "decoy");
	tree_link(t, "dir/f", "root/rel");
	tree_link(t, "/dir/f", "root/abs");
	tree_link(t, "../../../../outside/secret", "root/up");
	tree_link(t, "../outside", "root/updir");
	tree_link(t, "../../../file", "root/dir/sub/climb");
	tree_link(t, "../f", "root/dir/sub/back");
	tree_link(t, "dir/", "root/slash");
	tree_link(t, "file/", "root/fileslash");
	tree_link(t, ".", "root/dot");
	tree_link(t, "dir/sub/..", "root/dotdot");
	tree_link(t, "loop2", "root/loop1");
	tree_link(t, "loop1", "root/loop2");
	tree_link(t, "nowhere", "root/dangling");
	tree_link(t, "/dir/../dir/./sub/../f", "root/winding");
	tree_link(t, "/", "root/top");
	tree_link(t, tree_host(t, "outside"), "root/hostpath");
	for (i = 0; i <= 41; i++) {
		(void)snprintf(loop, sizeof(loop), "root/chain%d", i);
		(void)snprintf(next, sizeof(next), "chain%d", i + 1);
		tree_link(t, i == 41 ? "file" : next, loop);
	}
}

static const struct open_case {
	const char *vpath;
	int oflags;
	unsigned flags;
	int want;         /* 0 or -errno */
	const char *text; /* of the file opened; NULL: do not read */
	const char *real; /* vfs_realpath(); NULL: do not ask */
} open_case[] = {
	{"/file", O_RDONLY, 0, 0, "in root", "/file"},
	{"/dir/sub/deep", O_RDONLY, 0, 0, "deep", "/dir/sub/deep"},
	{"/odd \xff\"\n*", O_RDONLY, 0, 0, "odd", "/odd \xff\"\n*"},
	{"/", O_RDONLY | O_DIRECTORY, 0, 0, NULL, "/"},
	{"/rel", O_RDONLY, 0, 0, "in dir", "/dir/f"},
	{"/abs", O_RDONLY, 0, 0, "in dir", "/dir/f"},
	{"/winding", O_RDONLY, 0, 0, "in dir", "/dir/f"},
	{"/dir/sub/back", O_RDONLY, 0, 0, "in dir", "/dir/f"},
	{"/dir/sub/climb", O_RDONLY, 0, 0, "in root", "/file"},
	{"/slash", O_RDONLY | O_DIRECTORY, 0, 0, NULL, "/dir"},
	{"/slash/f", O_RDONLY, 0, 0, "in dir", "/dir/f"},
	{"/fileslash", O_RDONLY, 0, -ENOTDIR, NULL, NULL},
	{"/dot/dot/file", O_RDONLY, 0, 0, "in root", "/file"},
	{"/dotdot/f", O_RDONLY, 0, 0, "in dir", "/dir/f"},
	{"/dotdot", O_RDONLY | O_DIRECTORY, 0, 0, NULL, "/dir"},
	{"/top/top/top/file", O_RDONLY, 0, 0, "in root", "/file"},
	/* what would be outside: the root's own namesake is found, or nothing */
	{"/up", O_RDONLY, 0, 0, "decoy", "/outside/secret"},
	{"/updir/secret", O_RDONLY, 0, 0, "decoy", "/outside/secret"},
	{"/hostpath/secret", O_RDONLY, 0, -ENOENT, NULL, NULL},
	{"/loop1", O_RDONLY, 0, -ELOOP, NULL, NULL},
	{"/loop1/x", O_RDONLY, 0, -ELOOP, NULL, NULL},
	{"/chain2", O_RDONLY, 0, 0, "in root", "/file"}, /* 40 links */
	{"/chain1", O_RDONLY, 0, -ELOOP, NULL, NULL},    /* 41 */
	{"/dangling", O_RDONLY, 0, -ENOENT, NULL, NULL},
	{"/none/x", O_RDONLY, 0, -ENOENT, NULL, NULL},
	{"/file/x", O_RDONLY, 0, -ENOTDIR, NULL, NULL},
	{"/file", O_RDONLY | O_DIRECTORY, 0, -ENOTDIR, NULL, NULL},
	{"/dir", O_WRONLY, 0, -EISDIR, NULL, NULL},
	{"/rel", O_RDONLY, VFS_NOFOLLOW, -ELOOP, NULL, NULL},
	{"/slash/f", O_RDONLY, VFS_NOFOLLOW, 0, "in dir", NULL},
	{"/slash/f", O_RDONLY, VFS_NOLINKS, -ELOOP, NULL, NULL},
	{"/rel", O_RDONLY, VFS_NOLINKS, -ELOOP, NULL, NULL},
	{"/dir/f", O_RDONLY, VFS_NOLINKS, 0, "in dir", NULL},
	{"/rel", O_PATH, VFS_NOFOLLOW, 0, NULL, NULL},
	{"/file", O_WRONLY | O_CREAT | O_EXCL, 0, -EEXIST, NULL, NULL},
	{"/dangling", O_WRONLY | O_CREAT | O_EXCL, 0, -EEXIST, NULL, NULL},
	{"/dir", O_WRONLY | O_CREAT, 0, -EISDIR, NULL, NULL},
	{"/", O_WRONLY | O_CREAT, 0, -EISDIR, NULL, NULL},
	{"file", O_RDONLY, 0, -EINVAL, NULL, NULL},
	{"/../file", O_RDONLY, 0, -EINVAL, NULL, NULL},
	{"/dir//f", O_RDONLY, 0, -EINVAL, NULL, NULL},
};

static void check_text(int fd, const char *want, const char *about)
{
	char *text = NULL;

	assert_int_equal(fd_read_all(fd, 1000, &text, NULL), 0);
	if (strcmp(text, want) != 0)
		fail_msg("%s: '%s' is not '%s'", about, text, want);
	free(text);
}

static void check_open_cases(struct test_tree *t)
{
	char real[VFS_PATH_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_LEN(open_case); i++) {
		const struct open_case *c = &open_case[i];
		int fd = vfs_open(t->root, c->vpath, c->oflags, 0644, c->flags);

		if ((fd < 0 ? fd : 0) != c->want)
			fail_msg("%s (row %zu): %d is not %d", c->vpath, i, fd, c->want);
		if (c->text != NULL)
			check_text(fd, c->text, c->vpath);
		if (c->real != NULL) {
			assert_int_equal(vfs_realpath(t->root, c->vpath, 0, real), 0);
			assert_string_equal(real, c->real);
		}
		if (fd >= 0)
			fd_close(&fd);
	}
}

/* O_CREAT through a dangling link makes its target, in the root. */
static void check_create(struct test_tree *t)
{
	struct stat st;
	int fd = vfs_open(t->root, "/dangling", O_WRONLY | O_CREAT, 0600, 0);

	assert_true(fd >= 0);
	fd_close(&fd);
	assert_int_equal(lstat(tree_host(t, "root/nowhere"), &st), 0);
	assert_int_equal(unlink(t->path), 0);
	tree_link(t, "/made", "root/absdangling");
	fd = vfs_open(t->root, "/absdangling", O_WRONLY | O_CREAT, 0600, 0);
	assert_true(fd >= 0);
	fd_close(&fd);
	assert_int_equal(lstat(tree_host(t, "root/made"), &st), 0);
	assert_int_equal(unlink(t->path), 0);
	assert_int_equal(unlink(tree_host(t, "root/absdangling")), 0);
}

static void open_stays_in_the_root(void **state)
{
	struct test_tree *t = *state;

	make_open_cases(t);
	if (!vfs_has_openat2())
		print_message("no openat2 here: the walk is tested twice\n");
	check_open_cases(t);
	check_create(t);
	vfs_set_openat2(false);
	assert_false(vfs_has_openat2());
	check_open_cases(t);
	check_create(t);
}

static void both_resolvers(void **state, void (*check)(struct test_tree *t))
{
	struct test_tree *t = *state;

	check(t);
	vfs_set_openat2(false);
	check(t);
}

static void check_magic_links(struct test_tree *t)
{
	struct vfs_root *top = NULL;
	char vpath[64];
	int fd;

	assert_int_equal(vfs_root_open("/proc", 0, &top, NULL), 0);
	assert_int_equal(vfs_open(top, "/self/root/etc", O_PATH, 0, 0), -ELOOP);
	assert_int_equal(vfs_open(top, "/self/cwd", O_RDONLY, 0, 0), -ELOOP);
	(void)snprintf(vpath, sizeof(vpath), "/self/fd/%d", t->root->fd);
	assert_int_equal(vfs_open(top, vpath, O_RDONLY, 0, 0), -ELOOP);
	fd = vfs_open(top, "/self/stat", O_RDONLY, 0, 0); /* an ordinary link */
	assert_true(fd >= 0);
	fd_close(&fd);
	vfs_root_close(&top);
}

static void magic_links_are_refused(void **state)
{
	both_resolvers(state, check_magic_links);
}

static void check_host_root(struct test_tree *t)
{
	struct vfs_root *top = NULL;
	struct statx st;
	char text[200];

	assert_int_equal(vfs_root_open("/", 0, &top, NULL), 0);
	assert_int_equal(vfs_stat(top, "/", 0, STATX_TYPE, &st), 0);
	assert_int_equal(vfs_stat(top, tree_host(t, "outside/secret"), 0, STATX_SIZE, &st), 0);
	assert_int_equal(st.stx_size, 6);
	assert_string_equal(vfs_host_text(top, "/a", text, sizeof(text)), "/a");
	vfs_root_close(&top);
	assert_string_equal(vfs_host_text(t->root, "/", text, sizeof(text)), tree_host(t, "root"));
	assert_string_equal(vfs_host_text(t->root, "/a", text, sizeof(text)), tree_host(t, "root/a"));
}

static void slash_can_be_the_root(void **state)
{
	both_resolvers(state, check_host_root);
}

static void root_without_links_can_be_asked(void **state)
{
	struct test_tree *t = *state;
	struct vfs_root *root = NULL;
	struct err err = ERR_INIT;

	tree_link(t, "root", "alias");
	assert_int_equal(vfs_root_open(tree_host(t, "alias"), 0, &root, NULL), 0);
	assert_string_equal(root->path, tree_host(t, "root"));
	vfs_root_close(&root);
	assert_int_equal(vfs_root_open(tree_host(t, "alias"), VFS_ROOT_NOLINKS, &root, &err), -ELOOP);
	assert_null(root);
	assert_int_equal(vfs_root_open(tree_host(t, "root"), VFS_ROOT_NOLINKS, &root, &err), 0);
	vfs_root_close(&root);
	assert_int_equal(vfs_root_open(tree_host(t, "outside/secret"), 0, &root, &err), -ENOTDIR);
	assert_true(str_starts(err.text, "cannot open directory '"));
}

static void cached_open_answers_from_memory_or_not_at_all(void **state)
{
	struct test_tree *t = *state;
	int fd;

	tree_file(t, "root/f", "x");
	fd = vfs_open(
		t->root, "/f", O_RDONLY, 0, VFS_CACHED); /* just written, so cached if that exists here */
	if (fd < 0)
		assert_int_equal(fd, -EAGAIN);
	else
		fd_close(&fd);
	assert_int_equal(vfs_open(t->root, "/f", O_WRONLY | O_CREAT, 0600, VFS_CACHED), -EAGAIN);
	assert_int_equal(vfs_open(t->root, "/f", O_WRONLY | O_TRUNC, 0600, VFS_CACHED), -EAGAIN);
	vfs_set_openat2(false);
	assert_int_equal(vfs_open(t->root, "/f", O_RDONLY, 0, VFS_CACHED), -EAGAIN);
}

static void memory_is_trusted_on_known_local_file_systems_only(void **state)
{
	struct test_tree *t = *state;
	struct vfs_root *proc = NULL;
	char out[VFS_PATH_SIZE];
	struct statx st;

	if (!vfs_has_openat2())
		skip();
	tree_file(t, "root/f", "x");
	assert_int_equal(vfs_realpath(t->root, "/f", 0, out), 0); /* learns what it is */
	assert_int_equal(vfs_stat(t->root, "/f", VFS_CACHED, STATX_SIZE, &st), 0);
	assert_int_equal(st.stx_size, 1);
	assert_int_equal(vfs_realpath(t->root, "/f", VFS_CACHED, out), 0);
	assert_true(vfs_device_hint(t->root, "/f") != 0);
	assert_true(vfs_device_hint(t->root, "/f") == vfs_device_hint(t->root, "/not/here/at all"));

	assert_int_equal(vfs_root_open("/proc", 0, &proc, NULL), 0);
	for (unsigned i = 0; i < 2; i++) { /* not known, known */
		assert_int_equal(vfs_realpath(proc, "/version", VFS_CACHED, out), -EAGAIN);
		assert_int_equal(vfs_lstat(proc, "/version", VFS_CACHED, STATX_SIZE, &st), -EAGAIN);
		assert_int_equal(vfs_realpath(proc, "/version", 0, out), 0);
		assert_int_equal(vfs_stat(proc, "/version", 0, STATX_SIZE, &st), 0);
	}
	assert_true(vfs_device_hint(proc, "/version") != vfs_device_hint(t->root, "/f"));
	vfs_root_close(&proc);
}

static void check_realpath(struct test_tree *t)
{
	static const struct {
		const char *vpath;
		unsigned flags;
		int want;
		const char *real;
		mode_t type;
	} row[] = {
		{"/", 0, 0, "/", S_IFDIR},
		{"/d", 0, 0, "/d", S_IFDIR},
		{"/way", 0, 0, "/d", S_IFDIR},
		{"/f", 0, 0, "/f", S_IFREG},
		{"/f", VFS_NOFOLLOW, 0, "/f", S_IFREG},
		{"/link", 0, 0, "/f", S_IFREG},
		{"/link", VFS_NOFOLLOW, 0, "/link", S_IFLNK},
		{"/way/link", VFS_NOFOLLOW, 0, "/d/link", S_IFLNK},
		{"/new", 0, -ENOENT, NULL, 0},
		{"/new", VFS_MISSING_OK, 0, "/new", 0},
		{"/way/new", VFS_MISSING_OK, 0, "/d/new", 0},
		{"/none/new", VFS_MISSING_OK, -ENOENT, NULL, 0},
		{"/dangling", VFS_MISSING_OK, 0, "/d/target", 0},
		{"/dangling2", VFS_MISSING_OK, -ENOENT, NULL, 0},
		{"/f/new", VFS_MISSING_OK, -ENOTDIR, NULL, 0},
		{"/way", VFS_NOLINKS, -ELOOP, NULL, 0},
	};
	char out[VFS_PATH_SIZE];
	mode_t type;
	size_t i;

	for (i = 0; i < ARRAY_LEN(row); i++) {
		int r = vfs_realpath_type(t->root, row[i].vpath, row[i].flags, out, &type);

		if (r != row[i].want)
			fail_msg("%s: %d is not %d", row[i].vpath, r, row[i].want);
		if (r < 0)
			continue;
		assert_string_equal(out, row[i].real);
		if (type != row[i].type)
			fail_msg("%s: type %o is not %o", row[i].vpath, type, row[i].type);
	}
}

static void realpath_is_what_policy_sees(void **state)
{
	struct test_tree *t = *state;

	tree_dir(t, "root/d");
	tree_file(t, "root/f", "");
	tree_link(t, "f", "root/link");
	tree_link(t, "../f", "root/d/link");
	tree_link(t, "d", "root/way");
	tree_link(t, "way/target", "root/dangling");
	tree_link(t, "none/target", "root/dangling2");
	both_resolvers(state, check_realpath);
}

static void check_long_paths(struct test_tree *t)
{
	char vpath[VFS_PATH_SIZE], name[VFS_NAME_MAX + 1];
	struct statx st;
	unsigned made = 0;
	int i, fd;

	memset(name, 'n', VFS_NAME_MAX);
	name[VFS_NAME_MAX] = '\0';
	vpath[0] = '\0';
	for (i = 0; i < 16; i++)
		(void)snprintf(vpath + strlen(vpath), sizeof(vpath) - strlen(vpath), "/%s", name);
	assert_int_equal(strlen(vpath), VFS_PATH_MAX);
	vpath[VFS_PATH_MAX - 256] = '\0';
	assert_int_equal(vfs_mkdir_p(t->root, vpath, 0755, &made), 0);
	assert_int_equal(made, 15);
	vpath[VFS_PATH_MAX - 256] = '/';
	fd = vfs_open(t->root, vpath, O_WRONLY | O_CREAT, 0600, 0);
	assert_true(fd >= 0);
	fd_close(&fd);
	assert_int_equal(vfs_lstat(t->root, vpath, 0, STATX_SIZE, &st), 0);
	vpath[256] = '\0';
	assert_int_equal(vfs_rmtree(t->root, vpath, NULL), 0);
	assert_int_equal(vfs_lstat(t->root, vpath, 0, STATX_SIZE, &st), -ENOENT);
}

static void longest_paths_work(void **state)
{
	both_resolvers(state, check_long_paths);
}

/* A thread that exchanges a directory and a link that leads out, as fast as it can. */
struct swapper {
	char dir[200], link[200];
	atomic_bool stop;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop))
		(void)syscall(SYS_renameat2, AT_FDCWD, s->dir, AT_FDCWD, s->link, 2 /* RENAME_EXCHANGE */);
	return NULL;
}

/* For so long at least, and until both sides of the swap have been met. */
static void open_during_swaps(struct test_tree *t, int ms)
{
	uint64_t end = clock_ms() + (uint64_t)ms, until = end + 60000;
	unsigned good = 0, refused = 0;

	while (clock_ms() < end || ((good == 0 || refused == 0) && clock_ms() < until)) {
		int fd = vfs_open(t->root, "/game/secret", O_RDONLY, 0, 0);
		struct statx st;

		if (fd >= 0) {
			check_text(fd, "decoy", "/game/secret");
			fd_close(&fd);
			good++;
		} else {
			refused++;
		}
		if (vfs_lstat(t->root, "/game/secret", 0, STATX_SIZE, &st) == 0)
			assert_int_equal(st.stx_size, 5);
		assert_int_not_equal(vfs_unlink(t->root, "/game/only-outside"), 0);
	}
	assert_true(good > 0);
	assert_true(refused > 0); /* else nothing was tested */
}

static void swapped_links_do_not_lead_out(void **state)
{
	struct test_tree *t = *state;
	struct swapper s = {0};
	pthread_t thread;
	int i;

	tree_dir(t, "root/game");
	tree_file(t, "root/game/secret", "decoy");
	tree_file(t, "outside/only-outside", "");
	tree_link(t, "../outside", "root/exit");
	(void)snprintf(s.dir, sizeof(s.dir), "%s", tree_host(t, "root/game"));
	(void)snprintf(s.link, sizeof(s.link), "%s", tree_host(t, "root/exit"));
	for (i = 0; i < 2; i++) {
		vfs_set_openat2(i == 0);
		atomic_store(&s.stop, false);
		assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
		open_during_swaps(t, 300);
		atomic_store(&s.stop, true);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_int_equal(access(tree_host(t, "outside/only-outside"), F_OK), 0);
}

/* The other way out: the directory that a walk stands in is moved out of the root, then "..". */
static void moved_directories_do_not_lead_out(void **state)
{
	struct test_tree *t = *state;
	struct swapper s = {0};
	pthread_t thread;
	int i;

	tree_dir(t, "root/a");
	tree_dir(t, "root/a/b");
	tree_dir(t, "outside/b");
	tree_link(t, "a/b/../../secret", "root/out"); /* outside: b/../secret and one more */
	tree_link(t, "a/b/../secret", "root/out1");
	(void)snprintf(s.dir, sizeof(s.dir), "%s", tree_host(t, "root/a/b"));
	(void)snprintf(s.link, sizeof(s.link), "%s", tree_host(t, "outside/b"));
	for (i = 0; i < 2; i++) {
		uint64_t end = clock_ms() + 200;

		vfs_set_openat2(i == 0);
		atomic_store(&s.stop, false);
		assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
		while (clock_ms() < end) {
			assert_true(vfs_open(t->root, "/out", O_RDONLY, 0, 0) < 0);
			assert_true(vfs_open(t->root, "/out1", O_RDONLY, 0, 0) < 0);
		}
		atomic_store(&s.stop, true);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
}

static void check_file_operations(struct test_tree *t)
{
	const struct timespec times[2] = {{1000, 0}, {2000, 0}};
	struct statvfs fs;
	struct statx st;
	char buf[20];

	tree_file(t, "root/f", "12345");
	tree_file(t, "root/g", "g");
	assert_int_equal(vfs_symlink(t->root, "/f", "/l"), 0);
	assert_int_equal(vfs_readlink_at(t->root->fd, "l", buf, sizeof(buf)), 2);
	assert_string_equal(buf, "/f");
	assert_int_equal(vfs_readlink_at(t->root->fd, "l", buf, 2), -ENAMETOOLONG);
	assert_int_equal(vfs_readlink_at(t->root->fd, "f", buf, sizeof(buf)), -EINVAL);
	assert_int_equal(vfs_stat(t->root, "/l", 0, STATX_SIZE, &st), 0);
	assert_int_equal(st.stx_size, 5);
	assert_int_equal(vfs_lstat(t->root, "/l", 0, STATX_TYPE | STATX_SIZE, &st), 0);
	assert_true(S_ISLNK(st.stx_mode));

	assert_int_equal(vfs_utime(t->root, "/l", times, 0), 0);
	assert_int_equal(vfs_stat(t->root, "/f", 0, STATX_MTIME, &st), 0);
	assert_int_equal(st.stx_mtime.tv_sec, 2000);
	assert_int_equal(vfs_utime(t->root, "/l", times, VFS_NOFOLLOW), 0);
	assert_int_equal(vfs_lstat(t->root, "/l", 0, STATX_MTIME, &st), 0);
	assert_int_equal(st.stx_mtime.tv_sec, 2000);

	assert_int_equal(vfs_chmod(t->root, "/l", 0640, 0), 0);
	assert_int_equal(vfs_stat(t->root, "/f", 0, STATX_MODE, &st), 0);
	assert_int_equal(st.stx_mode & 07777, 0640);
	assert_int_equal(vfs_chmod(t->root, "/l", 0640, VFS_NOFOLLOW), -EOPNOTSUPP);
	assert_int_equal(vfs_chgrp(t->root, "/l", getegid()), 0);

	assert_int_equal(vfs_access(t->root, "/l", R_OK | W_OK, 0), 0);
	assert_int_equal(vfs_access(t->root, "/f", X_OK, 0), -EACCES);
	assert_int_equal(vfs_access(t->root, "/none", F_OK, 0), -ENOENT);
	assert_int_equal(vfs_chmod(t->root, "/f", 0, 0), 0);
	assert_int_equal(vfs_access(t->root, "/f", R_OK, 0), geteuid() == 0 ? 0 : -EACCES);
	assert_int_equal(vfs_statvfs(t->root, "/f", &fs), 0);
	assert_true(fs.f_bsize > 0);

	assert_int_equal(vfs_rename(t->root, "/l", "/g", VFS_NOREPLACE), -EEXIST);
	assert_int_equal(vfs_rename(t->root, "/l", "/l2", VFS_NOREPLACE), 0);
	assert_int_equal(vfs_rename(t->root, "/l2", "/g", 0), 0);
	assert_int_equal(vfs_rename(t->root, "/none", "/x", 0), -ENOENT);
	assert_int_equal(vfs_rename(t->root, "/", "/x", 0), -EBUSY);
	assert_int_equal(vfs_unlink(t->root, "/g"), 0); /* the link, not its target */
	assert_int_equal(vfs_lstat(t->root, "/f", 0, STATX_TYPE, &st), 0);

	assert_int_equal(vfs_mkdir(t->root, "/d", 0755), 0);
	assert_int_equal(vfs_mkdir(t->root, "/d", 0755), -EEXIST);
	assert_int_equal(vfs_mkdir(t->root, "/", 0755), -EEXIST);
	assert_int_equal(vfs_unlink(t->root, "/d"), -EISDIR);
	assert_int_equal(vfs_unlink(t->root, "/"), -EISDIR);
	assert_int_equal(vfs_rmdir(t->root, "/"), -EBUSY);
	assert_int_equal(vfs_rmdir(t->root, "/f"), -ENOTDIR);
	assert_int_equal(vfs_mkdir_p(t->root, "/d/e/f", 0755, NULL), 0);
	assert_int_equal(vfs_mkdir_p(t->root, "/f/e", 0755, NULL), -ENOTDIR);
	assert_int_equal(vfs_mkdir_p(t->root, "/f", 0755, NULL), -EEXIST);
	assert_int_equal(vfs_rmdir(t->root, "/d"), -ENOTEMPTY);
	assert_int_equal(vfs_rmdir(t->root, "/d/e/f"), 0);
	assert_int_equal(vfs_rmdir(t->root, "/d/e"), 0);
	assert_int_equal(vfs_rmdir(t->root, "/d"), 0);
	assert_int_equal(vfs_unlink(t->root, "/f"), 0);
}

/* /way leads to the directory /there: policy was asked about another path than this one. */
static void check_changes_through_links(struct test_tree *t)
{
	const struct timespec times[2] = {{1000, 0}, {2000, 0}};
	struct statx st;

	assert_int_equal(vfs_mkdir(t->root, "/there", 0755), 0);
	assert_int_equal(vfs_mkdir(t->root, "/there/d", 0755), 0);
	tree_file(t, "root/there/f", "1");
	tree_file(t, "root/mine", "2");
	assert_int_equal(vfs_symlink(t->root, "there", "/way"), 0);
	assert_int_equal(vfs_stat(t->root, "/way/f", 0, STATX_MODE, &st), 0);
	assert_int_equal(vfs_unlink(t->root, "/way/f"), -ELOOP);
	assert_int_equal(vfs_mkdir(t->root, "/way/new", 0755), -ELOOP);
	assert_int_equal(vfs_rmdir(t->root, "/way/d"), -ELOOP);
	assert_int_equal(vfs_rmtree(t->root, "/way/d", NULL), -ELOOP);
	assert_int_equal(vfs_rename(t->root, "/way/f", "/x", 0), -ELOOP);
	assert_int_equal(vfs_rename(t->root, "/mine", "/way/f", 0), -ELOOP);
	assert_int_equal(vfs_copy_file(t->root, "/way/f", "/x", 0, NULL), -ELOOP);
	assert_int_equal(vfs_copy_file(t->root, "/mine", "/way/f", 0, NULL), -ELOOP);
	assert_int_equal(vfs_symlink(t->root, "x", "/way/l"), -ELOOP);
	assert_int_equal(vfs_chgrp(t->root, "/way/f", getegid()), -ELOOP);
	assert_int_equal(vfs_chmod(t->root, "/way/f", 0600, VFS_NOLINKS), -ELOOP);
	assert_int_equal(vfs_utime(t->root, "/way/f", times, VFS_NOLINKS), -ELOOP);
	assert_int_equal(vfs_rmtree(t->root, "/there", NULL), 0);
	assert_int_equal(vfs_unlink(t->root, "/way"), 0);
	assert_int_equal(vfs_unlink(t->root, "/mine"), 0);
}

static void changes_do_not_go_through_links(void **state)
{
	both_resolvers(state, check_changes_through_links);
}

static void file_operations_work_on_the_right_object(void **state)
{
	both_resolvers(state, check_file_operations);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_text_is_joined_and_normalised),
		cmocka_unit_test(path_text_has_limits),
		cmocka_unit_test(path_parts_are_found),
		TREE_TEST(open_stays_in_the_root),
		TREE_TEST(magic_links_are_refused),
		TREE_TEST(slash_can_be_the_root),
		TREE_TEST(root_without_links_can_be_asked),
		TREE_TEST(cached_open_answers_from_memory_or_not_at_all),
		TREE_TEST(memory_is_trusted_on_known_local_file_systems_only),
		TREE_TEST(realpath_is_what_policy_sees),
		TREE_TEST(longest_paths_work),
		TREE_TEST(swapped_links_do_not_lead_out),
		TREE_TEST(changes_do_not_go_through_links),
		TREE_TEST(moved_directories_do_not_lead_out),
		TREE_TEST(file_operations_work_on_the_right_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
