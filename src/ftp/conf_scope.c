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
	const struct tls_config tls = sc->conf.tls;

	if (conf_merge_over(b->tree, FTP_STORE_CONF, b->arena, &sc->conf, s, level, anon) < 0)
		return -ENOMEM;
	if (s->layer != NULL)
		sc->conf.tls = tls; /* made ready for servers, not for clients */
	if (own != NULL && own->access_all != FTP_UNSET) {
		sc->access_all = own->access_all;
		sc->access_pos = own->access_pos;
	}
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

const char *ftp_section_path(struct ftp_builder *b, const struct conf_section *s, const char *anon_root)
{
	const struct conf_pos pos = ftp_section_pos(s);
	const char *name = s->kind == CONF_KIND_ANONYMOUS ? "<Anonymous>" : "<Directory>", *p = s->args[0];
	bool in_anon = s->kind == CONF_KIND_DIRECTORY && anon_root != NULL;

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
	if (p != NULL && p[0] == '~' && s->kind == CONF_KIND_ANONYMOUS && b->l->opt->resolve == NULL)
		conf_warn(b->tree->parser, &pos, name,
			"no account of this system is called '%.100s': nobody can log in here; named",
			str_eq(p, s->args[0]) ? p + 1 : p);
	if (p != NULL && p[0] != '/' && p[0] != '~' && in_anon && anon_root[0] == '/')
		p = arena_printf(b->arena, "%s/%s", anon_root, p);
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
	const struct conf_section **layered;     /* sections for it in layers that hold */
	unsigned n_layered;
	unsigned depth, order;
};

struct dirs {
	struct dir *v;
	unsigned n;
	const struct conf_section *const *layers; /* that hold */
	unsigned n_layers;
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

/* Place of a section among the dirs: that of the same path, or a new one. NULL without memory. */
static struct dir *dir_get(
	struct ftp_builder *b, struct dirs *dirs, const struct conf_section *s, struct ftp_scope *parent)
{
	const char *path = ftp_made(s)->path;
	struct dir *d;

	for (unsigned i = 0; i < dirs->n; i++) {
		if (str_eq(dirs->v[i].scope->path, path))
			return &dirs->v[i];
	}
	d = &dirs->v[dirs->n];
	d->order = dirs->n++;
	d->layered = arena_alloc(b->arena, (dirs->n_layers + 1) * sizeof(*d->layered));
	d->scope = ftp_build_scope_new(b, CONF_KIND_DIRECTORY, s, parent);
	if (d->scope == NULL || d->layered == NULL)
		return NULL;
	d->scope->path = path;
	d->depth = path_depth(path);
	return d;
}

enum part_of { OWN, GLOBAL, LAYER };

/* The directories of one section into dirs: those of <Global> and of layers join one of the same path. */
static int dirs_collect(struct ftp_builder *b, const struct conf_section *s, enum part_of what,
	struct ftp_scope *parent, struct dirs *dirs)
{
	for (const struct conf_section *c = s != NULL ? s->children : NULL; c != NULL; c = c->next) {
		struct dir *d;

		if (c->kind != CONF_KIND_DIRECTORY || ftp_made(c)->path == NULL)
			continue;
		d = dir_get(b, dirs, c, parent);
		if (d == NULL)
			return -ENOMEM;
		if (what == LAYER)
			d->layered[d->n_layered++] = c;
		else
			*(what == GLOBAL ? &d->global : &d->own) = c;
	}
	return 0;
}

/* Values and limits of dirs[i], whose outer directories are done. */
static int dir_finish(struct ftp_builder *b, const struct dirs *dirs, unsigned i)
{
	struct dir *d = &dirs->v[i];
	struct ftp_scope *sc = d->scope;
	struct ftp_parts parts = {0};
	int r;

	for (unsigned k = i; k-- > 0;) { /* the deepest that contains it, the later of two */
		if (path_contains(dirs->v[k].scope->path, sc->path)) {
			sc->parent = dirs->v[k].scope;
			break;
		}
	}
	sc->conf = sc->parent->conf;
	r = ftp_parts_add(b, &parts, d->own, d->global, 4, false);
	for (unsigned k = 0; k < d->n_layered && r == 0; k++)
		r = ftp_parts_add(b, &parts, d->layered[k], NULL, 4, false);
	return r == 0 ? ftp_parts_fill(b, &parts, sc) : r;
}

static unsigned children_count(const struct conf_section *s)
{
	unsigned n = 0;

	for (const struct conf_section *c = s != NULL ? s->children : NULL; c != NULL; c = c->next)
		n++;
	return n;
}

int ftp_build_dirs(struct ftp_builder *b, const struct conf_section *own, const struct conf_section *global,
	struct ftp_scope *parent)
{
	struct ftp_scope **tail = &parent->dirs;
	unsigned max = 1 + children_count(own) + children_count(global);
	struct dirs dirs = {0};
	int r;

