#include "session/lowat.h"

#define WINDOW_MS ((uint64_t)50) /* a speed measured over less means nothing */

void lowat_init(struct lowat *l, uint64_t now_ms)
{
	l->mark = LOWAT_NONE;
	l->since_ms = now_ms;
	l->taken = 0;
}

void lowat_take(struct lowat *l, uint64_t bytes)
{
	l->taken += bytes;
}

int lowat_choose(struct lowat *l, uint64_t now_ms)
{
	uint64_t ms = now_ms > l->since_ms ? now_ms - l->since_ms : 0, want;

	if (ms < WINDOW_MS)
		return l->mark;
	want = l->taken > UINT64_MAX / LOWAT_SPAN_MS ? LOWAT_MAX : l->taken * LOWAT_SPAN_MS / ms;
	l->since_ms = now_ms;
	l->taken = 0;
	want = want < LOWAT_MIN ? LOWAT_NONE : want > LOWAT_MAX ? LOWAT_MAX : want;
	/* Small changes are not worth a system call. */
	if (want == LOWAT_NONE || want == LOWAT_MAX || want > 2 * (uint64_t)l->mark ||
		2 * want < (uint64_t)l->mark)
		l->mark = (int)want;
	return l->mark;
}
