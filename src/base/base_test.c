#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

static void error_text_names_the_cause(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(err_sys(&e, ENOENT, "cannot open '%s'", "x"), -ENOENT);
	assert_string_equal(e.text, "cannot open 'x': No such file or directory");
	assert_int_equal(err_prefix(&e, "main"), -ENOENT);
	assert_string_equal(e.text, "main: cannot open 'x': No such file or directory");
	assert_int_equal(err_set(NULL, WE_CONFIG, "nobody reads this"), -WE_CONFIG);
	assert_string_equal(err_text(-WE_CONFIG), "unusable configuration");
}

static void count_up(void *obj)
{
	++*(int *)obj;
}

static void what_an_arena_was_told_to_end_ends_once(void **state)
{
	struct arena *a = arena_new(64, 0);
	int ends = 0;

	assert_true(arena_defer(a, count_up, &ends));
	arena_reset(a);
	assert_int_equal(ends, 1);
	arena_reset(a);
	assert_true(arena_defer(a, count_up, &ends));
	assert_true(arena_defer(a, count_up, &ends));
	arena_free(a);
	assert_int_equal(ends, 3);
}

static void arena_stops_at_its_maximum(void **state)
{
	struct arena *a = arena_new(256, 1024);
	unsigned n = 0;

	while (arena_alloc(a, 100) != NULL)
		n++;
	assert_in_range(n, 4, 10);
	arena_reset(a);
	assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
	arena_free(a);
}

static void buffer_refuses_to_pass_its_maximum(void **state)
{
	struct buf b;

	buf_init(&b, 10);
	assert_int_equal(buf_puts(&b, "12345678"), 0);
	assert_int_equal(buf_puts(&b, "abc"), -ENOBUFS);
	assert_string_equal(b.data, "12345678");
	assert_int_equal(buf_printf(&b, "%c%c", 'y', 'z'), 0);
	buf_consume(&b, 7);
	assert_string_equal(b.data, "8yz");
	buf_done(&b);
}

static void civil_time_round_trips(void **state)
{
	static const struct {
		int64_t secs;
		struct civil c;
	} rows[] = {
		{0, {1970, 1, 1, 0, 0, 0}},
		{951782400, {2000, 2, 29, 0, 0, 0}},
		{-1, {1969, 12, 31, 23, 59, 59}},
		{4102444799, {2099, 12, 31, 23, 59, 59}},
		{253402300799, {9999, 12, 31, 23, 59, 59}},
	};
	struct civil c;
	int64_t secs;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clock_utc(rows[i].secs, &c);
		assert_memory_equal(&c, &rows[i].c, sizeof(c));
		assert_int_equal(clock_from_utc(&c, &secs), 0);
		assert_true(secs == rows[i].secs);
	}
	assert_int_equal(clock_from_utc(&(struct civil){2023, 2, 29, 0, 0, 0}, &secs), -EINVAL);
	assert_int_equal(clock_from_utc(&(struct civil){2023, 13, 1, 0, 0, 0}, &secs), -EINVAL);
}

static void addresses_compare_as_hosts(void **state)
{
	struct addr a, b;
	char text[ADDR_TEXT_MAX];

	assert_int_equal(addr_parse("::ffff:10.1.2.3", 21, &a), 0);
	assert_int_equal(addr_parse("10.1.2.3", 0, &b), 0);
	assert_true(addr_host_equal(&a, &b));
	assert_string_equal(addr_text(&a, text), "10.1.2.3");
	assert_true(addr_is_private(&a));
	assert_int_equal(addr_port(&a), 21);
	assert_int_equal(addr_parse("2001:db8::1", 0, &b), 0);
	assert_false(addr_host_equal(&a, &b));
	assert_false(addr_is_private(&b));
	assert_int_equal(addr_parse("1.2.3", 0, &b), -EINVAL);
	assert_int_equal(addr_parse("10.1.2.128", 0, &b), 0);
	assert_true(addr_prefix_match(&a, &b, 24));
	assert_false(addr_prefix_match(&a, &b, 25));
}

static void text_is_cut_and_escaped_safely(void **state)
{
	char dst[16];

	assert_int_equal(str_copy(dst, 4, "a\xc3\xa4\xc3\xa4"), 3);
	assert_string_equal(dst, "a\xc3\xa4");
	assert_int_equal(str_copy(dst, 3, "aa\xc3\xa4"), 2);
	assert_string_equal(str_escape("a\r\"\xff", dst, sizeof(dst)), "a\\x0D\\x22\\xFF");
	assert_string_equal(str_escape("abcdef", dst, 4), "abc");
	assert_false(utf8_valid("\xc0\x80", 2));
	assert_false(utf8_valid("\xed\xa0\x80", 3));
	assert_true(utf8_valid("\xf0\x9f\x98\x80", 4));
}

static void control_characters_are_found_at_each_place(void **state)
{
	char s[40];

	for (size_t n = 0; n < sizeof(s); n++) {
		memset(s, ' ', sizeof(s));
		s[n] = '\n'; /* not one of the n */
		assert_false(str_has_control(s, n));
		memset(s, '\xff', n);
		assert_false(str_has_control(s, n));
		for (size_t i = 0; i < n; i++) {
			char old = s[i];

			s[i] = i % 2 ? 0x1f : 0;
			assert_true(str_has_control(s, n));
			s[i] = old;
		}
	}
}

static void numbers_are_whole_and_bounded(void **state)
{
	uint64_t v = 5;
	unsigned m;

	assert_int_equal(str_to_u64("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(str_to_u64("18446744073709551616", &v), -ERANGE);
	assert_int_equal(str_to_u64("", &v), -EINVAL);
	assert_int_equal(str_to_u64("-1", &v), -EINVAL);
	assert_int_equal(str_to_u64("1 ", &v), -EINVAL);
	assert_int_equal(str_to_mode("0755", &m), 0);
	assert_int_equal(m, 0755);
	assert_int_equal(str_to_mode("8", &m), -EINVAL);
	assert_int_equal(str_distance("TimeoutIdel", "timeoutidle", 3), 2);
	assert_int_equal(str_distance("abc", "xyz", 1), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_text_names_the_cause),
		cmocka_unit_test(arena_stops_at_its_maximum),
		cmocka_unit_test(what_an_arena_was_told_to_end_ends_once),
		cmocka_unit_test(buffer_refuses_to_pass_its_maximum),
		cmocka_unit_test(civil_time_round_trips),
		cmocka_unit_test(addresses_compare_as_hosts),
		cmocka_unit_test(text_is_cut_and_escaped_safely),
		cmocka_unit_test(control_characters_are_found_at_each_place),
		cmocka_unit_test(numbers_are_whole_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
