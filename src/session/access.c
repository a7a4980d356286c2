#include "session/access.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/policy.h"
#include "ftp/verb.h"
#include "session/hide.h"
#include "session/session_priv.h"

/* One .ftpaccess as it was at one time, merged over one scope. Immutable but for link and refs, which the
 * lock guards. */
struct access_dir {
	struct list link;             /* in the cache, most recently used last */
	unsigned refs;                /* users, and 1 for being in the cache */
	char *dir;                    /* vpath */
	const struct ftp_scope *base; /* lives in the configuration or in parent */
	struct access_dir *parent;    /* referenced; NULL: base is of the configuration */
	struct arena *arena;
	struct ftp_scope *scope; /* NULL: the file has nothing usable in it */
	uint64_t ino, size;
	uint32_t dev_major, dev_minor;
	struct statx_timestamp mtime, ctime;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list cache = {&cache, &cache};
static unsigned cached;

/* A plain mutex that is held once cannot fail to be taken. */
static void cache_lock(void)
{
	(void)pthread_mutex_lock(&lock);
}

static void cache_unlock(void)
{
	(void)pthread_mutex_unlock(&lock);
}

static void dir_unref_locked(struct access_dir *d)
{
	struct access_dir *parent;

	while (d && --d->refs == 0) {
		parent = d->parent;
		arena_free(d->arena);
		free(d->dir);
		free(d);
		d = parent;
	}
}

static void dir_unref(struct access_dir *d)
{
	cache_lock();
	dir_unref_locked(d);
	cache_unlock();
}

static void cache_remove_locked(struct access_dir *d)
{
	list_del(&d->link);
	cached--;
	dir_unref_locked(d);
}

void access_cache_clear(void)
{
	cache_lock();
	LIST_EACH(it, tmp, &cache)
	cache_remove_locked(LIST_OBJ(it, struct access_dir, link));
	cache_unlock();
}

static bool same_file(const struct access_dir *d, const struct statx *st)
{
	return d->ino == st->stx_ino && d->size == st->stx_size && d->dev_major == st->stx_dev_major &&
	       d->dev_minor == st->stx_dev_minor && d->mtime.tv_sec == st->stx_mtime.tv_sec &&
	       d->mtime.tv_nsec == st->stx_mtime.tv_nsec && d->ctime.tv_sec == st->stx_ctime.tv_sec &&
	       d->ctime.tv_nsec == st->stx_ctime.tv_nsec;
}

/* The cached file with a reference, or NULL; an outdated one is taken out. */
static struct access_dir *cache_find(const char *dir, const struct ftp_scope *base, const struct statx *st)
{
	struct access_dir *found = NULL;

