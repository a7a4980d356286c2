#include "ftp/reply.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define ERROR_TEXT_MAX 64 /* bytes of a refused command that are echoed */

/* What could end the line, or hide what follows, becomes harmless. */
static void clean(char *p, const char *end)
{
	for (; p < end; p++)
		if (*p == '\r' || *p == '\n' || *p == '\0')
			*p = '_';
}

static void cut(struct buf *out, size_t len)
{
	out->len = len;
	if (out->data != NULL)
		out->data[len] = '\0';
}

/* prefix, formatted text, CRLF; all or nothing. */
static int line_append(struct buf *out, const char *prefix, const char *fmt, va_list ap)
{
	size_t start = out->len, text;
	int r = buf_puts(out, prefix);

	text = out->len;
	if (r == 0)
		r = buf_vprintf(out, fmt, ap);
	if (r == 0)
		clean(out->data + text, out->data + out->len);
	if (r == 0)
		r = buf_puts(out, "\r\n");
	if (r < 0)
		cut(out, start);
	return r;
}

static const char *code_prefix(unsigned code, char after, char dst[8])
{
	assert(code >= 100 && code <= 599);
	snprintf(dst, 8, "%u%c", code, after);
	return dst;
}

int reply(struct buf *out, unsigned code, const char *fmt, ...)
{
	char prefix[8];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = line_append(out, code_prefix(code, ' ', prefix), fmt, ap);
	va_end(ap);
	return r;
}

int reply_first(struct buf *out, unsigned code, const char *fmt, ...)
{
	char prefix[8];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = line_append(out, code_prefix(code, '-', prefix), fmt, ap);
	va_end(ap);
	return r;
}

int reply_line(struct buf *out, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = line_append(out, " ", fmt, ap);
	va_end(ap);
	return r;
}

int reply_text(struct buf *out, unsigned code, const char *text, size_t len)
{
	const char *end = text + len;
	size_t start = out->len;
	bool first = true;
	int r = 0;

	while (text < end && r == 0) {
		const char *lf = memchr(text, '\n', (size_t)(end - text));
		const char *stop = lf != NULL ? lf : end;
		size_t n = (size_t)(stop - text);

		if (n > 0 && text[n - 1] == '\r')
			n--;
		if (first)
			r = reply_first(out, code, "%.*s", (int)n, text);
		else
			r = reply_line(out, "%.*s", (int)n, text);
		first = false;
		text = lf != NULL ? lf + 1 : end;
	}
	if (r < 0)
		cut(out, start);
	return r;
}

int reply_whole(struct buf *out, const char *line)
{
	bool good = strlen(line) > 4 && line[0] >= '1' && line[0] <= '5' && line[3] == ' ';

	for (int i = 1; i < 3 && good; i++)
		good = line[i] >= '0' && line[i] <= '9';
	if (!good)
		return reply(out, 421, "Service not available");
	return reply(out, (unsigned)((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0')), "%s",
		line + 4);
}

int reply_path(struct buf *out, const char *path, const char *rest)
{
	struct buf quoted;
	int r = 0;

	buf_init(&quoted, out->max);
	for (; *path != '\0' && r == 0; path++) {
		r = buf_putc(&quoted, *path);
		if (*path == '"' && r == 0)
			r = buf_putc(&quoted, '"');
	}
	if (r == 0)
		r = reply(out, 257, "\"%s\"%s", quoted.data != NULL ? quoted.data : "", rest);
	buf_done(&quoted);
	return r;
}

int reply_bad_line(struct buf *out, enum line_result what)
{
	switch (what) {
	case LINE_TOO_LONG:
		return reply(out, 500, "Command line too long");
	case LINE_BLANK:
		return reply(out, 500, "Invalid command: line begins with a blank");
	case LINE_NUL:
		return reply(out, 501, "Invalid character in command");
	case LINE_NONE:
	case LINE_COMMAND:
		break;
	}
	return 0;
}

int reply_unknown(struct buf *out, const struct line_cmd *cmd)
{
	char word[ERROR_TEXT_MAX + 1];
	size_t n = strcspn(cmd->raw, " "), i;

	for (i = 0; i < n && i < ERROR_TEXT_MAX; i++)
		word[i] = ascii_upper(cmd->raw[i]);
	word[i] = '\0';
	return reply(out, 500, "%s not understood", word);
}
