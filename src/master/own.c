/* UserOwner and GroupOwner: what handler.c has allowed is done by short-lived processes, for a file system that does not answer
 * holds up who asks it for anything. So master does nothing with a descriptor but pass it on, and must not need to: it
 * is an O_PATH one, whose close asks no file system. A process takes what waits for one mount and user, with no
 * capability but CAP_CHOWN, and says of each object how it went through a pipe. One that hangs keeps its place among
 * those that may run, and neither a mount nor a user has many of these.
 */
#include "master/own.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "master/sandbox.h"

#define RUNNING_MAX 32    /* processes */
#define MOUNT_MAX   4     /* of these for one mount */
#define USER_MAX    12    /* of these for one user */
#define BATCH       64    /* objects for one process */
#define QUEUE_MAX   256   /* objects that wait: each is a descriptor of master's */
#define QUEUE_USER  128   /* of these of one user */
#define WAIT_MS     60000 /* in the queue */
#define ANSWER_SECS 30

struct gift {
	struct list link; /* owners.queue */
	int fd;           /* O_PATH; -1 = a process has it */
	uint64_t mount;
	uint64_t until_ms; /* it waits no longer */
	uint32_t sid;
	uid_t of;   /* whose it must be */
	char *user; /* that one's name */
	struct ipc_own to;
};

/* What one process does. */
struct giving {
	struct list link; /* owners.running */
	struct owners *all;
	uint64_t mount;
	uid_t of;
	uint64_t told_ms; /* when to say that nothing is heard of it; UINT64_MAX = said */
	int fd;           /* of its answers */
	struct loop_watch watch;
	unsigned n, done;
	size_t got; /* bytes of the answers */
	int32_t answer[BATCH];
	struct gift *v[BATCH];
};

struct owners {
	struct master *m;
	struct list queue, running;
	unsigned n_queue, n_running;
};

/* --- the process that does it --- */

int own_give(int fd, uid_t of, const struct ipc_own *to)
{
	struct statx st;
	bool file;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MODE | STATX_UID | STATX_NLINK, &st) < 0)
		return -errno;
	file = S_ISREG(st.stx_mode);
	if (st.stx_uid != of || !(file || S_ISDIR(st.stx_mode)) ||
		(file && (st.stx_nlink != 1 || (st.stx_mode & (S_ISUID | S_ISGID)) != 0)))
		return OWN_NOT_PLAIN;
	if (fchownat(fd, "", to->user ? to->uid : (uid_t)-1, to->group ? to->gid : (gid_t)-1, AT_EMPTY_PATH) <
		0)
		return -errno;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_others(const struct giving *g, int out)
{
	int keep[BATCH + 1], next = 0;

	for (unsigned i = 0; i < g->n; i++)
		keep[i] = g->v[i]->fd;
	keep[g->n] = out;
	qsort(keep, g->n + 1, sizeof(keep[0]), by_number);
	for (unsigned i = 0; i <= g->n; i++) {
		if (keep[i] > next)
			(void)close_range((unsigned)next, (unsigned)keep[i] - 1, 0);
		next = keep[i] + 1;
	}
	(void)close_range((unsigned)next, ~0u, 0);
}

static void give(struct master *m, const struct giving *g, int out) __attribute__((noreturn));
static void give(struct master *m, const struct giving *g, int out)
{
	struct err err = ERR_INIT;
	int r;

	helper_begin("wherryd-own", "new owners", ANSWER_SECS);
	close_others(g, out);
	if (m->gen != NULL)
		ftp_config_wipe_secrets(m->gen->config);
	r = sandbox_drop_caps(1ULL << CAP_CHOWN, &err);
	if (r == 0)
		r = sandbox_confine(IPC_SESSION, -1, &err); /* no path can be opened */
	for (unsigned i = 0; i < g->n; i++) {
		int32_t answer = r < 0 ? r : own_give(g->v[i]->fd, g->of, &g->v[i]->to);

		(void)!write(out, &answer,
			sizeof(answer)); /* master may have ended: the rest is done all the same */
	}
	_exit(0);
}

/* --- what it says --- */

static void gift_free(struct gift *q)
{
	fd_close(&q->fd);
	free(q->user);
	free(q);
}

static void gift_failed(const struct master *m, const struct gift *q, const char *why)
{
	const struct msession *s = msession_find(m, q->sid);

	log_warn(&(struct log_ctx){.parent = &m->log, .fd = s != NULL ? msession_log_fd(s) : 0},
		"user '%s': a new file keeps its owner: %s", q->user, why);
}

static void gift_answered(const struct master *m, const struct gift *q, int32_t answer)
{
	if (answer == OWN_NOT_PLAIN)
		log_debug(&m->log, 3, "session %u: not given to another owner: not a plain file of its user",
			q->sid);
	else if (answer != 0)
		gift_failed(m, q, strerror(-answer));
}

static void giving_free(struct giving *g)
{
	loop_del(&g->all->m->loop, &g->watch);
	fd_close(&g->fd);
	for (unsigned i = 0; i < g->n; i++)
		gift_free(g->v[i]);
	list_del(&g->link);
	g->all->n_running--;
	free(g);
}

static void on_answer(void *arg, uint32_t events)
{
	struct giving *g = arg;
	const struct master *m = g->all->m;
	ssize_t n = read(g->fd, (char *)g->answer + g->got, g->n * sizeof(g->answer[0]) - g->got);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		g->got += (size_t)n;
	for (; (g->done + 1) * sizeof(g->answer[0]) <= g->got; g->done++)
		gift_answered(m, g->v[g->done], g->answer[g->done]);
	if (n > 0 && g->done < g->n)
		return;
	for (; g->done < g->n; g->done++)
		if (g->told_ms != UINT64_MAX)
			gift_failed(m, g->v[g->done], "the process that does it has ended");
	giving_free(g); /* what waits for its place is started by the next turn */
}

