/* Lines to a tree of sections whose directives are typed values. */
#include "conf/conf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* --- messages --- */

const char *conf_kind_name(enum conf_kind kind)
{
	static const char *const names[CONF_KIND_COUNT] = {
		[CONF_KIND_SERVER] = "server config",
		[CONF_KIND_VHOST] = "<VirtualHost>",
		[CONF_KIND_GLOBAL] = "<Global>",
		[CONF_KIND_ANONYMOUS] = "<Anonymous>",
		[CONF_KIND_DIRECTORY] = "<Directory>",
		[CONF_KIND_FTPACCESS] = ".ftpaccess",
		[CONF_KIND_LIMIT] = "<Limit>",
		[CONF_KIND_CLASS] = "<Class>",
	};

	return (unsigned)kind < CONF_KIND_COUNT ? names[kind] : "?";
}

static void note(struct conf_parser *p, enum conf_event event, const char *directive, const char *text,
	const struct conf_pos *pos)
{
	const struct conf_note n = {event, directive, text, pos->file, pos->line};

	if (p->in->note != NULL)
		p->in->note(p->in->arg, &n);
}

/* "<lead>: <directive>: <reason> on line <n> of '<file>'<tail>". */
static void complain(struct conf_parser *p, bool error, const struct conf_pos *pos, const char *directive,
	const char *reason, const char *tail)
{
	bool fatal = error && !p->in->lenient;
	struct err line = ERR_INIT;

	if (fatal ? p->n_errors >= CONF_MAX_ERRORS : p->n_warnings >= 20 * CONF_MAX_ERRORS)
		return;
	if (error && !fatal && tail[0] == '\0')
		tail = ", line skipped";
	err_set(&line, WE_CONFIG, "%s: %s%s%s on line %u of '%.250s'%s", fatal ? "fatal" : "warning",
		directive != NULL ? directive : "", directive != NULL ? ": " : "", reason, pos->line,
		pos->file, tail);
	if (fatal && p->n_errors++ == 0)
		p->first = line;
	p->n_warnings += !fatal;
	note(p, fatal ? CONF_EV_ERROR : CONF_EV_WARNING, directive, line.text, pos);
}

void conf_warn(struct conf_parser *p, const struct conf_pos *pos, const char *directive, const char *fmt, ...)
{
	va_list ap;
	char text[400];

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is fine */
	va_end(ap);
	complain(p, false, pos, directive, text, "");
}

int conf_fail(struct conf_parser *p, const struct conf_pos *pos, const char *directive, const char *fmt, ...)
{
	va_list ap;
	char text[400];

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is fine */
	va_end(ap);
	complain(p, true, pos, directive, text, "");
	return -WE_CONFIG;
}

unsigned conf_errors(const struct conf_parser *p, struct err *err)
{
	if (p->n_errors > 0 && err != NULL)
		*err = p->first;
	return p->n_errors;
}

static bool given_up(const struct conf_parser *p)
{
	return p->n_errors >= CONF_MAX_ERRORS;
}

static int out_of_memory(struct conf_parser *p)
{
	if (p->n_errors == 0)
		err_set(&p->first, ENOMEM, "out of memory while reading the configuration");
	return -ENOMEM;
}

/* --- sections --- */

static const struct {
	const char *name;
	enum conf_kind kind;
	unsigned inside; /* kinds that may hold it */
	unsigned min_args, max_args;
} sections[] = {
	{"Global", CONF_KIND_GLOBAL, CONF_S, 0, 0},
	{"VirtualHost", CONF_KIND_VHOST, CONF_S, 1, CONF_ARGS_ANY},
	{"Anonymous", CONF_KIND_ANONYMOUS, CONF_S | CONF_V | CONF_G, 1, 1},
	{"Directory", CONF_KIND_DIRECTORY, CONF_S | CONF_V | CONF_G | CONF_A, 1, 1},
	{"Limit", CONF_KIND_LIMIT, CONF_S | CONF_V | CONF_G | CONF_A | CONF_D | CONF_F, 1, CONF_ARGS_ANY},
	{"Class", CONF_KIND_CLASS, CONF_S | CONF_G, 1, 1},
};

