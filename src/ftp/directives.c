/* The language made of all tables, and what their parse functions share. */
#include "ftp/build.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* Only what works: a guard around the directives of another module keeps them out. */
const char *const ftp_modules[] = {"mod_core.c", "mod_auth.c", "mod_auth_file.c", "mod_auth_pam.c",
	"mod_auth_unix.c", "mod_ban.c", "mod_cap.c", "mod_copy.c", "mod_ctrls.c", "mod_deflate.c",
	"mod_delay.c", "mod_digest.c", "mod_facl.c", "mod_facts.c", "mod_ifsession.c", "mod_ifversion.c",
	"mod_lang.c", "mod_load.c", "mod_log.c", "mod_ls.c", "mod_qos.c", "mod_readme.c", "mod_rewrite.c",
	"mod_rlimit.c", "mod_site.c", "mod_site_misc.c", "mod_wherry.c", "mod_xfer.c", "mod_tls.c",
	"mod_tls_shmcache.c", "mod_wrap.c", "mod_wrap2.c", "mod_wrap2_file.c", "mod_xfer_mmap.c", NULL};

static const struct conf_table *const tables[] = {&ftp_table_daemon, &ftp_table_server, &ftp_table_auth,
	&ftp_table_limits, &ftp_table_files, &ftp_table_filters, &ftp_table_lists, &ftp_table_logs,
	&ftp_table_noeffect, &ftp_table_own, &ftp_table_body, &ftp_table_digest, &ftp_table_mmap,
	&ftp_table_tls, &ftp_table_tls_daemon, &ftp_table_foreign, &ftp_table_system, &ftp_table_ban,
	&ftp_table_controls, &ftp_table_wrap, &ftp_table_rewrite};

const struct conf_language ftp_language = {
	.tables = tables,
	.n_tables = ARRAY_LEN(tables),
	.store_size = {[FTP_STORE_CONF] = sizeof(struct ftp_conf),
		[FTP_STORE_OWN] = sizeof(struct ftp_own),
		[FTP_STORE_DAEMON] = sizeof(struct ftp_config),
		[FTP_STORE_BODY] = sizeof(struct ftp_body)},
	.modules = ftp_modules,
	.layers = ftp_layers,
	.version = "1.3.8", /* of the language that existing files were written for, not ours */
	.known = ftp_known,
};

/* One struct for all who name the path. NULL: out of memory. */
static struct ftp_logfile *logfile_get(struct ftp_loader *l, const char *path)
{
	struct ftp_logfile *lf;

	for (lf = l->logfiles; lf != NULL; lf = lf->next) {
		if (str_eq(lf->path, path))
			return lf;
	}
	lf = arena_alloc(l->arena, sizeof(*lf));
	if (lf == NULL)
		return NULL;
	lf->path = path;
	lf->index = l->n_logfiles++;
	lf->fd = -1;
	*l->logfiles_end = lf;
	l->logfiles_end = &lf->next;
	return lf;
}

int ftp_call_logfile(struct conf_call *c, const char *path, struct ftp_logfile **ret_lf)
{
	if (path[0] != '/')
		return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", path);
	*ret_lf = logfile_get(c->arg, path);
	return *ret_lf != NULL ? 0 : err_set(c->err, ENOMEM, "out of memory");
}

int ftp_call_logfile_or_none(struct conf_call *c, struct ftp_logfile **ret_lf)
{
	*ret_lf = NULL;
	return str_eq_nocase(c->args[0], "none") ? 0 : ftp_call_logfile(c, c->args[0], ret_lf);
}

int ftp_call_expr(struct conf_call *c, enum ftp_expr_kind kind, char *const *words, unsigned n,
	const struct ftp_expr **ret_expr)
{
	struct ftp_expr *e;
	int r = ftp_expr_compile(c->arena, kind, words, n, &e, c->err);

	if (r == 0)
		*ret_expr = e;
	return r;
}

const char *ftp_call_joined(struct conf_call *c, unsigned from)
{
	const char *s = from < c->n_args ? c->args[from] : "";

	for (unsigned i = from + 1; s != NULL && i < c->n_args; i++)
		s = arena_printf(c->arena, "%s %s", s, c->args[i]);
	return s;
}

