/* Start, reload, stop. */
#include "master/own.h"
#include "master/revocation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "ftp/report.h"
#include "ftp/tls_servers.h"
#include "session/digest.h"
#include "wherry_config.h"

#define FAREWELL      "Service not available, server is shutting down"
#define STOP_NOW_MS   3000   /* after a stop "now" children have this long */
#define STOP_QUIET_MS 300000 /* a graceful stop waits this long for transfers */

/* --- generations --- */

void generation_ref(struct generation *g)
{
	g->refs++;
}

static void generation_free(struct master *m, struct generation *g)
{
	list_del(&g->link);
	mapper_free(m, g);
	if (!ftp_config_shared(g->config))
		logfiles_close(g->config);
	ftp_config_free(g->config);
	free(g);
}

void generation_unref(struct master *m, struct generation *g)
{
	if (--g->refs == 0 && g != m->gen)
		generation_free(m, g);
}

static struct generation *generation_new(struct master *m, struct ftp_config *config)
{
	struct generation *g = xcalloc(1, sizeof(*g));

	g->config = config;
	list_add(&m->generations, &g->link);
	return g;
}

static void generation_drop(struct master *m, struct generation *g)
{
	if (g->refs == 0)
		generation_free(m, g);
}

/* --- loading --- */

enum loading { TO_START, TO_RELOAD, FOR_RATES };

static int load(struct master *m, enum loading why, unsigned generation, struct ftp_config **ret_config,
	struct err *err)
{
	struct ftp_config_options opt = m->opt.load;
	struct ftp_report *report = ftp_report_new();
	bool reload = why != TO_START;
	int r;

	opt.reload = reload;
	opt.rates_only = why == FOR_RATES;
	r = ftp_config_load(&opt, generation, ret_config, report, err);
	if (reload)
		ftp_report_log_problems(report, &m->log);
	else
		ftp_report_print_problems(report, stderr);
	if (r < 0 && !reload && ftp_report_errors(report) == 0)
		fprintf(stderr, "fatal: %s\n", err->text);
	ftp_report_free(report);
	return r;
}

/* From now on clients get config (given). On error everything is as it was. */
static int generation_enter(struct master *m, struct ftp_config *config, struct err *err)
{
	struct generation *old = m->gen, *g = generation_new(m, config);
	int r;

	staples_inherit(m, config);
	m->gen = g;
	logsink_select(m, config);
	ftp_tls_kernel_start(config, &m->log);
	r = mapper_load(m, g, false, err);
	if (r == 0)
		r = children_start(m, err);
	if (r < 0) {
		m->gen = old;
		logsink_select(m, old->config);
		generation_drop(m, g);
		return r;
	}
	LIST_EACH(it, tmp, &m->children)
	{
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->gen == old && c->role == IPC_LOGIN)
			child_retire(c, false, NULL);
	}
	mapper_retire(m, old);
	mapper_watch(m, g);
	certs_watch(m, config);
	staples_watch(m, config);
	generation_drop(m, old);
	return 0;
}

/* What HUP does: load, check and open everything first; then switch. */
int master_reload(struct master *m, struct err *err)
{
	struct ftp_config *config;
	int r;

	if (m->stopping)
		return err_set(err, EBUSY, "the server is stopping");
	r = load(m, TO_RELOAD, m->gen->config->generation + 1, &config, err);
	if (r < 0)
		return r;
	r = logfiles_open(config, err);
	if (r == 0)
		r = listeners_update(m, config, err);
	if (r < 0) {
		logfiles_close(config);
		ftp_config_free(config);
		return r;
	}
	r = generation_enter(m, config, err);
	if (r < 0)
		return r;
	logfiles_reopen(m);
	control_permit(m, config);
	log_notice(&m->log, "configuration %u is in force", config->generation);
	return 0;
}

int master_renew(struct master *m, struct err *err)
{
	struct ftp_config *config;
	int r;

	if (m->stopping)
		return err_set(err, EBUSY, "the server is stopping");
	if (!ftp_tls_wanted(m->gen->config))
		return err_set(err, ENOENT, "no server has a certificate");
	r = ftp_tls_renew(m->gen->config, m->gen->config->generation + 1, &m->log, &config, err);
	if (r == 0)
		r = generation_enter(m, config, err);
	if (r == 0)
		log_notice(&m->log,
			"the certificates were loaded anew; configuration %u, which is otherwise as before, "
			"is in force",
			m->gen->config->generation);
	return r;
}