static struct conf_section *section_new(
	struct conf_parser *p, enum conf_kind kind, const struct conf_pos *pos)
{
	struct conf_section *s = arena_alloc(p->arena, sizeof(*s));
	struct conf_pos *set = arena_alloc(p->arena, (p->n_rows + 1) * sizeof(*set));

	if (s == NULL || set == NULL)
		return NULL;
	s->kind = kind;
	s->file = pos->file;
	s->line = pos->line;
	s->set = set;
	s->children_end = &s->children;
	return s;
}

static int tag_push(
	struct conf_parser *p, const char *name, const struct conf_pos *pos, struct conf_section *s)
{
	struct open_tag *t = arena_alloc(p->arena, sizeof(*t));

	if (t == NULL)
		return out_of_memory(p);
	*t = (struct open_tag){p->open, name, *pos, s};
	p->open = t;
	if (s != NULL)
		p->cur = s;
	return 0;
}

static void skip_start(struct conf_parser *p, const char *name, const struct conf_pos *pos)
{
	p->skip = name;
	p->skip_depth = 1;
	p->skip_pos = *pos;
}

static bool module_present(const struct conf_parser *p, const char *name)
{
	for (const char *const *m = p->lang->modules; m != NULL && *m != NULL; m++) {
		if (str_eq_nocase(*m, name))
			return true;
	}
	return false;
}

static bool is_defined(const struct conf_parser *p, const char *name)
{
	for (const struct define *d = p->defines; d != NULL; d = d->next) {
		if (str_eq(d->name, name))
			return true;
	}
	return false;
}

/* <IfModule [!]x>, <IfDefine [!]x>: enter it, or skip its content. */
static int conditional_open(
	struct conf_parser *p, const char *name, const struct conf_words *w, const struct conf_pos *pos)
{
	const char *what;
	bool negate, yes;

	if (w->n != 2) {
		conf_fail(p, pos, name, "wrong number of parameters");
		skip_start(p, name, pos);
		return 0;
	}
	what = w->word[1];
	negate = what[0] == '!';
	what += negate;
	yes = str_eq_nocase(name, "<IfModule>") ? module_present(p, what) : is_defined(p, what);
	if (yes != negate)
		return tag_push(p, name, pos, NULL);
	if (!negate && str_eq_nocase(name, "<IfModule>"))
		note(p, CONF_EV_NO_EFFECT, name, "the module is not part of this version: content skipped",
			pos);
	skip_start(p, name, pos);
	return 0;
}

static int known_section(
	struct conf_parser *p, unsigned i, const struct conf_words *w, const struct conf_pos *pos)
{
	const char *name = arena_printf(p->arena, "<%s>", sections[i].name);
	struct conf_section *s;
	bool again = sections[i].kind == CONF_KIND_GLOBAL && p->tree->global != NULL;

	if (name == NULL)
		return out_of_memory(p);
	if ((sections[i].inside & CONF_IN(p->cur->kind)) == 0) {
		conf_fail(p, pos, name, "directive not allowed in %s context", conf_kind_name(p->cur->kind));
		skip_start(p, name, pos);
		return 0;
	}
	if (w->n - 1 < sections[i].min_args || w->n - 1 > sections[i].max_args) {
		conf_fail(p, pos, name, "wrong number of parameters");
		skip_start(p, name, pos);
		return 0;
	}
	s = again ? p->tree->global : section_new(p, sections[i].kind, pos);
	if (s == NULL)
		return out_of_memory(p);
	s->args = w->word + 1;
	s->n_args = w->n - 1;
	s->parent = p->cur;
	if (sections[i].kind == CONF_KIND_GLOBAL) {
		p->tree->global = s;
	} else {
		*p->cur->children_end = s;
		p->cur->children_end = &s->next;
	}
	return tag_push(p, name, pos, s);
}

