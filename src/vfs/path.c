#include "vfs/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Take the last component off out[0..len), which holds "/a/b" or "". */
static size_t drop_last(const char *out, size_t len)
{
	while (len > 0 && out[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

/* Append the components of text to out, of which len bytes are in use ("" for the root). */
static int join(const char *text, char *out, size_t *len)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "/");

		if (n > VFS_NAME_MAX)
			return -ENAMETOOLONG;
		if (n == 2 && memcmp(text, "..", 2) == 0) {
			*len = drop_last(out, *len);
		} else if (n > 0 && !(n == 1 && *text == '.')) {
			if (*len + 1 + n > VFS_PATH_MAX)
				return -ENAMETOOLONG;
			out[(*len)++] = '/';
			memcpy(out + *len, text, n);
			*len += n;
		}
		text += n;
		while (*text == '/')
			text++;
	}
	return 0;
}

int vfs_path_resolve(const char *cwd, const char *arg, char out[VFS_PATH_SIZE])
{
	size_t len = 0;
	int r = 0;

	if (*arg != '/')
		r = join(cwd, out, &len);
	if (r == 0)
		r = join(arg, out, &len);
	if (r < 0)
		return r;
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return 0;
}

bool vfs_path_is_normal(const char *vpath)
{
	const char *s = vpath;
	size_t n;

	if (*s != '/')
		return false;
	if (s[1] == '\0')
		return true;
	while (*s == '/') {
		s++;
		n = strcspn(s, "/");
		if (n == 0 || n > VFS_NAME_MAX || (n == 1 && *s == '.') ||
			(n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
	}
	return s - vpath <= VFS_PATH_MAX;
}

const char *vfs_path_base(const char *vpath)
{
	const char *slash = strrchr(vpath, '/');

	return slash != NULL ? slash + 1 : vpath;
}

void vfs_path_parent(const char *vpath, char out[VFS_PATH_SIZE])
{
	size_t len = drop_last(vpath, strnlen(vpath, VFS_PATH_MAX));

	if (len == 0)
		out[len++] = '/';
	else
		memmove(out, vpath, len);
	out[0] = '/';
	out[len] = '\0';
}

bool vfs_path_within(const char *vpath, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1)
		return true; /* "/" */
	return strncmp(vpath, dir, n) == 0 && (vpath[n] == '/' || vpath[n] == '\0');
}

const char *vfs_host_text(const struct vfs_root *root, const char *vpath, char *dst, size_t size)
{
	bool top = root->path[0] == '/' && root->path[1] == '\0';

	if (!top && vpath[0] == '/' && vpath[1] == '\0')
		vpath = "";
	(void)snprintf(dst, size, "%s%s", top ? "" : root->path, vpath); /* cut as promised */
	return dst;
}
