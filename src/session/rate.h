/* How many bytes a transfer may move now: TransferRate, a bucket of its own, and TransferRateTotal, buckets that
 * it shares with others (ipc/rate_table.h).
 *
 * Bytes move in pieces worth about RATE_PIECE_MS, never before they are earned, so that no buffer of the kernel
 * has a burst to hide. A pause of the client is made up for, but not more than RATE_BURST_MS of it.
 *
 * Of shared buckets a transfer takes one piece ahead and waits for its turn; that is also all that a client who
 * does not read, or a process that dies, can keep from the others. The more wait, the smaller the pieces.
 *
 * Pure functions over struct rate and the table; nothing blocks.
 */
#ifndef SESSION_RATE_H
#define SESSION_RATE_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/rate_table.h"

#define RATE_BURST_MS   1000
#define RATE_PIECE_MS   50  /* divides 100 ms, so that every tenth of a second gets the same */
#define RATE_CRUMB_MS   250 /* of rates so low that RATE_PIECE_MS would be worth less than 1 KiB */
#define RATE_PIECE_MAX  ((uint64_t)1024 * 1024)
#define RATE_SHARES_MAX 8

struct rate_share {
	uint64_t key; /* of the bucket */
	uint64_t bps; /* 0 = unlimited */
};

struct rate {
	uint64_t bps;        /* bytes per second, 0 = unlimited */
	uint64_t free_bytes; /* at the start, not paced by bps */
	uint64_t due_ns;     /* when everything moved so far has been earned */
	uint64_t moved;      /* bytes so far */
	unsigned piece_ms;   /* RATE_PIECE_MS, unless changed after rate_init() */

	struct rate_table *table; /* borrowed; NULL = no shares */
	struct rate_share share[RATE_SHARES_MAX];
	unsigned n_shares;
	uint64_t granted;    /* bytes taken of all shares and not yet moved */
	uint64_t granted_ns; /* when they may move */
};

/* A transfer begins. Shares are added afterwards. */
void rate_init(struct rate *r, uint64_t bps, uint64_t free_bytes, uint64_t now_us);
/* Another rate from now on. */
void rate_set(struct rate *r, uint64_t bps, uint64_t now_us);
/* table: kept. bps: 0 = unlimited. More than RATE_SHARES_MAX are ignored; of the same key the lower rate counts. */
void rate_add_share(struct rate *r, struct rate_table *table, uint64_t key, uint64_t bps);
/* How many of want bytes (more than 0) may move now; 0: not yet, wait rate_wait_ms(). */
size_t rate_allow(struct rate *r, uint64_t now_us, size_t want);
void rate_take(struct rate *r, uint64_t bytes); /* these were moved */
/* Milliseconds until rate_allow() gives a worthwhile number of want bytes, after it gave 0. */
uint64_t rate_wait_ms(struct rate *r, uint64_t now_us, size_t want);
/* It may be so much earlier: transfers that are woken together cost less, and one that is woken at even intervals
 * moves even pieces, however late the system's timers are. */
uint64_t rate_grid_ms(const struct rate *r);
/* The transfer is over: what was taken ahead goes back. */
void rate_done(struct rate *r, uint64_t now_us);
/* The lowest of the rates, 0 = unlimited. */
uint64_t rate_limit(const struct rate *r);

#endif
