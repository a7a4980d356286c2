/* Loading and asking a configuration. */
#include "ftp/conf.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "ftp/build.h"
#include "ftp/report.h"
#include "log/log_file.h"

static void note_take(void *arg, const struct conf_note *n)
{
	struct ftp_loader *l = arg;

	if (l->report != NULL)
		ftp_report_add(l->report, n);
	if (l->access && n->event == CONF_EV_WARNING)
		log_warn(l->ctx, "%s", n->text);
}

/* SetEnv of the main server so far, then the process's environment. */
static const char *env_find(void *arg, const char *name)
{
	const struct ftp_loader *l = arg;

	for (const struct ftp_env *e = l->env; e != NULL; e = (const struct ftp_env *)e->item.next) {
		if (str_eq(e->name, name))
			return e->value;
	}
	return l->access ? NULL : getenv(name); /* who can write .ftpaccess need not know the daemon's */
}

static int load(struct ftp_loader *l, unsigned generation, struct ftp_config **ret_config, struct err *err)
{
	const struct ftp_config_options *opt = l->opt;
	const struct conf_input in = {
		.name = opt->text != NULL ? (opt->name != NULL ? opt->name : "text") : opt->file,
		.text = opt->text,
		.text_len = opt->text != NULL ? strlen(opt->text) : 0,
		.kind = CONF_KIND_SERVER,
		.defines = opt->defines,
		.n_defines = opt->n_defines,
		.files = opt->files,
		.getenv = env_find,
		.note = note_take,
		.arg = l,
	};
	const bool look = opt->files == NULL && !opt->rates_only; /* at what the configuration names */
	struct conf_tree *tree;
	struct ftp_config *cfg;
	int r = conf_parse(&ftp_language, &in, l->arena, &tree, err);

	if (r < 0)
		return r;
	cfg = conf_merge(tree, FTP_STORE_DAEMON, l->arena, tree->defaults->store[FTP_STORE_DAEMON],
		tree->root, 2, false);
	if (cfg == NULL)
		return err_set(err, ENOMEM, "out of memory while reading the configuration");
	cfg->generation = generation;
	cfg->arena = l->arena;
	cfg->users = 1;
	cfg->live_names = l->live;
	cfg->live_pool = l->live_pool;
	cfg->file = opt->file != NULL ? arena_strdup(l->arena, opt->file) : NULL;
	r = ftp_build(l, tree, cfg);
	if (r == 0 && !opt->rates_only)
		r = ftp_build_preloads(l, tree, cfg);
	if (r < 0)
		return err_set(err, -r, "out of memory while reading the configuration");
	if (look)
		ftp_check_authfiles(l, tree, cfg);
	if (opt->check_only && conf_errors(tree->parser, NULL) == 0)
		ftp_check(l, tree, cfg);
	if (look && conf_errors(tree->parser, NULL) == 0) /* last: it may ask for passphrases */
		ftp_build_tls(l, tree, cfg);
	if (conf_errors(tree->parser, err) > 0) {
		ftp_build_tls_free(cfg);
		return -WE_CONFIG;
	}
	*ret_config = cfg;
	return 0;
}

int ftp_config_load(const struct ftp_config_options *opt, unsigned generation, struct ftp_config **ret_config,
	struct ftp_report *report, struct err *err)
{
	struct ftp_loader l = {.opt = opt, .report = report, .arena = arena_new(64 * 1024, 0)};
	int r;

	l.logfiles_end = &l.logfiles;
	if (opt->text == NULL && (opt->file == NULL || opt->file[0] != '/')) {
		arena_free(l.arena);
		return err_set(err, WE_CONFIG, "the configuration file must be an absolute path");
	}
	r = load(&l, generation, ret_config, err);
	if (r < 0) {
		arena_free(l.arena);
	}
	return r;
}

void ftp_config_free(struct ftp_config *c)
{
	struct ftp_config *loaded;

	if (c == NULL)
		return;
	ftp_build_tls_free(c);
	loaded = c->loaded != NULL ? c->loaded : c;
	if (c != loaded)
		arena_free(c->arena); /* c itself lies in it */
	if (--loaded->users == 0)
		arena_free(loaded->arena);
}

bool ftp_config_shared(const struct ftp_config *c)
{
	return (c->loaded != NULL ? c->loaded : c)->users > 1;
}

static void scope_wipe(struct ftp_scope *s)
{
	for (; s != NULL; s = s->next) {
		struct ftp_user_password *p = s->conf.user_passwords;

		for (; p != NULL; p = (struct ftp_user_password *)p->item.next) {
			char *hash = (char *)p->hash;

			wipe(hash, strlen(hash));
		}
		scope_wipe(s->anons);
		scope_wipe(s->dirs);
	}
}

void ftp_config_wipe_secrets(struct ftp_config *c)
{
	for (unsigned i = 0; i < c->n_servers; i++) {
		scope_wipe(c->servers[i]->scope);
		ftp_layers_wipe(c->servers[i]);
	}
}

int ftp_server_log_fd(const struct ftp_conf *conf)
{
	if (conf->server_log_none)
		return LOG_NOWHERE;
	return conf->server_log != NULL && conf->server_log->fd > 0 ? conf->server_log->fd : 0;
}

/* Is s bound to local: 2 by its address, 1 by a wildcard, 0 not. */
static int binding(const struct ftp_server *s, const struct addr *local)
{
	int best = 0;

	if (s->scope->conf.port == 0 || s->scope->conf.port != addr_port(local))
		return 0;
	for (unsigned i = 0; i < s->n_addrs; i++) {
		if (addr_host_equal(&s->addrs[i], local))
			return 2;
		if (addr_is_any(&s->addrs[i]) && (addr_is_v4(&s->addrs[i]) == addr_is_v4(local)))
			best = 1;
	}
	return best;
}

