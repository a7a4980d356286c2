#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "ftp/param.h"

static struct ftp_conf conf;
static bool ascii, utf8_on;

/* The reply to one line. */
static const char *say(const char *line)
{
	static char text[256];
	struct line_reader r;
	struct line_cmd c;
	struct buf out;
	const char *args;

	line_init(&r, 200, 0);
	buf_init(&out, 200);
	buf_printf(line_input(&r), "%s\r\n", line);
	assert_int_equal(line_next(&r, &c), LINE_COMMAND);
	if (strcmp(c.verb, "TYPE") == 0)
		assert_int_equal(param_type(&out, &c, false, &ascii), 0);
	else if (strcmp(c.verb, "LANG") == 0)
		assert_int_equal(param_lang(&out, &c, &conf), 0);
	else if ((args = param_utf8_args(&c)) != NULL)
		assert_int_equal(param_utf8(&out, &c, args, &conf, &utf8_on), 0);
	else
		assert_int_equal(param_not_understood(&out, 501, &c), 0);
	snprintf(text, sizeof(text), "%.*s", (int)out.len - 2, out.data);
	buf_done(&out);
	line_done(&r);
	return text;
}

static void types(void **state)
{
	static const struct {
		const char *line, *reply;
		bool ascii; /* afterwards; before it is the opposite where the reply is 200, else false */
	} cases[] = {
		{"TYPE A", "200 Type set to A", true},
		{"TYPE a n", "200 Type set to a", true},
		{"TYPE L 7", "200 Type set to L", true},
		{"TYPE I", "200 Type set to I", false},
		{"TYPE i", "200 Type set to i", false},
		{"TYPE L 8", "200 Type set to L", false},
		{"TYPE A T", "504 TYPE not implemented for 'A T' parameter", false},
		{"TYPE E", "504 TYPE not implemented for 'E' parameter", false},
		{"TYPE L", "504 TYPE not implemented for 'L' parameter", false},
		{"TYPE L 16", "504 TYPE not implemented for 'L 16' parameter", false},
		{"TYPE I x", "504 TYPE not implemented for 'I x' parameter", false},
		{"TYPE", "500 'TYPE' not understood", false},
		{"TYPE A N x", "500 'TYPE A N x' not understood", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ascii = cases[i].reply[0] == '2' && !cases[i].ascii;
		assert_string_equal(say(cases[i].line), cases[i].reply);
		assert_int_equal(ascii, cases[i].ascii);
	}
}

static void languages(void **state)
{
	(void)state;
	conf = (struct ftp_conf){.lang_engine = true};
	assert_string_equal(say("LANG"), "200 Using default language en-US");
	assert_string_equal(say("LANG EN-us"), "200 Using language EN-us");
	assert_string_equal(say("LANG de"), "504 Language de not supported");
	assert_string_equal(say("LANG a b"), "501 Invalid number of parameters");
	conf.lang_engine = false;
	assert_string_equal(say("LANG"), "500 LANG not understood");
}

static void utf8(void **state)
{
	(void)state;
	conf = (struct ftp_conf){.lang_engine = true};
	utf8_on = false;
	assert_string_equal(say("OPTS UTF-8 ON"), "200 UTF8 set to on");
	assert_true(utf8_on);
	assert_string_equal(say("OPTS utf8 off"), "200 UTF8 set to off");
	assert_false(utf8_on);
	assert_string_equal(say("OPTS UTF8"), "501 'OPTS UTF8' not understood");
	assert_string_equal(say("OPTS UTF8 maybe"), "501 'OPTS UTF8 maybe' not understood");
	assert_string_equal(say("OPTS UTF8X ON"), "501 'OPTS UTF8X ON' not understood");
	conf.encoding = FTP_ENCODING_ON;
	assert_true(param_utf8_offered(&conf));
	assert_string_equal(say("OPTS UTF8 ON"), "200 UTF8 set to on");
	assert_string_equal(say("OPTS UTF8 OFF"), "451 Unable to accept OPTS UTF8");
	assert_true(utf8_on);
	conf.encoding = FTP_ENCODING_OFF;
	assert_false(param_utf8_offered(&conf));
	assert_string_equal(say("OPTS UTF8 OFF"), "200 UTF8 set to off");
	assert_string_equal(say("OPTS UTF8 ON"), "451 Unable to accept OPTS UTF8");
	assert_false(utf8_on);
	conf.encoding = FTP_ENCODING_PAIR;
	assert_true(param_utf8_offered(&conf));
	assert_string_equal(say("OPTS UTF8 ON"), "200 UTF8 set to on");
	assert_string_equal(say("OPTS UTF8 OFF"), "200 UTF8 set to off");
	conf.lang_options = FTP_LANG_PREFER_SERVER;
	assert_false(param_utf8_offered(&conf));
	assert_string_equal(say("OPTS UTF8 ON"), "451 Unable to accept OPTS UTF8");
	conf.lang_options = 0;
	conf.encoding = FTP_ENCODING_STRICT;
	assert_false(param_utf8_offered(&conf));
	assert_string_equal(say("OPTS UTF8 ON"), "451 Unable to accept OPTS UTF8");
	conf.encoding_utf8 = true;
	assert_true(param_utf8_offered(&conf));
	assert_string_equal(say("OPTS UTF8 ON"), "200 UTF8 set to on");
	assert_string_equal(say("OPTS UTF8 OFF"), "451 Unable to accept OPTS UTF8");
	conf.lang_engine = false;
	assert_string_equal(say("OPTS UTF8 ON"), "501 'OPTS UTF8 ON' not understood");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(languages),
		cmocka_unit_test(utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
