/* wherryctl's socket: one request line, one answer, then it is closed (ipc/ctl.h). Root and the account that the daemon
 * runs as may ask for everything, others for what ftp/controls.h lets them; the kernel says who it is. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/controls.h"
#include "ipc/ctl.h"
#include "master/explain.h"
#include "master/master.h"
#include "vfs/preload.h"
#include "wherry_config.h"

#define PEERS_MAX       32    /* of root and our own account; of others ControlsMaxClients */
#define PEER_TIMEOUT_MS 10000 /* an unfinished request is dropped */
#define CERT_LINES_MAX  6000  /* bytes about one certificate, all escaped */
#define EXPLAIN_SECS    50    /* of the process that answers explain: file systems may hang */

struct control {
	struct loop_watch watch;
	int fd;
	char *path;
	struct stat made; /* the socket in the file system */
	struct list peers;
	unsigned n_peers, n_others; /* n_others: without our rights */
};

struct peer {
	struct list link;
	struct master *m;
	struct loop_watch watch;
	int fd;
	struct ftp_controls_peer who;
	uint32_t *groups;
	bool trusted;    /* root, or our own account */
	bool explaining; /* fd is a pipe that ends with the process that answers */
	uint64_t deadline_ms;
	size_t in_len;
	char in[CTL_LINE_MAX];
	struct buf out;
};

static void peer_event(void *arg, uint32_t events);

static void peer_free(struct peer *p)
{
	loop_del(&p->m->loop, &p->watch);
	list_del(&p->link);
	*(p->trusted ? &p->m->control->n_peers : &p->m->control->n_others) -= 1;
	fd_close(&p->fd);
	free(p->groups);
	buf_done(&p->out);
	free(p);
}

/* --- the requests --- */

static void data_u(struct buf *out, const char *key, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	(void)ctl_data(out, key, text); /* a full answer is cut */
}

static void count_children(const struct master *m, unsigned n[IPC_ROLE_COUNT])
{
	for (struct list *it = m->children.next; it != &m->children; it = it->next)
		n[LIST_OBJ(it, struct child, link)->role]++;
}

static void answer_status(struct master *m, struct buf *out)
{
	unsigned n[IPC_ROLE_COUNT] = {0}, logged_in = 0, transfers = 0;
	int64_t expires = certs_expire(m->gen->config);

	count_children(m, n);
	for (struct list *it = m->sessions.next; it != &m->sessions; it = it->next) {
		const struct msession *s = LIST_OBJ(it, struct msession, link);

		logged_in += s->state == MSESSION_ACTIVE;
		transfers += s->xfer_command != 0;
	}
	(void)ctl_reply(out, true, "%s", m->stopping ? "stopping" : "running");
	(void)ctl_data(out, "version", WHERRY_VERSION);
	data_u(out, "pid", (uint64_t)getpid());
	data_u(out, "started_ms", m->started_wall_ms);
	data_u(out, "generation", m->gen->config->generation);
	(void)ctl_data(out, "config", m->gen->config->file != NULL ? m->gen->config->file : "");
	data_u(out, "servers", m->gen->config->n_servers);
	data_u(out, "sessions", m->n_sessions);
	data_u(out, "sessions_logged_in", logged_in);
	data_u(out, "login_processes", n[IPC_LOGIN]);
	data_u(out, "auth_processes", n[IPC_AUTH]);
	data_u(out, "session_processes", n[IPC_SESSION]);
	data_u(out, "counted_transfers", transfers);
	data_u(out, "descriptors", (uint64_t)fd_count());
	if (expires != INT64_MAX && expires > 0)
		data_u(out, "tls_expires", (uint64_t)expires);
}

static bool kick_matches(const struct msession *s, const char *what, const char *value)
{
	struct addr a;
	uint64_t sid;

	if (str_eq(what, "user"))
		return s->grantee != NULL && str_eq(s->grantee->user, value);
	if (str_eq(what, "host"))
		return addr_parse(value, 0, &a) == 0 && addr_host_equal(&a, &s->peer);
	if (str_eq(what, "class"))
		return s->class != NULL && str_eq(s->class->name, value);
	return str_to_u64(value, &sid) == 0 && sid == s->sid;
}

