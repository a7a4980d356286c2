#include "tools/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

#define FILE_MAX (64u * 1024 * 1024) /* as the server */

struct accounts {
	char *path, *dir; /* of the file itself, links resolved */
	int dir_fd;       /* locked */
	unsigned n_fields;
	char **lines;
	size_t n;
	bool is_new;
	struct stat st; /* of the old file */
};

static void secret_free(char *s)
{
	if (s != NULL)
		wipe(s, strlen(s));
	free(s);
}

static void line_add(struct accounts *a, char *line)
{
	a->lines = xrealloc(a->lines, (a->n + 1) * sizeof(*a->lines));
	a->lines[a->n++] = line;
}

/* The file that path leads to, which need not exist yet, and its folder. */
static int find_file(struct accounts *a, const char *path, struct err *err)
{
	char *slash;

	a->path = realpath(path, NULL);
	if (a->path == NULL && errno == ENOENT)
		a->path = strchr(path, '/') != NULL ? xstrdup(path) : xasprintf("./%s", path);
	if (a->path == NULL)
		return err_sys(err, errno, "cannot open '%s'", path);
	a->dir = xstrdup(a->path);
	slash = strrchr(a->dir, '/');
	slash[slash == a->dir] = '\0';
	a->dir_fd = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dir_fd < 0 || flock(a->dir_fd, LOCK_EX) < 0)
		return err_sys(err, errno, "cannot use the directory '%s'", a->dir);
	return 0;
}

static int read_lines(struct accounts *a, struct err *err)
{
	auto_fd int fd = open(a->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text, *line, *rest;
	size_t len;
	int r;

	if (fd < 0 && errno == ENOENT) {
		a->is_new = true;
		return 0;
	}
	if (fd < 0 || fstat(fd, &a->st) < 0)
		return err_sys(err, errno, "cannot open '%s'", a->path);
	if (!S_ISREG(a->st.st_mode))
		return err_set(err, EINVAL, "'%s' is not a regular file", a->path);
	r = fd_read_all(fd, FILE_MAX, &text, &len);
	if (r < 0)
		return err_sys(err, -r, "cannot read '%s'", a->path);
	if (strlen(text) != len) {
		r = err_set(err, EINVAL, "'%s' is not a text file", a->path);
	} else {
		rest = text;
		while ((line = strsep(&rest, "\n")) != NULL) {
			if (rest != NULL || line[0] != '\0')
				line_add(a, xstrdup(line));
		}
	}
	wipe(text, len);
	free(text);
	return r;
}

int accounts_open(const char *path, unsigned n_fields, struct accounts **ret_a, struct err *err)
{
	struct accounts *a = xcalloc(1, sizeof(*a));
	int r;

	a->dir_fd = -1;
	a->n_fields = n_fields;
	r = find_file(a, path, err);
	if (r == 0)
		r = read_lines(a, err);
	if (r < 0) {
		accounts_close(a);
		return r;
	}
	*ret_a = a;
	return 0;
}

void accounts_close(struct accounts *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->n; i++)
		secret_free(a->lines[i]);
	free(a->lines);
	fd_close(&a->dir_fd);
	free(a->path);
	free(a->dir);
	free(a);
}

bool accounts_is_new(const struct accounts *a)
{
	return a->is_new;
}

static bool has_name(const char *line, const char *name)
{
	size_t n = strlen(name);

	return line[0] != '#' && strncmp(line, name, n) == 0 && line[n] == ':';
}

/* Cut into exactly n fields; the last keeps further colons. false: the server would skip that line. */
static bool cut(const char *line, char **fields, unsigned n)
{
	size_t len = strlen(line);
	unsigned i;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	for (i = 0; i < n; i++) {
		const char *colon = i + 1 < n ? memchr(line, ':', len) : NULL;
		size_t k = colon != NULL ? (size_t)(colon - line) : len;

		if (i + 1 < n && colon == NULL)
			break;
		fields[i] = xstrndup(line, k);
		line += k + (colon != NULL);
		len -= k + (colon != NULL);
	}
	if (i < n)
		accounts_fields_free(fields, i);
	return i == n;
}

bool accounts_get(const struct accounts *a, const char *name, char **ret_fields)
{
	for (size_t i = 0; i < a->n; i++) {
		if (has_name(a->lines[i], name) && cut(a->lines[i], ret_fields, a->n_fields))
			return true;
	}
	return false;
}

void accounts_fields_free(char **fields, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		secret_free(fields[i]);
		fields[i] = NULL;
	}
}

static char *joined(char *const *fields, unsigned n)
{
	char *line = xstrdup(fields[0]);

	for (unsigned i = 1; i < n; i++) {
		char *longer = xasprintf("%s:%s", line, fields[i]);

		secret_free(line);
		line = longer;
	}
	return line;
}

void accounts_put(struct accounts *a, char *const *fields)
{
	char *line = joined(fields, a->n_fields), *old[ACCOUNT_FIELDS];

	for (size_t i = 0; i < a->n; i++) {
		if (!has_name(a->lines[i], fields[0]) || !cut(a->lines[i], old, a->n_fields))
			continue;
		accounts_fields_free(old, a->n_fields);
		secret_free(a->lines[i]);
		a->lines[i] = line;
		return;
	}
	line_add(a, line);
}

void accounts_delete(struct accounts *a, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (has_name(a->lines[i], name))
			secret_free(a->lines[i]);
		else
			a->lines[kept++] = a->lines[i];
	}
	a->n = kept;
}

static int write_all(const struct accounts *a, int fd)
{
	int r = 0;

	for (size_t i = 0; i < a->n && r == 0; i++) {
		r = fd_write_all(fd, a->lines[i], strlen(a->lines[i]));
		if (r == 0)
			r = fd_write_all(fd, "\n", 1);
	}
	if (r == 0 && !a->is_new && fchown(fd, a->st.st_uid, a->st.st_gid) < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, a->is_new ? 0440 : a->st.st_mode & 07777) < 0)
		r = -errno;
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int accounts_save(struct accounts *a, struct err *err)
{
	char *temp = xasprintf("%s.XXXXXX", a->path);
	auto_fd int fd = mkostemp(temp, O_CLOEXEC); /* 0600 */
	int r;

	if (fd < 0) {
		r = err_sys(err, errno, "cannot make a file in '%s'", a->dir);
		free(temp);
		return r;
	}
	r = write_all(a, fd);
	if (r == 0 && rename(temp, a->path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(temp); /* the error that counts is the first */
		r = err_sys(err, -r, "cannot write '%s'", a->path);
	} else if (fsync(a->dir_fd) < 0) {
		r = err_sys(
			err, errno, "'%s' is written, but may be lost when the machine stops now", a->path);
	}
	free(temp);
	return r;
}
