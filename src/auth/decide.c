#include "auth/decide.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "ftp/policy.h"
#include "ftp/rewrite.h"
#include "ftp/text.h"
#include "ftp/variant.h"
#include "ftp/wrap.h"

#define LIST_FILE_MAX (1024 * 1024) /* /etc/shells, /etc/ftpusers */

struct decision {
	const struct decide_context *ctx;
	const struct ipc_auth_request *q;
	const struct auth_backend *source; /* the account's */
	const struct ftp_server *server;   /* as it is for what is known of the client */
	const struct ftp_scope *scope;     /* of the server or the <Anonymous> */
	unsigned anon;                     /* its number, 0 = none */
	struct auth_order order;
	struct auth_account account;
	struct auth_groups groups;
	struct arena *arena;
	const char *group_names[AUTH_GROUPS_MAX];
	bool explain; /* who asks is root or the daemon: the password is taken as right */
	char *what;
	size_t what_size;
};

static int refuse(struct decision *d, enum ipc_auth_reason reason, const char *what)
{
	(void)snprintf(d->what, d->what_size, "%s", what);
	return (int)reason;
}

/* --- lists of names in /etc --- */

enum listed { LIST_NO, LIST_YES, LIST_MISSING, LIST_UNREADABLE };

/* Is name a line of that file? '#' begins a comment. */
static enum listed in_list(const char *path, const char *name)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum listed found = LIST_NO;
	char *text, *line, *rest;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return LIST_MISSING;
	r = fd < 0 ? -errno : fd_read_all(fd, LIST_FILE_MAX, &text, NULL);
	if (r < 0) {
		log_err(NULL, "cannot read '%s': %s", path, err_text(r));
		return LIST_UNREADABLE;
	}
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
	const char *shells = d->ctx->shells_file != NULL ? d->ctx->shells_file : "/etc/shells";
	const char *ftpusers = d->ctx->ftpusers_file != NULL ? d->ctx->ftpusers_file : "/etc/ftpusers";
	enum listed found;

	if (d->account.uid == 0 && !conf->root_login)
		return refuse(d, IPC_AUTH_ROOT, "SECURITY VIOLATION: Root login attempted");
	/* Without the list nothing is asked; one that is there and cannot be read lets nobody in. */
	found = conf->require_valid_shell ? in_list(shells, d->account.shell) : LIST_YES;
	if (found == LIST_NO)
		return refuse(
			d, IPC_AUTH_SHELL, "the account's shell is not in /etc/shells (RequireValidShell)");
	if (found == LIST_UNREADABLE)
		return refuse(d, IPC_AUTH_INTERNAL, "/etc/shells cannot be read (RequireValidShell)");
	found = conf->use_ftpusers ? in_list(ftpusers, d->account.name) : LIST_NO;
	if (found == LIST_YES)
		return refuse(d, IPC_AUTH_FTPUSERS, "the account is in /etc/ftpusers (UseFtpUsers)");
	if (found == LIST_UNREADABLE)
		return refuse(d, IPC_AUTH_INTERNAL, "/etc/ftpusers cannot be read (UseFtpUsers)");
	if (!d->ctx->can_switch_uid && d->account.uid != geteuid())
		return refuse(
			d, IPC_AUTH_IDENTITY, "the server does not run as root and cannot become that user");
	return 0;
}

/* --- account and password --- */

/* The account as the source number i knows it; d->account is replaced when it does. */
static bool look_up(struct decision *d, size_t i, const char *name)
{
	const struct auth_backend *b = d->order.v[i].backend;
	struct auth_account a = {0};
	int r = b->find != NULL ? b->find(&d->scope->conf, name, &a) : 0;

	if (r < 0)
		log_err(NULL, "%s cannot look up an account: %s", b->module, err_text(r));
	if (r <= 0)
		return false;
	auth_account_done(&d->account);
	d->account = a;
	d->source = b;
	return true;
}

/* The account of the first source that has it, from number i on. */
static bool find_account(struct decision *d, size_t i, const char *name)
{
	for (; i < d->order.n; i++) {
		if (look_up(d, i, name))
			return true;
		if (d->order.v[i].authoritative && d->order.v[i].backend->find != NULL)
			return false;
	}
	return false;
}

static const char *user_password(const struct ftp_conf *conf, const char *user)
{
	const struct ftp_user_password *p = conf->user_passwords;

	while (p != NULL && !str_eq(p->user, user))
		p = (const struct ftp_user_password *)p->item.next;
	return p != NULL ? p->hash : NULL;
}

/* Ask the sources in their order. An account's password is asked of the source that the account is from,
 * so that equal names in two sources stay two users; a source without accounts (PAM) is asked about the
 * account at hand. */
