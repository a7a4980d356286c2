#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/json.h"

static json_t *parse(const struct buf *b)
{
	json_error_t e;
	json_t *v = json_loadb(b->data, b->len, 0, &e);

	if (v == NULL)
		fail_msg("line %d: %s\n%s", e.line, e.text, b->data);
	return v;
}

static void write_sample(struct json *j)
{
	volatile double zero = 0;

	json_open_object(j, NULL);
	json_open_object(j, "server");
	json_end(j);
	json_open_array(j, "list");
	json_open_object(j, NULL);
	json_u64(j, "big", UINT64_MAX / 2);
	json_i64(j, "negative", -5);
	json_f64(j, "part", 0.125);
	json_f64(j, "none", 0.0 / zero);
	json_bool(j, "yes", true);
	json_bool(j, "no", false);
	json_end(j);
	json_u64(j, NULL, 7);
	json_end(j);
	json_end(j);
}

static void nested_values_parse_back(void **state)
{
	unsigned indent;

	for (indent = 0; indent <= 2; indent += 2) {
		struct buf b;
		struct json j;
		json_t *v, *first;

		buf_init(&b, 10000);
		json_init(&j, &b, indent);
		write_sample(&j);
		assert_int_equal(json_finish(&j), 0);
		assert_int_equal(strchr(b.data, '\n') != NULL, indent != 0);
		v = parse(&b);
		assert_int_equal(json_object_size(json_object_get(v, "server")), 0);
		assert_int_equal(json_array_size(json_object_get(v, "list")), 2);
		first = json_array_get(json_object_get(v, "list"), 0);
		assert_true((uint64_t)json_integer_value(json_object_get(first, "big")) == UINT64_MAX / 2);
		assert_int_equal(json_integer_value(json_object_get(first, "negative")), -5);
		assert_true(json_real_value(json_object_get(first, "part")) == 0.125);
		assert_true(json_is_null(json_object_get(first, "none")));
		assert_true(json_is_true(json_object_get(first, "yes")));
		assert_true(json_is_false(json_object_get(first, "no")));
		json_decref(v);
		buf_done(&b);
	}
}

static void layout_is_two_blanks(void **state)
{
	struct json j;
	struct buf b;

	buf_init(&b, 1000);
	json_init(&j, &b, 2);
	json_open_object(&j, NULL);
	json_u64(&j, "a", 1);
	json_open_array(&j, "b");
	json_end(&j);
	json_end(&j);
	assert_string_equal(b.data, "{\n  \"a\": 1,\n  \"b\": []\n}");
	buf_done(&b);
}

static void any_bytes_become_a_valid_string(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"plain", "plain"},
		{"q\"b\\", "q\"b\\"},
		{"\x01\x1f\x7f\n", "\x01\x1f\x7f\n"},
		{"\xc3\xa4", "\xc3\xa4"},
		{"\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
	};
	char all[256];
	struct json j;
	struct buf b;
	size_t i;
	json_t *v;

	buf_init(&b, 10000);
	json_init(&j, &b, 0);
	json_open_array(&j, NULL);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_str(&j, NULL, rows[i].in);
	for (i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	json_strn(&j, NULL, all + 1, 255);
	json_end(&j);
	assert_int_equal(json_finish(&j), 0);
	v = parse(&b);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(json_string_value(json_array_get(v, i)), rows[i].out);
	json_decref(v);
	buf_done(&b);
}

static void a_full_buffer_is_told(void **state)
{
	struct json j;
	struct buf b;

	buf_init(&b, 12);
	json_init(&j, &b, 2);
	json_open_object(&j, NULL);
	json_str(&j, "name", "value");
	json_end(&j);
	assert_int_equal(json_finish(&j), -ENOBUFS);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_values_parse_back),
		cmocka_unit_test(layout_is_two_blanks),
		cmocka_unit_test(any_bytes_become_a_valid_string),
		cmocka_unit_test(a_full_buffer_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
