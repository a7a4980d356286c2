/* What can be found out by looking, without making anything: for wherryd -t, and AuthFileOptions
 * SyntaxCheck. */
#include "ftp/build.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/authfile.h"
#include "ftp/hosts.h"
#include "ftp/variant.h"
#include "ftp/wrap.h"
#include "log/log_file.h"

struct checker {
	const struct conf_tree *tree;
	struct arena *arena;
	bool names; /* UseReverseDNS */
};

/* A file that must be readable. forbidden: mode bits with which the auth process does not use it. */
static void file_check(struct checker *c, const struct conf_pos *pos, const char *directive, const char *path,
	mode_t forbidden)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		conf_fail(c->tree->parser, pos, directive, "cannot open '%.250s': %s", path, strerror(errno));
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		conf_fail(c->tree->parser, pos, directive, "'%.250s' is not a regular file", path);
	else if ((st.st_mode & forbidden) != 0)
		conf_fail(c->tree->parser, pos, directive,
			"'%.250s' can be %s by everyone (AuthFileOptions InsecurePerms)", path,
			(st.st_mode & S_IWOTH) != 0 ? "written" : "read");
}

/* The directory that a run-time file will be made in. */
static void parent_check(
	struct checker *c, const struct conf_pos *pos, const char *directive, const char *path, bool private)
{
	char *dir = arena_strdup(c->arena, path), *slash = dir != NULL ? strrchr(dir, '/') : NULL;
	struct stat st;

	if (slash == NULL)
		return;
	slash[slash == dir] = '\0';
	if (stat(dir, &st) < 0)
		conf_fail(c->tree->parser, pos, directive, "cannot use directory '%.250s': %s", dir,
			strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		conf_fail(c->tree->parser, pos, directive, "'%.250s' is not a directory", dir);
	else if (private && (st.st_mode & S_IWOTH) != 0)
		conf_fail(c->tree->parser, pos, directive, "directory '%.250s' can be written by everybody",
			dir);
}

static void log_check(
	struct checker *c, const struct conf_pos *pos, const char *directive, const struct ftp_logfile *file)
{
	struct err err = ERR_INIT;

