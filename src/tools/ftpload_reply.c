#include "tools/ftpload_reply.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* The three digits at the start of a line, or 0. */
static int line_code(const char *line)
{
	if (line[0] < '1' || line[0] > '5' || !isdigit((unsigned char)line[1]) ||
		!isdigit((unsigned char)line[2]))
		return 0;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* A whole line is in r->line: the code when it ends a reply, 0 when not. */
static int line_ends(struct load_reply *r)
{
	int code = line_code(r->line);

	if (r->open_code == 0) {
		if (code == 0 || (r->line[3] != ' ' && r->line[3] != '-' && r->line[3] != '\0'))
			return -WE_SYNTAX;
		if (r->line[3] != '-')
			return code;
		r->open_code = code;
		return 0;
	}
	if (code != r->open_code || (r->line[3] != ' ' && r->line[3] != '\0'))
		return 0; /* any text may stand inside */
	r->open_code = 0;
	return code;
}

int load_reply_take(struct load_reply *r, const char **data, size_t *size)
{
	while (*size > 0) {
		const char *end = memchr(*data, '\n', *size);
		size_t n = end != NULL ? (size_t)(end - *data) : *size;
		int code;

		if (n > LOAD_LINE_MAX - r->len)
			return -WE_SYNTAX;
		memcpy(r->line + r->len, *data, n);
		r->len += n;
		*data += n + (end != NULL);
		*size -= n + (end != NULL);
		if (end == NULL)
			return 0;
		if (r->len > 0 && r->line[r->len - 1] == '\r')
			r->len--;
		r->line[r->len] = '\0';
		if (r->len < 3) /* what the last line left must not count */
			memset(r->line + r->len, 0, 4 - r->len);
		r->len = 0;
		code = line_ends(r);
		if (code != 0)
			return code;
	}
	return 0;
}

int load_reply_epsv(const char *text)
{
	const char *p = strchr(text, '(');
	char *end;
	char bar;
	unsigned long port;

	if (p == NULL || strlen(p) < 6)
		return -WE_SYNTAX;
	bar = p[1];
	if (p[2] != bar || p[3] != bar || !isdigit((unsigned char)p[4]))
		return -WE_SYNTAX;
	port = strtoul(p + 4, &end, 10);
	return *end == bar && port >= 1 && port <= 65535 ? (int)port : -WE_SYNTAX;
}

/* Six numbers below 256 with commas between, at p? */
static bool six_numbers(const char *p, unsigned *ret_n)
{
	for (int i = 0; i < 6; i++) {
		char *end;
		unsigned long v;

		if (!isdigit((unsigned char)*p))
			return false;
		v = strtoul(p, &end, 10);
		if (v > 255 || (i < 5 && *end != ','))
			return false;
		ret_n[i] = (unsigned)v;
		p = end + (i < 5);
	}
	return true;
}

int load_reply_pasv(const char *text)
{
	unsigned n[6];

	/* RFC 1123 4.1.2.6: the parentheses may be missing, so the first six numbers behind the code count. */
	if (strlen(text) < 4)
		return -WE_SYNTAX;
	for (const char *p = text + 4; *p != '\0'; p++) {
		if (!isdigit((unsigned char)*p) || isdigit((unsigned char)p[-1]))
			continue;
		if (six_numbers(p, n))
			return n[4] * 256 + n[5] != 0 ? (int)(n[4] * 256 + n[5]) : -WE_SYNTAX;
	}
	return -WE_SYNTAX;
}
