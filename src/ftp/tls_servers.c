#include "ftp/tls_servers.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "ftp/build.h"
#include "ftp/keys.h"

/* --- loading, in master --- */

struct load {
	struct ftp_loader *l;
	const struct conf_tree *tree;
	const struct ftp_server *server;
};

/* The server's own section: those of servers are known by their place. */
static const struct conf_section *section_of(const struct conf_tree *tree, const struct ftp_server *s)
{
	const struct conf_section *v = tree->root->children;

	if (s->index == 0)
		return tree->root;
	while (v != NULL &&
		(v->kind != CONF_KIND_VHOST || v->line != s->scope->line || !str_eq(v->file, s->scope->file)))
		v = v->next;
	return v;
}

/* Where the server, or <Global>, says that. */
static struct conf_pos position(const struct load *ld, const char *directive)
{
	const struct conf_section *own = section_of(ld->tree, ld->server);
	struct conf_pos pos = {0};

	if (own != NULL)
		pos = conf_where(ld->tree, own, directive);
	if (pos.file == NULL && ld->tree->global != NULL)
		pos = conf_where(ld->tree, ld->tree->global, directive);
	return pos;
}

/* Where the directive stands that names the file of a message, and which it is; else the server. */
static struct conf_pos where(const struct load *ld, const char *text, const char **ret_directive)
{
	const struct tls_config *c = &ld->server->scope->conf.tls;
	const struct {
		const char *directive, *path;
	} files[] = {{"TLSCipherSuite", "TLSCipherSuite"}, {"TLSECDHCurve", "TLSECDHCurve"},
		{"TLSRSACertificateKeyFile", c->rsa_key}, {"TLSRSACertificateFile", c->rsa_cert},
		{"TLSECCertificateKeyFile", c->ec_key}, {"TLSECCertificateFile", c->ec_cert},
		{"TLSPKCS12File", c->pkcs12}, {"TLSCertificateChainFile", c->chain},
		{"TLSCACertificateFile", c->ca_file}, {"TLSCACertificatePath", c->ca_path},
		{"TLSCARevocationFile", c->crl_file}, {"TLSCARevocationPath", c->crl_path},
		{"TLSDHParamFile", c->dh_file}, {"TLSStapling", "OCSP"}};
	struct conf_pos pos = {0};

	*ret_directive = "TLSEngine";
	for (size_t i = 0; i < ARRAY_LEN(files) && pos.file == NULL; i++) {
		if (files[i].path == NULL || strstr(text, files[i].path) == NULL)
			continue;
		*ret_directive = files[i].directive;
		pos = position(ld, files[i].directive);
	}
	if (pos.file == NULL)
		pos = position(ld, "TLSEngine");
	return pos.file != NULL ? pos : (struct conf_pos){ld->server->scope->file, ld->server->scope->line};
}

static void warn(void *arg, const char *text)
{
	const struct load *ld = arg;
	const char *directive;
	struct conf_pos pos = where(ld, text, &directive);

	conf_warn(ld->tree->parser, &pos, directive, "%s", text);
}

/* "name:port", as the passphrase program gets it. */
static void server_name(const struct ftp_server *s, char *text, size_t size)
{
	const char *name = s->scope->conf.server_name;

	(void)snprintf(text, size, "%s:%u", name != NULL && strchr(name, ' ') == NULL ? name : s->fqdn,
		s->scope->conf.port); /* cut when too long */
}

static void how_to_load(const struct ftp_config *cfg, const struct ftp_server *s, char *name, size_t size,
	struct tls_load *ret_how)
{
	server_name(s, name, size);
	*ret_how = (struct tls_load){.server_name = name,
		.passphrase_program = cfg->tls_passphrase_program,
		.first_key = s->tls_first_key};
}

/* Servers with the same files have the same keys. */
static bool share(const struct ftp_config *cfg, struct ftp_server *s)
{
	for (unsigned i = 0; i < s->index; i++) {
		const struct ftp_server *o = cfg->servers[i];

		if (o->tls == NULL || !tls_config_same_files(&o->scope->conf.tls, &s->scope->conf.tls))
			continue;
		s->tls = tls_material_ref(o->tls);
		s->tls_first_key = o->tls_first_key;
		return true;
	}
	return false;
}

