#include "auth/auth.h"

#include <errno.h>
#include <malloc.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "auth/backend.h"
#include "auth/decide.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "ftp/conf.h"
#include "ftp/tls_servers.h"
#include "ftp/variant.h"
#include "ipc/chan.h"
#include "wherry_config.h"

#define THREADS       "8" /* checks at a time: hashes cost processor, name services wait */
#define RESOLVING_MAX 4   /* of these, waiting for DNS at most */
#define PEER_JOBS_MAX 64  /* of one process: its further requests wait in its own memory */
#define SIGN_MAX      1   /* signatures of one process until others have their turn */
#define DNS_NAME_MAX  254 /* RFC 1035 2.3.4, with the NUL */

struct auth;

/* A channel: to master, to a login process, or to a session process that asks for names. */
struct peer {
	struct list link;
	struct auth *auth;
	struct ipc_chan chan;
	uv_poll_t poll;
	unsigned id;
	unsigned jobs;       /* in threads; the peer lives until they are back */
	unsigned signed_now; /* signatures in this turn of the loop */
	bool closed;
};

struct auth {
	uv_loop_t loop;
	uv_timer_t refresh; /* DynMasqRefresh */
	uv_work_t refreshing;
	bool is_refreshing;
	const struct proc_start *start;
	struct decide_context ctx;
	struct list peers;
	struct peer *master;
	struct tls_keys *keys; /* NULL = none */
	struct ipc_scratch scratch;
	unsigned jobs, resolving; /* in threads; of these, waiting for DNS */
	struct log_ctx log;
};

/* A request in a thread. */
struct job {
	uv_work_t work;
	struct peer *peer;
	struct arena *arena;
	enum job_kind { JOB_LOGIN, JOB_NAME, JOB_RESOLVE } kind;
	/* a login */
	struct ipc_auth_request q; /* strings in arena; the password is wiped afterwards */
	struct ipc_grant grant;
	int reason;
	char what[256];
	/* a name */
	struct ipc_name_request name;
	struct ipc_name_reply reply;
	/* the DNS name of an address */
	struct ipc_resolve address;
	struct ipc_resolved resolved;
};

static void peer_update(struct peer *p);

/* --- peers --- */

static void peer_closed(uv_handle_t *h)
{
	struct peer *p = h->data;

	p->closed = true;
	if (p->auth->master == p)
		p->auth->master = NULL;
	list_del(&p->link);
	if (p->jobs == 0)
		free(p);
}

static void peer_close(struct peer *p)
{
	if (uv_is_closing((uv_handle_t *)&p->poll))
		return;
	(void)uv_poll_stop(&p->poll); /* cannot fail */
	ipc_chan_done(&p->chan);
	uv_close((uv_handle_t *)&p->poll, peer_closed);
}

/* Answer a login or session process; one that is gone waits for nothing, and one that does not read its
 * answers is not listened to any more. */
static void peer_send(struct peer *p, enum ipc_type type, const void *msg)
{
	int r;

	if (uv_is_closing((uv_handle_t *)&p->poll))
		return;
	r = ipc_send(&p->chan, type, msg, -1);
	if (r == 0) {
		peer_update(p);
		return;
	}
	if (r != -WE_CLOSED)
		log_err(&p->auth->log, "cannot answer process %u: %s", p->id, err_text(r));
	peer_close(p);
}

static void stop(struct auth *a)
{
	LIST_EACH(it, tmp, &a->peers)
	peer_close(LIST_OBJ(it, struct peer, link));
}

/* --- logins --- */

static void login_work(uv_work_t *w)
{
	struct job *j = w->data;

	j->reason = decide(&j->peer->auth->ctx, &j->q, j->arena, &j->grant, j->what, sizeof(j->what));
}

