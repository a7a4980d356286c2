/* Children: forking, reaping and restarting them. What they do first is in newborn.c. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/tls_servers.h"
#include "master/newborn.h"

#define IDLE_EXIT_MS    10000 /* a session process ends this long after its last session */
#define SPREAD_SESSIONS 64    /* sessions of one process before another of the same identity is started */
#define LOGIN_SLOTS     8192
#define RESTART_MS      100 /* after an early death; doubled with each further one */
#define RESTART_MAX_MS  5000
#define EARLY_DEATH_MS  2000

/* --- identities --- */

static void identity_copy(struct identity *dst, const struct identity *src)
{
	*dst = *src;
	dst->user = xstrdup(src->user);
	dst->root = xstrdup(src->root);
	dst->groups = xcalloc(src->n_groups + 1, sizeof(*dst->groups));
	if (src->n_groups != 0)
		memcpy(dst->groups, src->groups, src->n_groups * sizeof(*dst->groups));
}

static void identity_done(struct identity *id)
{
	free(id->user);
	free(id->root);
	free(id->groups);
	memset(id, 0, sizeof(*id));
}

static bool identity_equal(const struct identity *a, const struct identity *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->n_groups == b->n_groups &&
	       str_eq(a->user, b->user) && str_eq(a->root, b->root) &&
	       (a->n_groups == 0 || memcmp(a->groups, b->groups, a->n_groups * sizeof(*a->groups)) == 0);
}
/* --- starting --- */

int child_send(struct child *c, enum ipc_type type, const void *msg, int fd)
{
	int r = ipc_send(&c->chan, type, msg, fd);

	if (r == 0 && ipc_chan_wants_write(&c->chan))
		loop_mod(&master_the->loop, &c->watch, EPOLLIN | EPOLLOUT);
	return r;
}

static void child_free(struct master *m, struct child *c)
{
	loop_del(&m->loop, &c->watch);
	ipc_chan_done(&c->chan);
	list_del(&c->link);
	identity_done(&c->identity);
	grantee_unref(&c->grantee);
	if (c->gen->auth == c)
		c->gen->auth = NULL;
	generation_unref(m, c->gen);
	free(c);
}

static struct child *child_new(
	struct master *m, enum ipc_role role, struct generation *g, const struct identity *id)
{
	struct child *c = xcalloc(1, sizeof(*c));

	c->role = role;
	c->id = ++m->next_child_id;
	c->gen = g;
	generation_ref(g);
	c->started_ms = c->idle_since_ms = clock_ms();
	c->watch.fd = -1;
	ipc_chan_init(&c->chan, -1, IPC_MASTER, role);
	if (id != NULL)
		identity_copy(&c->identity, id);
	list_add(&m->children, &c->link);
	return c;
}

static int spawn(struct master *m, enum ipc_role role, struct generation *g, const struct identity *id,
	struct child **ret_c, struct err *err)
{
	struct birth b = {.chan_fd = -1};
	int fds[2], r;

	r = role == IPC_AUTH ? ftp_live_inherit(g->config, true) : 0;
	if (r < 0)
		return err_sys(err, -r, "cannot share the addresses that are looked up again");
	r = ipc_pair(fds);
	if (r < 0)
		return err_sys(err, -r, "cannot make a channel");
	if (m->board != NULL && role != IPC_AUTH) {
		r = score_region_new(m->board, role == IPC_LOGIN ? SCORE_LOGIN : SCORE_SESSION,
			role == IPC_LOGIN ? LOGIN_SLOTS : SCORE_SLOTS_MAX, &b.region, err);
		if (r < 0)
			log_warn(&m->log, "%s; its sessions will not be shown", err->text);
	}
	b.c = child_new(m, role, g, id);
	b.chan_fd = fds[1];
	b.c->pid = fork();
	if (b.c->pid == 0)
		newborn_run(m, &b);
	if (role == IPC_AUTH)
		(void)ftp_live_inherit(g->config, false); /* as before */
	b.c->identity.create_home = NULL;                 /* the caller's */
	b.c->identity.home = NULL;
	fd_close(&fds[1]);
	if (b.c->pid < 0) {
		r = err_sys(err, errno, "cannot fork a %s process", role_name(role));
		score_region_drop(b.region);
		fd_close(&fds[0]);
		child_free(m, b.c);
		return r;
	}
	score_region_set_pid(b.region, b.c->pid);
	b.c->chan.fd = fds[0];
	r = loop_add(&m->loop, &b.c->watch, fds[0], EPOLLIN, handler_event, b.c);
	if (r < 0) {
		child_kill(m, b.c, "it cannot be watched");
		return err_sys(err, -r, "cannot watch a %s process", role_name(role));
	}
	log_debug(&m->log, 2, "started %s process %u, pid %d", role_name(role), b.c->id, (int)b.c->pid);
	*ret_c = b.c;
	return 0;
}

