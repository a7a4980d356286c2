#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "session/cmd/args.h"

static void the_rest_after_one_blank_is_the_path(void **state)
{
	const char *rest;
	size_t n;

	assert_true(args_split("a  b ", &n, &rest));
	assert_int_equal(n, 1);
	assert_string_equal(rest, " b ");
	assert_false(args_split("a", &n, &rest));
	assert_false(args_split("a ", &n, &rest));
	assert_false(args_split("", &n, &rest));
	assert_false(args_split(" a", &n, &rest));
}

static void times_are_checked(void **state)
{
	static const struct {
		const char *text;
		bool minutes;
		int64_t secs; /* -1: refused */
	} cases[] = {
		{"19700101000000", false, 0},
		{"20000229120000", false, 951825600},
		{"20000229120000.123", false, 951825600},
		{"99991231235959", false, 253402300799},
		{"200002291200", true, 951825600},
		{"200002291200", false, -1},
		{"19691231235959", false, -1},
		{"20010229000000", false, -1},
		{"20000001000000", false, -1},
		{"20001301000000", false, -1},
		{"20000132000000", false, -1},
		{"20000101240000", false, -1},
		{"20000101006000", false, -1},
		{"20000101000061", false, -1},
		{"20000101000000.", false, -1},
		{"20000101000000.x", false, -1},
		{"20000101000000x", false, -1},
		{"200001010000.5", true, -1},
		{"2000010100000", false, -1},
		{"200001010000000", false, -1},
		{"", true, -1},
		{"-2000101000000", false, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t secs = -1;
		int r = args_time(cases[i].text, strlen(cases[i].text), cases[i].minutes, &secs);

		assert_int_equal(r, cases[i].secs < 0 ? -EINVAL : 0);
		assert_int_equal(secs, cases[i].secs);
	}
}

static int mff(const char *text, struct args_mff *f, char *bad)
{
	return args_mff(text, strlen(text), f, bad);
}

static void facts_to_change_are_read(void **state)
{
	struct args_mff f;
	char bad[65];

	assert_int_equal(mff("modify=20000101000000;unix.MODE=0640;UNIX.group=staff;", &f, bad), 0);
	assert_true(f.has_modify && f.has_mode && f.has_group);
	assert_int_equal(f.modify, 946684800);
	assert_int_equal(f.mode, 0640);
	assert_string_equal(f.group, "staff");
	assert_int_equal(mff("UNIX.mode=0640", &f, bad), ARGS_MFF_FORM);
	assert_int_equal(mff("", &f, bad), ARGS_MFF_FORM);
	assert_int_equal(mff(";", &f, bad), ARGS_MFF_FORM);
	assert_int_equal(mff("=x;", &f, bad), ARGS_MFF_FORM);
	assert_int_equal(mff("UNIX.mode;", &f, bad), ARGS_MFF_FORM);
	assert_int_equal(mff("size=3;", &f, bad), ARGS_MFF_FACT);
	assert_string_equal(bad, "size");
	assert_int_equal(mff("UNIX.mod=3;", &f, bad), ARGS_MFF_FACT);
	assert_int_equal(mff("UNIX.mode=9;", &f, bad), ARGS_MFF_VALUE);
	assert_string_equal(bad, "UNIX.mode=9");
	assert_int_equal(mff("UNIX.mode=0644;UNIX.mode=0600;", &f, bad), ARGS_MFF_VALUE);
	assert_int_equal(mff("UNIX.mode=10000;", &f, bad), ARGS_MFF_VALUE);
	assert_int_equal(mff("UNIX.group=;", &f, bad), ARGS_MFF_VALUE);
	assert_int_equal(mff("modify=2000;", &f, bad), ARGS_MFF_VALUE);
}

static void utime_has_two_forms(void **state)
{
	int64_t a, m;
	char *path;

	assert_int_equal(args_utime("200001010000 a b", &a, &m, &path), 0);
	assert_string_equal(path, "a b");
	assert_int_equal(a, 946684800);
	assert_int_equal(m, 946684800);
	free(path);
	assert_int_equal(
		args_utime("a b 20000101000000 20000102000000 20000103000000 UTC", &a, &m, &path), 0);
	assert_string_equal(path, "a b");
	assert_int_equal(a, 946684800);
	assert_int_equal(m, 946684800 + 86400);
	free(path);
	assert_int_equal(
		args_utime("20000101000000 20000101000000 20000102000000 20000103000000 UTC", &a, &m, &path),
		0);
	assert_string_equal(path, "20000101000000");
	free(path);
	assert_int_equal(args_utime("20000101000000 UTC", &a, &m, &path), 0);
	assert_string_equal(path, "UTC");
	free(path);
	assert_int_equal(args_utime("20000101000000", &a, &m, &path), -EINVAL);
	assert_int_equal(args_utime("a 20000101000000 20000101000000 UTC", &a, &m, &path), -EINVAL);
	assert_int_equal(args_utime("", &a, &m, &path), -EINVAL);
	assert_int_equal(args_utime("2000 x", &a, &m, &path), -EINVAL);
}

static void modes_are_as_in_chmod(void **state)
{
	static const struct {
		const char *text;
		mode_t before;
		int after; /* -1: refused */
	} cases[] = {
		{"0755", 0, 0755},
		{"755", 0644, 0755},
		{"4755", 0644, 04755},
		{"04755", 0644, 04755},
		{"0", 0644, 0},
		{"u+x", 0644, 0744},
		{"u+x,g-w", 0664, 0744},
		{"+x", 0644, 0755},
		{"a=r", 0777, 0444},
		{"go=", 0777, 0700},
		{"g=u", 0640, 0660},
		{"o+g", 0650, 0655},
		{"u+s", 0755, 04755},
		{"g+s", 0755, 02755},
		{"o+s", 0755, 0755},
		{"+t", 0777, 01777},
		{"a-rwx", 0777, 0},
		{"u+rw-x", 0100, 0600},
		{"a+X", 0644, 0644},
		{"a+X", 0744, 0755},
		{"a+X", S_IFDIR | 0644, 0755},
		{"u=rwx,go=rx", 0, 0755},
		{"8", 0, -1},
		{"", 0, -1},
		{"u", 0, -1},
		{"u+y", 0, -1},
		{"u+x,", 0, -1},
		{",u+x", 0, -1},
		{"10000", 0, -1},
		{"000755", 0, -1},
		{"u+ug", 0, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct args_chmod c;
		int r = args_chmod(cases[i].text, strlen(cases[i].text), &c);

		assert_int_equal(r, cases[i].after < 0 ? -EINVAL : 0);
		if (r == 0)
			assert_int_equal(args_chmod_apply(&c, cases[i].before), cases[i].after);
	}
}

static void two_words_may_be_quoted(void **state)
{
	char *a, *b;

	assert_int_equal(args_two_words("a b", &a, &b), 0);
	assert_string_equal(a, "a");
	assert_string_equal(b, "b");
	free(a);
	free(b);
	assert_int_equal(args_two_words("\"a \\\"b\\\\\"  c\\d ", &a, &b), 0);
	assert_string_equal(a, "a \"b\\");
	assert_string_equal(b, "c\\d");
	free(a);
	free(b);
	assert_int_equal(args_two_words("a", &a, &b), -EINVAL);
	assert_int_equal(args_two_words("", &a, &b), -EINVAL);
	assert_int_equal(args_two_words("a b c", &a, &b), -EINVAL);
	assert_int_equal(args_two_words("\"a b", &a, &b), -EINVAL);
	assert_int_equal(args_two_words("\"a\"b", &a, &b), -EINVAL);
	assert_int_equal(args_two_words("\"\" b", &a, &b), -EINVAL);
}

static void hashes_have_a_path_and_maybe_a_range(void **state)
{
	static const struct {
		const char *arg, *path;
		uint64_t start, end; /* end 0: no range */
	} good[] = {
		{"f", "f", 0, 0},
		{" f ", "f", 0, 0},
		{"\"a b\"", "a b", 0, 0},
		{"\"a \\\"b\\\\\" ", "a \"b\\", 0, 0},
		{"q\"q", "q\"q", 0, 0},
		{"f 0 1", "f", 0, 1},
		{"\"f 1 2\"  3   4 ", "f 1 2", 3, 4},
		{"f 0 9223372036854775807", "f", 0, INT64_MAX},
	};
	static const struct {
		const char *arg;
		enum args_hash_result want;
	} bad[] = {
		{"", ARGS_HASH_COUNT},
		{" ", ARGS_HASH_COUNT},
		{"\"\"", ARGS_HASH_COUNT},
		{"\"f", ARGS_HASH_COUNT},
		{"\"f\"g", ARGS_HASH_COUNT},
		{"f 1", ARGS_HASH_COUNT},
		{"a b.txt", ARGS_HASH_COUNT},
		{"f 1 2 3", ARGS_HASH_COUNT},
		{"f x 2", ARGS_HASH_START},
		{"f -1 2", ARGS_HASH_START},
		{"f 1 2x", ARGS_HASH_END},
		{"f 1 9223372036854775808", ARGS_HASH_END},
		{"f 1 000000000000000000000000002", ARGS_HASH_END},
		{"f 2 2", ARGS_HASH_ORDER},
		{"f 3 2", ARGS_HASH_ORDER},
	};
	struct args_hash a;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(args_hash(good[i].arg, &a), ARGS_HASH_OK);
		assert_string_equal(a.path, good[i].path);
		assert_int_equal(a.ranged, good[i].end > 0);
		assert_true(a.start == good[i].start && a.end == good[i].end);
		free(a.path);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (args_hash(bad[i].arg, &a) != bad[i].want)
			fail_msg("'%s'", bad[i].arg);
		assert_null(a.path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rest_after_one_blank_is_the_path),
		cmocka_unit_test(times_are_checked),
		cmocka_unit_test(facts_to_change_are_read),
		cmocka_unit_test(utime_has_two_forms),
		cmocka_unit_test(modes_are_as_in_chmod),
		cmocka_unit_test(two_words_may_be_quoted),
		cmocka_unit_test(hashes_have_a_path_and_maybe_a_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