int master_rates(struct master *m, unsigned *ret_new, unsigned *ret_gone, struct err *err)
{
	struct ftp_config *config;
	int r = load(m, FOR_RATES, m->gen->config->generation, &config, err);

	if (r < 0)
		return r;
	r = rates_apply(m, config, ret_new, ret_gone, err);
	ftp_config_free(config);
	if (r >= 0)
		log_notice(&m->log, "%d rates changed; %u new and %u removed lines wait for a reload", r,
			*ret_new, *ret_gone);
	return r;
}

/* --- stopping --- */

void master_stop(struct master *m, bool now, const char *text)
{
	uint64_t end = clock_ms() + (now ? STOP_NOW_MS : STOP_QUIET_MS);

	if (m->stopping && end >= m->stop_deadline_ms)
		return;
	log_notice(&m->log, "stopping %s", now ? "now" : "when the running transfers have ended");
	m->stopping = true;
	m->stop_deadline_ms = end;
	listeners_close(m); /* from here on another daemon can start */
	control_leave(m);
	LIST_EACH(it, tmp, &m->children)
	{
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->role != IPC_AUTH)
			child_retire(c, now, text != NULL ? text : FAREWELL);
	}
}

/* Auth goes last: sessions may still ask it for names. */
static uint64_t stop_tick(struct master *m, uint64_t now)
{
	bool others = false;

	LIST_EACH(it, tmp, &m->children)
	{
		struct child *c = LIST_OBJ(it, struct child, link);

		if (c->role != IPC_AUTH)
			others = true;
		if (m->stop_deadline_ms <= now)
			child_kill(m, c, "it has not stopped in time");
	}
	if (m->stop_deadline_ms <= now)
		m->stop_deadline_ms = now + STOP_NOW_MS;
	LIST_EACH(it, tmp, &m->children)
	{
		struct child *c = LIST_OBJ(it, struct child, link);

		if (!others && !c->retiring)
			child_retire(c, true, NULL);
	}
	if (list_empty(&m->children))
		m->loop.stop = true;
	return m->stop_deadline_ms;
}

/* --- the loop's calls --- */

static void dump_state(const struct master *m)
{
	log_notice(&m->log, "state: configuration %u, %u sessions, %u processes, %d descriptors",
		m->gen->config->generation, m->n_sessions, children_count(m), fd_count());
	for (struct list *it = m->sessions.next; it != &m->sessions; it = it->next) {
		const struct msession *s = LIST_OBJ(it, struct msession, link);
		char from[ADDR_TEXT_MAX];

		log_notice(&m->log, "state: session %u of '%s' from %s in process %d", s->sid,
			s->grantee != NULL ? s->grantee->user : "", addr_text(&s->peer, from),
			(int)s->owner->pid);
	}
}

static void on_signal(void *arg, int signo)
{
	struct master *m = arg;
	struct err err = ERR_INIT;
	unsigned n_new, n_gone;

	switch (signo) {
	case SIGCHLD:
		children_reap(m);
		break;
	case SIGHUP:
		if (master_reload(m, &err) < 0)
			log_err(&m->log, "%s; the configuration in force stays", err.text);
		break;
	case SIGTERM:
	case SIGINT:
		master_stop(m, true, NULL);
		break;
	case SIGUSR1:
		dump_state(m);
		break;
	case SIGUSR2:
		if (master_rates(m, &n_new, &n_gone, &err) < 0)
			log_err(&m->log, "%s; the rates in force stay", err.text);
		break;
	default:
		break;
	}
}

/* Reaped children are cleared at once; this is for entries that nobody reaped. */
static uint64_t scrub_tick(struct master *m, uint64_t now)
{
	uint64_t interval = m->gen->config->scoreboard_scrub_secs * UINT64_C(1000);

	if (m->board == NULL || interval == 0)
		return UINT64_MAX;
	if (m->next_scrub_ms == 0 || now >= m->next_scrub_ms) {
		(void)score_scrub(m->board, NULL, NULL); /* how many is of no interest */
		m->next_scrub_ms = now + interval;
	}
	return m->next_scrub_ms;
}