	if (b->no_dirs)
		return 0;
	dirs.layers = ftp_layers_held(b, own, global, &dirs.n_layers);
	if (dirs.layers == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < dirs.n_layers; i++)
		max += children_count(dirs.layers[i]);
	dirs.v = xcalloc(max, sizeof(*dirs.v));
	r = dirs_collect(b, own, OWN, parent, &dirs);
	if (r == 0)
		r = dirs_collect(b, global, GLOBAL, parent, &dirs);
	for (unsigned i = 0; i < dirs.n_layers && r == 0; i++)
		r = dirs_collect(b, dirs.layers[i], LAYER, parent, &dirs);
	if (r == 0)
		qsort(dirs.v, dirs.n, sizeof(*dirs.v), dir_order);
	for (unsigned i = 0; i < dirs.n && r == 0; i++)
		r = dir_finish(b, &dirs, i);
	if (r == 0) {
		qsort(dirs.v, dirs.n, sizeof(*dirs.v), file_order);
		for (unsigned i = 0; i < dirs.n; i++) {
			*tail = dirs.v[i].scope;
			tail = &dirs.v[i].scope->next;
		}
	}
	free(dirs.v);
	return r;
}

static int anon_build(struct ftp_builder *b, const struct conf_section *s, struct ftp_scope *parent,
	struct ftp_scope ***tail)
{
	struct conf_pos pos = ftp_section_pos(s);
	struct ftp_scope *sc = ftp_build_scope_new(b, CONF_KIND_ANONYMOUS, s, parent);
	struct ftp_parts parts = {0};

	if (sc == NULL)
		return -ENOMEM;
	sc->number = b->n_anons;
	sc->path = ftp_made(s)->path;
	sc->conf = parent->conf;
	if (ftp_parts_add(b, &parts, s, NULL, 3, true) < 0 || ftp_parts_fill(b, &parts, sc) < 0 ||
		ftp_build_dirs(b, s, NULL, sc) < 0)
		return -ENOMEM;
	if (sc->conf.user == NULL && !b->quiet)
		conf_warn(b->tree->parser, &pos, "<Anonymous>",
			"no User: nobody can log in through the section");
	**tail = sc;
	*tail = &sc->next;
	return 0;
}

/* The <Anonymous> directly in s. One of a layer that does not hold only gets its number. */
static int anons_of(struct ftp_builder *b, const struct conf_section *s, bool holds, struct ftp_scope *parent,
	struct ftp_scope ***tail)
{
	for (const struct conf_section *c = s->children; c != NULL; c = c->next) {
		if (c->kind != CONF_KIND_ANONYMOUS || ftp_made(c)->path == NULL)
			continue;
		b->n_anons++;
		if (holds && anon_build(b, c, parent, tail) < 0)
			return -ENOMEM;
	}
	return 0;
}

int ftp_build_anons(struct ftp_builder *b, const struct conf_section *s, bool in_layers,
	struct ftp_scope *parent, struct ftp_scope ***tail)
{
	int r = 0;

	if (s == NULL)
		return 0;
	if (!in_layers)
		return anons_of(b, s, true, parent, tail);
	for (const struct conf_section *l = s->layers; l != NULL && r == 0; l = l->next) {
		r = anons_of(b, l, ftp_layer_holds(b, l), parent, tail);
		if (r == 0)
			r = ftp_build_anons(b, l, true, parent, tail);
	}
	return r;
}
