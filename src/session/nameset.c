#include "session/nameset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD 64 /* names fetched into the cache at a time, which takes little longer than one does */
/* Of a key as an unsigned number in the same order. */
#define KEY_BYTE(key, shift) (((uint64_t)(key) ^ (uint64_t)1 << 63) >> (shift)&255)

void nameset_init(struct nameset *set, struct nameset_budget *budget)
{
	*set = (struct nameset){.budget = budget};
}

void nameset_done(struct nameset *set)
{
	if (set->budget) {
		set->budget->names -= set->count;
		set->budget->bytes -= set->text_len;
	}
	free(set->items);
	free(set->text);
	*set = (struct nameset){.budget = set->budget};
}

/* Make room for more elements of one byte or item size, doubling. */
static int grow(void **p, size_t *cap, size_t need, size_t size)
{
	size_t cap_new = *cap ? *cap : 64;
	void *p_new;

	if (need <= *cap)
		return 0;
	while (cap_new < need)
		cap_new *= 2;
	p_new = realloc(*p, cap_new * size);
	if (!p_new)
		return -ENOMEM;
	*p = p_new;
	*cap = cap_new;
	return 0;
}

int nameset_add(struct nameset *set, const char *name, int64_t key)
{
	size_t n = strlen(name) + 1;

	if (set->budget->names >= NAMESET_NAMES_MAX || set->budget->bytes + n > NAMESET_BYTES_MAX)
		return -ENOBUFS;
	if (grow((void **)&set->items, &set->items_cap, set->count + 1, sizeof *set->items) < 0 ||
		grow((void **)&set->text, &set->text_cap, set->text_len + n, 1) < 0)
		return -ENOMEM;
	memcpy(set->text + set->text_len, name, n);
	set->items[set->count++] = (struct nameset_item){key, (uint32_t)set->text_len};
	set->text_len += n;
	set->budget->names++;
	set->budget->bytes += n;
	return 0;
}

static int item_cmp(const void *a, const void *b, void *text)
{
	const struct nameset_item *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	return strcmp((const char *)text + x->off, (const char *)text + y->off);
}

void nameset_sort(struct nameset *set)
{
	if (set->count > 1)
		qsort_r(set->items, set->count, sizeof *set->items, item_cmp, set->text);
}

/* Least byte first, each pass stable; bytes that all keys have in common cost no pass. */
void nameset_sort_keys(struct nameset *set)
{
	struct nameset_item *from = set->items, *to = NULL;
	size_t n = set->count;

	if (n > 1)
		to = calloc(set->items_cap, sizeof *to);
	if (!to)
		return;
	for (unsigned shift = 0; shift < 64; shift += 8) {
		size_t at[256] = {0}, sum = 0;
		struct nameset_item *old = from;

		for (size_t i = 0; i < n; i++)
			at[KEY_BYTE(from[i].key, shift)]++;
		if (at[KEY_BYTE(from[0].key, shift)] == n)
			continue;
		for (unsigned byte = 256; byte-- > 0;) { /* largest first */
			size_t some = at[byte];

			at[byte] = sum;
			sum += some;
		}
		for (size_t i = 0; i < n; i++)
			to[at[KEY_BYTE(from[i].key, shift)]++] = from[i];
		from = to;
		to = old;
	}
	set->items = from;
	free(to);
}

void nameset_prefetch(const struct nameset *set, size_t i)
{
	size_t end = i + AHEAD < set->count ? i + AHEAD : set->count;

	if (i % AHEAD != 0)
		return;
	for (; i < end; i++)
		__builtin_prefetch(set->text + set->items[i].off);
}

const char *nameset_name(const struct nameset *set, size_t i)
{
	return set->text + set->items[i].off;
}
