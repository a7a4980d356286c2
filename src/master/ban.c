#include "master/ban.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/str.h"

#define BUCKETS 4096

struct bans {
	struct list bans, counts;
	struct ban *bucket[BUCKETS];
	unsigned n_bans, n_counts;
};

static const char *const kinds[BAN_KIND_COUNT] = {"host", "user", "class"};

struct bans *bans_new(void)
{
	struct bans *b = xcalloc(1, sizeof(*b));

	list_init(&b->bans);
	list_init(&b->counts);
	return b;
}

static struct ban **place(struct bans *b, unsigned event, enum ban_kind kind, const char *name)
{
	uint32_t h = 2166136261u ^ (event * 8 + kind);

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return &b->bucket[h % BUCKETS];
}

static void ban_free(struct bans *b, struct ban *x)
{
	struct ban **p = place(b, x->event, x->kind, x->name);

	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	list_del(&x->link);
	*(x->event == 0 ? &b->n_bans : &b->n_counts) -= 1;
	free(x->name);
	free(x->message);
	free(x->why);
	free(x);
}

void bans_free(struct bans **bp)
{
	struct bans *b = *bp;

	if (b == NULL)
		return;
	LIST_EACH(it, tmp, &b->bans)
	ban_free(b, LIST_OBJ(it, struct ban, link));
	LIST_EACH(it, tmp, &b->counts)
	ban_free(b, LIST_OBJ(it, struct ban, link));
	free(b);
	*bp = NULL;
}

/* The entry; one whose time is over is removed. */
static struct ban *find(struct bans *b, unsigned event, enum ban_kind kind, const char *name, uint64_t now)
{
	struct ban *x = *place(b, event, kind, name);

	while (x != NULL && !(x->event == event && x->kind == kind && str_eq(x->name, name)))
		x = x->next;
	if (x != NULL && x->until_ms <= now) {
		ban_free(b, x);
		x = NULL;
	}
	return x;
}

/* The one that goes first: the oldest, if possible one that would end by itself. */
static struct ban *oldest(struct list *l)
{
	for (struct list *it = l->next; it != l; it = it->next) {
		struct ban *x = LIST_OBJ(it, struct ban, link);

		if (x->until_ms != UINT64_MAX)
			return x;
	}
	return LIST_OBJ(l->next, struct ban, link);
}

static struct ban *add(struct bans *b, unsigned event, enum ban_kind kind, const char *name, uint64_t until)
{
	struct ban *x = xcalloc(1, sizeof(*x)), **p;
	struct list *l = event == 0 ? &b->bans : &b->counts;
	unsigned *n = event == 0 ? &b->n_bans : &b->n_counts;

	if (*n >= BANS_MAX)
		ban_free(b, oldest(l));
	x->event = (enum ftp_ban_event)event;
	x->kind = kind;
	x->name = xstrdup(name);
	x->until_ms = until;
	p = place(b, event, kind, name);
	x->next = *p;
	*p = x;
	list_add(l, &x->link);
	*n += 1;
	return x;
}

static enum ban_kind kind_of(enum ftp_ban_event event)
{
	switch (event) {
	case FTP_BAN_LOGIN_RATE:
	case FTP_BAN_MAX_CLIENTS_PER_USER:
	case FTP_BAN_MAX_HOSTS_PER_USER:
	case FTP_BAN_MAX_LOGIN_ATTEMPTS_FROM_USER:
		return BAN_USER;
	case FTP_BAN_MAX_CLIENTS_PER_CLASS:
		return BAN_CLASS;
	default:
		return BAN_HOST;
	}
}

/* Its name, in text (ADDR_TEXT_MAX bytes) for an address; NULL when it is not known. */
static const char *name_of(const struct ban_subject *who, enum ban_kind kind, char *text)
{
	if (kind == BAN_HOST)
		return who->host != NULL ? addr_text(who->host, text) : NULL;
	return kind == BAN_USER ? who->user : who->class_name;
}

static void ban_start(struct ban *x, const char *why, const char *message)
{
	x->why = xstrdup(why);
	x->message = message != NULL ? xstrdup(message) : NULL;
}