static uint64_t on_turn(void *arg, uint64_t now)
{
	struct master *m = arg;
	uint64_t next = min_u64(min_u64(live_tick(m, now), own_tick(m, now)), revocation_tick(m, now));

	if (m->stopping)
		return min_u64(next, stop_tick(m, now));
	next = min_u64(next, children_tick(m, now));
	next = min_u64(next, scrub_tick(m, now));
	next = min_u64(next, mapper_tick(m, now));
	next = min_u64(next, certs_tick(m, now));
	next = min_u64(next, staples_tick(m, now));
	return min_u64(next, shut_tick(m, now));
}

/* --- starting --- */

/* The run directory and the empty root of login processes below it, when we are root and use the default
 * places. */
static void make_run_dirs(const struct master *m)
{
	if (geteuid() != 0)
		return;
	if ((mkdir(WHERRY_RUN_DIR, 0755) < 0 && errno != EEXIST) ||
		(mkdir(WHERRY_RUN_DIR "/empty", 0555) < 0 && errno != EEXIST))
		log_debug(&m->log, 1, "cannot make %s: %s", WHERRY_RUN_DIR, strerror(errno));
}

static int write_pid_file(struct master *m, const char *path, struct err *err)
{
	auto_fd int fd = -1;
	char text[24];
	int n;

	(void)unlink(
		path); /* a new file, so that the daemon before, which may still be stopping, leaves it alone */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, errno, "cannot write pid file '%s'", path);
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (fd_write_all(fd, text, (size_t)n) < 0)
		return err_sys(err, errno, "cannot write pid file '%s'", path);
	m->pid_file_made = xstrdup(path);
	m->pid_fd = fd;
	fd = -1;
	return 0;
}

static bool limits_configured(const struct ftp_conf *c)
{
	return c->max_clients.max != 0 || c->max_clients_per_host.max != 0 ||
	       c->max_clients_per_user.max != 0 || c->max_hosts_per_user.max != 0 ||
	       c->max_connections_per_host.max != 0 || c->max_clients_per_class != NULL;
}

static int make_scoreboard(struct master *m, struct err *err)
{
	const struct ftp_config *config = m->gen->config;
	struct score_info info = {.program = "wherryd", .server = SCORE_STANDALONE};

	if (config->scoreboard_file == NULL && !m->opt.memory_scoreboard) {
		if (limits_configured(&config->servers[0]->scope->conf))
			log_warn(&m->log, "ScoreboardFile is off: ftpwho, ftptop and ftpcount show nothing; "
					  "the Max* limits still hold");
		return 0;
	}
	return score_create(m->opt.memory_scoreboard ? NULL : config->scoreboard_file, &info, &m->board, err);
}

static int start(struct master *m, struct err *err)
{
	struct ftp_config *config;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	(void)signal(SIGPIPE, SIG_IGN);
	r = load(m, TO_START, 1, &config, err);
	if (r < 0)
		return r;
	m->gen = generation_new(m, config);
	make_run_dirs(m);
	r = logfiles_open(config, err);
	if (r < 0)
		return r;
	logsink_select(m, config);
	r = loop_init(&m->loop, &set, err);
	if (r < 0)
		return r;
	m->loop.on_signal = on_signal;
	m->loop.on_turn = on_turn;
	m->loop.arg = m;
	ftp_tls_kernel_start(config, &m->log);
	r = mapper_load(m, m->gen, true, err); /* before anybody can connect */
	if (r == 0)
		r = listeners_update(m, config, err);
	if (r == 0)
		r = make_scoreboard(m, err);
	if (r == 0)
		r = rate_table_new(&m->rates, err);
	if (r == 0 && config->controls_socket != NULL)
		r = control_open(m, config->controls_socket, err);
	if (r == 0 && config->pid_file != NULL)
		r = write_pid_file(m, config->pid_file, err);
	if (r == 0) /* who finds the port open finds everything else as well */
		r = listeners_listen(m, err);
	if (r < 0)
		return r;
	mapper_watch(m, m->gen);
	certs_watch(m, config);
	staples_watch(m, config);
	return children_start(m, err);
}

