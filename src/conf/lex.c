/* Bytes to lines, lines to words. */
#include "conf/conf.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

void conf_lines_init(struct conf_lines *l, const char *text, size_t len)
{
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
		text += 3;
		len -= 3;
	}
	l->p = text;
	l->end = text + len;
	l->next = 1;
}

/* The physical line at l->p without LF and CR; moves past it. */
static size_t line_take(struct conf_lines *l, const char **ret_start)
{
	const char *nl = memchr(l->p, '\n', (size_t)(l->end - l->p));
	const char *stop = nl != NULL ? nl : l->end;
	size_t n = (size_t)(stop - l->p);

	*ret_start = l->p;
	l->p = nl != NULL ? nl + 1 : l->end;
	l->next++;
	if (n > 0 && stop[-1] == '\r')
		n--;
	return n;
}

static char *trimmed_copy(struct arena *a, const char *s, size_t n)
{
	while (n > 0 && blank(s[0])) {
		s++;
		n--;
	}
	while (n > 0 && blank(s[n - 1]))
		n--;
	return arena_strndup(a, s, n);
}

int conf_lines_next(
	struct conf_lines *l, struct arena *a, char **ret_text, unsigned *ret_line, struct err *err)
{
	struct buf b;
	bool more = true, long_line = false, nul = false;
	int r = 1;

	if (l->p >= l->end)
		return 0;
	*ret_line = l->next;
	buf_init(&b, CONF_MAX_LINE);
	while (more && l->p < l->end) {
		const char *s;
		size_t n = line_take(l, &s);

		more = n > 0 && s[n - 1] == '\\';
		if (more)
			n--;
		nul |= memchr(s, '\0', n) != NULL;
		long_line |= long_line || buf_append(&b, s, n) < 0;
	}
	if (nul)
		r = err_set(err, WE_SYNTAX, "line contains a NUL byte");
	else if (long_line)
		r = err_set(err, WE_SYNTAX, "line is longer than %u bytes", CONF_MAX_LINE);
	else if ((*ret_text = trimmed_copy(a, b.len > 0 ? b.data : "", b.len)) == NULL)
		r = err_set(err, ENOMEM, "out of memory");
	if (b.cap > 0)
		wipe(b.data, b.cap); /* the line may hold a password hash */
	buf_done(&b);
	return r;
}

struct splitter {
	struct arena *arena;
	struct conf_words *words;
	const char *(*env)(void *arg, const char *name);
	void *arg;
	struct err *err;
};

static int word_add(struct splitter *sp, const char *s, size_t n)
{
	struct conf_words *w = sp->words;
	char *copy = arena_strndup(sp->arena, n > 0 ? s : "", n);

	if (copy != NULL && w->n == w->cap) {
		unsigned cap = w->cap == 0 ? 8 : w->cap * 2;
		char **list = arena_alloc(sp->arena, cap * sizeof(*list));

		if (list != NULL && w->n > 0)
			memcpy(list, w->word, w->n * sizeof(*list));
		if (list != NULL) {
			w->word = list;
			w->cap = cap;
		}
	}
	if (copy == NULL || w->n == w->cap)
		return err_set(sp->err, ENOMEM, "out of memory");
	w->word[w->n++] = copy;
	return 0;
}

/* Is there a %{env:NAME} at s? Its value is appended to b. Returns its length in s, 0 when there is none. */
static size_t variable(struct splitter *sp, const char *s, struct buf *b, int *ret_r)
{
	static const char lead[] = "%{env:";
	const char *close, *value;
	char *name;

	*ret_r = 0;
	if (sp->env == NULL || strncmp(s, lead, sizeof(lead) - 1) != 0 || (close = strchr(s, '}')) == NULL)
		return 0;
	name = arena_strndup(sp->arena, s + sizeof(lead) - 1, (size_t)(close - s) - (sizeof(lead) - 1));
	if (name == NULL) {
		*ret_r = err_set(sp->err, ENOMEM, "out of memory");
		return 0;
	}
	value = sp->env(sp->arg, name);
	if (value == NULL)
		sp->words->unset_env = name;
	else if (buf_puts(b, value) < 0)
		*ret_r = err_set(sp->err, WE_SYNTAX, "value of %%{env:%.200s} is too long", name);
	return (size_t)(close - s) + 1;
}

static int split(struct splitter *sp, const char *s, struct buf *b);

/* s is after the opening quote. Returns bytes used with the closing quote, or a negative code. */
static ssize_t quoted_word(struct splitter *sp, const char *s, struct buf *b)
{
	const char *start = s;
	int r = 0;

	while (*s != '"') {
		size_t n = variable(sp, s, b, &r);

		if (r < 0)
			return r;
		if (n > 0) {
			s += n;
			continue;
		}
		if (*s == '\\' && s[1] != '\0')
			s++;
		if (*s == '\0')
			return err_set(sp->err, WE_SYNTAX, "unterminated quote");
		if (buf_putc(b, *s++) < 0)
			return err_set(sp->err, WE_SYNTAX, "word is too long");
	}
	r = word_add(sp, b->data, b->len);
	return r < 0 ? r : s + 1 - start;
}

static ssize_t plain_word(struct splitter *sp, const char *s, struct buf *b)
{
	const char *start = s;
	bool whole = false;
	int r = 0;

	while (*s != '\0' && !blank(*s)) {
		size_t n = variable(sp, s, b, &r);

		if (r < 0)
			return r;
		if (n > 0) {
			whole = s == start && (s[n] == '\0' || blank(s[n]));
			s += n;
			continue;
		}
		if (buf_putc(b, *s++) < 0)
			return err_set(sp->err, WE_SYNTAX, "word is too long");
	}
	if (whole && b->len > 0 && strpbrk(b->data, " \t") != NULL) {
		struct splitter inner = *sp;
		struct buf scratch;

		inner.env = NULL; /* a value is not searched for variables again */
		buf_init(&scratch, CONF_MAX_LINE);
		r = split(&inner, b->data, &scratch);
		buf_done(&scratch);
	} else {
		r = word_add(sp, b->data, b->len);
	}
	return r < 0 ? r : s - start;
}

static int split(struct splitter *sp, const char *s, struct buf *b)
{
	for (;;) {
		ssize_t n;

		while (blank(*s))
			s++;
		if (*s == '\0' || *s == '#')
			return 0;
		buf_clear(b);
		if (*s == '"') {
			s++;
			n = quoted_word(sp, s, b);
		} else {
			n = plain_word(sp, s, b);
		}
		if (n < 0)
			return (int)n;
		s += n;
	}
}

int conf_split(struct arena *a, const char *text, const char *(*env)(void *arg, const char *name), void *arg,
	struct conf_words *ret_words, struct err *err)
{
	struct splitter sp = {.arena = a, .words = ret_words, .env = env, .arg = arg, .err = err};
	struct buf b;
	int r;

	memset(ret_words, 0, sizeof(*ret_words));
	buf_init(&b, CONF_MAX_LINE);
	r = split(&sp, text, &b);
	if (b.cap > 0)
		wipe(b.data, b.cap);
	buf_done(&b);
	return r;
}
