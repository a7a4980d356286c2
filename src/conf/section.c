/* Section tags: what may open where, conditionals, and skipping. */
#include "conf/conf_priv.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

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

struct conf_section *conf_section_new(struct conf_parser *p, enum conf_kind kind, const struct conf_pos *pos)
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
	s->layers_end = &s->layers;
	return s;
}

static int tag_push(
	struct conf_parser *p, const char *name, const struct conf_pos *pos, struct conf_section *s)
{
	struct open_tag *t = arena_alloc(p->arena, sizeof(*t));

	if (t == NULL)
		return conf_out_of_memory(p);
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

/* <IfModule [!]x>, <IfDefine [!]x>, <IfVersion [[!]op] x>: enter it, or skip its content. */
static int conditional_open(
	struct conf_parser *p, const char *name, const struct conf_words *w, const struct conf_pos *pos)
{
	const char *what;
	bool negate, yes;

	if (str_eq_nocase(name, "<IfVersion>")) {
		struct err err = ERR_INIT;

		if (conf_version_holds(p->arena, p->lang->version, w->word + 1, w->n - 1, &yes, &err) < 0) {
			conf_fail(p, pos, name, "%s", err.text);
			yes = false;
		}
		if (yes)
			return tag_push(p, name, pos, NULL);
		skip_start(p, name, pos);
		return 0;
	}
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
		conf_note_send(p, CONF_EV_NO_EFFECT, name,
			"the module is not part of this version: content skipped", pos);
	skip_start(p, name, pos);
	return 0;
}

/* A tag that opens nothing here: said, and its content is skipped. */
static int tag_refuse(struct conf_parser *p, const char *name, const struct conf_pos *pos, const char *why)
{
	conf_fail(p, pos, name, "%s", why);
	skip_start(p, name, pos);
	return 0;
}

/* "directive not allowed in <kind> context". A layer is named as such where it is what forbids it. */
static int context_refuse(struct conf_parser *p, const char *name, const struct conf_pos *pos, bool layer)
{
	char why[120];

	if (layer)
		snprintf(why, sizeof(why), "directive not allowed in <%s> context", p->cur->layer->name);
	else
		snprintf(why, sizeof(why), "directive not allowed in %s context",
			conf_kind_name(p->cur->kind));
	return tag_refuse(p, name, pos, why);
}

static int layer_open(struct conf_parser *p, const struct conf_layer *layer, const struct conf_words *w,
	const struct conf_pos *pos)
{
	const char *name = arena_printf(p->arena, "<%s>", layer->name);
	struct conf_section *s;

	if (name == NULL)
		return conf_out_of_memory(p);
	if ((layer->inside & CONF_IN(p->cur->kind)) == 0)
		return context_refuse(p, name, pos, false);
	if (w->n - 1 < layer->min_args || w->n - 1 > layer->max_args)
		return tag_refuse(p, name, pos, "wrong number of parameters");
	s = conf_section_new(p, p->cur->kind, pos);
	if (s == NULL)
		return conf_out_of_memory(p);
	s->layer = layer;
	s->args = w->word + 1;
	s->n_args = w->n - 1;
	s->parent = p->cur;
	*p->cur->layers_end = s;
	p->cur->layers_end = &s->next;
	return tag_push(p, name, pos, s);
}

static int known_section(
	struct conf_parser *p, unsigned i, const struct conf_words *w, const struct conf_pos *pos)
{
	const char *name = arena_printf(p->arena, "<%s>", sections[i].name);
	struct conf_section *s;
	bool again = sections[i].kind == CONF_KIND_GLOBAL && p->tree->global != NULL;

	if (name == NULL)
		return conf_out_of_memory(p);
	if ((sections[i].inside & CONF_IN(p->cur->kind)) == 0)
		return context_refuse(p, name, pos, false);
	if (p->cur->layer != NULL && (CONF_IN(sections[i].kind) & (CONF_V | CONF_G | CONF_C)) != 0)
		return context_refuse(p, name, pos, true); /* it makes something that is there for all */
	if (w->n - 1 < sections[i].min_args || w->n - 1 > sections[i].max_args)
		return tag_refuse(p, name, pos, "wrong number of parameters");
	s = again ? p->tree->global : conf_section_new(p, sections[i].kind, pos);
	if (s == NULL)
		return conf_out_of_memory(p);
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

static int section_open(struct conf_parser *p, const struct conf_words *w, const struct conf_pos *pos)
{
	const char *name = arena_printf(p->arena, "<%s>", w->word[0]);

	if (name == NULL)
		return conf_out_of_memory(p);
	if (str_eq_nocase(w->word[0], "IfModule") || str_eq_nocase(w->word[0], "IfDefine") ||
		(p->lang->version != NULL && str_eq_nocase(w->word[0], "IfVersion")))
		return conditional_open(p, name, w, pos);
	for (const struct conf_layer *l = p->lang->layers; l != NULL && l->name != NULL; l++) {
		if (str_eq_nocase(w->word[0], l->name))
			return layer_open(p, l, w, pos);
	}
	for (unsigned i = 0; i < ARRAY_LEN(sections); i++) {
		if (str_eq_nocase(w->word[0], sections[i].name))
			return known_section(p, i, w, pos);
	}
	conf_unknown(p, name, pos);
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
		return r == -ENOMEM ? conf_out_of_memory(p) : conf_fail(p, pos, NULL, "%s", err.text);
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

int conf_tag_line(struct conf_parser *p, const char *line, const struct conf_pos *pos)
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

void conf_skip_line(struct conf_parser *p, const char *line)
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