	cache_lock();
	LIST_EACH(it, tmp, &cache)
	{
		struct access_dir *d = LIST_OBJ(it, struct access_dir, link);

		if (d->base != base || strcmp(d->dir, dir) != 0)
			continue;
		if (!same_file(d, st)) {
			cache_remove_locked(d);
			continue;
		}
		list_del(&d->link);
		list_add(&cache, &d->link);
		d->refs++;
		found = d;
		break;
	}
	cache_unlock();
	return found;
}

static void cache_add(struct access_dir *d)
{
	cache_lock();
	d->refs++;
	list_add(&cache, &d->link);
	if (++cached > ACCESS_CACHE_MAX)
		cache_remove_locked(LIST_OBJ(cache.next, struct access_dir, link));
	cache_unlock();
}

/* Read and merge; a file that cannot be read or parsed counts as empty, which is logged once per version
 * of it. */
static void dir_load(struct access_dir *d, struct session *s, const char *file)
{
	char host[VFS_PATH_SIZE * 2], *text = NULL;
	size_t len = 0;
	int fd, r;

	(void)vfs_host_text(s->root, file, host, sizeof host);
	fd = vfs_open(s->root, file, O_RDONLY | O_NONBLOCK, 0, VFS_NOLINKS);
	r = fd < 0 ? fd : fd_read_all(fd, FTP_ACCESS_FILE_MAX, &text, &len);
	fd_close(&fd);
	if (r < 0) {
		log_warn(&s->log, "cannot use '%s': %s", host,
			r == -EFBIG ? "larger than 64 KiB" : strerror(-r));
		return;
	}
	r = ftp_access_load(d->arena, text, len, arena_strdup(d->arena, host), d->base, &s->log, &d->scope);
	if (r < 0)
		log_warn(&s->log, "cannot use '%s': %s", host, err_text(r));
	free(text);
}

static struct access_dir *dir_new(struct session *s, const char *dir, const char *file,
	const struct ftp_scope *base, struct access_dir *parent, const struct statx *st)
{
	struct access_dir *d = xcalloc(1, sizeof *d);

	d->refs = 1;
	d->dir = xstrdup(dir);
	d->base = base;
	d->arena = arena_new(2048, 0);
	d->ino = st->stx_ino;
	d->size = st->stx_size;
	d->dev_major = st->stx_dev_major;
	d->dev_minor = st->stx_dev_minor;
	d->mtime = st->stx_mtime;
	d->ctime = st->stx_ctime;
	dir_load(d, s, file);
	if (parent && parent->scope == base) {
		cache_lock();
		parent->refs++;
		cache_unlock();
		d->parent = parent;
	}
	cache_add(d);
	return d;
}

/* The directories from the root down to real, one a call; *at is 0 at first. below: real is one of them. */
static bool next_dir(const char *real, bool below, size_t *at, char ret_dir[VFS_PATH_SIZE])
{
	size_t n = *at;

	if (n == 0) {
		n = 1;
	} else {
		if (real[n] == '\0')
			return false;
		n += real[n] == '/';
		n += strcspn(real + n, "/");
		if (real[n] == '\0' && !below)
			return false;
	}
	memcpy(ret_dir, real, n);
	ret_dir[n] = '\0';
	*at = n;
	return true;
}

/* False: such a name would be longer than any path. */
static bool file_of(const char *dir, char ret_file[VFS_PATH_SIZE])
{
	return (size_t)snprintf(ret_file, VFS_PATH_SIZE, "%s/.ftpaccess", dir[1] ? dir : "") < VFS_PATH_SIZE;
}

/* Is there nothing of that name, as far as the kernel knows without a disk? */
static bool level_empty(const struct session *s, const char *dir)
{
	char file[VFS_PATH_SIZE];
	int fd;

	if (!file_of(dir, file))
		return true;
	fd = vfs_open(s->root, file, O_PATH, 0, VFS_CACHED | VFS_NOLINKS | VFS_NOFOLLOW);
	if (fd >= 0)
		fd_close(&fd);
	return fd == -ENOENT || fd == -EAGAIN;
}

/* The .ftpaccess of one directory over *base_ref (its scope, or base). 0 with *ref moved on when there is
 * one; -EAGAIN. */
static int level_apply(struct session *s, const char *dir, const struct ftp_scope *base, unsigned flags,
	struct access_dir **ref)
{
	char file[VFS_PATH_SIZE];
	struct access_dir *d;
	struct statx st;
	int r;

