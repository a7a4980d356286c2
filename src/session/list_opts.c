#include "session/list_opts.h"

#include <string.h>

void list_opts_init(struct list_opts *o, enum list_kind kind)
{
	*o = (struct list_opts){.kind = kind};
	if (kind == LIST_KIND_NLST) {
		o->layout = LIST_SHORT;
		o->sort = LIST_UNSORTED;
	} else if (kind == LIST_KIND_STAT) {
		o->dots = LIST_ALL;
	}
}

/* Letters that choose one of several: on sets value, off goes back to dflt if value was chosen. */
#define CHOOSE(field, value, dflt)                                                                           \
	do {                                                                                                 \
		if (on)                                                                                      \
			(field) = (value);                                                                   \
		else if ((field) == (value))                                                                 \
			(field) = (dflt);                                                                    \
	} while (0)

/* Letters that decide what a line looks like: NLST is names whatever is asked. Returns whether c was one. */
static bool layout_letter(struct list_opts *o, char c, bool on)
{
	switch (c) {
	case '1':
		if (o->kind == LIST_KIND_NLST)
			o->bare = on;
		else if (o->kind == LIST_KIND_LIST)
			CHOOSE(o->layout, LIST_SHORT, LIST_LONG);
		return true;
	case 'C':
		if (o->kind == LIST_KIND_LIST)
			CHOOSE(o->layout, LIST_COLUMNS, LIST_LONG);
		return true;
	case 'l':
		if (o->kind == LIST_KIND_LIST)
			o->layout = on ? LIST_LONG : LIST_SHORT;
		return true;
	case 'F':
		o->classify = on && o->kind != LIST_KIND_NLST;
		return true;
	default:
		return false;
	}
}

static void option_letter(struct list_opts *o, char c, bool on)
{
	enum list_sort unsorted = o->kind == LIST_KIND_NLST ? LIST_UNSORTED : LIST_BY_NAME;

	if (layout_letter(o, c, on))
		return;
	switch (c) {
	case 'A':
		CHOOSE(o->dots, LIST_DOTFILES, LIST_NO_DOTS);
		break;
	case 'a':
		CHOOSE(o->dots, LIST_ALL, LIST_NO_DOTS);
		break;
	case 'B':
	case 'b':
		o->escape = on;
		break;
	case 'L':
		o->follow = on;
		break;
	case 'R':
		o->recursive = on;
		break;
	case 'S':
		CHOOSE(o->sort, LIST_BY_SIZE, unsorted);
		break;
	case 't':
		CHOOSE(o->sort, LIST_BY_TIME, unsorted);
		break;
	case 'U':
		CHOOSE(o->sort, LIST_UNSORTED, LIST_BY_NAME);
		break;
	case 'c':
		CHOOSE(o->time, LIST_CTIME, LIST_MTIME);
		break;
	case 'u':
		CHOOSE(o->time, LIST_ATIME, LIST_MTIME);
		break;
	case 'd':
		o->dir_itself = on;
		break;
	case 'h':
		o->human = on;
		break;
	case 'n':
		o->numeric = on;
		break;
	case 'r':
		o->reverse = on;
		break;
	default:
		break;
	}
}

/* Letters up to a blank or the end; returns where they end. */
static const char *option_word(struct list_opts *o, const char *s, bool on)
{
	for (; *s && *s != ' '; s++)
		option_letter(o, *s, on);
	return s;
}

void list_opts_config(struct list_opts *o, const char *text)
{
	if (!text)
		return;
	while (*text) {
		if (*text == '-' || *text == '+')
			text = option_word(o, text + 1, *text == '-');
		else
			text++;
	}
}

/* After an option word: exactly one blank belongs to it, further ones to the path, unless there is nothing
 * else. */
static const char *skip_blank(const char *s)
{
	const char *end = s + strspn(s, " ");

	if (!*end)
		return end;
	return *s == ' ' ? s + 1 : s;
}

const char *list_opts_arg(struct list_opts *o, const char *arg, bool strict, bool *ret_lone)
{
	struct list_opts ignored = *o;
	struct list_opts *into = strict ? &ignored : o;
	const char *s = arg;

	*ret_lone = arg[0] == '-' && !strchr(arg, ' ');
	while (s[0] == '-' && s[1] && s[1] != ' ') {
		if (s[1] == '-') {
			const char *end = s + strcspn(s, " ");
			bool last = end == s + 2;

			s = skip_blank(end);
			if (last)
				break;
		} else {
			s = skip_blank(option_word(into, s + 1, true));
		}
	}
	return s;
}
