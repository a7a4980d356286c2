#include "session/mlsx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "session/facts.h"
#include "session/list_priv.h"

enum { MASK = STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID | STATX_SIZE | STATX_MTIME | STATX_INO };

/* What is the same for all entries of a command. */
struct mlsx {
	struct session *s; /* only what does not change, and functions for any thread */
	const struct ftp_conf *top;
	unsigned facts;
	bool per_entry; /* rules can differ between entries of a directory */
	uid_t uid;
	gid_t gid;
	struct names_last owner, group;
	struct charset *charset; /* of the client */
	struct buf charset_name, charset_to;
};

/* The directory that holds entries. */
struct place {
	int fd; /* O_PATH will do */
	const struct session_access *access;
	bool writable;      /* entries may be made and removed */
	bool others_sticky; /* of others only with their owner's rights */
	bool own_exact;     /* what the mode says of the user's own files is true for writing, too */
	unsigned allowed;   /* FACTS_MAY_ bits that no rule forbids for its entries */
};

struct mlsd {
	struct xfer_source source;
	struct mlsx x;
	char cwd[VFS_PATH_SIZE];
	char *path;
	struct session_access access;
	bool has_access;
	struct place place;
	struct hide hide;
	struct vfs_dir *dir;
	unsigned dots;                /* how many of "." and ".." are written */
	const struct vfs_dirent *ent; /* read, but not yet among the names */
	struct nameset_budget budget;
	struct nameset names; /* read, and in the order in which it is cheap to look at them */
	size_t next;          /* the first that is not yet written */
};

static void mlsx_init(struct mlsx *x, struct session *s)
{
	x->s = s;
	x->top = &s->scope->conf;
	x->facts = s->facts;
	x->per_entry = s->scope->dirs || (s->scope->parent && s->scope->parent->dirs);
	x->uid = geteuid();
	x->gid = getegid();
	x->charset = session_charset(s);
	buf_init(&x->charset_name, 4 * VFS_PATH_SIZE);
	buf_init(&x->charset_to, 4 * VFS_PATH_SIZE);
}

/* --- what is allowed --- */

/* Letters that the rules leave for an entry. */
static unsigned rules_allow(struct mlsx *x, const struct session_access *dir, const char *name)
{
	static const struct {
		const char *verb;
		unsigned bits;
	} rows[] = {
		{"RETR", FACTS_MAY_RETRIEVE},
		{"STOR", FACTS_MAY_STORE | FACTS_MAY_CREATE},
		{"APPE", FACTS_MAY_APPEND},
		{"DELE", FACTS_MAY_DELETE | FACTS_MAY_PURGE},
		{"RMD", FACTS_MAY_DELETE | FACTS_MAY_PURGE},
		{"RNFR", FACTS_MAY_RENAME},
		{"RNTO", FACTS_MAY_RENAME},
		{"CWD", FACTS_MAY_ENTER},
		{"MLSD", FACTS_MAY_LIST},
		{"MKD", FACTS_MAY_MKDIR},
	};
	unsigned bits = ~0u;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (bits & rows[i].bits && !session_entry_allowed(x->s, rows[i].verb, dir, name))
			bits &= ~rows[i].bits;
	return bits;
}

/* Rights of the directory access->real. fd: kept. */
static void place_init(struct mlsx *x, struct place *p, int fd, const struct session_access *access)
{
	struct statvfs fs;
	struct statx st;

	*p = (struct place){.fd = fd, .access = access, .others_sticky = true};
	p->writable = vfs_access(x->s->root, access->real, W_OK | X_OK, 0) == 0;
	p->own_exact = fstatvfs(fd, &fs) == 0 && !(fs.f_flag & ST_RDONLY);
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MODE | STATX_UID, &st) == 0)
		p->others_sticky = st.stx_mode & S_ISVTX && st.stx_uid != x->uid;
	if (!x->per_entry)
		p->allowed = rules_allow(x, access, "entry");
}

#define GID_OVERFLOW                                                                                         \
	65534 /* also of files whose group has no number here: the kernel lets nobody write to them */

