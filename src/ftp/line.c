#include "ftp/line.h"

#include <stdlib.h>
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
	r->max_in = max_pending > max_line + 3 ? max_pending : max_line + 3;
}

struct buf *line_input(struct line_reader *r)
{
	if (r->held == NULL) {
		r->held = xcalloc(1, sizeof(*r->held));
		buf_init(&r->held->in, r->max_in);
		buf_init(&r->held->line, r->max + 2);
	}
	return &r->held->in;
}

static void wiped_free(struct buf *b)
{
	if (b->data != NULL)
		wipe(b->data, b->cap);
	buf_done(b);
}

void line_done(struct line_reader *r)
{
	if (r->held == NULL)
		return;
	wiped_free(&r->held->in);
	wiped_free(&r->held->line);
	free(r->held);
	r->held = NULL;
}

/* Move what is pending to the front. What was taken is already overwritten. */
static void compact(struct line_held *h)
{
	if (h->start == 0)
		return;
	buf_consume(&h->in, h->start);
	h->start = 0;
}

size_t line_room(struct line_reader *r)
{
	struct line_held *h = r->held;

	if (h == NULL)
		return r->max_in - 1;
	if (h->in.max - h->in.len <= 1)
		compact(h);
	return h->in.max - h->in.len > 1 ? h->in.max - h->in.len - 1 : 0;
}

const char *line_pending(const struct line_reader *r, size_t *ret_len)
{
	*ret_len = r->held != NULL ? r->held->in.len - r->held->start : 0;
	return *ret_len > 0 ? r->held->in.data + r->held->start : "";
}

void line_drop(struct line_reader *r)
{
	struct line_held *h = r->held;

	r->discarding = false;
	if (h == NULL)
		return;
	if (h->in.data != NULL)
		wipe(h->in.data, h->in.len);
	buf_clear(&h->in);
	h->start = h->scanned = 0;
}

/* Length of the pending input up to its first LF, or -1. */
static ssize_t line_end(struct line_reader *r)
{
	size_t pending;
	const char *from = line_pending(r, &pending);
	const char *lf = NULL;

	if (pending == 0)
		return -1;
	if (pending > r->held->scanned)
		lf = memchr(from + r->held->scanned, '\n', pending - r->held->scanned);
	if (lf != NULL)
		return lf - from;
	r->held->scanned = pending;
	return -1;
}

/* Drop n pending bytes. They may have been a password. Moving the rest waits until it is worth it: many
 * short lines in one packet must not cost a move each. */
static void input_take(struct line_held *h, size_t n)
{
	if (n > 0)
		wipe(h->in.data + h->start, n);
	h->start += n;
	h->scanned = 0;
	if (h->start == h->in.len || (h->start >= COMPACT_BYTES && h->start >= h->in.len / 2))
		compact(h);
}

void line_rest(struct line_reader *r)
{
	struct line_held *h = r->held;

	if (h == NULL)
		return;
	compact(h);
	if (h->in.len == 0)
		line_done(r);
	else
		wiped_free(&h->line);
}

/* Throw away the rest of a line that was too long. True when its end was found. */
static bool discard(struct line_reader *r)
{
	ssize_t end = line_end(r);
	size_t pending;

	(void)line_pending(r, &pending);
	if (pending > 0)
		input_take(r->held, end < 0 ? pending : (size_t)end + 1);
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

/* The line of len bytes at the start of the input, without its end, as the one returned last. */
static enum line_result line_read(struct line_reader *r, size_t len, struct line_cmd *ret_cmd)
{
	struct line_held *h = r->held;

	buf_clear(&h->line);
	if (buf_append(&h->line, h->in.data + h->start, len) < 0)
		return LINE_TOO_LONG; /* memory is out: the client may try again */
	if (!nuls_out(&h->line))
		return LINE_NUL;
	command_fill(&h->line, ret_cmd);
	return h->line.data[0] == ' ' ? LINE_BLANK : LINE_COMMAND;
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
		input_take(r->held, n);
}

bool line_waiting(struct line_reader *r)
{
	size_t pending;

	if (r->discarding && !discard(r))
		return false;
	empty_lines_take(r);
	(void)line_pending(r, &pending);
	return line_end(r) >= 0 || pending > r->max + 1;
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
	if (r->held->in.data[r->held->start + len - 1] == '\r') /* no empty line: len > 0 */
		len--;
	what = len > r->max ? LINE_TOO_LONG : line_read(r, len, ret_cmd);
	input_take(r->held, (size_t)end + 1);
	return what;
}

void line_forget(struct line_reader *r)
{
	if (r->held == NULL)
		return;
	if (r->held->line.data != NULL)
		wipe(r->held->line.data, r->held->line.cap);
	buf_clear(&r->held->line);
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
