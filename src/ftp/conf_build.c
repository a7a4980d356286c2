/* From the parsed tree to servers and classes. */
#include "ftp/build.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "log/logfmt.h"

/* --- servers --- */

#define ADDRS_MAX 64u

struct names {
	const char **list;
	unsigned n, max;
};

static int name_add(struct ftp_builder *b, struct names *names, const char *s)
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
static int server_addr(struct ftp_builder *b, const char *directive, const struct conf_pos *pos,
	const char *name, struct addr *addrs, unsigned *n)
{
	struct addr found[ADDRS_MAX];
	unsigned skipped = 0;
	int r = ftp_resolve(b->l, name, found, ADDRS_MAX - *n);

	if (r < 0) {
		if (b->l->opt->reload)
			conf_warn(b->tree->parser, pos, directive, "cannot resolve '%.200s', skipped", name);
		else
			conf_fail(b->tree->parser, pos, directive, "cannot resolve '%.200s'", name);
		return -ENOENT;
	}
	for (int i = 0; i < r; i++) {
		if (b->cfg->use_ipv6 || addr_is_v4(&found[i]))
			addrs[(*n)++] = found[i];
		else
			skipped++;
	}
	if (skipped > 0)
		conf_warn(b->tree->parser, pos, directive,
			"UseIPv6 is off: %u addresses of '%.200s' are left out; named", skipped, name);
	return 0;
}

static void any_addrs(struct ftp_builder *b, struct addr *addrs, unsigned *n)
{
	if (b->l->opt->family != AF_INET6)
		addr_parse("0.0.0.0", 0, &addrs[(*n)++]);
	if (b->l->opt->family != AF_INET && b->cfg->use_ipv6)
		addr_parse("::", 0, &addrs[(*n)++]);
}

/* Addresses of the main server: -S, DefaultAddress, with SocketBindTight the host's, else all. */
static void main_addrs(struct ftp_builder *b, const struct conf_section *s, struct addr *addrs, unsigned *n)
{
	const struct ftp_own *own = s->store[FTP_STORE_OWN];
	struct conf_pos top = ftp_section_pos(s);
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
	if (own != NULL && own->addresses != NULL) {
		if (*n == 0 && b->l->opt->reload &&
			b->l->opt->old != NULL) { /* its names do not resolve now */
			const struct ftp_server *old = b->l->opt->old->servers[0];

			memcpy(addrs, old->addrs, old->n_addrs * sizeof(*addrs));
			*n = old->n_addrs;
		}
		return;
	}
	if (b->cfg->bind_tight && gethostname(host, sizeof(host)) == 0) {
		int r = ftp_resolve(b->l, host, addrs, ADDRS_MAX);

		*n = r > 0 ? (unsigned)r : 0;
	}
	if (*n == 0)
		any_addrs(b, addrs, n);
}

