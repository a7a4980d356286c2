#include "auth/decide.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "ftp/policy.h"
#include "ftp/text.h"

#define LIST_FILE_MAX (1024 * 1024) /* /etc/shells, /etc/ftpusers */

struct decision {
	const struct decide_context *ctx;
	const struct ipc_auth_request *q;
	const struct ftp_server *server;
	const struct ftp_scope *scope; /* of the server or the <Anonymous> */
	unsigned anon;                 /* its number, 0 = none */
	struct auth_order order;
	struct auth_account account;
	struct auth_groups groups;
	struct arena *arena;
	const char *group_names[AUTH_GROUPS_MAX];
	char *what;
	size_t what_size;
};

static int refuse(struct decision *d, enum ipc_auth_reason reason, const char *what)
{
	(void)snprintf(d->what, d->what_size, "%s", what);
	return (int)reason;
}

/* --- lists of names in /etc --- */

enum listed { LIST_MISSING = -1, LIST_NO, LIST_YES };

/* Is name a line of that file? '#' begins a comment. */
static enum listed in_list(const char *path, const char *name)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum listed found = LIST_NO;
	char *text, *line, *rest;

	if (fd < 0 || fd_read_all(fd, LIST_FILE_MAX, &text, NULL) < 0)
		return LIST_MISSING;
	rest = text;
	while (found == LIST_NO && (line = strsep(&rest, "\n")) != NULL) {
		line += strspn(line, " \t");
		line[strcspn(line, " \t\r#")] = '\0';
		if (line[0] != '\0' && str_eq(line, name))
			found = LIST_YES;
	}
	free(text);
	return found;
}

static int account_rules(struct decision *d)
{
	const struct ftp_conf *conf = &d->scope->conf;

	if (d->account.uid == 0 && !conf->root_login)
		return refuse(d, IPC_AUTH_ROOT, "SECURITY VIOLATION: Root login attempted");
	if (conf->require_valid_shell && in_list("/etc/shells", d->account.shell) == LIST_NO)
		return refuse(
			d, IPC_AUTH_SHELL, "the account's shell is not in /etc/shells (RequireValidShell)");
	if (conf->use_ftpusers && in_list("/etc/ftpusers", d->account.name) == LIST_YES)
		return refuse(d, IPC_AUTH_FTPUSERS, "the account is in /etc/ftpusers (UseFtpUsers)");
	if (!d->ctx->can_switch_uid && d->account.uid != geteuid())
		return refuse(
			d, IPC_AUTH_IDENTITY, "the server does not run as root and cannot become that user");
	return 0;
}

/* --- account and password --- */

static int find_account(struct decision *d, const char *name)
{
	for (size_t i = 0; i < d->order.n; i++) {
		const struct auth_backend *b = d->order.v[i].backend;
		int r = b->find != NULL ? b->find(&d->scope->conf, name, &d->account) : 0;

		if (r > 0)
			return 1;
		if (r < 0)
			log_err(NULL, "%s cannot look up an account: %s", b->module, err_text(r));
	}
	return 0;
}

static const char *user_password(const struct ftp_conf *conf, const char *user)
{
	const struct ftp_user_password *p = conf->user_passwords;

	while (p != NULL && !str_eq(p->user, user))
		p = (const struct ftp_user_password *)p->item.next;
	return p != NULL ? p->hash : NULL;
}

static enum auth_verdict check_password(struct decision *d)
{
	const struct ftp_conf *conf = &d->scope->conf;
	const char *own = user_password(conf, d->account.name);
	enum auth_verdict v = AUTH_UNKNOWN;

	if (own != NULL)
		return auth_hash_check(own, d->q->password, conf->allow_empty_passwords);
	for (size_t i = 0; i < d->order.n; i++) {
		enum auth_verdict one =
			d->order.v[i].backend->check(conf, &d->account, d->q->password, &d->q->client);

		if (one == AUTH_OK || one == AUTH_EXPIRED)
			return one;
		if (one != AUTH_UNKNOWN)
			v = one;
		if (one == AUTH_BAD && d->order.v[i].authoritative)
			break;
	}
	return v;
}

