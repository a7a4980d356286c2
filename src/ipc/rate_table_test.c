/* The table of shared rates: lines of takers, reuse of idle buckets, and what a broken or killed process can
 * do. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ipc/rate_table.h"

#define MS  UINT64_C(1000000)
#define SEC (1000 * MS)
#define T0  (UINT64_C(5000) * SEC)

static struct rate_table *table(void)
{
	struct err err = ERR_INIT;
	struct rate_table *t = NULL;

	assert_int_equal(rate_table_new(&t, &err), 0);
	return t;
}

static void takers_stand_in_a_line(void **state)
{
	struct rate_table *t = table();

	for (unsigned i = 0; i < 100; i++) {
		assert_true(rate_table_ahead(t, 7, T0) == i * 10 * MS);
		assert_true(rate_table_take(t, 7, 10 * MS, T0) == T0 + i * 10 * MS);
	}
	assert_true(rate_table_take(t, 8, 10 * MS, T0) == T0); /* another bucket has its own */
	rate_table_free(t);
}

static void a_new_bucket_has_saved_nothing_a_used_one_a_little(void **state)
{
	struct rate_table *t = table();
	uint64_t now = T0 + 5 * SEC, from;

	assert_true(rate_table_take(t, 7, MS, T0) == T0);
	from = rate_table_take(t, 7, MS, now);
	assert_true(from == now - RATE_TABLE_BURST_MS * MS);
	assert_true(rate_table_take(t, 7, MS, now) == from + MS);
	rate_table_free(t);
}

static void what_was_not_used_goes_back(void **state)
{
	struct rate_table *t = table();

	(void)rate_table_take(t, 7, 50 * MS, T0);
	(void)rate_table_take(t, 7, 50 * MS, T0);
	rate_table_return(t, 7, 30 * MS, T0);
	assert_true(rate_table_ahead(t, 7, T0) == 70 * MS);
	rate_table_free(t);
}

static void an_idle_bucket_serves_another_key(void **state)
{
	struct rate_table *t = table();
	uint64_t now = T0;

	for (unsigned round = 0; round < 4; round++) { /* four times as many keys as there are buckets */
		for (uint64_t i = 0; i < RATE_TABLE_BUCKETS; i++) {
			uint64_t key = rate_key_bytes(RATE_KEY_INIT + round, &i, sizeof(i));

			assert_true(
				rate_table_take(t, key, MS, now) <= now + 4 * MS); /* a full table shares */
		}
		now += 60 * SEC;
	}
	rate_table_free(t);
}

static void many_keys_at_once_have_buckets_of_their_own(void **state)
{
	struct rate_table *t = table();

	for (uint64_t i = 0; i < RATE_TABLE_BUCKETS / 2; i++)
		assert_true(rate_table_take(t, rate_key_bytes(RATE_KEY_INIT, &i, sizeof(i)), SEC, T0) == T0);
	for (uint64_t i = 0; i < RATE_TABLE_BUCKETS / 2; i++)
		assert_true(rate_table_ahead(t, rate_key_bytes(RATE_KEY_INIT, &i, sizeof(i)), T0) == SEC);
	rate_table_free(t);
}

static void a_broken_taker_delays_others_for_a_bounded_time(void **state)
{
	struct rate_table *t = table();

	(void)rate_table_take(t, 7, 1000000 * SEC, T0);
	for (unsigned i = 0; i < 10; i++)
		assert_true(rate_table_take(t, 7, MS, T0) <= T0 + RATE_TABLE_WAIT_MS * MS);
	rate_table_free(t);
}

#define THREADS 4
#define TAKES   20000

static void *take_many(void *arg)
{
	for (unsigned i = 0; i < TAKES; i++)
		(void)rate_table_take(arg, 7, 3, T0);
	return NULL;
}

static void takers_at_the_same_time_lose_nothing(void **state)
{
	struct rate_table *t = table();
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, t), 0);
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	assert_true(rate_table_ahead(t, 7, T0) == (uint64_t)THREADS * TAKES * 3);
	rate_table_free(t);
}