	if (log_file_check(file->path, ftp_logfile_flags(file), &err) < 0)
		conf_fail(c->tree->parser, pos, directive, "%s", err.text);
}

/* Did the section itself say name? */
static bool said(
	const struct checker *c, const struct conf_section *s, const char *name, struct conf_pos *ret_pos)
{
	*ret_pos = conf_where(c->tree, s, name);
	return ret_pos->file != NULL;
}

/* --- access tables --- */

struct table_notes {
	struct checker *c;
	const char *directive, *path;
};

static void table_note(void *arg, unsigned line, const char *text)
{
	const struct table_notes *n = arg;
	const struct conf_pos pos = {n->path, line};

	conf_warn(n->c->tree->parser, &pos, n->directive, "%s", text);
}

static void table_check(struct checker *c, const struct ftp_wrap_tables *t, const char *directive,
	const char *path, const char *service)
{
	const struct conf_pos pos = {t->item.file, t->item.line};
	struct table_notes notes = {c, directive, path};
	struct stat st;
	char *text;
	size_t len;
	int r;

	if (path[0] != '/' || strstr(path, "%U") != NULL)
		return; /* each user's own */
	r = ftp_wrap_read(path, false, 0, &text, &len);
	if (r < 0)
		conf_fail(c->tree->parser, &pos, directive, "cannot read '%.250s': %s", path, err_text(r));
	else if (text == NULL)
		conf_warn(c->tree->parser, &pos, directive, "'%.250s' does not exist, it has no rules", path);
	if (r < 0 || text == NULL)
		return;
	if (stat(path, &st) == 0 && (st.st_mode & S_IWOTH) != 0)
		conf_warn(c->tree->parser, &pos, directive, "'%.250s' can be written by everyone", path);
	hosts_lint(text, len, service, c->names, table_note, &notes);
	free(text);
}

static void tables_check(
	struct checker *c, const struct ftp_wrap_tables *t, const char *directive, const char *service)
{
	for (; t != NULL; t = (const struct ftp_wrap_tables *)t->item.next) {
		table_check(c, t, directive, t->allow, service);
		table_check(c, t, directive, t->deny, service);
	}
}

static void wrap_check(struct checker *c, const struct ftp_conf *own)
{
	const char *service = own->wrap.service != NULL ? own->wrap.service : "proftpd";
	const char *tcp_service = own->tcp_wrap.service != NULL ? own->tcp_wrap.service : "proftpd";

	tables_check(c, own->wrap.users, "WrapUserTables", service);
	tables_check(c, own->wrap.groups, "WrapGroupTables", service);
	tables_check(c, own->wrap.all, "WrapTables", service);
	tables_check(c, own->tcp_wrap.users, "TCPUserAccessFiles", tcp_service);
	tables_check(c, own->tcp_wrap.groups, "TCPGroupAccessFiles", tcp_service);
	tables_check(c, own->tcp_wrap.all, "TCPAccessFiles", tcp_service);
}

/* What the processes of all servers share. */
static void shared_check(struct checker *c, const struct conf_section *s)
{
	static const char *const names[] = {"DebugLevel", "SyslogLevel"};
	struct conf_pos pos;

	for (size_t i = 0; s->kind == CONF_KIND_VHOST && i < ARRAY_LEN(names); i++) {
		if (said(c, s, names[i], &pos))
			conf_warn(c->tree->parser, &pos, names[i],
				"without effect for one virtual host: processes that serve all servers log "
				"as the "
				"main server's %s says",
				names[i]);
	}
}

static void section_check(struct checker *c, const struct conf_section *s)
{
	const struct ftp_conf *own = s->store[FTP_STORE_CONF];
	struct conf_pos pos;

	if (own == NULL)
		return;
	shared_check(c, s);
	if (said(c, s, "User", &pos) && getpwnam(own->user) == NULL)
		conf_fail(c->tree->parser, &pos, "User", "unknown user '%.100s'", own->user);
	if (said(c, s, "Group", &pos) && getgrnam(own->group) == NULL)
		conf_fail(c->tree->parser, &pos, "Group", "unknown group '%.100s'", own->group);
	if (said(c, s, "AuthUserFile", &pos))
		file_check(c, &pos, "AuthUserFile", own->auth_user_file,
			own->auth_file_insecure_perms ? 0 : S_IROTH | S_IWOTH);
	if (said(c, s, "AuthGroupFile", &pos))
		file_check(c, &pos, "AuthGroupFile", own->auth_group_file,
			own->auth_file_insecure_perms ? 0 : S_IWOTH);
	if (said(c, s, "TransferLog", &pos) && own->transfer_log != NULL)
		log_check(c, &pos, "TransferLog", own->transfer_log);
	if (said(c, s, "TLSLog", &pos) && own->tls_log != NULL)
		log_check(c, &pos, "TLSLog", own->tls_log);
	if (said(c, s, "ServerLog", &pos) && own->server_log != NULL)
		log_check(c, &pos, "ServerLog", own->server_log);
	if (said(c, s, "WrapLog", &pos) && own->wrap_log != NULL)
		log_check(c, &pos, "WrapLog", own->wrap_log);
	if (said(c, s, "RewriteLog", &pos) && own->rewrite_log != NULL)
		log_check(c, &pos, "RewriteLog", own->rewrite_log);
	wrap_check(c, own);
	if (said(c, s, "SystemLog", &pos) && own->system_log != NULL)
		log_check(c, &pos, "SystemLog", own->system_log);
	for (const struct ftp_extlog *e = own->extended_logs; e != NULL;
		e = (const struct ftp_extlog *)e->item.next) {
		pos = (struct conf_pos){e->item.file, e->item.line};
		if (e->file != NULL)
			log_check(c, &pos, "ExtendedLog", e->file);
	}
}

static void sections_check(struct checker *c, const struct conf_section *s)
{
	for (; s != NULL; s = s->next) {
		section_check(c, s);
		sections_check(c, s->children);
		sections_check(c, s->layers);
	}
}

void ftp_check(struct ftp_loader *l, const struct conf_tree *tree, const struct ftp_config *cfg)
{
	struct checker c = {tree, l->arena, cfg->use_reverse_dns};
	struct conf_pos pos;

	sections_check(&c, tree->root);
	if (tree->global != NULL)
		sections_check(&c, tree->global);
	if (said(&c, tree->root, "ScoreboardFile", &pos) && cfg->scoreboard_file != NULL)
		parent_check(&c, &pos, "ScoreboardFile", cfg->scoreboard_file, true);
	if (said(&c, tree->root, "PidFile", &pos) && cfg->pid_file != NULL)
		parent_check(&c, &pos, "PidFile", cfg->pid_file, false);
}

/* --- AuthFileOptions SyntaxCheck --- */

#define AUTHFILE_MAX (64u * 1024 * 1024) /* as auth */

/* Where that path was given to AuthUserFile or AuthGroupFile. */
static struct conf_pos path_pos(
	const struct checker *c, const struct conf_section *s, const char *directive, const char *path)
{
	struct conf_pos pos = {NULL, 0};

	for (; s != NULL && pos.file == NULL; s = s->next) {
		const struct ftp_conf *own = s->store[FTP_STORE_CONF];

		if (own != NULL && said(c, s, directive, &pos)) {
			const char *here = str_eq(directive, "AuthUserFile") ? own->auth_user_file
									     : own->auth_group_file;

			if (!str_eq(here, path))
				pos.file = NULL;
		}
		if (pos.file == NULL)
			pos = path_pos(c, s->children, directive, path);
		if (pos.file == NULL)
			pos = path_pos(c, s->layers, directive, path);
	}
	return pos;
}

/* A file that cannot be read is said where it is used: it may be there then. */
static void syntax_check(struct checker *c, const char *directive, const char *path, enum authfile_kind kind)
{
	struct conf_pos pos;
	auto_fd int fd = -1;
	struct authfile *f;
	struct stat st;
	char *text;
	size_t len;

	if (path == NULL)
		return;
	pos = path_pos(c, c->tree->root, directive, path);
	if (pos.file == NULL && c->tree->global != NULL)
		pos = path_pos(c, c->tree->global, directive, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		fd_read_all(fd, AUTHFILE_MAX, &text, &len) < 0)
		return;
	f = authfile_parse(text, len, NULL, kind);
	if (authfile_malformed(f) != 0)
		conf_fail(c->tree->parser, &pos, directive,
			"line %u of '%.250s' is malformed (AuthFileOptions SyntaxCheck)",
			authfile_malformed(f), path);
	authfile_unref(f);
}

static void conf_syntax_check(struct checker *c, const struct ftp_conf *conf)
{
	if (!conf->auth_file_syntax_check)
		return;
	syntax_check(c, "AuthUserFile", conf->auth_user_file, AUTHFILE_USERS);
	syntax_check(c, "AuthGroupFile", conf->auth_group_file, AUTHFILE_GROUPS);
}

void ftp_check_authfiles(struct ftp_loader *l, const struct conf_tree *tree, const struct ftp_config *cfg)
{
	struct checker c = {tree, l->arena, cfg->use_reverse_dns};

	for (unsigned i = 0; i < cfg->n_servers; i++) {
		conf_syntax_check(&c, &cfg->servers[i]->scope->conf);
		if (cfg->servers[i]->conditional != NULL)
			conf_syntax_check(&c, &ftp_server_full(cfg->servers[i])->scope->conf);
	}
}
