/* From the message of master to a session that waits for commands, and the other way round. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/profile.h"
#include "ftp/reply.h"
#include "ftp/text.h"
#include "ftp/variant.h"
#include "ftp/verb.h"
#include "score/score.h"
#include "session/access.h"
#include "session/claim.h"
#include "session/ctrl.h"
#include "session/data.h"
#include "session/mapped.h"
#include "session/proc.h"
#include "session/readme.h"
#include "session/record.h"
#include "session/secure.h"
#include "session/session_priv.h"
#include "session/zfilter.h"

static void who_set(struct session *s, const struct ipc_session_start *m)
{
	const struct ftp_class *class = ftp_class_named(s->proc->start->config, m->class_name);
	const struct ipc_grant *g = &m->grant;

	s->account = account_ref(&s->proc->accounts, g);
	s->peer = m->peer;
	s->local = m->local;
	s->clnt = *m->handoff.clnt ? xstrdup(m->handoff.clnt) : NULL;
	s->client_name = *m->handoff.client_name ? xstrdup(m->handoff.client_name) : NULL;
	s->who.user = s->account->user;
	s->who.groups = s->account->groups;
	s->who.n_groups = s->account->n_groups;
	s->who.class_name = class ? class->name : NULL;
	s->who.client = &s->peer;
	s->who.client_name = s->client_name;
	s->who.authenticated = true;
}

static void slot_set(struct session *s, const struct ipc_session_start *m)
{
	s->slot = score_claim(s->proc->start->score, s->sid);
	score_set_begin(s->slot, m->connected_wall_ms);
	score_set_client(s->slot, &s->peer, s->client_name);
	score_set_server(s->slot, &s->local, s->scope->conf.server_name);
	score_set_class(s->slot, s->who.class_name);
	score_set_protocol(s->slot, s->secure ? "ftps" : "ftp");
	secure_show(s);
	score_set_user(s->slot, s->account->user, s->account->uid, s->account->gid);
	score_set_cwd(s->slot, s->cwd);
}

void session_set_cwd(struct session *s, const char *vpath)
{
	char *copy = xstrdup(vpath);

	free(s->cwd);
	s->cwd = copy;
	access_cwd_forget(s);
	score_set_cwd(s->slot, vpath);
}

/* --- the welcome --- */

struct welcome {
	char start[VFS_PATH_SIZE]; /* where the session is to begin */
	int error;                 /* of the root or of that directory, negative */
	char *display, *readme;
	struct session *s;
};

/* The start directory of the grant is host text below the root; inside it is what follows the root. */
static void start_vpath(const struct session *s, const char *chdir, char out[VFS_PATH_SIZE])
{
	const char *root = s->proc->start->root;
	size_t n = strlen(root);

	while (n > 0 && root[n - 1] == '/')
		n--;
	if (strncmp(chdir, root, n) != 0 || (chdir[n] != '/' && chdir[n] != '\0') ||
		vfs_path_resolve("/", chdir + n, out) < 0)
		(void)str_copy(out, VFS_PATH_SIZE, "/");
}

static char *start_readme(struct session *s, const char *start)
{
	struct session_access a;
	char *text;

	if (!s->scope->conf.readmes)
		return NULL;
	/* CWD asks for the directory it goes to; what may not be looked at is not announced either. */
	if (session_allowed(s, "CWD", start, 0, &a) < 0)
		return NULL;
	text = readme_text(s, a.conf, a.real);
	session_access_done(&a);
	return text;
}

static void welcome_work(void *arg, const atomic_bool *cancel)
{
	struct welcome *w = arg;
	struct session *s = w->s;
	struct statx st;
	char shown[1024];

	w->error = vfs_stat(s->root, w->start, 0, STATX_TYPE, &st);
	if (w->error == 0 && !S_ISDIR(st.stx_mode))
		w->error = -ENOTDIR;
	if (w->error == 0)
		w->error = vfs_access(s->root, w->start, X_OK, 0);
	if (w->error < 0 && strcmp(w->start, "/") != 0) {
		log_notice(&s->log, "cannot start in '%s' (%s), starting in the root",
			str_escape(w->start, shown, sizeof shown), err_text(w->error));
		(void)str_copy(w->start, sizeof w->start, "/");
		w->error = 0;
	}
	if (w->error == 0 && !s->quiet)
		w->display = session_display_text(s, &s->scope->conf.display_login, w->start);
	if (w->error == 0 && !s->quiet)
		w->readme = start_readme(s, w->start);
}

