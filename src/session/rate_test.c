/* Rates under a simulated clock: exact averages, bounded bursts, turns in shared buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "session/rate.h"

#define SEC   UINT64_C(1000000) /* microseconds */
#define T0    (UINT64_C(9000) * SEC)
#define KIB   UINT64_C(1024)
#define MIB   (KIB * 1024)
#define LARGE ((size_t)1 << 30)

static uint64_t seed = 1;

/* 0..n-1, the same in every run. */
static uint64_t chance(uint64_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % n;
}

static uint64_t worth(uint64_t bps, uint64_t us)
{
	return (uint64_t)((double)bps * (double)us / 1e6);
}

static void an_average_is_exact(void **state)
{
	static const uint64_t rates[] = {1, 100, 500, 10 * KIB, 1000000, MIB, 300000000, UINT64_C(5) << 30};

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		uint64_t now = T0, sent = 0, bps = rates[i];
		struct rate r;

		rate_init(&r, bps, 0, now);
		while (now < T0 + 20 * SEC) {
			size_t n = rate_allow(&r, now, LARGE);

			if (n == 0) {
				assert_true(rate_wait_ms(&r, now, LARGE) <= (bps == 1 ? 1001 : 260));
				now += rate_wait_ms(&r, now, LARGE) * 1000;
				continue;
			}
			sent += n;
			rate_take(&r, n);
			assert_true(sent <= worth(bps, now - T0)); /* never before it is earned */
		}
		assert_true(sent + 1 >= worth(bps, 20 * SEC) * 98 / 100);
	}
}

/* Whatever the client, the timers and the disk do: never more than rate * time + burst in any stretch, and
 * who asks again when told to gets bytes. */
static void no_pattern_of_pauses_exceeds_the_rate_or_starves(void **state)
{
	for (unsigned round = 0; round < 300; round++) {
		uint64_t bps = 1 + chance(1) + (UINT64_C(1) << chance(31)), now = T0, sent = 0;
		uint64_t mark_at = T0, mark_sent = 0, piece, burst;
		struct rate r;
		unsigned waits = 0;

		rate_init(&r, bps, 0, now);
		piece = bps / 20 > 1024 ? bps / 20 : 1024;
		burst = worth(bps, RATE_BURST_MS * 1000) + 2 * piece;
		for (unsigned step = 0; step < 400; step++) {
			size_t want = chance(4) == 0 ? 1 + chance(5000) : LARGE;
			size_t n = rate_allow(&r, now, want);

			assert_true(n <= want);
			if (n == 0) {
				assert_true(++waits < 3);
				now += rate_wait_ms(&r, now, want) * 1000 +
				       chance(20000); /* timers are late */
				n = rate_allow(&r, now, want);
				assert_true(n > 0);
			}
			waits = 0;
			n = chance(3) == 0 ? 1 + chance(n) : n; /* sockets take less */
			rate_take(&r, n);
			sent += n;
			assert_true(sent - mark_sent <= worth(bps, now - mark_at) + burst);
			if (chance(10) == 0)
				now += chance(5 * SEC); /* the client looks away */
			if (chance(20) == 0) {
				mark_at = now;
				mark_sent = sent;
			}
		}
	}
}

static void free_bytes_are_not_paced(void **state)
{
	struct rate r;

	rate_init(&r, 1000, 5000, T0);
	assert_int_equal(rate_allow(&r, T0, 3000), 3000);
	assert_int_equal(rate_allow(&r, T0, 100000), 5000);
	rate_take(&r, 4000);
	assert_int_equal(rate_allow(&r, T0, 100000), 1000);
	rate_take(&r, 1000);
	assert_int_equal(rate_allow(&r, T0, 100000), 0);
	assert_in_range(rate_wait_ms(&r, T0, 100000), 1, 260);
	assert_int_equal(rate_allow(&r, T0 + SEC / 4, 100000), 250);
}

static void the_end_of_a_file_comes_when_it_is_earned(void **state)
{
	struct rate r;

	rate_init(&r, 100000, 0, T0);
	assert_int_equal(rate_allow(&r, T0, 10), 0);
	assert_int_equal(rate_wait_ms(&r, T0, 10), 1);
	assert_int_equal(rate_allow(&r, T0 + 1000, 10), 10);
}

