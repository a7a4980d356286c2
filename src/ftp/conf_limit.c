/* <Limit> sections of the parsed tree. */
#include "ftp/build.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/verb.h"

static bool is_limit_word(const char *w)
{
	static const char *const groups[] = {"ALL", "DIRS", "LOGIN", "READ", "SITE", "WRITE"};

	for (unsigned i = 0; i < ARRAY_LEN(groups); i++) {
		if (str_eq(w, groups[i]))
			return true;
	}
	return str_starts(w, "OPTS_") || verb_find_limit(w) != NULL;
}

/* The verbs of a <Limit> in upper case, XMKD as MKD; commas separate as well. LOGIN is dropped in a directory. */
static int limit_commands(const struct conf_tree *t, struct arena *a, const struct conf_section *s,
	bool in_dir, struct ftp_limit *limit)
{
	const struct conf_pos pos = ftp_section_pos(s);
	const char **list;
	unsigned max = 0, n = 0;

	for (unsigned i = 0; i < s->n_args; i++) {
		for (const char *p = s->args[i]; *p != '\0'; p++)
			max += *p == ',';
		max++;
	}
	list = arena_alloc(a, 3 * max * sizeof(*list)); /* SITE_COPY becomes three */
	for (unsigned i = 0; list != NULL && i < s->n_args; i++) {
		char *copy = arena_strdup(a, s->args[i]), *save = NULL;
		const struct ftp_verb *verb;

		if (copy == NULL)
			return -ENOMEM;
		for (char *w = strtok_r(copy, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
			for (char *p = w; *p != '\0'; p++)
				*p = ascii_upper(*p);
			verb = verb_find_limit(w);
			if (strspn(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(w))
				conf_fail(t->parser, &pos, "<Limit>", "'%.60s' is no command", w);
			else if (in_dir && str_eq(w, "LOGIN"))
				conf_warn(t->parser, &pos, "<Limit>",
					"LOGIN is ignored in a directory; written");
			else
				list[n++] = verb != NULL ? verb->limit : w;
			if (n > 0 && list[n - 1] == w && !is_limit_word(w))
				conf_warn(t->parser, &pos, "<Limit>",
					"'%.60s' is no command of this server; named", w);
		}
	}
	for (unsigned i = 0, end = n; list != NULL && i < end; i++) {
		/* the two halves of it */
		if (str_eq(list[i], "SITE_COPY")) {
			list[n++] = "SITE_CPFR";
			list[n++] = "SITE_CPTO";
		}
	}
	limit->commands = list;
	limit->n_commands = n;
	return list != NULL ? 0 : -ENOMEM;
}

int ftp_make_limits(const struct conf_tree *tree, struct arena *a, struct conf_section *s)
{
	bool in_dir = s->kind == CONF_KIND_DIRECTORY || s->kind == CONF_KIND_FTPACCESS;

	for (struct conf_section *c = s->children; c != NULL; c = c->next) {
		const struct ftp_body *body = c->store[FTP_STORE_BODY];
		struct ftp_made *made;
		struct ftp_limit *limit;

		if (c->kind != CONF_KIND_LIMIT)
			continue;
		c->made = made = arena_alloc(a, sizeof(*made));
		limit = arena_alloc(a, sizeof(*limit));
		if (limit == NULL || made == NULL)
			return -ENOMEM;
		if (body != NULL)
			*limit = body->limit;
		limit->next = NULL;
		limit->file = c->file;
		limit->line = c->line;
		if (limit_commands(tree, a, c, in_dir, limit) < 0)
			return -ENOMEM;
		if (limit->n_commands > 0)
			made->limit = limit;
	}
	return 0;
}

int ftp_build_limits(struct arena *a, const struct conf_section *s, struct ftp_limit ***tail)
{
	for (const struct conf_section *c = s->children; c != NULL; c = c->next) {
		struct ftp_limit *limit;

		if (c->kind != CONF_KIND_LIMIT || ftp_made(c)->limit == NULL)
			continue;
		limit = arena_alloc(a, sizeof(*limit));
		if (limit == NULL)
			return -ENOMEM;
		*limit = *ftp_made(c)->limit; /* its own link: the section may be in many scopes */
		**tail = limit;
		*tail = &limit->next;
	}
	return 0;
}
