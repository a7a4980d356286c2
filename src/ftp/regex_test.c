#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ftp/regex.h"

static void patterns_match_as_extended_expressions_do(void **state)
{
	static const struct {
		const char *pattern, *flag, *text;
		bool match;
	} cases[] = {
		{"^\\.", NULL, ".ftpaccess", true}, {"^\\.", NULL, "a.b", false},
		{"\\.(exe|com)$", NULL, "x.EXE", false}, {"\\.(exe|com)$", "nocase", "x.EXE", true},
		{"\\.(exe|com)$", "[NC]", "x.EXE", true},
		{"!^[A-Za-z0-9._-]+$", NULL, "good-name.txt", false},
		{"!^[A-Za-z0-9._-]+$", NULL, "bad name", true}, {"^[[:alpha:]]{2,3}$", NULL, "abc", true},
		{"a$", NULL, "a\n", false}, {"\\*.*/", NULL, "*/../*", true},
		{"^.$", NULL, "\xff", true}, /* bytes: no UTF-8 is needed */
	};
	struct arena *a = arena_new(1024, 0);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ftp_pattern p = {0};
		struct err err = ERR_INIT;

		if (ftp_pattern_compile(a, cases[i].pattern, cases[i].flag, &p, &err) < 0)
			fail_msg("'%s': %s", cases[i].pattern, err.text);
		if (ftp_pattern_match(&p, cases[i].text, false) != cases[i].match)
			fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
	}
	arena_free(a);
}

static void unusable_patterns_are_told(void **state)
{
	static const struct {
		const char *pattern, *flag, *message;
	} cases[] = {
		{"(", NULL, "unusable regular expression '(': missing closing parenthesis (at byte 2)"},
		{"a", "icase", "unknown word 'icase', expected 'nocase'"},
		{"((a{1,100}){1,100}){1,100}", NULL, "too large"},
	};
	struct arena *a = arena_new(1024, 0);
	char wide[2000];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ftp_pattern p = {0};
		struct err err = ERR_INIT;

		assert_true(ftp_pattern_compile(a, cases[i].pattern, cases[i].flag, &p, &err) < 0);
		if (strstr(err.text, cases[i].message) == NULL)
			fail_msg("'%s': %s", cases[i].pattern, err.text);
	}
	memset(wide, 'x', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	assert_true(ftp_pattern_compile(a, wide, NULL, &(struct ftp_pattern){0}, &(struct err){0}) < 0);
	arena_free(a);
}

static void a_search_that_takes_too_long_is_given_up(void **state)
{
	struct arena *a = arena_new(1024, 0);
	struct ftp_pattern p = {0};
	struct err err = ERR_INIT;

	assert_int_equal(ftp_pattern_compile(a, "^(a|a|aa)+$", NULL, &p, &err), 0);
	assert_int_equal(ftp_regex_match(p.re, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), -WE_LIMIT);
	assert_true(ftp_pattern_match(&p, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", true));
	assert_false(ftp_pattern_match(&p, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_extended_expressions_do),
		cmocka_unit_test(unusable_patterns_are_told),
		cmocka_unit_test(a_search_that_takes_too_long_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
