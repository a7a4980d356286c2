/* TransferRate: how many bytes a transfer may move now. A token bucket that fills with the configured rate;
 * pauses of the client are made up for up to RATE_BURST_MS, so that a transfer that stood still does not
 * flood afterwards. spec/transfer.md 9.
 */
#ifndef SESSION_RATE_H
#define SESSION_RATE_H

#include <stddef.h>
#include <stdint.h>

#define RATE_BURST_MS 1000

struct rate {
	uint64_t bps;        /* bytes per second, 0 = unlimited */
	uint64_t free_bytes; /* at the start, not paced */
	uint64_t zero_us;    /* when the bucket was empty, had nothing been taken */
	uint64_t taken;      /* bytes moved, free ones not counted */
};

void rate_init(struct rate *r, uint64_t bps, uint64_t free_bytes, uint64_t now_us);
/* How many of want bytes may move now; 0: not yet, wait rate_wait_ms(). One answer is at most what the
 * rate gives in about an eighth of a second, at least 1 KiB. */
size_t rate_allow(struct rate *r, uint64_t now_us, size_t want);
void rate_take(struct rate *r, size_t bytes); /* these were moved */
/* Milliseconds until rate_allow() gives a worthwhile number; 0 = now. */
uint64_t rate_wait_ms(struct rate *r, uint64_t now_us);

#endif
