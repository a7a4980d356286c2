#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "ftp/line.h"
#include "ftp/telnet.h"

#define S(text) text, sizeof(text) - 1

/* All results of a stream as text: "VERB(arg) LONG BLANK NUL "; a missing argument as VERB without
 * parentheses. */
static void stream_run(const char *bytes, size_t n, size_t step, size_t max, char *dst, size_t size)
{
	struct line_reader r;
	struct line_cmd c;
	enum line_result what;

	line_init(&r, max, step % 2 * 200);
	dst[0] = '\0';
	for (size_t at = 0; at < n;) {
		size_t k = n - at < step ? n - at : step;

		if (k > line_room(&r))
			k = line_room(&r);
		assert_true(k > 0);
		assert_int_equal(buf_append(line_input(&r), bytes + at, k), 0);
		at += k;
		while ((what = line_next(&r, &c)) != LINE_NONE) {
			size_t used = strlen(dst);

			if (what != LINE_COMMAND)
				snprintf(dst + used, size - used, "%s ",
					what == LINE_TOO_LONG ? "LONG"
					: what == LINE_BLANK  ? "BLANK"
							      : "NUL");
			else if (c.has_arg)
				snprintf(dst + used, size - used, "%s(%s) ", c.verb, c.arg);
			else
				snprintf(dst + used, size - used, "%s ", c.verb);
			if (what == LINE_COMMAND)
				assert_int_equal(strlen(c.arg), c.arg_len);
		}
	}
	line_done(&r);
}

static const struct {
	const char *bytes;
	size_t n;
	const char *results;
} streams[] = {
	{S("NOOP\r\n"), "NOOP "},
	{S("noop\n"), "NOOP "},
	{S("USER a b \r\n"), "USER(a b ) "},
	{S("RETR  x\r\n"), "RETR( x) "},
	{S("PASS \r\n"), "PASS() "},
	{S("PASS\r\n"), "PASS "},
	{S("\r\n\n\r\nNOOP\r\n"), "NOOP "},
	{S(" NOOP\r\nNOOP\r\n"), "BLANK NOOP "},
	{S("RETR a\r\0b\r\n"), "RETR(a\rb) "},
	{S("RETR a\r\0\r\n"), "RETR(a\r) "},
	{S("RETR a\r\0\n"), "RETR(a\r) "},
	{S("RETR a\rb\r\n"), "RETR(a\rb) "},
	{S("RETR a\r\r\n"), "RETR(a\r) "},
	{S("RETR a\0b\r\nNOOP\r\n"), "NUL NOOP "},
	{S("RETR \0\r\n"), "NUL "},
	{S("\0\r\n"), "NUL "},
	{S("RETR \r\0\0\r\n"), "NUL "},
	{S("ABCDEFGHIJKLMNOP x\r\n"), "ABCDEFGHIJKL(x) "},
	{S("RETR \xc3\xa4\xff\r\n"), "RETR(\xc3\xa4\xff) "},
	{S("12345678901234567890\r\n"), "123456789012 "},
	{S("123456789012345678901\r\nNOOP\r\n"), "LONG NOOP "},
	{S("1234567890123456789012345678901234567890123456789012345678901234567890\r\nNOOP\r\n"),
		"LONG NOOP "},
	{S("1234567890123456789012\n12345678901234567890\n"), "LONG 123456789012 "},
	{S("A\nB\nC 1\nD\n"), "A B C(1) D "},
	{S("NOOP"), ""},
};

static void lines_come_out_the_same_at_any_packet_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		for (size_t step = 1; step < 30; step++) {
			char got[256];

			stream_run(streams[i].bytes, streams[i].n, step, 20, got, sizeof(got));
			assert_string_equal(got, streams[i].results);
		}
}

