/* <Directory> and <Anonymous>: paths, who lies in whom, values. */
#include "ftp/build.h"

#include <errno.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

struct ftp_scope *ftp_build_scope_new(
	struct ftp_builder *b, enum conf_kind kind, const struct conf_section *s, struct ftp_scope *parent)
{
	struct ftp_scope *sc = arena_alloc(b->arena, sizeof(*sc));

	if (sc == NULL)
		return NULL;
	sc->kind = kind;
	sc->parent = parent;
	sc->file = s->file;
	sc->line = s->line;
	return sc;
}

int ftp_build_scope_layer(
	struct ftp_builder *b, struct ftp_scope *sc, const struct conf_section *s, unsigned level, bool anon)
{
	const struct ftp_own *own = s->store[FTP_STORE_OWN];
	const struct ftp_conf *conf =
		conf_merge(b->tree, FTP_STORE_CONF, b->arena, &sc->conf, s, level, anon);

	if (conf == NULL)
		return -ENOMEM;
	sc->conf = *conf;
	if (own != NULL && own->access_all != FTP_UNSET)
		sc->access_all = own->access_all;
	return 0;
}

/* "//", "/./" and a trailing "/" go; NULL when memory is out. */
static char *path_normal(struct arena *a, const char *s)
{
	char *out = arena_alloc(a, strlen(s) + 2), *p = out;

	if (out == NULL)
		return NULL;
	while (*s != '\0') {
		if (s[0] == '/' && s[1] == '/') {
			s++;
		} else if (s[0] == '/' && s[1] == '.' && (s[2] == '/' || s[2] == '\0')) {
			s += 2;
		} else {
			*p++ = *s++;
		}
	}
	while (p > out + 1 && p[-1] == '/')
		p--;
	if (p == out)
		*p++ = '/';
	*p = '\0';
	return out;
}

