/* Requests of the children. Each has passed the permit table (ipc/message.h): the sender's role may send it,
 * it is well-formed, and a descriptor is there when one must be. What is left to check is whether *this*
 * process may ask this *now*: a login process only about connections it holds, a session process only about
 * its sessions. A request that no honest process makes ends its sender. No string is kept past the message
 * except what a grant says and the DNS name of a client.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "master/own.h"
#include "master/revocation.h"

struct master *master_the;

/* The sender's session number sid, or NULL (it may just have ended: not a violation). */
static struct msession *own_session(struct master *m, struct child *c, uint32_t sid)
{
	struct msession *s = msession_find(m, sid);

	return s != NULL && s->owner == c ? s : NULL;
}

static void keep(char **dst, const char *src)
{
	free(*dst);
	*dst = xstrdup(src);
}

static void drop(char **text)
{
	free(*text);
	*text = NULL;
}

/* --- login --- */

/* A connection costs login a descriptor, so an honest one cannot have more than this. */
static unsigned connections_max(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < UINT_MAX ? (unsigned)r.rlim_cur : UINT_MAX;
}

static int on_connect(struct master *m, struct child *c, const struct ipc_connect *q)
{
	char text[1024];
	struct ipc_admit a = {.cid = q->cid, .text = text};
	struct msession *s;

	if (c->n_sessions >= connections_max())
		return -WE_PERMIT;
	s = msession_new(m, c);
	a.sid = s->sid;
	s->peer = q->peer;
	s->local = q->local;
	s->server = ftp_server_find(c->gen->config, &q->local);
	s->class = ftp_class_find(c->gen->config, &q->peer, NULL);
	a.verdict = admit_connection(m, s, text, sizeof(text));
	(void)child_send(c, IPC_ADMIT, &a, -1); /* a dead child is reaped soon */
	if (a.verdict != IPC_OK)
		msession_free(m, s);
	return 0;
}

static void on_disconnect(struct master *m, struct child *c, const struct ipc_disconnect *q)
{
	struct msession *s = own_session(m, c, q->sid);

	if (s != NULL)
		msession_free(m, s);
}

/* What only login and session see of what BanOnEvent counts. */
static int on_offence(struct master *m, struct child *c, const struct ipc_offence *q)
{
	struct msession *s = own_session(m, c, q->sid);
	struct arena *a;

	if (q->event >= FTP_BAN_EVENT_COUNT ||
		(ftp_ban_tellers((enum ftp_ban_event)q->event) & 1u << c->role) == 0)
		return -WE_PERMIT;
	if (s == NULL || s->server == NULL)
		return 0;
	a = arena_new(8192, 0);
	admit_event(m, s, &msession_scope(s, s->state == MSESSION_ACTIVE, a)->conf,
		(enum ftp_ban_event)q->event, q->user);
	arena_free(a);
	return 0;
}

static int on_cert_check(struct master *m, struct child *c, const struct ipc_cert_check *q)
{
	struct msession *s = own_session(m, c, q->sid);

	return s != NULL ? revocation_asked(m, s, q) : 0;
}

static int on_host(struct master *m, struct child *c, const struct ipc_host *q)
{
	struct msession *s = own_session(m, c, q->sid);

	if (q->server >= c->gen->config->n_servers)
		return -WE_PERMIT;
	if (s != NULL && s->state == MSESSION_CONNECTED)
		s->server = c->gen->config->servers[q->server];
	return 0;
}

