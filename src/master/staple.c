/* OCSP responses for TLSStapling. A process is forked for each question, as the account of the login processes; it asks the
 * responder, checks the answer and writes it into a pipe. Master copies what comes out of it, without a look into it,
 * to memory that all processes with that certificate send it from. A responder that does not answer delays nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "master/newborn.h"
#include "master/staple_answer.h"

#define RUNNING_MAX   4
#define RETRY_MS      60000 /* after a failure; doubled with each further one */
#define RETRY_MAX_MS  3600000
#define OVERTIME_SECS 20 /* beyond TLSStaplingTimeout: name servers */
#define DEATH_SECS    5  /* from then on until its alarm has ended the process */

struct question {
	struct staples *all;
	const struct ftp_server *server; /* of the current generation */
	unsigned slot;
	uint64_t due_ms;
	unsigned failures; /* in a row */
	bool told;         /* the log has the present state of things */
	/* while it is asked */
	int fd;               /* -1 = it is not */
	uint64_t deadline_ms; /* the process has ended by then, or is not what it was */
	struct loop_watch watch;
	struct staple_answer *answer;
	size_t got;
};

struct staples {
	struct master *m;
	struct question *v;
	unsigned n, running;
};

static const char *slot_name(unsigned slot)
{
	static const char *const names[TLS_KEYS] = {"RSA", "EC", "PKCS12"};

	return names[slot];
}

/* --- the process that asks --- */

static void ask(struct master *m, const struct question *q, int fd) __attribute__((noreturn));
static void ask(struct master *m, const struct question *q, int fd)
{
	const struct tls_config *conf = &q->server->scope->conf.tls;
	struct staple_answer *a = xcalloc(1, sizeof(*a));
	struct sandbox_identity id;
	struct err err = ERR_INIT;
	int r;

	helper_begin("wherryd-ocsp", "OCSP", conf->staple_timeout_ms / 1000 + OVERTIME_SECS);
	if (dup2(fd, 3) < 0)
		_exit(1);
	(void)close_range(4, ~0u, 0);
	if (m->opt.announcement != NULL)
		wipe(m->opt.announcement, strlen(m->opt.announcement));
	score_forget(m->board);
	rate_table_free(m->rates);
	ftp_config_wipe_secrets(m->gen->config);
	r = login_identity(m->gen->config, &id, &err);
	sandbox_drop_bounding(0);
	if (r == 0)
		r = sandbox_switch(&id, &err);
	if (r == 0)
		r = sandbox_drop_caps(0, &err);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
	if (r == 0)
		r = sandbox_confine_asker(&err);
	if (r == 0)
		r = tls_staple_ask(conf, q->server->tls, q->slot, &a->staple, &err);
	if (r < 0) {
		a->failed = 1;
		(void)str_copy(a->text, sizeof(a->text), err.text);
	}
	_exit(fd_write_all(3, a, sizeof(*a)) < 0);
}

/* --- what it says --- */

/* Does o send what is known for q? Of other generations those that have the same certificate: their sessions go on making data
 * connections. What was taken without a look at its signature does not pass for more. */
static bool concerns(const struct question *q, const struct ftp_server *o)
{
	const struct tls_config *asked = &q->server->scope->conf.tls, *conf = &o->scope->conf.tls;

	return o->tls != NULL && ftp_tls_owns(o) && conf->staple &&
	       conf->staple_options == asked->staple_options &&
	       tls_staple_same(o->tls, q->server->tls, q->slot);
}

static void publish(const struct master *m, const struct question *q, const struct tls_staple *s)
{
	for (struct list *it = m->generations.next; it != &m->generations; it = it->next) {
		const struct ftp_config *config = LIST_OBJ(it, struct generation, link)->config;

		for (unsigned i = 0; i < config->n_servers; i++) {
			if (concerns(q, config->servers[i]))
				tls_staple_put(config->servers[i]->tls, q->slot, s);
		}
	}
}

/* In master's time. */
static uint64_t when_to_refresh(const struct tls_staple *s)
{
	int64_t left = s->refresh - (int64_t)time(NULL);

	return clock_ms() + (left > 0 ? (uint64_t)left * 1000 : 0);
}

static void succeeded(struct question *q, const struct tls_staple *s)
{
	const struct master *m = q->all->m;
	const char *name = q->server->scope->conf.server_name;
	long minutes = (long)((s->until - (int64_t)time(NULL)) / 60);

	publish(m, q, s);
	if (s->revoked)
		log_warn(&m->log, "OCSP: the %s certificate of server '%s' was REVOKED by its authority",
			slot_name(q->slot), name);
	else if (!q->told || q->failures > 0)
		log_info(&m->log,
			"OCSP: the %s certificate of server '%s' is good; the response is valid for %ld "
			"minutes",
			slot_name(q->slot), name, minutes);
	q->told = true;
	q->failures = 0;
	q->due_ms = when_to_refresh(s);
}

