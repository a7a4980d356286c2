/* Include: files, directories, patterns; with depth limit, cycle check and the choices of IncludeOptions. */
#include "conf/conf_priv.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

struct names { /* growing list of strings in the parser's arena */
	struct conf_parser *p;
	const char **name;
	unsigned n, cap;
	bool failed;
};

static void names_add(void *arg, const char *name)
{
	struct names *l = arg;

	if (l->n == l->cap) {
		unsigned cap = l->cap == 0 ? 16 : l->cap * 2;
		const char **bigger = arena_alloc(l->p->arena, cap * sizeof(*bigger));

		if (bigger == NULL) {
			l->failed = true;
			return;
		}
		if (l->n > 0)
			memcpy(bigger, l->name, l->n * sizeof(*bigger));
		l->name = bigger;
		l->cap = cap;
	}
	l->name[l->n] = arena_strdup(l->p->arena, name);
	l->failed |= l->name[l->n] == NULL;
	l->n += l->name[l->n] != NULL;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_sort(struct names *l)
{
	if (l->n > 1)
		qsort(l->name, l->n, sizeof(*l->name), by_bytes);
}

static bool is_temp_name(const char *name)
{
	static const char *const ends[] = {"~", ".tmp", ".bak", ".rpmnew", ".rpmsave", ".swp"};

	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		if (str_ends(name, ends[i]))
			return true;
	}
	return (name[0] == '#' && str_ends(name, "#")) || fnmatch("*.dpkg-*", name, 0) == 0;
}

/* Is this name of a directory or pattern taken? literal: named without a wildcard. */
static bool taken(struct conf_parser *p, const char *path, bool want_dir)
{
	const char *base = strrchr(path, '/');
	enum conf_path_kind kind;
	bool link;

	base = base != NULL ? base + 1 : path;
	if (!want_dir && (p->include_options & INCLUDE_IGNORE_TEMP) != 0 && is_temp_name(base))
		return false;
	if (p->files->look(p->files->arg, path, &kind, &link) < 0)
		return false;
	if (link && (p->include_options & INCLUDE_ALLOW_SYMLINKS) == 0)
		return false;
	return kind == (want_dir ? CONF_PATH_DIR : CONF_PATH_FILE);
}

static bool has_wildcard(const char *s)
{
	return strpbrk(s, "*?[") != NULL;
}

/* All paths that dir + "/" + one component of pattern names; rest is what follows that component, or NULL. */
static void expand(struct conf_parser *p, const char *dir, const char *pattern, struct names *out)
{
	const char *slash = strchr(pattern, '/'), *rest;
	char *part =
		arena_strndup(p->arena, pattern, slash != NULL ? (size_t)(slash - pattern) : strlen(pattern));
	struct names found = {.p = p};

	for (rest = slash; rest != NULL && *rest == '/';)
		rest++;
	if (part == NULL) {
		out->failed = true;
		return;
	}
	if (has_wildcard(part)) {
		(void)p->files->list(
			p->files->arg, dir[0] != '\0' ? dir : "/", names_add, &found); /* none: no match */
		names_sort(&found);
	} else {
		names_add(&found, part);
	}
	for (unsigned i = 0; i < found.n && !out->failed; i++) {
		char *path;

		if (has_wildcard(part) && fnmatch(part, found.name[i], FNM_PERIOD) != 0)
			continue;
		path = arena_printf(p->arena, "%s/%s", dir, found.name[i]);
		if (path == NULL)
			out->failed = true;
		else if (rest != NULL && *rest != '\0' && (!has_wildcard(part) || taken(p, path, true)))
			expand(p, path, rest, out);
		else if ((rest == NULL || *rest == '\0') && (!has_wildcard(part) || taken(p, path, false)))
			names_add(out, path);
	}
	out->failed |= found.failed;
}

static void directory_files(struct conf_parser *p, const char *dir, struct names *out, int *ret_r)
{
	struct names found = {.p = p};
	size_t len = strlen(dir);

	*ret_r = p->files->list(p->files->arg, dir, names_add, &found);
	names_sort(&found);
	while (len > 0 && dir[len - 1] == '/')
		len--;
	for (unsigned i = 0; i < found.n; i++) {
		char *path = arena_printf(p->arena, "%.*s/%s", (int)len, dir, found.name[i]);

		if (path == NULL)
			out->failed = true;
		else if (taken(p, path, false))
			names_add(out, path);
	}
	out->failed |= found.failed;
}

