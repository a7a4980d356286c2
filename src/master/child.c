/* Children: forking them, what they do first, reaping and restarting them. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ipc/start.h"
#include "login/login.h"
#include "master/master.h"
#include "master/sandbox.h"
#include "session/proc.h"
#include "wherry_config.h"

#define IDLE_EXIT_MS    10000 /* a session process ends this long after its last session */
#define SPREAD_SESSIONS 64    /* sessions of one process before another of the same identity is started */
#define LOGIN_SLOTS     8192
#define RESTART_MS      100 /* after an early death; doubled with each further one */
#define RESTART_MAX_MS  5000
#define EARLY_DEATH_MS  2000
#define KEEP_CAPS_AUTH                                                                                       \
	((1ULL << 1) | (1ULL << 2) | (1ULL << 5) | (1ULL << 6) | (1ULL << 7) |                               \
		(1ULL << 29)) /* DAC_OVERRIDE, DAC_READ_SEARCH, KILL, SETGID, SETUID, AUDIT_WRITE: what PAM modules need */

static const char *const role_name[] = {"master", "login", "auth", "session"};

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

/* The account that login processes run as: User and Group of the main server, else nobody. */
static int login_identity(const struct ftp_config *config, struct sandbox_identity *ret_id, struct err *err)
{
	const struct ftp_conf *conf = &config->servers[0]->scope->conf;
	const char *user = conf->user != NULL ? conf->user : "nobody";
	const struct passwd *pw;
	const struct group *gr;

	*ret_id = (struct sandbox_identity){.uid = geteuid(), .gid = getegid()};
	if (geteuid() != 0)
		return 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return err_set(err, WE_CONFIG, "User '%s' does not exist", user);
	ret_id->uid = pw->pw_uid;
	ret_id->gid = pw->pw_gid;
	if (conf->group != NULL) {
		gr = getgrnam(conf->group);
		if (gr == NULL)
			return err_set(err, WE_CONFIG, "Group '%s' does not exist", conf->group);
		ret_id->gid = gr->gr_gid;
	}
	return 0;
}

/* --- in the child --- */

struct birth { /* what the child is told */
	struct child *c;
	int chan_fd;
	struct score_region *region;
};

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Close everything but the standard descriptors, the channel, the log files and what the role needs. */
static void close_others(const struct master *m, const struct birth *b, int *listeners, unsigned *ret_n)
{
	const struct ftp_config *config = b->c->gen->config;
	size_t n = 0, max = 3u + config->n_logfiles;
	int *keep, i, from = 3;

	for (struct list *it = m->listeners.next; it != &m->listeners; it = it->next)
		max++;
	keep = xcalloc(max, sizeof(*keep));
	keep[n++] = b->chan_fd;
	for (const struct ftp_logfile *f = config->logfiles; f != NULL; f = f->next) {
		if (f->fd >= 0)
			keep[n++] = f->fd;
	}
	if (logsink_syslog_fd() >= 0)
		keep[n++] = logsink_syslog_fd();
	*ret_n = 0;
	for (struct list *it = m->listeners.next; b->c->role == IPC_LOGIN && it != &m->listeners;
		it = it->next) {
		keep[n++] = LIST_OBJ(it, struct listener, link)->fd;
		listeners[(*ret_n)++] = LIST_OBJ(it, struct listener, link)->fd;
	}
	qsort(keep, n, sizeof(*keep), compare_ints);
	for (i = 0; i < (int)n; i++) {
		if (keep[i] > from)
			(void)close_range((unsigned)from, (unsigned)keep[i] - 1, 0); /* since Linux 5.9 */
		from = keep[i] + 1;
	}
	(void)close_range((unsigned)from, ~0u, 0);
	free(keep);
}

static void reset_signals(void)
{
	static const int back_to_default[] = {SIGCHLD, SIGUSR2};
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(back_to_default); i++)
		(void)signal(back_to_default[i], SIG_DFL);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++) /* sent to the whole group: master's to handle */
		(void)signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int confine(const struct proc_start *start, int root_fd, struct err *err)
{
	int levels = sandbox_confine(start->role, root_fd, err);

	if (levels < 0)
		return levels;
	log_debug(NULL, 3, "confined: no_new_privs%s%s", (levels & SANDBOX_LANDLOCK) != 0 ? ", Landlock" : "",
		(levels & SANDBOX_SECCOMP) != 0 ? ", system call filter" : "");
	return 0;
}