static const char *known_module(const struct conf_language *lang, const char *name)
{
	for (unsigned i = 0; lang->known != NULL && lang->known[i].name != NULL; i++) {
		if (str_eq_nocase(lang->known[i].name, name))
			return lang->known[i].module;
	}
	return NULL;
}

static bool is_ascii(const char *s)
{
	while (*s != '\0' && (*s & 0x80) == 0)
		s++;
	return *s == '\0';
}

/* s with every byte that is no visible ASCII as \xHH: what looks like a blank must not look like one. */
static void bytes_shown(const char *s, char *dst, size_t size)
{
	size_t n = 0;

	for (; *s != '\0' && n + 5 <= size; s++) {
		unsigned char c = (unsigned char)*s;

		n += (size_t)snprintf(dst + n, size - n, c > 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
	}
	dst[n] = '\0';
}

/* A name that no row has: it exists elsewhere, or nowhere. */
static void unknown(struct conf_parser *p, const char *name, const struct conf_pos *pos)
{
	const char *module = known_module(p->lang, name), *near[4];
	char shown[120], text[200], tail[400] = "";
	unsigned n;

	str_escape(name, shown, sizeof(shown));
	if (module != NULL) {
		note(p, CONF_EV_REFUSED, name, "not supported by this version", pos);
		snprintf(text, sizeof(text), "directive of %s is known but not supported by this version",
			module);
		complain(p, true, pos, shown, text, "");
		return;
	}
	if (!is_ascii(name)) {
		bytes_shown(name, shown, sizeof(shown));
		complain(p, true, pos, shown,
			"non-ASCII byte in directive name, perhaps a pasted no-break space", "");
		return;
	}
	n = conf_near(p->lang, name, near, 4);
	for (unsigned i = 0; i < n; i++)
		snprintf(tail + strlen(tail), sizeof(tail) - strlen(tail), "%s%s",
			i == 0 ? ". Did you mean: " : ", ", near[i]);
	snprintf(tail + strlen(tail), sizeof(tail) - strlen(tail), "%s", n > 0 ? "?" : "");
	snprintf(text, sizeof(text), "unknown configuration directive '%s'", shown);
	complain(p, true, pos, NULL, text, tail);
}

static int section_open(struct conf_parser *p, const struct conf_words *w, const struct conf_pos *pos)
{
	const char *name = arena_printf(p->arena, "<%s>", w->word[0]);

	if (name == NULL)
		return out_of_memory(p);
	if (str_eq_nocase(w->word[0], "IfModule") || str_eq_nocase(w->word[0], "IfDefine"))
		return conditional_open(p, name, w, pos);
	for (unsigned i = 0; i < ARRAY_LEN(sections); i++) {
		if (str_eq_nocase(w->word[0], sections[i].name))
			return known_section(p, i, w, pos);
	}
	unknown(p, name, pos);
	skip_start(p, name, pos);
	return 0;
}

static void section_close(struct conf_parser *p, const char *name, const struct conf_pos *pos)
{
	struct open_tag *t = p->open;
	char end[150], shown[120];

	str_escape(name, shown, sizeof(shown));
	snprintf(end, sizeof(end), "</%s>", shown);
	if (t == NULL || t->pos.file != p->source->name) {
		conf_fail(p, pos, end,
			t == NULL ? "end tag without an open section"
				  : "end tag of a section that this file did not open");
		return;
	}
	if (strlen(t->name) != strlen(name) + 2 || strncasecmp(t->name + 1, name, strlen(name)) != 0) {
		conf_fail(
			p, pos, end, "end tag does not match %.60s opened on line %u", t->name, t->pos.line);
		return;
	}
	p->open = t->outer;
	if (t->section != NULL)
		p->cur = t->section->parent != NULL ? t->section->parent : p->tree->root;
}

/* The words of "<Name arg ...>" or "</Name>" without the brackets. */
static int tag_words(
	struct conf_parser *p, const char *line, struct conf_words *w, const struct conf_pos *pos)
{
	struct err err = ERR_INIT;
	char *last;
	int r;

	r = conf_split(p->arena, line + 1, p->in->getenv, p->in->arg, w, &err);
	if (r < 0)
		return r == -ENOMEM ? out_of_memory(p) : conf_fail(p, pos, NULL, "%s", err.text);
	last = w->n > 0 ? w->word[w->n - 1] : NULL;
	if (last == NULL || last[0] == '\0' || last[strlen(last) - 1] != '>')
		return conf_fail(p, pos, NULL, "section tag without a closing '>'");
	last[strlen(last) - 1] = '\0';
	if (last[0] == '\0')
		w->n--;
	if (w->n == 0 || w->word[0][0] == '\0' || str_eq(w->word[0], "/"))
		return conf_fail(p, pos, NULL, "section tag without a name");
	return 0;
}

static int tag_line(struct conf_parser *p, const char *line, const struct conf_pos *pos)
{
	struct conf_words w;
	int r = tag_words(p, line, &w, pos);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (w.word[0][0] != '/')
		return section_open(p, &w, pos);
	section_close(p, w.word[0] + 1, pos);
	return 0;
}

/* A line while skipping: only tags of the same name count. */
static void skip_line(struct conf_parser *p, const char *line)
{
	size_t n = strlen(p->skip) - 2; /* without brackets */
	bool end = line[0] == '<' && line[1] == '/';
	const char *s = line + 1 + end;

	if (line[0] != '<' || strncasecmp(s, p->skip + 1, n) != 0 ||
		(s[n] != '\0' && strchr(" \t>", s[n]) == NULL))
		return;
	if (!end)
		p->skip_depth++;
	else if (--p->skip_depth == 0)
		p->skip = NULL;
}

/* --- directives --- */

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
	return err_set(c->err, WE_CONFIG, "'%.60s' is not supported by this version, only '%s' is accepted",
		c->args[0], c->row->only[0]);
}

