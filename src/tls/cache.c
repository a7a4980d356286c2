/* Sessions of control connections, for later logins: a hash table of fixed size over a ring of entries. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "tls/tls_priv.h"

struct entry {
	struct list age;    /* tls_cache.oldest first, or tls_cache.free */
	struct entry *next; /* of the same bucket */
	SSL_SESSION *s;
	uint64_t until_ms;
};

struct tls_cache {
	struct list used, unused;
	struct entry *entries, **buckets;
	unsigned mask; /* buckets - 1 */
	uint64_t life_ms;
};

struct tls_cache *tls_cache_new(const struct tls_cache_config *conf)
{
	struct tls_cache *c;
	unsigned buckets = 16;

	if (!conf->on || conf->entries == 0)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	while (buckets < conf->entries && buckets < 1u << 20)
		buckets *= 2;
	c->mask = buckets - 1;
	c->buckets = xcalloc(buckets, sizeof(struct entry *));
	c->entries = xcalloc(conf->entries, sizeof(*c->entries));
	c->life_ms = conf->secs * UINT64_C(1000);
	list_init(&c->used);
	list_init(&c->unused);
	for (unsigned i = 0; i < conf->entries; i++)
		list_add(&c->unused, &c->entries[i].age);
	return c;
}

/* Ids are random: any four bytes are a hash. */
static struct entry **bucket(const struct tls_cache *c, const uint8_t *id, size_t n)
{
	uint32_t h = 0;

	memcpy(&h, id, n < sizeof(h) ? n : sizeof(h));
	return &c->buckets[h & c->mask];
}

static void drop(struct tls_cache *c, struct entry *e)
{
	unsigned n;
	const uint8_t *id = SSL_SESSION_get_id(e->s, &n);
	struct entry **p = bucket(c, id, n);

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	SSL_SESSION_free(e->s);
	e->s = NULL;
	list_del(&e->age);
	list_add(&c->unused, &e->age);
}

void tls_cache_free(struct tls_cache **cp)
{
	struct tls_cache *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	LIST_EACH(it, tmp, &c->used)
	SSL_SESSION_free(LIST_OBJ(it, struct entry, age)->s);
	free(c->entries);
	free(c->buckets);
	free(c);
}

void tls_cache_add(struct tls_cache *c, SSL_SESSION *s)
{
	struct entry *e, **p;
	unsigned n;
	const uint8_t *id = SSL_SESSION_get_id(s, &n);

	if (n == 0 || tls_cache_find(c, id, n) != NULL)
		return;
	if (list_empty(&c->unused))
		drop(c, LIST_OBJ(c->used.next, struct entry, age));
	if (!SSL_SESSION_up_ref(s))
		return;
	e = LIST_OBJ(c->unused.next, struct entry, age);
	list_del(&e->age);
	list_add(&c->used, &e->age);
	e->s = s;
	e->until_ms = clock_ms() + c->life_ms;
	p = bucket(c, id, n);
	e->next = *p;
	*p = e;
}

SSL_SESSION *tls_cache_find(struct tls_cache *c, const uint8_t *id, size_t n)
{
	struct entry *e = n > 0 ? *bucket(c, id, n) : NULL;

	for (; e != NULL; e = e->next) {
		unsigned len;
		const uint8_t *own = SSL_SESSION_get_id(e->s, &len);

		if (len != n || memcmp(own, id, n) != 0)
			continue;
		if (e->until_ms > clock_ms())
			return e->s;
		drop(c, e);
		return NULL;
	}
	return NULL;
}
