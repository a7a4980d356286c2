/* From the parsed tree to servers, scopes and classes. */
#include "ftp/build.h"

#include <errno.h>
#include <fnmatch.h>
#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/verb.h"
#include "log/logfmt.h"

struct builder {
	struct ftp_loader *l;
	const struct conf_tree *tree;
	struct ftp_config *cfg;
	struct arena *arena;
};

static struct conf_pos section_pos(const struct conf_section *s)
{
	return (struct conf_pos){s->file, s->line};
}

static bool is_server_kind(enum conf_kind k)
{
	return k == CONF_KIND_SERVER || k == CONF_KIND_VHOST || k == CONF_KIND_GLOBAL;
}

/* --- <Limit> --- */

static bool is_limit_word(const char *w)
{
	static const char *const groups[] = {"ALL", "DIRS", "LOGIN", "READ", "SITE", "WRITE"};

	for (unsigned i = 0; i < ARRAY_LEN(groups); i++) {
		if (str_eq(w, groups[i]))
			return true;
	}
	return str_starts(w, "OPTS_") || verb_find_limit(w) != NULL;
}

/* The verbs of a <Limit> in upper case; commas separate as well. LOGIN is dropped in a directory. */
static int limit_commands(const struct conf_tree *t, struct arena *a, const struct conf_section *s,
	bool in_dir, struct ftp_limit *limit)
{
	const struct conf_pos pos = section_pos(s);
	const char **list;
	unsigned max = 0, n = 0;

	for (unsigned i = 0; i < s->n_args; i++) {
		for (const char *p = s->args[i]; *p != '\0'; p++)
			max += *p == ',';
		max++;
	}
	list = arena_alloc(a, max * sizeof(*list));
	for (unsigned i = 0; list != NULL && i < s->n_args; i++) {
		char *copy = arena_strdup(a, s->args[i]), *save = NULL;

		if (copy == NULL)
			return -ENOMEM;
		for (char *w = strtok_r(copy, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
			for (char *p = w; *p != '\0'; p++)
				*p = ascii_upper(*p);
			if (strspn(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(w))
				conf_fail(t->parser, &pos, "<Limit>", "'%.60s' is no command", w);
			else if (in_dir && str_eq(w, "LOGIN"))
				conf_warn(t->parser, &pos, "<Limit>",
					"LOGIN is ignored in a directory; written");
			else
				list[n++] = w;
			if (n > 0 && list[n - 1] == w && !is_limit_word(w))
				conf_warn(t->parser, &pos, "<Limit>",
					"'%.60s' is no command of this server; named", w);
		}
	}
	limit->commands = list;
	limit->n_commands = n;
	return list != NULL ? 0 : -ENOMEM;
}

int ftp_build_limits(const struct conf_tree *tree, struct arena *a, const struct conf_section *s,
	struct ftp_scope *scope, struct ftp_limit ***tail)
{
	for (const struct conf_section *c = s->children; c != NULL; c = c->next) {
		const struct ftp_body *body = c->store[FTP_STORE_BODY];
		struct ftp_limit *limit;
		bool in_dir = !is_server_kind(s->kind) && s->kind != CONF_KIND_ANONYMOUS;

		if (c->kind != CONF_KIND_LIMIT)
			continue;
		limit = arena_alloc(a, sizeof(*limit));
		if (limit == NULL)
			return -ENOMEM;
		if (body != NULL)
			*limit = body->limit;
		limit->next = NULL;
		limit->file = c->file;
		limit->line = c->line;
		if (limit_commands(tree, a, c, in_dir, limit) < 0)
			return -ENOMEM;
		if (limit->n_commands == 0)
			continue;
		**tail = limit;
		*tail = &limit->next;
	}
	return 0;
}

/* --- scopes --- */

static struct ftp_scope *scope_new(
	struct builder *b, enum conf_kind kind, const struct conf_section *s, struct ftp_scope *parent)
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

/* Lay the section's values over scope->conf, and take in its limits. */
static int scope_layer(
	struct builder *b, struct ftp_scope *sc, const struct conf_section *s, unsigned level, bool anon)
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
static const char *home_path(struct builder *b, const char *p)
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
static const char *scope_path(struct builder *b, const struct conf_section *s, const struct ftp_scope *parent)
{
	const struct conf_pos pos = section_pos(s);
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

/* Does outer's path contain inner's? Component by component; a pattern contains what it matches. A trailing wildcard
 * component of outer stands for what is below, so it contains a literal of the same length. */
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
static int dirs_collect(struct builder *b, const struct conf_section *list, bool global,
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
			const struct conf_pos pos = section_pos(s);

			conf_fail(b->tree->parser, &pos, "<Directory>",
				"'%.200s' has a section already on line %u of '%.100s', again", path,
				d->scope->line, d->scope->file);
			continue;
		}
		if (d == NULL) {
			d = &dirs[*n];
			d->order = (*n)++;
			d->scope = scope_new(b, CONF_KIND_DIRECTORY, s, parent);
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
static int dir_finish(struct builder *b, struct dir *dirs, unsigned i)
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
		r = scope_layer(b, sc, dirs[i].global, 4, false);
	if (r == 0 && dirs[i].own != NULL)
		r = scope_layer(b, sc, dirs[i].own, 4, false);
	if (r == 0 && dirs[i].own != NULL)
		r = ftp_build_limits(b->tree, b->arena, dirs[i].own, sc, &tail);
	if (r == 0 && dirs[i].global != NULL)
		r = ftp_build_limits(b->tree, b->arena, dirs[i].global, sc, &tail);
	return r;
}

/* All directories of parent, from its own section and, for servers, from <Global>. */
static int dirs_build(struct builder *b, const struct conf_section *own, const struct conf_section *global,
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

static int anons_build(struct builder *b, const struct conf_section *list, struct ftp_scope *parent,
	struct ftp_scope ***tail)
{
	for (const struct conf_section *s = list; s != NULL; s = s->next) {
		struct conf_pos pos = section_pos(s);
		struct ftp_scope *sc;
		struct ftp_limit **limits;

		if (s->kind != CONF_KIND_ANONYMOUS)
			continue;
		sc = scope_new(b, CONF_KIND_ANONYMOUS, s, parent);
		if (sc == NULL)
			return -ENOMEM;
		sc->path = scope_path(b, s, parent);
		if (sc->path == NULL)
			continue;
		sc->conf = parent->conf;
		limits = &sc->limits;
		if (scope_layer(b, sc, s, 3, true) < 0 ||
			ftp_build_limits(b->tree, b->arena, s, sc, &limits) < 0 ||
			dirs_build(b, s, NULL, sc) < 0)
			return -ENOMEM;
		if (sc->conf.user == NULL)
			conf_warn(b->tree->parser, &pos, "<Anonymous>",
				"no User: nobody can log in through the section");
		**tail = sc;
		*tail = &sc->next;
	}
	return 0;
}

/* --- servers --- */

#define ADDRS_MAX 64u

struct names {
	const char **list;
	unsigned n, max;
};

static int name_add(struct builder *b, struct names *names, const char *s)
{
	char *copy = arena_strdup(b->arena, s);

	if (copy == NULL)
		return -ENOMEM;
	for (char *p = copy; *p != '\0'; p++)
		*p = ascii_lower(*p);
	if (names->n < names->max)
		names->list[names->n++] = copy;
	return 0;
}

/* Addresses of one name. 0, or -ENOENT after a message. */
static int server_addr(struct builder *b, const char *directive, const struct conf_pos *pos, const char *name,
	struct addr *addrs, unsigned *n)
{
	int r = ftp_resolve(b->l, name, addrs + *n, ADDRS_MAX - *n);

	if (r < 0) {
		if (b->l->opt->reload)
			conf_warn(b->tree->parser, pos, directive, "cannot resolve '%.200s', skipped", name);
		else
			conf_fail(b->tree->parser, pos, directive, "cannot resolve '%.200s'", name);
		return -ENOENT;
	}
	*n += (unsigned)r;
	return 0;
}

static void any_addrs(struct builder *b, struct addr *addrs, unsigned *n)
{
	if (b->l->opt->family != AF_INET6)
		addr_parse("0.0.0.0", 0, &addrs[(*n)++]);
	if (b->l->opt->family != AF_INET && b->cfg->use_ipv6)
		addr_parse("::", 0, &addrs[(*n)++]);
}

/* Addresses of the main server: -S, DefaultAddress, with SocketBindTight the host's, else all. */
static void main_addrs(struct builder *b, const struct conf_section *s, struct addr *addrs, unsigned *n)
{
	const struct ftp_own *own = s->store[FTP_STORE_OWN];
	struct conf_pos top = section_pos(s);
	char host[256];

	if (b->l->opt->server_addr != NULL) {
		server_addr(b, "-S", &top, b->l->opt->server_addr, addrs, n);
		return;
	}
	for (const struct ftp_name *a = own != NULL ? own->addresses : NULL; a != NULL;
		a = (const struct ftp_name *)a->item.next) {
		const struct conf_pos pos = {a->item.file, a->item.line};

		if (*n < ADDRS_MAX)
			server_addr(b, "DefaultAddress", &pos, a->name, addrs, n);
	}
	if (own != NULL && own->addresses != NULL)
		return;
	if (b->cfg->bind_tight && gethostname(host, sizeof(host)) == 0) {
		int r = ftp_resolve(b->l, host, addrs, ADDRS_MAX);

		*n = r > 0 ? (unsigned)r : 0;
	}
	if (*n == 0)
		any_addrs(b, addrs, n);
}

/* Addresses of a <VirtualHost>; its names become aliases. */
static int vhost_addrs(
	struct builder *b, const struct conf_section *s, struct addr *addrs, unsigned *n, struct names *names)
{
	const struct conf_pos pos = section_pos(s);

	for (unsigned i = 0; i < s->n_args; i++) {
		struct addr literal;

		if (*n < ADDRS_MAX)
			server_addr(b, "<VirtualHost>", &pos, s->args[i], addrs, n);
		if (addr_parse(s->args[i], 0, &literal) < 0 && s->args[i][0] != '[' &&
			name_add(b, names, s->args[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* This machine's name in full, as far as it can be found. */
static const char *own_fqdn(struct builder *b)
{
	struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *list = NULL;
	char host[256];
	const char *name;

	if (gethostname(host, sizeof(host)) < 0 || host[0] == '\0')
		return "localhost";
	host[sizeof(host) - 1] = '\0';
	name = arena_strdup(b->arena, host);
	if (strchr(host, '.') == NULL && b->l->opt->resolve == NULL &&
		getaddrinfo(host, NULL, &hints, &list) == 0) {
		if (list->ai_canonname != NULL && strchr(list->ai_canonname, '.') != NULL)
			name = arena_strdup(b->arena, list->ai_canonname);
		freeaddrinfo(list);
	}
	return name;
}

static int server_names(struct builder *b, const struct ftp_own *own, struct names *names)
{
	const struct ftp_name *a = own != NULL ? own->aliases : NULL;

	for (; a != NULL; a = (const struct ftp_name *)a->item.next) {
		if (name_add(b, names, a->name) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int server_scope(struct builder *b, struct ftp_server *srv, const struct conf_section *s)
{
	const struct conf_section *global = b->tree->global;
	struct ftp_scope *sc = scope_new(b, s->kind, s, NULL), **anons;
	struct ftp_limit **limits;
	int r = 0;

	if (sc == NULL)
		return -ENOMEM;
	srv->scope = sc;
	sc->conf = *(const struct ftp_conf *)b->tree->defaults->store[FTP_STORE_CONF];
	if (global != NULL)
		r = scope_layer(b, sc, global, 1, false);
	if (r == 0)
		r = scope_layer(b, sc, s, 2, false);
	if (sc->conf.server_admin == NULL)
		sc->conf.server_admin = arena_printf(b->arena, "root@%s", srv->fqdn);
	limits = &sc->limits;
	anons = &sc->anons;
	if (r == 0)
		r = ftp_build_limits(b->tree, b->arena, s, sc, &limits);
	if (r == 0 && global != NULL)
		r = ftp_build_limits(b->tree, b->arena, global, sc, &limits);
	if (r == 0)
		r = anons_build(b, s->children, sc, &anons);
	if (r == 0 && global != NULL)
		r = anons_build(b, global->children, sc, &anons);
	if (r == 0)
		r = dirs_build(b, s, global, sc);
	return r;
}

static unsigned names_count(const struct conf_section *s, const struct ftp_own *own)
{
	unsigned n = s->n_args;

	for (const struct ftp_name *a = own != NULL ? own->aliases : NULL; a != NULL;
		a = (const struct ftp_name *)a->item.next)
		n++;
	return n;
}

static int server_build(struct builder *b, const struct conf_section *s)
{
	const struct ftp_own *own = s->store[FTP_STORE_OWN];
	struct ftp_server *srv = arena_alloc(b->arena, sizeof(*srv));
	struct names names = {.max = names_count(s, own)};
	struct addr addrs[ADDRS_MAX];
	int r = 0;

	names.list = arena_alloc(b->arena, (names.max + 1) * sizeof(*names.list));
	if (srv == NULL || names.list == NULL)
		return -ENOMEM;
	if (s->kind == CONF_KIND_SERVER)
		main_addrs(b, s, addrs, &srv->n_addrs);
	else
		r = vhost_addrs(b, s, addrs, &srv->n_addrs, &names);
	if (r < 0 || (srv->n_addrs == 0 && s->kind == CONF_KIND_VHOST))
		return r; /* skipped, which has been said */
	srv->addrs = arena_alloc(b->arena, (srv->n_addrs + 1) * sizeof(*srv->addrs));
	if (srv->addrs == NULL || server_names(b, own, &names) < 0)
		return -ENOMEM;
	memcpy(srv->addrs, addrs, srv->n_addrs * sizeof(*addrs));
	srv->aliases = names.list;
	srv->n_aliases = names.n;
	srv->is_default = own != NULL && own->is_default;
	srv->fqdn = b->cfg->n_servers > 0 ? b->cfg->servers[0]->fqdn : own_fqdn(b);
	if (srv->fqdn == NULL)
		return -ENOMEM;
	srv->index = b->cfg->n_servers;
	b->cfg->servers[b->cfg->n_servers++] = srv;
	return server_scope(b, srv, s);
}

/* --- classes --- */

static int classes_build(struct builder *b, const struct conf_section *list, struct ftp_class ***tail)
{
	for (const struct conf_section *s = list; s != NULL; s = s->next) {
		const struct conf_pos pos = section_pos(s);
		const struct ftp_body *body = s->store[FTP_STORE_BODY];
		struct ftp_class *cl;
		const struct ftp_acl **from;
		unsigned n = 0;

		if (s->kind != CONF_KIND_CLASS)
			continue;
		for (cl = b->cfg->classes; cl != NULL; cl = cl->next) {
			if (str_eq(cl->name, s->args[0]))
				conf_fail(b->tree->parser, &pos, "<Class>", "'%.100s' exists already; again",
					cl->name);
		}
		for (const struct ftp_from *f = body != NULL ? body->from : NULL; f != NULL;
			f = (const struct ftp_from *)f->item.next)
			n++;
		if (n == 0)
			conf_warn(b->tree->parser, &pos, "<Class>",
				"no From: nobody is in the class '%.100s',", s->args[0]);
		cl = arena_alloc(b->arena, sizeof(*cl));
		from = arena_alloc(b->arena, (n + 1) * sizeof(*from));
		if (cl == NULL || from == NULL)
			return -ENOMEM;
		cl->name = s->args[0];
		cl->satisfy_all = body != NULL && body->satisfy_all;
		cl->from = from;
		for (const struct ftp_from *f = body != NULL ? body->from : NULL; f != NULL;
			f = (const struct ftp_from *)f->item.next)
			from[cl->n_from++] = f->acl;
		**tail = cl;
		*tail = &cl->next;
	}
	return 0;
}

/* --- after all scopes --- */

static const char *format_find(const struct ftp_conf *conf, const char *name)
{
	const struct ftp_log_format *f = conf->log_formats;

	for (; f != NULL; f = (const struct ftp_log_format *)f->item.next) {
		if (str_eq(f->name, name))
			return f->format;
	}
	return NULL;
}

/* Formats of ExtendedLog, and whether log files may be links. */
static void scope_logs(struct builder *b, struct ftp_scope *s)
{
	for (; s != NULL; s = s->next) {
		struct ftp_extlog *e = s->conf.extended_logs;

		for (; e != NULL; e = (struct ftp_extlog *)e->item.next) {
			const struct conf_pos pos = {e->item.file, e->item.line};
			const char *name = e->format_name != NULL ? e->format_name : "default";

			if (e->file != NULL)
				e->file->allow_symlink |= s->conf.allow_log_symlinks;
			if (e->format != NULL)
				continue;
			e->format = format_find(&s->conf, name);
			if (e->format == NULL) /* formats are known everywhere */
				e->format = format_find(&b->cfg->servers[0]->scope->conf, name);
			if (e->format == NULL && str_eq(name, "default"))
				e->format = LOGFMT_DEFAULT;
			if (e->format == NULL) {
				conf_fail(
					b->tree->parser, &pos, "ExtendedLog", "no LogFormat '%.100s'", name);
				e->format = "";
			}
		}
		if (s->conf.transfer_log != NULL)
			s->conf.transfer_log->allow_symlink |= s->conf.allow_log_symlinks;
		if (s->conf.system_log != NULL)
			s->conf.system_log->allow_symlink |= s->conf.allow_log_symlinks;
		scope_logs(b, s->anons);
		scope_logs(b, s->dirs);
	}
}

static void servers_check(struct builder *b)
{
	const struct ftp_config *cfg = b->cfg;
	const struct ftp_server *first = NULL;

	for (unsigned i = 0; i < cfg->n_servers; i++) {
		const struct ftp_server *s = cfg->servers[i];
		const struct conf_pos pos = {s->scope->file, s->scope->line};

		if (s->is_default && first != NULL)
			conf_fail(b->tree->parser, &pos, "DefaultServer",
				"only one server can be the default, the second begins");
		if (s->is_default && first == NULL)
			first = s;
		for (unsigned k = 0; k < i && s->n_aliases == 0; k++) {
			const struct ftp_server *o = cfg->servers[k];

			if (o->scope->conf.port == s->scope->conf.port && s->scope->conf.port != 0 &&
				s->n_addrs > 0 && o->n_addrs > 0 &&
				addr_host_equal(&o->addrs[0], &s->addrs[0]))
				conf_warn(b->tree->parser, &pos, "<VirtualHost>",
					"another server has the same address and port, and this one no name: "
					"it is never reached; begins");
		}
	}
}

/* The position of the first limit, in s or below, that counts sessions by the scoreboard. */
static const char *needs_scoreboard(
	const struct conf_tree *t, const struct conf_section *s, struct conf_pos *ret_pos)
{
	static const char *const names[] = {"MaxClients", "MaxClientsPerClass", "MaxClientsPerHost",
		"MaxClientsPerUser", "MaxConnectionsPerHost", "MaxHostsPerUser", "MaxTransfersPerHost",
		"MaxTransfersPerUser"};
	const char *found = NULL;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		*ret_pos = conf_where(t, s, names[i]);
		if (ret_pos->file != NULL)
			return names[i];
	}
	for (const struct conf_section *c = s->children; c != NULL && found == NULL; c = c->next)
		found = needs_scoreboard(t, c, ret_pos);
	return found;
}

static void scoreboard_warn(struct builder *b)
{
	struct conf_pos pos;
	const char *name;

	if (b->cfg->scoreboard_file != NULL)
		return;
	name = needs_scoreboard(b->tree, b->tree->root, &pos);
	if (name == NULL && b->tree->global != NULL)
		name = needs_scoreboard(b->tree, b->tree->global, &pos);
	if (name != NULL)
		conf_warn(b->tree->parser, &pos, name, "has no effect without a ScoreboardFile; set");
}

/* Several <Limit LOGIN> of a server must all allow a login, which surprises who expects the last to count. */
static void login_limits_warn(struct builder *b, const struct ftp_scope *s)
{
	unsigned n = 0;

	for (const struct ftp_limit *l = s->limits; l != NULL; l = l->next) {
		const struct conf_pos pos = {l->file, l->line};

		for (unsigned i = 0; i < l->n_commands; i++) {
			if (str_eq(l->commands[i], "LOGIN") && ++n == 2)
				conf_warn(b->tree->parser, &pos, "<Limit>",
					"second section for LOGIN: a login must be allowed by all of them; "
					"begins");
		}
	}
}

int ftp_build(struct ftp_loader *l, const struct conf_tree *tree, struct ftp_config *cfg)
{
	struct builder b = {.l = l, .tree = tree, .cfg = cfg, .arena = l->arena};
	struct ftp_class **classes = &cfg->classes;
	unsigned n = 1;
	int r;

	for (const struct conf_section *s = tree->root->children; s != NULL; s = s->next)
		n += s->kind == CONF_KIND_VHOST;
	cfg->servers = arena_alloc(l->arena, n * sizeof(struct ftp_server *));
	if (cfg->servers == NULL)
		return -ENOMEM;
	r = classes_build(&b, tree->root->children, &classes);
	if (r == 0 && tree->global != NULL)
		r = classes_build(&b, tree->global->children, &classes);
	if (r == 0)
		r = server_build(&b, tree->root);
	for (const struct conf_section *s = tree->root->children; s != NULL && r == 0; s = s->next) {
		if (s->kind == CONF_KIND_VHOST)
			r = server_build(&b, s);
	}
	if (r < 0)
		return r;
	for (unsigned i = 0; i < cfg->n_servers; i++)
		scope_logs(&b, cfg->servers[i]->scope);
	for (unsigned i = 0; i < cfg->n_servers; i++)
		login_limits_warn(&b, cfg->servers[i]->scope);
	servers_check(&b);
	scoreboard_warn(&b);
	cfg->logfiles = l->logfiles;
	cfg->n_logfiles = l->n_logfiles;
	if (!cfg->controls_engine)
		cfg->controls_socket = NULL;
	return 0;
}
