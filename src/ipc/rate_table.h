/* Rates that all processes share: a table in memory that master makes once, before the first fork.
 *
 * Buckets (TransferRateTotal): a word each, the moment until which everything that was taken has been earned (a
 * virtual clock, GCRA). Who wants to move bytes moves that word ahead by the time they are worth, in one atomic
 * step, and may move them at the moment where the word stood before. So the takers stand in a line: first come,
 * first served, none starves, and one that is killed leaves behind at most the time of the bytes it had taken.
 * Nobody holds a lock. A bucket whose word lies in the past says nothing that a new one would not say, so idle
 * buckets are given to other keys without asking, and the table never has to be told that a session is over.
 *
 * Numbers (`wherryctl rates`): new rates for lines of the configuration, which only master can write: the other
 * processes have them in a mapping that cannot be made writable.
 *
 * What is in the buckets is never trusted: a process that was taken over can make the others of a bucket wait, at
 * most RATE_TABLE_WAIT_MS for each piece, or let them go. SECURITY.md says so.
 *
 * Times are clock_us() times 1000. Nothing here blocks or fails for want of memory after rate_table_new().
 */
#ifndef IPC_RATE_TABLE_H
#define IPC_RATE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define RATE_TABLE_WAIT_MS 30000 /* longest wait that a bucket can ask for */
#define RATE_TABLE_BURST_MS                                                                                  \
	100 /* time that a bucket saves up while it is used; a new one has saved nothing */
#define RATE_TABLE_BUCKETS 16384 /* in use at the same time */
#define RATE_TABLE_NUMBERS 4096  /* lines that may have another rate */

struct rate_table;

/* 0 or -errno. *ret_t: rate_table_free(). */
int rate_table_new(struct rate_table **ret_t, struct err *err);
void rate_table_free(struct rate_table *t); /* unmaps here, not in other processes; NULL is fine */
/* In a child: from here on the numbers can only be read. NULL is fine. */
void rate_table_child(struct rate_table *t);

/* Nanoseconds that n bytes are worth, rounded up; n at most 2^33, bps > 0. */
static inline uint64_t rate_cost_ns(uint64_t n, uint64_t bps)
{
	return (n * 1000000000u + bps - 1) / bps;
}

/* Take ns of the bucket key (never 0). Returns when the bytes may move: now_ns or earlier means at once. */
uint64_t rate_table_take(struct rate_table *t, uint64_t key, uint64_t ns, uint64_t now_ns);
/* Give back what was taken and not used. */
void rate_table_return(struct rate_table *t, uint64_t key, uint64_t ns, uint64_t now_ns);
/* How far ahead of now the takers of a bucket are, 0 = nobody waits. */
uint64_t rate_table_ahead(struct rate_table *t, uint64_t key, uint64_t now_ns);

/* Master: begin a new set of numbers for processes of that generation and older ones; none are set yet. Until
 * rate_table_numbers_end() readers see none, and then that the serial has changed. */
void rate_table_numbers_begin(struct rate_table *t, unsigned generation);
/* False: no room. key: never 0. */
bool rate_table_number_set(struct rate_table *t, uint64_t key, uint64_t bps);
void rate_table_numbers_end(struct rate_table *t);
/* Changes with every new set; 0 = there was none. */
uint32_t rate_table_serial(const struct rate_table *t);
/* The rate in force for a line: bps unless master has set another one for processes of this generation. */
uint64_t rate_table_number(const struct rate_table *t, unsigned generation, uint64_t key, uint64_t bps);

/* Keys: begin with RATE_KEY_INIT, add what makes the thing unique. Never 0. */
#define RATE_KEY_INIT UINT64_C(0xcbf29ce484222325)
uint64_t rate_key_bytes(uint64_t key, const void *p, unsigned long n);
uint64_t rate_key_text(uint64_t key, const char *s); /* with its end, so that "ab" "c" is not "a" "bc" */

#endif
