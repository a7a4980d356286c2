/* The session table, and the limits that are counted over it. Counting walks the table: it happens once
 * per login and only where a limit is configured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "ftp/text.h"
#include "ftp/variant.h"
#include "master/master.h"

static struct msession **bucket(struct master *m, uint32_t sid)
{
	return &m->buckets[sid % SESSION_BUCKETS];
}

struct msession *msession_find(const struct master *m, uint32_t sid)
{
	struct msession *s = m->buckets[sid % SESSION_BUCKETS];

	while (s != NULL && s->sid != sid)
		s = s->hash_next;
	return s;
}

struct msession *msession_new(struct master *m, struct child *owner)
{
	struct msession *s = xcalloc(1, sizeof(*s));

	do {
		s->sid = ++m->next_sid;
	} while (s->sid == 0 || msession_find(m, s->sid) != NULL);
	s->owner = owner;
	owner->n_sessions++;
	s->gen = owner->gen;
	generation_ref(s->gen);
	s->connected_wall_ms = clock_wall_ms();
	s->hash_next = *bucket(m, s->sid);
	*bucket(m, s->sid) = s;
	list_add(&m->sessions, &s->link);
	m->n_sessions++;
	return s;
}

static void leave(struct child *c)
{
	if (--c->n_sessions == 0)
		c->idle_since_ms = clock_ms();
}

void msession_move(struct msession *s, struct child *to)
{
	leave(s->owner);
	s->owner = to;
	to->n_sessions++;
}

void msession_forget_cert(struct msession *s)
{
	free(s->cert);
	s->cert = NULL;
}

void msession_reset(struct master *m, struct msession *s, struct child *login)
{
	live_left(m, s);
	grant_drop(s);
	msession_forget_cert(s);
	s->state = MSESSION_CONNECTED;
	s->xfer_command = 0;
	msession_move(s, login);
	generation_ref(login->gen);
	generation_unref(m, s->gen);
	s->gen = login->gen;
	s->server = ftp_server_find(s->gen->config, &s->local);
	s->class = ftp_class_find(s->gen->config, &s->peer, NULL);
}

void msession_free(struct master *m, struct msession *s)
{
	struct msession **p = bucket(m, s->sid);

	if (s->state == MSESSION_ACTIVE)
		live_left(m, s);
	while (*p != s)
		p = &(*p)->hash_next;
	*p = s->hash_next;
	list_del(&s->link);
	m->n_sessions--;
	leave(s->owner);
	generation_unref(m, s->gen);
	grant_drop(s);
	msession_forget_cert(s);
	free(s->client_name);
	free(s);
}

const struct ftp_scope *msession_scope(const struct msession *s, bool authenticated, struct arena *a)
{
	struct ftp_subject who = {.class_name = s->class != NULL ? s->class->name : NULL,
		.client = &s->peer,
		.client_name = s->client_name,
		.authenticated = authenticated};

	if (authenticated && s->server->conditional != NULL) {
		char *names = arena_strdup(a, s->grantee->group_names);
		const char **list = arena_alloc(a, ipc_group_names_most(names) * sizeof(*list));

		who.user = s->grantee->user;
		who.groups = list;
		who.n_groups = ipc_group_names(names, list);
	}
	return ftp_server_scope(
		ftp_server_for(s->server, &who, false, a), authenticated ? msession_anon(s) : 0);
}

/* "530 <message with %m>" */
static void limit_text(const char *message, unsigned max, char *text, size_t size)
{
	struct buf b;

	buf_init(&b, size - 1);
	if (buf_puts(&b, "530 ") == 0)
		(void)text_expand(&b, message,
			&(struct text_vars){.max = max}); /* a message over the limit stays short */
	str_copy(text, size, b.data != NULL ? b.data : "530");
	buf_done(&b);
}

/* Which other sessions count for a limit. */
enum counted {
	SAME_SERVER = 1,
	SAME_USER = 2,
	SAME_HOST = 4,
	SAME_CLASS = 8,
	LOGGED_IN = 16,
	SAME_ANON = 32
};

static bool counts(const struct msession *o, const struct msession *s, unsigned what)
{
	if ((what & LOGGED_IN) != 0 && o->state == MSESSION_CONNECTED)
		return false;
	if ((what & SAME_SERVER) != 0 &&
		(addr_port(&o->local) != addr_port(&s->local) || !addr_host_equal(&o->local, &s->local)))
		return false;
	if ((what & SAME_ANON) != 0 && msession_anon(o) != msession_anon(s))
		return false;
	if ((what & SAME_USER) != 0 && (o->grantee == NULL || !str_eq(o->grantee->user, s->grantee->user)))
		return false;
	if ((what & SAME_HOST) != 0 && !addr_host_equal(&o->peer, &s->peer))
		return false;
	if ((what & SAME_CLASS) != 0 && (o->class == NULL || !str_eq(o->class->name, s->class->name)))
		return false;
	return true;
}

