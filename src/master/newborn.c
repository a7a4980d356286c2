/* What a child does between the fork and its role's main function: it lets go of what is master's, and takes on
 * its identity. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/alloc.h"
#include "ipc/start.h"
#include "login/login.h"
#include "master/home.h"
#include "master/newborn.h"
#include "session/proc.h"
#include "vfs/preload.h"
#include "wherry_config.h"

/* DAC_OVERRIDE, DAC_READ_SEARCH, KILL, SETGID, SETUID, AUDIT_WRITE: what PAM modules need */
#define KEEP_CAPS_AUTH ((1ULL << 1) | (1ULL << 2) | (1ULL << 5) | (1ULL << 6) | (1ULL << 7) | (1ULL << 29))

const char *role_name(enum ipc_role role)
{
	static const char *const names[IPC_ROLE_COUNT] = {"master", "login", "auth", "session"};

	return names[role];
}

int login_identity(const struct ftp_config *config, struct sandbox_identity *ret_id, struct err *err)
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

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Close everything but the standard descriptors, the channel, the log files and what the role needs. */
static void close_others(const struct master *m, const struct birth *b, const struct preloads *preloads,
	int *listeners, unsigned *ret_n)
{
	const struct ftp_config *config = b->c->gen->config;
	size_t n = 0, max = 3u + config->n_logfiles + (preloads != NULL ? preloads->n : 0);
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
	for (unsigned k = 0; preloads != NULL && k < preloads->n; k++) {
		if (preloads->list[k].fd >= 0)
			keep[n++] = preloads->list[k].fd;
	}
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
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
	sigset_t none;

	(void)signal(SIGCHLD, SIG_DFL);
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

/* RLimit*: those of the main server, since a session process may serve several. A limit above what the daemon has needs
 * root, which it still is. */
static void limit_resources(const struct ftp_conf *conf)
{
	const struct {
		int what;
		const struct ftp_rlimit *limit;
		const char *name;
	} limits[] = {{RLIMIT_CPU, &conf->rlimit_cpu, "RLimitCPU"},
		{RLIMIT_AS, &conf->rlimit_memory, "RLimitMemory"},
		{RLIMIT_NOFILE, &conf->rlimit_files, "RLimitOpenFiles"}};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		const struct ftp_rlimit *l = limits[i].limit;
		struct rlimit r = {.rlim_cur = l->soft == UINT64_MAX ? RLIM_INFINITY : l->soft,
			.rlim_max = l->hard == UINT64_MAX ? RLIM_INFINITY : l->hard};

		if (l->set && setrlimit(limits[i].what, &r) < 0)
			log_warn(NULL, "%s cannot be set: %s", limits[i].name, strerror(errno));
	}
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

void newborn_run(struct master *m, const struct birth *b)
{
	struct child *c = b->c;
	struct proc_start start = {.role = c->role,
		.id = c->id,
		.chan_fd = b->chan_fd,
		.config = c->gen->config,
		.score = b->region,
		.rates = c->role == IPC_SESSION ? m->rates : NULL,
		.can_switch_uid = m->can_switch_uid,
		.user = c->identity.user,
		.root = c->identity.root,
		.report_transfers = m->live != NULL,
		.confine = confine};
	struct err err = ERR_INIT;
	int *listeners, r;
	unsigned n = 0;

	reset_signals();
	if (m->opt.announcement != NULL)
		wipe(m->opt.announcement, strlen(m->opt.announcement));
	for (struct list *it = m->listeners.next; it != &m->listeners; it = it->next)
		n++;
	listeners = xcalloc(n + 1, sizeof(*listeners));
	if (b->region != NULL)
		score_region_child(b->region);
	else
		score_forget(m->board);
	m->board = NULL;
	if (c->role == IPC_SESSION)
		rate_table_child(m->rates);
	else
		rate_table_free(m->rates);
	start.preloads = mapper_newborn(m, c);
	close_others(m, b, start.preloads, listeners, &start.n_listeners);
	/* Not master's own log: after a reload that is another generation's, whose number may soon be a
	 * client's socket. */
	logsink_select(m, c->gen->config);
	start.listeners = listeners;
	m->log.process = role_name(c->role);
	if (c->role == IPC_SESSION)
		title_set("wherryd: session %s", c->identity.user);
	else
		title_set("wherryd: %s", role_name(c->role));
	(void)prctl(PR_SET_NAME, c->role == IPC_SESSION ? "wherryd-session"
				 : c->role == IPC_LOGIN ? "wherryd-login"
							: "wherryd-auth");
	if (c->role != IPC_AUTH)
		ftp_config_wipe_secrets(c->gen->config);
	if (c->role == IPC_SESSION)
		limit_resources(&c->gen->config->servers[0]->scope->conf);
	if (c->identity.create_home != NULL && !c->identity.create_home->as_user)
		home_make(c->identity.create_home, c->identity.home, c->identity.uid, c->identity.gid);
	r = become(c, &err);
	if (r == 0 && c->identity.create_home != NULL && c->identity.create_home->as_user)
		home_make(c->identity.create_home, c->identity.home, c->identity.uid, c->identity.gid);
	if (r < 0) {
		log_err(&m->log, "cannot start: %s", err.text);
		exit(1);
	}
	if (start.preloads != NULL)
		preloads_keep_readable(start.preloads);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	(void)prctl(PR_SET_DUMPABLE, 0); /* processes of the same uid cannot look in */
#endif
	/* Messages about other sessions and where these are: no business of this process, which would keep a copy of what
	 * master changes. */
	(void)munmap(m, sizeof(*m)); /* of mmap(), cannot fail */
	master_the = NULL;
	if (c->role == IPC_LOGIN)
		r = login_main(&start);
	else if (c->role == IPC_AUTH)
		r = auth_main(&start);
	else
		r = session_main(&start);
	free(listeners);
	_exit(r); /* threads may be there that hang or end just now: what libraries do atexit(3) would free under them */
}