static void a_flood_of_short_lines_is_not_quadratic(void **state)
{
	struct line_reader r;
	struct line_cmd c;
	unsigned n = 0;

	(void)state;
	line_init(&r, 8192, LINE_PENDING_MAX);
	while (line_room(&r) >= 3)
		assert_int_equal(buf_append(line_input(&r), "A\r\n", 3), 0);
	while (line_next(&r, &c) == LINE_COMMAND)
		n++;
	assert_int_equal(n, LINE_PENDING_MAX / 3);
	while (line_room(&r) > 0)
		assert_int_equal(buf_append(line_input(&r), "\n", 1), 0);
	assert_int_equal(line_next(&r, &c), LINE_NONE);
	assert_null(r.held); /* an idle reader holds nothing */
	assert_int_equal(buf_append(line_input(&r), "B\r\nC", 4), 0);
	assert_int_equal(line_next(&r, &c), LINE_COMMAND);
	line_rest(&r);
	assert_int_equal(r.held->line.cap, 0);
	assert_int_equal(buf_append(line_input(&r), "\r\n", 2), 0);
	assert_int_equal(line_next(&r, &c), LINE_COMMAND);
	assert_string_equal(c.verb, "C");
	line_rest(&r);
	assert_null(r.held);
	line_done(&r);
}

static void what_is_not_taken_can_be_handed_over(void **state)
{
	struct line_reader r;
	struct line_cmd c;
	size_t n;

	(void)state;
	line_init(&r, 100, 0);
	buf_append(line_input(&r), S("USER a\r\nPASS b\r\nLIST\r\nNOO"));
	assert_true(line_waiting(&r));
	assert_int_equal(line_next(&r, &c), LINE_COMMAND);
	assert_int_equal(line_next(&r, &c), LINE_COMMAND);
	assert_memory_equal(line_pending(&r, &n), "LIST\r\nNOO", 9);
	assert_int_equal(n, 9);
	assert_string_equal(c.arg, "b");
	line_forget(&r);
	assert_string_equal(c.arg, "");
	assert_int_equal(line_next(&r, &c), LINE_COMMAND);
	assert_false(line_waiting(&r));
	line_done(&r);
	line_done(&r);
}

static void a_password_is_overwritten_when_taken(void **state)
{
	struct line_reader r;
	struct line_cmd c;

	(void)state;
	line_init(&r, 100, 0);
	buf_append(line_input(&r), S("PASS geheim\r\nX"));
	assert_int_equal(line_next(&r, &c), LINE_COMMAND);
	assert_null(memmem(line_input(&r)->data, line_input(&r)->cap, "geheim", 6));
	line_forget(&r);
	assert_null(memmem(r.held->line.data, r.held->line.cap, "geheim", 6));
	line_done(&r);
}

static void words_are_split_at_blanks(void **state)
{
	struct line_word w[2];

	(void)state;
	assert_int_equal(line_words("", w, 2), 0);
	assert_int_equal(line_words("  ", w, 2), 0);
	assert_int_equal(line_words(" A  bc d ", w, 2), 3);
	assert_int_equal(w[0].len, 1);
	assert_int_equal(w[1].len, 2);
	assert_memory_equal(w[1].text, "bc", 2);
}

static struct line_word word(const char *text)
{
	return (struct line_word){text, strcspn(text, " ")};
}

