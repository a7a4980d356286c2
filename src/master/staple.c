/* OCSP responses for TLSStapling. A process is forked for each question, as the account of the login processes; it asks the
 * responder, checks the answer and writes it into a pipe. Master copies what comes out of it, without a look into it,
 * to memory that all processes with that certificate send it from. A responder that does not answer delays nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "master/asker.h"
#include "master/staple_answer.h"

#define RUNNING_MAX   4
#define RETRY_MS      60000 /* after a failure; doubled with each further one */
#define RETRY_MAX_MS  3600000
#define OVERTIME_SECS 20 /* beyond TLSStaplingTimeout: name servers */

struct question {
	struct staples *all;
	const struct ftp_server *server; /* of the current generation */
	unsigned slot;
	uint64_t due_ms;
	unsigned failures; /* in a row */
	bool told;         /* the log has the present state of things */
	char error[256];   /* of the last question; "" = it was answered */
	struct asker asker;
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

static void ask(void *arg, void *answer, const char *failed)
{
	const struct question *q = arg;
	const struct tls_config *conf = &q->server->scope->conf.tls;
	struct staple_answer *a = answer;
	struct err err = ERR_INIT;

	if (failed == NULL && tls_staple_ask(conf, q->server->tls, q->slot, &a->staple, &err) < 0)
		failed = err.text;
	if (failed != NULL) {
		a->failed = 1;
		(void)str_copy(a->text, sizeof(a->text), failed);
	}
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
	q->error[0] = '\0';
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
	(void)str_copy(q->error, sizeof(q->error), why);
	q->due_ms = clock_ms() + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

static void question_end(struct question *q)
{
	if (q->asker.fd >= 0)
		q->all->running--;
	asker_stop(&q->asker);
}

static void on_answer(void *arg, size_t got)
{
	struct question *q = arg;
	struct staple_answer *a = q->asker.answer;
	const char *why = staple_answer_check(a, got, (int64_t)time(NULL));

	if (why != NULL)
		failed(q, why);
	else
		succeeded(q, &a->staple);
	question_end(q);
}

static void question_start(struct question *q)
{
	unsigned secs = q->server->scope->conf.tls.staple_timeout_ms / 1000 + OVERTIME_SECS;
	int r = asker_start(&q->asker, q->all->m, secs, sizeof(struct staple_answer), ask, q);

	if (r < 0)
		failed(q, strerror(-r));
	else
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
			*q = (struct question){.all = all, .server = o, .slot = slot};
			q->asker = (struct asker){.fd = -1, .done = on_answer, .arg = q};
			q->told = tls_staple_get(o->tls, slot, &s);
			q->due_ms = q->told ? when_to_refresh(&s) : clock_ms();
			all->n++;
		}
	}
	m->staples = all;
	if (all->n == 0)
		staples_forget(m);
}

void staples_state(
	const struct master *m, const struct ftp_server *server, unsigned slot, struct staple_state *ret_s)
{
	const struct tls_config *conf = &server->scope->conf.tls;
	const struct staples *all = m->staples;
	struct tls_staple s;

	*ret_s = (struct staple_state){.state = "off"};
	if (!conf->staple)
		return;
	ret_s->state = "none";
	ret_s->error = tls_staple_hindrance(conf, server->tls, slot);
	if (tls_staple_get(server->tls, slot, &s)) {
		ret_s->state = s.revoked ? "revoked" : "good";
		ret_s->until = s.until;
	}
	for (unsigned i = 0; all != NULL && i < all->n; i++) {
		const struct question *q = &all->v[i];

		if (q->slot != slot ||
			q->server->tls != server->tls) /* servers with the same files share one */
			continue;
		ret_s->error = q->error[0] != '\0' ? q->error : NULL;
		if (q->asker.fd < 0)
			ret_s->next = (int64_t)time(NULL) + ((int64_t)q->due_ms - (int64_t)clock_ms()) / 1000;
	}
}

uint64_t staples_tick(struct master *m, uint64_t now)
{
	struct staples *all = m->staples;
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; all != NULL && i < all->n; i++) {
		struct question *q = &all->v[i];

		if (q->asker.fd >= 0 && q->asker.deadline_ms <= now) {
			failed(q, "the process that asks does not end");
			question_end(q);
		}
		if (q->asker.fd < 0 && q->due_ms <= now && all->running < RUNNING_MAX)
			question_start(q);
		if (q->asker.fd >= 0 && q->asker.deadline_ms < next)
			next = q->asker.deadline_ms;
		if (q->asker.fd < 0 && q->due_ms > now && q->due_ms < next)
			next = q->due_ms;
	}
	return next;
}
