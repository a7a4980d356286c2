#include "ftp/rewrite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "log/tlslog.h"

#define DEPTH_MAX  4   /* maps in maps */
#define PARTS_MAX  200 /* of one template with all that is in it */
#define GROUPS_MAX 10

enum part_kind { PART_TEXT, PART_RULE, PART_COND, PART_LETTER, PART_TIME, PART_ENV, PART_MAP };

struct part {
	struct part *next;
	enum part_kind kind;
	const char *text;         /* TEXT; ENV, MAP: the name; TIME: for strftime() */
	unsigned n;               /* RULE, COND: number of the group; LETTER: the letter */
	struct part *key, *other; /* MAP; other NULL: no default */
};

struct rewrite_template {
	struct part *parts;
	const char *maps[PARTS_MAX];
	unsigned n_maps, n_parts;
};

/* --- templates --- */

struct compiler {
	struct arena *arena;
	struct rewrite_template *t;
	struct err *err;
};

static struct part *part_add(struct compiler *c, struct part ***tail, enum part_kind kind)
{
	struct part *p;

	if (++c->t->n_parts > PARTS_MAX) {
		(void)err_set(c->err, WE_CONFIG, "more than %u variables and texts", (unsigned)PARTS_MAX);
		return NULL;
	}
	p = arena_alloc(c->arena, sizeof(*p));
	if (p == NULL) {
		(void)err_set(c->err, ENOMEM, "out of memory");
		return NULL;
	}
	p->kind = kind;
	**tail = p;
	*tail = &p->next;
	return p;
}

static int parts_compile(
	struct compiler *c, const char *s, const char *end, unsigned depth, struct part **ret_parts);

/* The '}' that ends what begins behind "${", or NULL; *ret_bar: a '|' in it, outside of inner maps, else NULL. */
static const char *map_end(const char *s, const char *end, const char **ret_bar)
{
	unsigned depth = 0;

	*ret_bar = NULL;
	for (; s < end; s++) {
		if (*s == '|' && depth == 0 && *ret_bar == NULL)
			*ret_bar = s;
		if ((s[0] == '$' || s[0] == '%') && s + 1 < end && s[1] == '{')
			depth++;
		else if (*s == '}' && depth-- == 0)
			return s;
	}
	return NULL;
}

/* "${name:key|default}" at s. Bytes of it, 0: it is none, or negative. */
static int map_compile(
	struct compiler *c, const char *s, const char *end, unsigned depth, struct part ***tail)
{
	const char *bar, *close = map_end(s + 2, end, &bar), *colon;
	struct part *p;
	int r;

	colon = close != NULL ? memchr(s + 2, ':', (size_t)(close - s - 2)) : NULL;
	if (colon == NULL || colon == s + 2)
		return 0;
	if (bar != NULL && bar < colon)
		return 0;
	if (depth == DEPTH_MAX)
		return err_set(c->err, WE_CONFIG, "more than %u maps in one another", (unsigned)DEPTH_MAX);
	p = part_add(c, tail, PART_MAP);
	if (p == NULL)
		return -WE_CONFIG;
	p->text = arena_strndup(c->arena, s + 2, (size_t)(colon - s - 2));
	if (p->text == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	c->t->maps[c->t->n_maps++] = p->text;
	r = parts_compile(c, colon + 1, bar != NULL ? bar : close, depth + 1, &p->key);
	if (r == 0 && bar != NULL)
		r = parts_compile(c, bar + 1, close, depth + 1, &p->other);
	return r < 0 ? r : (int)(close + 1 - s);
}

/* "%{...}" at s. As map_compile(). */
static int named_compile(struct compiler *c, const char *s, const char *end, struct part ***tail)
{
	static const struct {
		const char *name, *format;
	} times[] = {{"TIME_YEAR", "%Y"}, {"TIME_MON", "%m"}, {"TIME_DAY", "%d"}, {"TIME_WDAY", "0%w"},
		{"TIME_HOUR", "%H"}, {"TIME_MIN", "%M"}, {"TIME_SEC", "%S"}, {"TIME", "%Y%m%d%H%M%S"}};
	const char *close = memchr(s, '}', (size_t)(end - s));
	struct part *p;
	char name[80];
	size_t n;

	n = close != NULL ? (size_t)(close - s) - 2 : sizeof(name);
	if (n >= sizeof(name))
		return 0;
	memcpy(name, s + 2, n);
	name[n] = '\0';
	if (str_starts(name, "ENV:")) {
		p = part_add(c, tail, PART_ENV);
		if (p != NULL)
			p->text = arena_strdup(c->arena, name + 4);
		return p != NULL && p->text != NULL ? (int)n + 3 : -WE_CONFIG;
	}
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		if (!str_eq(times[i].name, name))
			continue;
		p = part_add(c, tail, PART_TIME);
		if (p == NULL)
			return -WE_CONFIG;
		p->text = times[i].format;
		return (int)n + 3;
	}
	return 0;
}