/* A socket pair between c and auth, told to both by these messages. */
static int connect_pair(struct child *auth, enum ipc_type type_auth, const void *to_auth, struct child *c,
	enum ipc_type type, const void *to_child)
{
	int fds[2], r = ipc_pair(fds);

	if (r < 0)
		return r;
	r = child_send(auth, type_auth, to_auth, fds[0]);
	if (r == 0)
		r = child_send(c, type, to_child, fds[1]);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	return r;
}

/* Connect c with the auth process of its generation: requests of a login process, names of a session
 * process, signatures for both. */
static void connect_auth(struct master *m, struct child *c)
{
	struct child *auth = c->gen->auth;
	struct ipc_peer to_auth = {.id = c->id}, to_child;
	struct ipc_keys_peer signer = {.id = c->id, .session = c->role == IPC_SESSION};
	bool login = c->role == IPC_LOGIN;
	int r;

	if (auth == NULL)
		return; /* done when it has been restarted */
	to_child.id = auth->id;
	r = connect_pair(auth, login ? IPC_AUTH_PEER : IPC_NAMES_PEER, &to_auth, c,
		login ? IPC_AUTH_CHANNEL : IPC_NAMES_CHANNEL, &to_child);
	if (r == 0 && ftp_tls_wanted(c->gen->config))
		r = connect_pair(auth, IPC_KEYS_PEER, &signer, c, IPC_KEYS_CHANNEL, &to_child);
	if (r < 0)
		log_err(&m->log, "cannot connect %s process %u with auth: %s", role_name(c->role), c->id,
			err_text(r));
}

static int start_auth(struct master *m, struct generation *g, struct err *err)
{
	int r = spawn(m, IPC_AUTH, g, NULL, &g->auth, err);

	if (r < 0)
		return r;
	for (struct list *it = m->children.next; it != &m->children; it = it->next) {
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->gen == g && c->role != IPC_AUTH)
			connect_auth(m, c);
	}
	return 0;
}

static int start_login(struct master *m, struct err *err)
{
	struct child *c;
	int r = spawn(m, IPC_LOGIN, m->gen, NULL, &c, err);

	if (r == 0)
		connect_auth(m, c);
	return r;
}

struct child *child_login(const struct master *m)
{
	for (struct list *it = m->children.next; it != &m->children; it = it->next) {
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->role == IPC_LOGIN && c->gen == m->gen && !c->retiring)
			return c;
	}
	return NULL;
}

int children_start(struct master *m, struct err *err)
{
	struct sandbox_identity id;
	int r = login_identity(m->gen->config, &id, err); /* say it here, where a person looks */

	if (r == 0 && m->gen->auth == NULL)
		r = start_auth(m, m->gen, err);
	if (r == 0 && child_login(m) == NULL)
		r = start_login(m, err);
	return r;
}

static struct child *find_session_process(
	const struct master *m, const struct generation *g, const struct identity *id, unsigned *ret_count)
{
	struct child *best = NULL;

	*ret_count = 0;
	for (struct list *it = m->children.next; it != &m->children; it = it->next) {
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->role != IPC_SESSION || c->gen != g || c->retiring || c->watch.fd < 0 ||
			!identity_equal(&c->identity, id))
			continue;
		(*ret_count)++;
		if (best == NULL || c->n_sessions < best->n_sessions)
			best = c;
	}
	return best;
}

int child_for_identity(struct master *m, struct generation *g, const struct identity *id,
	struct child **ret_c, struct err *err)
{
	static long cpus;
	unsigned count;
	struct child *c = find_session_process(m, g, id, &count);
	int r;

	if (cpus == 0)
		cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (c == NULL || (c->n_sessions >= SPREAD_SESSIONS && (long)count < cpus)) {
		r = spawn(m, IPC_SESSION, g, id, &c, err);
		if (r < 0)
			return r;
		connect_auth(m, c);
	}
	*ret_c = c;
	return 0;
}

void child_retire(struct child *c, bool now, const char *text)
{
	struct ipc_retire q = {.now = now, .text = text != NULL ? text : ""};

	c->retiring = true;
	(void)child_send(c, IPC_RETIRE, &q, -1); /* a dead child is reaped soon */
}

void child_kill(struct master *m, struct child *c, const char *why)
{
	log_err(&m->log, "ending %s process %u (pid %d): %s", role_name(c->role), c->id, (int)c->pid, why);
	loop_del(&m->loop, &c->watch);
	(void)kill(c->pid, SIGKILL); /* reaped like any other */
}

