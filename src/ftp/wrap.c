#include "ftp/wrap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/hosts.h"
#include "log/tlslog.h"

/* --- which tables --- */

static const struct ftp_wrap_tables *first_of(
	const struct ftp_wrap_tables *t, enum ftp_expr_kind kind, const struct ftp_subject *who)
{
	while (t != NULL && !ftp_expr_match(t->who, kind, who))
		t = (const struct ftp_wrap_tables *)t->item.next;
	return t;
}

/* Those of a user, else of a group, else of all. */
static const struct ftp_wrap_tables *tables_for(const struct ftp_wrap *w, const struct ftp_subject *who)
{
	const struct ftp_wrap_tables *t = NULL;
	struct ftp_subject known = *who;

	known.authenticated = true; /* nothing that is not known counts as a match */
	if (who->user != NULL)
		t = first_of(w->users, FTP_EXPR_USER, &known);
	if (t == NULL && who->user != NULL && who->n_groups > 0)
		t = first_of(w->groups, FTP_EXPR_GROUP, &known);
	return t != NULL ? t : w->all;
}

bool ftp_wrap_on_connect(const struct ftp_conf *conf)
{
	return conf->wrap_engine && conf->wrap_on_connect && conf->wrap.all != NULL;
}

static bool in_home(const struct ftp_wrap_tables *t)
{
	for (; t != NULL; t = (const struct ftp_wrap_tables *)t->item.next) {
		if (t->allow[0] == '~' || t->deny[0] == '~')
			return true;
	}
	return false;
}

static bool needs_account(const struct ftp_wrap *w)
{
	return w->groups != NULL || in_home(w->users) || in_home(w->all);
}

bool ftp_wrap_needs_account(const struct ftp_conf *conf)
{
	return (conf->wrap_engine && needs_account(&conf->wrap)) || needs_account(&conf->tcp_wrap);
}

/* --- reading --- */

int ftp_wrap_read(const char *path, bool home, uid_t uid, char **ret_text, size_t *ret_len)
{
	auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (home ? O_NOFOLLOW : 0));
	struct stat st;

	*ret_text = NULL;
	*ret_len = 0;
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno; /* no table is an empty one */
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (home && ((st.st_uid != uid && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0))
		return -EPERM;
	return fd_read_all(fd, HOSTS_TABLE_MAX, ret_text, ret_len);
}

static int read_patterns(void *arg, const char *path, char **ret_text)
{
	size_t len;
	int r = ftp_wrap_read(path, false, 0, ret_text, &len);

	return r == 0 && *ret_text == NULL ? -ENOENT : r;
}

/* The path of a table, with ~ and %U replaced. 1: it is in a home that is not known. */
static int path_make(const struct ftp_wrap_query *q, const char *path, char out[PATH_MAX])
{
	const char *user = q->sent_user != NULL ? q->sent_user : "";
	size_t n = 0;

	if (path[0] == '~') {
		if (q->home == NULL)
			return 1;
		n = str_copy(out, PATH_MAX, q->home);
		path++;
	}
	for (; *path != '\0' && n < PATH_MAX; path++) {
		if (path[0] != '%' || path[1] != 'U') {
			out[n++] = *path;
			continue;
		}
		if (user[0] == '\0' || user[0] == '.' || strchr(user, '/') != NULL)
			return -EINVAL; /* not a part of a path */
		n += str_copy(out + n, PATH_MAX - n, user);
		path++;
	}
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

/* --- asking --- */

static enum hosts_verdict table_ask(const struct ftp_wrap_query *q, const struct ftp_wrap *w,
	const char *table, enum hosts_kind kind, char *why, size_t size)
{
	const struct hosts_subject subject = {.service = w->service,
		.client = q->who->client,
		.local = q->local,
		.client_name = q->who->client_name};
	enum hosts_verdict v;
	char path[PATH_MAX], *text = NULL;
	unsigned line = 0;
	size_t len = 0;
	int r;

	if (table[0] == '\0') { /* builtin:all */
		(void)snprintf(why, size, "builtin:all");
		return kind == HOSTS_ALLOW ? HOSTS_ALLOWED : HOSTS_DENIED;
	}
	r = path_make(q, table, path);
	if (r == 0)
		r = ftp_wrap_read(path, table[0] == '~', q->uid, &text, &len);
	if (r < 0) {
		log_err(q->log, "cannot use access table '%s': %s", table, err_text(r));
		(void)snprintf(why, size, "table '%s' cannot be used: %s", table, err_text(r));
		return kind == HOSTS_DENY ? HOSTS_DENIED : HOSTS_SILENT;
	}
	if (r > 0 || text == NULL)
		return HOSTS_SILENT;
	/* A user's own table does not choose what root opens. */
	v = hosts_check(text, len, kind, &subject, table[0] == '~' ? NULL : read_patterns, NULL, &line);
	free(text);
	(void)snprintf(why, size, "line %u of '%s'", line, path);
	return v;
}

static bool wrap_ask(const struct ftp_wrap_query *q, const struct ftp_wrap *w, char *why, size_t size)
{
	const struct ftp_wrap_tables *t = tables_for(w, q->who);
	enum hosts_verdict v = HOSTS_SILENT;

	if (t != NULL)
		v = table_ask(q, w, t->allow, HOSTS_ALLOW, why, size);
	if (t != NULL && v == HOSTS_SILENT)
		v = table_ask(q, w, t->deny, HOSTS_DENY, why, size);
	if (v == HOSTS_SILENT)
		(void)snprintf(why, size, t != NULL ? "no rule" : "no tables");
	return v != HOSTS_DENIED;
}

static void record(const struct ftp_wrap_query *q, bool allowed, const char *why)
{
	const struct ftp_logfile *file = q->conf->wrap_log;
	char text[600];
	const struct tlslog line = {.wall_ms = (int64_t)clock_wall_ms(),
		.ctx = q->log,
		.channel = q->who->user != NULL ? "login" : "connect",
		.text = text,
		.duration_ms = -1};
	int r;

	if (file == NULL || q->dry)
		return;
	(void)snprintf(text, sizeof(text), "%s connection (%s)", allowed ? "allowed" : "refused", why);
	r = tlslog_write(file->fd, &line);
	if (r < 0)
		log_debug(q->log, 1, "cannot write WrapLog: %s", err_text(r));
}

bool ftp_wrap_allows(const struct ftp_wrap_query *q, char *why, size_t size)
{
	bool ok = true;

	why[0] = '\0';
	if (q->conf->wrap_engine) {
		ok = wrap_ask(q, &q->conf->wrap, why, size);
		record(q, ok, why);
	}
	if (ok && tables_for(&q->conf->tcp_wrap, q->who) != NULL) {
		ok = wrap_ask(q, &q->conf->tcp_wrap, why, size);
		log_at(q->log, ok ? q->conf->tcp_allow_level : q->conf->tcp_deny_level,
			"%s connection by access files (%s)", ok ? "allowed" : "refused", why);
	}
	return ok;
}