/* RFC 2228 3: who needed no password is told by another code. */
static int welcome_code(const struct session *s)
{
	return s->by_certificate ? 232 : 230;
}

/* WrapAllowMsg: the access tables were asked, else there would be no session. */
static void tables_reply(struct session *s)
{
	const struct ftp_conf *conf = &s->scope->conf;
	struct text_vars vars = {.user = s->account->user};
	struct buf text;

	if (!conf->wrap_engine || !conf->wrap_allow_msg || s->quirks & FTP_QUIRK_ONE_LINE)
		return;
	buf_init(&text, 4096);
	if (text_expand(&text, conf->wrap_allow_msg, &vars) == 0 && text.len > 0)
		session_replied(
			s, 0, reply_text(session_out(s), (unsigned)welcome_code(s), text.data, text.len));
	buf_done(&text);
}

static void welcome_reply(struct session *s, const char *readme)
{
	const struct ftp_conf *conf = &s->scope->conf;
	struct text_vars vars = {.user = s->account->user};
	struct buf text;
	int code = welcome_code(s);

	buf_init(&text, 4096);
	if (conf->access_grant_msg && text_expand(&text, conf->access_grant_msg, &vars) == 0 && text.len > 0)
		readme_reply(s, code, readme, true, text.data);
	else if (s->anonymous)
		readme_reply(s, code, readme, true, "Anonymous access granted, restrictions apply");
	else {
		text.len = 0;
		(void)buf_printf(
			&text, "User %s logged in", s->account->sent_user); /* shorter than a line may be */
		readme_reply(s, code, readme, true, text.data);
	}
	buf_done(&text);
}

static enum ftp_result welcome_done(struct session *s, void *arg)
{
	struct welcome *w = arg;

	if (w->error < 0) {
		log_err(&s->log, "cannot use the root directory: %s", err_text(w->error));
		session_reply(s, 530, "Login incorrect.");
		s->end = s->end ? s->end : SESSION_END_REFUSED;
	} else {
		session_set_cwd(s, w->start);
		session_reply_display(s, welcome_code(s), w->display);
		tables_reply(s);
		welcome_reply(s, w->readme);
		log_info(&s->log, "session opened, class %s", s->who.class_name ? s->who.class_name : "-");
	}
	free(w->display);
	free(w->readme);
	free(w);
	return FTP_DONE;
}

static void session_welcome(struct session *s, const char *chdir)
{
	struct line_cmd line = {.has_arg = true}; /* of PASS, which is secret: nothing of it is shown */
	const struct ftp_verb *verb = verb_find(s->by_certificate ? "USER" : "PASS");
	struct welcome *w = xcalloc(1, sizeof *w);
	char *user = xasprintf("USER %s", s->account->sent_user);

	if (s->by_certificate) {
		line.raw = user;
		line.raw_len = strlen(user);
		line.arg = user + strlen("USER ");
		line.arg_len = strlen(line.arg);
	}
	/* That command is over when we have answered it, so its record is ours. */
	command_begin(s, verb, &line);
	command_show(s, verb, &line);
	free(user);
	w->s = s;
	start_vpath(s, chdir, w->start);
	(void)session_job(s, welcome_work, welcome_done, w);
}

/* --- making and freeing --- */

static void params_set(struct session *s, const struct ipc_handoff *h)
{
	const struct ftp_conf *conf = &s->scope->conf;

	s->ascii = h->type_ascii;
	s->z_level = ZFILTER_LEVEL;
	s->utf8_on = h->utf8_on;
	s->quiet = h->quiet;
	s->facts = verb_facts_start(conf);
	s->digest = ftp_digest_first(conf);
	s->site_umask = -1;
	s->quirks = ftp_quirks(conf, &s->who);
	if (!addr_is_v4(&s->local))
		s->quirks &= ~(unsigned)FTP_QUIRK_NO_EPSV; /* there is nothing else */
	s->idle_ms = ftp_quirk_wait(s->quirks, conf->timeout_idle_ms);
}