static enum auth_verdict ask_sources(struct decision *d, const char *name)
{
	const struct ftp_conf *conf = &d->scope->conf;
	enum auth_verdict v = AUTH_UNKNOWN;

	for (size_t i = 0; i < d->order.n; i++) {
		const struct auth_backend *b = d->order.v[i].backend;
		bool has = b->find != NULL ? look_up(d, i, name)
					   : d->source != NULL || find_account(d, i + 1, name);
		enum auth_verdict one = AUTH_UNKNOWN;

		if (has)
			one = b->check(conf, &d->account, d->q->password, &d->q->client);
		if (one == AUTH_OK || one == AUTH_EXPIRED)
			return one;
		if (one != AUTH_UNKNOWN)
			v = one;
		if (d->order.v[i].authoritative)
			break;
	}
	return v;
}

static enum auth_verdict check_password(struct decision *d, const char *name)
{
	const struct ftp_conf *conf = &d->scope->conf;
	const char *own = user_password(conf, name);

	if (own == NULL)
		return ask_sources(d, name);
	if (!find_account(d, 0, name))
		return AUTH_UNKNOWN;
	return auth_hash_check(own, d->q->password, conf->allow_empty_passwords);
}

/* Nobody is there to check: spend the time of a check all the same. */
static void waste_time(struct decision *d)
{
	char *like = auth_file_sample_hash(&d->scope->conf);

	auth_hash_waste(like, d->q->password);
	free(like);
}

static bool password_too_long(const struct decision *d)
{
	const struct ftp_conf *conf = &d->scope->conf;

	return conf->max_password_bytes != 0 && strlen(d->q->password) > conf->max_password_bytes;
}

static int password_form(struct decision *d)
{
	const struct ftp_conf *conf = &d->scope->conf;

	if (password_too_long(d))
		return refuse(d, IPC_AUTH_PASSWORD_FORM, "the password is longer than MaxPasswordSize");
	if (d->q->password[0] == '\0' && !conf->allow_empty_passwords)
		return refuse(
			d, IPC_AUTH_PASSWORD_EMPTY, "empty passwords are not allowed (AllowEmptyPasswords)");
	return 0;
}

static int verify_real(struct decision *d, const char *name)
{
	int r = password_form(d);

	if (r != 0) {
		waste_time(d);
		return r;
	}
	switch (check_password(d, name)) {
	case AUTH_OK:
		return 0;
	case AUTH_BAD:
		return refuse(d, IPC_AUTH_BAD_PASSWORD, "wrong password");
	case AUTH_EXPIRED:
		return refuse(d, IPC_AUTH_ACCOUNT, "the account may not log in any more");
	case AUTH_UNKNOWN:
		waste_time(d);
		if (d->source == NULL)
			return refuse(d, IPC_AUTH_NO_USER, "no such user");
		return refuse(
			d, IPC_AUTH_BAD_PASSWORD, "no source of AuthOrder has a password for this user");
	case AUTH_FAILED:
		break;
	}
	return refuse(d, IPC_AUTH_INTERNAL, "the password could not be checked");
}

/* --- certificates --- */

/* Is the certificate in ~/.tlslogin? Read as the user could: a file of his own, which nobody else writes, and no
 * link, so that nothing else is read in its name. */
