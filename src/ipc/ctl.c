#include "ipc/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of the escape \xHH at s (n bytes there), or -1. */
static int escape_value(const char *s, size_t n)
{
	int high, low;

	if (n < 4 || s[0] != '\\' || s[1] != 'x')
		return -1;
	high = hex_value(s[2]);
	low = hex_value(s[3]);
	if (high < 0 || low < 0 || high + low == 0)
		return -1;
	return high * 16 + low;
}

/* Undo the escapes of s[0..n) into dst, which has room. Length, or -1. */
static int unescape(char *dst, const char *s, size_t n)
{
	size_t i = 0, at = 0;

	while (i < n) {
		int c = (unsigned char)s[i];

		if (c == '\\') {
			c = escape_value(s + i, n - i);
			if (c < 0)
				return -1;
			i += 4;
		} else {
			i++;
		}
		dst[at++] = (char)c;
	}
	dst[at] = '\0';
	return (int)at;
}

/* May this byte stand in a word as it is? */
static bool plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static bool word_valid(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!plain((unsigned char)s[i]) && s[i] != '\\')
			return false;
	}
	return n > 0;
}

int ctl_parse(const char *line, size_t n, struct ctl_words *ret_words)
{
	struct ctl_words *w = ret_words;
	char *at = w->text;
	size_t pos = 0;

	w->count = 0;
	if (n >= CTL_LINE_MAX)
		return -WE_LIMIT;
	for (;;) {
		const char *s = line + pos, *end = memchr(s, ' ', n - pos);
		size_t len = end != NULL ? (size_t)(end - s) : n - pos;
		int k;

		if (w->count == CTL_WORDS_MAX)
			return -WE_LIMIT;
		if (len == 2 && memcmp(s, "\"\"", 2) == 0)
			k = unescape(at, "", 0);
		else
			k = word_valid(s, len) ? unescape(at, s, len) : -1;
		if (k < 0)
			return -WE_SYNTAX;
		w->word[w->count++] = at;
		at += k + 1; /* a word never grows, and its NUL takes the place of the blank */
		if (end == NULL)
			return 0;
		pos += len + 1;
	}
}

static int put_word(struct buf *out, const char *s)
{
	int r = *s == '\0' ? buf_puts(out, "\"\"") : 0;

	for (; *s != '\0' && r == 0; s++) {
		if (plain((unsigned char)*s))
			r = buf_putc(out, *s);
		else
			r = buf_printf(out, "\\x%02X", (unsigned char)*s);
	}
	return r;
}

int ctl_format(struct buf *out, const char *const word[], unsigned count)
{
	size_t start = out->len;
	unsigned i;
	int r = 0;

	if (count == 0 || count > CTL_WORDS_MAX)
		return -WE_LIMIT;
	for (i = 0; i < count && r == 0; i++) {
		if (i > 0)
			r = buf_putc(out, ' ');
		if (r == 0)
			r = put_word(out, word[i]);
	}
	if (r == 0)
		r = buf_putc(out, '\n');
	return r == 0 && out->len - start > CTL_LINE_MAX ? -WE_LIMIT : r;
}

int ctl_reply(struct buf *out, bool ok, const char *fmt, ...)
{
	char text[1001], escaped[sizeof(text) * 4];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when too long */
	va_end(ap);
	return buf_printf(out, "%s %s\n", ok ? "OK" : "ERR", str_escape(text, escaped, sizeof(escaped)));
}

int ctl_data(struct buf *out, const char *key, const char *value)
{
	char escaped[4096];

	return buf_printf(out, "%s %s\n", key, str_escape(value, escaped, sizeof(escaped)));
}

int ctl_parse_reply(char *line, bool *ret_ok, char **ret_text)
{
	bool ok = str_starts(line, "OK ");
	char *text = line + (ok ? 3 : 4);

	if (!ok && !str_starts(line, "ERR "))
		return -WE_SYNTAX;
	if (unescape(text, text, strlen(text)) < 0)
		return -WE_SYNTAX;
	*ret_ok = ok;
	*ret_text = text;
	return 0;
}

int ctl_parse_data(char *line, char **ret_key, char **ret_value)
{
	char *blank = strchr(line, ' ');

	if (blank == NULL || !word_valid(line, (size_t)(blank - line)))
		return -WE_SYNTAX;
	if (unescape(blank + 1, blank + 1, strlen(blank + 1)) < 0)
		return -WE_SYNTAX;
	*blank = '\0';
	*ret_key = line;
	*ret_value = blank + 1;
	return 0;
}
