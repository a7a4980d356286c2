/* What is listed: options, path or pattern, and the generator around it. */
#include "session/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "session/list_priv.h"

static ssize_t list_fill(struct xfer_source *src, char *buf, size_t size, const atomic_bool *cancel);

static void source_free(struct xfer_source *src)
{
	listing_free((struct listing *)src);
}

struct listing *listing_new(struct session *s, enum list_kind kind, const char *arg)
{
	static const char *const verbs[] = {"LIST", "NLST", "STAT"};
	struct listing *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->arg = strdup(arg);
	if (!l->arg) {
		free(l);
		return NULL;
	}
	l->source = (struct xfer_source){list_fill, source_free};
	l->s = s;
	l->root = s->root;
	l->verb = verbs[kind];
	l->top = &s->scope->conf;
	l->path = l->arg;
	l->charset = session_charset(s);
	buf_init(&l->charset_name, 4 * VFS_PATH_SIZE);
	buf_init(&l->charset_to, 4 * VFS_PATH_SIZE);
	(void)str_copy(l->cwd, sizeof l->cwd, s->cwd);
	/* An entry can be judged differently from its directory only by a <Directory> section. */
	l->per_entry = s->scope->dirs || (s->scope->parent && s->scope->parent->dirs);
	list_opts_init(&l->opts, kind);
	nameset_init(&l->match_files, &l->budget);
	nameset_init(&l->match_dirs, &l->budget);
	return l;
}

void listing_free(struct listing *l)
{
	if (!l)
		return;
	while (l->frame)
		list_frame_pop(l);
	nameset_done(&l->match_files);
	nameset_done(&l->match_dirs);
	if (l->has_parent)
		session_access_done(&l->parent);
	buf_done(&l->charset_name);
	buf_done(&l->charset_to);
	free(l->spill);
	free(l->arg);
	free(l);
}

const char *listing_path(const struct listing *l)
{
	return l->path;
}

bool listing_is_dir(const struct listing *l)
{
	return l->target == TARGET_DIR;
}

struct xfer_source *listing_source(struct listing *l)
{
	return &l->source;
}

/* --- paths --- */

/* A host path as seen in the root. */
static int host_to_vpath(const struct vfs_root *root, const char *host, char out[VFS_PATH_SIZE])
{
	size_t n = strlen(root->path);

	if (n == 1)
		n = 0; /* "/" */
	if (strncmp(host, root->path, n) != 0 || (host[n] && host[n] != '/'))
		return -ENOENT;
	return vfs_path_resolve("/", host + n, out);
}

/* Home directory named by "~" or "~user" (n bytes), as vpath. */
static int tilde_home(const struct session *s, const char *tilde, size_t n, char out[VFS_PATH_SIZE])
{
	char user[256], home[VFS_PATH_SIZE];
	int r;

	if (n == 1)
		return s->account->home && *s->account->home ? host_to_vpath(s->root, s->account->home, out)
							     : -ENOENT;
	if (n >= sizeof user)
		return -ENOENT;
	memcpy(user, tilde + 1, n - 1);
	user[n - 1] = '\0';
	r = names_home_of(s->server->index, user, home, sizeof home);
	return r < 0 ? r : host_to_vpath(s->root, home, out);
}

int list_tilde_path(const struct session *s, const char *cwd, const char *arg, char out[VFS_PATH_SIZE])
{
	char home[VFS_PATH_SIZE];
	size_t n = strcspn(arg, "/");

	if (arg[0] == '~' && tilde_home(s, arg, n, home) == 0)
		return vfs_path_resolve(home, arg + n + (arg[n] == '/'), out);
	return vfs_path_resolve(cwd, arg, out);
}

/* --- options --- */

/* What the configuration says for that directory, and then what the client asks for. */
static void options_apply(struct listing *l, const struct ftp_conf *conf, bool arg_is_path)
{
	const struct ftp_list_options *o = conf->list_options;
	enum list_kind kind = l->opts.kind;
	bool lone;

	if (o && (o->flags & (kind == LIST_KIND_NLST ? FTP_LIST_ONLY_LIST : FTP_LIST_ONLY_NLST)))
		o = NULL;
	list_opts_init(&l->opts, kind);
	if (o && o->flags & FTP_LIST_SORTED_NLST && kind == LIST_KIND_NLST)
		l->opts.sort = LIST_BY_NAME;
	list_opts_config(&l->opts, o ? o->options : NULL);
	if (!arg_is_path)
		(void)list_opts_arg(&l->opts, l->arg, o && o->flags & FTP_LIST_STRICT, &lone);
	if (o) {
		l->max_files = o->max_files;
		l->max_dirs = o->max_dirs;
		l->max_depth = o->max_depth;
		l->absent_ok = o->flags & FTP_LIST_NO_ERROR_IF_ABSENT;
		l->adjust_links = o->flags & FTP_LIST_ADJUSTED_SYMLINKS;
	}
	l->show_links = l->top->show_symlinks && !l->opts.follow;
	if (l->top->list_windows)
		l->opts.dots = LIST_NO_DOTS;
	l->style = (struct list_style){
		.windows = l->top->list_windows,
		.gmt = l->top->times_gmt,
		.now = (int64_t)(clock_wall_ms() / 1000),
		.classify = l->opts.classify,
		.escape = l->opts.escape,
		.human = l->opts.human,
		.time = l->opts.time,
	};
}

