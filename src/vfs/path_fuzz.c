/* vfs_path_resolve(): the input is "cwd NUL arg". Whatever it is, the result is normal and resolving it again
 * changes nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/vfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char cwd[VFS_PATH_SIZE], out[VFS_PATH_SIZE], again[VFS_PATH_SIZE];
	char *text = malloc(size + 2);
	const char *arg;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	arg = text + strlen(text) + 1;
	if (vfs_path_resolve("/", text, cwd) == 0 && vfs_path_resolve(cwd, arg, out) == 0) {
		if (!vfs_path_is_normal(out) || vfs_path_resolve("/", out, again) != 0 ||
			strcmp(out, again) != 0)
			abort();
		vfs_path_parent(out, again);
		if (!vfs_path_is_normal(again) || !vfs_path_within(out, again))
			abort();
	}
	free(text);
	return 0;
}
