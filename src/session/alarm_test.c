/* Alarms: their order, and freeing them at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "session/watch.h"

static uv_loop_t loop;
static struct alarm *alarms[64];
static unsigned fired[256], n_fired;

static void note(void *arg)
{
	fired[n_fired++] = (unsigned)(uintptr_t)arg;
}

/* Set n alarms at one time of the loop. */
static void set_together(unsigned n, uint64_t (*ms)(unsigned i))
{
	uint64_t before;

	do {
		uv_update_time(&loop);
		before = uv_now(&loop);
		for (unsigned i = 0; i < n; i++)
			alarm_set(alarms[i], ms(i));
	} while (uv_now(&loop) != before);
}

static void begin(void)
{
	assert_int_equal(uv_loop_init(&loop), 0);
	n_fired = 0;
}

/* With the last alarm its timer goes, so that the loop can be closed. */
static void end(void)
{
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static uint64_t mixed(unsigned i)
{
	static const uint64_t ms[] = {7, 3, 9, 1, 5, 3, 8, 2, 3};

	return ms[i];
}

static uint64_t mixed_too(unsigned i)
{
	return i * 37 % 64 / 8;
}

static void alarms_go_off_in_the_order_of_their_times(void **state)
{
	static const unsigned order[] = {3, 7, 1, 5, 8, 4, 0, 6, 2};

	begin();
	for (unsigned i = 0; i < 9; i++)
		alarms[i] = alarm_new(&loop, note, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < 9; i++)
		alarm_set_near(alarms[i], 1000, 0); /* replaced */
	set_together(9, mixed);
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* ends when none is set */
	assert_int_equal(n_fired, 9);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(fired[i], order[i]);
	for (unsigned i = 0; i < 9; i++)
		alarm_free(&alarms[i]);
	end();
}

static void stopped_and_freed_ones_do_not_go_off(void **state)
{
	begin();
	for (unsigned i = 0; i < 64; i++)
		alarms[i] = alarm_new(&loop, note, (void *)(uintptr_t)i);
	set_together(64, mixed_too);
	for (unsigned i = 0; i < 64; i++) {
		if (i % 3 == 0)
			alarm_free(&alarms[i]);
		else if (i % 3 == 1)
			alarm_stop(alarms[i]);
	}
	alarm_stop(NULL);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(n_fired, 21);
	for (unsigned i = 0; i < n_fired; i++) {
		assert_int_equal(fired[i] % 3, 2);
		if (i > 0) /* no one before its time */
			assert_true(mixed_too(fired[i - 1]) <= mixed_too(fired[i]));
	}
	for (unsigned i = 0; i < 64; i++)
		alarm_free(&alarms[i]);
	end();
}

static void free_all(void *arg)
{
	note(arg);
	for (unsigned i = 0; i < 64; i++)
		alarm_free(&alarms[i]);
}

static void the_last_ones_can_be_freed_while_one_goes_off(void **state)
{
	begin();
	for (unsigned i = 0; i < 64; i++) {
		alarms[i] = alarm_new(&loop, free_all, (void *)(uintptr_t)i);
		alarm_set(alarms[i], 1);
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(n_fired, 1);
	assert_int_equal(fired[0], 0);
	alarms[0] = alarm_new(&loop, free_all, NULL); /* after the timer has gone there is a new one */
	alarm_set(alarms[0], 0);
	end();
	assert_int_equal(n_fired, 2);
}

static void again(void *arg)
{
	note(arg);
	if (n_fired < 5)
		alarm_set(alarms[0], 1);
	else
		alarm_free(&alarms[0]);
}

static void one_can_set_itself_again(void **state)
{
	begin();
	alarms[0] = alarm_new(&loop, again, NULL);
	alarm_set(alarms[0], 0);
	end();
	assert_int_equal(n_fired, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alarms_go_off_in_the_order_of_their_times),
		cmocka_unit_test(stopped_and_freed_ones_do_not_go_off),
		cmocka_unit_test(the_last_ones_can_be_freed_while_one_goes_off),
		cmocka_unit_test(one_can_set_itself_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