static void answer_kick(struct master *m, const struct ctl_words *w, struct buf *out)
{
	static const char *const kinds[] = {"user", "host", "class", "session"};
	unsigned n = 0;
	bool known = false;

	for (size_t i = 0; w->count == 3 && i < ARRAY_LEN(kinds); i++)
		known = known || str_eq(w->word[1], kinds[i]);
	if (!known) {
		(void)ctl_reply(
			out, false, "usage: kick user NAME | host ADDRESS | class NAME | session NUMBER");
		return;
	}
	LIST_EACH(it, tmp, &m->sessions)
	{
		struct msession *s = LIST_OBJ(it, struct msession, link);
		struct ipc_kick k = {.sid = s->sid, .text = "421 Disconnected by the administrator"};

		if (s->state != MSESSION_ACTIVE || !kick_matches(s, w->word[1], w->word[2]))
			continue;
		if (child_send(s->owner, IPC_KICK, &k, -1) == 0)
			n++;
	}
	if (n == 0)
		(void)ctl_reply(out, false, "no session of %s %s", w->word[1], w->word[2]);
	else
		(void)ctl_reply(out, true, "kicked %u session%s", n, n == 1 ? "" : "s");
	log_notice(&m->log, "kick %s by the control socket: %u sessions", w->word[1], n);
}

static void answer_reload(struct master *m, struct buf *out)
{
	struct err err = ERR_INIT;

	if (master_reload(m, &err) < 0)
		(void)ctl_reply(out, false, "%s", err.text);
	else
		(void)ctl_reply(out, true, "configuration %u is in force", m->gen->config->generation);
}

static void data_time(struct buf *out, const char *key, int64_t t)
{
	if (t > 0 && t != INT64_MAX)
		data_u(out, key, (uint64_t)t);
}

static void cert_lines(const struct master *m, const struct ftp_server *s, unsigned slot,
	const struct tls_cert_info *i, struct buf *out)
{
	struct staple_state st;
	char name[400];

	(void)snprintf(name, sizeof(name), "%.300s:%u", s->scope->conf.server_name, s->scope->conf.port);
	(void)ctl_data(out, "server", name); /* the first one of each; there is room */
	(void)ctl_data(out, "kind", i->kind);
	(void)ctl_data(out, "subject", i->subject);
	(void)ctl_data(out, "issuer", i->issuer);
	data_time(out, "expires", i->expires);
	staples_state(m, s, slot, &st);
	(void)ctl_data(out, "staple", st.state);
	data_time(out, "staple_until", st.until);
	data_time(out, "staple_next", st.next);
	if (st.error != NULL)
		(void)ctl_data(out, "staple_error", st.error);
}

/* Several lines for each certificate of each server; "server" begins one. */
static void answer_tls_list(struct master *m, struct buf *out)
{
	const struct ftp_config *config = m->gen->config;
	unsigned n = 0, left = 0;
	struct buf lines;

	buf_init(&lines, CTL_REPLY_MAX);
	for (unsigned i = 0; i < config->n_servers; i++) {
		const struct ftp_server *s = config->servers[i];

		for (unsigned slot = 0; slot < TLS_KEYS && s->tls != NULL; slot++) {
			struct tls_cert_info info;

			if (!tls_material_cert(s->tls, slot, &info))
				continue;
			n++;
			if (lines.len + CERT_LINES_MAX + 200 > CTL_REPLY_MAX)
				left++;
			else
				cert_lines(m, s, slot, &info, &lines);
		}
	}
	(void)ctl_reply(out, true, "%u certificate%s", n, n == 1 ? "" : "s");
	if (lines.len > 0)
		(void)buf_append(out, lines.data, lines.len); /* there is room */
	if (left > 0)
		data_u(out, "not_shown", left);
	buf_done(&lines);
}

static void answer_tls(struct master *m, const struct ctl_words *w, struct buf *out)
{
	struct err err = ERR_INIT;

	if (w->count == 2 && str_eq(w->word[1], "list"))
		answer_tls_list(m, out);
	else if (w->count != 2 || !str_eq(w->word[1], "reload"))
		(void)ctl_reply(out, false, "usage: tls list|reload");
	else if (master_renew(m, &err) < 0)
		(void)ctl_reply(out, false, "%s; the certificates in force stay", err.text);
	else
		(void)ctl_reply(out, true, "the certificates were loaded anew, configuration %u is in force",
			m->gen->config->generation);
}