/* Sessions that count, s itself not included. */
static unsigned count(const struct master *m, const struct msession *s, unsigned what)
{
	unsigned n = 0;

	for (struct list *it = m->sessions.next; it != &m->sessions; it = it->next) {
		const struct msession *o = LIST_OBJ(it, struct msession, link);

		if (o != s && counts(o, s, what))
			n++;
	}
	return n;
}

/* Distinct hosts of the user's other sessions, other than s's own host. */
static unsigned count_hosts(const struct master *m, const struct msession *s)
{
	unsigned n = 0;

	for (struct list *it = m->sessions.next; it != &m->sessions; it = it->next) {
		const struct msession *o = LIST_OBJ(it, struct msession, link);
		bool seen = false;

		if (o == s || !counts(o, s, SAME_SERVER | SAME_USER | LOGGED_IN) ||
			addr_host_equal(&o->peer, &s->peer))
			continue;
		for (struct list *jt = m->sessions.next; jt != it && !seen; jt = jt->next) {
			const struct msession *p = LIST_OBJ(jt, struct msession, link);

			seen = p != s && counts(p, s, SAME_SERVER | SAME_USER | LOGGED_IN) &&
			       addr_host_equal(&p->peer, &o->peer);
		}
		n += !seen;
	}
	return n;
}

static bool over(const struct master *m, const struct msession *s, const struct ftp_max *max, unsigned what)
{
	return max->max != 0 && count(m, s, what) >= max->max;
}

static bool rate_exceeded(struct master *m, const struct ftp_config *c)
{
	uint64_t now = clock_ms();
	unsigned secs = c->max_connection_rate_secs != 0 ? c->max_connection_rate_secs : 1;

	if (c->max_connection_rate == 0)
		return false;
	if (now - m->rate_start_ms >= secs * 1000u) {
		m->rate_start_ms = now;
		m->rate_count = 0;
	}
	return ++m->rate_count > c->max_connection_rate;
}

static struct ban_subject banned_subject(const struct msession *s)
{
	return (struct ban_subject){.host = &s->peer,
		.user = msession_user(s),
		.class_name = s->class != NULL ? s->class->name : NULL};
}

void admit_event(struct master *m, const struct msession *s, const struct ftp_conf *conf,
	enum ftp_ban_event event, const char *user)
{
	struct ban_subject who = banned_subject(s);
	const struct ban *ban = NULL;
	char shown[300];

	if (who.user == NULL && user != NULL && user[0] != '\0')
		who.user = user;
	if (m->bans != NULL)
		ban = bans_event(m->bans, conf, event, &who, clock_ms());
	if (ban != NULL)
		log_notice(&m->log, "%s '%s' is banned by BanOnEvent %s", ban_kind_name(ban->kind),
			str_escape(ban->name, shown, sizeof(shown)), ban->why);
}

static bool banned(
	struct master *m, const struct msession *s, const struct ftp_conf *conf, char *text, size_t size)
{
	struct ban_subject who = banned_subject(s);
	const struct ban *ban = m->bans != NULL ? bans_find(m->bans, &who, clock_ms()) : NULL;

	if (ban != NULL)
		bans_text(ban, conf, &who, text, size);
	return ban != NULL;
}

static bool overloaded(const struct ftp_conf *conf)
{
	double load;

	return conf->max_load > 0 && getloadavg(&load, 1) == 1 && load > conf->max_load;
}

uint32_t admit_connection(struct master *m, const struct msession *s, char *text, size_t size)
{
	const struct ftp_config *c = s->gen->config;
	struct arena *a;
	const struct ftp_conf *conf;
	uint32_t verdict = IPC_OK;

	text[0] = '\0';
	if ((c->max_instances != 0 && m->n_sessions > c->max_instances) || rate_exceeded(m, c))
		return IPC_REFUSE_SILENT;
	if (m->stopping) {
		(void)snprintf(text, size, "421 Service not available, server is shutting down");
		return IPC_REFUSE_TEXT;
	}
	if (shut_denies(m, text, size))
		return IPC_REFUSE_TEXT;
	if (s->server == NULL)
		return IPC_OK; /* login answers 500 */
	a = arena_new(8192, 0);
	conf = &msession_scope(s, false, a)->conf;
	admit_event(m, s, conf, FTP_BAN_CONNECT_RATE, NULL);
	if (banned(m, s, conf, text, size)) {
		verdict = IPC_REFUSE_TEXT;
	} else if (overloaded(conf)) {
		(void)snprintf(text, size, "421 %s", conf->max_load_message);
		verdict = IPC_REFUSE_TEXT;
	} else if (over(m, s, &conf->max_connections_per_host, SAME_SERVER | SAME_HOST)) {
		limit_text(conf->max_connections_per_host.message, conf->max_connections_per_host.max, text,
			size);
		admit_event(m, s, conf, FTP_BAN_MAX_CONNECTIONS_PER_HOST, NULL);
		verdict = IPC_REFUSE_TEXT;
	}
	arena_free(a);
	return verdict;
}