static void failed(struct question *q, const char *why)
{
	const struct master *m = q->all->m;
	const char *name = q->server->scope->conf.server_name;
	uint64_t wait = (uint64_t)RETRY_MS << (q->failures < 6 ? q->failures : 6);

	if (q->failures == 0)
		log_warn(&m->log, "OCSP: no response for the %s certificate of server '%s': %s",
			slot_name(q->slot), name, why);
	else
		log_debug(&m->log, 1, "OCSP: %s: %s", name, why);
	q->failures++;
	q->due_ms = clock_ms() + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

static void question_end(struct question *q)
{
	if (q->fd < 0)
		return;
	loop_del(&q->all->m->loop, &q->watch);
	fd_close(&q->fd);
	free(q->answer);
	q->answer = NULL;
	q->all->running--;
}

static void on_answer(void *arg, uint32_t events)
{
	struct question *q = arg;
	struct staple_answer *a = q->answer;
	ssize_t n = read(q->fd, (char *)a + q->got, sizeof(*a) - q->got);
	const char *why;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		q->got += (size_t)n;
		if (q->got < sizeof(*a))
			return;
	}
	why = staple_answer_check(a, q->got, (int64_t)time(NULL));
	if (why != NULL)
		failed(q, why);
	else
		succeeded(q, &a->staple);
	question_end(q);
}

static void question_start(struct question *q)
{
	struct master *m = q->all->m;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		failed(q, strerror(errno));
		return;
	}
	pid = fork();
	if (pid == 0)
		ask(m, q, fds[1]);
	fd_close(&fds[1]);
	q->watch.fd = -1;
	if (pid < 0 || fd_nonblock(fds[0], true) < 0 ||
		loop_add(&m->loop, &q->watch, fds[0], EPOLLIN, on_answer, q) < 0) {
		failed(q, strerror(errno));
		fd_close(&fds[0]); /* a process that has no reader ends */
		return;
	}
	q->fd = fds[0];
	q->got = 0;
	q->deadline_ms = clock_ms() + q->server->scope->conf.tls.staple_timeout_ms +
			 (OVERTIME_SECS + DEATH_SECS) * 1000;
	q->answer = xcalloc(1, sizeof(*q->answer));
	q->all->running++;
}

/* --- what is to be asked --- */

void staples_inherit(struct master *m, const struct ftp_config *config)
{
	const struct ftp_config *old = m->gen->config;
	struct tls_staple s;

	for (unsigned i = 0; i < config->n_servers; i++) {
		const struct ftp_server *o = config->servers[i];

		if (o->tls == NULL || !ftp_tls_owns(o) || !o->scope->conf.tls.staple)
			continue;
		for (unsigned k = 0; k < old->n_servers; k++) {
			const struct ftp_server *was = old->servers[k];

			/* What was taken without a look at its signature does not pass for more. */
			if (was->tls == NULL ||
				was->scope->conf.tls.staple_options != o->scope->conf.tls.staple_options)
				continue;
			for (unsigned slot = 0; slot < TLS_KEYS; slot++) {
				if (tls_staple_same(o->tls, was->tls, slot) &&
					tls_staple_get(was->tls, slot, &s))
					tls_staple_put(o->tls, slot, &s);
			}
		}
	}
}

void staples_forget(struct master *m)
{
	struct staples *all = m->staples;

	m->staples = NULL;
	if (all == NULL)
		return;
	for (unsigned i = 0; i < all->n; i++)
		question_end(&all->v[i]);
	free(all->v);
	free(all);
}

void staples_watch(struct master *m, const struct ftp_config *config)
{
	struct staples *all = xcalloc(1, sizeof(*all));
	struct tls_staple s;

	staples_forget(m);
	all->m = m;
	all->v = xcalloc((size_t)config->n_servers * TLS_KEYS + 1, sizeof(*all->v));
	for (unsigned i = 0; i < config->n_servers; i++) {
		const struct ftp_server *o = config->servers[i];

		if (o->tls == NULL || !ftp_tls_owns(o))
			continue;
		for (unsigned slot = 0; slot < TLS_KEYS; slot++) {
			struct question *q = &all->v[all->n];

			if (!tls_staple_wanted(&o->scope->conf.tls, o->tls, slot))
				continue;
			*q = (struct question){.all = all, .server = o, .slot = slot, .fd = -1};
			q->told = tls_staple_get(o->tls, slot, &s);
			q->due_ms = q->told ? when_to_refresh(&s) : clock_ms();
			all->n++;
		}
	}
	m->staples = all;
	if (all->n == 0)
		staples_forget(m);
}

uint64_t staples_tick(struct master *m, uint64_t now)
{
	struct staples *all = m->staples;
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; all != NULL && i < all->n; i++) {
		struct question *q = &all->v[i];

		if (q->fd >= 0 && q->deadline_ms <= now) {
			failed(q, "the process that asks does not end");
			question_end(q);
		}
		if (q->fd < 0 && q->due_ms <= now && all->running < RUNNING_MAX)
			question_start(q);
		if (q->fd >= 0 && q->deadline_ms < next)
			next = q->deadline_ms;
		if (q->fd < 0 && q->due_ms > now && q->due_ms < next)
			next = q->due_ms;
	}
	return next;
}