const struct ban *bans_event(struct bans *b, const struct ftp_conf *conf, enum ftp_ban_event event,
	const struct ban_subject *who, uint64_t now)
{
	const struct ftp_ban_rule *rule = conf->ban_rules;
	enum ban_kind kind = kind_of(event);
	char text[ADDR_TEXT_MAX];
	const char *name = name_of(who, kind, text);
	struct ban *x;

	while (rule != NULL && rule->event != event)
		rule = (const struct ftp_ban_rule *)rule->item.next;
	if (!conf->ban_engine || rule == NULL || name == NULL)
		return NULL;
	x = find(b, event, kind, name, now);
	if (x == NULL)
		x = add(b, event, kind, name, now + rule->interval_ms);
	if (++x->n < rule->count)
		return NULL;
	ban_free(b, x);
	if (find(b, 0, kind, name, now) != NULL)
		return NULL;
	x = add(b, 0, kind, name, now + rule->expiry_ms);
	ban_start(x, rule->name, rule->message);
	return x;
}

const struct ban *bans_find(struct bans *b, const struct ban_subject *who, uint64_t now)
{
	char text[ADDR_TEXT_MAX];
	const struct ban *x = NULL;

	for (int kind = 0; kind < BAN_KIND_COUNT && x == NULL; kind++) {
		const char *name = name_of(who, (enum ban_kind)kind, text);

		if (name != NULL)
			x = find(b, 0, (enum ban_kind)kind, name, now);
	}
	return x;
}

const char *ban_describe(const struct ban *ban, uint64_t now, char *text, size_t size)
{
	if (ban->until_ms == UINT64_MAX)
		(void)snprintf(text, size, "for good, by %s", ban->why);
	else
		(void)snprintf(text, size, "%llu s, by %s",
			(unsigned long long)((ban->until_ms - now + 999) / 1000), ban->why);
	return text;
}

void bans_text(const struct ban *ban, const struct ftp_conf *conf, const struct ban_subject *who, char *text,
	size_t size)
{
	const char *from = ban->message != NULL ? ban->message : conf->ban_message, *value;
	char address[ADDR_TEXT_MAX];
	size_t n = (size_t)snprintf(text, size, "530 ");

	for (from = from != NULL ? from : "Access denied"; *from != '\0' && n + 1 < size; from++) {
		value = NULL;
		if (*from == '%' && from[1] == 'a')
			value = who->host != NULL ? addr_text(who->host, address) : "";
		else if (*from == '%' && from[1] == 'c')
			value = who->class_name != NULL ? who->class_name : "";
		else if (*from == '%' && from[1] == 'u')
			value = who->user != NULL ? who->user : "";
		if (value == NULL) {
			text[n++] = *from;
			text[n] = '\0';
			continue;
		}
		n += str_copy(text + n, size - n, value);
		n = n < size ? n : size - 1;
		from++;
	}
}

int ban_kind_named(const char *name)
{
	for (int i = 0; i < BAN_KIND_COUNT; i++)
		if (str_eq(kinds[i], name))
			return i;
	return -1;
}

const char *ban_kind_name(enum ban_kind kind)
{
	return kinds[kind];
}

void bans_add(struct bans *b, enum ban_kind kind, const char *name, uint64_t expiry_ms, uint64_t now)
{
	struct ban *x = find(b, 0, kind, name, now);

	if (x != NULL)
		ban_free(b, x);
	ban_start(add(b, 0, kind, name, expiry_ms != 0 ? now + expiry_ms : UINT64_MAX), "wherryctl", NULL);
}

static unsigned lift_from(struct bans *b, struct list *l, enum ban_kind kind, const char *name)
{
	unsigned n = 0;

	LIST_EACH(it, tmp, l)
	{
		struct ban *x = LIST_OBJ(it, struct ban, link);

		if (x->kind != kind || (name != NULL && !str_eq(x->name, name)))
			continue;
		ban_free(b, x);
		n++;
	}
	return n;
}

unsigned bans_lift(struct bans *b, enum ban_kind kind, const char *name)
{
	(void)lift_from(b, &b->counts, kind, name);
	return lift_from(b, &b->bans, kind, name);
}

const struct ban *bans_next(const struct bans *b, const struct ban *prev, uint64_t now)
{
	const struct list *it = prev != NULL ? prev->link.next : b->bans.next;

	for (; it != &b->bans; it = it->next) {
		const struct ban *x = LIST_OBJ(it, const struct ban, link);

		if (x->until_ms > now)
			return x;
	}
	return NULL;
}
