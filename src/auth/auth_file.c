/* AuthUserFile and AuthGroupFile: opening, permissions, and reading again what has changed. A file is read
 * whole and kept; a reader keeps the table it began with (authfile.h). */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ftp/authfile.h"
#include "auth/backend.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

#define FILE_MAX  (64u * 1024 * 1024)
#define FILES_MAX 64

/* Files in use. The same path may be both kinds, and be allowed by one server only. */
static struct cached {
	char *path;
	enum authfile_kind kind;
	bool insecure;
	struct authfile *table; /* NULL: cannot be used */
	struct stat st;         /* when it was read */
} cache[FILES_MAX];
static size_t n_cached;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Password hashes that everyone can read or change are none. */
static bool perms_allowed(const char *path, const struct stat *st, enum authfile_kind kind)
{
	char dir[4096];
	struct stat ds;
	char *slash;

	if (!S_ISREG(st->st_mode)) {
		log_err(NULL, "'%s' is not a regular file, not using it", path);
		return false;
	}
	if ((st->st_mode & (kind == AUTHFILE_USERS ? 0006 : 0002)) != 0) {
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

/* Read it into c. c->table stays NULL when it cannot be used, which is logged. */
static void cached_read(struct cached *c)
{
	auto_fd int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text = NULL;
	size_t len = 0;
	int r = 0;

	if (fd < 0 || fstat(fd, &c->st) < 0)
		r = -errno;
	else if (!c->insecure && !perms_allowed(c->path, &c->st, c->kind))
		return;
	else
		r = fd_read_all(fd, FILE_MAX, &text, &len);
	if (r < 0)
		log_err(NULL, "cannot read '%s': %s", c->path, err_text(r));
	else
		c->table = authfile_parse(text, len, c->path, c->kind);
}

static bool unchanged(const struct cached *c)
{
	struct stat st;

	return stat(c->path, &st) == 0 && st.st_ino == c->st.st_ino && st.st_dev == c->st.st_dev &&
	       st.st_size == c->st.st_size && st.st_mode == c->st.st_mode &&
	       st.st_mtim.tv_sec == c->st.st_mtim.tv_sec && st.st_mtim.tv_nsec == c->st.st_mtim.tv_nsec &&
	       st.st_ctim.tv_sec == c->st.st_ctim.tv_sec && st.st_ctim.tv_nsec == c->st.st_ctim.tv_nsec;
}

static struct cached *slot_of(const char *path, enum authfile_kind kind, bool insecure)
{
	for (size_t i = 0; i < n_cached; i++) {
		if (str_eq(cache[i].path, path) && cache[i].kind == kind && cache[i].insecure == insecure)
			return &cache[i];
	}
	if (n_cached == FILES_MAX)
		return NULL;
	cache[n_cached] = (struct cached){.path = xstrdup(path), .kind = kind, .insecure = insecure};
	return &cache[n_cached++];
}

static void cached_refresh(struct cached *c)
{
	if (c->table != NULL && !unchanged(c)) {
		authfile_unref(c->table);
		c->table = NULL;
	}
	if (c->table == NULL)
		cached_read(c);
}

/* The file as it is now, with a reference; NULL when there is none or it cannot be used. */
static struct authfile *file_get(const char *path, enum authfile_kind kind, bool insecure)
{
	struct cached once = {.path = (char *)(uintptr_t)path, .kind = kind, .insecure = insecure}, *c;
	struct authfile *f = NULL;

	if (path == NULL)
		return NULL;
	(void)pthread_mutex_lock(&lock); /* an ordinary mutex cannot fail here */
	c = slot_of(path, kind, insecure);
	if (c != NULL) {
		cached_refresh(c);
		f = c->table != NULL ? authfile_ref(c->table) : NULL;
	}
	(void)pthread_mutex_unlock(&lock);
	if (c == NULL) { /* more files than anybody has: not kept */
		cached_read(&once);
		f = once.table;
	}
	return f;
}

static struct authfile *users_of(const struct ftp_conf *conf)
{
	return file_get(conf->auth_user_file, AUTHFILE_USERS, conf->auth_file_insecure_perms);
}

static struct authfile *groups_of(const struct ftp_conf *conf)
{
	return file_get(conf->auth_group_file, AUTHFILE_GROUPS, conf->auth_file_insecure_perms);
}

void auth_file_forget(void)
{
	for (size_t i = 0; i < n_cached; i++) {
		authfile_unref(cache[i].table);
		free(cache[i].path);
		memset(&cache[i], 0, sizeof(cache[i]));
	}
	n_cached = 0;
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
	const struct authfile_entry *e = f != NULL ? authfile_by_name(f, name) : NULL;
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
	const struct authfile_entry *e;

	for (size_t i = 0; f != NULL && (e = authfile_at(f, i)) != NULL; i++) {
		if (id_in_range(conf, AUTH_GROUP_ID, e->id) && is_member(e->members, a->name))
			auth_groups_add(groups, e->id);
	}
	authfile_unref(f);
}

static enum auth_verdict file_check(const struct ftp_conf *conf, const struct auth_account *a,
	const char *password, const struct addr *client)
{
	return auth_hash_check(a->hash, password, conf->allow_empty_passwords);
}

static bool file_name_of(
	const struct ftp_conf *conf, enum auth_id_kind kind, unsigned id, char *buf, size_t size)
{
	struct authfile *f = kind == AUTH_USER_ID ? users_of(conf) : groups_of(conf);
	const struct authfile_entry *e =
		f != NULL && id_in_range(conf, kind, id) ? authfile_by_id(f, id) : NULL;

	if (e != NULL)
		str_copy(buf, size, e->name);
	authfile_unref(f);
	return e != NULL;
}

static bool file_id_of(
	const struct ftp_conf *conf, enum auth_id_kind kind, const char *name, unsigned *ret_id)
{
	struct authfile *f = kind == AUTH_USER_ID ? users_of(conf) : groups_of(conf);
	const struct authfile_entry *e = f != NULL ? authfile_by_name(f, name) : NULL;
	bool found = e != NULL && id_in_range(conf, kind, e->id);

	if (found)
		*ret_id = e->id;
	authfile_unref(f);
	return found;
}

char *auth_file_sample_hash(const struct ftp_conf *conf)
{
	struct authfile *f = users_of(conf);
	const struct authfile_entry *e;
	char *hash = NULL;

	for (size_t i = 0; f != NULL && hash == NULL && (e = authfile_at(f, i)) != NULL; i++) {
		if (e->hash[0] == '$')
			hash = xstrdup(e->hash);
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
