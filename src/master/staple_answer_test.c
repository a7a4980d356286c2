/* What is believed of a process that asks an OCSP responder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "master/staple_answer.h"

#define NOW 1700000000

static struct staple_answer a;

static const char *check(int64_t until, int64_t refresh, size_t n)
{
	a = (struct staple_answer){.staple = {.until = until, .refresh = refresh, .n = n}};
	return staple_answer_check(&a, sizeof(a), NOW);
}

static void an_honest_answer_stays_as_it_is(void **state)
{
	assert_null(check(NOW + 1000, NOW + 500, 3));
	assert_int_equal(a.staple.until, NOW + 1000);
	assert_int_equal(a.staple.refresh, NOW + 500);
}

static void times_come_within_bounds(void **state)
{
	static const int64_t wild[] = {INT64_MIN, -1, 0, NOW, INT64_MAX};

	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		assert_null(check(INT64_MAX, wild[i], 3));
		assert_true(a.staple.until <= NOW + (int64_t)366 * 86400);
		assert_true(a.staple.refresh >= NOW + 10 && a.staple.refresh <= NOW + 86400);
	}
}

static void what_cannot_be_used_is_refused(void **state)
{
	assert_non_null(check(NOW, NOW, 3));
	assert_non_null(check(INT64_MIN, NOW, 3));
	assert_non_null(check(NOW + 100, NOW + 50, 0));
	assert_non_null(check(NOW + 100, NOW + 50, TLS_STAPLE_MAX + 1));
	assert_non_null(check(NOW + 100, NOW + 50, SIZE_MAX));
	assert_null(check(NOW + 100, NOW + 50, TLS_STAPLE_MAX));
	assert_non_null(staple_answer_check(&a, sizeof(a) - 1, NOW));
}

static void the_reason_ends(void **state)
{
	a = (struct staple_answer){.failed = 7};
	memset(a.text, 'x', sizeof(a.text));
	assert_int_equal(strlen(staple_answer_check(&a, sizeof(a), NOW)), sizeof(a.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_answer_stays_as_it_is),
		cmocka_unit_test(times_come_within_bounds),
		cmocka_unit_test(what_cannot_be_used_is_refused),
		cmocka_unit_test(the_reason_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