/* Nobody is there to check: spend the time of a check all the same. */
static void waste_time(struct decision *d)
{
	char *like = auth_file_sample_hash(&d->scope->conf);

	auth_hash_waste(like, d->q->password);
	free(like);
}

static int password_form(struct decision *d)
{
	const struct ftp_conf *conf = &d->scope->conf;

	if (strlen(d->q->password) > conf->max_password_bytes && conf->max_password_bytes != 0)
		return refuse(d, IPC_AUTH_PASSWORD_FORM, "the password is longer than MaxPasswordSize");
	if (d->q->password[0] == '\0' && !conf->allow_empty_passwords)
		return refuse(
			d, IPC_AUTH_PASSWORD_FORM, "empty passwords are not allowed (AllowEmptyPasswords)");
	return 0;
}

static int verify_real(struct decision *d, const char *name)
{
	int r = password_form(d);

	if (r != 0 || find_account(d, name) == 0) {
		waste_time(d);
		return r != 0 ? r : refuse(d, IPC_AUTH_NO_USER, "no such user");
	}
	switch (check_password(d)) {
	case AUTH_OK:
		return 0;
	case AUTH_BAD:
		return refuse(d, IPC_AUTH_BAD_PASSWORD, "wrong password");
	case AUTH_EXPIRED:
		return refuse(d, IPC_AUTH_ACCOUNT, "the account may not log in any more");
	case AUTH_UNKNOWN:
		waste_time(d);
		return refuse(
			d, IPC_AUTH_BAD_PASSWORD, "no source of AuthOrder has a password for this user");
	case AUTH_FAILED:
		break;
	}
	return refuse(d, IPC_AUTH_INTERNAL, "the password could not be checked");
}

/* AnonRejectPasswords: is this password turned away? */
static bool anon_rejected(const struct ftp_conf *conf, const char *password)
{
	regex_t re;
	bool match;

	if (conf->anon_reject_regex == NULL)
		return false;
	if (regcomp(&re, conf->anon_reject_regex,
		    REG_EXTENDED | REG_NOSUB | (conf->anon_reject_nocase ? REG_ICASE : 0)) != 0)
		return true; /* it was checked at load */
	match = regexec(&re, password, 0, NULL, 0) == 0;
	regfree(&re);
	return match != conf->anon_reject_negate;
}

static int anon_group(struct decision *d)
{
	const char *group = d->scope->conf.group;
	unsigned gid;

	if (group == NULL)
		return 0;
	for (size_t i = 0; i < d->order.n; i++) {
		const struct auth_backend *b = d->order.v[i].backend;

		if (b->id_of != NULL && b->id_of(&d->scope->conf, AUTH_GROUP_ID, group, &gid)) {
			d->account.gid = gid;
			return 0;
		}
	}
	return refuse(d, IPC_AUTH_INTERNAL, "the Group of the <Anonymous> section does not exist");
}

static int verify_anonymous(struct decision *d, const char *account)
{
	const struct ftp_conf *conf = &d->scope->conf;
	int r;

	if (conf->anon_require_password) {
		r = verify_real(d, account);
		return r != 0 ? r : anon_group(d);
	}
	if (anon_rejected(conf, d->q->password))
		return refuse(d, IPC_AUTH_PASSWORD_FORM, "the password is refused by AnonRejectPasswords");
	if (find_account(d, account) == 0)
		return refuse(d, IPC_AUTH_NO_USER, "the User of the <Anonymous> section does not exist");
	return anon_group(d);
}

/* --- groups --- */