static void answer_rates(struct master *m, struct buf *out)
{
	struct err err = ERR_INIT;
	unsigned n_new, n_gone;
	int n = master_rates(m, &n_new, &n_gone, &err);

	if (n < 0)
		(void)ctl_reply(out, false, "%s", err.text);
	else if (n_new + n_gone == 0)
		(void)ctl_reply(out, true, "%d rate%s changed", n, n == 1 ? "" : "s");
	else
		(void)ctl_reply(out, true, "%d rate%s changed; %u new and %u removed lines wait for a reload",
			n, n == 1 ? "" : "s", n_new, n_gone);
}

static void answer_shutdown(struct master *m, const struct ctl_words *w, struct buf *out)
{
	bool now = w->count > 1 && str_eq(w->word[1], "now");

	if (w->count > 2 || (w->count == 2 && !now && !str_eq(w->word[1], "graceful"))) {
		(void)ctl_reply(out, false, "usage: shutdown [graceful|now]");
		return;
	}
	(void)ctl_reply(out, true, "stopping %s", now ? "now" : "when the running transfers have ended");
	master_stop(m, now, NULL);
}

/* A line for each file of TransferMMapFile: bytes (0 = not mapped now), generation, locked bytes, hits, times found
 * outdated, path. */
static void answer_mmap(struct master *m, const struct ctl_words *w, struct buf *out)
{
	const struct preloads *t = mapper_table(m->gen);
	unsigned i = 0, n = t != NULL ? t->n : 0;
	char *value;

	if (w->count != 2 || !str_eq(w->word[1], "list")) {
		(void)ctl_reply(out, false, "usage: mmap list");
		return;
	}
	(void)ctl_reply(out, true, "%u file%s of TransferMMapFile", n, n == 1 ? "" : "s");
	for (; i < n && out->len + 4 * strlen(t->list[i].path) + 200 < CTL_REPLY_MAX; i++) {
		const struct preload *p = &t->list[i];

		value = xasprintf("%llu %u %llu %llu %llu %s",
			(unsigned long long)(p->mem != NULL ? p->id.size : 0), p->gen,
			(unsigned long long)p->locked, (unsigned long long)p->hits,
			(unsigned long long)p->stale, p->path);
		(void)ctl_data(out, "preload", value); /* there is room */
		free(value);
	}
	if (i < n)
		data_u(out, "not_shown", n - i);
}

static void answer_ban(struct master *m, const struct ctl_words *w, struct buf *out)
{
	int kind = w->count > 1 ? ban_kind_named(w->word[1]) : -1;
	uint64_t ms = 0;
	struct addr a;
	char name[ADDR_TEXT_MAX];

	if (kind < 0 || w->count < 3 || w->count > 4 ||
		(w->count == 4 && conf_duration(w->word[3], &ms) < 0)) {
		(void)ctl_reply(out, false, "usage: ban host|user|class NAME [TIME]");
		return;
	}
	if (kind == BAN_HOST && addr_parse(w->word[2], 0, &a) < 0) {
		(void)ctl_reply(out, false, "'%s' is no address", w->word[2]);
		return;
	}
	bans_add(m->bans, (enum ban_kind)kind, kind == BAN_HOST ? addr_text(&a, name) : w->word[2], ms,
		clock_ms());
	(void)ctl_reply(out, true, "%s %s is banned", w->word[1], w->word[2]);
	log_notice(&m->log, "ban %s '%s' by the control socket", w->word[1], w->word[2]);
}

static void answer_permit(struct master *m, const struct ctl_words *w, struct buf *out)
{
	int kind = w->count > 1 ? ban_kind_named(w->word[1]) : -1;
	bool all = w->count == 2 && str_eq(w->word[1], "all");
	struct addr a;
	char name[ADDR_TEXT_MAX];
	const char *what = w->count == 3 ? w->word[2] : NULL;
	unsigned n = 0;

	if (!all && (kind < 0 || what == NULL)) {
		(void)ctl_reply(out, false, "usage: permit host|user|class NAME, or permit all");
		return;
	}
	if (kind == BAN_HOST && addr_parse(what, 0, &a) == 0)
		what = addr_text(&a, name);
	for (int k = 0; k < BAN_KIND_COUNT; k++)
		if (all || k == kind)
			n += bans_lift(m->bans, (enum ban_kind)k, what);
	(void)ctl_reply(out, all || n > 0, n == 1 ? "%u ban lifted" : "%u bans lifted", n);
	log_notice(&m->log, "%u bans lifted by the control socket", n);
}