static void a_small_upload_does_not_wait_for_a_whole_piece(void **state)
{
	struct rate r;
	uint64_t now = T0;

	rate_init(&r, MIB, 0, now);
	assert_int_equal(rate_wait_ms(&r, now, LARGE), 1);
	now += 1000;
	assert_in_range(rate_allow(&r, now, LARGE), 1024, 2048);
	rate_take(&r, 1024);
	assert_true(rate_wait_ms(&r, now, LARGE) <= 2);
}

static void pieces_do_not_grow_with_the_rate_for_ever(void **state)
{
	struct rate r;

	rate_init(&r, UINT64_C(1) << 40, 0, T0);
	rate_take(&r, UINT64_C(1) << 32);
	assert_int_equal(rate_allow(&r, T0 + 10 * SEC, LARGE * 8), 2 * RATE_PIECE_MAX);
}

static void a_pause_is_made_up_for_up_to_the_burst(void **state)
{
	struct rate r;
	uint64_t got = 0, now = T0 + 60 * SEC;
	size_t n;

	rate_init(&r, 100000, 0, T0);
	while ((n = rate_allow(&r, now, LARGE)) > 0) {
		rate_take(&r, n);
		got += n;
	}
	assert_in_range(got, 90000, 100000 * RATE_BURST_MS / 1000);
}

static void zero_is_unlimited(void **state)
{
	struct rate r;

	rate_init(&r, 0, 0, T0);
	assert_int_equal(rate_allow(&r, T0, 12345678), 12345678);
	rate_take(&r, 12345678);
	assert_int_equal(rate_allow(&r, T0, 12345678), 12345678);
	assert_int_equal(rate_limit(&r), 0);
	assert_int_equal(rate_grid_ms(&r), 0);
}

static void the_lowest_rate_is_the_limit(void **state)
{
	struct rate r;

	rate_init(&r, 0, 0, T0);
	rate_add_share(&r, NULL, 1, 500);
	rate_add_share(&r, NULL, 2, 400);
	rate_add_share(&r, NULL, 1, 300); /* the same line twice */
	assert_int_equal(r.n_shares, 2);
	assert_int_equal(rate_limit(&r), 300);
}

/* --- shared --- */

struct party {
	struct rate rate;
	uint64_t at_us; /* when it asks again */
	uint64_t sent;
	uint64_t longest_us, last_us; /* without a byte */
};

static struct rate_table *table_new(void)
{
	struct err err = ERR_INIT;
	struct rate_table *t = NULL;

	assert_int_equal(rate_table_new(&t, &err), 0);
	return t;
}

static void party_init(struct party *p, struct rate_table *t, uint64_t key, uint64_t bps, uint64_t now)
{
	rate_init(&p->rate, 0, 0, now);
	rate_add_share(&p->rate, t, key, bps);
	p->at_us = p->last_us = now;
	p->sent = p->longest_us = 0;
}

/* Let all run, with timers that are up to late_us late. Returns the bytes of all. */
static uint64_t run(struct party *p, unsigned n, uint64_t from, uint64_t until, uint64_t late_us)
{
	uint64_t sum = 0;

	for (;;) {
		struct party *next = &p[0];
		size_t got;

		for (unsigned i = 1; i < n; i++)
			next = p[i].at_us < next->at_us ? &p[i] : next;
		if (next->at_us >= until)
			return sum;
		got = rate_allow(&next->rate, next->at_us, LARGE);
		if (got == 0) {
			next->at_us += rate_wait_ms(&next->rate, next->at_us, LARGE) * 1000 + chance(late_us);
			continue;
		}
		rate_take(&next->rate, got);
		next->sent += got;
		sum += got;
		if (next->at_us - next->last_us > next->longest_us)
			next->longest_us = next->at_us - next->last_us;
		next->last_us = next->at_us;
	}
}