/* A client whose session cannot be carried: tell it, without waiting. */
static void say_unavailable(int fd)
{
	static const char text[] = "421 Service not available, closing control connection.\r\n";

	(void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* best effort */
}

static void fill_start(const struct msession *s, const struct ipc_handoff *h, struct ipc_session_start *st)
{
	const struct grantee *a = s->grantee;

	memset(st, 0, sizeof(*st));
	st->grant = (struct ipc_grant){.sid = s->sid,
		.request = s->start->request,
		.server = s->server->index,
		.anon = a->anon,
		.user = a->user,
		.sent_user = a->sent_user,
		.email = s->start->email,
		.uid = a->uid,
		.gid = a->gid,
		.groups = {s->start->groups, s->start->n_groups},
		.group_names = a->group_names,
		.home = s->start->home,
		.root = s->start->root,
		.chdir = s->start->chdir};
	st->handoff = *h;
	st->handoff.generation = s->gen->config->generation;
	st->peer = s->peer;
	st->local = s->local;
	st->class_name = s->class != NULL ? s->class->name : "";
	st->connected_wall_ms = s->connected_wall_ms;
}

/* The session has said that it ends the protection of its control connection; who carries that must do it. */
static void on_ccc(struct master *m, struct child *c, const struct ipc_sid *q)
{
	struct msession *s = own_session(m, c, q->sid);

	if (s == NULL || s->relay == 0)
		return;
	LIST_EACH(it, tmp, &m->children)
	{
		struct child *login = LIST_OBJ(it, struct child, link);

		if (login->role == IPC_LOGIN && login->id == s->relay)
			(void)child_send(
				login, IPC_CLEAR, q, -1); /* a dead one takes its connections with it */
	}
	s->relay = 0;
}

static int is_stream_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static int on_handoff(struct master *m, struct child *c, struct ipc_msg *msg)
{
	struct msession *s = own_session(m, c, msg->handoff.sid);
	struct ipc_session_start start;
	const struct grantee *a;
	struct identity id;
	struct arena *arena;
	const struct ftp_scope *scope;
	struct child *to;
	struct err err = ERR_INIT;
	int r;

	if (s == NULL)
		return 0;
	if (s->state != MSESSION_GRANTED || !is_stream_socket(msg->fd))
		return -WE_PERMIT;
	a = s->grantee;
	id = (struct identity){a->uid, a->gid, (gid_t *)s->start->groups, s->start->n_groups, a->user,
		s->start->root, NULL, NULL};
	arena = arena_new(8192, 0);
	scope = a->anon == 0 ? msession_scope(s, true, arena) : NULL;
	if (scope != NULL && scope->conf.create_home.on) {
		id.create_home = &scope->conf.create_home;
		id.home = s->start->home;
	}
	r = child_for_identity(m, s->gen, &id, &to, &err);
	arena_free(arena);
	if (r == 0) {
		fill_start(s, &msg->handoff, &start);
		r = child_send(to, IPC_SESSION_START, &start, msg->fd);
		if (r < 0)
			(void)err_set(
				&err, -r, "session process %u does not take it: %s", to->id, err_text(r));
	}
	if (r == 0) {
		if (*msg->handoff.client_name != '\0')
			keep(&s->client_name, msg->handoff.client_name);
		else
			drop(&s->client_name);
		grant_started(s, to);
		msession_forget_cert(s);
		msession_move(s, to);
		s->state = MSESSION_ACTIVE;
		s->relay = msg->handoff.secure ? c->id : 0;
		live_login(m, s);
	}
	if (r < 0) {
		log_err(&(struct log_ctx){.parent = &m->log, .fd = msession_log_fd(s)},
			"session %u of user '%s' cannot start: %s", s->sid, a->user, err.text);
		say_unavailable(msg->fd);
		msession_free(m, s);
	}
	return 0;
}

/* --- auth --- */

/* Is it an identity that this daemon gives out? Auth has asked the same; this is the second look. */
static bool grant_allowed(const struct master *m, const struct msession *s, const struct ipc_grant *g)
{
	struct arena *a = arena_new(8192, 0);
	const struct ftp_scope *scope = msession_scope(s, true, a);
	bool allowed = scope != NULL && g->root[0] == '/' && (g->uid != 0 || scope->conf.root_login) &&
		       (m->can_switch_uid || g->uid == geteuid());

	arena_free(a);
	return allowed;
}

static int on_grant(struct master *m, struct child *c, const struct ipc_grant *g)
{
	struct msession *s = msession_find(m, g->sid);
	struct ipc_login_result res = {.sid = g->sid, .request = g->request};
	char text[1024] = "";

	if (s == NULL || s->state != MSESSION_CONNECTED || s->gen != c->gen)
		return 0; /* the client has gone meanwhile */
	if (g->server >= c->gen->config->n_servers)
		return -WE_PERMIT;
	s->server = c->gen->config->servers[g->server];
	s->class = ftp_class_named(s->gen->config, g->class_name);
	grant_keep(s, g);
	if (!grant_allowed(m, s, g))
		return -WE_PERMIT;
	if (g->certificate.len > 0 && !revocation_passed(s, s->server, &g->certificate)) {
		log_err(&m->log,
			"login of user '%s' refused: its certificate is not the one that was asked about",
			g->user);
		res.verdict = IPC_REFUSE_TEXT;
		res.text = "530 Login incorrect.";
		(void)child_send(s->owner, IPC_LOGIN_RESULT, &res, -1); /* a dead child is reaped soon */
		return 0;
	}
	s->state = MSESSION_GRANTED; /* check and claim are one step */
	res.verdict = admit_login(m, s, text, sizeof(text));
	res.text = text;
	if (res.verdict != IPC_OK) {
		log_notice(&(struct log_ctx){.parent = &m->log, .fd = msession_log_fd(s)},
			"login of user '%s' refused: %s", s->grantee->user, text);
		s->state = MSESSION_CONNECTED;
	}
	(void)child_send(s->owner, IPC_LOGIN_RESULT, &res, -1); /* a dead child is reaped soon */
	return 0;
}

/* --- session --- */

static void on_session_end(struct master *m, struct child *c, const struct ipc_sid *q)
{
	struct msession *s = own_session(m, c, q->sid);

	if (s != NULL)
		msession_free(m, s);
}

static void on_xfer_claim(struct master *m, struct child *c, const struct ipc_xfer_claim *q)
{
	struct msession *s = own_session(m, c, q->sid);
	struct ipc_xfer_verdict v = {.sid = q->sid};

	if (s == NULL)
		return;
	v.refused = admit_transfer(m, s, q);
	(void)child_send(c, IPC_XFER_VERDICT, &v, -1); /* a dead child is reaped soon */
}

static void on_xfer_done(struct master *m, struct child *c, const struct ipc_sid *q)
{
	struct msession *s = own_session(m, c, q->sid);

	if (s != NULL)
		s->xfer_command = 0;
}

static void on_xfer_report(struct master *m, struct child *c, const struct ipc_xfer_report *q)
{
	struct msession *s = own_session(m, c, q->sid);

	if (s != NULL)
		live_transfer(m, s, q);
}

static bool owner_named(const struct ftp_owner *o, bool meant, uint32_t id)
{
	return o->set == meant && (!meant || o->id == id);
}

/* Do the values of the scope, or of one below it, ask for these owners? */
static bool own_configured(const struct ftp_scope *s, const struct ipc_own *q)
{
	if (owner_named(&s->conf.user_owner, q->user, q->uid) &&
		owner_named(&s->conf.group_owner, q->group, q->gid))
		return true;
	for (const struct ftp_scope *d = s->dirs; d != NULL; d = d->next)
		if (own_configured(d, q))
			return true;
	return false;
}

/* The close of any other asks the file system, which may never answer. */
static bool is_path_only(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_PATH) != 0;
}

