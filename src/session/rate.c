#include "session/rate.h"

#include <string.h>

#define SLICE_MIN ((uint64_t)1024)
#define SLICE_MAX ((uint64_t)4 * 1024 * 1024)

void rate_init(struct rate *r, uint64_t bps, uint64_t free_bytes, uint64_t now_us)
{
	memset(r, 0, sizeof *r);
	r->bps = bps;
	r->free_bytes = free_bytes;
	r->zero_us = now_us;
}

static uint64_t rate_slice(const struct rate *r)
{
	uint64_t n = r->bps / 8;

	return n < SLICE_MIN ? SLICE_MIN : n > SLICE_MAX ? SLICE_MAX : n;
}

/* Bytes that the time so far has earned. Floating point: exact enough below 2^53 bytes. */
static uint64_t rate_earned(const struct rate *r, uint64_t now_us)
{
	return now_us > r->zero_us ? (uint64_t)((double)(now_us - r->zero_us) * (double)r->bps / 1e6) : 0;
}

size_t rate_allow(struct rate *r, uint64_t now_us, size_t want)
{
	uint64_t slice = rate_slice(r), burst, earned, may;

	if (!r->bps)
		return want;
	if (r->free_bytes)
		return want < r->free_bytes ? want : (size_t)r->free_bytes;
	earned = rate_earned(r, now_us);
	burst = r->bps * RATE_BURST_MS / 1000;
	burst = burst < 2 * slice ? 2 * slice : burst;
	if (earned > r->taken + burst) { /* the client stood still: forget what is older than the burst */
		r->zero_us = now_us - burst * 1000000 / r->bps;
		r->taken = 0;
		earned = burst;
	}
	if (earned <= r->taken)
		return 0;
	may = earned - r->taken;
	/* Crumbs would cost a system call each: wait for a whole slice unless less is wanted. */
	if (may < slice && may < want)
		return 0;
	may = may > slice ? slice : may;
	return want < may ? want : (size_t)may;
}

void rate_take(struct rate *r, size_t bytes)
{
	if (bytes <= r->free_bytes) {
		r->free_bytes -= bytes;
		return;
	}
	r->taken += bytes - r->free_bytes;
	r->free_bytes = 0;
}

uint64_t rate_wait_ms(struct rate *r, uint64_t now_us)
{
	uint64_t earned, need;

	if (!r->bps || r->free_bytes)
		return 0;
	earned = rate_earned(r, now_us);
	need = r->taken + rate_slice(r);
	if (earned >= need)
		return 0;
	return (uint64_t)((double)(need - earned) * 1000.0 / (double)r->bps) + 1;
}