/* A line for each ban: kind, seconds left ("-" = for good), why, name. */
static void answer_bans(struct master *m, struct buf *out)
{
	uint64_t now = clock_ms();
	unsigned n = 0;

	for (const struct ban *b = NULL; (b = bans_next(m->bans, b, now)) != NULL;)
		n++;
	(void)ctl_reply(out, true, n == 1 ? "%u ban" : "%u bans", n);
	for (const struct ban *b = NULL; (b = bans_next(m->bans, b, now)) != NULL;) {
		char what[100], *value;

		if (out->len + 4 * strlen(b->name) + 200 > CTL_REPLY_MAX)
			break;
		value = xasprintf("%s (%s)", b->name, ban_describe(b, now, what, sizeof(what)));
		(void)ctl_data(out, ban_kind_name(b->kind), value); /* there is room */
		free(value);
	}
}

/* Warnings about .ftpaccess files are the sessions' to log. */
static void log_nothing(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line)
{
}

/* In the process made for it: answer and end. */
static void explain_run(struct peer *p, const struct ctl_words *w, int life)
{
	const struct ftp_config *config = p->m->gen->config;
	int fd = p->fd;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)prctl(PR_SET_DUMPABLE, 0); /* it has hashes in memory, and becomes a user */
	(void)alarm(EXPLAIN_SECS);
	(void)signal(SIGALRM, SIG_DFL);
	life = fcntl(life, F_DUPFD, 5);
	if (life < 0 || dup2(fd, 3) < 0 || dup2(life, 4) < 0) /* 4: while it is open, we are there */
		_exit(1);
	(void)close_range(5, ~0u, 0);
	log_set_sink(log_nothing, NULL);
	(void)fcntl(3, F_SETFL, 0); /* waiting is no harm here */
	ftp_config_wipe_secrets(p->m->gen->config);
	explain(config, p->m->bans, (char *const *)w->word + 1, w->count - 1, &p->out);
	_exit(fd_write_all(3, p->out.data, p->out.len) < 0);
}

/* Each is a process with our rights for as long as a file system or a name server takes. */
static bool explains_for(const struct control *c, uint32_t uid)
{
	for (const struct list *it = c->peers.next; it != &c->peers; it = it->next) {
		const struct peer *p = LIST_OBJ(it, const struct peer, link);

		if (p->explaining && p->who.uid == uid)
			return true;
	}
	return false;
}

/* Another process answers and closes the connection; p counts as long as that process is there. False: there is none, p has
 * the answer. */
static bool explain_elsewhere(struct peer *p, const struct ctl_words *w)
{
	struct master *m = p->m;
	int life[2];
	pid_t pid;

	if (!p->trusted && explains_for(m->control, p->who.uid)) {
		(void)ctl_reply(&p->out, false, "another explain of uid %u is being answered", p->who.uid);
		return false;
	}
	if (pipe2(life, O_CLOEXEC) < 0) {
		(void)ctl_reply(&p->out, false, "cannot make a pipe: %s", strerror(errno));
		return false;
	}
	pid = fork();
	if (pid == 0)
		explain_run(p, w, life[1]);
	fd_close(&life[1]);
	if (pid < 0) {
		(void)ctl_reply(&p->out, false, "cannot fork: %s", strerror(errno));
		fd_close(&life[0]);
		return false;
	}
	loop_del(&m->loop, &p->watch);
	fd_close(&p->fd);
	p->fd = life[0];
	p->explaining = true;
	p->deadline_ms = clock_ms() + EXPLAIN_SECS * 1000 + PEER_TIMEOUT_MS;
	if (loop_add(&m->loop, &p->watch, p->fd, EPOLLIN, peer_event, p) < 0)
		peer_free(p);
	return true;
}

static void answer(struct master *m, const struct ctl_words *w, struct buf *out)
{
	if (str_eq(w->word[0], "status"))
		answer_status(m, out);
	else if (str_eq(w->word[0], "kick"))
		answer_kick(m, w, out);
	else if (str_eq(w->word[0], "ban"))
		answer_ban(m, w, out);
	else if (str_eq(w->word[0], "permit"))
		answer_permit(m, w, out);
	else if (str_eq(w->word[0], "bans"))
		answer_bans(m, out);
	else if (str_eq(w->word[0], "mmap"))
		answer_mmap(m, w, out);
	else if (str_eq(w->word[0], "reload"))
		answer_reload(m, out);
	else if (str_eq(w->word[0], "tls"))
		answer_tls(m, w, out);
	else if (str_eq(w->word[0], "rates"))
		answer_rates(m, out);
	else if (str_eq(w->word[0], "shutdown"))
		answer_shutdown(m, w, out);
	else
		(void)ctl_reply(out, false, "unknown request '%s'", w->word[0]);
}

