#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ipc/ctl.h"

static void words_survive_the_wire(void **state)
{
	char all[256];
	const char *const words[] = {"kick", "user", "a b\"c\\d\n\x7f\xc3\xa4", "", all};
	struct ctl_words w;
	struct buf b;
	unsigned i;

	for (i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	buf_init(&b, 10000);
	assert_int_equal(ctl_format(&b, words, 5), 0);
	assert_non_null(strstr(b.data, "kick user a\\x20b\\x22c\\x5Cd\\x0A\\x7F\\xC3\\xA4 \"\" \\x01"));
	assert_int_equal(b.data[b.len - 1], '\n');
	assert_null(memchr(b.data, '\n', b.len - 1));
	assert_int_equal(ctl_parse(b.data, b.len - 1, &w), 0);
	assert_int_equal(w.count, 5);
	for (i = 0; i < 5; i++)
		assert_string_equal(w.word[i], words[i]);
	buf_done(&b);
}

static void bad_lines_are_refused(void **state)
{
	static const struct {
		const char *line;
		int code;
	} rows[] = {
		{"", -WE_SYNTAX},
		{" status", -WE_SYNTAX},
		{"status ", -WE_SYNTAX},
		{"kick  user", -WE_SYNTAX},
		{"a\tb", -WE_SYNTAX},
		{"a\"b", -WE_SYNTAX},
		{"a\r", -WE_SYNTAX},
		{"\xc3\xa4", -WE_SYNTAX},
		{"a\\", -WE_SYNTAX},
		{"a\\x", -WE_SYNTAX},
		{"a\\x4", -WE_SYNTAX},
		{"a\\x4 1", -WE_SYNTAX},
		{"a\\xg0", -WE_SYNTAX},
		{"a\\y41", -WE_SYNTAX},
		{"a\\x00", -WE_SYNTAX},
		{"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", -WE_LIMIT},
		{"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", 0},
		{"a\\x4a\\x4B", 0},
	};
	char line[CTL_LINE_MAX + 1];
	struct ctl_words w;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (ctl_parse(rows[i].line, strlen(rows[i].line), &w) != rows[i].code)
			fail_msg("'%s'", rows[i].line);
	}
	assert_string_equal(w.word[0], "aJK");
	memset(line, 'a', sizeof(line));
	assert_int_equal(ctl_parse(line, CTL_LINE_MAX, &w), -WE_LIMIT);
	assert_int_equal(ctl_parse(line, CTL_LINE_MAX - 1, &w), 0);
	assert_int_equal(strlen(w.word[0]), CTL_LINE_MAX - 1);
	assert_int_equal(ctl_parse("a\0b", 3, &w), -WE_SYNTAX);
}

static void long_requests_are_not_sent(void **state)
{
	char word[CTL_LINE_MAX + 1];
	const char *const one[] = {word};
	const char *many[CTL_WORDS_MAX + 1];
	struct buf b;
	size_t i;

	memset(word, 'a', sizeof(word));
	word[CTL_LINE_MAX] = '\0';
	for (i = 0; i < CTL_WORDS_MAX + 1; i++)
		many[i] = "x";
	buf_init(&b, 100000);
	assert_int_equal(ctl_format(&b, one, 1), -WE_LIMIT);
	assert_int_equal(ctl_format(&b, many, CTL_WORDS_MAX + 1), -WE_LIMIT);
	assert_int_equal(ctl_format(&b, many, 0), -WE_LIMIT);
	word[CTL_LINE_MAX - 1] = '\0';
	buf_clear(&b);
	assert_int_equal(ctl_format(&b, one, 1), 0);
	buf_done(&b);
}

static void answers_survive_the_wire(void **state)
{
	char *line, *key, *value, *text;
	struct buf b;
	bool ok;

	buf_init(&b, CTL_REPLY_MAX);
	assert_int_equal(ctl_reply(&b, false, "no user '%s'\nx", "a\\b\xc3\xa4\xff"), 0);
	assert_string_equal(b.data, "ERR no user 'a\\x5Cb\xc3\xa4\\xFF'\\x0Ax\n");
	line = strtok(b.data, "\n");
	assert_int_equal(ctl_parse_reply(line, &ok, &text), 0);
	assert_false(ok);
	assert_string_equal(text, "no user 'a\\b\xc3\xa4\xff'\nx");
	buf_clear(&b);
	assert_int_equal(ctl_reply(&b, true, "%s", ""), 0);
	assert_string_equal(b.data, "OK \n");
	buf_clear(&b);
	assert_int_equal(ctl_data(&b, "config", "/etc/my file.conf"), 0);
	assert_string_equal(b.data, "config /etc/my file.conf\n");
	assert_int_equal(ctl_parse_data(strtok(b.data, "\n"), &key, &value), 0);
	assert_string_equal(key, "config");
	assert_string_equal(value, "/etc/my file.conf");
	buf_done(&b);
}

static void bad_answers_are_refused(void **state)
{
	char rows[][16] = {"", "OK", "ok x", "ERR", "HELLO x", "OK \\x1", "ERR \\q"};
	char data[][16] = {"", "key", " value", "k\\x", "key a\\x"};
	char *a, *b;
	size_t i;
	bool ok;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ctl_parse_reply(rows[i], &ok, &a), -WE_SYNTAX);
	for (i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		assert_int_equal(ctl_parse_data(data[i], &a, &b), -WE_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_survive_the_wire),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(long_requests_are_not_sent),
		cmocka_unit_test(answers_survive_the_wire),
		cmocka_unit_test(bad_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