static void a_killed_taker_leaves_the_bucket_usable(void **state)
{
	struct rate_table *t = table();
	int fds[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		rate_table_child(t);
		for (unsigned i = 0;; i++) {
			(void)rate_table_take(t, 7, MS, T0 + i * MS);
			if (i == 1000 && write(fds[1], "", 1) != 1)
				_exit(1);
		}
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(rate_table_ahead(t, 7, T0) >= 1000 * MS); /* its takes counted here */
	assert_true(rate_table_take(t, 7, MS, T0) <= T0 + RATE_TABLE_WAIT_MS * MS);
	(void)close(fds[0]);
	(void)close(fds[1]);
	rate_table_free(t);
}

static void numbers_count_for_their_generation_and_older_ones(void **state)
{
	struct rate_table *t = table();

	assert_int_equal(rate_table_serial(t), 0);
	assert_true(rate_table_number(t, 1, 7, 100) == 100);
	rate_table_numbers_begin(t, 2);
	assert_true(rate_table_number_set(t, 7, 50));
	assert_true(rate_table_number(t, 1, 7, 100) == 100); /* half a set does not count */
	rate_table_numbers_end(t);
	assert_int_equal(rate_table_serial(t), 2);
	assert_true(rate_table_number(t, 1, 7, 100) == 50);
	assert_true(rate_table_number(t, 2, 7, 100) == 50);
	assert_true(rate_table_number(t, 3, 7, 100) == 100);
	assert_true(rate_table_number(t, 2, 8, 100) == 100);
	rate_table_numbers_begin(t, 2);
	rate_table_numbers_end(t);
	assert_true(rate_table_number(t, 2, 7, 100) == 100);
	rate_table_free(t);
}

static void numbers_have_an_end(void **state)
{
	struct rate_table *t = table();

	rate_table_numbers_begin(t, 1);
	for (uint64_t i = 1; i <= RATE_TABLE_NUMBERS; i++)
		assert_true(rate_table_number_set(t, i * 977, i));
	assert_false(rate_table_number_set(t, 3, 1));
	rate_table_numbers_end(t);
	for (uint64_t i = 1; i <= RATE_TABLE_NUMBERS; i++)
		assert_true(rate_table_number(t, 1, i * 977, 0) == i);
	assert_true(rate_table_number(t, 1, 3, 5) == 5);
	rate_table_free(t);
}

/* Start of the only shared mapping of the numbers that a child has left. */
static void *published(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[600];
	unsigned long from = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, "wherry-rates") != NULL)
			(void)sscanf(line, "%lx-", &from);
	}
	(void)fclose(f);
	return (void *)(uintptr_t)from;
}

static void a_child_cannot_make_the_numbers_writable(void **state)
{
	struct rate_table *t = table();
	void *p;

	rate_table_child(t);
	p = published();
	assert_non_null(p);
	assert_int_equal(mprotect(p, 4096, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(errno, EACCES);
	assert_true(rate_table_take(t, 7, MS, T0) == T0); /* buckets still work */
	rate_table_free(t);
}

static void costs_are_rounded_up(void **state)
{
	assert_true(rate_cost_ns(1, 3) == 333333334);
	assert_true(rate_cost_ns(0, 3) == 0);
	assert_true(rate_cost_ns(UINT64_C(1) << 33, 1) == (UINT64_C(1) << 33) * 1000000000u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takers_stand_in_a_line),
		cmocka_unit_test(a_new_bucket_has_saved_nothing_a_used_one_a_little),
		cmocka_unit_test(what_was_not_used_goes_back),
		cmocka_unit_test(an_idle_bucket_serves_another_key),
		cmocka_unit_test(many_keys_at_once_have_buckets_of_their_own),
		cmocka_unit_test(a_broken_taker_delays_others_for_a_bounded_time),
		cmocka_unit_test(takers_at_the_same_time_lose_nothing),
		cmocka_unit_test(a_killed_taker_leaves_the_bucket_usable),
		cmocka_unit_test(numbers_count_for_their_generation_and_older_ones),
		cmocka_unit_test(numbers_have_an_end),
		cmocka_unit_test(a_child_cannot_make_the_numbers_writable),
		cmocka_unit_test(costs_are_rounded_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