static void finish(struct master *m)
{
	struct stat pid_file;

	live_stop(m);
	certs_forget(m);
	staples_forget(m);
	revocation_free(m);
	own_finish(m);
	control_close(m);
	bans_free(&m->bans);
	listeners_close(m);
	score_close(m->board, true);
	rate_table_free(m->rates);
	if (m->pid_file_made != NULL && fstat(m->pid_fd, &pid_file) == 0)
		fd_unlink_same(m->pid_file_made, &pid_file);
	fd_close(&m->pid_fd);
	free(m->pid_file_made);
	free(m->shut);
	loop_done(&m->loop);
	LIST_EACH(it, tmp, &m->generations)
	generation_free(m, LIST_OBJ(it, struct generation, link));
}

/* Start-up failed with some children alive: let them go. */
static void abandon(struct master *m)
{
	LIST_EACH(it, tmp, &m->children)
	child_kill(m, LIST_OBJ(it, struct child, link), "the server cannot start");
	while (!list_empty(&m->children)) {
		children_reap(m);
		(void)usleep(1000); /* SIGKILL takes a moment */
	}
}

/* sd_notify(3): an address in the environment, of a file or, with '@', without one. */
static void tell_manager(const struct master *m)
{
	static const char ready[] = "READY=1";
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path != NULL ? strlen(path) : 0;
	auto_fd int fd = -1;

	if (n < 2 || n >= sizeof(sun.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(sun.sun_path, path, n);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL, (const struct sockaddr *)&sun,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_warn(&m->log, "cannot tell '%s' that the server is ready: %s", path, strerror(errno));
}

/* Tell who waits, and as a daemon leave the terminal. */
static void tell_ready(const struct master *m, int fd)
{
	int null = -1;

	if (m->opt.announcement != NULL) {
		fputs(m->opt.announcement, stdout);
		(void)fflush(stdout); /* a closed standard output is no reason not to serve */
	}
	if (!m->opt.foreground)
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i); /* cannot fail for these numbers */
	fd_close(&null);
	if (fd >= 0)
		(void)fd_write_all(fd, "", 1); /* the reader is our parent */
	fd_close(&fd);
	tell_manager(m);
}

/* A mapping of its own, which children give back as a whole: newborn.c. */
static struct master *master_new(void)
{
	struct master *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED) {
		(void)fprintf(stderr, "wherry: out of memory\n");
		abort();
	}
	return m;
}

int master_run(const struct master_options *opt, int ready_fd)
{
	struct master *m = master_new();
	struct err err = ERR_INIT;
	int r;

	master_the = m;
	m->opt = *opt;
	m->log.process = "master";
	m->loop.epoll_fd = m->loop.signal_fd = m->pid_fd = -1;
	m->started_wall_ms = clock_wall_ms();
	m->can_switch_uid = geteuid() == 0;
	list_init(&m->generations);
	list_init(&m->children);
	list_init(&m->listeners);
	list_init(&m->inherited);
	listeners_inherit(m);
	list_init(&m->sessions);
	m->bans = bans_new();
	(void)setenv("TZ", ":/etc/localtime", 0); /* confined processes keep the zone they have read */
	digest_prepare();                         /* children share what it allocates */
	r = start(m, &err);
	if (r < 0) {
		if (m->gen != NULL) /* errors of the configuration were printed with their lines */
			fprintf(stderr, "wherryd: %s\n", err.text);
		abandon(m);
		fd_close(&ready_fd);
	} else {
		log_notice(&m->log, "wherryd %s serving, pid %d", WHERRY_VERSION, (int)getpid());
		tell_ready(m, ready_fd);
		if (opt->live)
			live_start(m);
		loop_run(&m->loop);
		log_notice(&m->log, "wherryd has stopped");
	}
	finish(m);
	(void)munmap(m, sizeof(*m)); /* of mmap(), cannot fail */
	master_the = NULL;
	return r < 0 ? 1 : 0;
}
