#include "master/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/backend.h"
#include "auth/decide.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "ftp/policy.h"
#include "ftp/variant.h"
#include "ftp/verb.h"
#include "ipc/ctl.h"
#include "master/ban.h"
#include "master/sandbox.h"
#include "vfs/vfs.h"

#define HIDDEN_MAX 256 /* names in HideUser and in HideGroup that are known */

/* Names in HideUser or HideGroup, looked up while that is possible. */
struct hidden_names {
	const char *name[HIDDEN_MAX];
	unsigned id[HIDDEN_MAX], n;
};

struct question {
	const struct ftp_config *config;
	struct bans *bans; /* may be NULL */
	struct hidden_names hidden_users, hidden_groups;
	struct buf data; /* data lines so far; the verdict comes before them */
	struct arena *arena;
	char user[256], host[256], arg[VFS_PATH_SIZE], command[64];
	struct addr client;
	const struct ftp_server *server;
	struct ipc_grant grant;
	struct ftp_subject who;
	const struct ftp_scope *top;
	struct vfs_root *root;
	struct policy_env env;
	char real[VFS_PATH_SIZE]; /* the vpath that the rules are asked about */
	bool exists;
};

/* What decided; file NULL: no line did. */
struct finding {
	bool allowed;
	const char *why, *file;
	unsigned line;
};

static void say(struct question *q, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct question *q, const char *key, const char *fmt, ...)
{
	char text[2 * VFS_PATH_SIZE + 256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)ctl_data(&q->data, key, text); /* a full answer is cut */
}

/* --- who asks, and where --- */