/* --- connections --- */

static void peer_write(struct peer *p)
{
	ssize_t k = send(p->fd, p->out.data, p->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (k < 0 && errno == EAGAIN)
		k = 0;
	if (k < 0) {
		peer_free(p);
		return;
	}
	buf_consume(&p->out, (size_t)k);
	if (p->out.len == 0)
		peer_free(p);
	else
		loop_mod(&p->m->loop, &p->watch, EPOLLOUT);
}

/* Replies if not. */
static bool may_ask(struct peer *p, const char *action)
{
	char shown[100];

	if (p->trusted || ftp_controls_may_ask(p->m->gen->config, &p->who, action))
		return true;
	(void)ctl_reply(&p->out, false, "uid %u may not ask for '%s' (ControlsACLs)", p->who.uid, action);
	log_notice(&p->m->log, "control socket: uid %u may not ask for '%s'", p->who.uid,
		str_escape(action, shown, sizeof(shown)));
	return false;
}

static void peer_line(struct peer *p, size_t len)
{
	struct ctl_words words;
	int r = ctl_parse(p->in, len, &words);

	if (r < 0) {
		(void)ctl_reply(&p->out, false, "request cannot be read: %s", err_text(r));
	} else if (may_ask(p, words.word[0])) {
		if (!p->trusted)
			log_notice(&p->m->log, "control socket: uid %u asks for '%s'", p->who.uid,
				words.word[0]);
		if (str_eq(words.word[0], "explain") && explain_elsewhere(p, &words))
			return;
		if (p->out.len == 0)
			answer(p->m, &words, &p->out);
	}
	peer_write(p);
}

static void peer_event(void *arg, uint32_t events)
{
	struct peer *p = arg;
	const char *end;
	ssize_t k;

	if (p->explaining) {
		peer_free(p);
		return;
	}
	if (p->out.len != 0) {
		peer_write(p);
		return;
	}
	k = recv(p->fd, p->in + p->in_len, sizeof(p->in) - p->in_len, MSG_DONTWAIT);
	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (k <= 0) {
		peer_free(p);
		return;
	}
	p->in_len += (size_t)k;
	end = memchr(p->in, '\n', p->in_len);
	if (end != NULL) {
		peer_line(p, (size_t)(end - p->in));
	} else if (p->in_len == sizeof(p->in)) {
		(void)ctl_reply(&p->out, false, "request is too long");
		peer_write(p);
	}
}

/* Who is at the other end? Without its supplementary groups nothing can be denied to them: then it is nobody. */
static int peer_identify(struct peer *p)
{
	struct ucred cred;
	socklen_t len = sizeof(cred), size = 0;

	if (getsockopt(p->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	p->who.uid = cred.uid;
	p->who.gid = cred.gid;
	p->trusted = cred.uid == 0 || cred.uid == geteuid();
	if (p->trusted || getsockopt(p->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0)
		return 0;
	if (errno != ERANGE)
		return -errno;
	p->groups = xmalloc(size);
	if (getsockopt(p->fd, SOL_SOCKET, SO_PEERGROUPS, p->groups, &size) < 0)
		return -errno;
	p->who.groups = p->groups;
	p->who.n_groups = size / sizeof(*p->groups);
	return 0;
}

/* Why not, or NULL. */
static const char *peer_refused(
	const struct control *c, const struct ftp_config *config, const struct peer *p)
{
	if (p->trusted)
		return c->n_peers >= PEERS_MAX ? "too many requests at the same time" : NULL;
	if (!ftp_controls_may_connect(config, &p->who))
		return "you may not use this socket (ControlsSocketACL)";
	return c->n_others >= config->controls_max_clients
		       ? "too many requests at the same time (ControlsMaxClients)"
		       : NULL;
}

/* Away with it, with a word if it can be said at once. What it has said is taken out of the socket, and no more can come: left
 * there it would turn our close into a reset. */
static void peer_refuse(struct peer *p, const char *why)
{
	(void)shutdown(p->fd, SHUT_RD);
	while (recv(p->fd, p->in, sizeof(p->in), MSG_DONTWAIT) > 0)
		;
	if (why != NULL && ctl_reply(&p->out, false, "%s", why) == 0)
		(void)send(p->fd, p->out.data, p->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	fd_close(&p->fd);
	free(p->groups);
	buf_done(&p->out);
	free(p);
}

static void drop_stale(struct control *c, uint64_t now)
{
	LIST_EACH(it, tmp, &c->peers)
	{
		struct peer *p = LIST_OBJ(it, struct peer, link);

		if (p->deadline_ms <= now)
			peer_free(p);
	}
}

static void control_event(void *arg, uint32_t events)
{
	struct master *m = arg;
	struct control *c = m->control;
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct peer *p;
	const char *why;

	if (fd < 0)
		return;
	drop_stale(c, clock_ms());
	p = xcalloc(1, sizeof(*p));
	p->m = m;
	p->fd = fd;
	p->deadline_ms = clock_ms() + PEER_TIMEOUT_MS;
	buf_init(&p->out, CTL_REPLY_MAX);
	if (peer_identify(p) < 0) {
		peer_refuse(p, NULL);
		return;
	}
	why = peer_refused(c, m->gen->config, p);
	if (why != NULL) {
		peer_refuse(p, why);
		return;
	}
	list_add(&c->peers, &p->link);
	*(p->trusted ? &c->n_peers : &c->n_others) += 1;
	if (loop_add(&m->loop, &p->watch, fd, EPOLLIN, peer_event, p) < 0)
		peer_free(p);
}

/* Is another daemon answering there? Then its socket is not ours to replace. */
static bool in_use(const struct sockaddr_un *sun)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0;
}

/* The socket's owner and rights, by a descriptor: the name may lead elsewhere meanwhile. */
static int permit(const struct control *c, const struct ftp_config *config)
{
	uid_t uid = config->controls_user.set ? config->controls_user.id : geteuid();
	gid_t gid = config->controls_group.set ? config->controls_group.id : getegid();
	mode_t mode = config->controls_user.set ? 0660 : config->controls_socket_acl != NULL ? 0666 : 0600;
	auto_fd int fd = open(c->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char self[40];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != c->made.st_dev || st.st_ino != c->made.st_ino)
		return -ESTALE;
	if ((st.st_uid != uid || st.st_gid != gid) && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return -errno;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return chmod(self, mode) < 0 ? -errno : 0;
}

void control_permit(struct master *m, const struct ftp_config *config)
{
	int r = m->control != NULL && m->control->fd >= 0 ? permit(m->control, config) : 0;

	if (r < 0)
		log_err(&m->log, "cannot give the control socket its owner and rights: %s", err_text(r));
}

int control_open(struct master *m, const char *path, struct err *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct control *c;
	auto_fd int fd = -1;
	mode_t old;
	int r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return err_set(err, ENAMETOOLONG, "control socket path '%s' is too long", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (in_use(&sun))
		return err_set(err, EADDRINUSE, "another daemon answers on control socket '%s'", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "cannot make the control socket");
	(void)unlink(path); /* a stale one, or there is none */
	old = umask(0177);
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 16) < 0 ? -errno : 0;
	(void)umask(old); /* cannot fail */
	if (r < 0)
		return err_sys(err, -r, "cannot listen on control socket '%s'", path);
	c = xcalloc(1, sizeof(*c));
	list_init(&c->peers);
	c->path = xstrdup(path);
	(void)stat(path, &c->made); /* just bound */
	c->fd = fd;
	fd = -1;
	m->control = c;
	control_permit(m, m->gen->config);
	r = loop_add(&m->loop, &c->watch, c->fd, EPOLLIN, control_event, m);
	return r < 0 ? err_sys(err, -r, "cannot watch the control socket") : 0;
}

void control_leave(struct master *m)
{
	struct control *c = m->control;

	if (c == NULL || c->fd < 0)
		return;
	loop_del(&m->loop, &c->watch);
	fd_close(&c->fd);
	fd_unlink_same(c->path, &c->made);
}

void control_close(struct master *m)
{
	struct control *c = m->control;

	if (c == NULL)
		return;
	LIST_EACH(it, tmp, &c->peers)
	peer_free(LIST_OBJ(it, struct peer, link));
	control_leave(m);
	free(c->path);
	free(c);
	m->control = NULL;
}
