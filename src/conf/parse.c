/* Lines to a tree of sections whose directives are typed values. */
#include "conf/conf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

static bool given_up(const struct conf_parser *p)
{
	return p->n_errors >= CONF_MAX_ERRORS;
}

static void *store_get(struct conf_parser *p, struct conf_section *s, unsigned store)
{
	if (s->store[store] == NULL)
		s->store[store] = arena_alloc(p->arena, p->lang->store_size[store]);
	return s->store[store];
}

static int list_append(struct conf_call *c, void *store)
{
	struct conf_item **tail = (struct conf_item **)((char *)store + c->row->field.offset);
	struct conf_item *item = arena_alloc(c->arena, c->row->item_size);
	int r;

	if (item == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	r = c->row->parse(c, item);
	if (r < 0)
		return r;
	item->file = c->pos.file;
	item->line = c->pos.line;
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = item;
	return 0;
}

static int only_check(struct conf_call *c)
{
	const char *const *only = c->row->only;

	if (only == NULL || c->n_args == 0)
		return 0;
	for (; *only != NULL; only++) {
		if (str_eq_nocase(*only, c->args[0]))
			return 0;
	}
	conf_note_send(c->parser, CONF_EV_REFUSED, c->row->name,
		"this value is not supported by this version", &c->pos);
	return err_set(c->err, WE_CONFIG,
		"'%.60s' is not supported by this version, only '%s' is accepted: %s", c->args[0],
		c->row->only[0], c->row->reason);
}

static int refuse(struct conf_call *c)
{
	conf_note_send(c->parser, CONF_EV_REFUSED, c->row->name, c->row->reason, &c->pos);
	return err_set(c->err, WE_CONFIG, "refused: %s", c->row->reason);
}

static int row_set(struct conf_call *c, unsigned store)
{
	void *st = store_get(c->parser, c->section, store);

	if (st == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	switch (c->row->type) {
	case CONF_T_NOEFFECT:
		if ((c->row->flags & CONF_REFUSED) != 0)
			return refuse(c);
		if (c->row->parse != NULL)
			return c->row->parse(c, NULL);
		return only_check(c);
	case CONF_T_CUSTOM:
		return c->row->parse(c, st);
	case CONF_T_LIST:
		return list_append(c, st);
	default:
		return conf_value_set(c, (char *)st + c->row->field.offset);
	}
}

static bool args_fit(const struct conf_row *row, unsigned n)
{
	switch (row->type) {
	case CONF_T_CUSTOM:
	case CONF_T_LIST:
	case CONF_T_NOEFFECT:
		return n >= row->min_args && n <= (row->max_args == 0 ? row->min_args : row->max_args);
	case CONF_T_FLAGS:
		return n >= 1;
	default:
		return n == 1;
	}
}

/* May the value be set? Warns about the second one of a single-valued directive in a scope. */
static bool duplicate_check(struct conf_call *c, struct conf_pos *set)
{
	const struct conf_row *row = c->row;

	if (set->file == NULL || row->type == CONF_T_LIST || (row->flags & CONF_REPEATABLE) != 0)
		return true;
	conf_warn(c->parser, &c->pos, row->name,
		"already set on line %u of '%.200s', the %s counts; given again", set->line, set->file,
		(row->flags & CONF_LAST_WINS) != 0 ? "last" : "first");
	return (row->flags & CONF_LAST_WINS) != 0;
}

static int row_apply(struct conf_parser *p, const struct conf_row *row, const struct conf_words *w,
	const struct conf_pos *pos)
{
	struct err err = ERR_INIT;
	struct conf_call c = {
		p, row, p->cur, p->arena, w->word + 1, w->n - 1, *pos, p->in->arg, &err, row->reason};
	const struct conf_table *table;
	struct conf_pos *set = (struct conf_pos *)&p->cur->set[conf_row_index(p->lang, row, &table)];
	int r;

	if (!args_fit(row, c.n_args)) {
		conf_fail(p, pos, row->name, "wrong number of parameters (syntax: %s %s)", row->name,
			row->syntax);
		return 0;
	}
	if (!duplicate_check(&c, set))
		return 0;
	r = row_set(&c, table->store);
	if (r == -ENOMEM)
		return conf_out_of_memory(p);
	if (r < 0) {
		if (err.code != 0) /* otherwise it has been reported */
			conf_fail(p, pos, row->name, "%s", err.text);
		return 0;
	}
	*set = *pos;
	conf_note_send(p, row->type == CONF_T_NOEFFECT ? CONF_EV_NO_EFFECT : CONF_EV_SUPPORTED, row->name,
		row->reason, pos);
	return 0;
}

static int directive_line(struct conf_parser *p, char *line, const struct conf_pos *pos)
{
	struct err err = ERR_INIT;
	struct conf_words w;
	const struct conf_row *row;
	bool other;
	int r;

	r = conf_split(p->arena, line, p->in->getenv, p->in->arg, &w, &err);
	if (r == -ENOMEM)
		return conf_out_of_memory(p);
	if (r < 0 && w.n > 0)
		conf_fail(p, pos, w.word[0], "%s", err.text);
	else if (r < 0)
		conf_fail(p, pos, NULL, "%s", err.text);
	if (r < 0 || w.n == 0)
		return 0;
	if (w.unset_env != NULL)
		conf_warn(p, pos, w.word[0], "environment variable '%.100s' is not set, using an empty value",
			w.unset_env);
	row = conf_row_find(p->lang, w.word[0], p->cur->kind, &other);
	if (row != NULL) {
		r = row_apply(p, row, &w, pos);
		if ((row->flags & CONF_SECRET) != 0)
			wipe(line, strlen(line)); /* the value's words are all that is left of it */
		return r;
	}
	if (other)
		conf_fail(p, pos, w.word[0], "directive not allowed in %s context",
			conf_kind_name(p->cur->kind));
	else
		conf_unknown(p, w.word[0], pos);
	return 0;
}

/* --- texts --- */

static int one_line(struct conf_parser *p, char *line, const struct conf_pos *pos)
{
	if (p->skip != NULL) {
		conf_skip_line(p, line);
		return 0;
	}
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	return line[0] == '<' ? conf_tag_line(p, line, pos) : directive_line(p, line, pos);
}

/* Sections balance per file: what is open at the end of src was opened in it and is an error. */
static void balance_check(struct conf_parser *p, const struct open_tag *base)
{
	if (p->skip != NULL)
		conf_fail(p, &p->skip_pos, p->skip, "section is not closed, it was opened");
	p->skip = NULL;
	for (; p->open != base; p->open = p->open->outer) {
		conf_fail(p, &p->open->pos, p->open->name, "section is not closed, it was opened");
		if (p->open->section != NULL)
			p->cur = p->open->section->parent;
	}
}

int conf_parse_text(struct conf_parser *p, const struct source *src, const char *text, size_t len)
{
	const struct source *outer = p->source;
	const struct open_tag *base = p->open;
	struct conf_lines lines;
	struct conf_pos pos = {src->name, 0};
	int r = 0;

	p->source = src;
	conf_lines_init(&lines, text, len);
	while (r >= 0 && !given_up(p)) {
		struct err err = ERR_INIT;
		char *line;

		r = conf_lines_next(&lines, p->arena, &line, &pos.line, &err);
		if (r == 0)
			break;
		if (r == -WE_SYNTAX)
			r = (conf_fail(p, &pos, NULL, "%s", err.text), 0);
		else if (r > 0)
			r = one_line(p, line, &pos);
		else
			conf_out_of_memory(p);
	}
	if (r >= 0 && !given_up(p))
		balance_check(p, base);
	p->source = outer;
	return r < 0 ? r : 0;
}

static int defaults_set(struct conf_parser *p)
{
	const struct conf_pos pos = {"built-in default", 0};
	struct err err = ERR_INIT;

	for (unsigned t = 0; t < p->lang->n_tables; t++) {
		for (unsigned i = 0; i < p->lang->tables[t]->n_rows; i++) {
			const struct conf_row *row = &p->lang->tables[t]->rows[i];
			struct conf_words w;
			struct conf_call c = {p, row, p->tree->defaults, p->arena, NULL, 0, pos, p->in->arg,
				&err, row->reason};
			int r;

			if (row->dflt == NULL)
				continue;
			r = conf_split(p->arena, row->dflt, NULL, NULL, &w, &err);
			c.args = w.word;
			c.n_args = w.n;
			if (r >= 0)
				r = row_set(&c, p->lang->tables[t]->store);
			if (r < 0)
				return conf_fail(p, &pos, row->name, "default: %s", err.text);
		}
	}
	for (unsigned i = 0; i < CONF_STORES; i++) {
		if (p->lang->store_size[i] > 0 && store_get(p, p->tree->defaults, i) == NULL)
			return conf_out_of_memory(p);
	}
	return 0;
}

static const char *env_get(void *arg, const char *name)
{
	return getenv(name);
}

/* The parser keeps its own copy of the input: conf_warn() and conf_fail() work after conf_parse(). */
static struct conf_parser *parser_new(
	const struct conf_language *lang, const struct conf_input *in, struct arena *arena)
{
	struct conf_parser *p = arena_alloc(arena, sizeof(*p));
	struct conf_input *copy = arena_alloc(arena, sizeof(*copy));
	struct conf_tree *t = arena_alloc(arena, sizeof(*t));
	const struct conf_pos top = {
		arena_strdup(arena, in->name), 0}; /* positions live as long as the tree */

	if (p == NULL || copy == NULL || t == NULL || top.file == NULL)
		return NULL;
	*copy = *in;
	copy->name = top.file;
	if (copy->getenv == NULL)
		copy->getenv = env_get;
	p->lang = lang;
	p->in = copy;
	p->files = in->files != NULL ? in->files : &conf_files_real;
	p->arena = arena;
	for (unsigned i = 0; i < lang->n_tables; i++)
		p->n_rows += lang->tables[i]->n_rows;
	t->lang = lang;
	t->arena = arena;
	t->parser = p;
	p->tree = t;
	t->root = conf_section_new(p, in->kind, &top);
	t->defaults = conf_section_new(p, in->kind, &top);
	p->cur = t->root;
	return t->root != NULL && t->defaults != NULL ? p : NULL;
}

int conf_parse(const struct conf_language *lang, const struct conf_input *in, struct arena *arena,
	struct conf_tree **ret_tree, struct err *err)
{
	struct conf_parser *p = parser_new(lang, in, arena);
	struct source top = {0};
	int r;

	if (p == NULL)
		return err_set(err, ENOMEM, "out of memory while reading the configuration");
	top.name = p->in->name;
	for (unsigned i = 0; i < in->n_defines; i++) {
		struct define *d = arena_alloc(arena, sizeof(*d));

		if (d == NULL)
			return err_set(err, ENOMEM, "out of memory while reading the configuration");
		*d = (struct define){p->defines, in->defines[i]};
		p->defines = d;
	}
	r = defaults_set(p);
	if (r >= 0)
		r = in->text != NULL ? conf_parse_text(p, &top, in->text, in->text_len)
				     : conf_parse_file(p, in->name, NULL, NULL);
	if (r >= 0 && p->n_errors > 0)
		r = -WE_CONFIG;
	if (r < 0) {
		if (err != NULL)
			*err = p->first;
		return r;
	}
	*ret_tree = p->tree;
	return 0;
}