static bool dot_login_has(const struct decision *d, const struct tls_client_cert *cert)
{
	auto_fd int home = open(d->account.home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = -1;
	struct stat st;
	char *text;
	size_t len;
	bool has;

	if (home >= 0)
		fd = openat(home, ".tlslogin", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if (!S_ISREG(st.st_mode) || st.st_uid != d->account.uid || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		log_notice(NULL,
			"the .tlslogin of user '%s' is not a file that only he can write, it is not used",
			d->account.name);
		return false;
	}
	if (fd_read_all(fd, LIST_FILE_MAX, &text, &len) < 0)
		return false;
	has = tls_client_cert_in_pem(cert, text, len);
	free(text);
	return has;
}

/* A login without password. What login says of the certificate counts for nothing: it is verified here again. */
static int verify_certificate(struct decision *d, const char *name)
{
	const struct tls_config *tls = &d->server->scope->conf.tls;
	struct tls_client_cert *cert = NULL;
	struct err err = ERR_INIT;
	bool ok;

	if (d->anon != 0 || d->server->tls == NULL || tls->verify == TLS_VERIFY_OFF)
		return refuse(d, IPC_AUTH_CERTIFICATE, "no certificates are asked for here");
	if (!find_account(d, 0, name))
		return refuse(d, IPC_AUTH_CERTIFICATE, "no such user");
	if (tls_client_cert_check(
		    tls, d->server->tls, d->q->certificate.data, d->q->certificate.len, &cert, &err) < 0)
		return refuse(d, IPC_AUTH_CERTIFICATE, err.text);
	ok = (tls->user_name != NULL && tls_client_cert_is_user(cert, tls->user_name, name)) ||
	     ((tls->options & TLS_OPT_DOT_LOGIN) != 0 && dot_login_has(d, cert));
	tls_client_cert_free(&cert);
	return ok ? 0
		  : refuse(d, IPC_AUTH_CERTIFICATE,
			    "the certificate is not the user's (TLSUserName, TLSOptions AllowDotLogin)");
}

/* AnonRejectPasswords: is this password turned away? */
static bool anon_rejected(const struct ftp_conf *conf, const char *password)
{
	return conf->anon_reject.re != NULL && ftp_pattern_match(&conf->anon_reject, password, true);
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

/* The password of the section's User, or with AuthUsingAlias of the name that was sent. */
static int anon_password(struct decision *d, const char *account)
{
	bool as_sent = d->scope->conf.auth_using_alias;
	int r = verify_real(d, as_sent ? d->q->user : account);

	if (r != 0 || !as_sent || str_eq(d->q->user, account))
		return r;
	return find_account(d, 0, account)
		       ? 0
		       : refuse(d, IPC_AUTH_NO_USER, "the User of the <Anonymous> section does not exist");
}

static int verify_anonymous(struct decision *d, const char *account)
{
	const struct ftp_conf *conf = &d->scope->conf;
	int r;

	if (conf->anon_require_password) {
		r = anon_password(d, account);
		return r != 0 ? r : anon_group(d);
	}
	if (password_too_long(d))
		return refuse(d, IPC_AUTH_PASSWORD_FORM, "the password is longer than MaxPasswordSize");
	if (anon_rejected(conf, d->q->password))
		return refuse(d, IPC_AUTH_ANON_REJECTED, "the password is refused by AnonRejectPasswords");
	if (!find_account(d, 0, account))
		return refuse(d, IPC_AUTH_NO_USER, "the User of the <Anonymous> section does not exist");
	return anon_group(d);
}

/* For explain: the account alone. */
static int find_unverified(struct decision *d, const char *name)
{
	if (!find_account(d, 0, name))
		return refuse(d, IPC_AUTH_NO_USER, "no such user");
	return d->anon != 0 ? anon_group(d) : 0;
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

/* The account's source says its groups; AuthGroupFile may add some to an account of any source. Other
 * sources may know somebody else by that name. */
static void collect_groups(struct decision *d)
{
	auth_groups_add(&d->groups, d->account.gid);
	for (size_t i = 0; i < d->order.n; i++) {
		const struct auth_backend *b = d->order.v[i].backend;

		if (b->groups != NULL && (b == d->source || b == &auth_backend_file))
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

/* "~", "~/x", "~user/x" to a host path in the arena; others as they are. NULL: no such user. */
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

/* DefaultChdir as a host path: a relative one counts from the home directory (anonymous: the root), an
 * absolute one from the root, unless it has the root in front. */
static const char *start_below(struct decision *d, const struct ipc_grant *g, const char *path)
{
	size_t n = strlen(g->root);

	if (path[0] != '/')
		return arena_printf(d->arena, "%s/%s", g->chdir, path);
	while (n > 0 && g->root[n - 1] == '/')
		n--;
	if (strncmp(path, g->root, n) == 0 && (path[n] == '/' || path[n] == '\0'))
		return path;
	return arena_printf(d->arena, "%.*s%s", (int)n, g->root, path);
}

static int place(struct decision *d, const struct ftp_subject *who, struct ipc_grant *g)
{
	const struct ftp_dir_rule *root = first_rule(d->scope->conf.default_root, who);
	const struct ftp_dir_rule *start = first_rule(d->scope->conf.default_chdir, who);
	const char *path;

	g->root = "/";
	if (d->anon != 0)
		g->root = expand_path(d, d->scope->path);
	else if (root != NULL)
		g->root = expand_path(d, root->path);
	if (g->root == NULL || g->root[0] != '/')
		return refuse(d, IPC_AUTH_INTERNAL, "the root directory of this login cannot be told");
	if (d->anon != 0 && d->scope->conf.user_dir_root) {
		if (d->q->user[0] == '.' || d->q->user[0] == '\0' || strchr(d->q->user, '/') != NULL)
			return refuse(
				d, IPC_AUTH_NO_USER, "the name cannot be that of a directory (UserDirRoot)");
		g->root = arena_printf(d->arena, "%s/%s", g->root, d->q->user);
	}
	g->chdir = d->anon != 0 ? g->root : g->home;
	if (start != NULL) {
		path = expand_path(d, start->path);
		if (path != NULL)
			g->chdir = start_below(d, g, path);
	}
	return 0;
}

/* --- all together --- */

/* For ipc_group_names(). */
static const char *joined_names(struct decision *d)
{
	struct buf b;
	const char *text;
	unsigned missing = 0;

	buf_init(&b, IPC_GROUP_NAMES_MAX);
	for (size_t i = 0; i < d->groups.n; i++) {
		const char *name = d->group_names[i];

		if (strchr(name, '\n') != NULL || buf_printf(&b, "%s%s", b.len != 0 ? "\n" : "", name) < 0)
			missing++;
	}
	if (missing > 0)
		log_warn(NULL,
			"user '%s': %u of %zu group names are too long together; rules that name these "
			"groups do not "
			"hold for the session",
			d->account.name, missing, d->groups.n);
	text = arena_strdup(d->arena, b.data != NULL ? b.data : "");
	buf_done(&b);
	return text;
}

/* What logs call an anonymous user: the address given as password, but never a password that was checked. */
static const char *email_of(struct decision *d)
{
	const char *text = d->scope->conf.anon_require_password ? d->q->user : d->q->password;

	return arena_strndup(d->arena, text, utf8_cut(text, strlen(text), 1000));
}

static void fill_grant(struct decision *d, const char *class_name, struct ipc_grant *g)
{
	uint32_t *ids = arena_alloc(d->arena, (d->groups.n + 1) * sizeof(*ids));

	for (size_t i = 0; i < d->groups.n; i++)
		ids[i] = d->groups.gids[i];
	g->sid = d->q->sid;
	g->request = d->q->request;
	g->server = d->q->server;
	g->anon = d->anon;
	g->user = arena_strdup(d->arena, d->account.name);
	g->sent_user = arena_strdup(d->arena, d->q->user);
	g->email = "";
	if (d->anon != 0)
		g->email = email_of(d);
	g->uid = d->account.uid;
	g->gid = d->account.gid;
	g->groups = (struct ipc_ids){ids, d->groups.n};
	g->group_names = joined_names(d);
	g->home = arena_strdup(d->arena, d->account.home);
	g->class_name = class_name != NULL ? class_name : "";
}

/* Who it is has been proved: the values are now those for the user and the groups. */
static void become(struct decision *d, struct ftp_subject *ret_who)
{
	collect_groups(d);
	subject_of(d, true, ret_who);
	d->server = ftp_server_for(d->server, ret_who, false, d->arena);
	d->scope = ftp_server_scope(d->server, d->anon); /* it is there: the class is the same */
}

/* Does a component of it lead upwards? */
static bool climbs(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/..")) != NULL; p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return true;
	return false;
}

/* RewriteHome. What a rule makes of names that the client has sent does not lead out of where the rule puts it. */
static int rewrite_home(struct decision *d, const struct ftp_subject *who)
{
	const struct ftp_conf *conf = &d->scope->conf;
	const struct rewrite_query q = {.conf = conf,
		.rules = conf->rewrite_rules,
		.who = who,
		.verb = "REWRITE_HOME",
		.sent_user = d->q->user,
		.server_name = conf->server_name,
		.port = addr_port(&d->q->local)};
	struct buf out;
	int r;

	if (!conf->rewrite_engine || !conf->rewrite_home)
		return 0;
	buf_init(&out, REWRITE_MAX);
	r = ftp_rewrite(&q, d->account.home, &out);
	if (r > 0) {
		free(d->account.home);
		d->account.home = xstrdup(out.data);
	}
	buf_done(&out);
	if (r < 0 || d->account.home[0] != '/' || (r > 0 && climbs(d->account.home)))
		return refuse(d, IPC_AUTH_INTERNAL, "RewriteHome does not make a path of the home directory");
	return 0;
}

/* Access tables, before the password is looked at: what they say to a client must not tell whether it knows one. */
static int ask_tables(struct decision *d, const char *name)
{
	const struct ftp_conf *conf = &d->scope->conf;
	const struct log_ctx log = {
		.user = d->q->user, .client = &d->q->client, .sid = d->q->sid, .process = "auth"};
	struct ftp_subject who;
	struct ftp_wrap_query q = {.conf = conf,
		.who = &who,
		.sent_user = d->q->user,
		.local = &d->q->local,
		.log = &log,
		.dry = d->explain};
	bool ok;

	if (ftp_wrap_needs_account(conf) && find_account(d, 0, name)) {
		collect_groups(d);
		q.home = d->account.home;
		q.uid = d->account.uid;
	}
	subject_of(d, true, &who);
	who.user = name;
	ok = ftp_wrap_allows(&q, d->what, d->what_size);
	d->groups.n = 0; /* the password may show it to be an account of another source */
	d->source = NULL;
	auth_account_done(&d->account);
	if (!ok)
		return (int)IPC_AUTH_TABLES;
	d->what[0] = '\0';
	return 0;
}

static int decide_in(struct decision *d, struct ipc_grant *g)
{
	struct policy_verdict v;
	struct ftp_subject who;
	const char *name = NULL;
	int r;

	subject_of(d, false, &who);
	d->server = ftp_server_for(d->server, &who, false, d->arena);
	d->scope = ftp_anon_find(d->server, d->q->user, &d->anon, &name);
	if (d->scope == NULL) {
		d->anon = 0;
		d->scope = d->server->scope;
		name = ftp_alias_resolve(&d->scope->conf, d->q->user);
	}
	auth_order_read(&d->scope->conf, &d->order);
	if (name == NULL) {
		if (d->q->certificate.len > 0)
			return refuse(d, IPC_AUTH_CERTIFICATE, "the name is no alias (AuthAliasOnly)");
		if (!d->explain)
			waste_time(d);
		return refuse(d, IPC_AUTH_NO_USER, "the name is no alias (AuthAliasOnly)");
	}
	r = ask_tables(d, name);
	if (r != 0)
		return r;
	if (d->explain)
		r = find_unverified(d, name);
	else if (d->q->certificate.len > 0)
		r = verify_certificate(d, name);
	else
		r = d->anon != 0 ? verify_anonymous(d, name) : verify_real(d, name);
	if (r != 0)
		return r;
	become(d, &who);
	r = rewrite_home(d, &who);
	if (r == 0)
		r = account_rules(d);
	if (r != 0)
		return r;
	if (!policy_login(&who, d->scope, &v)) {
		(void)snprintf(d->what, d->what_size, "%s (line %u of '%s')", v.why, v.line,
			v.file != NULL ? v.file : "");
		return IPC_AUTH_LIMIT;
	}
	fill_grant(d, who.class_name, g);
	return place(d, &who, g);
}

static int decide_how(const struct decide_context *ctx, const struct ipc_auth_request *q, struct arena *arena,
	struct ipc_grant *ret_grant, bool explain, char *what, size_t what_size)
{
	struct decision *d = xcalloc(1, sizeof(*d)); /* too large for a thread's stack */
	int r;

	what[0] = '\0';
	memset(ret_grant, 0, sizeof(*ret_grant));
	d->ctx = ctx;
	d->q = q;
	d->arena = arena;
	d->explain = explain;
	d->what = what;
	d->what_size = what_size;
	if (q->server >= ctx->config->n_servers) {
		r = refuse(d, IPC_AUTH_INTERNAL, "unknown server");
	} else {
		d->server = ctx->config->servers[q->server];
		r = decide_in(d, ret_grant);
	}
	auth_account_done(&d->account);
	free(d);
	return r;
}

int decide(const struct decide_context *ctx, const struct ipc_auth_request *q, struct arena *arena,
	struct ipc_grant *ret_grant, char *what, size_t what_size)
{
	return decide_how(ctx, q, arena, ret_grant, false, what, what_size);
}

int decide_explain(const struct decide_context *ctx, const struct ipc_auth_request *q, struct arena *arena,
	struct ipc_grant *ret_grant, char *what, size_t what_size)
{
	return decide_how(ctx, q, arena, ret_grant, true, what, what_size);
}

bool decide_connect(const struct decide_context *ctx, const struct ipc_resolve *q, const char *client_name,
	struct arena *arena)
{
	const char *name = client_name[0] != '\0' ? client_name : NULL;
	const struct ftp_class *class = ftp_class_find(ctx->config, &q->addr, name);
	const struct ftp_subject who = {
		.class_name = class != NULL ? class->name : NULL, .client = &q->addr, .client_name = name};
	char why[256];
	const struct log_ctx log = {.client = &q->addr, .sid = q->sid, .process = "auth"};
	struct ftp_wrap_query w = {.who = &who, .local = &q->local, .log = &log};

	if (q->server >= ctx->config->n_servers)
		return false;
	w.conf = &ftp_server_for(ctx->config->servers[q->server], &who, false, arena)->scope->conf;
	if (!ftp_wrap_on_connect(w.conf) || ftp_wrap_allows(&w, why, sizeof(why)))
		return true;
	log_notice(&log, "connection refused by access tables: %s", why);
	return false;
}