	if (!file_of(dir, file))
		return 0;
	r = vfs_lstat(s->root, file, (flags & VFS_CACHED) | VFS_NOLINKS,
		STATX_TYPE | STATX_SIZE | STATX_INO | STATX_MTIME | STATX_CTIME, &st);
	if (r == -EAGAIN && flags & VFS_CACHED)
		return -EAGAIN;
	if (r < 0 || !S_ISREG(st.stx_mode))
		return 0;
	if (*ref && (*ref)->scope)
		base = (*ref)->scope;
	d = cache_find(dir, base, &st);
	if (!d && flags & VFS_CACHED)
		return -EAGAIN;
	if (!d)
		d = dir_new(s, dir, file, base, *ref, &st);
	if (!d->scope) {
		dir_unref(d);
		return 0;
	}
	dir_unref(*ref); /* d keeps it as its parent */
	*ref = d;
	return 0;
}

/* All .ftpaccess files from the root down to real, which may be a directory itself; with its type known to be another
 * there is none below it. (Asking for one there is answered "look at the disk" with VFS_CACHED.) */
static int levels_apply(struct session *s, const char *real, mode_t type, const struct ftp_scope *base,
	unsigned flags, struct access_dir **ret_ref)
{
	char dir[VFS_PATH_SIZE];
	bool below = type == 0 || S_ISDIR(type);
	size_t at = 0;
	int r = 0;

	*ret_ref = NULL;
	if (!base->conf.allow_override)
		return 0;
	while (r == 0 && next_dir(real, below, &at, dir))
		r = level_apply(s, dir, base, flags, ret_ref);
	if (r < 0) {
		dir_unref(*ret_ref);
		*ret_ref = NULL;
	}
	return r;
}

static struct policy_env policy_env_of(const struct session *s)
{
	return (struct policy_env){
		.home = s->account->home, .anon_root = s->anonymous ? s->root->path : NULL};
}

/* Does the command make, rename or remove a name? */
static bool verb_names(const char *verb)
{
	const struct ftp_verb *v = verb_find_limit(verb);

	return v && v->flags & VERB_NAMES;
}

/* The rules for an object (real: without links; host: the same from outside) whose scope, with ftpaccess, is
 * known. 0; -EPERM, -WE_NAME; -ENOENT for what is hidden from the command; -EAGAIN with VFS_CACHED. */
static int object_check(struct session *s, const char *verb, const char *real, const char *host,
	const struct ftp_scope *ftpaccess, const struct ftp_conf *conf, unsigned flags)
{
	struct policy_env env = policy_env_of(s);
	struct policy_verdict verdict;
	int r = 0;

	if (!policy_check(&s->who, s->scope, &env, host, ftpaccess, verb, &verdict))
		r = -EPERM;
	else if (verb_names(verb) && !policy_name_allowed(conf, real, &verdict))
		r = -WE_NAME;
	if (r < 0) {
		log_debug(&s->log, 3, "%s of '%s' denied: %s (%s:%u)", verb, host, verdict.why,
			verdict.file ? verdict.file : "-", verdict.line);
		return r;
	}
	if (!policy_may_hide(conf) || !policy_ignores_hidden(s->scope, &env, host, ftpaccess, verb))
		return 0;
	r = hide_path(s, conf, real, flags);
	return r > 0 ? -ENOENT : r;
}

int session_allowed(
	struct session *s, const char *verb, const char *vpath, unsigned flags, struct session_access *ret)
{
	struct policy_env env = policy_env_of(s);
	char host[VFS_PATH_SIZE * 2];
	const struct ftp_scope *base;
	mode_t type;
	int r;

	r = vfs_realpath_type(
		s->root, vpath, flags & (VFS_CACHED | VFS_NOFOLLOW | VFS_MISSING_OK), ret->real, &type);
	if (r < 0)
		return r;
	(void)vfs_host_text(s->root, ret->real, host, sizeof host);
	base = policy_scope_for_path(s->scope, &env, host);
	r = levels_apply(s, ret->real, type, base, flags, &ret->ref);
	if (r < 0)
		return r;
	ret->scope = ret->ref ? ret->ref->scope : base;
	ret->conf = &ret->scope->conf;
	if (!verb)
		return 0;
	r = object_check(s, verb, ret->real, host, ret->ref ? ret->ref->scope : NULL, ret->conf, flags);
	if (r < 0)
		session_access_done(ret);
	return r;
}

void session_access_done(struct session_access *a)
{
	dir_unref(a->ref);
	a->ref = NULL;
	a->conf = NULL;
	a->scope = NULL;
}

bool session_entry_allowed(
	struct session *s, const char *verb, const struct session_access *dir, const char *name)
{
	struct policy_env env = policy_env_of(s);
	char vpath[VFS_PATH_SIZE + VFS_NAME_MAX], host[VFS_PATH_SIZE * 2 + VFS_NAME_MAX];