static const char *group_name(struct decision *d, gid_t gid)
{
	char buf[256];

	for (size_t i = 0; i < d->order.n; i++) {
		const struct auth_backend *b = d->order.v[i].backend;

		if (b->name_of != NULL && b->name_of(&d->scope->conf, AUTH_GROUP_ID, gid, buf, sizeof(buf)))
			return arena_strdup(d->arena, buf);
	}
	return arena_printf(d->arena, "%u", (unsigned)gid);
}

/* AuthOrder's first source that knows the account says its groups, and a file may add its own. */
static void collect_groups(struct decision *d)
{
	auth_groups_add(&d->groups, d->account.gid);
	for (size_t i = 0; i < d->order.n; i++) {
		const struct auth_backend *b = d->order.v[i].backend;

		if (b->groups != NULL)
			b->groups(&d->scope->conf, &d->account, &d->groups);
	}
	for (size_t i = 0; i < d->groups.n; i++)
		d->group_names[i] = group_name(d, d->groups.gids[i]);
}

/* --- where the session lives --- */

static const char *home_of(struct decision *d, const char *user)
{
	struct auth_account a = {0};
	const char *home = NULL;

	for (size_t i = 0; i < d->order.n && home == NULL; i++) {
		const struct auth_backend *b = d->order.v[i].backend;

		if (b->find != NULL && b->find(&d->scope->conf, user, &a) > 0)
			home = arena_strdup(d->arena, a.home);
	}
	auth_account_done(&a);
	return home;
}

/* "%u" stands for the user's name. */
static const char *with_user(struct decision *d, const char *path)
{
	const char *at = strstr(path, "%u");

	if (at == NULL)
		return path;
	return arena_printf(
		d->arena, "%.*s%s%s", (int)(at - path), path, d->account.name, with_user(d, at + 2));
}

/* "~", "~/x", "~user/x" to a host path; others as they are. NULL: no such user. */
static const char *expand_path(struct decision *d, const char *path)
{
	const char *home = d->account.home, *rest;
	size_t n;

	path = with_user(d, path);
	if (path[0] != '~')
		return path;
	n = strcspn(path + 1, "/");
	rest = path + 1 + n;
	if (n != 0)
		home = home_of(d, arena_strndup(d->arena, path + 1, n));
	return home != NULL ? arena_printf(d->arena, "%s%s", home, rest) : NULL;
}

static void subject_of(const struct decision *d, bool authenticated, struct ftp_subject *ret_s)
{
	const char *name = d->q->client_name[0] != '\0' ? d->q->client_name : NULL;
	const struct ftp_class *class = ftp_class_find(d->ctx->config, &d->q->client, name);

	*ret_s = (struct ftp_subject){.user = d->account.name,
		.groups = d->group_names,
		.n_groups = (unsigned)d->groups.n,
		.class_name = class != NULL ? class->name : NULL,
		.client = &d->q->client,
		.client_name = name,
		.authenticated = authenticated};
}

static const struct ftp_dir_rule *first_rule(const struct ftp_dir_rule *rules, const struct ftp_subject *who)
{
	while (rules != NULL && rules->groups != NULL && !ftp_expr_match(rules->groups, FTP_EXPR_GROUP, who))
		rules = (const struct ftp_dir_rule *)rules->item.next;
	return rules;
}

static int place(struct decision *d, const struct ftp_subject *who, struct ipc_grant *g)
{
	const struct ftp_dir_rule *root = first_rule(d->scope->conf.default_root, who);
	const struct ftp_dir_rule *start = first_rule(d->scope->conf.default_chdir, who);
	const char *path;

	g->root = "/";
	g->home = d->account.home;
	if (d->anon != 0)
		g->root = expand_path(d, d->scope->path);
	else if (root != NULL)
		g->root = expand_path(d, root->path);
	if (g->root == NULL || g->root[0] != '/')
		return refuse(d, IPC_AUTH_INTERNAL, "the root directory of this login cannot be told");
	g->chdir = d->anon != 0 ? g->root : d->account.home;
	if (start != NULL) {
		path = expand_path(d, start->path);
		if (path != NULL && path[0] != '/')
			path = arena_printf(d->arena, "%s/%s", g->chdir, path);
		if (path != NULL)
			g->chdir = path;
	}
	return 0;
}