static void a_crowd_keeps_the_rate_and_everybody_has_a_turn(void **state)
{
	static const unsigned sizes[] = {1, 2, 7, 30, 100, 400};

	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		unsigned n = sizes[k];
		struct rate_table *t = table_new();
		struct party *p = xcalloc(n, sizeof *p);
		uint64_t sum, low = UINT64_MAX, high = 0;

		for (unsigned i = 0; i < n; i++)
			party_init(&p[i], t, 7, MIB, T0);
		sum = run(p, n, T0, T0 + 5 * SEC, 10000); /* the first pieces are larger for who came first */
		for (unsigned i = 0; i < n; i++)
			p[i].sent = 0;
		sum += run(p, n, T0 + 5 * SEC, T0 + 20 * SEC, 10000);
		assert_true(sum <= 20 * MIB + MIB / 5);
		assert_true(sum >= 20 * MIB * 98 / 100);
		for (unsigned i = 0; i < n; i++) {
			low = p[i].sent < low ? p[i].sent : low;
			high = p[i].sent > high ? p[i].sent : high;
			assert_true(p[i].longest_us < 4 * SEC);
		}
		assert_true(low * 100 >= high * 85);
		free(p);
		rate_table_free(t);
	}
}

static void an_idle_one_reserves_one_piece_at_most(void **state)
{
	struct rate_table *t = table_new();
	struct party p[3];
	uint64_t sum;

	for (unsigned i = 0; i < 3; i++)
		party_init(&p[i], t, 7, MIB, T0);
	(void)rate_allow(&p[2].rate, T0, LARGE); /* takes its piece, and its client never reads again */
	sum = run(p, 2, T0, T0 + 10 * SEC, 1);
	assert_true(sum >= 10 * MIB * 98 / 100 && sum <= 10 * MIB * 102 / 100);
	assert_in_range(p[2].rate.granted, 1, MIB / 10);
	rate_table_free(t);
}

static void who_leaves_gives_back_what_it_took_ahead(void **state)
{
	struct rate_table *t = table_new();
	struct party p;

	party_init(&p, t, 7, MIB, T0);
	assert_true(rate_allow(&p.rate, T0, LARGE) > 0);
	assert_true(rate_table_ahead(t, 7, T0 * 1000) > 0);
	rate_done(&p.rate, T0);
	assert_true(rate_table_ahead(t, 7, T0 * 1000) == 0);
	rate_done(&p.rate, T0); /* once is enough */
	assert_true(rate_table_ahead(t, 7, T0 * 1000) == 0);
	rate_table_free(t);
}

static void the_tightest_of_all_that_apply_counts(void **state)
{
	struct rate_table *t = table_new();
	struct party p[2];

	for (unsigned i = 0; i < 2; i++) {
		party_init(&p[i], t, 7, 10 * MIB, T0);       /* the server's */
		rate_add_share(&p[i].rate, t, 100 + i, MIB); /* its user's */
		p[i].rate.bps = i == 0 ? MIB / 4 : 0;        /* its own */
	}
	(void)run(p, 2, T0, T0 + 20 * SEC, 5000);
	assert_in_range(p[0].sent, 5 * MIB * 98 / 100, 5 * MIB * 101 / 100);
	assert_in_range(p[1].sent, 20 * MIB * 98 / 100, 20 * MIB * 101 / 100);
	rate_table_free(t);
}

static void free_bytes_are_free_of_the_own_rate_only(void **state)
{
	struct rate_table *t = table_new();
	struct party p;

	party_init(&p, t, 7, MIB, T0);
	p.rate.bps = 1000;
	p.rate.free_bytes = 4 * MIB;
	assert_in_range(run(&p, 1, T0, T0 + 2 * SEC, 1), 2 * MIB * 98 / 100, 2 * MIB * 103 / 100);
	rate_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_average_is_exact),
		cmocka_unit_test(no_pattern_of_pauses_exceeds_the_rate_or_starves),
		cmocka_unit_test(free_bytes_are_not_paced),
		cmocka_unit_test(the_end_of_a_file_comes_when_it_is_earned),
		cmocka_unit_test(a_small_upload_does_not_wait_for_a_whole_piece),
		cmocka_unit_test(pieces_do_not_grow_with_the_rate_for_ever),
		cmocka_unit_test(a_pause_is_made_up_for_up_to_the_burst),
		cmocka_unit_test(zero_is_unlimited),
		cmocka_unit_test(the_lowest_rate_is_the_limit),
		cmocka_unit_test(a_crowd_keeps_the_rate_and_everybody_has_a_turn),
		cmocka_unit_test(an_idle_one_reserves_one_piece_at_most),
		cmocka_unit_test(who_leaves_gives_back_what_it_took_ahead),
		cmocka_unit_test(the_tightest_of_all_that_apply_counts),
		cmocka_unit_test(free_bytes_are_free_of_the_own_rate_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
