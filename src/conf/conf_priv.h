/* What the files of src/conf/ share. */
#ifndef CONF_CONF_PRIV_H
#define CONF_CONF_PRIV_H

#include "conf/conf.h"

struct open_tag { /* a section or conditional that waits for its end tag */
	struct open_tag *outer;
	const char *name;
	struct conf_pos pos;
	struct conf_section *section; /* NULL: <IfModule>, <IfDefine> */
};

struct source { /* a file that is being read; the chain is the Include stack */
	const struct source *outer;
	const char *name;
	uint64_t id[2];
	bool has_id;
	unsigned depth;
};

struct define {
	struct define *next;
	const char *name;
};

enum { /* IncludeOptions */
	INCLUDE_ALLOW_SYMLINKS = 1,
	INCLUDE_IGNORE_TEMP = 2,
	INCLUDE_IGNORE_WILDCARDS = 4
};

struct conf_parser {
	const struct conf_language *lang;
	const struct conf_input *in;
	const struct conf_files *files;
	struct arena *arena;
	struct conf_tree *tree;
	struct conf_section *cur;
	struct open_tag *open;
	const struct source *source;
	struct define *defines;
	unsigned include_options;
	unsigned n_rows;
	unsigned n_errors, n_warnings;
	struct err first;
	/* while the content of a section is skipped: its name, NULL otherwise */
	const char *skip;
	unsigned skip_depth;
	struct conf_pos skip_pos;
};

/* message.c */
void conf_note_send(struct conf_parser *p, enum conf_event event, const char *directive, const char *text,
	const struct conf_pos *pos);
/* "<fatal|warning>: <directive>: <reason> on line <n> of '<file>'<tail>". directive may be NULL. */
void conf_complain(struct conf_parser *p, bool error, const struct conf_pos *pos, const char *directive,
	const char *reason, const char *tail);
int conf_out_of_memory(struct conf_parser *p); /* -ENOMEM */
/* A name that no row has: it exists elsewhere, or nowhere. */
void conf_unknown(struct conf_parser *p, const char *name, const struct conf_pos *pos);

/* section.c */
struct conf_section *conf_section_new(struct conf_parser *p, enum conf_kind kind, const struct conf_pos *pos);
/* A line that begins with '<'. 0 or -ENOMEM. */
int conf_tag_line(struct conf_parser *p, const char *line, const struct conf_pos *pos);
/* A line while p->skip: only tags of the same name count. */
void conf_skip_line(struct conf_parser *p, const char *line);

/* version.c: does the version satisfy the words of <IfVersion>: "[[!]op] version", op one of = == != > >= < <= ~,
 * version of the form 1.3.8, 1.3.8rc2 or 1.3.8b; or "/regex/" after = or alone? 0, -WE_CONFIG, -ENOMEM. */
int conf_version_holds(
	struct arena *a, const char *version, char *const *words, unsigned n, bool *ret_yes, struct err *err);

/* Number of a row among all rows of the language, and its table. */
unsigned conf_row_index(
	const struct conf_language *lang, const struct conf_row *row, const struct conf_table **ret_table);

/* Parse text as if it stood at the current place. */
int conf_parse_text(struct conf_parser *p, const struct source *src, const char *text, size_t len);
/* Read and parse one file. 0 also when it had errors, which were reported; -errno for other failures. */
int conf_parse_file(
	struct conf_parser *p, const char *path, const struct conf_pos *pos, const char *directive);

/* Set one value from words; c->row is a scalar. field: where. Fills c->err. */
int conf_value_set(struct conf_call *c, void *field);
int conf_number_set(const struct conf_row *row, const char *s, void *field, struct err *err);

#endif
