#include "master/revocation.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "master/asker.h"
#include "master/revocation_answer.h"

#define RUNNING_MAX   8
#define QUESTIONS_MAX 64    /* certificates, whoever waits for them */
#define KNOWN_MAX     512   /* answers that are remembered */
#define FAILED_MS     15000 /* a responder that did not answer is let alone; clients wait no second time */

/* The same certificates at another server may be judged by other authorities. */
struct key {
	unsigned generation, server;
	uint8_t digest[TLS_FINGERPRINT_BYTES];
};

struct known {
	struct list link; /* in order of their last use */
	struct key key;
	struct tls_revocation answer;
	uint64_t refresh_ms, until_ms; /* of the clock */
};

struct question {
	struct list link;
	struct revocations *all;
	struct key key;
	struct generation *gen; /* a reference */
	const struct ftp_server *server;
	void *certificate;
	size_t n;
	uint64_t late_ms; /* not begun by then: given up */
	struct asker asker;
	uint32_t *waiting; /* sids */
	size_t n_waiting;
};

struct revocations {
	struct master *m;
	struct list questions, known;
	unsigned n_questions, n_running, n_known;
};

static bool key_equal(const struct key *a, const struct key *b)
{
	return a->generation == b->generation && a->server == b->server &&
	       memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

static uint32_t wait_secs(const struct question *q)
{
	return (q->server->scope->conf.tls.staple_timeout_ms + 999) / 1000;
}

/* --- the process that asks --- */

static struct tls_revocation *so_far;

/* The responder, or a name server, does not answer. */
static void on_alarm(int signo)
{
	_exit(write(ASKER_FD, so_far, sizeof(*so_far)) != (ssize_t)sizeof(*so_far));
}

static void ask(void *arg, void *answer, const char *failed)
{
	const struct question *q = arg;
	const struct tls_config *conf = &q->server->scope->conf.tls;
	struct tls_revocation *a = answer, early;
	struct tls_client_cert *cert = NULL;

	if (failed != NULL) {
		(void)snprintf(a->text, sizeof(a->text), "nothing is known of the certificate: %s", failed);
		return;
	}
	if (tls_revocation_prepare(conf, q->server->tls, q->certificate, q->n, &cert, a) < 0)
		return;
	early = *a;
	so_far = &early;
	(void)signal(SIGALRM, on_alarm);
	(void)alarm(wait_secs(q) + 1); /* who waits for the responder itself says more */
	tls_revocation_ask(conf, cert, a);
	(void)alarm(0);
	tls_client_cert_free(&cert);
}

/* --- what is known --- */

static struct known *known_find(struct revocations *all, const struct key *key)
{
	LIST_EACH(it, tmp, &all->known)
	{
		struct known *k = LIST_OBJ(it, struct known, link);

		if (!key_equal(&k->key, key))
			continue;
		list_del(&k->link);
		list_add(&all->known, &k->link); /* the last one */
		return k;
	}
	return NULL;
}

static void known_free(struct revocations *all, struct known *k)
{
	list_del(&k->link);
	free(k);
	all->n_known--;
}

/* In the clock's time. */
static uint64_t clock_of(int64_t at)
{
	int64_t left = at - (int64_t)time(NULL);

	return clock_ms() + (left > 0 ? (uint64_t)left * 1000 : 0);
}

/* Remember a. An answer of before that is not out of date counts for more than none now: a is that one then. */
static void known_put(struct revocations *all, const struct key *key, struct tls_revocation *a)
{
	struct known *k = known_find(all, key);
	uint64_t now = clock_ms();
	char why[TLS_REVOCATION_TEXT_MAX];

	if (k != NULL && a->status == TLS_REVOCATION_NONE && k->answer.status != TLS_REVOCATION_NONE &&
		k->until_ms > now) {
		(void)str_copy(why, sizeof(why), a->text);
		*a = k->answer;
		(void)snprintf(a->text, sizeof(a->text), "%.300s, as it was told before; now %.300s",
			k->answer.text, why);
		k->refresh_ms = now + FAILED_MS;
		return;
	}
	if (k == NULL) {
		if (all->n_known >= KNOWN_MAX)
			known_free(all, LIST_OBJ(all->known.next, struct known, link));
		k = xcalloc(1, sizeof(*k));
		k->key = *key;
		list_add(&all->known, &k->link);
		all->n_known++;
	}
	k->answer = *a;
	k->refresh_ms = k->until_ms = now + FAILED_MS;
	if (a->status != TLS_REVOCATION_NONE) {
		k->refresh_ms = clock_of(a->refresh);
		k->until_ms = clock_of(a->until);
	}
}

/* --- what login is told --- */

static void tell(struct msession *s, const struct tls_revocation *a)
{
	const struct tls_config *conf = &s->server->scope->conf.tls;
	bool accepted = tls_revocation_accepted(conf, a);
	char text[IPC_CERT_TEXT_MAX];
	struct ipc_cert_status m = {.sid = s->sid, .text = text};
	const char *as = "";

	if (a->status == TLS_REVOCATION_NONE && accepted)
		as = conf->order == TLS_ORDER_OCSP_CRL && a->listed != 0
			     ? "; it is let in, no revocation list names it"
			     : "; it is let in (TLSOptions OCSPSoftFail)";
	(void)snprintf(text, sizeof(text), "%s%s", a->text, as);
	m.verdict = !accepted ? IPC_CERT_REFUSED : *as != '\0' ? IPC_CERT_DOUBTFUL : IPC_CERT_GOOD;
	s->cert->asking = false;
	s->cert->passed = accepted;
	(void)child_send(s->owner, IPC_CERT_STATUS, &m, -1); /* a dead child is reaped soon */
}

/* --- questions --- */

static void question_free(struct question *q)
{
	struct revocations *all = q->all;

	if (q->asker.fd >= 0)
		all->n_running--;
	asker_stop(&q->asker);
	list_del(&q->link);
	all->n_questions--;
	generation_unref(all->m, q->gen);
	free(q->certificate);
	free(q->waiting);
	free(q);
}

static void question_over(struct question *q, struct tls_revocation *a)
{
	known_put(q->all, &q->key, a);
	for (size_t i = 0; i < q->n_waiting; i++) {
		struct msession *s = msession_find(q->all->m, q->waiting[i]);

		/* After REIN the session may wait for what is said of another certificate. */
		if (s != NULL && s->cert != NULL && s->cert->asking && s->gen == q->gen &&
			s->server == q->server &&
			memcmp(s->cert->digest, q->key.digest, sizeof(q->key.digest)) == 0)
			tell(s, a);
	}
	question_free(q);
}

static void question_failed(struct question *q, const char *why)
{
	struct tls_revocation a = {0};

	(void)snprintf(a.text, sizeof(a.text), "nothing is known of the certificate: %s", why);
	question_over(q, &a);
}

static void on_answer(void *arg, size_t got)
{
	struct question *q = arg;
	struct tls_revocation a = *(const struct tls_revocation *)q->asker.answer;

	revocation_answer_check(&a, got, (int64_t)time(NULL));
	question_over(q, &a);
}

static void question_start(struct question *q)
{
	int r = asker_start(&q->asker, q->all->m, wait_secs(q) + 3, sizeof(struct tls_revocation), ask, q);

	if (r < 0)
		question_failed(q, strerror(-r));
	else
		q->all->n_running++;
}

static struct question *question_of(struct revocations *all, const struct key *key)
{
	LIST_EACH(it, tmp, &all->questions)
	{
		struct question *q = LIST_OBJ(it, struct question, link);

		if (key_equal(&q->key, key))
			return q;
	}
	return NULL;
}

static struct question *question_new(struct revocations *all, const struct key *key, const struct msession *s,
	const struct ipc_bytes *certificate)
{
	struct question *q = xcalloc(1, sizeof(*q));

	q->all = all;
	q->key = *key;
	q->gen = s->gen;
	generation_ref(q->gen);
	q->server = s->server;
	q->certificate = xmalloc(certificate->len);
	memcpy(q->certificate, certificate->data, certificate->len);
	q->n = certificate->len;
	q->late_ms = clock_ms() + wait_secs(q) * UINT64_C(1000);
	q->asker = (struct asker){.fd = -1, .done = on_answer, .arg = q};
	list_add(&all->questions, &q->link);
	all->n_questions++;
	return q;
}

static void wait_for(struct question *q, const struct msession *s)
{
	q->waiting = xrealloc(q->waiting, (q->n_waiting + 1) * sizeof(*q->waiting));
	q->waiting[q->n_waiting++] = s->sid;
}

static struct revocations *all_of(struct master *m)
{
	if (m->revocations == NULL) {
		m->revocations = xcalloc(1, sizeof(*m->revocations));
		m->revocations->m = m;
		list_init(&m->revocations->questions);
		list_init(&m->revocations->known);
	}
	return m->revocations;
}

int revocation_asked(struct master *m, struct msession *s, const struct ipc_cert_check *c)
{
	struct revocations *all = all_of(m);
	struct tls_revocation none = {
		.text = "nothing is known of the certificate: too many are asked about at this time"};
	struct key key = {.generation = s->gen->config->generation};
	struct question *q;
	struct known *k;

	if (s->state != MSESSION_CONNECTED || s->server == NULL || s->server->tls == NULL ||
		!tls_revocation_wanted(&s->server->scope->conf.tls) || c->certificate.len == 0 ||
		(s->cert != NULL && s->cert->asking))
		return -WE_PERMIT;
	key.server = s->server->index;
	tls_client_cert_digest(c->certificate.data, c->certificate.len, key.digest);
	if (s->cert == NULL)
		s->cert = xcalloc(1, sizeof(*s->cert));
	*s->cert = (struct msession_cert){.server = key.server, .asking = true};
	memcpy(s->cert->digest, key.digest, sizeof(key.digest));
	k = known_find(all, &key);
	if (k != NULL && k->refresh_ms > clock_ms() && k->until_ms > clock_ms()) {
		tell(s, &k->answer);
		return 0;
	}
	q = question_of(all, &key);
	if (q == NULL && all->n_questions >= QUESTIONS_MAX) {
		tell(s, k != NULL && k->until_ms > clock_ms() ? &k->answer : &none);
		return 0;
	}
	if (q == NULL)
		q = question_new(all, &key, s, &c->certificate);
	wait_for(q, s);
	if (q->asker.fd < 0 && all->n_running < RUNNING_MAX)
		question_start(q);
	return 0;
}

bool revocation_passed(
	const struct msession *s, const struct ftp_server *server, const struct ipc_bytes *digest)
{
	if (!tls_revocation_wanted(&server->scope->conf.tls))
		return true;
	return s->cert != NULL && s->cert->passed && s->cert->server == server->index &&
	       digest->len == sizeof(s->cert->digest) &&
	       memcmp(s->cert->digest, digest->data, sizeof(s->cert->digest)) == 0;
}

uint64_t revocation_tick(struct master *m, uint64_t now)
{
	struct revocations *all = m->revocations;
	uint64_t next = UINT64_MAX;
	unsigned n;

	if (all == NULL)
		return UINT64_MAX;
	n = all->n_questions;
	LIST_EACH(it, tmp, &all->questions)
	{
		struct question *q = LIST_OBJ(it, struct question, link);

		if (q->asker.fd >= 0 && q->asker.deadline_ms <= now)
			question_failed(q, "the process that asks does not end");
		else if (q->asker.fd < 0 && q->late_ms <= now)
			question_failed(q, "too many are asked about at this time");
		else if (q->asker.fd < 0 && all->n_running < RUNNING_MAX)
			question_start(q); /* its time is looked at in the next turn */
		else
			next = min_u64(next, q->asker.fd >= 0 ? q->asker.deadline_ms : q->late_ms);
	}
	return all->n_questions < n ? now : next; /* others may begin */
}

void revocation_free(struct master *m)
{
	struct revocations *all = m->revocations;

	m->revocations = NULL;
	if (all == NULL)
		return;
	LIST_EACH(it, tmp, &all->questions)
	question_free(LIST_OBJ(it, struct question, link));
	LIST_EACH(it2, tmp2, &all->known)
	known_free(all, LIST_OBJ(it2, struct known, link));
	free(all);
}