/* What is at s, which is '$' or '%'. As map_compile(). */
static int special_compile(
	struct compiler *c, const char *s, const char *end, unsigned depth, struct part ***tail)
{
	struct part *p;

	if (s + 1 >= end)
		return 0;
	if (s + 2 < end && s[1] == s[0] && s[2] >= '0' && s[2] <= '9') { /* "$$1" is "$1" */
		p = part_add(c, tail, PART_TEXT);
		if (p != NULL)
			p->text = arena_strndup(c->arena, s + 1, 2);
		return p != NULL && p->text != NULL ? 3 : -WE_CONFIG;
	}
	if (s[1] >= '0' && s[1] <= '9') {
		p = part_add(c, tail, s[0] == '$' ? PART_RULE : PART_COND);
		if (p != NULL)
			p->n = (unsigned)(s[1] - '0');
		return p != NULL ? 2 : -WE_CONFIG;
	}
	if (s[1] == '{')
		return s[0] == '$' ? map_compile(c, s, end, depth, tail) : named_compile(c, s, end, tail);
	if (s[0] == '%' && strchr("acfFgGhmpPtuUv", s[1]) != NULL) {
		p = part_add(c, tail, PART_LETTER);
		if (p != NULL)
			p->n = (unsigned char)s[1];
		return p != NULL ? 2 : -WE_CONFIG;
	}
	return 0;
}

static int parts_compile(
	struct compiler *c, const char *s, const char *end, unsigned depth, struct part **ret_parts)
{
	struct part **tail = ret_parts;

	while (s < end) {
		const char *from = s;
		int r = 0;

		while (s < end && (s == from || (*s != '$' && *s != '%'))) {
			if (s == from && (*s == '$' || *s == '%')) {
				r = special_compile(c, s, end, depth, &tail);
				if (r != 0)
					break;
			}
			s++;
		}
		if (r < 0)
			return r;
		s += r;
		if (r == 0) {
			struct part *p = part_add(c, &tail, PART_TEXT);

			if (p == NULL)
				return -WE_CONFIG;
			p->text = arena_strndup(c->arena, from, (size_t)(s - from));
			if (p->text == NULL)
				return err_set(c->err, ENOMEM, "out of memory");
		}
	}
	return 0;
}

int rewrite_template_compile(
	struct arena *a, const char *text, const struct rewrite_template **ret_template, struct err *err)
{
	struct compiler c = {a, arena_alloc(a, sizeof(struct rewrite_template)), err};

	if (c.t == NULL)
		return err_set(err, ENOMEM, "out of memory");
	*ret_template = c.t;
	return parts_compile(&c, text, text + strlen(text), 0, &c.t->parts);
}

const char *rewrite_template_map(const struct rewrite_template *t, unsigned i)
{
	return i < t->n_maps ? t->maps[i] : NULL;
}

/* --- maps --- */

static int entry_compare(const void *a, const void *b)
{
	const struct ftp_rewrite_entry *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	return r != 0 ? r : (x->line > y->line) - (x->line < y->line);
}