unsigned children_count(const struct master *m)
{
	unsigned n = 0;

	for (struct list *it = m->children.next; it != &m->children; it = it->next)
		n++;
	return n;
}

/* --- the end of children --- */

static struct child *child_by_pid(const struct master *m, pid_t pid)
{
	for (struct list *it = m->children.next; it != &m->children; it = it->next) {
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->pid == pid)
			return c;
	}
	return NULL;
}

static void log_death(const struct master *m, const struct child *c, int status, unsigned lost)
{
	char whose[300] = "";

	if (c->role == IPC_SESSION)
		(void)snprintf(whose, sizeof(whose), " of user '%s'", c->identity.user);
	if (WIFSIGNALED(status))
		log_err(&m->log, "%s process %u%s (pid %d) was ended by signal %d (%s), %u sessions lost",
			role_name(c->role), c->id, whose, (int)c->pid, WTERMSIG(status),
			strsignal(WTERMSIG(status)), lost);
	else if (WEXITSTATUS(status) != 0)
		log_err(&m->log, "%s process %u%s (pid %d) ended with status %d, %u sessions lost",
			role_name(c->role), c->id, whose, (int)c->pid, WEXITSTATUS(status), lost);
	else
		log_debug(&m->log, 2, "%s process %u%s (pid %d) has ended", role_name(c->role), c->id, whose,
			(int)c->pid);
}

static unsigned drop_sessions(struct master *m, struct child *c)
{
	unsigned lost = 0;

	LIST_EACH(it, tmp, &m->sessions)
	{
		struct msession *s = LIST_OBJ(it, struct msession, link);

		if (s->owner == c) {
			msession_free(m, s);
			lost++;
		}
	}
	return lost;
}

/* Auth or the accepting login process has died: start it again, later and later when it does not live
 * long. */
static void plan_restart(struct master *m, const struct child *c)
{
	uint64_t now = clock_ms(), wait = 0;

	if (m->stopping || c->role == IPC_SESSION ||
		(c->role == IPC_LOGIN && (c->retiring || c->gen != m->gen)))
		return;
	if (now - c->started_ms < EARLY_DEATH_MS) {
		wait = (uint64_t)RESTART_MS << (m->fast_deaths < 6 ? m->fast_deaths : 6);
		wait = wait < RESTART_MAX_MS ? wait : RESTART_MAX_MS;
		m->fast_deaths++;
	} else {
		m->fast_deaths = 0;
	}
	m->restart_at_ms = now + wait;
}

static void child_ended(struct master *m, struct child *c, int status)
{
	unsigned lost;

	handler_last_words(m, c);
	lost = drop_sessions(m, c);
	log_death(m, c, status, lost);
	score_region_reap(m->board, c->pid);
	plan_restart(m, c);
	child_free(m, c);
}

void children_reap(struct master *m)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_by_pid(m, pid);

		if (c != NULL)
			child_ended(m, c, status);
	}
}

/* A generation that only its auth process still uses has no more work. */
static void retire_old_auths(struct master *m)
{
	LIST_EACH(it, tmp, &m->generations)
	{
		struct generation *g = LIST_OBJ(it, struct generation, link);

		if (g != m->gen && g->auth != NULL && g->refs == 1 && !g->auth->retiring)
			child_retire(g->auth, true, NULL);
	}
}

static void restart_dead(struct master *m)
{
	struct err err = ERR_INIT;
	int r = 0;

	m->restart_at_ms = 0;
	LIST_EACH(it, tmp, &m->generations)
	{
		struct generation *g = LIST_OBJ(it, struct generation, link);

		if (r == 0 && g->auth == NULL && (g == m->gen || g->refs > 0))
			r = start_auth(m, g, &err);
	}
	if (r == 0)
		r = children_start(m, &err);
	if (r < 0) {
		log_err(&m->log, "%s, trying again", err.text);
		m->restart_at_ms = clock_ms() + RESTART_MAX_MS;
	}
}

uint64_t children_tick(struct master *m, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (m->restart_at_ms != 0 && m->restart_at_ms <= now && !m->stopping)
		restart_dead(m);
	if (m->restart_at_ms != 0)
		next = m->restart_at_ms;
	LIST_EACH(it, tmp, &m->children)
	{
		struct child *c = LIST_OBJ(it, struct child, link);
		uint64_t end = c->idle_since_ms + IDLE_EXIT_MS;

		if (c->role != IPC_SESSION || c->n_sessions != 0 || c->retiring)
			continue;
		if (end <= now || c->gen != m->gen)
			child_retire(c, false, NULL);
		else if (end < next)
			next = end;
	}
	retire_old_auths(m);
	return next;
}