bool ftp_tls_owns(const struct ftp_server *s)
{
	return s->tls != NULL && s->tls_first_key == s->index * TLS_KEYS;
}

/* Would a context come of it? What is wrong with ciphers is better said now than to a client. */
static void context_try(const struct load *ld, const struct tls_config *conf)
{
	static const struct tls_signer nobody = {0};
	struct tls_context *ctx = NULL;
	struct err err = ERR_INIT;

	if (tls_context_new(conf, ld->server->tls, TLS_CONTROL, &nobody, &ctx, &err) < 0) {
		const char *directive;
		struct conf_pos pos = where(ld, err.text, &directive);

		conf_fail(ld->tree->parser, &pos, directive, "%s", err.text);
	}
	tls_context_unref(&ctx);
}

static void server_load(
	struct ftp_loader *l, const struct conf_tree *tree, struct ftp_config *cfg, struct ftp_server *s)
{
	const struct tls_config *conf = &s->scope->conf.tls;
	struct load ld = {l, tree, s};
	struct tls_load how;
	struct err err = ERR_INIT;
	const char *directive;
	struct conf_pos pos;
	char name[300];

	if (!conf->engine)
		return;
	if (!tls_config_has_cert(conf)) {
		pos = where(&ld, "", &directive);
		conf_warn(tree->parser, &pos, directive,
			"there is no certificate, so clients cannot use TLS; server");
		return;
	}
	s->tls_first_key = s->index * TLS_KEYS;
	if (!share(cfg, s)) {
		how_to_load(cfg, s, name, sizeof(name), &how);
		how.warn = warn;
		how.arg = &ld;
		if (tls_material_load(conf, &how, &s->tls, &err) < 0) {
			pos = where(&ld, err.text, &directive);
			conf_fail(tree->parser, &pos, directive, "%s", err.text);
			return;
		}
	}
	context_try(&ld, conf);
}

void ftp_build_tls(struct ftp_loader *l, const struct conf_tree *tree, struct ftp_config *cfg)
{
	for (unsigned i = 0; i < cfg->n_servers; i++)
		server_load(l, tree, cfg, cfg->servers[i]);
}

void ftp_build_tls_free(struct ftp_config *cfg)
{
	for (unsigned i = 0; i < cfg->n_servers; i++) {
		if (cfg->servers[i] != NULL)
			tls_material_unref(&cfg->servers[i]->tls);
	}
}

/* --- loading again, in master --- */

struct renewal {
	const struct log_ctx *log;
	const struct ftp_server *server;
};

static void renewal_warn(void *arg, const char *text)
{
	const struct renewal *rn = arg;

	log_warn(rn->log, "server '%s': %s", rn->server->scope->conf.server_name, text);
}

static int server_renew(
	struct ftp_config *cfg, struct ftp_server *s, const struct log_ctx *log, struct err *err)
{
	static const struct tls_signer nobody = {0};
	const struct tls_config *conf = &s->scope->conf.tls;
	struct renewal rn = {log, s};
	struct tls_context *ctx = NULL;
	struct tls_load how;
	char name[300];
	int r = 0;

	s->tls_first_key = s->index * TLS_KEYS;
	if (!share(cfg, s)) {
		how_to_load(cfg, s, name, sizeof(name), &how);
		how.warn = renewal_warn;
		how.arg = &rn;
		r = tls_material_load(conf, &how, &s->tls, err);
	}
	if (r == 0)
		r = tls_context_new(conf, s->tls, TLS_CONTROL, &nobody, &ctx, err);
	tls_context_unref(&ctx);
	return r;
}

static struct ftp_server *server_copy(struct arena *a, const struct ftp_server *from)
{
	struct ftp_server *s = arena_alloc(a, sizeof(*s));
	struct ftp_conditional *c;

	*s = *from;
	s->tls = NULL;
	if (from->conditional != NULL) {
		c = arena_alloc(a, sizeof(*c));
		*c = *from->conditional;
		c->base = s;
		s->conditional = c;
	}
	return s;
}

int ftp_tls_renew(struct ftp_config *c, unsigned generation, const struct log_ctx *log,
	struct ftp_config **ret_c, struct err *err)
{
	struct arena *a = arena_new(8192, 0);
	struct ftp_config *n = arena_alloc(a, sizeof(*n));
	int r = 0;