/* Options of a directory; of the session's scope when it does not exist. */
static void options_for(struct listing *l, const char *vpath, bool arg_is_path)
{
	struct session_access access;

	if (session_allowed(l->s, NULL, vpath, VFS_MISSING_OK, &access) < 0) {
		options_apply(l, l->top, arg_is_path);
		return;
	}
	options_apply(l, access.conf, arg_is_path);
	session_access_done(&access);
}

/* --- single files and matches --- */

/* Make l->parent the answer for the directory that holds vpath. */
static int parent_ask(struct listing *l, const char *vpath)
{
	char parent[VFS_PATH_SIZE];
	int r;

	vfs_path_parent(vpath, parent);
	if (l->has_parent && str_eq(parent, l->parent_path))
		return 0;
	if (l->has_parent)
		session_access_done(&l->parent);
	r = session_allowed(l->s, l->verb, parent, 0, &l->parent);
	if (r == 0)
		hide_init(&l->parent_hide, l->s, l->parent.conf);
	l->has_parent = r == 0;
	if (r == 0)
		(void)str_copy(l->parent_path, sizeof l->parent_path, parent);
	return r;
}

/* Where vpath is, with an open descriptor for its directory. "/" is "." in itself. */
static int spot_open(struct listing *l, const char *vpath, struct list_spot *ret_spot)
{
	static const char itself[] = ".";
	int fd;

	if (parent_ask(l, vpath) < 0)
		return -ENOENT;
	if (str_eq(vpath, "/")) {
		fd = fcntl(l->root->fd, F_DUPFD_CLOEXEC, 0);
		ret_spot->name = itself;
		if (fd < 0)
			return -errno;
	} else {
		fd = vfs_open(l->root, l->parent.real, O_PATH | O_DIRECTORY, 0, VFS_NOLINKS);
		if (fd < 0)
			return fd;
		ret_spot->name = vfs_path_base(vpath);
	}
	ret_spot->dir_fd = fd;
	ret_spot->dir_vpath = l->parent_path;
	return 0;
}

static int put_single(struct listing *l, const char *vpath, const char *shown)
{
	struct list_spot spot;
	int r;

	if (spot_open(l, vpath, &spot) < 0)
		return LIST_MORE;
	r = list_put_entry(l, &spot, l->parent.conf, *shown ? shown : ".");
	if (r == LIST_MORE)
		l->files++;
	fd_close(&spot.dir_fd);
	return r;
}

static int match_add(struct listing *l, const struct vfs_match *m)
{
	struct list_spot spot;
	struct statx st;
	bool dir;
	int r;

	if (spot_open(l, m->vpath, &spot) < 0)
		return 0;
	r = 0;
	if (l->per_entry && *vfs_path_base(m->vpath) &&
		!session_entry_allowed(l->s, l->verb, &l->parent, spot.name))
		goto out;
	if (hide_entry(&l->parent_hide, spot.dir_fd, spot.name))
		goto out;
	if (l->opts.kind == LIST_KIND_NLST) {
		if (list_spot_plain(l, &spot, DT_UNKNOWN))
			r = nameset_add(&l->match_files, m->shown, list_sort_key(l, &spot));
		goto out;
	}
	dir = !l->opts.dir_itself && vfs_stat(l->root, m->vpath, 0, STATX_TYPE, &st) == 0 &&
	      S_ISDIR(st.stx_mode);
	r = nameset_add(dir ? &l->match_dirs : &l->match_files, m->shown, list_sort_key(l, &spot));
out:
	fd_close(&spot.dir_fd);
	return r;
}

/* Collect what a pattern matches. 0 (maybe nothing), -ENOMEM, -ECANCELED; too many: what there is so far. */
static int matches_collect(struct listing *l, const char *pattern, const atomic_bool *cancel)
{
	struct vfs_glob *glob;
	struct vfs_match m;
	int r = vfs_glob_open(l->root, l->cwd, pattern, cancel, &glob);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	while ((r = vfs_glob_next(glob, &m)) > 0) {
		r = match_add(l, &m);
		if (r < 0)
			break;
	}
	vfs_glob_close(&glob);
	if (r == -ENOBUFS || r == -E2BIG) {
		log_notice(&l->s->log, "pattern matches too many files, only the first are listed");
		r = 0;
	}
	if (l->opts.sort != LIST_UNSORTED) {
		nameset_sort(&l->match_files);
		nameset_sort(&l->match_dirs);
	}
	return r;
}

/* --- finding the target --- */

static int single_type(struct listing *l, const struct session_access *access, unsigned *ret_mode)
{
	struct statx st;
	int r = vfs_lstat(l->root, access->real, 0, STATX_TYPE, &st);

	if (r == 0)
		*ret_mode = st.stx_mode & S_IFMT;
	return r;
}