static void log_refusal(const struct auth *a, const struct job *j)
{
	char user[128];
	struct log_ctx ctx = {.parent = &a->log, .client = &j->q.client, .sid = j->q.sid};
	const struct ftp_config *config = a->ctx.config;

	if (j->q.server < config->n_servers)
		ctx.fd = ftp_server_log_fd(&config->servers[j->q.server]->scope->conf);
	(void)str_escape(j->q.user, user, sizeof(user));
	if (j->reason == IPC_AUTH_CERTIFICATE) { /* it is asked for a password next */
		log_info(&ctx, "USER %s: no login by certificate: %s", user, j->what);
		return;
	}
	if (j->reason == IPC_AUTH_ROOT)
		log_warn(&ctx, "%s", j->what);
	log_notice(&ctx, "USER %s (Login failed): %s", user, j->what);
}

static void login_answer(struct auth *a, struct job *j)
{
	struct ipc_auth_failed f = {.sid = j->q.sid, .request = j->q.request, .reason = (uint32_t)j->reason};
	int r;

	uint8_t digest[TLS_FINGERPRINT_BYTES];

	if (j->reason == 0) {
		if (j->q.certificate.len > 0) {
			tls_client_cert_digest(j->q.certificate.data, j->q.certificate.len, digest);
			j->grant.certificate = (struct ipc_bytes){digest, sizeof(digest)};
		}
		r = a->master != NULL ? ipc_send(&a->master->chan, IPC_GRANT, &j->grant, -1) : -WE_CLOSED;
		if (r == 0) {
			peer_update(a->master);
			return;
		}
		log_err(&a->log, "cannot tell master of a login: %s", err_text(r));
		f.reason = IPC_AUTH_INTERNAL;
	} else {
		log_refusal(a, j);
	}
	peer_send(j->peer, IPC_AUTH_FAILED, &f);
}

/* --- names --- */

static bool find_name(const struct job *j, const struct ftp_conf *conf, const struct auth_backend *b,
	char *text, size_t size, unsigned *id)
{
	const struct ipc_name_request *q = &j->name;
	struct auth_account account = {0};
	bool found = false;

	switch (q->kind) {
	case IPC_NAME_OF_UID:
	case IPC_NAME_OF_GID:
		return b->name_of != NULL &&
		       b->name_of(conf, q->kind == IPC_NAME_OF_UID ? AUTH_USER_ID : AUTH_GROUP_ID, q->id,
			       text, size);
	case IPC_UID_OF_NAME:
	case IPC_GID_OF_NAME:
		return b->id_of != NULL &&
		       b->id_of(conf, q->kind == IPC_UID_OF_NAME ? AUTH_USER_ID : AUTH_GROUP_ID, q->name, id);
	case IPC_HOME_OF_NAME:
		found = b->find != NULL && b->find(conf, q->name, &account) > 0;
		if (found)
			str_copy(text, size, account.home);
		auth_account_done(&account);
		return found;
	default:
		return false;
	}
}

static void name_work(uv_work_t *w)
{
	struct job *j = w->data;
	const struct ftp_config *config = j->peer->auth->ctx.config;
	const struct ftp_conf *conf =
		&config->servers[j->name.server < config->n_servers ? j->name.server : 0]->scope->conf;
	struct auth_order order;
	char text[4096] = "";

	auth_order_read(conf, &order);
	for (size_t i = 0; i < order.n && !j->reply.found; i++)
		j->reply.found = find_name(j, conf, order.v[i].backend, text, sizeof(text), &j->reply.id);
	j->reply.name = arena_strdup(j->arena, text);
}

/* --- DNS names --- */

/* Is addr among the addresses of name? Whoever runs the reverse zone can claim any name. */
static bool name_has_address(const char *name, const struct addr *addr)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *ai;
	struct addr one;
	bool found = false;

	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		return false;
	for (ai = list; ai != NULL && !found; ai = ai->ai_next)
		found = addr_from_sockaddr(ai->ai_addr, ai->ai_addrlen, &one) == 0 &&
			addr_host_equal(&one, addr);
	freeaddrinfo(list);
	return found;
}

