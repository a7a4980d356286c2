#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/str.h"

static void note(struct json *j, int r)
{
	if (r < 0 && j->error == 0)
		j->error = r;
}

static void put(struct json *j, const char *s)
{
	note(j, buf_puts(j->out, s));
}

static void new_line(struct json *j)
{
	if (j->indent != 0)
		note(j, buf_printf(j->out, "\n%*s", (int)(j->indent * j->depth), ""));
}

static void text(struct json *j, const char *s, size_t n)
{
	size_t i, len;

	put(j, "\"");
	for (i = 0; i < n; i += len) {
		unsigned char c = (unsigned char)s[i];

		len = utf8_len(s + i, n - i);
		if (len == 0) {
			put(j, "\\ufffd");
			len = 1;
		} else if (c == '"' || c == '\\') {
			note(j, buf_printf(j->out, "\\%c", c));
		} else if (c < 0x20 || c == 0x7f) {
			note(j, buf_printf(j->out, "\\u%04x", c));
		} else {
			note(j, buf_append(j->out, s + i, len));
		}
	}
	put(j, "\"");
}

/* What comes before each value: comma, line, name. */
static void before(struct json *j, const char *key)
{
	if (j->depth > 0) {
		if (j->filled[j->depth - 1])
			put(j, j->indent != 0 ? "," : ", ");
		j->filled[j->depth - 1] = true;
		new_line(j);
	}
	if (key != NULL) {
		text(j, key, strlen(key));
		put(j, ": ");
	}
}

static void open_level(struct json *j, const char *key, char open, char close)
{
	assert(j->depth < JSON_DEPTH_MAX);
	before(j, key);
	note(j, buf_putc(j->out, open));
	j->filled[j->depth] = false;
	j->close[j->depth++] = close;
}

void json_init(struct json *j, struct buf *out, unsigned indent)
{
	memset(j, 0, sizeof(*j));
	j->out = out;
	j->indent = indent;
}

void json_open_object(struct json *j, const char *key)
{
	open_level(j, key, '{', '}');
}

void json_open_array(struct json *j, const char *key)
{
	open_level(j, key, '[', ']');
}

void json_end(struct json *j)
{
	assert(j->depth > 0);
	j->depth--;
	if (j->filled[j->depth])
		new_line(j);
	note(j, buf_putc(j->out, j->close[j->depth]));
}

void json_strn(struct json *j, const char *key, const char *s, size_t n)
{
	before(j, key);
	text(j, s, n);
}

void json_str(struct json *j, const char *key, const char *s)
{
	json_strn(j, key, s, strlen(s));
}

void json_u64(struct json *j, const char *key, uint64_t v)
{
	before(j, key);
	note(j, buf_printf(j->out, "%" PRIu64, v));
}

void json_i64(struct json *j, const char *key, int64_t v)
{
	before(j, key);
	note(j, buf_printf(j->out, "%" PRId64, v));
}

void json_f64(struct json *j, const char *key, double v)
{
	before(j, key);
	note(j, isfinite(v) ? buf_printf(j->out, "%.10g", v) : buf_puts(j->out, "null"));
}

void json_bool(struct json *j, const char *key, bool v)
{
	before(j, key);
	put(j, v ? "true" : "false");
}

int json_finish(struct json *j)
{
	assert(j->depth == 0);
	return j->error;
}