	(void)snprintf(vpath, sizeof vpath, "%s/%s", dir->real[1] ? dir->real : "", name);
	(void)vfs_host_text(s->root, vpath, host, sizeof host);
	return policy_check(&s->who, s->scope, &env, host, dir->ref ? dir->ref->scope : NULL, verb, NULL);
}

int session_new_allowed(struct session *s, const char *verb, const struct session_access *dir,
	const char *vpath, const struct ftp_conf **ret_conf)
{
	struct policy_env env = policy_env_of(s);
	const struct ftp_scope *access = dir->ref ? dir->ref->scope : NULL;
	char host[VFS_PATH_SIZE * 2];
	int r;

	(void)vfs_host_text(s->root, vpath, host, sizeof host);
	*ret_conf = access ? &access->conf : &policy_scope_for_path(s->scope, &env, host)->conf;
	r = object_check(s, verb, vpath, host, access, *ret_conf, 0);
	return r == -ENOENT ? -EPERM : r; /* a name that is to be made cannot be missing */
}

struct access_cwd {
	struct access_dir *ref;
	char real[];
};

void access_cwd_forget(struct session *s)
{
	if (!s->cwd_access)
		return;
	dir_unref(s->cwd_access->ref);
	free(s->cwd_access);
	s->cwd_access = NULL;
}

/* Where the way to the directory was without links and without any .ftpaccess, is it still? One call for each directory on
 * it; a link that has come there is told by them, too. What the kernel does not know without a disk is as it was. */
static bool cwd_as_before(struct session *s)
{
	const struct access_cwd *c = s->cwd_access;
	struct policy_env env = policy_env_of(s);
	char host[VFS_PATH_SIZE * 2], dir[VFS_PATH_SIZE];
	size_t at = 0;

	if (!c || c->ref || !str_eq(c->real, s->cwd))
		return false;
	(void)vfs_host_text(s->root, c->real, host, sizeof host);
	if (!policy_scope_for_path(s->scope, &env, host)->conf.allow_override)
		return false;
	while (next_dir(c->real, true, &at, dir))
		if (!level_empty(s, dir))
			return false;
	return true;
}

/* Look again as far as that needs no disk: a .ftpaccess may have come or gone. If it does need one, or the directory is gone,
 * what was known is the best there is. */
static const struct access_cwd *cwd_access(struct session *s)
{
	struct session_access a;
	struct access_cwd *c;
	size_t n;

	if (cwd_as_before(s) || session_allowed(s, NULL, s->cwd, VFS_CACHED, &a) < 0)
		return s->cwd_access;
	n = strlen(a.real) + 1;
	c = xmalloc(sizeof *c + n);
	c->ref = a.ref; /* taken over */
	memcpy(c->real, a.real, n);
	access_cwd_forget(s);
	s->cwd_access = c;
	return c;
}

bool session_verb_allowed(struct session *s, const char *verb)
{
	struct policy_env env = policy_env_of(s);
	const struct access_cwd *a = cwd_access(s);
	char host[VFS_PATH_SIZE * 2];

	(void)vfs_host_text(s->root, a ? a->real : s->cwd, host, sizeof host);
	return policy_check(&s->who, s->scope, &env, host, a && a->ref ? a->ref->scope : NULL, verb, NULL);
}

const struct ftp_conf *session_cwd_conf(struct session *s)
{
	struct policy_env env = policy_env_of(s);
	const struct access_cwd *a = s->cwd_access ? s->cwd_access : cwd_access(s);
	char host[VFS_PATH_SIZE * 2];

	if (a && a->ref && a->ref->scope)
		return &a->ref->scope->conf;
	(void)vfs_host_text(s->root, a ? a->real : s->cwd, host, sizeof host);
	return &policy_scope_for_path(s->scope, &env, host)->conf;
}

bool session_arg_allowed(struct session *s, const char *arg)
{
	struct policy_verdict verdict;
	char shown[256];

	if (policy_arg_allowed(session_cwd_conf(s), arg, &verdict))
		return true;
	log_notice(&s->log, "argument '%s' refused: %s (%s:%u)", str_escape(arg, shown, sizeof shown),
		verdict.why, verdict.file, verdict.line);
	return false;
}

static mode_t less(const struct session *s, mode_t mode, mode_t mask)
{
	return mode & ~(s->site_umask >= 0 ? mask | (mode_t)s->site_umask : mask);
}

mode_t session_file_mode(const struct session *s, const struct ftp_conf *conf)
{
	return less(s, 0666, conf->umask_file);
}

mode_t session_dir_mode(const struct session *s, const struct ftp_conf *conf)
{
	return less(s, 0777, conf->umask_dir);
}

mode_t session_copy_mode(const struct session *s, const struct ftp_conf *conf, mode_t mode)
{
	return less(s, mode & 0777, conf->umask_file);
}