int rewrite_map_read(struct arena *a, const char *text, size_t len, struct ftp_rewrite_map *map)
{
	const char *end = text + len;
	unsigned lines = 1, n = 0;

	for (const char *p = text; p < end; p++)
		lines += *p == '\n';
	map->entries = arena_alloc(a, lines * sizeof(*map->entries));
	if (map->entries == NULL)
		return -ENOMEM;
	for (unsigned line = 1; text < end; line++) {
		const char *nl = memchr(text, '\n', (size_t)(end - text)), *stop = nl != NULL ? nl : end;
		const char *word[2];
		size_t size[2] = {0, 0};

		for (unsigned i = 0; i < 2; i++) {
			while (text < stop && (*text == ' ' || *text == '\t' || *text == '\r'))
				text++;
			word[i] = text;
			while (text < stop && *text != ' ' && *text != '\t' && *text != '\r' && *text != '\0')
				text++;
			size[i] = (size_t)(text - word[i]);
		}
		text = nl != NULL ? nl + 1 : end;
		if (size[1] == 0 || word[0][0] == '#' || word[1][0] == '#')
			continue;
		map->entries[n].key = arena_strndup(a, word[0], size[0]);
		map->entries[n].value = arena_strndup(a, word[1], size[1]);
		if (map->entries[n].key == NULL || map->entries[n].value == NULL)
			return -ENOMEM;
		map->entries[n++].line = line;
	}
	map->n_entries = n;
	qsort(map->entries, n, sizeof(*map->entries), entry_compare);
	return 0;
}

