#include "vfs/vfs_test_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

int tree_setup(void **state)
{
	struct test_tree *t = xcalloc(1, sizeof(*t));
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(t->base, sizeof(t->base), "%s/wherry-vfs-XXXXXX",
		tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	if (mkdtemp(t->base) == NULL)
		return -1;
	tree_dir(t, "root");
	tree_dir(t, "outside");
	tree_file(t, "outside/secret", "SECRET");
	if (vfs_root_open(tree_host(t, "root"), 0, &t->root, NULL) < 0)
		return -1;
	*state = t;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int open_up(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return type == FTW_D || type == FTW_DNR ? chmod(path, 0700) : 0;
}

int tree_teardown(void **state)
{
	struct test_tree *t = *state;

	vfs_set_openat2(true);
	vfs_root_close(&t->root);
	(void)nftw(t->base, open_up, 20, FTW_PHYS);
	(void)nftw(t->base, remove_one, 20, FTW_PHYS | FTW_DEPTH);
	free(t);
	return 0;
}

const char *tree_host(struct test_tree *t, const char *rel)
{
	(void)snprintf(t->path, sizeof(t->path), "%s/%s", t->base, rel);
	return t->path;
}

void tree_dir(struct test_tree *t, const char *rel)
{
	assert_int_equal(mkdir(tree_host(t, rel), 0755), 0);
}

void tree_file(struct test_tree *t, const char *rel, const char *text)
{
	int fd = open(tree_host(t, rel), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	fd_close(&fd);
}

void tree_link(struct test_tree *t, const char *target, const char *rel)
{
	assert_int_equal(symlink(target, tree_host(t, rel)), 0);
}
