/* Patterns of globbing, against a root that has only a few entries (a directory of procfs). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vfs_root *root;
	struct vfs_glob *gl = NULL;
	struct vfs_match m;
	char *text;
	int i;

	if (root == NULL && vfs_root_open("/proc/self/net", 0, &root, NULL) < 0 &&
		vfs_root_open("/", 0, &root, NULL) < 0)
		abort();
	text = malloc(size + 1);
	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)vfs_has_glob(text);
	if (vfs_glob_open(root, "/", text, NULL, &gl) == 0) {
		for (i = 0; i < 100 && vfs_glob_next(gl, &m) == 1; i++) {
			if (!vfs_path_is_normal(m.vpath))
				abort();
		}
	}
	vfs_glob_close(&gl);
	free(text);
	return 0;
}