/* Does the owner's part of the mode say what the owner may do? Writing may be refused by the file system, by an attribute of
 * the file or by what is mounted on it. */
static bool owner_exact(const struct place *p, const struct statx *st, int how)
{
	const uint64_t refusing = STATX_ATTR_IMMUTABLE | STATX_ATTR_MOUNT_ROOT;

	return how != W_OK ||
	       (p->own_exact && st->stx_gid != GID_OVERFLOW &&
		       (st->stx_attributes_mask & refusing) == refusing && !(st->stx_attributes & refusing));
}

/* Which of R_OK, W_OK and X_OK the process has on the object itself, or on what a link leads to. */
static int rights_of(struct mlsx *x, const struct place *p, const struct list_spot *spot,
	const struct statx *st, bool link)
{
	bool own = st->stx_uid == x->uid && x->uid != 0;
	unsigned mode = st->stx_mode & 7;
	char vpath[VFS_PATH_SIZE];
	int have = 0;

	if (st->stx_uid == x->uid)
		mode = st->stx_mode >> 6 & 7;
	else if (st->stx_mode & 070) /* being in the group can only be told by asking */
		mode |= st->stx_mode >> 3 & 7;
	if (x->uid == 0)
		mode = R_OK | W_OK | X_OK;
	if (link && list_join(spot->dir_vpath, spot->name, vpath) < 0)
		return 0;
	for (int how = X_OK; how <= R_OK; how <<= 1) {
		if (!(mode & (unsigned)how))
			continue;
		if ((own && !(link && how == W_OK) && owner_exact(p, st, how)) ||
			(link ? vfs_access(x->s->root, vpath, how, 0) == 0
			      : faccessat(spot->dir_fd, spot->name, how, AT_EACCESS | AT_SYMLINK_NOFOLLOW) ==
						0))
			have |= how;
	}
	return have;
}

/* uid: owner of the entry itself (of the link). */
static unsigned perm_of(struct mlsx *x, const struct place *p, const struct list_spot *spot,
	const struct statx *st, bool link, uid_t uid)
{
	const struct ftp_conf *conf = p->access->conf;
	int have = rights_of(x, p, spot, st, link);
	unsigned perm = 0;

	if (p->writable && (!p->others_sticky || uid == x->uid))
		perm |= FACTS_MAY_DELETE | FACTS_MAY_RENAME;
	if (S_ISDIR(st->stx_mode)) {
		if (have & X_OK)
			perm |= FACTS_MAY_ENTER;
		if (have & X_OK && have & R_OK)
			perm |= FACTS_MAY_LIST;
		if (have & X_OK && have & W_OK)
			perm |= FACTS_MAY_CREATE | FACTS_MAY_MKDIR | FACTS_MAY_PURGE;
		if (link) /* RMD does not remove links, DELE does */
			perm &= ~(unsigned)FACTS_MAY_DELETE;
	} else {
		if (have & R_OK)
			perm |= FACTS_MAY_RETRIEVE;
		if (have & W_OK && conf->allow_overwrite)
			perm |= FACTS_MAY_STORE;
		if (have & W_OK && conf->allow_store_restart)
			perm |= FACTS_MAY_APPEND;
	}
	return perm & (x->per_entry ? rules_allow(x, p->access, spot->name) : p->allowed);
}

/* "." and "..": what can be done in them. */
static unsigned dots_perm(struct mlsx *x, const char *vpath)
{
	unsigned perm = 0;

	if (vfs_access(x->s->root, vpath, X_OK, 0) == 0)
		perm |= FACTS_MAY_ENTER;
	if (perm && vfs_access(x->s->root, vpath, R_OK, 0) == 0)
		perm |= FACTS_MAY_LIST;
	if (perm && vfs_access(x->s->root, vpath, W_OK, 0) == 0)
		perm |= FACTS_MAY_CREATE | FACTS_MAY_MKDIR | FACTS_MAY_PURGE;
	return perm;
}

/* --- one entry --- */

struct entry {
	struct statx st; /* what is shown: of the target where links are not shown as such */
	struct statx to; /* of a link: what it leads to */
	bool link;
	char target[VFS_PATH_SIZE];
};