static bool has_dotdot(const char *s)
{
	for (const char *p = s; (p = strstr(p, "..")) != NULL; p += 2) {
		if ((p == s || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

/* "~name/rest" with the home directory of an account of this system; as it is when there is none. */
static const char *home_path(struct ftp_builder *b, const char *p)
{
	size_t n = strcspn(p, "/");
	const struct passwd *pw;
	char *name;

	if (p[0] != '~' || n == 1 || b->l->opt->resolve != NULL)
		return p;
	name = arena_strndup(b->arena, p + 1, n - 1);
	pw = name != NULL ? getpwnam(name) : NULL;
	if (pw == NULL || pw->pw_dir == NULL || pw->pw_dir[0] != '/')
		return p;
	return arena_printf(b->arena, "%s%s", pw->pw_dir, p + n);
}

/* Path of an <Anonymous> or <Directory>; NULL after a reported error or without memory. */
static const char *scope_path(
	struct ftp_builder *b, const struct conf_section *s, const struct ftp_scope *parent)
{
	const struct conf_pos pos = ftp_section_pos(s);
	const char *name = s->kind == CONF_KIND_ANONYMOUS ? "<Anonymous>" : "<Directory>", *p = s->args[0];
	bool in_anon = s->kind == CONF_KIND_DIRECTORY && parent->kind == CONF_KIND_ANONYMOUS;

	if (p[0] != '/' && p[0] != '~' && !in_anon) {
		conf_fail(b->tree->parser, &pos, name, "'%.250s' is not an absolute path", p);
		return NULL;
	}
	if (str_eq(p, "~") && (s->kind == CONF_KIND_ANONYMOUS || in_anon)) {
		conf_fail(b->tree->parser, &pos, name, "'~' needs the name of a user here");
		return NULL;
	}
	if (has_dotdot(p)) {
		conf_fail(b->tree->parser, &pos, name, "'%.250s' contains '..'", p);
		return NULL;
	}
	p = home_path(b, p);
	if (p != NULL && p[0] != '/' && p[0] != '~' && parent->path[0] == '/')
		p = arena_printf(b->arena, "%s/%s", parent->path, p);
	return p != NULL ? path_normal(b->arena, p) : NULL;
}

/* Does outer's path contain inner's? Component by component; a pattern contains what it matches. A
 * trailing wildcard component of outer stands for what is below, so it contains a literal of the same
 * length. */
static bool path_contains(const char *outer, const char *inner)
{
	bool wild = false;

	if (str_eq(outer, inner))
		return false;
	if (str_eq(outer, "/"))
		return inner[0] == '/';
	for (;;) {
		size_t n = strcspn(outer, "/"), m = strcspn(inner, "/");
		char pat[256], comp[256];

		if (n >= sizeof(pat) || m >= sizeof(comp))
			return false;
		memcpy(pat, outer, n);
		pat[n] = '\0';
		memcpy(comp, inner, m);
		comp[m] = '\0';
		if (!str_eq(pat, comp)) {
			if (strpbrk(comp, "*?[") != NULL || fnmatch(pat, comp, 0) != 0)
				return false;
			wild = true;
		}
		outer += n;
		inner += m;
		if (*outer == '\0')
			return *inner == '/' || wild;
		if (*inner == '\0')
			return false;
		outer++;
		inner++;
	}
}

static unsigned path_depth(const char *p)
{
	unsigned n = 0;

	for (; *p != '\0'; p++)
		n += *p == '/' && p[1] != '\0';
	return 2 * n + (p[-1] != '*'); /* a pattern at the end comes before a name */
}

struct dir { /* a <Directory> on its way to a scope */
	struct ftp_scope *scope;
	const struct conf_section *own, *global; /* either may be NULL */
	unsigned depth, order;
};

static int dir_order(const void *a, const void *b)
{
	const struct dir *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int file_order(const void *a, const void *b)
{
	const struct dir *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* The directories of one section list into dirs[]: those of <Global> join one of the same path. */
static int dirs_collect(struct ftp_builder *b, const struct conf_section *list, bool global,
	struct ftp_scope *parent, struct dir *dirs, unsigned *n)
{
	for (const struct conf_section *s = list; s != NULL; s = s->next) {
		const char *path;
		struct dir *d = NULL;

		if (s->kind != CONF_KIND_DIRECTORY)
			continue;
		path = scope_path(b, s, parent);
		if (path == NULL)
			continue;
		for (unsigned i = 0; i < *n && d == NULL; i++)
			d = str_eq(dirs[i].scope->path, path) ? &dirs[i] : NULL;
		if (d != NULL && (global ? d->global : d->own) != NULL) {
			const struct conf_pos pos = ftp_section_pos(s);

			conf_fail(b->tree->parser, &pos, "<Directory>",
				"'%.200s' has a section already on line %u of '%.100s', again", path,
				d->scope->line, d->scope->file);
			continue;
		}
		if (d == NULL) {
			d = &dirs[*n];
			d->order = (*n)++;
			d->scope = ftp_build_scope_new(b, CONF_KIND_DIRECTORY, s, parent);
			if (d->scope == NULL)
				return -ENOMEM;
			d->scope->path = path;
			d->depth = path_depth(path);
		}
		*(global ? &d->global : &d->own) = s;
	}
	return 0;
}

/* Values and limits of dirs[i], whose outer directories are done. */
static int dir_finish(struct ftp_builder *b, struct dir *dirs, unsigned i)
{
	struct ftp_scope *sc = dirs[i].scope;
	struct ftp_limit **tail = &sc->limits;
	int r = 0;

	for (unsigned k = i; k-- > 0;) { /* the deepest that contains it, the later of two */
		if (path_contains(dirs[k].scope->path, sc->path)) {
			sc->parent = dirs[k].scope;
			break;
		}
	}
	sc->conf = sc->parent->conf;
	if (dirs[i].global != NULL)
		r = ftp_build_scope_layer(b, sc, dirs[i].global, 4, false);
	if (r == 0 && dirs[i].own != NULL)
		r = ftp_build_scope_layer(b, sc, dirs[i].own, 4, false);
	if (r == 0 && dirs[i].own != NULL)
		r = ftp_build_limits(b->tree, b->arena, dirs[i].own, &tail);
	if (r == 0 && dirs[i].global != NULL)
		r = ftp_build_limits(b->tree, b->arena, dirs[i].global, &tail);
	return r;
}

int ftp_build_dirs(struct ftp_builder *b, const struct conf_section *own, const struct conf_section *global,
	struct ftp_scope *parent)
{
	struct ftp_scope **tail = &parent->dirs;
	unsigned max = 1, n = 0;
	struct dir *dirs;
	int r;

	for (const struct conf_section *s = own->children; s != NULL; s = s->next)
		max++;
	for (const struct conf_section *s = global != NULL ? global->children : NULL; s != NULL; s = s->next)
		max++;
	dirs = xcalloc(max, sizeof(*dirs));
	r = dirs_collect(b, own->children, false, parent, dirs, &n);
	if (r == 0 && global != NULL)
		r = dirs_collect(b, global->children, true, parent, dirs, &n);
	qsort(dirs, n, sizeof(*dirs), dir_order);
	for (unsigned i = 0; i < n && r == 0; i++)
		r = dir_finish(b, dirs, i);
	qsort(dirs, n, sizeof(*dirs), file_order);
	for (unsigned i = 0; i < n; i++) {
		*tail = dirs[i].scope;
		tail = &dirs[i].scope->next;
	}
	free(dirs);
	return r;
}

int ftp_build_anons(struct ftp_builder *b, const struct conf_section *list, struct ftp_scope *parent,
	struct ftp_scope ***tail)
{
	for (const struct conf_section *s = list; s != NULL; s = s->next) {
		struct conf_pos pos = ftp_section_pos(s);
		struct ftp_scope *sc;
		struct ftp_limit **limits;

		if (s->kind != CONF_KIND_ANONYMOUS)
			continue;
		sc = ftp_build_scope_new(b, CONF_KIND_ANONYMOUS, s, parent);
		if (sc == NULL)
			return -ENOMEM;
		sc->path = scope_path(b, s, parent);
		if (sc->path == NULL)
			continue;
		sc->conf = parent->conf;
		limits = &sc->limits;
		if (ftp_build_scope_layer(b, sc, s, 3, true) < 0 ||
			ftp_build_limits(b->tree, b->arena, s, &limits) < 0 ||
			ftp_build_dirs(b, s, NULL, sc) < 0)
			return -ENOMEM;
		if (sc->conf.user == NULL)
			conf_warn(b->tree->parser, &pos, "<Anonymous>",
				"no User: nobody can log in through the section");
		**tail = sc;
		*tail = &sc->next;
	}
	return 0;
}
