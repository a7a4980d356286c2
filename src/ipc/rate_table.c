#include "ipc/rate_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define MS     UINT64_C(1000000)
#define IDLE   (10000 * MS) /* a bucket that was full for so long may be another's */
#define PROBES 64u          /* places of a key */
#define TRIES  1000u        /* more than that many takers in between: somebody plays */

struct bucket {
	_Atomic uint64_t key; /* 0 = never used */
	_Atomic uint64_t due_ns;
};

struct number {
	_Atomic uint64_t key; /* 0 = none */
	_Atomic uint64_t bps;
};

struct numbers {
	_Atomic uint32_t serial; /* odd while master writes */
	_Atomic uint32_t generation;
	struct number number[RATE_TABLE_NUMBERS];
};

struct rate_table {
	struct bucket *buckets;
	struct numbers *numbers;         /* master's mapping, NULL in children */
	const struct numbers *published; /* the same memory, never writable */
};

uint64_t rate_key_bytes(uint64_t key, const void *p, unsigned long n)
{
	const unsigned char *s = p;

	for (unsigned long i = 0; i < n; i++)
		key = (key ^ s[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	return key != 0 ? key : 1;
}

uint64_t rate_key_text(uint64_t key, const char *s)
{
	return rate_key_bytes(key, s, strlen(s) + 1);
}

/* --- making --- */

static void *map(int fd, size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	return p != MAP_FAILED ? p : NULL;
}

int rate_table_new(struct rate_table **ret_t, struct err *err)
{
	struct rate_table *t = xcalloc(1, sizeof(*t));
	auto_fd int fd = memfd_create("wherry-rates", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	auto_fd int bucket_fd = memfd_create("wherry-buckets", MFD_CLOEXEC);
	int r = 0;

	if (fd < 0 || bucket_fd < 0 || ftruncate(fd, sizeof(struct numbers)) < 0 ||
		ftruncate(bucket_fd, RATE_TABLE_BUCKETS * sizeof(struct bucket)) < 0)
		r = errno;
	if (r == 0) {
		t->numbers = map(fd, sizeof(struct numbers), PROT_READ | PROT_WRITE);
		/* Since Linux 5.1: what is mapped from here on can never be written. Older kernels have to do
		 * without that. */
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
		t->published = map(fd, sizeof(struct numbers), PROT_READ);
		t->buckets =
			map(bucket_fd, RATE_TABLE_BUCKETS * sizeof(struct bucket), PROT_READ | PROT_WRITE);
		if (t->numbers == NULL || t->published == NULL || t->buckets == NULL)
			r = errno;
	}
	if (r != 0) {
		rate_table_free(t);
		return err_sys(err, r, "cannot make the table of rates");
	}
	*ret_t = t;
	return 0;
}

void rate_table_child(struct rate_table *t)
{
	if (t == NULL || t->numbers == NULL)
		return;
	(void)munmap(t->numbers, sizeof(struct numbers)); /* cannot fail: it is a mapping of ours */
	t->numbers = NULL;
}

void rate_table_free(struct rate_table *t)
{
	if (t == NULL)
		return;
	rate_table_child(t);
	if (t->published != NULL)
		(void)munmap((void *)(uintptr_t)t->published, sizeof(struct numbers));
	if (t->buckets != NULL)
		(void)munmap(t->buckets, RATE_TABLE_BUCKETS * sizeof(struct bucket));
	free(t);
}

/* --- buckets --- */

/* A place for the key that is new or has been idle; where there is none, the last one, which two keys share
 * then. */
static struct bucket *bucket_claim(struct rate_table *t, uint64_t key, uint64_t now)
{
	struct bucket *b = NULL;

	for (unsigned i = 0; i < PROBES; i++) {
		uint64_t old, due;

		b = &t->buckets[(key + i) % RATE_TABLE_BUCKETS];
		old = atomic_load(&b->key);
		due = atomic_load(&b->due_ns);
		if (old == key)
			return b;
		if (old != 0 && due + IDLE > now)
			continue;
		/* Nothing is saved up in a new one. Another process may be as quick: then its word counts. */
		if (atomic_compare_exchange_strong(&b->key, &old, key)) {
			(void)atomic_compare_exchange_strong(&b->due_ns, &due, now);
			return b;
		}
		if (old == key)
			return b;
	}
	return b;
}

static struct bucket *bucket_find(struct rate_table *t, uint64_t key, uint64_t now)
{
	for (unsigned i = 0; i < PROBES; i++) {
		struct bucket *b = &t->buckets[(key + i) % RATE_TABLE_BUCKETS];

		if (atomic_load(&b->key) == key)
			return b;
	}
	return bucket_claim(t, key, now);
}

uint64_t rate_table_take(struct rate_table *t, uint64_t key, uint64_t ns, uint64_t now)
{
	struct bucket *b = bucket_find(t, key, now);
	uint64_t old = atomic_load(&b->due_ns), from = now;

	for (unsigned i = 0; i < TRIES; i++) {
		from = old;
		if (from + RATE_TABLE_BURST_MS * MS < now)
			from = now - RATE_TABLE_BURST_MS * MS;
		if (from > now + RATE_TABLE_WAIT_MS * MS)
			from = now + RATE_TABLE_WAIT_MS * MS;
		if (atomic_compare_exchange_weak(&b->due_ns, &old, from + ns))
			break;
	}
	return from;
}

void rate_table_return(struct rate_table *t, uint64_t key, uint64_t ns, uint64_t now)
{
	struct bucket *b = bucket_find(t, key, now);
	uint64_t old = atomic_load(&b->due_ns);

	for (unsigned i = 0; i < TRIES; i++) {
		if (old < ns || atomic_compare_exchange_weak(&b->due_ns, &old, old - ns))
			break;
	}
}

uint64_t rate_table_ahead(struct rate_table *t, uint64_t key, uint64_t now)
{
	uint64_t due = atomic_load(&bucket_find(t, key, now)->due_ns);

	return due > now ? due - now : 0;
}

/* --- numbers --- */

void rate_table_numbers_begin(struct rate_table *t, unsigned generation)
{
	struct numbers *n = t->numbers;

	atomic_fetch_add(&n->serial, 1);
	atomic_store(&n->generation, generation);
	for (unsigned i = 0; i < RATE_TABLE_NUMBERS; i++)
		atomic_store_explicit(&n->number[i].key, 0, memory_order_relaxed);
}

bool rate_table_number_set(struct rate_table *t, uint64_t key, uint64_t bps)
{
	for (unsigned i = 0; i < RATE_TABLE_NUMBERS; i++) {
		struct number *n = &t->numbers->number[(key + i) % RATE_TABLE_NUMBERS];
		uint64_t old = atomic_load(&n->key);

		if (old != 0 && old != key)
			continue;
		atomic_store(&n->bps, bps);
		atomic_store(&n->key, key);
		return true;
	}
	return false;
}

void rate_table_numbers_end(struct rate_table *t)
{
	atomic_fetch_add(&t->numbers->serial, 1);
}

uint32_t rate_table_serial(const struct rate_table *t)
{
	return atomic_load_explicit(&t->published->serial, memory_order_acquire) & ~1u;
}

uint64_t rate_table_number(const struct rate_table *t, unsigned generation, uint64_t key, uint64_t bps)
{
	const struct numbers *n = t->published;
	uint32_t serial = atomic_load(&n->serial);
	uint64_t found = bps;

	if (serial == 0 || (serial & 1) != 0 || generation > atomic_load(&n->generation))
		return bps;
	for (unsigned i = 0; i < RATE_TABLE_NUMBERS; i++) {
		const struct number *e = &n->number[(key + i) % RATE_TABLE_NUMBERS];
		uint64_t k = atomic_load(&e->key);

		if (k == key)
			found = atomic_load(&e->bps);
		if (k == key || k == 0)
			break;
	}
	return atomic_load(&n->serial) == serial ? found : bps;
}