	*n = *c;
	n->arena = a;
	n->generation = generation;
	n->loaded = c->loaded != NULL ? c->loaded : c;
	n->loaded->users++;
	n->servers = arena_alloc(a, c->n_servers * sizeof(*n->servers));
	for (unsigned i = 0; i < c->n_servers; i++)
		n->servers[i] = server_copy(a, c->servers[i]);
	for (unsigned i = 0; i < c->n_servers && r == 0; i++) {
		if (c->servers[i]->tls != NULL)
			r = server_renew(n, n->servers[i], log, err);
	}
	if (r < 0)
		ftp_config_free(n);
	else
		*ret_c = n;
	return r;
}

/* --- in the other processes --- */

bool ftp_tls_wanted(const struct ftp_config *c)
{
	for (unsigned i = 0; i < c->n_servers; i++) {
		if (c->servers[i]->tls != NULL)
			return true;
	}
	return false;
}

static bool kernel_wanted(const struct ftp_config *c)
{
	for (unsigned i = 0; i < c->n_servers; i++) {
		const struct tls_config *tls = &c->servers[i]->scope->conf.tls;

		if (c->servers[i]->tls != NULL && tls->offload != TLS_OFFLOAD_OFF &&
			(tls->options & TLS_OPT_NO_KTLS) == 0)
			return true;
	}
	return false;
}

/* TCP_ULP is looked up, and its module loaded, before anybody asks whether the socket is connected. */
void ftp_tls_kernel_start(const struct ftp_config *c, const struct log_ctx *log)
{
	int fd, error = 0;

	if (!kernel_wanted(c))
		return;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return; /* who listens says so */
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) < 0)
		error = errno;
	(void)close(fd);
	if (error != 0 && error != ENOTCONN)
		log_info(log, "no kernel TLS here (module tls): %s", err_text(error));
}

struct tls_keys *ftp_tls_keys(const struct ftp_config *c, const struct log_ctx *log)
{
	struct tls_keys *keys = ftp_tls_wanted(c) ? tls_keys_new() : NULL;

	for (unsigned i = 0; i < c->n_servers; i++) {
		const struct ftp_server *s = c->servers[i];
		struct err err = ERR_INIT;
		struct tls_load how;
		char name[300];

		if (!ftp_tls_owns(s))
			continue;
		how_to_load(c, s, name, sizeof(name), &how);
		if (tls_keys_load(keys, &s->scope->conf.tls, &how, &err) < 0)
			log_err(log, "%s; clients cannot use TLS with '%s'", err.text, name);
	}
	return keys;
}

#define ROLES 3
static struct {
	pthread_mutex_t lock;
	unsigned n;
	struct tls_context **v; /* of servers, by role */
} contexts = {.lock = PTHREAD_MUTEX_INITIALIZER};

void ftp_tls_start(const struct ftp_config *c, enum ipc_role self)
{
	if (!ftp_tls_wanted(c))
		return;
	tls_init();
	ftp_keys_init(self);
	contexts.n = c->n_servers;
	contexts.v = xcalloc((size_t)contexts.n * ROLES, sizeof(struct tls_context *));
}

int ftp_tls_context(const struct ftp_config *c, unsigned server, enum tls_role role,
	struct tls_context **ret_ctx, struct err *err)
{
	struct tls_context **place;
	int r = 0;

	if (server >= contexts.n || c->servers[server]->tls == NULL)
		return err_set(err, ENOENT, "the server has no TLS");
	place = &contexts.v[(size_t)server * ROLES + role];
	pthread_mutex_lock(&contexts.lock);
	if (*place == NULL)
		r = tls_context_new(&c->servers[server]->scope->conf.tls, c->servers[server]->tls, role,
			ftp_keys_signer(), place, err);
	*ret_ctx = *place;
	pthread_mutex_unlock(&contexts.lock);
	return r;
}

void ftp_tls_stop(void)
{
	for (unsigned i = 0; i < contexts.n * ROLES; i++)
		tls_context_unref(&contexts.v[i]);
	free(contexts.v);
	contexts.v = NULL;
	contexts.n = 0;
}
