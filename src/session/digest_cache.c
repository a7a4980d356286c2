#include "session/digest_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/str.h"

#define BUCKETS    1024 /* heads are made with the first entry: most processes never hash */
#define SETTLED_MS 100  /* longer than a tick of the kernel's clock for files */
#define COARSE_MS  2000 /* file systems that know no parts of a second */

struct entry {
	struct list bucket; /* newest first */
	struct list age;    /* oldest first */
	struct digest_key key;
	uint64_t at_ms;
	char text[DIGEST_TEXT_MAX];
};

static struct list *buckets; /* NULL: nothing was kept yet */
static struct list ages = {&ages, &ages};
static unsigned count;

struct digest_key digest_key_of(
	const struct stat *st, uint64_t start, uint64_t end, enum ftp_digest algorithm)
{
	return (struct digest_key){.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = st->st_mtim.tv_nsec,
		.ctime_s = st->st_ctim.tv_sec,
		.ctime_ns = st->st_ctim.tv_nsec,
		.start = start,
		.end = end,
		.algorithm = algorithm};
}

/* The time of status change is set by every write, and nobody can set it back. */
bool digest_key_settled(const struct stat *st, uint64_t wall_ms)
{
	uint64_t changed = (uint64_t)st->st_ctim.tv_sec * 1000 + (uint64_t)st->st_ctim.tv_nsec / 1000000;
	uint64_t wait = st->st_ctim.tv_nsec ? SETTLED_MS : COARSE_MS;

	return changed + wait < wall_ms;
}

/* FNV-1a over the words of the key. */
static struct list *bucket_of(const struct digest_key *key)
{
	const unsigned char *p = (const unsigned char *)key;
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < sizeof *key; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return &buckets[(h ^ h >> 32) % BUCKETS];
}

static void entry_drop(struct entry *e)
{
	list_del(&e->bucket);
	list_del(&e->age);
	free(e);
	count--;
}

static struct entry *entry_find(const struct digest_key *key)
{
	if (!buckets)
		return NULL;
	LIST_EACH(it, tmp, bucket_of(key))
	{
		struct entry *e = LIST_OBJ(it, struct entry, bucket);

		if (memcmp(&e->key, key, sizeof *key) == 0)
			return e;
	}
	return NULL;
}

bool digest_cache_find(
	const struct digest_key *key, uint32_t max_age_ms, uint64_t now_ms, char ret_text[DIGEST_TEXT_MAX])
{
	struct entry *e = entry_find(key);

	if (!e)
		return false;
	if (now_ms - e->at_ms >= max_age_ms) {
		entry_drop(e);
		return false;
	}
	memcpy(ret_text, e->text, sizeof e->text);
	return true;
}

void digest_cache_add(const struct digest_key *key, const char *text, unsigned max, uint64_t now_ms)
{
	struct entry *e = entry_find(key);

	if (e)
		entry_drop(e);
	while (count > 0 && count >= max)
		entry_drop(LIST_OBJ(ages.next, struct entry, age));
	if (!max)
		return;
	if (!buckets) {
		buckets = malloc(BUCKETS * sizeof *buckets);
		for (unsigned i = 0; buckets && i < BUCKETS; i++)
			list_init(&buckets[i]);
	}
	e = buckets ? calloc(1, sizeof *e) : NULL;
	if (!e) /* then it is computed again */
		return;
	e->key = *key;
	e->at_ms = now_ms;
	(void)str_copy(e->text, sizeof e->text, text);
	list_add(bucket_of(key)->next, &e->bucket);
	list_add(&ages, &e->age);
	count++;
}

void digest_cache_clear(void)
{
	LIST_EACH(it, tmp, &ages)
	entry_drop(LIST_OBJ(it, struct entry, age));
	free(buckets);
	buckets = NULL;
}

unsigned digest_cache_count(void)
{
	return count;
}