/* UserOwner and GroupOwner: only ids that the session's own configuration names, and only what its user owns: no
 * other name of it, nothing that runs with its owner's rights (own.c looks at that). */
static int on_own(struct master *m, struct child *c, struct ipc_msg *msg)
{
	const struct ipc_own *q = &msg->own;
	struct msession *s = own_session(m, c, q->sid);
	struct arena *a;
	const struct ftp_scope *scope;
	bool named;

	if (s == NULL)
		return 0;
	if (s->state != MSESSION_ACTIVE || (!q->user && !q->group) || !is_path_only(msg->fd))
		return -WE_PERMIT;
	a = arena_new(8192, 0);
	scope = msession_scope(s, true, a);
	named = scope != NULL &&
		(own_configured(scope, q) || (msession_anon(s) != 0 && own_configured(scope->parent, q)));
	arena_free(a);
	if (!named)
		return -WE_PERMIT;
	own_start(m, s, q, msg->fd);
	msg->fd = -1;
	return 0;
}

/* REIN, and AUTH after the login: the client goes to the login process that takes connections now. */
static int on_rein(struct master *m, struct child *c, struct ipc_msg *msg)
{
	struct msession *s = own_session(m, c, msg->rein.sid);
	struct child *login = child_login(m);
	struct ipc_adopt a = {.telnet = msg->rein.telnet,
		.input = msg->rein.input,
		.auth = msg->rein.auth,
		.prot_private = msg->rein.prot_private};

	if (s == NULL)
		return 0;
	if (s->state != MSESSION_ACTIVE || !is_stream_socket(msg->fd))
		return -WE_PERMIT;
	if (login != NULL) {
		msession_reset(m, s, login);
		a.sid = s->sid;
		a.peer = s->peer;
		a.local = s->local;
		a.client_name = s->client_name;
	}
	if (login == NULL || s->server == NULL || child_send(login, IPC_ADOPT, &a, msg->fd) < 0) {
		say_unavailable(msg->fd);
		msession_free(m, s);
	}
	return 0;
}

/* Does a server of the session's configuration have that port? What login said of the connection's own
 * address is not enough to give out a privileged port. */
