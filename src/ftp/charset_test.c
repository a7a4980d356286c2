/* Conversion of names between charsets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ftp/charset.h"

static struct arena *arena;
static struct buf out;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(4096, 0);
	buf_init(&out, 64 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_done(&out);
	arena_free(arena);
	return 0;
}

static struct charset *pair(const char *local, const char *client)
{
	struct charset *c;
	struct err err = ERR_INIT;

	if (charset_new(arena, local, client, &c, &err) != 0)
		fail_msg("%s", err.text);
	return c;
}

static int convert(struct charset *c, enum charset_way way, const char *s)
{
	buf_clear(&out);
	return charset_convert(c, way, s, strlen(s), &out);
}

static void names_go_there_and_come_back(void **state)
{
	static const struct {
		const char *charset, *utf8, *client;
	} cases[] = {
		{"ISO-8859-1", "caf\xc3\xa9", "caf\xe9"},
		{"windows-1251", "\xd0\xb6/\xd1\x84.txt", "\xe6/\xf4.txt"},
		{"KOI8-R", "\xd0\x96", "\xf6"},
		{"SHIFT_JIS", "\xe8\xa1\xa8\xe3\x81\x82", "\x95\x5c\x82\xa0"},
		{"EUC-JP", "\xe3\x81\x82", "\xa4\xa2"},
		{"GB18030", "\xe4\xb8\xad\xe6\x96\x87", "\xd6\xd0\xce\xc4"},
		{"BIG5", "\xe4\xb8\xad", "\xa4\xa4"},
		{"CP949", "\xed\x95\x9c", "\xc7\xd1"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct charset *c = pair("UTF-8", cases[i].charset);

		assert_int_equal(convert(c, CHARSET_TO_CLIENT, cases[i].utf8), 0);
		assert_string_equal(out.data, cases[i].client);
		assert_int_equal(convert(c, CHARSET_TO_LOCAL, cases[i].client), 0);
		assert_string_equal(out.data, cases[i].utf8);
	}
}

static void what_has_no_counterpart_stays_whole(void **state)
{
	struct charset *c = pair("UTF-8", "ISO-8859-1");
	struct buf scratch;
	const char *name = "\xc3\xa9\xd0\xb6";

	(void)state;
	assert_int_equal(convert(c, CHARSET_TO_CLIENT, name), -EILSEQ);
	assert_int_equal(out.len, 0);
	assert_int_equal(convert(c, CHARSET_TO_CLIENT, "\xff\xfe"), -EILSEQ);
	assert_int_equal(convert(c, CHARSET_TO_CLIENT, "\xc3"), -EILSEQ); /* cut in a character */
	buf_init(&scratch, 1024);
	assert_ptr_equal(charset_name(c, name, &scratch), name);
	assert_ptr_equal(charset_name(NULL, "\xc3\xa9", &scratch)[0], '\xc3');
	assert_string_equal(charset_name(c, "\xc3\xa9", &scratch), "\xe9");
	/* and is converted again after a failure */
	assert_string_equal(charset_name(c, "\xc3\xa9t\xc3\xa9", &scratch), "\xe9t\xe9");
	buf_done(&scratch);
}

static void names_that_grow_fit(void **state)
{
	struct charset *c = pair("ISO-8859-1", "UTF-8");
	char name[2001];

	(void)state;
	memset(name, 0xe9, 2000);
	name[2000] = '\0';
	assert_int_equal(convert(c, CHARSET_TO_CLIENT, name), 0);
	assert_int_equal(out.len, 4000);
	buf_done(&out);
	buf_init(&out, 3000);
	assert_int_equal(convert(c, CHARSET_TO_CLIENT, name), -ENOBUFS);
	assert_int_equal(out.len, 0);
}

static void lines_are_converted_one_by_one(void **state)
{
	struct charset *c = pair("UTF-8", "ISO-8859-1");
	static const char before[] = "\xc3\xa9 done\r\n";

	(void)state;
	buf_clear(&out);
	assert_int_equal(buf_puts(&out, before), 0);
	assert_int_equal(buf_puts(&out, "250-\xc3\xa9\r\n \xd0\xb6\r\n250 \xc3\xa9nd\r\n"), 0);
	assert_int_equal(charset_lines(c, &out, sizeof(before) - 1), 0);
	assert_string_equal(out.data, "\xc3\xa9 done\r\n250-\xe9\r\n \xd0\xb6\r\n250 \xe9nd\r\n");
}

static void equal_charsets_need_nothing(void **state)
{
	(void)state;
	assert_null(pair("UTF-8", "utf8"));
	assert_null(pair("koi8-r", "KOI8-R"));
	assert_non_null(pair("koi8-r", "UTF-8"));
}

static void charsets_that_are_no_ascii_are_refused(void **state)
{
	static const char *const bad[] = {"UTF-16", "UTF-16LE", "UTF-32", "UTF-7", "EBCDIC-US", "IBM037",
		"ISO-2022-JP", "ISO-2022-KR", "UCS-2", "ISIRI-3342" /* a second CR and LF */};
	struct charset *c;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(charset_new(arena, "UTF-8", bad[i], &c, &err), -WE_CONFIG);
		assert_non_null(strstr(err.text, "no superset of ASCII"));
		assert_int_equal(charset_new(arena, bad[i], "UTF-8", &c, NULL), -WE_CONFIG);
	}
}

static void unknown_charsets_are_named(void **state)
{
	static const char *const bad[] = {"", "x-nosuch", "UTF-8//TRANSLIT", "../x", "UTF 8"};
	struct charset *c;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(charset_new(arena, bad[i], "UTF-8", &c, &err), -WE_CONFIG);
		assert_non_null(strstr(err.text, "is not known to this system"));
	}
}

static void a_letter_255_is_found(void **state)
{
	(void)state;
	assert_true(charset_has_ff(pair("UTF-8", "KOI8-R")));
	assert_true(charset_has_ff(pair("UTF-8", "windows-1252")));
	assert_true(charset_has_ff(pair("UTF-8", "ISO-8859-15")));
	assert_false(charset_has_ff(pair("koi8-r", "UTF-8")));
	assert_false(charset_has_ff(pair("UTF-8", "EUC-JP")));
	assert_false(charset_has_ff(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_there_and_come_back),
		cmocka_unit_test(what_has_no_counterpart_stays_whole),
		cmocka_unit_test(names_that_grow_fit),
		cmocka_unit_test(lines_are_converted_one_by_one),
		cmocka_unit_test(equal_charsets_need_nothing),
		cmocka_unit_test(charsets_that_are_no_ascii_are_refused),
		cmocka_unit_test(unknown_charsets_are_named),
		cmocka_unit_test(a_letter_255_is_found),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