/* The files that an Include names, in order. 0, or -errno for the named path itself. */
static int resolve(struct conf_parser *p, const char *path, struct names *out)
{
	const char *last = strrchr(path, '/') + 1;
	enum conf_path_kind kind;
	bool link, dirs_ok = (p->include_options & INCLUDE_IGNORE_WILDCARDS) == 0;
	int r;

	if (has_wildcard(last) || (dirs_ok && has_wildcard(path))) {
		const char *start = path;

		while (*start == '/')
			start++;
		if (dirs_ok) {
			expand(p, "", start, out);
		} else { /* directories are literal */
			char *dir = arena_strndup(
				p->arena, path, last > path + 1 ? (size_t)(last - path - 1) : 0);

			if (dir == NULL)
				return -ENOMEM;
			expand(p, dir, last, out);
		}
		return out->failed ? -ENOMEM : 0;
	}
	r = p->files->look(p->files->arg, path, &kind, &link);
	if (r < 0)
		return r;
	if (kind == CONF_PATH_NONE)
		return -ENOENT;
	if (link && (p->include_options & INCLUDE_ALLOW_SYMLINKS) == 0)
		return -ELOOP;
	if (kind == CONF_PATH_DIR)
		directory_files(p, path, out, &r);
	else
		names_add(out, path);
	return out->failed ? -ENOMEM : r;
}

/* Name of the file of the chain that is the same as id, or NULL. */
static bool on_stack(const struct source *s, const uint64_t id[2])
{
	for (; s != NULL; s = s->outer) {
		if (s->has_id && s->id[0] == id[0] && s->id[1] == id[1])
			return true;
	}
	return false;
}

int conf_parse_file(
	struct conf_parser *p, const char *path, const struct conf_pos *pos, const char *directive)
{
	struct source src = {.outer = p->source, .name = arena_strdup(p->arena, path), .has_id = true};
	struct conf_pos top = {path, 0};
	char *text = NULL;
	size_t len = 0;
	int r;

	if (src.name == NULL)
		return err_set(&p->first, ENOMEM, "out of memory while reading the configuration");
	r = p->files->read(p->files->arg, path, CONF_MAX_FILE, &text, &len, src.id);
	if (r < 0 && pos == NULL) { /* the main file: no line to name */
		p->n_errors++;
		err_sys(&p->first, -r, "fatal: cannot read configuration file '%.300s'", path);
		if (p->in->note != NULL)
			p->in->note(
				p->in->arg, &(struct conf_note){CONF_EV_ERROR, NULL, p->first.text, path, 0});
		return 0;
	}
	if (r < 0)
		return conf_fail(p, pos, directive, "cannot read '%.250s': %s", path, err_text(r));
	src.depth = p->source != NULL ? p->source->depth + 1 : 0;
	if (on_stack(p->source, src.id))
		r = conf_fail(p, pos != NULL ? pos : &top, directive, "'%.250s' includes itself", path);
	else
		r = conf_parse_text(p, &src, text, len);
	wipe(text, len); /* it may hold password hashes */
	free(text);
	return r;
}

int conf_include(struct conf_call *c, void *dst)
{
	struct conf_parser *p = c->parser;
	struct names files = {.p = p};
	struct conf_section *at = p->cur;
	const char *path = c->args[0];
	int r;

	if (path[0] != '/')
		return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", path);
	if (p->source->depth >= CONF_MAX_DEPTH)
		return err_set(c->err, WE_CONFIG, "files are included more than %u deep", CONF_MAX_DEPTH);
	r = resolve(p, path, &files);
	if (r == -ELOOP)
		return err_set(c->err, WE_CONFIG,
			"'%.300s' is a symbolic link (see IncludeOptions AllowSymlinks)", path);
	if (r < 0)
		return err_sys(c->err, -r, "cannot include '%.300s'", path);
	for (unsigned i = 0; i < files.n && p->n_errors < CONF_MAX_ERRORS; i++) {
		r = conf_parse_file(p, files.name[i], &c->pos, c->row->name);
		if (r == -ENOMEM)
			return r;
		p->cur = at;
	}
	return 0;
}

int conf_include_options(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"AllowSymlinks", INCLUDE_ALLOW_SYMLINKS},
		{"IgnoreTempFiles", INCLUDE_IGNORE_TEMP}, {"IgnoreWildcards", INCLUDE_IGNORE_WILDCARDS},
		{NULL, 0}};

	for (unsigned i = 0; i < c->n_args; i++) {
		int v, r = conf_word_value(words, c->args[i], &v, c->err);

		if (r < 0)
			return r;
		c->parser->include_options |= (unsigned)v;
	}
	return 0;
}

int conf_define(struct conf_call *c, void *dst)
{
	struct define *d = arena_alloc(c->arena, sizeof(*d));

	if (d == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	*d = (struct define){c->parser->defines, c->args[0]};
	c->parser->defines = d;
	return 0;
}