static void session_refuse(struct session *s)
{
	session_reply(s, 530, "Login incorrect.");
	s->end = SESSION_END_REFUSED;
	session_enter(s, SESSION_READY);
	session_pump(s);
}

/* What a message must satisfy to make a session of this process; master is trusted, but a mistake must not
 * cross roots. */
static const struct ftp_server *server_of(const struct session_proc *p, const struct ipc_session_start *m)
{
	const struct ftp_config *c = p->start->config;

	if (m->grant.server >= c->n_servers || strcmp(m->grant.root, p->start->root) != 0 ||
		m->grant.uid != getuid())
		return NULL;
	return c->servers[m->grant.server];
}

/* TLSRequired of the <Anonymous> or of conditional sections for this user, or with TLSOptions AllowPerUser of the server:
 * login could not know, or did not ask. */
static bool control_needs_tls(const struct session *s)
{
	const struct ftp_conf *conf = &s->scope->conf;

	return conf->tls.engine && !s->secure && conf->tls_required.control != TLS_CONTROL_OPTIONAL;
}

void session_new(struct session_proc *p, const struct ipc_session_start *m, int fd)
{
	const struct ftp_server *server = server_of(p, m);
	struct ipc_sid gone = {.sid = m->grant.sid};
	struct session *s;
	bool anon_known;
	int r;

	if (!server) {
		log_err(&p->log, "session %u does not belong to this process, refused", m->grant.sid);
		fd_close(&fd);
		proc_send(p, IPC_SESSION_END, &gone);
		return;
	}
	s = xcalloc(1, sizeof *s);
	s->proc = p;
	s->refs = 1;
	s->sid = m->grant.sid;
	s->anonymous = m->grant.anon > 0;
	s->root = p->root;
	s->cwd = xstrdup("/");
	who_set(s, m);
	s->server = ftp_variants_get(p->variants, server, &s->who);
	s->scope = ftp_server_scope(s->server, m->grant.anon);
	anon_known = s->scope != NULL;
	if (!anon_known)
		s->scope = s->server->scope; /* for the refusal */
	params_set(s, &m->handoff);
	r = secure_take(s, &m->handoff);
	s->log = (struct log_ctx){.parent = &p->log,
		.user = s->account->user,
		.client = &s->peer,
		.sid = s->sid,
		.fd = ftp_server_log_fd(&s->scope->conf)};
	slot_set(s, m);
	mapped_session(s);
	list_add(&p->sessions, &s->link);
	p->n_sessions++;
	timers_begin(s);
	if (r < 0)
		fd_close(&fd);
	else
		r = ctrl_open(s, fd, &m->handoff, &s->ctrl);
	if (r < 0) {
		log_err(&s->log, "cannot take over the control connection: %s", err_text(r));
		session_control_lost(s);
	} else if (!anon_known) {
		log_err(&s->log, "the server has no <Anonymous> section of that number for this client");
		session_refuse(s);
	} else if (!p->root)
		session_refuse(s);
	else if (control_needs_tls(s)) {
		log_notice(&s->log, "TLSRequired: a login in clear is refused");
		session_refuse(s);
	} else if (p->root_via_link && !s->scope->conf.allow_chroot_symlinks) {
		log_err(&s->log, "the path of the root has a symbolic link in it, see AllowChrootSymlinks");
		session_refuse(s);
	} else
		session_welcome(s, m->grant.chdir);
}

void session_free(struct session *s)
{
	struct session_proc *p = s->proc;
	struct ipc_sid gone = {.sid = s->sid};

	log_info(&s->log, "session closed: %s", session_end_text((enum session_end)s->end));
	if (p->root)
		record_end(s);
	list_del(&s->link);
	claim_done(s);
	timers_end(s);
	data_free(&s->data);
	score_release(s->slot);
	access_cwd_forget(s);
	command_free(&s->cmd);
	account_unref(&s->account);
	free(s->client_name);
	free(s->clnt);
	free(s->cwd);
	session_forget_source(s);
	secure_forget(s);
	free(s->display_seen);
	free(s->end_text);
	free(s);
	if (gone.sid) /* else it was given back */
		proc_send(p, IPC_SESSION_END, &gone);
	proc_session_gone(p);
}