static void resolve_work(uv_work_t *w)
{
	struct job *j = w->data;
	char name[NI_MAXHOST];
	struct addr addr;

	addr_unmap(&j->address.addr, &addr);
	if (j->address.name &&
		getnameinfo(&addr.sa, addr_len(&addr), name, sizeof(name), NULL, 0, NI_NAMEREQD) == 0 &&
		strlen(name) < DNS_NAME_MAX && name_has_address(name, &addr))
		j->resolved.name = arena_strdup(j->arena, name);
	if (j->address.tables)
		j->resolved.refused =
			!decide_connect(&j->peer->auth->ctx, &j->address, j->resolved.name, j->arena);
}

/* --- jobs --- */

static void job_free(struct job *j)
{
	if (j->q.password != NULL)
		wipe((char *)(uintptr_t)j->q.password, strlen(j->q.password)); /* our copy */
	arena_free(j->arena);
	free(j);
}

static void job_done(uv_work_t *w, int status)
{
	struct job *j = w->data;
	struct peer *p = j->peer;
	struct auth *a = p->auth;

	switch (j->kind) {
	case JOB_LOGIN:
		login_answer(a, j);
		break;
	case JOB_NAME:
		peer_send(p, IPC_NAME_REPLY, &j->reply);
		break;
	case JOB_RESOLVE:
		a->resolving -= j->address.name;
		peer_send(p, IPC_RESOLVED, &j->resolved);
		break;
	}
	job_free(j);
	a->jobs--;
	p->jobs--;
	if (!p->closed)
		peer_update(p); /* it may be listened to again */
	else if (p->jobs == 0)
		free(p);
}

static void job_start(struct peer *p, struct job *j, uv_work_cb work)
{
	j->peer = p;
	j->work.data = j;
	p->jobs++;
	p->auth->jobs++;
	(void)uv_queue_work(
		&p->auth->loop, &j->work, work, job_done); /* fails only without a work function */
}

static struct job *job_new(void)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->arena = arena_new(8192, 0); /* what goes in was bounded by the message */
	return j;
}

static void on_auth_request(struct peer *p, const struct ipc_auth_request *q)
{
	struct job *j = job_new();

	j->q = *q;
	j->q.user = arena_strdup(j->arena, q->user);
	j->q.password = arena_strdup(j->arena, q->password);
	wipe((char *)(uintptr_t)q->password,
		strlen(q->password)); /* in the channel's memory, which is ours */
	j->q.client_name = arena_strdup(j->arena, q->client_name);
	if (q->certificate.len > 0) {
		void *copy = arena_alloc(j->arena, q->certificate.len);

		memcpy(copy, q->certificate.data, q->certificate.len);
		j->q.certificate.data = copy;
	}
	job_start(p, j, login_work);
}

static void on_name_request(struct peer *p, const struct ipc_name_request *q)
{
	struct job *j = job_new();

	j->kind = JOB_NAME;
	j->name = *q;
	j->name.name = arena_strdup(j->arena, q->name);
	job_start(p, j, name_work);
}

/* A name server that does not answer must not take the threads from logins: beyond a few, clients go
 * without a name. */
static void on_resolve(struct peer *p, const struct ipc_resolve *q)
{
	struct ipc_resolved none = {.sid = q->sid, .name = ""};
	bool name = q->name && p->auth->resolving < RESOLVING_MAX;
	struct job *j;

	if (!name && !q->tables) {
		peer_send(p, IPC_RESOLVED, &none);
		return;
	}
	j = job_new();
	j->kind = JOB_RESOLVE;
	j->address = *q;
	j->address.name = name;
	j->resolved = none;
	p->auth->resolving += name;
	job_start(p, j, resolve_work);
}

/* --- signatures for TLS --- */