/* The first line of equal keys counts. */
static const char *entry_find(const struct ftp_rewrite_map *map, const char *key)
{
	unsigned lo = 0, hi = map->n_entries;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (strcmp(map->entries[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < map->n_entries && str_eq(map->entries[lo].key, key) ? map->entries[lo].value : NULL;
}

static const struct ftp_rewrite_map *map_find(const struct ftp_conf *conf, const char *name)
{
	const struct ftp_rewrite_map *m = conf->rewrite_maps;

	while (m != NULL && !str_eq(m->name, name))
		m = (const struct ftp_rewrite_map *)m->item.next;
	return m;
}

/* --- expanding --- */

struct groups {
	const char *text;
	size_t span[GROUPS_MAX][2]; /* begin and end; begin SIZE_MAX: it took no part */
	unsigned n;                 /* of the pattern, with the whole as the first */
};

struct rewriting {
	const struct rewrite_query *q;
	const char *arg;
	struct groups rule, cond;
};

static int expand(const struct rewriting *w, const struct part *p, struct buf *out);

static int put_group(const struct groups *g, unsigned n, struct buf *out)
{
	if (n >= g->n || g->span[n][0] == SIZE_MAX)
		return 0;
	return buf_append(out, g->text + g->span[n][0], g->span[n][1] - g->span[n][0]);
}

static int put(struct buf *out, const char *s)
{
	return s != NULL ? buf_puts(out, s) : 0;
}

static int put_letter(const struct rewriting *w, char letter, struct buf *out)
{
	const struct rewrite_query *q = w->q;
	char addr[ADDR_TEXT_MAX];
	int r = 0;

	switch (letter) {
	case 'a':
		return put(out, addr_text(q->who->client, addr));
	case 'c':
		return put(out, q->who->class_name != NULL ? q->who->class_name : "%c");
	case 'f':
		return put(out, w->arg);
	case 'F':
		return put(out, q->path != NULL ? q->path : w->arg);
	case 'g':
		return put(out, q->who->n_groups > 0 ? q->who->groups[0] : "");
	case 'G':
		for (unsigned i = 0; i < q->who->n_groups && r == 0; i++)
			r = buf_printf(out, "%s%s", i > 0 ? "," : "", q->who->groups[i]);
		return r;
	case 'h':
		return put(out,
			q->who->client_name != NULL ? q->who->client_name : addr_text(q->who->client, addr));
	case 'm':
		return put(out, q->verb);
	case 'p':
		return buf_printf(out, "%u", q->port);
	case 'P':
		return buf_printf(out, "%ld", (long)getpid());
	case 't':
		return buf_printf(out, "%lld", (long long)time(NULL));
	case 'u':
		return put(out, q->who->user);
	case 'U':
		return put(out, q->sent_user);
	default:
		return put(out, q->server_name);
	}
}

static int put_time(const char *format, struct buf *out)
{
	time_t now = time(NULL);
	char text[40];
	struct tm tm;

	if (localtime_r(&now, &tm) == NULL || strftime(text, sizeof(text), format, &tm) == 0)
		return 0;
	return buf_puts(out, text);
}

/* "!text!from!to", whose first byte separates its parts. Where the client's own bytes are is known, so they separate
 * nothing. */
static int key_split(const struct rewriting *w, const struct part *key, struct buf field[3])
{
	unsigned n = 0;
	char mark;
	int r = 0;

	if (key == NULL || key->kind != PART_TEXT)
		return -EINVAL;
	mark = key->text[0];
	for (const struct part *p = key; p != NULL && r == 0; p = p->next) {
		const char *s = p->text + (p == key);

		if (p->kind != PART_TEXT) {
			struct part one = *p;

			one.next = NULL;
			r = expand(w, &one, &field[n]);
			continue;
		}
		for (; *s != '\0' && r == 0; s++) {
			if (*s != mark)
				r = buf_putc(&field[n], *s);
			else if (++n == 3)
				return -EINVAL;
		}
	}
	return r < 0 ? r : n == 2 ? 0 : -EINVAL;
}

static const char *text_of(const struct buf *b)
{
	return b->len > 0 ? b->data : "";
}

static int replace_all(const struct rewriting *w, const struct part *key, struct buf *out)
{
	struct buf field[3];
	unsigned found = 0;
	int r;

	for (unsigned i = 0; i < 3; i++)
		buf_init(&field[i], REWRITE_MAX);
	r = key_split(w, key, field);
	if (r == 0) {
		const char *s = text_of(&field[0]), *from = text_of(&field[1]), *at;
		size_t n = strlen(from);

		for (at = s; n > 0 && (at = strstr(at, from)) != NULL; at += n)
			found++;
		if (found > w->q->conf->rewrite_max_replace)
			found = 0; /* it stays as it is */
		for (; found > 0 && r == 0; found--) {
			at = strstr(s, from);
			r = buf_append(out, s, (size_t)(at - s));
			if (r == 0)
				r = buf_puts(out, text_of(&field[2]));
			s = at + n;
		}
		if (r == 0)
			r = buf_puts(out, s);
	} else if (r == -EINVAL) {
		r = expand(w, key, out); /* not of that form: as it is */
	}
	for (unsigned i = 0; i < 3; i++)
		buf_done(&field[i]);
	return r;
}

static int hex(char c)
{
	const char *digits = "0123456789abcdef", *p = c != '\0' ? strchr(digits, ascii_lower(c)) : NULL;

	return p != NULL ? (int)(p - digits) : -1;
}

static int put_unescaped(const char *s, struct buf *out)
{
	int r = 0;

	for (; *s != '\0' && r == 0; s++) {
		int high = *s == '%' ? hex(s[1]) : -1, low = high >= 0 ? hex(s[2]) : -1;

		if (low == 0 && high == 0)
			return -EINVAL; /* who reads on would not see what is behind it */
		r = buf_putc(out, low >= 0 ? (char)(high * 16 + low) : *s);
		s += low >= 0 ? 2 : 0;
	}
	return r;
}

/* UTF-8 to Latin-1; what has no place there, or is no UTF-8, stays. */
static int put_latin1(const char *s, struct buf *out)
{
	int r = 0;

	for (; *s != '\0' && r == 0; s++) {
		unsigned char a = (unsigned char)s[0], b = (unsigned char)s[1];

		if ((a == 0xc2 || a == 0xc3) && (b & 0xc0) == 0x80) {
			r = buf_putc(out, (char)(((a & 3) << 6) | (b & 0x3f)));
			s++;
		} else {
			r = buf_putc(out, *s);
		}
	}
	return r;
}

static int put_map(const struct rewriting *w, const struct part *p, struct buf *out)
{
	const struct ftp_rewrite_map *map = map_find(w->q->conf, p->text);
	const char *value = NULL;
	struct buf key;
	int r;

	if (map != NULL && map->kind == FTP_MAP_REPLACEALL)
		return replace_all(w, p->key, out);
	buf_init(&key, REWRITE_MAX);
	r = expand(w, p->key, &key);
	if (r == 0 && map != NULL) {
		const char *s = text_of(&key);

		switch (map->kind) {
		case FTP_MAP_TOUPPER:
			for (; *s != '\0' && r == 0; s++)
				r = buf_putc(out, ascii_upper(*s));
			break;
		case FTP_MAP_TOLOWER:
			for (; *s != '\0' && r == 0; s++)
				r = buf_putc(out, ascii_lower(*s));
			break;
		case FTP_MAP_UNESCAPE:
			r = put_unescaped(s, out);
			break;
		case FTP_MAP_UTF8TRANS:
			r = put_latin1(s, out);
			break;
		default:
			value = entry_find(map, s);
			r = value != NULL ? buf_puts(out, value) : expand(w, p->other, out);
		}
	} else if (r == 0) {
		r = expand(w, p->other, out);
	}
	buf_done(&key);
	return r;
}

static int expand(const struct rewriting *w, const struct part *p, struct buf *out)
{
	int r = 0;

	for (; p != NULL && r == 0; p = p->next) {
		switch (p->kind) {
		case PART_TEXT:
			r = buf_puts(out, p->text);
			break;
		case PART_RULE:
			r = put_group(&w->rule, p->n, out);
			break;
		case PART_COND: /* "%20" is a blank in a URL where the condition has no such group */
			r = p->n < w->cond.n ? put_group(&w->cond, p->n, out) : buf_printf(out, "%%%u", p->n);
			break;
		case PART_LETTER:
			r = put_letter(w, (char)p->n, out);
			break;
		case PART_TIME:
			r = put_time(p->text, out);
			break;
		case PART_ENV:
			r = put(out, getenv(p->text));
			break;
		case PART_MAP:
			r = put_map(w, p, out);
			break;
		}
	}
	return r;
}

/* --- rules --- */

/* Does the pattern match? 1, 0, -WE_LIMIT. g gets what its groups matched, where it is not negated. */
static int match(const struct ftp_pattern *p, const char *text, struct groups *g)
{
	int r = ftp_regex_groups(p->re, text, g->span, GROUPS_MAX);

	g->text = text;
	g->n = 0;
	if (r < 0)
		return r;
	if (p->negate)
		return r == 0;
	g->n = (unsigned)r;
	return r > 0;
}

/* text: fresh memory for what was compared, which the groups refer to. */
static int cond_holds(struct rewriting *w, const struct ftp_rewrite_cond *c, struct buf *text)
{
	struct groups g = {0};
	int r = expand(w, c->text->parts, text), order;

	if (r < 0)
		return r;
	if (c->compare == REWRITE_REGEX) {
		r = match(&c->pattern, text_of(text), &g);
		if (r > 0)
			w->cond = g;
		return r;
	}
	order = strcmp(c->plain, text_of(text));
	r = c->compare == REWRITE_LESS ? order < 0 : c->compare == REWRITE_GREATER ? order > 0 : order == 0;
	return r != (int)c->negate;
}

/* Conditions are joined by "and", those with OR by "or" with the next. */
static int conds_hold(struct rewriting *w, const struct ftp_rewrite_rule *rule, struct buf *texts)
{
	bool any = false;

	for (unsigned i = 0; i < rule->n_conds; i++) {
		const struct ftp_rewrite_cond *c = rule->conds[i];
		int r = any ? 1 : cond_holds(w, c, &texts[i]);

		if (r < 0)
			return r;
		any = r > 0 && c->or_next;
		if (r == 0 && !c->or_next)
			return 0;
		if (r > 0 && c->or_next && i + 1 == rule->n_conds)
			any = false; /* nothing follows */
	}
	return 1;
}

static int rule_apply(
	const struct rewrite_query *q, const struct ftp_rewrite_rule *rule, const char *arg, struct buf *out)
{
	struct rewriting w = {.q = q, .arg = arg};
	struct buf *texts = xcalloc(rule->n_conds + 1, sizeof(*texts));
	int r = match(&rule->pattern, arg, &w.rule);

	for (unsigned i = 0; i < rule->n_conds; i++)
		buf_init(&texts[i], REWRITE_MAX);
	if (r > 0)
		r = conds_hold(&w, rule, texts);
	if (r > 0) {
		r = expand(&w, rule->subst->parts, out);
		r = r < 0 ? r : 1;
	}
	for (unsigned i = 0; i < rule->n_conds; i++)
		buf_done(&texts[i]);
	free(texts);
	return r;
}

int ftp_rewrite(const struct rewrite_query *q, const char *arg, struct buf *out)
{
	struct buf next;
	int r = 0;

	buf_init(&next, REWRITE_MAX);
	for (const struct ftp_rewrite_rule *rule = q->rules; rule != NULL && r >= 0;
		rule = (const struct ftp_rewrite_rule *)rule->item.next) {
		const char *now = out->len > 0 ? out->data : arg;

		buf_clear(&next);
		r = rule_apply(q, rule, now, &next);
		if (r <= 0 || next.len == 0) /* an empty argument would be another command */
			continue;
		if (strlen(next.data) != next.len || strpbrk(next.data, "\r\n") != NULL)
			r = -EINVAL;
		buf_clear(out);
		if (r > 0)
			r = buf_puts(out, next.data);
	}
	if (next.data != NULL)
		wipe(next.data, next.cap); /* it may be a password */
	buf_done(&next);
	if (r < 0)
		return r == -EINVAL ? r : -WE_LIMIT;
	return out->len > 0;
}

/* --- commands --- */

static void record(const struct rewrite_query *q, const char *from, const char *to, const struct log_ctx *log)
{
	char text[1500], a[500], b[500];
	const struct tlslog line = {.wall_ms = (int64_t)clock_wall_ms(),
		.ctx = log,
		.channel = "rewrite",
		.text = text,
		.duration_ms = -1};
	int r;

	if (q->conf->rewrite_log == NULL)
		return;
	if (from == NULL)
		(void)snprintf(text, sizeof(text), "%s (hidden)", q->verb);
	else
		(void)snprintf(text, sizeof(text), "%s '%s' -> '%s'", q->verb, str_escape(from, a, sizeof(a)),
			to != NULL ? str_escape(to, b, sizeof(b)) : "refused");
	r = tlslog_write(q->conf->rewrite_log->fd, &line);
	if (r < 0)
		log_debug(log, 1, "cannot write RewriteLog: %s", err_text(r));
}

/* arg by the rules for verb; out is empty before, and holds what it is afterwards if the answer is 1. */
static int argument(struct rewrite_query *q, const char *verb, const char *arg, bool secret,
	const struct log_ctx *log, struct buf *out)
{
	int r;

	q->verb = verb;
	r = ftp_rewrite(q, arg, out);
	if (r != 0)
		record(q, secret ? NULL : arg, r > 0 ? out->data : NULL, log);
	if (r < 0 && !secret)
		log_notice(log, "the argument of %s cannot be rewritten: %s", verb,
			r == -EINVAL ? "the result would end a line" : "a limit was reached");
	return r;
}

/* SITE CHMOD and SITE CHGRP are asked about by both words first; the argument is what follows them. */
static int site_argument(struct rewrite_query *q, const char *arg, const struct log_ctx *log, struct buf *out)
{
	size_t n = strcspn(arg, " ");
	char verb[5 + 6];
	struct buf rest;
	int r;

	if (n != 5 || arg[n] != ' ' ||
		(strncasecmp(arg, "CHMOD", 5) != 0 && strncasecmp(arg, "CHGRP", 5) != 0))
		return 0;
	(void)snprintf(verb, sizeof(verb), "SITE %.5s", arg);
	buf_init(&rest, REWRITE_MAX);
	r = argument(q, verb, arg + n + 1, false, log, &rest);
	if (r > 0 && buf_printf(out, "%.5s %s", arg, rest.data) < 0)
		r = -WE_LIMIT;
	buf_done(&rest);
	return r;
}

int ftp_rewrite_command(struct rewrite_query *q, const struct line_cmd *cmd, bool secret,
	const struct log_ctx *log, struct buf *line, struct line_cmd *ret_cmd)
{
	struct buf first, second;
	const char *arg = cmd->arg;
	int r = 0, again = 0;

	buf_init(line, REWRITE_MAX + LINE_VERB_MAX + 1);
	if (!q->conf->rewrite_engine || q->rules == NULL || cmd->arg_len == 0)
		return 0;
	buf_init(&first, REWRITE_MAX);
	buf_init(&second, REWRITE_MAX);
	if (str_eq(cmd->verb, "SITE"))
		r = site_argument(q, arg, log, &first);
	if (r > 0)
		arg = first.data;
	if (r >= 0)
		again = argument(q, cmd->verb, arg, secret, log, &second);
	if (again > 0)
		arg = second.data;
	r = r < 0 ? r : again < 0 ? again : r > 0 || again > 0;
	if (r > 0 && buf_printf(line, "%s %s", cmd->verb, arg) < 0)
		r = -WE_LIMIT;
	if (r > 0) {
		*ret_cmd = *cmd;
		ret_cmd->raw = line->data;
		ret_cmd->raw_len = line->len;
		ret_cmd->arg = line->data + strlen(cmd->verb) + 1;
		ret_cmd->arg_len = line->len - strlen(cmd->verb) - 1;
		ret_cmd->has_arg = true;
	}
	if (secret && second.data != NULL)
		wipe(second.data, second.cap);
	buf_done(&first);
	buf_done(&second);
	return r;
}
