#include "ftp/expr.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "ftp/regex.h"

enum expr_op { EXPR_OR, EXPR_AND, EXPR_REGEX };

struct element {
	const char *name; /* "*" for any */
	bool negate;
};

struct ftp_expr {
	enum expr_op op;
	struct element *elements;
	unsigned n;
	struct ftp_pattern pattern; /* EXPR_REGEX */
};

/* Elements of "a,!b, c": commas separate, blanks around do not matter. */
static int elements_parse(struct arena *a, struct ftp_expr *e, char *list, struct err *err)
{
	unsigned max = 1;
	char *save = NULL;

	for (const char *c = list; *c != '\0'; c++)
		max += *c == ',';
	e->elements = arena_alloc(a, max * sizeof(*e->elements));
	if (e->elements == NULL)
		return err_set(err, ENOMEM, "out of memory");
	for (char *w = strtok_r(list, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
		char *end;

		w += strspn(w, " \t");
		for (end = w + strlen(w); end > w && (end[-1] == ' ' || end[-1] == '\t');)
			*--end = '\0';
		if (w[0] == '\0')
			continue;
		e->elements[e->n].negate = w[0] == '!';
		e->elements[e->n].name = w + (w[0] == '!');
		if (e->elements[e->n].name[0] == '\0')
			return err_set(err, WE_CONFIG, "'!' without a name");
		e->n++;
	}
	return e->n > 0 ? 0 : err_set(err, WE_CONFIG, "empty list of names");
}

/* words joined by sep, in arena. */
static char *joined(struct arena *a, char *const *words, unsigned n, const char *sep)
{
	size_t len = 1, step = strlen(sep);
	char *s, *p;

	for (unsigned i = 0; i < n; i++)
		len += strlen(words[i]) + step;
	s = p = arena_alloc(a, len);
	for (unsigned i = 0; s != NULL && i < n; i++) {
		size_t k = strlen(words[i]);

		memcpy(p, words[i], k);
		p += k;
		if (i + 1 < n) {
			memcpy(p, sep, step);
			p += step;
		}
	}
	return s;
}

int ftp_expr_compile(struct arena *a, enum ftp_expr_kind kind, char *const *words, unsigned n,
	struct ftp_expr **ret_expr, struct err *err)
{
	struct ftp_expr *e = arena_alloc(a, sizeof(*e));
	bool regex = n > 1 && str_eq_nocase(words[0], "regex");
	char *list;
	int r;

	if (e == NULL)
		return err_set(err, ENOMEM, "out of memory");
	e->op = kind == FTP_EXPR_GROUP ? EXPR_AND : EXPR_OR;
	if (!regex && n > 1 && (str_eq_nocase(words[0], "AND") || str_eq_nocase(words[0], "OR")))
		e->op = str_eq_nocase(*words++, "AND") ? EXPR_AND : EXPR_OR, n--;
	list = regex ? joined(a, words + 1, n - 1, " ") : joined(a, words, n, ",");
	if (list == NULL)
		return err_set(err, ENOMEM, "out of memory");
	if (regex)
		e->op = EXPR_REGEX;
	r = regex ? ftp_pattern_compile(a, list, NULL, &e->pattern, err) : elements_parse(a, e, list, err);
	if (r == 0)
		*ret_expr = e;
	return r;
}

const char *ftp_expr_name(const struct ftp_expr *e, unsigned i)
{
	return i < e->n ? e->elements[i].name : NULL;
}

void ftp_expr_any(struct ftp_expr *e)
{
	if (e->op == EXPR_AND)
		e->op = EXPR_OR;
}

/* Does any of the names satisfy the regular expression? One that was given up satisfies nothing. */
static bool regex_any(const struct ftp_expr *e, const char *const *names, unsigned n)
{
	bool yes = false;

	for (unsigned i = 0; i < n && !yes; i++)
		yes = names[i] != NULL && ftp_regex_match(e->pattern.re, names[i]) > 0;
	return yes != e->pattern.negate;
}

static bool is_one_of(const char *name, const char *const *names, unsigned n)
{
	if (str_eq(name, "*"))
		return true;
	for (unsigned i = 0; i < n; i++) {
		if (names[i] != NULL && str_eq(names[i], name))
			return true;
	}
	return false;
}

bool ftp_expr_match(const struct ftp_expr *e, enum ftp_expr_kind kind, const struct ftp_subject *who)
{
	const char *const *names = kind == FTP_EXPR_USER    ? &who->user
				   : kind == FTP_EXPR_GROUP ? who->groups
							    : &who->class_name;
	unsigned n = kind == FTP_EXPR_GROUP ? who->n_groups : 1;

	if (kind == FTP_EXPR_USER && who->user == NULL)
		return false; /* not known: neither in a list nor outside of it */
	if (kind == FTP_EXPR_GROUP && !who->authenticated && who->n_groups == 0)
		return false;
	if (e->op == EXPR_REGEX)
		return regex_any(e, names, n);
	for (unsigned i = 0; i < e->n; i++) {
		bool holds = is_one_of(e->elements[i].name, names, n) != e->elements[i].negate;

		if (holds != (e->op == EXPR_AND))
			return holds;
	}
	return e->op == EXPR_AND;
}