/* At once, not in a thread: a millisecond at most, and the threads may be full of passwords. */
static void on_sign_request(struct peer *p, const struct ipc_sign_request *q)
{
	uint8_t out[TLS_SIGN_OUT_MAX];
	struct ipc_sign_reply a = {.request = q->request, .signature = {out, 0}};
	int r = -ENOENT;

	if (p->auth->keys != NULL)
		r = tls_keys_sign(
			p->auth->keys, q->key, q->kind, q->input.data, q->input.len, out, &a.signature.len);
	if (r < 0) {
		a.error = (uint32_t)-r;
		log_warn(&p->auth->log,
			"process %u asked for a signature that is not made (key %u, kind %u, %zu bytes): %s",
			p->id, q->key, q->kind, q->input.len, err_text(r));
	}
	peer_send(p, IPC_SIGN_REPLY, &a);
}

/* --- channels --- */

static struct peer *peer_new(struct auth *a, int fd, enum ipc_role role, unsigned id);

static int dispatch(struct peer *p, struct ipc_msg *m)
{
	struct auth *a = p->auth;

	switch (m->permit->type) {
	case IPC_AUTH_PEER:
		(void)peer_new(a, ipc_msg_take_fd(m), IPC_LOGIN, m->peer.id);
		return 0;
	case IPC_NAMES_PEER:
		(void)peer_new(a, ipc_msg_take_fd(m), IPC_SESSION, m->peer.id);
		return 0;
	case IPC_KEYS_PEER:
		(void)peer_new(a, ipc_msg_take_fd(m), m->keys_peer.session ? IPC_SESSION : IPC_LOGIN,
			m->keys_peer.id);
		return 0;
	case IPC_SIGN_REQUEST:
		on_sign_request(p, &m->sign_request);
		p->signed_now++;
		return 0;
	case IPC_AUTH_REQUEST:
		on_auth_request(p, &m->auth_request);
		return 0;
	case IPC_RESOLVE:
		on_resolve(p, &m->resolve);
		return 0;
	case IPC_NAME_REQUEST:
		on_name_request(p, &m->name_request);
		return 0;
	case IPC_LOG_REOPEN:
		(void)ftp_logfile_reopen(a->start->config, m->log_reopen.index,
			ipc_msg_take_fd(m)); /* else the old file goes on */
		return 0;
	case IPC_RETIRE:
		stop(a);
		return 0;
	default:
		return -WE_PERMIT;
	}
}

static void peer_ready(uv_poll_t *h, int status, int events)
{
	struct peer *p = h->data;
	struct auth *a = p->auth;
	struct ipc_msg m;
	int r = 0;

	if ((events & UV_WRITABLE) != 0)
		r = ipc_chan_flush(&p->chan);
	p->signed_now = 0;
	while (r >= 0 && p->chan.fd >= 0 && p->jobs < PEER_JOBS_MAX && p->signed_now < SIGN_MAX &&
		(r = ipc_recv(&p->chan, &a->scratch, &m)) == 1) {
		r = dispatch(p, &m);
		ipc_msg_done(&m);
	}
	if (p->chan.fd < 0)
		return; /* closed by dispatch */
	if (r < 0) {
		if (r == -WE_PERMIT)
			log_err(&a->log, "process %u asked for what it may not, not listening to it any more",
				p->id);
		if (p == a->master)
			stop(a); /* master is gone: nobody needs us */
		else
			peer_close(p);
		return;
	}
	peer_update(p);
}

static void peer_update(struct peer *p)
{
	int events = p->jobs < PEER_JOBS_MAX ? UV_READABLE : 0;

	if (uv_is_closing((uv_handle_t *)&p->poll))
		return;
	if (ipc_chan_wants_write(&p->chan))
		events |= UV_WRITABLE;
	(void)uv_poll_start(
		&p->poll, events, peer_ready); /* cannot fail for an open descriptor; 0 stops it */
}

static struct peer *peer_new(struct auth *a, int fd, enum ipc_role role, unsigned id)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->auth = a;
	p->id = id;
	ipc_chan_init(&p->chan, fd, IPC_AUTH, role);
	p->poll.data = p;
	if (uv_poll_init(&a->loop, &p->poll, fd) < 0) {
		ipc_chan_done(&p->chan);
		free(p);
		return NULL;
	}
	list_add(&a->peers, &p->link);
	peer_update(p);
	return p;
}