/* Take on the identity of the role. */
static int become(const struct child *c, struct err *err)
{
	struct sandbox_identity id;
	int r;

	if (c->role == IPC_AUTH)
		return sandbox_drop_caps(KEEP_CAPS_AUTH, err);
	if (c->role == IPC_LOGIN) {
		r = login_identity(c->gen->config, &id, err);
		if (r < 0)
			return r;
		/* Landlock shuts the file system for it; this also holds where the kernel has no Landlock. */
		if (geteuid() == 0 && (chroot(WHERRY_RUN_DIR "/empty") < 0 || chdir("/") < 0))
			log_debug(NULL, 1, "login process has no empty root: %s", strerror(errno));
	} else {
		id = (struct sandbox_identity){
			c->identity.uid, c->identity.gid, c->identity.groups, c->identity.n_groups};
	}
	sandbox_drop_bounding(0);
	r = sandbox_switch(&id, err);
	return r < 0 ? r : sandbox_drop_caps(0, err);
}

static int __attribute__((noreturn)) child_run(struct master *m, const struct birth *b)
{
	struct child *c = b->c;
	struct proc_start start = {.role = c->role,
		.id = c->id,
		.chan_fd = b->chan_fd,
		.config = c->gen->config,
		.score = b->region,
		.can_switch_uid = m->can_switch_uid,
		.user = c->identity.user,
		.root = c->identity.root,
		.report_transfers = m->live != NULL,
		.confine = confine};
	struct err err = ERR_INIT;
	int *listeners, r;
	unsigned n = 0;

	reset_signals();
	for (struct list *it = m->listeners.next; it != &m->listeners; it = it->next)
		n++;
	listeners = xcalloc(n + 1, sizeof(*listeners));
	if (b->region != NULL)
		score_region_child(b->region);
	else
		score_forget(m->board);
	m->board = NULL;
	close_others(m, b, listeners, &start.n_listeners);
	/* Not master's own log: after a reload that is another generation's, whose number may soon be a
	 * client's socket. */
	logsink_select(m, c->gen->config);
	start.listeners = listeners;
	m->log.process = role_name[c->role];
	if (c->role == IPC_SESSION)
		title_set("wherryd: session %s", c->identity.user);
	else
		title_set("wherryd: %s", role_name[c->role]);
	(void)prctl(PR_SET_NAME, c->role == IPC_SESSION ? "wherryd-session"
				 : c->role == IPC_LOGIN ? "wherryd-login"
							: "wherryd-auth");
	if (c->role != IPC_AUTH)
		ftp_config_wipe_secrets(c->gen->config);
	r = become(c, &err);
	if (r < 0) {
		log_err(&m->log, "cannot start: %s", err.text);
		exit(1);
	}
#if !defined(__SANITIZE_ADDRESS__)
	(void)prctl(PR_SET_DUMPABLE, 0); /* processes of the same uid cannot look in */
#endif
	if (c->role == IPC_LOGIN)
		r = login_main(&start);
	else if (c->role == IPC_AUTH)
		r = auth_main(&start);
	else
		r = session_main(&start);
	free(listeners);
	exit(r);
}

/* --- in master --- */

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
		child_run(m, &b);
	fd_close(&fds[1]);
	if (b.c->pid < 0) {
		r = err_sys(err, errno, "cannot fork a %s process", role_name[role]);
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
		return err_sys(err, -r, "cannot watch a %s process", role_name[role]);
	}
	log_debug(&m->log, 2, "started %s process %u, pid %d", role_name[role], b.c->id, (int)b.c->pid);
	*ret_c = b.c;
	return 0;
}

/* Connect c with the auth process of its generation: requests of a login process, names of a session
 * process. */
static void connect_auth(struct master *m, struct child *c)
{
	struct child *auth = c->gen->auth;
	struct ipc_peer to_auth = {.id = c->id}, to_child;
	bool login = c->role == IPC_LOGIN;
	int fds[2], r;

	if (auth == NULL)
		return; /* done when it has been restarted */
	to_child.id = auth->id;
	r = ipc_pair(fds);
	if (r == 0) {
		r = child_send(auth, login ? IPC_AUTH_PEER : IPC_NAMES_PEER, &to_auth, fds[0]);
		if (r == 0)
			r = child_send(c, login ? IPC_AUTH_CHANNEL : IPC_NAMES_CHANNEL, &to_child, fds[1]);
		fd_close(&fds[0]);
		fd_close(&fds[1]);
	}
	if (r < 0)
		log_err(&m->log, "cannot connect %s process %u with auth: %s", role_name[c->role], c->id,
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
	log_err(&m->log, "ending %s process %u (pid %d): %s", role_name[c->role], c->id, (int)c->pid, why);
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
			role_name[c->role], c->id, whose, (int)c->pid, WTERMSIG(status),
			strsignal(WTERMSIG(status)), lost);
	else if (WEXITSTATUS(status) != 0)
		log_err(&m->log, "%s process %u%s (pid %d) ended with status %d, %u sessions lost",
			role_name[c->role], c->id, whose, (int)c->pid, WEXITSTATUS(status), lost);
	else
		log_debug(&m->log, 2, "%s process %u%s (pid %d) has ended", role_name[c->role], c->id, whose,
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
