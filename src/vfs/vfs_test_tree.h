/* A scratch directory for the tests of vfs: <tmp>/root is the root, <tmp>/outside must never be reached. */
#ifndef VFS_VFS_TEST_TREE_H
#define VFS_VFS_TEST_TREE_H

#include "vfs/vfs.h"

struct test_tree {
	char base[64];
	char path[128]; /* last result of tree_host() */
	struct vfs_root *root;
};

int tree_setup(void **state);    /* *state = struct test_tree */
int tree_teardown(void **state); /* removes everything */
/* Host path of "root/a" or "outside/a". */
const char *tree_host(struct test_tree *t, const char *rel);
void tree_dir(struct test_tree *t, const char *rel);
void tree_file(struct test_tree *t, const char *rel, const char *text);
void tree_link(struct test_tree *t, const char *target, const char *rel);

#endif