static void words_are_compared_and_counted(void **state)
{
	static const char *const none[] = {"", " 1", "-1", "+1", "1x", "0x1", "1.", "18446744073709551616",
		"000000000000000000000001", "\xb2"};
	struct line_word w = word("bInArY I");
	uint64_t n;

	(void)state;
	assert_true(line_word_is(&w, "BINARY"));
	assert_false(line_word_is(&w, "BINAR"));
	assert_false(line_word_is(&w, "BINARY I"));
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		w = word(none[i]);
		assert_false(line_word_number(&w, UINT64_MAX, &n));
	}
	w = word("18446744073709551615 x");
	assert_true(line_word_number(&w, UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
	assert_false(line_word_number(&w, UINT64_MAX - 1, &n));
	w = word("007");
	assert_true(line_word_number(&w, 7, &n));
	assert_int_equal(n, 7);
	assert_false(line_word_number(&w, 6, &n));
}

static const struct {
	const char *in;
	size_t n;
	const char *out, *answers;
} telnets[] = {
	{S("NOOP\r\n"), "NOOP\r\n", ""},
	{S("a\xff\xff"
	   "b"),
		"a\xff"
		"b",
		""},
	{S("\xff\xf4\xff\xf2"
	   "ABOR"),
		"ABOR", ""},
	{S("a\xff\xfb\x01"
	   "b"),
		"ab", "\xff\xfe\x01"},
	{S("a\xff\xfc\x22"
	   "b"),
		"ab", "\xff\xfe\x22"},
	{S("\xff\xfd\xff\xff\xfe\x03"), "", "\xff\xfc\xff\xff\xfc\x03"},
	{S("x\xff"
	   "y"),
		"x\xff"
		"y",
		""},
	{S("x\xff\xf1y"), "x\xff\xf1y", ""},
	{S("x\xff"), "x", ""},
};

static void telnet_commands_are_taken_out_at_any_packet_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(telnets); i++)
		for (size_t step = 1; step < 8; step++) {
			struct telnet t = TELNET_INIT;
			struct buf out, answers;

			buf_init(&out, 64);
			buf_init(&answers, 64);
			for (size_t at = 0; at < telnets[i].n; at += step) {
				size_t k = telnets[i].n - at < step ? telnets[i].n - at : step;

				/* each piece may meet another process */
				telnet_unpack(telnet_pack(&t), &t);
				assert_int_equal(telnet_filter(&t, telnets[i].in + at, k, &out, &answers), 0);
			}
			assert_int_equal(out.len, strlen(telnets[i].out));
			assert_memory_equal(out.data, telnets[i].out, out.len);
			assert_int_equal(answers.len, strlen(telnets[i].answers));
			if (answers.len > 0)
				assert_memory_equal(answers.data, telnets[i].answers, answers.len);
			buf_done(&out);
			buf_done(&answers);
		}
}

static void telnet_answers_stop_when_nobody_reads(void **state)
{
	struct telnet t = TELNET_INIT;
	struct buf out, answers;

	(void)state;
	buf_init(&out, 64);
	buf_init(&answers, 4);
	assert_int_equal(telnet_filter(&t, S("\xff\xfb\x01\xff\xfb\x01"), &out, &answers), 0);
	assert_int_equal(answers.len, 3);
	assert_int_equal(telnet_filter(&t, "0123456789012345678901234567890123456789012345678901234567890123",
				 64, &out, &answers),
		-ENOBUFS);
	assert_int_equal(out.len, 0);
	buf_done(&out);
	buf_done(&answers);
}

static void telnet_that_is_off_stays_off_across_the_hand_over(void **state)
{
	struct telnet t = TELNET_INIT;
	struct buf out, answers;

	(void)state;
	buf_init(&out, 64);
	buf_init(&answers, 64);
	telnet_set_off(&t, true);
	telnet_unpack(telnet_pack(&t), &t);
	assert_true(t.off);
	assert_int_equal(telnet_filter(&t, S("\xff\xfb\x01"), &out, &answers), 0);
	assert_int_equal(out.len, 3);
	assert_int_equal(answers.len, 0);
	telnet_unpack(0xffffffffu, &t);
	assert_int_equal(t.state, 0);
	buf_done(&out);
	buf_done(&answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_out_the_same_at_any_packet_size),
		cmocka_unit_test(a_flood_of_short_lines_is_not_quadratic),
		cmocka_unit_test(what_is_not_taken_can_be_handed_over),
		cmocka_unit_test(a_password_is_overwritten_when_taken),
		cmocka_unit_test(words_are_split_at_blanks),
		cmocka_unit_test(words_are_compared_and_counted),
		cmocka_unit_test(telnet_commands_are_taken_out_at_any_packet_size),
		cmocka_unit_test(telnet_answers_stop_when_nobody_reads),
		cmocka_unit_test(telnet_that_is_off_stays_off_across_the_hand_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
