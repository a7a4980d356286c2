#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/shutmsg.h"

static void the_file_has_two_lines(void **state)
{
	struct shutmsg m = {.when = 1700000000,
			       .deny = 1700000000 - 90 * 60,
			       .disconnect = 1700000000 - 5 * 60,
			       .text = "going down at %s"},
		       back;
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(shutmsg_format(&b, &m), 0);
	assert_string_equal(b.data, "2023 10 14 22 13 20 0130 0005\ngoing down at %s\n");
	assert_int_equal(shutmsg_parse(b.data, &back), 0);
	assert_true(back.when == m.when && back.deny == m.deny && back.disconnect == m.disconnect);
	assert_string_equal(back.text, m.text);
	buf_done(&b);
}

static void bad_files_are_refused(void **state)
{
	static const char *const rows[] = {"", "x", "2023 10 14 22 13 20 0130",
		"2023 12 14 22 13 20 0130 0005\nx\n", "1969 1 14 22 13 20 0130 0005",
		"2023 1 14 24 13 20 0130 0005", "2023 1 14 2 13 20 -130 0005",
		"99999999999999999999 1 1 1 1 1 1 1"};
	struct shutmsg m;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(shutmsg_parse(rows[i], &m), -WE_SYNTAX);
	assert_int_equal(shutmsg_parse("2023 10 14 22 13 20 0130 0005", &m), 0);
	assert_string_equal(m.text, "");
}

static void offsets_do_not_leave_their_digits(void **state)
{
	struct shutmsg m = {.when = 1700000000, .deny = 0, .disconnect = 1700000001, .text = "x"};
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(shutmsg_format(&b, &m), 0);
	assert_non_null(strstr(b.data, " 9959 0000\n"));
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_has_two_lines),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(offsets_do_not_leave_their_digits),
	};

	(void)setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