/* Addresses of a <VirtualHost>; its names become aliases. */
static int vhost_addrs(struct ftp_builder *b, const struct conf_section *s, struct addr *addrs, unsigned *n,
	struct names *names)
{
	const struct conf_pos pos = ftp_section_pos(s);

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
static const char *own_fqdn(struct ftp_builder *b)
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

static int server_names(struct ftp_builder *b, const struct ftp_own *own, struct names *names)
{
	const struct ftp_name *a = own != NULL ? own->aliases : NULL;

	for (; a != NULL; a = (const struct ftp_name *)a->item.next) {
		if (name_add(b, names, a->name) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* --- logs of a scope --- */

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
static void scope_logs(struct ftp_builder *b, struct ftp_scope *s)
{
	for (; s != NULL; s = s->next) {
		struct ftp_extlog *e = s->conf.extended_logs;

		for (; e != NULL; e = (struct ftp_extlog *)e->item.next) {
			const struct conf_pos pos = {e->item.file, e->item.line};
			const char *name = e->format_name != NULL ? e->format_name : "default";

			if (e->file != NULL && b->l != NULL)
				e->file->allow_symlink |= s->conf.allow_log_symlinks;
			if (e->format != NULL)
				continue;
			e->format = format_find(&s->conf, name);
			if (e->format == NULL) /* formats are known everywhere */
				e->format = format_find(&b->cfg->servers[0]->scope->conf, name);
			if (e->format == NULL && !b->quiet && !str_eq(name, "default"))
				conf_fail(
					b->tree->parser, &pos, "ExtendedLog", "no LogFormat '%.100s'", name);
			if (e->format == NULL)
				e->format = LOGFMT_DEFAULT;
		}
		if (s->conf.transfer_log != NULL && b->l != NULL)
			s->conf.transfer_log->allow_symlink |= s->conf.allow_log_symlinks;
		if (s->conf.tls_log != NULL && b->l != NULL)
			s->conf.tls_log->allow_symlink |= s->conf.allow_log_symlinks;
		if (s->conf.server_log != NULL && b->l != NULL)
			s->conf.server_log->allow_symlink |= s->conf.allow_log_symlinks;
		if (s->conf.system_log != NULL && b->l != NULL)
			s->conf.system_log->allow_symlink |= s->conf.allow_log_symlinks;
		if (s->conf.wrap_log != NULL && b->l != NULL)
			s->conf.wrap_log->allow_symlink |= s->conf.allow_log_symlinks;
		if (s->conf.rewrite_log != NULL && b->l != NULL)
			s->conf.rewrite_log->allow_symlink |= s->conf.allow_log_symlinks;
		scope_logs(b, s->anons);
		scope_logs(b, s->dirs);
	}
}

int ftp_build_server_scope(struct ftp_builder *b, struct ftp_server *srv, const struct conf_section *s)
{
	const struct conf_section *global = b->tree->global;
	struct ftp_scope *sc = ftp_build_scope_new(b, s->kind, s, NULL), **anons;
	struct ftp_parts parts = {0};
	bool debug_level = false;
	int r;

	if (sc == NULL)
		return -ENOMEM;
	srv->scope = sc;
	sc->conf = *(const struct ftp_conf *)b->tree->defaults->store[FTP_STORE_CONF];
	r = ftp_parts_add(b, &parts, s, global, 2, false);
	if (r == 0)
		r = ftp_parts_fill(b, &parts, sc);
	for (unsigned i = 0; i < parts.n; i++)
		debug_level |= conf_where(b->tree, parts.v[i].s, "DebugLevel").file != NULL;
	if (!debug_level)
		sc->conf.debug_level = -1;
	if (sc->conf.server_admin == NULL)
		sc->conf.server_admin = arena_printf(b->arena, "root@%s", srv->fqdn);
	anons = &sc->anons;
	b->n_anons = 0;
	if (r == 0)
		r = ftp_build_anons(b, s, false, sc, &anons);
	if (r == 0)
		r = ftp_build_anons(b, global, false, sc, &anons);
	if (r == 0)
		r = ftp_build_anons(b, s, true, sc, &anons);
	if (r == 0)
		r = ftp_build_anons(b, global, true, sc, &anons);
	if (r == 0)
		r = ftp_build_dirs(b, s, global, sc);
	if (r == 0)
		scope_logs(b, sc);
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

/* Are there layers in s, or in what is in it? */
static bool conditional_inside(const struct conf_section *s)
{
	if (s->layers != NULL)
		return true;
	for (const struct conf_section *c = s->children; c != NULL; c = c->next) {
		if (c->kind != CONF_KIND_VHOST && conditional_inside(c))
			return true;
	}
	return false;
}

static int server_build(struct ftp_builder *b, const struct conf_section *s)
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
		return r; /* skipped, which has been said; the main server exists in any case */
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
	b->quiet = conditional_inside(s) || (b->tree->global != NULL && conditional_inside(b->tree->global));
	r = ftp_build_server_scope(b, srv, s);
	return r == 0 && b->quiet ? ftp_build_conditional(b, srv, s) : r;
}

/* --- classes --- */

static int classes_build(struct ftp_builder *b, const struct conf_section *list, struct ftp_class ***tail)
{
	for (const struct conf_section *s = list; s != NULL; s = s->next) {
		const struct conf_pos pos = ftp_section_pos(s);
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

static void servers_check(struct ftp_builder *b)
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

static bool class_exists(const struct ftp_config *cfg, const char *name)
{
	for (const struct ftp_class *cl = cfg->classes; cl != NULL; cl = cl->next) {
		if (str_eq(cl->name, name))
			return true;
	}
	return false;
}

/* Classes that an <IfClass> names, but nobody defines. */
static void layer_classes_warn(struct ftp_builder *b, const struct conf_section *s)
{
	const struct ftp_condition *c = ftp_made(s)->condition;
	const struct conf_pos pos = ftp_section_pos(s);
	const char *name;

	if (c->kind != FTP_IF_CLASS || c->expr == NULL)
		return;
	for (unsigned i = 0; (name = ftp_expr_name(c->expr, i)) != NULL; i++) {
		if (!str_eq(name, "*") && !class_exists(b->cfg, name))
			conf_warn(
				b->tree->parser, &pos, "<IfClass>", "no <Class %.100s> exists; named", name);
	}
}

/* Classes that s and what is in it name, but nobody defines. */
static void class_names_warn(struct ftp_builder *b, const struct conf_section *s)
{
	const struct ftp_conf *own = s->store[FTP_STORE_CONF];
	const struct ftp_class_max *m = own != NULL ? own->max_clients_per_class : NULL;
	const struct conf_pos foreign = conf_where(b->tree, s, "AllowForeignAddress");

	for (; m != NULL; m = (const struct ftp_class_max *)m->item.next) {
		const struct conf_pos pos = {m->item.file, m->item.line};

		if (!class_exists(b->cfg, m->class_name))
			conf_warn(b->tree->parser, &pos, "MaxClientsPerClass",
				"no <Class %.100s> exists; named", m->class_name);
	}
	if (foreign.file != NULL && own->foreign.class_name != NULL &&
		!class_exists(b->cfg, own->foreign.class_name))
		conf_warn(b->tree->parser, &foreign, "AllowForeignAddress",
			"no <Class %.100s> exists, nobody is allowed; named", own->foreign.class_name);
	for (const struct conf_section *c = s->children; c != NULL; c = c->next)
		class_names_warn(b, c);
	for (const struct conf_section *c = s->layers; c != NULL; c = c->next) {
		layer_classes_warn(b, c);
		class_names_warn(b, c);
	}
}

/* Several <Limit LOGIN> of a server must all allow a login, which surprises who expects the last to count. */
static void login_limits_warn(struct ftp_builder *b, const struct ftp_scope *s)
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
	struct ftp_builder b = {.l = l, .tree = tree, .cfg = cfg, .arena = l->arena};
	struct ftp_class **classes = &cfg->classes;
	unsigned n = 1;
	int r;

	for (const struct conf_section *s = tree->root->children; s != NULL; s = s->next)
		n += s->kind == CONF_KIND_VHOST;
	cfg->servers = arena_alloc(l->arena, n * sizeof(struct ftp_server *));
	if (cfg->servers == NULL)
		return -ENOMEM;
	r = ftp_make_sections(&b, tree->root);
	if (r == 0 && tree->global != NULL)
		r = ftp_make_sections(&b, tree->global);
	if (r == 0)
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
		login_limits_warn(&b, cfg->servers[i]->scope);
	servers_check(&b);
	class_names_warn(&b, tree->root);
	ftp_layers_check(&b, tree->root);
	if (tree->global != NULL) {
		class_names_warn(&b, tree->global);
		ftp_layers_check(&b, tree->global);
	}
	cfg->logfiles = l->logfiles;
	cfg->n_logfiles = l->n_logfiles;
	if (!cfg->controls_engine)
		cfg->controls_socket = NULL;
	return 0;
}