/* -ENOENT too for links that lead nowhere: they have no facts. */
static int entry_stat(struct mlsx *x, const struct list_spot *spot, struct entry *ret_e)
{
	char vpath[VFS_PATH_SIZE];
	int r;

	if (statx(spot->dir_fd, spot->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, MASK, &ret_e->st) < 0)
		return -errno;
	ret_e->link = S_ISLNK(ret_e->st.stx_mode);
	ret_e->target[0] = '\0';
	if (!ret_e->link)
		return 0;
	if (x->top->facts_options & FTP_FACTS_USE_SLINK) {
		r = vfs_readlink_at(spot->dir_fd, spot->name, ret_e->target, sizeof ret_e->target);
		if (r < 0)
			return r;
		if (x->top->facts_options & FTP_FACTS_ADJUSTED_SYMLINKS)
			list_adjust_target(x->s->root, ret_e->target);
	}
	r = list_join(spot->dir_vpath, spot->name, vpath);
	return r < 0 ? r : vfs_stat(x->s->root, vpath, 0, MASK, &ret_e->to);
}

static void line_owners(
	struct mlsx *x, const struct ftp_conf *conf, const struct statx *st, struct facts_line *line)
{
	const struct session *s = x->s;

	line->uid = st->stx_uid;
	line->gid = st->stx_gid;
	line->owner = line->group = "";
	/* A faked owner's number is the session's own: the real one would tell what the name hides. */
	if (conf->dirfake_user_on) {
		line->uid = x->uid;
		line->owner = list_fake_name(conf->dirfake_user, s->account->user);
	} else if (x->facts & VERB_FACT_UNIX_OWNERNAME) {
		line->owner = names_user_last(&x->owner, s->server->index, st->stx_uid);
	}
	if (conf->dirfake_group_on) {
		line->gid = x->gid;
		line->group = list_fake_name(conf->dirfake_group, s->who.n_groups ? s->who.groups[0] : NULL);
	} else if (x->facts & VERB_FACT_UNIX_GROUPNAME) {
		line->group = names_group_last(&x->group, s->server->index, st->stx_gid);
	}
}

/* Facts of an entry; e and name are kept by *ret_line. A link that is shown as one has its own time, size,
 * mode and owner, but is the same thing (unique) and allows the same (perm) as what it leads to. */
static void entry_line(struct mlsx *x, const struct place *p, const struct list_spot *spot,
	const struct entry *e, const char *name, struct facts_line *ret_line)
{
	const struct statx *to = e->link ? &e->to : &e->st;
	bool as_link = e->link && x->top->show_symlinks;

	*ret_line = (struct facts_line){.name = name, .st = as_link ? &e->st : to, .id = to};
	ret_line->mode = list_shown_mode(p->access->conf, ret_line->st->stx_mode);
	if (as_link && e->target[0])
		ret_line->slink = e->target;
	ret_line->symlink = as_link;
	if (x->facts & VERB_FACT_PERM)
		ret_line->perm = perm_of(x, p, spot, to, e->link, e->st.stx_uid);
	line_owners(x, p->access->conf, ret_line->st, ret_line);
}

/* --- MLSD --- */

static ssize_t mlsd_fill(struct xfer_source *src, char *buf, size_t size, const atomic_bool *cancel);

static void mlsd_source_free(struct xfer_source *src)
{
	mlsd_free((struct mlsd *)src);
}

struct mlsd *mlsd_new(struct session *s, const char *arg)
{
	struct mlsd *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->path = strdup(arg);
	if (!m->path) {
		free(m);
		return NULL;
	}
	m->source = (struct xfer_source){mlsd_fill, mlsd_source_free};
	mlsx_init(&m->x, s);
	nameset_init(&m->names, &m->budget);
	(void)str_copy(m->cwd, sizeof m->cwd, s->cwd);
	return m;
}

void mlsd_free(struct mlsd *m)
{
	if (!m)
		return;
	vfs_dir_close(&m->dir);
	nameset_done(&m->names);
	if (m->has_access)
		session_access_done(&m->access);
	buf_done(&m->x.charset_name);
	buf_done(&m->x.charset_to);
	free(m->path);
	free(m);
}

