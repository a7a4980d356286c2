/* AuthUserFile and AuthGroupFile: passwd(5) lines with the hash in them, group(5) lines. A file is read whole, kept, and read
 * again when it has changed; a reader keeps the copy it began with. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/backend.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

#define FILE_MAX     (64u * 1024 * 1024)
#define FILES_MAX    64
#define FIELDS_USER  7
#define FIELDS_GROUP 4

struct entry { /* pointers into the text of the file */
	const char *name, *hash, *home, *shell, *members;
	unsigned id, gid; /* of a group: id only */
	unsigned order;   /* position: the first of equal names counts */
};

struct authfile {
	atomic_uint refs;
	char *text;
	size_t text_len;
	struct entry *by_name, *by_id;
	size_t n;
	struct stat st; /* when it was read */
};

static struct cached {
	char *path;
	struct authfile *file;
} cache[FILES_MAX];
static size_t n_cached;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void authfile_unref(struct authfile *f)
{
	if (f == NULL || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	if (f->text != NULL)
		wipe(f->text, f->text_len);
	free(f->text);
	free(f->by_name);
	free(f->by_id);
	free(f);
}

static bool parse_id(const char *s, unsigned *ret_id)
{
	uint64_t v;

	if (str_to_u64(s, &v) < 0 || v >= UINT32_MAX)
		return false;
	*ret_id = (unsigned)v;
	return true;
}

/* Cut the line at its colons; the last field keeps further ones. Returns the number of fields. */
static unsigned split(char *line, char **fields, unsigned max)
{
	unsigned n = 0;

	fields[n++] = line;
	while (n < max && (line = strchr(line, ':')) != NULL) {
		*line++ = '\0';
		fields[n++] = line;
	}
	return n;
}

static bool parse_user(char *line, struct entry *e)
{
	char *f[FIELDS_USER];

	if (split(line, f, FIELDS_USER) != FIELDS_USER || f[0][0] == '\0' || !parse_id(f[2], &e->id) ||
		!parse_id(f[3], &e->gid) || f[5][0] != '/')
		return false;
	e->name = f[0];
	e->hash = f[1];
	e->home = f[5];
	e->shell = f[6];
	return true;
}

static bool parse_group(char *line, struct entry *e)
{
	char *f[FIELDS_GROUP];

	if (split(line, f, FIELDS_GROUP) != FIELDS_GROUP || f[0][0] == '\0' || !parse_id(f[2], &e->id))
		return false;
	e->name = f[0];
	e->members = f[3];
	return true;
}

static int compare_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

static int compare_id(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static void parse_lines(struct authfile *f, const char *path, bool users)
{
	unsigned number = 0;
	char *line = f->text, *next;

	for (; line != NULL; line = next) {
		struct entry e = {.order = ++number};

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (!(users ? parse_user(line, &e) : parse_group(line, &e))) {
			log_warn(NULL, "line %u of '%s' is malformed, skipping it", number, path);
			continue;
		}
		f->by_name[f->n++] = e;
	}
	memcpy(f->by_id, f->by_name, f->n * sizeof(*f->by_id));
	qsort(f->by_name, f->n, sizeof(*f->by_name), compare_name);
	qsort(f->by_id, f->n, sizeof(*f->by_id), compare_id);
}

/* Password hashes that everyone can read or change are none. */
static bool perms_allowed(const char *path, const struct stat *st, bool users)
{
	char dir[4096];
	struct stat ds;
	char *slash;

	if (!S_ISREG(st->st_mode)) {
		log_err(NULL, "'%s' is not a regular file, not using it", path);
		return false;
	}
	if ((st->st_mode & (users ? 0007 : 0002)) != 0) {
		log_err(NULL, "'%s' can be %s by everyone, not using it (AuthFileOptions InsecurePerms)",
			path, (st->st_mode & 0002) != 0 ? "written" : "read");
		return false;
	}
	str_copy(dir, sizeof(dir), path);
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[slash == dir] = '\0';
	if (stat(dir, &ds) == 0 && (ds.st_mode & 0002) != 0) {
		log_err(NULL, "the directory of '%s' can be written by everyone, not using it", path);
		return false;
	}
	return true;
}

static struct authfile *authfile_read(const char *path, bool users, bool insecure)
{
	struct authfile *f = xcalloc(1, sizeof(*f));
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t lines = 1;
	int r = 0;

	atomic_init(&f->refs, 1);
	if (fd < 0 || fstat(fd, &f->st) < 0)
		r = -errno;
	else if (!insecure && !perms_allowed(path, &f->st, users))
		r = -EPERM;
	else
		r = fd_read_all(fd, FILE_MAX, &f->text, &f->text_len);
	if (r < 0) {
		if (r != -EPERM)
			log_err(NULL, "cannot read '%s': %s", path, err_text(r));
		authfile_unref(f);
		return NULL;
	}
	for (size_t i = 0; i < f->text_len; i++)
		lines += f->text[i] == '\n';
	f->by_name = xcalloc(lines, sizeof(*f->by_name));
	f->by_id = xcalloc(lines, sizeof(*f->by_id));
	parse_lines(f, path, users);
	return f;
}

static bool unchanged(const char *path, const struct authfile *f)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == f->st.st_ino && st.st_dev == f->st.st_dev &&
	       st.st_size == f->st.st_size && st.st_mode == f->st.st_mode &&
	       st.st_mtim.tv_sec == f->st.st_mtim.tv_sec && st.st_mtim.tv_nsec == f->st.st_mtim.tv_nsec &&
	       st.st_ctim.tv_sec == f->st.st_ctim.tv_sec && st.st_ctim.tv_nsec == f->st.st_ctim.tv_nsec;
}

static struct cached *slot_of(const char *path)
{
	for (size_t i = 0; i < n_cached; i++) {
		if (str_eq(cache[i].path, path))
			return &cache[i];
	}
	if (n_cached == FILES_MAX)
		return NULL;
	cache[n_cached].path = xstrdup(path);
	return &cache[n_cached++];
}

/* The file as it is now, with a reference; NULL when it cannot be used. */
static struct authfile *authfile_get(const char *path, bool users, bool insecure)
{
	struct authfile *f = NULL;
	struct cached *c;

	if (path == NULL)
		return NULL;
	(void)pthread_mutex_lock(&lock); /* an ordinary mutex cannot fail here */
	c = slot_of(path);
	if (c == NULL) {
		f = authfile_read(path, users, insecure); /* not kept */
	} else {
		if (c->file != NULL && !unchanged(path, c->file)) {
			authfile_unref(c->file);
			c->file = NULL;
		}
		if (c->file == NULL)
			c->file = authfile_read(path, users, insecure);
		f = c->file;
		if (f != NULL)
			atomic_fetch_add(&f->refs, 1);
	}
	(void)pthread_mutex_unlock(&lock);
	return f;
}

static struct authfile *users_of(const struct ftp_conf *conf)
{
	return authfile_get(conf->auth_user_file, true, conf->auth_file_insecure_perms);
}

static struct authfile *groups_of(const struct ftp_conf *conf)
{
	return authfile_get(conf->auth_group_file, false, conf->auth_file_insecure_perms);
}

void auth_file_forget(void)
{
	for (size_t i = 0; i < n_cached; i++) {
		authfile_unref(cache[i].file);
		free(cache[i].path);
		memset(&cache[i], 0, sizeof(cache[i]));
	}
	n_cached = 0;
}

/* First entry of that name. */
static const struct entry *entry_by_name(const struct authfile *f, const char *name)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(f->by_name[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->n && str_eq(f->by_name[lo].name, name) ? &f->by_name[lo] : NULL;
}

static const struct entry *entry_by_id(const struct authfile *f, unsigned id)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->by_id[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->n && f->by_id[lo].id == id ? &f->by_id[lo] : NULL;
}

static bool id_in_range(const struct ftp_conf *conf, enum auth_id_kind kind, unsigned id)
{
	if (kind == AUTH_USER_ID)
		return id >= conf->auth_user_id_min && id <= conf->auth_user_id_max;
	return id >= conf->auth_group_id_min && id <= conf->auth_group_id_max;
}

static int file_find(const struct ftp_conf *conf, const char *name, struct auth_account *ret_a)
{
	struct authfile *f = users_of(conf);
	const struct entry *e = f != NULL ? entry_by_name(f, name) : NULL;
	int found = 0;

	if (e != NULL && id_in_range(conf, AUTH_USER_ID, e->id)) {
		*ret_a = (struct auth_account){.name = xstrdup(e->name),
			.home = xstrdup(e->home),
			.shell = xstrdup(e->shell),
			.hash = xstrdup(e->hash),
			.uid = e->id,
			.gid = e->gid};
		found = 1;
	}
	authfile_unref(f);
	return found;
}

/* Is name in the comma list? */
static bool is_member(const char *members, const char *name)
{
	size_t len = strlen(name);

	while (*members != '\0') {
		size_t n = strcspn(members, ", ");

		if (n == len && strncmp(members, name, n) == 0)
			return true;
		members += n + (members[n] != '\0');
	}
	return false;
}

static void file_groups(const struct ftp_conf *conf, const struct auth_account *a, struct auth_groups *groups)
{
	struct authfile *f = groups_of(conf);

	for (size_t i = 0; f != NULL && i < f->n; i++) {
		if (id_in_range(conf, AUTH_GROUP_ID, f->by_id[i].id) &&
			is_member(f->by_id[i].members, a->name))
			auth_groups_add(groups, f->by_id[i].id);
	}
	authfile_unref(f);
}

static enum auth_verdict file_check(const struct ftp_conf *conf, const struct auth_account *a,
	const char *password, const struct addr *client)
{
	struct auth_account mine = {0};
	enum auth_verdict v;

	if (file_find(conf, a->name, &mine) != 1)
		return AUTH_UNKNOWN;
	v = auth_hash_check(mine.hash, password, conf->allow_empty_passwords);
	auth_account_done(&mine);
	return v;
}

static bool file_name_of(
	const struct ftp_conf *conf, enum auth_id_kind kind, unsigned id, char *buf, size_t size)
{
	struct authfile *f = kind == AUTH_USER_ID ? users_of(conf) : groups_of(conf);
	const struct entry *e = f != NULL && id_in_range(conf, kind, id) ? entry_by_id(f, id) : NULL;

	if (e != NULL)
		str_copy(buf, size, e->name);
	authfile_unref(f);
	return e != NULL;
}

static bool file_id_of(
	const struct ftp_conf *conf, enum auth_id_kind kind, const char *name, unsigned *ret_id)
{
	struct authfile *f = kind == AUTH_USER_ID ? users_of(conf) : groups_of(conf);
	const struct entry *e = f != NULL ? entry_by_name(f, name) : NULL;

	if (e != NULL)
		*ret_id = e->id;
	authfile_unref(f);
	return e != NULL;
}

char *auth_file_sample_hash(const struct ftp_conf *conf)
{
	struct authfile *f = users_of(conf);
	char *hash = NULL;

	for (size_t i = 0; f != NULL && i < f->n && hash == NULL; i++) {
		if (f->by_name[i].hash[0] == '$')
			hash = xstrdup(f->by_name[i].hash);
	}
	authfile_unref(f);
	return hash;
}

const struct auth_backend auth_backend_file = {
	.module = "mod_auth_file.c",
	.find = file_find,
	.groups = file_groups,
	.check = file_check,
	.name_of = file_name_of,
	.id_of = file_id_of,
};