static int row_set(struct conf_call *c, unsigned store)
{
	void *st = store_get(c->parser, c->section, store);

	if (st == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	switch (c->row->type) {
	case CONF_T_NOEFFECT:
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
		return out_of_memory(p);
	if (r < 0) {
		if (err.code != 0) /* otherwise it has been reported */
			conf_fail(p, pos, row->name, "%s", err.text);
		return 0;
	}
	*set = *pos;
	note(p, row->type == CONF_T_NOEFFECT ? CONF_EV_NO_EFFECT : CONF_EV_SUPPORTED, row->name, row->reason,
		pos);
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
		return out_of_memory(p);
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
		unknown(p, w.word[0], pos);
	return 0;
}

/* --- texts --- */

static int one_line(struct conf_parser *p, char *line, const struct conf_pos *pos)
{
	if (p->skip != NULL) {
		skip_line(p, line);
		return 0;
	}
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	return line[0] == '<' ? tag_line(p, line, pos) : directive_line(p, line, pos);
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
			out_of_memory(p);
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
			return out_of_memory(p);
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
	const struct conf_pos top = {in->name, 0};

	if (p == NULL || copy == NULL || t == NULL)
		return NULL;
	*copy = *in;
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
	t->root = section_new(p, in->kind, &top);
	t->defaults = section_new(p, in->kind, &top);
	p->cur = t->root;
	return t->root != NULL && t->defaults != NULL ? p : NULL;
}

int conf_parse(const struct conf_language *lang, const struct conf_input *in, struct arena *arena,
	struct conf_tree **ret_tree, struct err *err)
{
	struct conf_parser *p = parser_new(lang, in, arena);
	struct source top = {.name = in->name};
	int r;

	if (p == NULL)
		return err_set(err, ENOMEM, "out of memory while reading the configuration");
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