unsigned ftp_logfile_flags(const struct ftp_logfile *f)
{
	return f->allow_symlink ? LOG_FILE_SYMLINK | LOG_FILE_WRITABLE_DIR : 0;
}

int ftp_logfile_reopen(struct ftp_config *c, unsigned index, int new_fd)
{
	struct ftp_logfile *f = c->logfiles;
	int r;

	while (f != NULL && f->index != index)
		f = f->next;
	if (f == NULL) {
		fd_close(&new_fd);
		return 0;
	}
	r = log_file_replace(f->fd, new_fd);
	if (r < 0)
		return r;
	f->fd = r;
	return 0;
}

const struct ftp_scope *ftp_server_scope(const struct ftp_server *server, unsigned anon)
{
	const struct ftp_scope *a = server->scope->anons;

	if (anon == 0)
		return server->scope;
	for (unsigned at = 1; a != NULL; a = a->next, at++) {
		if ((a->number != 0 ? a->number : at) == anon)
			return a;
	}
	return NULL;
}

const struct ftp_server *ftp_server_find(const struct ftp_config *c, const struct addr *local)
{
	for (int want = 2; want > 0; want--) {
		for (unsigned i = 0; i < c->n_servers; i++) {
			if (binding(c->servers[i], local) == want)
				return c->servers[i];
		}
	}
	for (unsigned i = 0; i < c->n_servers; i++) {
		if (c->servers[i]->is_default && c->servers[i]->scope->conf.port != 0)
			return c->servers[i];
	}
	return NULL;
}

static bool has_name(const struct ftp_server *s, const char *host)
{
	if (str_eq_nocase(s->scope->conf.server_name, host))
		return true;
	for (unsigned i = 0; i < s->n_aliases; i++) {
		if (fnmatch(s->aliases[i], host, FNM_CASEFOLD) == 0)
			return true;
	}
	return false;
}

const struct ftp_server *ftp_server_by_name(
	const struct ftp_config *c, const struct addr *local, const char *host)
{
	for (int want = 2; want > 0; want--) {
		for (unsigned i = 0; i < c->n_servers; i++) {
			if (binding(c->servers[i], local) == want && has_name(c->servers[i], host))
				return c->servers[i];
		}
	}
	return NULL;
}

const struct ftp_class *ftp_class_named(const struct ftp_config *c, const char *name)
{
	const struct ftp_class *cl = c->classes;

	while (cl != NULL && !str_eq(cl->name, name))
		cl = cl->next;
	return cl;
}

bool ftp_class_has(const struct ftp_class *cl, const struct addr *client, const char *client_name)
{
	for (unsigned i = 0; i < cl->n_from; i++) {
		if (ftp_acl_match(cl->from[i], client, client_name) != cl->satisfy_all)
			return !cl->satisfy_all;
	}
	return cl->satisfy_all && cl->n_from > 0;
}

const struct ftp_class *ftp_class_find(
	const struct ftp_config *c, const struct addr *client, const char *client_name)
{
	for (const struct ftp_class *cl = c->classes; cl != NULL; cl = cl->next) {
		if (ftp_class_has(cl, client, client_name))
			return cl;
	}
	return NULL;
}

static int access_load(struct ftp_loader *l, const char *text, size_t len, const char *name,
	const struct ftp_scope *base, struct ftp_scope **ret_scope)
{
	const struct conf_input in = {.name = name,
		.text = text,
		.text_len = len,
		.kind = CONF_KIND_FTPACCESS,
		.lenient = true,
		.getenv = env_find,
		.note = note_take,
		.arg = l};
	struct ftp_scope *s = arena_alloc(l->arena, sizeof(*s));
	struct conf_tree *tree;
	struct ftp_limit **tail;
	const struct ftp_own *own;
	struct ftp_conf *conf;
	int r = conf_parse(&ftp_language, &in, l->arena, &tree, NULL);

	if (r < 0 || s == NULL)
		return r < 0 ? r : -ENOMEM;
	conf = conf_merge(tree, FTP_STORE_CONF, l->arena, &base->conf, tree->root, 5, false);
	if (conf == NULL)
		return -ENOMEM;
	s->kind = CONF_KIND_FTPACCESS;
	s->parent = (struct ftp_scope *)base; /* scopes are not changed through it */
	s->path = base->path;
	s->conf = *conf;
	s->file = name;
	own = tree->root->store[FTP_STORE_OWN];
	s->access_all = own != NULL ? own->access_all : FTP_UNSET;
	s->access_pos = own != NULL ? own->access_pos : (struct conf_pos){NULL, 0};
	tail = &s->limits;
	r = ftp_make_limits(tree, l->arena, tree->root);
	if (r == 0)
		r = ftp_build_limits(l->arena, tree->root, &tail);
	if (r == 0)
		*ret_scope = s;
	return r;
}

int ftp_access_load(struct arena *a, const char *text, size_t len, const char *name,
	const struct ftp_scope *base, const struct log_ctx *ctx, struct ftp_scope **ret_scope)
{
	static const struct ftp_config_options none = {0};
	struct ftp_loader l = {.opt = &none, .ctx = ctx, .arena = a, .access = true};

	if (len > FTP_ACCESS_FILE_MAX)
		return -EFBIG;
	name = arena_strdup(a, name);
	if (name == NULL)
		return -ENOMEM;
	l.logfiles_end = &l.logfiles;
	return access_load(&l, text, len, name, base, ret_scope);
}
