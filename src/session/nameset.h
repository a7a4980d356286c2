/* Names of one directory (or matches of a pattern) that a listing has to put in order: a bounded array.
 *
 * Costs 16 bytes and the name with its NUL for each: 100,000 names of 20 bytes are 3.6 MiB. Several sets may
 * share one budget, so that a recursive listing stays bounded as a whole.
 */
#ifndef SESSION_NAMESET_H
#define SESSION_NAMESET_H

#include <stddef.h>
#include <stdint.h>

#define NAMESET_NAMES_MAX 200000             /* of one budget */
#define NAMESET_BYTES_MAX (64 * 1024 * 1024) /* of one budget */

struct nameset_budget {
	size_t names, bytes; /* in use by all sets */
};

struct nameset_item {
	int64_t key;  /* sorted by this, largest first, then by name */
	uint32_t off; /* of the name in text */
};

struct nameset {
	struct nameset_budget *budget; /* kept */
	struct nameset_item *items;
	size_t count, items_cap;
	char *text;
	size_t text_len, text_cap;
};

void nameset_init(struct nameset *set, struct nameset_budget *budget);
void nameset_done(struct nameset *set); /* gives back to the budget; may be called twice */
/* 0, or with set unchanged -ENOBUFS when the budget is used up, -ENOMEM. */
int nameset_add(struct nameset *set, const char *name, int64_t key);
/* By key, then by name bytewise. */
void nameset_sort(struct nameset *set);
/* By key alone, largest first, in linear time. Without memory for it the order stays as it is. */
void nameset_sort_keys(struct nameset *set);
/* i < count; valid until the next nameset_add(). */
const char *nameset_name(const struct nameset *set, size_t i);
/* For who takes the names one after the other, before the i-th: sorted ones lie anywhere in memory, and to wait for each is
 * a tenth of a long listing. */
void nameset_prefetch(const struct nameset *set, size_t i);

#endif
