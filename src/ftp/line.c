#include "ftp/line.h"

#include <string.h>
#include <sys/types.h>

#include "base/alloc.h"
#include "base/str.h"

#define COMPACT_BYTES 4096 /* taken bytes at the front that are moved away, at least */

void line_init(struct line_reader *r, size_t max_line, size_t max_pending)
{
	memset(r, 0, sizeof(*r));
	r->max = max_line;
	/* One byte more than the longest line with its end: so a full buffer always holds a line or one
	 * that is too long. And telnet_filter() asks for one byte more than it is given. */
	buf_init(&r->in, max_pending > max_line + 3 ? max_pending : max_line + 3);
	buf_init(&r->line, max_line + 2);
}

static void wiped_free(struct buf *b)
{
	if (b->data != NULL)
		wipe(b->data, b->cap);
	buf_done(b);
}

void line_done(struct line_reader *r)
{
	wiped_free(&r->in);
	wiped_free(&r->line);
}

/* Move what is pending to the front. What was taken is already overwritten. */
static void compact(struct line_reader *r)
{
	if (r->start == 0)
		return;
	buf_consume(&r->in, r->start);
	r->start = 0;
}

size_t line_room(struct line_reader *r)
{
	if (r->in.max - r->in.len <= 1)
		compact(r);
	return r->in.max - r->in.len > 1 ? r->in.max - r->in.len - 1 : 0;
}

const char *line_pending(const struct line_reader *r, size_t *ret_len)
{
	*ret_len = r->in.len - r->start;
	return *ret_len > 0 ? r->in.data + r->start : "";
}

void line_drop(struct line_reader *r)
{
	if (r->in.data != NULL)
		wipe(r->in.data, r->in.len);
	buf_clear(&r->in);
	r->start = r->scanned = 0;
	r->discarding = false;
}

/* Length of the pending input up to its first LF, or -1. */
static ssize_t line_end(struct line_reader *r)
{
	size_t pending;
	const char *from = line_pending(r, &pending);
	const char *lf = NULL;

	if (pending > r->scanned)
		lf = memchr(from + r->scanned, '\n', pending - r->scanned);
	if (lf != NULL)
		return lf - from;
	r->scanned = pending;
	return -1;
}

/* Drop n pending bytes. They may have been a password. Moving the rest waits until it is worth it: many
 * short lines in one packet must not cost a move each. */
static void input_take(struct line_reader *r, size_t n)
{
	if (n > 0)
		wipe(r->in.data + r->start, n);
	r->start += n;
	r->scanned = 0;
	if (r->start == r->in.len || (r->start >= COMPACT_BYTES && r->start >= r->in.len / 2))
		compact(r);
}

void line_rest(struct line_reader *r)
{
	compact(r);
	if (r->in.len == 0)
		wiped_free(&r->in);
	wiped_free(&r->line);
}

/* Throw away the rest of a line that was too long. True when its end was found. */
static bool discard(struct line_reader *r)
{
	ssize_t end = line_end(r);

	input_take(r, end < 0 ? r->in.len - r->start : (size_t)end + 1);
	r->discarding = end < 0;
	return end >= 0;
}

/* CR NUL becomes CR, in place. False when another NUL is there. */
static bool nuls_out(struct buf *b)
{
	size_t from, to = 0;

	for (from = 0; from < b->len; from++) {
		char c = b->data[from];

		if (c == '\0') {
			if (from == 0 || b->data[from - 1] != '\r')
				return false;
			continue;
		}
		b->data[to++] = c;
	}
	b->data[to] = '\0';
	b->len = to;
	return true;
}

static void command_fill(const struct buf *line, struct line_cmd *c)
{
	const char *blank = memchr(line->data, ' ', line->len);
	size_t verb = blank != NULL ? (size_t)(blank - line->data) : line->len;
	size_t i;

	for (i = 0; i < verb && i < LINE_VERB_MAX; i++)
		c->verb[i] = ascii_upper(line->data[i]);
	c->verb[i] = '\0';
	c->has_arg = blank != NULL;
	c->arg = blank != NULL ? blank + 1 : "";
	c->arg_len = blank != NULL ? line->len - verb - 1 : 0;
	c->raw = line->data;
	c->raw_len = line->len;
}

/* The line of len bytes at the start of the input, without its end, into r->line. */
static enum line_result line_read(struct line_reader *r, size_t len, struct line_cmd *ret_cmd)
{
	buf_clear(&r->line);
	if (buf_append(&r->line, r->in.data + r->start, len) < 0)
		return LINE_TOO_LONG; /* memory is out: the client may try again */
	if (!nuls_out(&r->line))
		return LINE_NUL;
	command_fill(&r->line, ret_cmd);
	return r->line.data[0] == ' ' ? LINE_BLANK : LINE_COMMAND;
}

/* Drop empty lines at the front. */
static void empty_lines_take(struct line_reader *r)
{
	size_t pending, n = 0;
	const char *p = line_pending(r, &pending);

	while (n < pending) {
		if (p[n] == '\n')
			n++;
		else if (p[n] == '\r' && n + 1 < pending && p[n + 1] == '\n')
			n += 2;
		else
			break;
	}
	if (n > 0)
		input_take(r, n);
}

bool line_waiting(struct line_reader *r)
{
	if (r->discarding && !discard(r))
		return false;
	empty_lines_take(r);
	return line_end(r) >= 0 || r->in.len - r->start > r->max + 1;
}

enum line_result line_next(struct line_reader *r, struct line_cmd *ret_cmd)
{
	enum line_result what;
	ssize_t end;
	size_t len;

	if (!line_waiting(r)) {
		line_rest(r); /* until bytes come, which may take long */
		return LINE_NONE;
	}
	end = line_end(r);
	if (end < 0) {
		(void)discard(r);
		return LINE_TOO_LONG;
	}
	len = (size_t)end;
	if (r->in.data[r->start + len - 1] == '\r') /* no empty line: len > 0 */
		len--;
	what = len > r->max ? LINE_TOO_LONG : line_read(r, len, ret_cmd);
	input_take(r, (size_t)end + 1);
	return what;
}

void line_forget(struct line_reader *r)
{
	if (r->line.data != NULL)
		wipe(r->line.data, r->line.cap);
	buf_clear(&r->line);
}

unsigned line_words(const char *arg, struct line_word *ret_words, unsigned max)
{
	unsigned n = 0;

	for (;;) {
		size_t len;

		arg += strspn(arg, " ");
		len = strcspn(arg, " ");
		if (len == 0)
			return n;
		if (n < max)
			ret_words[n] = (struct line_word){arg, len};
		n++;
		arg += len;
	}
}

bool line_word_is(const struct line_word *w, const char *text)
{
	if (w->len != strlen(text))
		return false;
	for (size_t i = 0; i < w->len; i++)
		if (ascii_upper(w->text[i]) != text[i])
			return false;
	return true;
}

bool line_word_number(const struct line_word *w, uint64_t max, uint64_t *ret_n)
{
	char text[24]; /* more digits are too many */

	if (w->len >= sizeof(text))
		return false;
	memcpy(text, w->text, w->len);
	text[w->len] = '\0';
	return str_to_u64(text, ret_n) == 0 && *ret_n <= max;
}