/* A path that is no pattern. */
static int single_open(struct listing *l, bool arg_is_path)
{
	struct session_access access;
	unsigned mode;
	int r;

	r = session_allowed(l->s, l->verb, l->vpath, 0, &access);
	if (r == -ENOENT) /* a link that leads nowhere can be listed as such */
		r = session_allowed(l->s, l->verb, l->vpath, VFS_NOFOLLOW, &access);
	if (r < 0) {
		options_for(l, l->vpath, arg_is_path);
		return r;
	}
	options_apply(l, access.conf, arg_is_path);
	r = single_type(l, &access, &mode);
	if (r == 0 && l->opts.kind == LIST_KIND_NLST && mode != S_IFREG && mode != S_IFDIR)
		r = mode == S_IFLNK ? -ENOENT : -EINVAL;
	if (r == 0 && mode == S_IFLNK && !l->show_links)
		r = -ENOENT;
	if (r == 0 && mode == S_IFDIR && !l->opts.dir_itself) {
		l->target = TARGET_DIR;
		return list_frame_open(l, &access, l->shown, false);
	}
	session_access_done(&access);
	if (r == 0)
		l->target = TARGET_FILE;
	return r;
}

bool listing_is_pattern(const struct listing *l)
{
	return l->opts.kind != LIST_KIND_STAT && l->top->use_globbing && vfs_has_glob(l->path);
}

static int target_find(struct listing *l, bool arg_is_path, const atomic_bool *cancel)
{
	char literal[VFS_PATH_SIZE];
	int r;

	if (strlen(l->path) > VFS_PATH_MAX)
		return -ENAMETOOLONG;
	r = list_tilde_path(l->s, l->cwd, l->path, l->vpath);
	if (r == 0)
		r = vfs_path_resolve(l->cwd, l->path, literal);
	if (r < 0)
		return r;
	/* Names that are given back must be usable: "~" is none in other commands. */
	l->shown = str_eq(l->vpath, literal) ? l->path : l->vpath;
	if (str_eq(l->shown, "."))
		l->shown = "";
	if (listing_is_pattern(l)) {
		options_for(l, l->cwd, arg_is_path);
		r = matches_collect(l, l->shown, cancel);
		if (r < 0)
			return r;
		if (l->match_files.count + l->match_dirs.count > 0) {
			l->target = TARGET_MATCHES;
			return 0;
		}
	}
	return single_open(l, arg_is_path);
}

int listing_open(struct listing *l, const atomic_bool *cancel)
{
	char vpath[VFS_PATH_SIZE];
	struct statx st;
	bool lone;
	int r;

	l->cancel = cancel;
	l->path = list_opts_arg(&l->opts, l->arg, true, &lone);
	/* "LIST -x" of a file of that name lists the file. */
	lone = lone && vfs_path_resolve(l->cwd, l->arg, vpath) == 0 &&
	       vfs_lstat(l->root, vpath, 0, STATX_TYPE, &st) == 0;
	if (lone)
		l->path = l->arg;
	r = target_find(l, lone, cancel);
	if (r == -ENOENT && l->absent_ok)
		return 0;
	return r;
}

/* --- the generator --- */

static int matches_step(struct listing *l)
{
	char vpath[VFS_PATH_SIZE];
	const char *shown;
	int r;

	if (list_is_full(l))
		return LIST_END;
	if (l->next_file < l->match_files.count) {
		shown = list_nth(l, &l->match_files, l->next_file);
		if (vfs_path_resolve(l->cwd, shown, vpath) < 0)
			r = LIST_MORE;
		else
			r = put_single(l, vpath, shown);
		if (r == LIST_MORE)
			l->next_file++;
		return r;
	}
	if (l->next_dir >= l->match_dirs.count || (l->max_dirs && l->dirs >= l->max_dirs))
		return LIST_END;
	shown = list_nth(l, &l->match_dirs, l->next_dir++);
	if (vfs_path_resolve(l->cwd, shown, vpath) < 0)
		return LIST_MORE;
	r = list_frame_push(l, vpath, shown, l->match_files.count + l->match_dirs.count > 1);
	return r == -ENOMEM ? r : LIST_MORE; /* others that may not be read are left out */
}

static int step(struct listing *l)
{
	int r;

	if (l->frame)
		return list_frame_step(l);
	switch (l->target) {
	case TARGET_FILE:
		r = put_single(l, l->vpath, l->shown);
		if (r == LIST_MORE)
			l->target = TARGET_NONE;
		return r;
	case TARGET_MATCHES:
		return matches_step(l);
	default:
		return LIST_END;
	}
}

static ssize_t list_fill(struct xfer_source *src, char *buf, size_t size, const atomic_bool *cancel)
{
	struct listing *l = (struct listing *)src;
	int r = LIST_MORE;

	l->buf = buf;
	l->size = size;
	l->len = 0;
	l->cancel = cancel;
	list_spill(l);
	while (r == LIST_MORE && !l->spill) {
		if (atomic_load(cancel))
			return -ECANCELED;
		r = step(l);
	}
	return r < 0 ? r : (ssize_t)l->len;
}