/* --- the process --- */

/* --- addresses by name --- */

static void refresh_work(uv_work_t *w)
{
	struct auth *a = w->data;

	ftp_live_refresh(a->start->config, &a->log);
}

static void refresh_done(uv_work_t *w, int status)
{
	struct auth *a = w->data;

	(void)status; /* nobody cancels it */
	a->is_refreshing = false;
}

static void refresh_begin(uv_timer_t *t)
{
	struct auth *a = t->data;

	if (a->is_refreshing) /* a name server that does not answer keeps one thread, not all */
		return;
	a->refreshing.data = a;
	a->is_refreshing = uv_queue_work(&a->loop, &a->refreshing, refresh_work, refresh_done) == 0;
}

static void refresh_start(struct auth *a)
{
	const struct ftp_config *config = a->start->config;
	uint64_t ms = (uint64_t)config->masquerade_refresh_secs * 1000;

	(void)uv_timer_init(&a->loop, &a->refresh); /* cannot fail */
	a->refresh.data = a;
	if (ms > 0 && config->live_names != NULL)
		(void)uv_timer_start(&a->refresh, refresh_begin, ms, ms);
	uv_unref((uv_handle_t *)&a->refresh); /* it is no reason to live */
}

#ifdef HAVE_PAM
static bool names_pam(const struct ftp_conf *conf)
{
	struct auth_order order;

	auth_order_read(conf, &order);
	for (size_t i = 0; i < order.n; i++) {
		if (order.v[i].backend == &auth_backend_pam)
			return true;
	}
	return false;
}
#endif

static bool wants_pam(const struct ftp_config *config)
{
#ifdef HAVE_PAM
	for (unsigned i = 0; i < config->n_servers; i++) {
		if (names_pam(&config->servers[i]->scope->conf) ||
			names_pam(&ftp_server_full(config->servers[i])->scope->conf))
			return true;
	}
#endif
	return false;
}

static void start_pam(const struct auth *a)
{
#ifdef HAVE_PAM
	int r = pam_helper_start(a->start->chan_fd);

	if (r < 0)
		log_err(&a->log, "cannot start the PAM process: %s; PAM logins will fail", err_text(r));
#endif
}

int auth_main(const struct proc_start *start)
{
	struct auth *a = xcalloc(1, sizeof(*a));
	struct err err = ERR_INIT;
	bool pam = wants_pam(start->config);
	int status = 1;

	a->start = start;
	a->ctx = (struct decide_context){.config = start->config, .can_switch_uid = start->can_switch_uid};
	a->log.process = "auth";
	list_init(&a->peers);
	if (pam)
		start_pam(a);
	a->keys = ftp_tls_keys(start->config, &a->log); /* after the fork: the helper needs none */
	(void)setenv("UV_THREADPOOL_SIZE", THREADS, 1);
#ifdef M_ARENA_MAX
	(void)mallopt(M_ARENA_MAX, 1); /* else each thread keeps what crypt(3) once took */
#endif
	if (uv_loop_init(&a->loop) < 0 || start->confine(start, -1, &err) < 0) {
		log_err(&a->log, "auth process cannot start: %s", err.text);
		goto out;
	}
	a->master = peer_new(a, start->chan_fd, IPC_MASTER, 0);
	if (a->master != NULL) {
		refresh_start(a);
		(void)uv_run(
			&a->loop, UV_RUN_DEFAULT); /* ends when all peers are closed and all jobs are back */
		uv_close((uv_handle_t *)&a->refresh, NULL);
		(void)uv_run(&a->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&a->loop);
		status = 0;
	}
out:
#ifdef HAVE_PAM
	if (pam)
		pam_helper_stop();
#endif
	auth_file_forget();
	tls_keys_free(&a->keys);
	free(a);
	return status;
}