const char *mlsd_path(const struct mlsd *m)
{
	return m->path;
}

struct nameset_budget *mlsd_budget(struct mlsd *m)
{
	return &m->budget;
}

struct xfer_source *mlsd_source(struct mlsd *m)
{
	return &m->source;
}

int mlsd_open(struct mlsd *m)
{
	char vpath[VFS_PATH_SIZE];
	int r = vfs_path_resolve(m->cwd, m->path, vpath);

	if (r == 0)
		r = session_allowed(m->x.s, "MLSD", vpath, 0, &m->access);
	if (r < 0)
		return r;
	m->has_access = true;
	hide_init(&m->hide, m->x.s, m->access.conf);
	r = vfs_dir_open(m->x.s->root, m->access.real, VFS_NOLINKS, 0, &m->dir);
	if (r == 0)
		place_init(&m->x, &m->place, vfs_dir_fd(m->dir), &m->access);
	return r;
}

/* A line with CRLF. Returns its length, or 0 when it does not fit. */
static size_t put_line(struct mlsx *x, struct facts_line *line, char *buf, size_t size)
{
	size_t n;

	line->name = charset_name(x->charset, line->name, &x->charset_name);
	if (line->slink)
		line->slink = charset_name(x->charset, line->slink, &x->charset_to);
	if (size < facts_line_room(line->name, line->slink) + 2)
		return 0;
	n = facts_format(x->facts, line, buf);
	buf[n] = '\r';
	buf[n + 1] = '\n';
	return n + 2;
}

/* "." and "..". Bytes written, 0 = it does not fit; *ret_skip: there is nothing to write. */
static size_t put_dots(struct mlsd *m, char *buf, size_t size, bool *ret_skip)
{
	struct facts_line line = {.name = m->dots ? ".." : ".", .kind = m->dots ? FACTS_PDIR : FACTS_CDIR};
	char vpath[VFS_PATH_SIZE];
	struct statx st;

	(void)str_copy(vpath, sizeof vpath, m->access.real);
	if (m->dots)
		vfs_path_parent(m->access.real, vpath);
	*ret_skip = vfs_stat(m->x.s->root, vpath, 0, MASK, &st) < 0;
	if (*ret_skip)
		return 0;
	line.st = &st;
	line.mode = list_shown_mode(m->access.conf, st.stx_mode);
	line.perm = dots_perm(&m->x, vpath) & (m->x.per_entry ? ~0u : m->place.allowed);
	if (m->x.per_entry)
		line.perm &= FACTS_MAY_ENTER | FACTS_MAY_LIST;
	line_owners(&m->x, m->access.conf, &st, &line);
	return put_line(&m->x, &line, buf, size);
}

static size_t put_entry(struct mlsd *m, const char *name, char *buf, size_t size, bool *ret_skip)
{
	struct list_spot spot = {m->place.fd, m->access.real, name};
	struct facts_line line;
	struct entry e;

	*ret_skip = (m->x.per_entry && !session_entry_allowed(m->x.s, "MLSD", &m->access, name)) ||
		    hide_entry(&m->hide, m->place.fd, name) || entry_stat(&m->x, &spot, &e) < 0;
	if (*ret_skip)
		return 0;
	entry_line(&m->x, &m->place, &spot, &e, name, &line);
	return put_line(&m->x, &line, buf, size);
}

/* Read names until the directory or the budget ends. Many file systems give them in the order of a hash, so that each file looked
 * at would be somewhere else, on the disk and in memory; the numbers of inodes are neighbours when the files are. A
 * directory that cannot be read further ends there. 1, 0 at the end, -errno. */
static int names_read(struct mlsd *m, const atomic_bool *cancel)
{
	int r = 0;

	nameset_done(&m->names);
	m->next = 0;
	while (m->dir && (m->ent || vfs_dir_next(m->dir, &m->ent) > 0)) {
		if (atomic_load(cancel))
			return -ECANCELED;
		r = nameset_add(&m->names, m->ent->name, ~(int64_t)m->ent->ino);
		if (r < 0)
			break;
		m->ent = NULL;
	}
	if (m->names.count == 0)
		return r;
	nameset_sort_keys(&m->names);
	return 1;
}