/* --- starting them --- */

/* Which mount is it on? Asks no file system. 0 = nobody knows, which is one as well. */
static uint64_t mount_of(int fd)
{
	static const char key[] = "\nmnt_id:";
	char path[40], text[512];
	auto_fd int info = -1;
	const char *at;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, key);
	return at != NULL ? strtoull(at + sizeof(key) - 1, NULL, 10) : 0;
}

static bool may_start(const struct owners *all, const struct gift *q)
{
	unsigned mount = 0, user = 0;

	if (all->n_running >= RUNNING_MAX)
		return false;
	for (const struct list *it = all->running.next; it != &all->running; it = it->next) {
		const struct giving *g = LIST_OBJ(it, struct giving, link);

		mount += g->mount == q->mount;
		user += g->of == q->of;
	}
	return mount < MOUNT_MAX && user < USER_MAX;
}

/* A process for first and what else waits for that mount and user. */
static void giving_start(struct owners *all, const struct gift *first)
{
	struct master *m = all->m;
	struct giving *g = xcalloc(1, sizeof(*g));
	int fds[2] = {-1, -1};
	pid_t pid = -1;

	*g = (struct giving){.all = all, .mount = first->mount, .of = first->of, .fd = -1};
	g->watch.fd = -1;
	g->told_ms = clock_ms() + ANSWER_SECS * 1000ULL;
	LIST_EACH(it, tmp, &all->queue)
	{
		struct gift *q = LIST_OBJ(it, struct gift, link);

		if (g->n == BATCH || q->mount != g->mount || q->of != g->of)
			continue;
		list_del(&q->link);
		all->n_queue--;
		g->v[g->n++] = q;
	}
	list_add(&all->running, &g->link);
	all->n_running++;
	if (pipe2(fds, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0)
		give(m, g, fds[1]);
	g->fd = fds[0];
	fd_close(&fds[1]);
	if (pid < 0 || fd_nonblock(g->fd, true) < 0 ||
		loop_add(&m->loop, &g->watch, g->fd, EPOLLIN, on_answer, g) < 0) {
		const char *why = strerror(errno);

		for (unsigned i = 0; i < g->n; i++)
			gift_failed(m, g->v[i], why);
		giving_free(g);
		return;
	}
	for (unsigned i = 0; i < g->n; i++)
		fd_close(&g->v[i]->fd);
}

static unsigned queued_of(const struct owners *all, uid_t user)
{
	unsigned n = 0;

	for (const struct list *it = all->queue.next; it != &all->queue; it = it->next)
		n += LIST_OBJ(it, struct gift, link)->of == user;
	return n;
}

/* What may be started now, or NULL. */
static const struct gift *queue_next(const struct owners *all, bool all_at_once)
{
	for (const struct list *it = all->queue.next; it != &all->queue; it = it->next) {
		const struct gift *q = LIST_OBJ(it, const struct gift, link);

		if (all_at_once || may_start(all, q))
			return q;
	}
	return NULL;
}

/* From the beginning each time: a process may have taken several of them, and what no process takes is freed. */
static void queue_run(struct owners *all, bool all_at_once)
{
	const struct gift *q;

	while ((q = queue_next(all, all_at_once)) != NULL)
		giving_start(all, q);
}

void own_start(struct master *m, const struct msession *s, const struct ipc_own *to, int fd)
{
	struct gift *q = xcalloc(1, sizeof(*q));

	if (m->owners == NULL) {
		m->owners = xcalloc(1, sizeof(*m->owners));
		m->owners->m = m;
		list_init(&m->owners->queue);
		list_init(&m->owners->running);
	}
	*q = (struct gift){.fd = fd,
		.mount = mount_of(fd),
		.until_ms = clock_ms() + WAIT_MS,
		.sid = s->sid,
		.of = s->grantee->uid,
		.user = xstrdup(s->grantee->user),
		.to = *to};
	list_init(&q->link);
	if (m->owners->n_queue >= QUEUE_MAX || queued_of(m->owners, s->grantee->uid) >= QUEUE_USER) {
		gift_failed(m, q, "too many wait for file systems that do not answer");
		gift_free(q);
		return;
	}
	list_add(&m->owners->queue, &q->link);
	m->owners->n_queue++;
}

uint64_t own_tick(struct master *m, uint64_t now)
{
	struct owners *all = m->owners;
	uint64_t next = UINT64_MAX;

	if (all == NULL)
		return next;
	queue_run(all, false);
	LIST_EACH(it, tmp, &all->running)
	{
		struct giving *g = LIST_OBJ(it, struct giving, link);

		if (g->told_ms <= now) {
			for (unsigned i = g->done; i < g->n; i++)
				gift_failed(m, g->v[i], "its file system does not answer");
			g->told_ms = UINT64_MAX;
		}
		next = min_u64(next, g->told_ms);
	}
	LIST_EACH(it, tmp, &all->queue)
	{
		struct gift *q = LIST_OBJ(it, struct gift, link);

		if (q->until_ms > now) {
			next = min_u64(next, q->until_ms);
			continue;
		}
		gift_failed(m, q, "its file system does not answer");
		list_del(&q->link);
		all->n_queue--;
		gift_free(q);
	}
	return next;
}

void own_finish(struct master *m)
{
	struct owners *all = m->owners;

	if (all == NULL)
		return;
	queue_run(all, true); /* they end by themselves */
	LIST_EACH(it, tmp, &all->running)
	giving_free(LIST_OBJ(it, struct giving, link));
	free(all);
	m->owners = NULL;
}
