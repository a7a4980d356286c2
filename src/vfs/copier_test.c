#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "vfs/copier.h"
#include "vfs/vfs_test_tree.h"

#define EVER UINT64_MAX

static char seen[4096]; /* what allow() was asked: "from>to " */

static int allow(void *arg, const char *from, const char *to, const struct stat *st, const char *link,
	mode_t *ret_mode)
{
	size_t n = strlen(seen);

	(void)snprintf(seen + n, sizeof seen - n, "%s>%s ", from, to);
	assert_int_equal(link != NULL, S_ISLNK(st->st_mode));
	*ret_mode = S_ISDIR(st->st_mode) ? 0750 : 0640;
	if (strstr(from, "hidden"))
		return -ENOENT;
	return strstr(from, "denied") ? -EPERM : 0;
}

static struct vfs_copier_options opt;

static int copy(struct test_tree *t, const char *from, const char *to)
{
	struct vfs_copier *c = NULL;
	int r = vfs_copier_new(t->root, from, to, &opt, &c);

	if (r == 0)
		r = vfs_copier_step(c, EVER, NULL);
	vfs_copier_free(&c);
	return r;
}

static const char *content(struct test_tree *t, const char *rel)
{
	static char text[64];
	int fd = open(tree_host(t, rel), O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	fd_close(&fd);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? NULL : text;
}

static mode_t mode_of(struct test_tree *t, const char *rel)
{
	struct stat st;

	return lstat(tree_host(t, rel), &st) == 0 ? st.st_mode : 0;
}

/* Entries of a directory, without "." and "..". */
static unsigned entries(struct test_tree *t, const char *rel)
{
	DIR *d = opendir(tree_host(t, rel));
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static int setup(void **state)
{
	struct test_tree *t;
	int r = tree_setup(state);

	if (r < 0)
		return r;
	t = *state;
	opt = (struct vfs_copier_options){.allow = allow};
	seen[0] = '\0';
	tree_file(t, "root/f", "123");
	tree_dir(t, "root/d");
	tree_dir(t, "root/d/sub");
	tree_file(t, "root/d/sub/x", "x");
	tree_link(t, "../f", "root/d/l");
	return 0;
}

static void a_file_gets_the_mode_it_is_given(void **state)
{
	struct test_tree *t = *state;

	chmod(tree_host(t, "root/f"), 04755);
	assert_int_equal(copy(t, "/f", "/g"), 1);
	assert_string_equal(content(t, "root/g"), "123");
	assert_int_equal(mode_of(t, "root/g"), S_IFREG | 0640);
	assert_string_equal(seen, "/f>/g ");
	assert_int_equal(entries(t, "root"), 3);
}

static void an_existing_file_is_replaced_only_when_asked_for(void **state)
{
	struct test_tree *t = *state;

	tree_file(t, "root/g", "old");
	assert_int_equal(copy(t, "/f", "/g"), -EEXIST);
	assert_string_equal(content(t, "root/g"), "old");
	opt.replace = true;
	assert_int_equal(copy(t, "/f", "/g"), 1);
	assert_string_equal(content(t, "root/g"), "123");
	assert_int_equal(copy(t, "/f", "/d"), -EISDIR);
	assert_int_equal(copy(t, "/d", "/g"), -EEXIST);
	assert_int_equal(copy(t, "/f", "/f"), -EINVAL);
	assert_int_equal(entries(t, "root"), 3);
}

static void a_tree_is_copied_whole(void **state)
{
	struct test_tree *t = *state;
	char text[32] = "";

	mkfifo(tree_host(t, "root/d/fifo"), 0600);
	tree_file(t, "root/d/hidden", "h");
	assert_int_equal(copy(t, "/d", "/e"), 1);
	assert_string_equal(content(t, "root/e/sub/x"), "x");
	assert_int_equal(mode_of(t, "root/e"), S_IFDIR | 0750);
	assert_int_equal(mode_of(t, "root/e/sub"), S_IFDIR | 0750);
	assert_int_equal(readlink(tree_host(t, "root/e/l"), text, sizeof text - 1), 4);
	assert_string_equal(text, "../f");
	assert_int_equal(entries(t, "root/e"), 2);
	assert_non_null(strstr(seen, "/d/sub/x>/e/sub/x "));
	assert_null(strstr(seen, "fifo"));
	assert_int_equal(entries(t, "root"), 3);
}

static void nothing_is_copied_into_itself(void **state)
{
	struct test_tree *t = *state;

	assert_int_equal(copy(t, "/d", "/d/sub/e"), -EINVAL);
	assert_int_equal(copy(t, "/d", "/d"), -EINVAL);
	assert_int_equal(copy(t, "/", "/e"), -EINVAL);
	assert_int_equal(copy(t, "/d", "/"), -EEXIST);
	assert_int_equal(copy(t, "/d", "/dd"), 1); /* only the beginning is the same */
	assert_int_equal(entries(t, "root/d"), 2);
}

/* The copy is moved into what is copied, while it grows. */
static void a_copy_that_meets_itself_ends(void **state)
{
	struct test_tree *t = *state;
	struct vfs_copier *c;
	char temp[128] = "", to[128];
	struct dirent *e;
	DIR *d;

	assert_int_equal(vfs_copier_new(t->root, "/d", "/e", &opt, &c), 0);
	d = opendir(tree_host(t, "root"));
	while ((e = readdir(d)))
		if (str_starts(e->d_name, ".wherry-"))
			(void)snprintf(temp, sizeof temp, "root/%.100s", e->d_name);
	closedir(d);
	assert_int_not_equal(mode_of(t, temp), 0);
	assert_int_equal(mode_of(t, temp) & 077, 0);
	(void)snprintf(to, sizeof to, "%s", tree_host(t, "root/d/copy"));
	assert_int_equal(rename(tree_host(t, temp), to), 0);
	assert_int_equal(vfs_copier_step(c, EVER, NULL), -EINVAL);
	vfs_copier_free(&c);
}

static void what_fails_leaves_nothing(void **state)
{
	struct test_tree *t = *state;

	tree_file(t, "root/d/sub/denied", "x");
	assert_int_equal(copy(t, "/d", "/e"), -EPERM);
	assert_int_equal(entries(t, "root"), 2);
	opt.keep_failed = true;
	assert_int_equal(copy(t, "/d", "/e"), -EPERM);
	assert_int_equal(mode_of(t, "root/e"), S_IFDIR | 0750);
	assert_int_equal(mode_of(t, "root/e/sub/denied"), 0);
}

static void work_stops_at_the_time_and_when_cancelled(void **state)
{
	struct test_tree *t = *state;
	struct vfs_copier *c;
	atomic_bool cancel = false;
	unsigned steps = 0;

	assert_int_equal(vfs_copier_new(t->root, "/d", "/e", &opt, &c), 0);
	while (vfs_copier_step(c, 0, &cancel) == 0)
		steps++;
	assert_true(steps >= 4);
	assert_int_equal(vfs_copier_bytes(c), 1);
	vfs_copier_free(&c);
	assert_string_equal(content(t, "root/e/sub/x"), "x");
	assert_int_equal(vfs_copier_new(t->root, "/f", "/g", &opt, &c), 0);
	assert_int_equal(vfs_copier_total(c), 3);
	cancel = true;
	assert_int_equal(vfs_copier_step(c, EVER, &cancel), -ECANCELED);
	vfs_copier_free(&c);
	assert_int_equal(entries(t, "root"), 3);
}

static void holes_stay_holes(void **state)
{
	struct test_tree *t = *state;
	const off_t end = 64 << 20;
	int fd = open(tree_host(t, "root/f"), O_WRONLY);
	struct stat st;

	assert_int_equal(pwrite(fd, "end", 3, end - 3), 3);
	fd_close(&fd);
	assert_int_equal(copy(t, "/f", "/g"), 1);
	assert_int_equal(stat(tree_host(t, "root/g"), &st), 0);
	assert_int_equal(st.st_size, end);
	assert_true(st.st_blocks * 512 < end / 2);
	assert_string_equal(content(t, "root/g"), "123");
}

static void links_on_the_way_are_not_followed(void **state)
{
	struct test_tree *t = *state;

	tree_link(t, "d", "root/way");
	assert_int_equal(copy(t, "/way/sub", "/e"), -ELOOP);
	assert_int_equal(copy(t, "/f", "/way/g"), -ELOOP);
	assert_int_equal(copy(t, "/way", "/e"), 1);
	assert_int_equal(mode_of(t, "root/e") & S_IFMT, S_IFLNK);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_file_gets_the_mode_it_is_given),
		T(an_existing_file_is_replaced_only_when_asked_for),
		T(a_tree_is_copied_whole),
		T(nothing_is_copied_into_itself),
		T(a_copy_that_meets_itself_ends),
		T(what_fails_leaves_nothing),
		T(work_stops_at_the_time_and_when_cancelled),
		T(holes_stay_holes),
		T(links_on_the_way_are_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
