#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/lowat.h"

static int moved(struct lowat *l, uint64_t now_ms, uint64_t bytes)
{
	lowat_take(l, bytes);
	return lowat_choose(l, now_ms);
}

/* The mark for a client that sends bps for a second, taken every step_ms. */
static int mark_at(uint64_t bps, uint64_t step_ms)
{
	struct lowat l;
	uint64_t now = 1000;

	lowat_init(&l, now);
	for (uint64_t t = 0; t < 1000; t += step_ms) {
		now += step_ms;
		(void)moved(&l, now, bps * step_ms / 1000);
	}
	return l.mark;
}

static void the_mark_follows_the_speed(void **state)
{
	assert_int_equal(mark_at(0, 10), LOWAT_NONE);
	assert_int_equal(mark_at(100 * 1024, 10), LOWAT_NONE);
	assert_in_range(mark_at(2000000, 10), 40000, 60000);
	assert_in_range(mark_at(2000000, 300), 40000, 60000);
	assert_in_range(mark_at(10000000, 1), 200000, 300000);
	assert_int_equal(mark_at(1000000000, 1), LOWAT_MAX);
	assert_int_equal(mark_at(UINT64_MAX / 1000, 100), LOWAT_MAX);
}

static void a_short_upload_never_has_a_mark(void **state)
{
	struct lowat l;

	lowat_init(&l, 5);
	assert_int_equal(moved(&l, 5, 1000000), LOWAT_NONE);
	assert_int_equal(moved(&l, 40, 1000000), LOWAT_NONE);
}

static void a_pause_takes_the_mark_away(void **state)
{
	struct lowat l;

	lowat_init(&l, 0);
	assert_int_equal(moved(&l, 100, 100000000), LOWAT_MAX);
	lowat_init(&l, 300);
	assert_int_equal(moved(&l, 301, 3000), LOWAT_NONE);
	assert_int_equal(moved(&l, 400, 100000000), LOWAT_MAX); /* it is fast again */
}

static void a_clock_that_stands_still_is_survived(void **state)
{
	struct lowat l;

	lowat_init(&l, 1000);
	assert_int_equal(moved(&l, 900, 5), LOWAT_NONE);
	assert_int_equal(moved(&l, 1000, 5), LOWAT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mark_follows_the_speed),
		cmocka_unit_test(a_short_upload_never_has_a_mark),
		cmocka_unit_test(a_pause_takes_the_mark_away),
		cmocka_unit_test(a_clock_that_stands_still_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
