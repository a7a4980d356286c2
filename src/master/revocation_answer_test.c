/* What is believed of a process that asks about a client's certificate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "master/revocation_answer.h"

#define NOW 1700000000

static struct tls_revocation a;

static uint32_t check(uint32_t status, int64_t until, int64_t refresh)
{
	a = (struct tls_revocation){.status = status, .until = until, .refresh = refresh};
	revocation_answer_check(&a, sizeof(a), NOW);
	return a.status;
}

static void an_honest_answer_stays_as_it_is(void **state)
{
	for (uint32_t s = TLS_REVOCATION_GOOD; s < TLS_REVOCATION_STATUS_COUNT; s++) {
		assert_int_equal(check(s, NOW + 1000, NOW + 500), s);
		assert_int_equal(a.until, NOW + 1000);
		assert_int_equal(a.refresh, NOW + 500);
	}
}

static void times_come_within_bounds(void **state)
{
	static const int64_t wild[] = {INT64_MIN, -1, 0, NOW, INT64_MAX};

	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		assert_int_equal(check(TLS_REVOCATION_GOOD, INT64_MAX, wild[i]), TLS_REVOCATION_GOOD);
		assert_true(a.until <= NOW + (int64_t)31 * 86400);
		assert_true(a.refresh >= NOW + 10 && a.refresh <= NOW + 3600);
	}
}

static void what_is_out_of_date_cut_off_or_unheard_of_is_no_answer(void **state)
{
	assert_int_equal(check(TLS_REVOCATION_GOOD, NOW, NOW), TLS_REVOCATION_NONE);
	assert_int_equal(check(TLS_REVOCATION_GOOD, INT64_MIN, NOW), TLS_REVOCATION_NONE);
	assert_int_equal(check(TLS_REVOCATION_STATUS_COUNT, NOW + 9, NOW), TLS_REVOCATION_NONE);
	assert_int_equal(check(UINT32_MAX, NOW + 9, NOW), TLS_REVOCATION_NONE);
	a = (struct tls_revocation){.status = TLS_REVOCATION_GOOD, .listed = 1, .until = NOW + 9};
	revocation_answer_check(&a, sizeof(a) - 1, NOW);
	assert_int_equal(a.status, TLS_REVOCATION_NONE);
	assert_int_equal(a.listed, 0);
	assert_string_not_equal(a.text, "");
}

static void the_reason_ends(void **state)
{
	memset(&a, 'x', sizeof(a));
	revocation_answer_check(&a, sizeof(a), NOW);
	assert_int_equal(strlen(a.text), sizeof(a.text) - 1);
}

static void who_is_let_in(void **state)
{
	static const struct {
		enum tls_order order;
		unsigned options;
		uint32_t status, listed;
		bool in;
	} cases[] = {
		{TLS_ORDER_OCSP, 0, TLS_REVOCATION_GOOD, 0, true},
		{TLS_ORDER_OCSP, 0, TLS_REVOCATION_NONE, 1, false},
		{TLS_ORDER_CRL_OCSP, 0, TLS_REVOCATION_NONE, 1, false},
		{TLS_ORDER_OCSP_CRL, 0, TLS_REVOCATION_NONE, 1, true},
		{TLS_ORDER_OCSP_CRL, 0, TLS_REVOCATION_NONE, 0, false},
		{TLS_ORDER_OCSP_CRL, 0, TLS_REVOCATION_REVOKED, 1, false},
		{TLS_ORDER_OCSP_CRL, 0, TLS_REVOCATION_UNKNOWN, 1, false},
		{TLS_ORDER_OCSP, TLS_OPT_OCSP_SOFT_FAIL, TLS_REVOCATION_NONE, 0, true},
		{TLS_ORDER_OCSP, TLS_OPT_OCSP_SOFT_FAIL, TLS_REVOCATION_REVOKED, 0, false},
		{TLS_ORDER_OCSP, TLS_OPT_OCSP_SOFT_FAIL, TLS_REVOCATION_UNKNOWN, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tls_config conf = {.order = cases[i].order, .options = cases[i].options};
		struct tls_revocation r = {.status = cases[i].status, .listed = cases[i].listed};

		if (tls_revocation_accepted(&conf, &r) != cases[i].in)
			fail_msg("case %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_answer_stays_as_it_is),
		cmocka_unit_test(times_come_within_bounds),
		cmocka_unit_test(what_is_out_of_date_cut_off_or_unheard_of_is_no_answer),
		cmocka_unit_test(the_reason_ends),
		cmocka_unit_test(who_is_let_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