int ftp_call_xfer_commands(struct conf_call *c, const char *list, unsigned *ret_bits)
{
	static const struct conf_word words[] = {{"APPE", FTP_XFER_APPE}, {"RETR", FTP_XFER_RETR},
		{"STOR", FTP_XFER_STOR}, {"STOU", FTP_XFER_STOU}, {NULL, 0}};
	char *copy = arena_strdup(c->arena, list), *save = NULL;

	*ret_bits = 0;
	if (copy == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	for (char *w = strtok_r(copy, ", \t", &save); w != NULL; w = strtok_r(NULL, ", \t", &save)) {
		int v, r = conf_word_value(words, w, &v, c->err);

		if (r < 0)
			return r;
		*ret_bits |= (unsigned)v;
	}
	return *ret_bits != 0 ? 0 : err_set(c->err, WE_CONFIG, "empty list of commands");
}

int ftp_call_selector(struct conf_call *c, unsigned from, bool any, struct ftp_selector *ret_sel)
{
	static const struct conf_word words[] = {
		{"user", FTP_EXPR_USER}, {"group", FTP_EXPR_GROUP}, {"class", FTP_EXPR_CLASS}, {NULL, 0}};
	struct ftp_expr *e;
	int v, r = conf_word_value(words, c->args[from], &v, c->err);

	if (r < 0)
		return r;
	if (from + 1 >= c->n_args)
		return err_set(c->err, WE_CONFIG, "wrong number of parameters: '%s' without an expression",
			c->args[from]);
	ret_sel->kind = (enum ftp_expr_kind)v;
	r = ftp_expr_compile(c->arena, ret_sel->kind, c->args + from + 1, c->n_args - from - 1, &e, c->err);
	if (r < 0)
		return r;
	if (any)
		ftp_expr_any(e);
	ret_sel->expr = e;
	ret_sel->present = true;
	return 0;
}

/* Addresses of a network interface. How many, 0 when there is no such interface. */
static int interface_addrs(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	struct ifaddrs *list;
	unsigned n = 0;

	if (strlen(name) >= IFNAMSIZ || getifaddrs(&list) < 0)
		return 0;
	for (struct ifaddrs *i = list; i != NULL && n < max; i = i->ifa_next) {
		socklen_t len = sizeof(struct sockaddr_in);

		if (i->ifa_addr == NULL || !str_eq(i->ifa_name, name) ||
			(family != AF_UNSPEC && i->ifa_addr->sa_family != family))
			continue;
		if (i->ifa_addr->sa_family == AF_INET6) {
			len = sizeof(struct sockaddr_in6);
			if (IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr))
				continue;
		}
		if (addr_from_sockaddr(i->ifa_addr, len, &ret_addrs[n]) == 0)
			n++;
	}
	freeifaddrs(list);
	return (int)n;
}

static int host_addrs(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list;
	unsigned n = 0;

	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		return -ENOENT;
	for (struct addrinfo *i = list; i != NULL && n < max; i = i->ai_next) {
		struct addr a;
		bool seen = false;

		if (addr_from_sockaddr(i->ai_addr, i->ai_addrlen, &a) < 0)
			continue;
		for (unsigned k = 0; k < n; k++)
			seen |= addr_host_equal(&a, &ret_addrs[k]);
		if (!seen)
			ret_addrs[n++] = a;
	}
	freeaddrinfo(list);
	return n > 0 ? (int)n : -ENOENT;
}

int ftp_resolve_name(const char *name, int family, struct addr *ret_addrs, unsigned max)
{
	int r = interface_addrs(name, family, ret_addrs, max);

	return r > 0 ? r : host_addrs(name, family, ret_addrs, max);
}

int ftp_resolve(struct ftp_loader *l, const char *name, struct addr *ret_addrs, unsigned max)
{
	size_t n = strlen(name);

	if (n == 0 || max == 0)
		return -ENOENT;
	if (addr_parse(name, 0, ret_addrs) == 0)
		return 1;
	if (n > 2 && n < 64 && name[0] == '[' && name[n - 1] == ']') {
		char inner[64];

		memcpy(inner, name + 1, n - 2);
		inner[n - 2] = '\0';
		return addr_parse(inner, 0, ret_addrs) == 0 ? 1 : -ENOENT;
	}
	if (l->opt->resolve != NULL)
		return l->opt->resolve(name, l->opt->family, ret_addrs, max);
	return ftp_resolve_name(name, l->opt->family, ret_addrs, max);
}

static bool same_name(const char *a, const char *b)
{
	return a != NULL && str_eq(a, b);
}

/* The address that the generation in use has for a name that does not resolve now. */
static bool old_masquerade(const struct ftp_loader *l, const char *name, struct addr *ret_a)
{
	for (unsigned i = 0; l->opt->old != NULL && i < l->opt->old->n_servers; i++) {
		const struct ftp_conf *conf = &l->opt->old->servers[i]->scope->conf;

		if (same_name(conf->masquerade_name, name))
			*ret_a = conf->masquerade;
		else if (same_name(conf->tls_masquerade_name, name))
			*ret_a = conf->tls_masquerade;
		else
			continue;
		return true;
	}
	return false;
}

int ftp_call_masquerade(
	struct conf_call *c, const char **ret_name, struct addr *ret_a, const struct ftp_live **ret_live)
{
	struct ftp_loader *l = c->arg;
	struct addr found[16], literal;
	int n = ftp_resolve(l, c->args[0], found, ARRAY_LEN(found));

	*ret_name = c->args[0];
	*ret_live = NULL;
	if (addr_parse(c->args[0], 0, &literal) < 0 && c->args[0][0] != '[') {
		*ret_live = ftp_live_slot(l, c->args[0], c->err);
		if (*ret_live == NULL && l->live_pool != NULL)
			return c->err->code;
		if (*ret_live == NULL)
			conf_warn(c->parser, &c->pos, c->row->name, "'%.200s' is not looked up again: %s",
				c->args[0], c->err->text);
	}
	for (int i = 0; i < n; i++) { /* PASV can tell IPv4 only */
		if (i == 0 || (addr_is_v4(&found[i]) && !addr_is_v4(ret_a)))
			*ret_a = found[i];
	}
	if (n > 0)
		return 0;
	ret_a->sa.sa_family = AF_UNSPEC;
	if (!l->opt->reload)
		return err_set(c->err, WE_CONFIG, "cannot resolve '%.200s'", c->args[0]);
	conf_warn(c->parser, &c->pos, c->row->name, "cannot resolve '%.200s', %s", c->args[0],
		old_masquerade(l, c->args[0], ret_a) ? "keeping the address it had"
						     : "using the local address");
	return 0;
}