/* --- all together --- */

static const char *joined_names(struct decision *d)
{
	struct buf b;
	const char *text;

	buf_init(&b, 4096);
	for (size_t i = 0; i < d->groups.n; i++) {
		if (buf_printf(&b, "%s%s", i != 0 ? " " : "", d->group_names[i]) < 0)
			break; /* cut: the ids are what counts */
	}
	text = arena_strdup(d->arena, b.data != NULL ? b.data : "");
	buf_done(&b);
	return text;
}

static void fill_grant(struct decision *d, struct ipc_grant *g)
{
	uint32_t *ids = arena_alloc(d->arena, (d->groups.n + 1) * sizeof(*ids));

	for (size_t i = 0; i < d->groups.n; i++)
		ids[i] = d->groups.gids[i];
	g->sid = d->q->sid;
	g->request = d->q->request;
	g->server = d->q->server;
	g->anon = d->anon;
	g->user = arena_strdup(d->arena, d->account.name);
	g->sent_user = d->q->user;
	g->email = d->anon != 0 ? arena_strndup(d->arena, d->q->password,
					  utf8_cut(d->q->password, strlen(d->q->password), 1000))
				: "";
	g->uid = d->account.uid;
	g->gid = d->account.gid;
	g->groups = (struct ipc_ids){ids, d->groups.n};
	g->group_names = joined_names(d);
	g->home = arena_strdup(d->arena, d->account.home);
}

static int decide_in(struct decision *d, struct ipc_grant *g)
{
	struct policy_verdict v;
	struct ftp_subject who;
	const char *name = NULL;
	int r;

	d->scope = ftp_anon_find(d->server, d->q->user, &d->anon, &name);
	if (d->scope == NULL) {
		d->anon = 0;
		d->scope = d->server->scope;
		name = ftp_alias_resolve(&d->scope->conf, d->q->user);
	}
	auth_order_read(&d->scope->conf, &d->order);
	if (name == NULL) {
		waste_time(d);
		return refuse(d, IPC_AUTH_NO_USER, "the name is no alias (AuthAliasOnly)");
	}
	r = d->anon != 0 ? verify_anonymous(d, name) : verify_real(d, name);
	if (r == 0)
		r = account_rules(d);
	if (r != 0)
		return r;
	collect_groups(d);
	subject_of(d, true, &who);
	if (!policy_login(&who, d->scope, &v)) {
		(void)snprintf(d->what, d->what_size, "%s (line %u of '%s')", v.why, v.line,
			v.file != NULL ? v.file : "");
		return IPC_AUTH_LIMIT;
	}
	fill_grant(d, g);
	return place(d, &who, g);
}

int decide(const struct decide_context *ctx, const struct ipc_auth_request *q, struct arena *arena,
	struct ipc_grant *ret_grant, char *what, size_t what_size)
{
	struct decision *d = xcalloc(1, sizeof(*d)); /* too large for a thread's stack */
	int r;

	what[0] = '\0';
	memset(ret_grant, 0, sizeof(*ret_grant));
	d->ctx = ctx;
	d->q = q;
	d->arena = arena;
	d->what = what;
	d->what_size = what_size;
	if (q->server >= ctx->config->n_servers) {
		r = refuse(d, IPC_AUTH_INTERNAL, "unknown server");
	} else {
		d->server = ctx->config->servers[q->server];
		r = decide_in(d, ret_grant);
		ret_grant->home = r == 0 ? arena_strdup(arena, ret_grant->home) : NULL;
		ret_grant->chdir = r == 0 ? arena_strdup(arena, ret_grant->chdir) : NULL;
		ret_grant->root = r == 0 ? arena_strdup(arena, ret_grant->root) : NULL;
	}
	auth_account_done(&d->account);
	free(d);
	return r;
}