static const struct ftp_server *server_named(const struct ftp_config *c, const char *name)
{
	const char *colon = strrchr(name, ':');
	uint64_t port = 0;
	struct addr a;
	char host[256];

	for (unsigned i = 0; i < c->n_servers; i++) {
		const struct ftp_server *s = c->servers[i];

		if (str_eq(s->scope->conf.server_name, name))
			return s;
		for (unsigned k = 0; k < s->n_aliases; k++)
			if (str_eq_nocase(s->aliases[k], name))
				return s;
	}
	if (addr_parse(name, c->servers[0]->scope->conf.port, &a) == 0)
		return ftp_server_find(c, &a);
	if (colon == NULL || (size_t)(colon - name) >= sizeof(host) || str_to_u64(colon + 1, &port) < 0 ||
		port > 65535)
		return NULL;
	memcpy(host, name, (size_t)(colon - name));
	host[colon - name] = '\0';
	if (host[0] == '[' && colon[-1] == ']') {
		host[colon - name - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	return addr_parse(host, (uint16_t)port, &a) == 0 ? ftp_server_find(c, &a) : NULL;
}

/* An address, or a name that has one. */
static int client_of(const char *host, struct addr *ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int r = addr_parse(host, 0, ret);

	if (r == 0)
		return 0;
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return -ENOENT;
	r = addr_from_sockaddr(list->ai_addr, list->ai_addrlen, ret);
	freeaddrinfo(list);
	return r;
}

/* 0, or negative with the answer given. */
static int question_read(struct question *q, char *const *word, unsigned count, struct buf *out)
{
	const char *at = strrchr(word[0], '@');

	if (count < 3 || count > 4 || at == NULL || (size_t)(at - word[0]) >= sizeof(q->user)) {
		(void)ctl_reply(out, false, "usage: explain USER@HOST PATH COMMAND [SERVER]");
		return -EINVAL;
	}
	memcpy(q->user, word[0], (size_t)(at - word[0]));
	(void)str_copy(q->host, sizeof(q->host), at + 1);
	(void)str_copy(q->arg, sizeof(q->arg), word[1]);
	(void)str_copy(q->command, sizeof(q->command), word[2]);
	for (char *p = q->command; *p != '\0'; p++)
		*p = *p == ' ' ? '_' : ascii_upper(*p);
	if (!str_eq(q->command, "LOGIN") && verb_find_limit(q->command) == NULL) {
		(void)ctl_reply(out, false,
			"'%s' is no command of this server (SITE CHMOD is written SITE_CHMOD)", word[2]);
		return -EINVAL;
	}
	if (client_of(q->host, &q->client) < 0) {
		(void)ctl_reply(out, false, "'%s' is no address and no name that has one", q->host);
		return -EINVAL;
	}
	q->server = count == 4 ? server_named(q->config, word[3]) : q->config->servers[0];
	if (q->server == NULL) {
		(void)ctl_reply(out, false, "no server is called '%s'", word[3]);
		return -EINVAL;
	}
	return 0;
}

static void fill_who(struct question *q)
{
	char *names = arena_strdup(q->arena, q->grant.group_names);
	const char **list = arena_alloc(q->arena, ipc_group_names_most(names) * sizeof(*list));

	q->who = (struct ftp_subject){.user = q->grant.user,
		.groups = list,
		.n_groups = ipc_group_names(names, list),
		.class_name = q->grant.class_name[0] != '\0' ? q->grant.class_name : NULL,
		.client = &q->client,
		.arg = q->arg,
		.authenticated = true};
}

static void say_user(struct question *q)
{
	struct buf names;

	buf_init(&names, IPC_GROUP_NAMES_MAX * 2);
	for (unsigned i = 0; i < q->who.n_groups; i++) /* all fit: one more byte for each */
		(void)buf_printf(&names, "%s%s", i > 0 ? ", " : "", q->who.groups[i]);
	say(q, "user", "%s (uid %u, gid %u), groups %s", q->grant.user, q->grant.uid, q->grant.gid,
		names.data != NULL ? names.data : "");
	buf_done(&names);
}

static struct finding from_verdict(const struct policy_verdict *v)
{
	return (struct finding){v->allowed, v->why, v->file, v->line};
}

/* user, class_name: NULL = not known yet. True: banned. */
static bool is_banned(struct question *q, const char *user, const char *class_name, struct finding *ret_f)
{
	const struct ban_subject who = {.host = &q->client, .user = user, .class_name = class_name};
	const uint64_t now = clock_ms();
	const struct ban *ban = q->bans != NULL ? bans_find(q->bans, &who, now) : NULL;
	char what[100];

	if (ban == NULL)
		return false;
	*ret_f = (struct finding){false,
		arena_printf(q->arena, "%s '%s' is banned (%s)", ban_kind_name(ban->kind), ban->name,
			ban_describe(ban, now, what, sizeof(what))),
		NULL, 0};
	return true;
}

/* May the user log in at all? Fills the grant. */
static struct finding login_finding(struct question *q)
{
	struct decide_context ctx = {.config = q->config, .can_switch_uid = geteuid() == 0};
	struct ipc_auth_request req = {
		.server = q->server->index, .user = q->user, .password = "", .client = q->client};
	const struct ftp_class *class;
	struct policy_verdict v;
	struct addr literal;
	struct finding f;
	char *what = arena_alloc(q->arena, 256);
	int r;

	req.client_name = str_eq(q->host, "") || addr_parse(q->host, 0, &literal) == 0 ? "" : q->host;
	if (q->server->n_addrs > 0)
		req.local = q->server->addrs[0];
	else
		(void)addr_parse("0.0.0.0", 0, &req.local); /* it is one */
	addr_set_port(&req.local, q->server->scope->conf.port);
	class = ftp_class_find(q->config, &q->client, req.client_name[0] != '\0' ? req.client_name : NULL);
	say(q, "server", "%s, port %u (%s:%u)", q->server->scope->conf.server_name,
		(unsigned)q->server->scope->conf.port,
		q->server->scope->file != NULL ? q->server->scope->file : "-", q->server->scope->line);
	say(q, "class", "%s", class != NULL ? class->name : "none");
	q->who = (struct ftp_subject){.client = &q->client,
		.client_name = req.client_name[0] != '\0' ? req.client_name : NULL,
		.class_name = class != NULL ? class->name : NULL};
	if (is_banned(q, NULL, q->who.class_name, &f))
		return f;
	if (!policy_login_connect(&q->who, ftp_server_for(q->server, &q->who, false, q->arena)->scope, &v))
		return from_verdict(&v);
	r = decide_explain(&ctx, &req, q->arena, &q->grant, what, 256);
	if (r != 0)
		return (struct finding){false, what, NULL, 0};
	fill_who(q);
	if (req.client_name[0] != '\0')
		q->who.client_name = q->host;
	q->server = ftp_server_for(q->server, &q->who, true, q->arena);
	q->top = ftp_server_scope(q->server, q->grant.anon);
	if (q->top == NULL)
		return (struct finding){false, "the <Anonymous> section does not exist", NULL, 0};
	say_user(q);
	if (q->grant.anon != 0)
		say(q, "anonymous", "<Anonymous %s> (%s:%u)", q->top->path, q->top->file, q->top->line);
	say(q, "root", "%s", q->grant.root);
	if (is_banned(q, q->grant.user, q->who.class_name, &f))
		return f;
	(void)policy_login(&q->who, q->top, &v);
	return from_verdict(&v);
}

/* --- the place --- */

/* The rest is done with the user's rights. */
static int become_user(struct question *q, struct err *err)
{
	struct sandbox_identity id = {
		q->grant.uid, q->grant.gid, (const gid_t *)q->grant.groups.v, q->grant.groups.n};
	int r;

	if (geteuid() != 0)
		return q->grant.uid == geteuid() ? 0
						 : err_set(err, EPERM, "the server cannot become that user");
	r = sandbox_switch(&id, err);
	return r < 0 ? r : sandbox_drop_caps(0, err);
}

/* The last component is meant, not what a link points to. */
static bool names_link(const char *command)
{
	static const char *const of[] = {"DELE", "MKD", "XMKD", "RMD", "XRMD", "RNFR", "RNTO", "SITE_RMDIR",
		"SITE_MKDIR", "SITE_SYMLINK", "SITE_COPY", "SITE_CPTO"};

	for (size_t i = 0; i < ARRAY_LEN(of); i++)
		if (str_eq(of[i], command))
			return true;
	return false;
}

static int find_place(struct question *q, struct err *err)
{
	char cwd[VFS_PATH_SIZE] = "/", vpath[VFS_PATH_SIZE], host[2 * VFS_PATH_SIZE];
	unsigned flags = VFS_MISSING_OK | (names_link(q->command) ? VFS_NOFOLLOW : 0);
	size_t n;
	int r = vfs_root_open(q->grant.root, 0, &q->root, err);

	if (r < 0)
		return r;
	q->env = (struct policy_env){q->grant.home, q->grant.anon != 0 ? q->root->path : NULL};
	n = str_eq(q->grant.root, "/") ? 0 : strlen(q->grant.root);
	if (strncmp(q->grant.chdir, q->grant.root, n) == 0 && q->grant.chdir[n] == '/')
		(void)vfs_path_resolve("/", q->grant.chdir + n, cwd); /* too long: it stays "/" */
	if (vfs_path_resolve(cwd, q->arg, vpath) < 0)
		return err_set(err, ENAMETOOLONG, "the path is too long");
	r = vfs_realpath(q->root, vpath, flags, q->real);
	if (r < 0) {
		(void)str_copy(q->real, sizeof(q->real), vpath);
		say(q, "note", "the path cannot be looked up (%s): links in it are not resolved",
			strerror(-r));
	}
	q->exists = r >= 0 && vfs_access(q->root, q->real, F_OK, VFS_NOFOLLOW) == 0;
	(void)vfs_host_text(q->root, q->real, host, sizeof(host));
	say(q, "path", "%s%s", host, q->exists ? "" : " (does not exist)");
	return 0;
}

/* The .ftpaccess in dir over base: its scope, or base. */
static const struct ftp_scope *access_apply(struct question *q, const char *dir, const struct ftp_scope *base)
{
	char file[VFS_PATH_SIZE + 16], host[2 * VFS_PATH_SIZE], *text;
	struct log_ctx log = {0};
	struct ftp_scope *scope = NULL;
	auto_fd int fd = -1;
	size_t len;

	if ((size_t)snprintf(file, sizeof(file), "%s/.ftpaccess", dir[1] != '\0' ? dir : "") >= VFS_PATH_SIZE)
		return base;
	fd = vfs_open(q->root, file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, VFS_NOLINKS);
	if (fd < 0 || fd_read_all(fd, FTP_ACCESS_FILE_MAX, &text, &len) < 0)
		return base;
	(void)vfs_host_text(q->root, file, host, sizeof(host));
	if (ftp_access_load(q->arena, text, len, arena_strdup(q->arena, host), base, &log, &scope) < 0)
		scope = NULL;
	free(text);
	if (scope == NULL)
		return base;
	say(q, "ftpaccess", "%s", host);
	return scope;
}

/* What applies to q->real; *ret_access: the innermost .ftpaccess, NULL = none. */
static const struct ftp_scope *find_scope(struct question *q, const struct ftp_scope **ret_access)
{
	char host[2 * VFS_PATH_SIZE], dir[VFS_PATH_SIZE];
	const struct ftp_scope *base, *scope;

	base = scope =
		policy_scope_for_path(q->top, &q->env, vfs_host_text(q->root, q->real, host, sizeof(host)));
	if (base->kind == CONF_KIND_DIRECTORY)
		say(q, "directory", "<Directory %s> (%s:%u)", base->path, base->file, base->line);
	else
		say(q, "directory", "none: the values are those of the %s",
			base->kind == CONF_KIND_ANONYMOUS ? "<Anonymous>" : "server");
	if (base->conf.allow_override) {
		scope = access_apply(q, "/", scope);
		for (size_t i = 1; q->real[1] != '\0' && i <= strlen(q->real); i++) {
			if (q->real[i] != '/' && q->real[i] != '\0')
				continue;
			memcpy(dir, q->real, i);
			dir[i] = '\0';
			scope = access_apply(q, dir, scope);
		}
	}
	*ret_access = scope != base ? scope : NULL;
	return scope;
}

/* --- the answer --- */

/* Adds the names of a list, and their numbers. */
static void hidden_collect(const struct ftp_conf *conf, const struct ftp_hide_name *list,
	enum auth_id_kind kind, struct hidden_names *to)
{
	struct auth_order order;

	auth_order_read(conf, &order);
	for (; list != NULL; list = (const struct ftp_hide_name *)list->item.next)
		for (size_t i = 0; i < order.n && to->n < HIDDEN_MAX; i++) {
			const struct auth_backend *b = order.v[i].backend;

			if (b->id_of == NULL || !b->id_of(conf, kind, list->name, &to->id[to->n]))
				continue;
			to->name[to->n++] = list->name;
			break;
		}
}

/* Before this process becomes the user, who may not read the files of accounts. */
static void hidden_look_up(struct question *q)
{
	const struct ftp_conf *conf = &q->top->conf;

	hidden_collect(conf, conf->hide_users, AUTH_USER_ID, &q->hidden_users);
	hidden_collect(conf, conf->hide_groups, AUTH_GROUP_ID, &q->hidden_groups);
	for (const struct ftp_scope *d = q->top->dirs; d != NULL; d = d->next) {
		hidden_collect(conf, d->conf.hide_users, AUTH_USER_ID, &q->hidden_users);
		hidden_collect(conf, d->conf.hide_groups, AUTH_GROUP_ID, &q->hidden_groups);
	}
}

/* The name in a rule that is this number's, or NULL. */
static const char *hidden_name(const struct hidden_names *names, unsigned id)
{
	for (unsigned i = 0; i < names->n; i++)
		if (names->id[i] == id)
			return names->name[i];
	return NULL;
}

/* The directive that hides the place in listings, or NULL. As session/hide.c. */
static const char *hidden(const struct question *q, const struct ftp_conf *conf)
{
	struct policy_hide h;
	struct statx st;
	int need;

	if (!policy_hide_init(&h, conf, &q->who) || q->real[1] == '\0')
		return NULL;
	if (policy_hides_name(&h, vfs_path_base(q->real)))
		return "HideFiles";
	if (!q->exists || vfs_stat(q->root, q->real, VFS_NOFOLLOW,
				  STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID, &st) < 0)
		return NULL;
	if (h.n_users > 0 &&
		policy_hides_user(&h, hidden_name(&q->hidden_users, st.stx_uid), st.stx_uid == geteuid()))
		return "HideUser";
	if (h.n_groups > 0 &&
		policy_hides_group(&h, hidden_name(&q->hidden_groups, st.stx_gid), st.stx_gid == getegid()))
		return "HideGroup";
	need = S_ISDIR(st.stx_mode) ? X_OK : S_ISREG(st.stx_mode) ? R_OK : F_OK;
	return h.no_access && need != F_OK && vfs_access(q->root, q->real, need, VFS_NOFOLLOW) == -EACCES
		       ? "HideNoAccess"
		       : NULL;
}

static bool one_of(const char *command, const char *const *list)
{
	for (; *list != NULL; list++)
		if (str_eq(*list, command))
			return true;
	return false;
}

static const char *const stores[] = {"STOR", "STOU", "APPE", NULL};
static const char *const lists[] = {"LIST", "NLST", "MLSD", "MLST", "STAT", NULL};

static struct finding command_finding(
	struct question *q, const struct ftp_scope *scope, const struct ftp_scope *access)
{
	const struct ftp_verb *verb = verb_find_limit(q->command);
	char host[2 * VFS_PATH_SIZE];
	const char *hider;
	struct policy_verdict v;
	struct finding f;

	(void)vfs_host_text(q->root, q->real, host, sizeof(host));
	if (!policy_check(&q->who, q->top, &q->env, host, access, q->command, &v))
		return from_verdict(&v);
	f = from_verdict(&v);
	if (!policy_arg_allowed(&scope->conf, q->arg, &v) ||
		((verb->flags & VERB_NAMES) != 0 && !policy_name_allowed(&scope->conf, q->real, &v)))
		return from_verdict(&v);
	if (access != NULL) { /* what only it names; its lines come from the user, and so do the rights */
		hidden_collect(&q->top->conf, scope->conf.hide_users, AUTH_USER_ID, &q->hidden_users);
		hidden_collect(&q->top->conf, scope->conf.hide_groups, AUTH_GROUP_ID, &q->hidden_groups);
	}
	hider = hidden(q, &scope->conf);
	if (hider != NULL) {
		say(q, "hidden", "%s hides it in listings", hider);
		if (policy_ignores_hidden(q->top, &q->env, host, access, q->command))
			return (struct finding){false,
				arena_printf(q->arena, "%s hides it, and IgnoreHidden is on", hider), NULL,
				0};
	}
	if ((verb->flags & VERB_NOT_IMPLEMENTED) != 0)
		return (struct finding){false, "the command is not implemented", NULL, 0};
	if (q->exists && one_of(q->command, (const char *const[]){"STOR", "RNTO", NULL}) &&
		!scope->conf.allow_overwrite)
		return (struct finding){false, "the file exists and AllowOverwrite is off", NULL, 0};
	return f;
}

/* What the file system would say, for the common kinds of commands; 0 also where nobody knows. */
static int file_system_says(const struct question *q)
{
	const struct ftp_verb *verb = verb_find_limit(q->command);
	char parent[VFS_PATH_SIZE];

	vfs_path_parent(q->real, parent);
	if (str_eq(q->command, "RETR"))
		return vfs_access(q->root, q->real, R_OK, 0);
	if (str_eq(q->command, "CWD") || str_eq(q->command, "XCWD"))
		return vfs_access(q->root, q->real, X_OK, 0);
	if (one_of(q->command, lists))
		return vfs_access(q->root, q->real, F_OK, 0);
	if (one_of(q->command, stores) && q->exists)
		return vfs_access(q->root, q->real, W_OK, 0);
	return (verb->flags & VERB_NAMES) != 0 ? vfs_access(q->root, parent, W_OK | X_OK, 0) : 0;
}

static void say_rate(struct question *q, const struct ftp_conf *conf, unsigned command)
{
	const struct ftp_rate *rate = policy_rate(conf, command, &q->who);

	if (rate == NULL || rate->bytes_per_sec == 0)
		say(q, "TransferRate", "none");
	else
		say(q, "TransferRate", "%llu bytes a second (%s:%u)", (unsigned long long)rate->bytes_per_sec,
			rate->item.file, rate->item.line);
}

static void say_max_size(struct question *q, const char *key, const struct ftp_max_size *list)
{
	const struct ftp_max_size *max = policy_max_size(list, &q->who);

	if (max != NULL && max->bytes != UINT64_MAX)
		say(q, key, "%llu bytes (%s:%u)", (unsigned long long)max->bytes, max->item.file,
			max->item.line);
}

static void say_sendfile(struct question *q, const struct ftp_sendfile *s)
{
	if (s->kind == FTP_SENDFILE_PERCENT)
		say(q, "UseSendfile", "%g%%", s->percent);
	else if (s->kind == FTP_SENDFILE_BYTES)
		say(q, "UseSendfile", "%llu B", (unsigned long long)s->bytes);
	else
		say(q, "UseSendfile", "%s", s->kind == FTP_SENDFILE_ON ? "on" : "off");
}

static void say_values(struct question *q, const struct ftp_conf *conf)
{
	static const char *const control[] = {"off", "on", "auth"}, *const data[] = {
									    "off", "on", "forbidden"};
	const struct ftp_verb *verb = verb_find_limit(q->command);

	say(q, "TLSRequired", "control %s, data %s",
		(unsigned)conf->tls_required.control < ARRAY_LEN(control)
			? control[conf->tls_required.control]
			: "?",
		(unsigned)conf->tls_required.data < ARRAY_LEN(data) ? data[conf->tls_required.data] : "?");
	if (str_eq(q->command, "RETR")) {
		say_sendfile(q, &conf->sendfile);
		say_rate(q, conf, FTP_XFER_RETR);
		say(q, "AllowRetrieveRestart", "%s", conf->allow_retrieve_restart ? "on" : "off");
		say_max_size(q, "MaxRetrieveFileSize", conf->max_retrieve_size);
	}
	if (one_of(q->command, stores)) {
		say_rate(q, conf,
			q->command[0] == 'A'         ? FTP_XFER_APPE
			: str_eq(q->command, "STOU") ? FTP_XFER_STOU
						     : FTP_XFER_STOR);
		say(q, "AllowOverwrite", "%s", conf->allow_overwrite ? "on" : "off");
		say(q, "AllowStoreRestart", "%s", conf->allow_store_restart ? "on" : "off");
		say(q, "HiddenStores", "%s", conf->hidden_stores.on ? "on" : "off");
		say_max_size(q, "MaxStoreFileSize", conf->max_store_size);
	}
	if (one_of(q->command, (const char *const[]){"STOR", "STOU", "APPE", "MKD", "XMKD", NULL})) {
		if (conf->user_owner.set)
			say(q, "UserOwner", "%u", conf->user_owner.id);
		if (conf->group_owner.set)
			say(q, "GroupOwner", "%u", conf->group_owner.id);
	}
	if ((verb->flags & VERB_WRITES) != 0)
		say(q, "Umask", "%03o for files, %03o for directories", (unsigned)conf->umask_file,
			(unsigned)conf->umask_dir);
	if (one_of(q->command, lists)) {
		struct policy_hide h;

		(void)policy_hide_init(&h, conf, &q->who);
		say(q, "HideFiles", "%u rule%s", h.n_files, h.n_files == 1 ? "" : "s");
		if (h.n_users > 0)
			say(q, "HideUser", "%u rule%s", h.n_users, h.n_users == 1 ? "" : "s");
		if (h.n_groups > 0)
			say(q, "HideGroup", "%u rule%s", h.n_groups, h.n_groups == 1 ? "" : "s");
		say(q, "HideNoAccess", "%s", conf->hide_no_access ? "on" : "off");
		if (conf->list_options != NULL)
			say(q, "ListOptions", "\"%s\" (%s:%u)", conf->list_options->options,
				conf->list_options->item.file, conf->list_options->item.line);
	}
}

static struct finding place_finding(struct question *q, struct err *err)
{
	const struct ftp_scope *scope, *access;
	struct finding f;
	int r;

	hidden_look_up(q);
	r = become_user(q, err);

	if (r == 0)
		r = find_place(q, err);
	if (r < 0)
		return (struct finding){false, err->text, NULL, 0};
	scope = find_scope(q, &access);
	f = command_finding(q, scope, access);
	r = file_system_says(q);
	if (r < 0)
		say(q, "file_system", "%s", strerror(-r));
	say_values(q, &scope->conf);
	return f;
}

void explain(const struct ftp_config *config, struct bans *bans, char *const *word, unsigned count,
	struct buf *out)
{
	struct question *q = xcalloc(1, sizeof(*q)); /* too large for a stack */
	struct err err = ERR_INIT;
	struct finding f;

	q->config = config;
	q->bans = bans;
	q->arena = arena_new(16384, 0);
	buf_init(&q->data, CTL_REPLY_MAX - 2048);
	if (count == 0 || question_read(q, word, count, out) < 0) {
		if (count == 0)
			(void)ctl_reply(out, false, "usage: explain USER@HOST PATH COMMAND [SERVER]");
		goto done;
	}
	f = login_finding(q);
	if (!f.allowed)
		say(q, "login", "refused");
	else if (!str_eq(q->command, "LOGIN"))
		f = place_finding(q, &err);
	(void)ctl_reply(out, true, "%s: %s", f.allowed ? "allowed" : "denied", f.why);
	if (f.file != NULL) {
		char rule[VFS_PATH_SIZE + 32];

		(void)snprintf(rule, sizeof(rule), "%s:%u", f.file, f.line);
		(void)ctl_data(out, "rule", rule); /* there is room */
	}
	(void)buf_append(out, q->data.data, q->data.len);
done:
	vfs_root_close(&q->root);
	buf_done(&q->data);
	arena_free(q->arena);
	free(q);
}
