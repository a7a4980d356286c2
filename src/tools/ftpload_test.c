#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tools/ftpload.h"
#include "tools/ftpload_place.h"

/* The codes that text gives when it comes in pieces of step bytes; returns how many, a negative end included. */
static size_t codes_of(const char *text, size_t step, int *codes, size_t max)
{
	struct load_reply r = {0};
	size_t n = 0, size = strlen(text);

	while (size > 0) {
		size_t k = size < step ? size : step, left = k;
		int code;

		while ((code = load_reply_take(&r, &text, &left)) != 0) {
			assert_true(n < max);
			codes[n++] = code;
			if (code < 0)
				return n;
		}
		assert_int_equal(left, 0);
		size -= k;
	}
	return n;
}

static void replies_do_not_depend_on_how_they_are_cut(void **state)
{
	const char *text = "220 hello\r\n230-first\r\n 231 inside\r\n230-more\r\n231 other\r\n230 "
			   "last\r\n226\r\n150 x\n";
	const int wanted[] = {220, 230, 226, 150};

	for (size_t step = 1; step <= strlen(text); step++) {
		int codes[8];

		assert_int_equal(codes_of(text, step, codes, 8), ARRAY_LEN(wanted));
		assert_memory_equal(codes, wanted, sizeof(wanted));
	}
}

static void what_is_no_reply_is_refused(void **state)
{
	const char *bad[] = {
		"hello\r\n", "\r\n", "22\r\n", "2x0 a\r\n", "620 a\r\n", "220x\r\n", "020 a\r\n"};
	char longest[LOAD_LINE_MAX + 3];
	int codes[4];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(codes_of(bad[i], 100, codes, 4), 1);
		assert_int_equal(codes[0], -WE_SYNTAX);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(codes_of(longest, 7, codes, 4), 1);
	assert_int_equal(codes[0], -WE_SYNTAX);
}

static void a_short_line_does_not_show_the_one_before(void **state)
{
	int codes[4];

	assert_int_equal(codes_of("220-a\r\n\r\n2\r\n22\r\n220 b\r\n", 100, codes, 4), 1);
	assert_int_equal(codes[0], 220);
}

static void ports_are_found_in_what_servers_write(void **state)
{
	assert_int_equal(load_reply_epsv("229 Entering Extended Passive Mode (|||6446|)"), 6446);
	assert_int_equal(load_reply_epsv("229 ok (!!!1!)."), 1);
	assert_int_equal(load_reply_epsv("229 (|||65536|)"), -WE_SYNTAX);
	assert_int_equal(load_reply_epsv("229 (|||0|)"), -WE_SYNTAX);
	assert_int_equal(load_reply_epsv("229 (|1||5|)"), -WE_SYNTAX);
	assert_int_equal(load_reply_epsv("229 (|||55"), -WE_SYNTAX);
	assert_int_equal(load_reply_epsv("229 ("), -WE_SYNTAX);
	assert_int_equal(load_reply_pasv("227 Entering Passive Mode (127,0,0,1,8,73)."), 8 * 256 + 73);
	assert_int_equal(load_reply_pasv("227 Entering Passive Mode 10,0,0,1,0,21"), 21);
	assert_int_equal(load_reply_pasv("227 =1,2,3,4,255,255"), 65535);
	assert_int_equal(load_reply_pasv("227 (1,2,3,4,256,1)"), -WE_SYNTAX);
	assert_int_equal(load_reply_pasv("227 (1,2,3,4,0,0)"), -WE_SYNTAX);
	assert_int_equal(load_reply_pasv("227"), -WE_SYNTAX);
}

static void percentiles_are_samples(void **state)
{
	struct load_samples s = {0};
	struct load_summary sum;

	load_samples_summary(&s, &sum);
	assert_true(sum.p99 == 0);
	for (unsigned i = 200; i > 0; i--)
		load_samples_add(&s, i * 1000);
	load_samples_summary(&s, &sum);
	assert_true(sum.min == 1 && sum.p50 == 100 && sum.p90 == 180 && sum.p99 == 198 && sum.max == 200);
	assert_true(sum.mean > 100.49 && sum.mean < 100.51);
	load_samples_done(&s);
}

static void roughness_is_deviation_by_mean(void **state)
{
	const uint32_t even[] = {5, 5, 5}, rough[] = {0, 10, 0, 10};

	assert_true(load_roughness(even, 3) == 0);
	assert_true(load_roughness(rough, 4) == 1);
	assert_true(load_roughness(even, 0) == 0);
}

static void sizes_have_units(void **state)
{
	uint64_t v = 0;

	assert_int_equal(load_place_number("10", &v), 0);
	assert_true(v == 10);
	assert_int_equal(load_place_number("64K", &v), 0);
	assert_true(v == 65536);
	assert_int_equal(load_place_number("2g", &v), 0);
	assert_true(v == 2ull << 30);
	assert_int_equal(load_place_number("K", &v), -EINVAL);
	assert_int_equal(load_place_number("", &v), -EINVAL);
	assert_int_equal(load_place_number("1T", &v), -EINVAL);
	assert_int_equal(load_place_number("99999999999G", &v), -ERANGE);
}

static void places_have_defaults(void **state)
{
	const struct {
		const char *text, *user, *password, *host, *port;
	} rows[] = {
		{"host", "anonymous", "ftpload@", "host", "21"},
		{"alice:p@ss:word@host:2121", "alice", "p@ss:word", "host", "2121"},
		{"bob@[::1]:21", "bob", "", "::1", "21"},
		{"[::1]", "anonymous", "ftpload@", "::1", "21"},
		{"ftp://u:p@h:1/", "u", "p", "h", "1"},
	};
	const char *bad[] = {"", "h:0", "h:65536", "h:x", "[::1", "[::1]x", "u@", "@h", "h\r\nDELE x"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_options o = {0};

		assert_int_equal(load_place_parse(rows[i].text, &o), 0);
		assert_string_equal(o.user, rows[i].user);
		assert_string_equal(o.password, rows[i].password);
		assert_string_equal(o.host, rows[i].host);
		assert_string_equal(o.port, rows[i].port);
		load_place_done(&o);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct load_options o = {0};

		assert_int_equal(load_place_parse(bad[i], &o), -WE_SYNTAX);
		load_place_done(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_do_not_depend_on_how_they_are_cut),
		cmocka_unit_test(what_is_no_reply_is_refused),
		cmocka_unit_test(a_short_line_does_not_show_the_one_before),
		cmocka_unit_test(ports_are_found_in_what_servers_write),
		cmocka_unit_test(percentiles_are_samples),
		cmocka_unit_test(roughness_is_deviation_by_mean),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(places_have_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