static bool port_served(const struct msession *s, uint16_t port)
{
	const struct ftp_config *c = s->gen->config;
	unsigned i = 0;

	while (i < c->n_servers && c->servers[i]->scope->conf.port != port)
		i++;
	return i < c->n_servers;
}

/* A socket bound to the control connection's address and the port before it (RFC 959 3.2: L-1). */
static int active_socket(const struct msession *s, int *ret_fd)
{
	struct addr a = s->local;
	uint16_t port = addr_port(&s->local);
	struct arena *arena = arena_new(8192, 0);
	const struct ftp_scope *scope = msession_scope(s, true, arena);
	bool revoked = scope == NULL || scope->conf.root_revoke == FTP_ROOT_REVOKE_ON;
	auto_fd int fd = -1;
	int one = 1;

	arena_free(arena);
	if (revoked || port < 2 || !port_served(s, port))
		return -EACCES;
	addr_set_port(&a, (uint16_t)(port - 1));
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		bind(fd, &a.sa, addr_len(&a)) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static void on_active_request(struct master *m, struct child *c, const struct ipc_sid *q)
{
	struct msession *s = own_session(m, c, q->sid);
	struct ipc_active_socket a = {.sid = q->sid};
	auto_fd int fd = -1;

	if (s == NULL)
		return;
	a.error = (uint32_t)-active_socket(s, &fd);
	(void)child_send(c, IPC_ACTIVE_SOCKET, &a, fd); /* a dead child is reaped soon */
}

/* --- dispatch --- */

static int dispatch(struct master *m, struct child *c, struct ipc_msg *msg)
{
	switch (msg->permit->type) {
	case IPC_CONNECT:
		return on_connect(m, c, &msg->connect);
	case IPC_DISCONNECT:
		on_disconnect(m, c, &msg->disconnect);
		return 0;
	case IPC_HOST:
		return on_host(m, c, &msg->host);
	case IPC_CERT_CHECK:
		return on_cert_check(m, c, &msg->cert_check);
	case IPC_HANDOFF:
		return on_handoff(m, c, msg);
	case IPC_GRANT:
		return on_grant(m, c, &msg->grant);
	case IPC_SESSION_END:
		on_session_end(m, c, &msg->sid);
		return 0;
	case IPC_XFER_CLAIM:
		on_xfer_claim(m, c, &msg->xfer_claim);
		return 0;
	case IPC_XFER_DONE:
		on_xfer_done(m, c, &msg->sid);
		return 0;
	case IPC_XFER_REPORT:
		on_xfer_report(m, c, &msg->xfer_report);
		return 0;
	case IPC_MAP_USED:
		return mapper_used(m, c->gen, &msg->map_used);
	case IPC_OFFENCE:
		return on_offence(m, c, &msg->offence);
	case IPC_OWN:
		return on_own(m, c, msg);
	case IPC_REIN:
		return on_rein(m, c, msg);
	case IPC_CCC:
		on_ccc(m, c, &msg->sid);
		return 0;
	case IPC_ACTIVE_REQUEST:
		on_active_request(m, c, &msg->sid);
		return 0;
	default:
		return -WE_PERMIT;
	}
}

#define BATCH 64 /* messages of one child before the others get their turn */

void handler_event(void *arg, uint32_t events)
{
	struct child *c = arg;
	struct master *m = master_the;
	struct ipc_msg msg;
	int i, r = 0;

	if ((events & EPOLLOUT) != 0)
		r = ipc_chan_flush(&c->chan);
	for (i = 0; i < BATCH && r >= 0; i++) {
		r = ipc_recv(&c->chan, &m->scratch, &msg);
		if (r != 1)
			break;
		r = dispatch(m, c, &msg);
		ipc_msg_done(&msg);
	}
	if (r == -WE_PERMIT) {
		child_kill(m, c, "it asked for what it may not");
		return;
	}
	if (r < 0) { /* closed: SIGCHLD follows */
		loop_del(&m->loop, &c->watch);
		return;
	}
	loop_mod(&m->loop, &c->watch, EPOLLIN | (ipc_chan_wants_write(&c->chan) ? EPOLLOUT : 0u));
}

void handler_last_words(struct master *m, struct child *c)
{
	struct ipc_msg msg;
	int r = 0;

	/* No watch: it was ended by us, and is not listened to. */
	while (r >= 0 && c->watch.fd >= 0 && ipc_recv(&c->chan, &m->scratch, &msg) == 1) {
		r = dispatch(m, c, &msg);
		ipc_msg_done(&msg);
	}
}