static ssize_t mlsd_fill(struct xfer_source *src, char *buf, size_t size, const atomic_bool *cancel)
{
	struct mlsd *m = (struct mlsd *)src;
	size_t len = 0, n;
	bool skip;
	int r;

	for (;;) {
		if (atomic_load(cancel))
			return -ECANCELED;
		if (m->dots < 2) {
			n = put_dots(m, buf + len, size - len, &skip);
		} else {
			r = m->next < m->names.count ? 1 : names_read(m, cancel);
			if (r < 0)
				return r;
			if (r == 0) {
				vfs_dir_close(&m->dir);
				return (ssize_t)len;
			}
			nameset_prefetch(&m->names, m->next);
			n = put_entry(m, nameset_name(&m->names, m->next), buf + len, size - len, &skip);
		}
		if (n == 0 && !skip)
			return (ssize_t)len;
		len += n;
		if (m->dots < 2)
			m->dots++;
		else
			m->next++;
	}
}

/* --- MLST --- */

int mlst_init(struct mlst *m, struct session *s, const char *arg)
{
	*m = (struct mlst){.s = s, .facts = s->facts};
	(void)str_copy(m->cwd, sizeof m->cwd, s->cwd);
	m->path = strdup(*arg ? arg : s->cwd);
	buf_init(&m->line, 64 * 1024);
	return m->path ? 0 : -ENOMEM;
}

void mlst_done(struct mlst *m)
{
	free(m->path);
	buf_done(&m->line);
}

/* Write the line of name in an open directory. */
static int mlst_line(struct mlst *m, struct mlsx *x, const struct place *p, const struct list_spot *spot)
{
	struct facts_line line;
	struct entry e;
	int r = entry_stat(x, spot, &e);

	if (r < 0)
		return r;
	entry_line(x, p, spot, &e, m->path, &line);
	r = buf_reserve(&m->line, facts_line_room(m->path, line.slink) + 1);
	if (r == 0) {
		m->line.len = facts_format(x->facts, &line, m->line.data);
		m->line.data[m->line.len] = '\0';
	}
	return r;
}

/* The root has no directory that holds it: nothing may be done with it from outside. */
static int mlst_root(struct mlst *m, struct mlsx *x, const struct session_access *access)
{
	struct place p = {.fd = x->s->root->fd, .access = access};
	struct list_spot spot = {x->s->root->fd, "/", "."};

	p.allowed = rules_allow(x, access, "entry");
	return mlst_line(m, x, &p, &spot);
}

static int mlst_in(struct mlst *m, struct mlsx *x, const char *vpath)
{
	char parent[VFS_PATH_SIZE];
	struct session_access access;
	struct list_spot spot = {.dir_vpath = parent};
	struct place p;
	int r;

	vfs_path_parent(vpath, parent);
	r = session_allowed(m->s, NULL, parent, 0, &access);
	if (r < 0)
		return r;
	r = vfs_open(m->s->root, access.real, O_PATH | O_DIRECTORY, 0, VFS_NOLINKS);
	if (r >= 0) {
		spot.name = vfs_path_base(vpath);
		spot.dir_fd = r;
		place_init(x, &p, r, &access);
		r = mlst_line(m, x, &p, &spot);
		fd_close(&spot.dir_fd);
	}
	session_access_done(&access);
	return r;
}

int mlst_run(struct mlst *m)
{
	char vpath[VFS_PATH_SIZE];
	struct session_access access;
	struct mlsx x = {0};
	int r = vfs_path_resolve(m->cwd, m->path, vpath);

	if (r == 0)
		r = session_allowed(m->s, "MLST", vpath, 0, &access);
	if (r < 0)
		return r;
	mlsx_init(&x, m->s);
	x.facts = m->facts;
	r = str_eq(vpath, "/") ? mlst_root(m, &x, &access) : mlst_in(m, &x, vpath);
	session_access_done(&access);
	return r;
}