static const struct ftp_class_max *class_limit(const struct ftp_conf *conf, const struct ftp_class *class)
{
	const struct ftp_class_max *l = conf->max_clients_per_class;

	while (l != NULL && (class == NULL || !str_eq(l->class_name, class->name)))
		l = (const struct ftp_class_max *)l->item.next;
	return l;
}

static uint32_t login_verdict(
	struct master *m, const struct msession *s, const struct ftp_conf *conf, char *text, size_t size)
{
	const struct ftp_class_max *per_class = class_limit(conf, s->class);
	const struct ftp_max *hit = NULL;
	unsigned anon = msession_anon(s) != 0 ? SAME_ANON : 0;
	enum ftp_ban_event event = 0;

	admit_event(m, s, conf, FTP_BAN_LOGIN_RATE, NULL);
	if (banned(m, s, conf, text, size))
		return IPC_REFUSE_TEXT;

	if (per_class != NULL && per_class->max != 0 &&
		count(m, s, SAME_SERVER | SAME_CLASS | LOGGED_IN) >= per_class->max) {
		limit_text(per_class->message, per_class->max, text, size);
		admit_event(m, s, conf, FTP_BAN_MAX_CLIENTS_PER_CLASS, NULL);
		return IPC_REFUSE_TEXT;
	}
	if (over(m, s, &conf->max_clients_per_user, SAME_SERVER | SAME_USER | LOGGED_IN))
		hit = &conf->max_clients_per_user;
	else if (over(m, s, &conf->max_clients, SAME_SERVER | LOGGED_IN | anon))
		hit = &conf->max_clients;
	else if (over(m, s, &conf->max_clients_per_host, SAME_SERVER | SAME_HOST | LOGGED_IN | anon))
		hit = &conf->max_clients_per_host;
	else if (conf->max_hosts_per_user.max != 0 && count_hosts(m, s) >= conf->max_hosts_per_user.max)
		hit = &conf->max_hosts_per_user;
	if (hit == NULL)
		return IPC_OK;
	if (hit == &conf->max_clients_per_user)
		event = FTP_BAN_MAX_CLIENTS_PER_USER;
	else if (hit == &conf->max_clients_per_host)
		event = FTP_BAN_MAX_CLIENTS_PER_HOST;
	else if (hit == &conf->max_hosts_per_user)
		event = FTP_BAN_MAX_HOSTS_PER_USER;
	if (event != 0)
		admit_event(m, s, conf, event, NULL);
	limit_text(hit->message, hit->max, text, size);
	return IPC_REFUSE_TEXT;
}

uint32_t admit_login(struct master *m, const struct msession *s, char *text, size_t size)
{
	struct arena *a = arena_new(8192, 0);
	uint32_t verdict = login_verdict(m, s, &msession_scope(s, true, a)->conf, text, size);

	arena_free(a);
	return verdict;
}

/* Counted transfers of the same command by others with the same user or host. */
static unsigned count_transfers(
	const struct master *m, const struct msession *s, uint32_t command, unsigned what)
{
	unsigned n = 0;

	for (struct list *it = m->sessions.next; it != &m->sessions; it = it->next) {
		const struct msession *o = LIST_OBJ(it, struct msession, link);

		if (o != s && o->xfer_command == command && counts(o, s, SAME_SERVER | what))
			n++;
	}
	return n;
}

uint32_t admit_transfer(struct master *m, struct msession *s, const struct ipc_xfer_claim *claim)
{
	if (claim->max_user != 0 && count_transfers(m, s, claim->command, SAME_USER) >= claim->max_user)
		return 1;
	if (claim->max_host != 0 && count_transfers(m, s, claim->command, SAME_HOST) >= claim->max_host)
		return 2;
	s->xfer_command = claim->command;
	return 0;
}
