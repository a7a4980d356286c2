/* The configuration language: tokenizer, parser and typed directive tables. This layer knows no directive by
 * name: callers bring tables whose rows say everything a person or another program may ask about a directive.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"

enum conf_kind { /* what a section is */
	CONF_KIND_SERVER,
	CONF_KIND_VHOST,
	CONF_KIND_GLOBAL,
	CONF_KIND_ANONYMOUS,
	CONF_KIND_DIRECTORY,
	CONF_KIND_FTPACCESS,
	CONF_KIND_LIMIT,
	CONF_KIND_CLASS,
	CONF_KIND_COUNT
};

#define CONF_IN(kind) (1u << (kind)) /* bit of a kind in conf_directive.contexts */
#define CONF_S        CONF_IN(CONF_KIND_SERVER)
#define CONF_V        CONF_IN(CONF_KIND_VHOST)
#define CONF_G        CONF_IN(CONF_KIND_GLOBAL)
#define CONF_A        CONF_IN(CONF_KIND_ANONYMOUS)
#define CONF_D        CONF_IN(CONF_KIND_DIRECTORY)
#define CONF_F        CONF_IN(CONF_KIND_FTPACCESS)
#define CONF_L        CONF_IN(CONF_KIND_LIMIT)
#define CONF_C        CONF_IN(CONF_KIND_CLASS)

/* How a context is called in messages: "server config", "<Directory>", ... */
const char *conf_kind_name(enum conf_kind kind);

/* --- rows: everything there is to say about a directive --- */

enum conf_type {
	CONF_T_BOOL,     /* bool */
	CONF_T_TRISTATE, /* int-sized enum: 0 not set, 1 off, 2 on */
	CONF_T_STRING,   /* const char *: one word */
	CONF_T_PATH,     /* const char *: one absolute path */
	CONF_T_UINT,     /* uint16_t, unsigned, int >= 0 or uint64_t */
	CONF_T_SIZE,     /* uint64_t or unsigned, bytes: "64 KB", "64KB", "65536" */
	CONF_T_DURATION, /* uint32_t, ms: "90", "5m", "00:01:30" */
	CONF_T_MODE,     /* mode_t: octal */
	CONF_T_ENUM,     /* int-sized: one of row->words */
	CONF_T_FLAGS,    /* unsigned: any of row->words, added up */
	CONF_T_CUSTOM,   /* row->parse() fills the fields of the row's span */
	CONF_T_LIST,     /* pointer to struct conf_item: row->parse() fills one entry, the engine links it */
	CONF_T_NOEFFECT, /* accepted, does nothing; row->reason says why */
	CONF_T_COUNT
};

/* Head of every entry of a multi-valued directive. Lists are in order of use: innermost scope first, then
 * file order. */
struct conf_item {
	struct conf_item *next;
	const char *file;
	unsigned line;
	unsigned level; /* precedence: 1 Global, 2 server or vhost, 3 Anonymous, 4 Directory, 5 .ftpaccess */
};

struct conf_word { /* a word of ENUM or FLAGS; a list ends with name NULL */
	const char *name;
	int value;
};

struct conf_field {
	size_t offset, size; /* bytes of the store that the row owns: what merging copies */
};

struct conf_call;

enum {                       /* conf_row.flags */
	CONF_LAST_WINS = 1,  /* of two in one scope the last counts, not the first */
	CONF_NO_ANON = 2,    /* not inherited from the server by <Anonymous> */
	CONF_SECRET = 4,     /* the value is not printed */
	CONF_REPEATABLE = 8, /* CUSTOM or NOEFFECT that may be given several times in one scope */
	CONF_REFUSED = 16    /* NOEFFECT: never accepted; row->reason says why */
};

struct conf_row {
	const char *name;
	const char *module; /* for <IfModule> and documents: "mod_core.c" */
	enum conf_type type;
	unsigned scope; /* CONF_S | ... */
	struct conf_field field;
	const char *dflt;      /* value when nothing is set, as one would write it; NULL: zero bytes */
	const char *dflt_text; /* words for the manual where dflt is NULL or says too little */
	const char *min, *max; /* bounds of UINT, SIZE, DURATION, as one would write them */
	const char *unit;      /* of UINT, for the manual */
	const char *syntax;    /* arguments */
	const char *doc;       /* full sentences */
	const char *reason;    /* NOEFFECT: why it does nothing */
	const char *message; /* text told to clients when the value carries none, for parse and the manual */
	const char *const
		*only; /* NOEFFECT: first words that are accepted (NULL-terminated); others are refused */
	const struct conf_word *words;
	int (*parse)(
		struct conf_call *c, void *dst); /* CUSTOM: dst is the store; LIST: dst is the fresh item */
	size_t item_size;                        /* LIST */
	unsigned min_args, max_args;             /* CUSTOM, LIST, NOEFFECT; max 0 = as min_args */
	unsigned flags;
};

#define CONF_ARGS_ANY 1000u /* max_args: no limit */

/* Position of member m of struct st; does not compile unless m has type t. */
#define CONF_FIELD(st, m, t)                                                                                 \
	{                                                                                                    \
		.offset = offsetof(st, m),                                                                   \
		.size = sizeof(((st *)0)->m) +                                                               \
			0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((st *)0)->m), t) ? 1 : -1]) \
	}
/* Members first to last of struct st, for a directive that sets several. */
#define CONF_SPAN(st, first, last)                                                                           \
	{                                                                                                    \
		.offset = offsetof(st, first),                                                               \
		.size = offsetof(st, last) + sizeof(((st *)0)->last) - offsetof(st, first)                   \
	}
/* Type and field in one, so that they cannot disagree. */
#define CONF_BOOL(st, m)        .type = CONF_T_BOOL, .field = CONF_FIELD(st, m, bool)
#define CONF_STRING(st, m)      .type = CONF_T_STRING, .field = CONF_FIELD(st, m, const char *)
#define CONF_PATH(st, m)        .type = CONF_T_PATH, .field = CONF_FIELD(st, m, const char *)
#define CONF_UINT(st, m, t)     .type = CONF_T_UINT, .field = CONF_FIELD(st, m, t)
#define CONF_SIZE(st, m, t)     .type = CONF_T_SIZE, .field = CONF_FIELD(st, m, t)
#define CONF_DURATION(st, m)    .type = CONF_T_DURATION, .field = CONF_FIELD(st, m, uint32_t)
#define CONF_MODE(st, m)        .type = CONF_T_MODE, .field = CONF_FIELD(st, m, mode_t)
#define CONF_ENUM(st, m, t)     .type = CONF_T_ENUM, .field = CONF_FIELD(st, m, t)
#define CONF_TRISTATE(st, m, t) .type = CONF_T_TRISTATE, .field = CONF_FIELD(st, m, t)
#define CONF_FLAGS(st, m)       .type = CONF_T_FLAGS, .field = CONF_FIELD(st, m, unsigned)
#define CONF_LIST(st, m, it)                                                                                 \
	.type = CONF_T_LIST, .field = CONF_FIELD(st, m, it *),                                               \
	.item_size = sizeof(it) + 0 * sizeof(char[offsetof(it, item) == 0 ? 1 : -1])

/* Rows sorted by name (ASCII, case ignored). Several tables may fill the same store: a struct of the
 * caller. The same name may stand in two tables when the contexts differ. */
struct conf_table {
	const struct conf_row *rows;
	unsigned n_rows;
	unsigned store; /* index into conf_language.store_size */
};

struct conf_known { /* a directive or section name that exists elsewhere */
	const char *name, *module;
};

/* A section that is a layer over the one around it: its content counts only when something holds that is
 * not known while the file is read (<IfUser x>). It has the kind of the section around it. */
struct conf_layer {
	const char *name;
	unsigned inside;             /* kinds that may hold it */
	unsigned min_args, max_args; /* max CONF_ARGS_ANY: no limit */
	int id;                      /* of the caller */
};

#define CONF_STORES 4
struct conf_language {
	const struct conf_table *const *tables;
	unsigned n_tables;
	size_t store_size[CONF_STORES];
	const char *const *modules;      /* what <IfModule> finds; NULL-terminated */
	const struct conf_layer *layers; /* ends with name NULL; NULL: there are none */
	const char *version;             /* what <IfVersion> compares with: "1.3.8"; NULL: no such section */
	const struct conf_known *known;  /* ends with name NULL */
};

/* --- reading --- */

enum conf_path_kind { CONF_PATH_NONE, CONF_PATH_FILE, CONF_PATH_DIR, CONF_PATH_OTHER };

/* Where files come from; NULL in conf_input means the file system. All functions return 0 or -errno. */
struct conf_files {
	void *arg;
	/* ret_link: is the path itself a symbolic link? kind is that of its target. */
	int (*look)(void *arg, const char *path, enum conf_path_kind *ret_kind, bool *ret_link);
	/* Calls each with every name of the directory but . and .., in any order. */
	int (*list)(
		void *arg, const char *dir, void (*each)(void *each_arg, const char *name), void *each_arg);
	/* ret_text: returned (free()); ret_id: same file, same two numbers. -EFBIG when larger than max. */
	int (*read)(void *arg, const char *path, size_t max, char **ret_text, size_t *ret_len,
		uint64_t ret_id[2]);
};
extern const struct conf_files conf_files_real;

enum conf_event {
	CONF_EV_SUPPORTED, /* a directive was read and has its effect */
	CONF_EV_NO_EFFECT, /* ... was accepted and does nothing; text says why */
	CONF_EV_REFUSED,   /* ... exists, but not here; an ERROR follows */
	CONF_EV_WARNING,
	CONF_EV_ERROR
};
struct conf_note { /* borrowed by the callback */
	enum conf_event event;
	const char *directive; /* as the table spells it, or as written; may be NULL */
	const char *text;      /* WARNING, ERROR: the whole line; NO_EFFECT: the reason */
	const char *file;
	unsigned line;
};

struct conf_input {
	const char *name; /* file to read, or name of text in messages */
	const char *text; /* NULL: read name */
	size_t text_len;
	enum conf_kind kind; /* CONF_KIND_SERVER or CONF_KIND_FTPACCESS */
	bool lenient;        /* errors are warnings and the line is skipped (.ftpaccess) */
	const char *const *defines;
	unsigned n_defines;
	const struct conf_files *files;
	const char *(*getenv)(void *arg, const char *name); /* for %{env:NAME}; NULL: getenv() */
	void (*note)(void *arg, const struct conf_note *n); /* may be NULL */
	void *arg; /* of getenv and note; row->parse finds it in the call */
};

struct conf_pos {
	const char *file; /* NULL: not set */
	unsigned line;
};

struct conf_section {
	enum conf_kind kind;
	struct conf_section *parent, *next;
	struct conf_section *children, **children_end; /* in file order, without layers */
	struct conf_section *layers, **layers_end;     /* in file order */
	const struct conf_layer *layer;                /* of a layer, else NULL */
	void *made; /* of the caller, after parsing: what it made of the section */
	char *const *args;
	unsigned n_args;
	const char *file;
	unsigned line;
	void *store[CONF_STORES];   /* own assignments; NULL when there is none */
	const struct conf_pos *set; /* by row number: where the scope assigned it; NULL when nowhere */
};

struct conf_tree {
	const struct conf_language *lang;
	struct arena *arena;
	struct conf_section *root;     /* the main server, or the .ftpaccess */
	struct conf_section *global;   /* all <Global> sections as one; NULL when there is none */
	struct conf_section *defaults; /* every row's dflt */
	struct conf_parser *parser;
};

#define CONF_MAX_ERRORS 20
#define CONF_MAX_LINE   (64u * 1024) /* bytes of a line with its continuations */
#define CONF_MAX_DEPTH  10           /* Include in Include */
#define CONF_MAX_FILE   (16u << 20)  /* bytes of one file */

/* Read a configuration into arena (kept). Returns 0 with *ret_tree, -WE_CONFIG after at least one error
 * (err has the first; *ret_tree is not set), or -errno. */
int conf_parse(const struct conf_language *lang, const struct conf_input *in, struct arena *arena,
	struct conf_tree **ret_tree, struct err *err);

/* For row->parse(). args are without the directive's name; all strings live in the arena. */
struct conf_call {
	struct conf_parser *parser;
	const struct conf_row *row;
	struct conf_section *section;
	struct arena *arena;
	char *const *args;
	unsigned n_args;
	struct conf_pos pos;
	void *arg;          /* conf_input.arg */
	struct err *err;    /* on failure: the reason, "bad percentage value" */
	const char *reason; /* NOEFFECT: may be set when this value has another reason than the row */
};
/* Report about what was parsed, also after conf_parse(). Text becomes "warning: <directive>: <text> on
 * line <n> of '<file>'"; errors begin with "fatal: " and count. conf_fail() returns -WE_CONFIG. */
void conf_warn(struct conf_parser *p, const struct conf_pos *pos, const char *directive, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int conf_fail(struct conf_parser *p, const struct conf_pos *pos, const char *directive, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Errors so far (warnings in lenient mode do not count), and the first of them into err. */
unsigned conf_errors(const struct conf_parser *p, struct err *err);

/* parse functions of the language's own directives; the caller's rows give them their names. */
int conf_include(struct conf_call *c, void *dst);         /* Include <path> */
int conf_include_options(struct conf_call *c, void *dst); /* IncludeOptions <word> ... */
int conf_define(struct conf_call *c, void *dst);          /* Define <name> */

/* --- merging --- */

/* Values of a scope: those of base (a finished store), over them the section's own (may be NULL: plain
 * copy). Lists become own entries with the given level, then those of base. anon: the scope is an
 * <Anonymous> and base its server. Returns a struct of the store in arena, NULL when memory is out. */
void *conf_merge(const struct conf_tree *t, unsigned store, struct arena *arena, const void *base,
	const struct conf_section *own, unsigned level, bool anon);
/* The same in place: values is a finished store (of base), which becomes the scope's. 0 or -ENOMEM. */
int conf_merge_over(const struct conf_tree *t, unsigned store, struct arena *arena, void *values,
	const struct conf_section *own, unsigned level, bool anon);
/* Where row name was assigned in section (file NULL: nowhere). */
struct conf_pos conf_where(const struct conf_tree *t, const struct conf_section *s, const char *name);

/* --- words and values, for rows' parse functions and tests --- */

struct conf_words {
	char **word;
	unsigned n, cap;
	const char *unset_env; /* name of a variable that is not set, or NULL */
};
/* Split text into words (config language: quotes, # comment, %{env:NAME} when env is not NULL). Words are
 * appended in arena. 0, -WE_SYNTAX (err says what), -ENOMEM. */
int conf_split(struct arena *a, const char *text, const char *(*env)(void *arg, const char *name), void *arg,
	struct conf_words *ret_words, struct err *err);

/* One logical line of a text: continuations joined, CR and outer blanks removed. */
struct conf_lines {
	const char *p, *end;
	unsigned next; /* number of the physical line at p */
};
void conf_lines_init(struct conf_lines *l, const char *text, size_t len);
/* 1 with *ret_text (in arena) and its first line's number, 0 at the end, -WE_SYNTAX for a line that is too
 * long or contains NUL (number set, reading may go on), -ENOMEM. */
int conf_lines_next(
	struct conf_lines *l, struct arena *a, char **ret_text, unsigned *ret_line, struct err *err);

/* Whole-word values. 0, -EINVAL, -ERANGE. */
int conf_bool(const char *s, bool *ret_v);
int conf_size(
	const char *number, const char *unit, uint64_t *ret_bytes); /* unit NULL: joined form or bytes */
int conf_duration(const char *s, uint64_t *ret_ms);
/* One of words, case ignored. 0 or -WE_CONFIG with the list of words in err. */
int conf_word_value(const struct conf_word *words, const char *s, int *ret_v, struct err *err);

/* --- tables and documents --- */

/* The row of a name that is allowed in kind; else, with *ret_other, whether the name exists in other
 * contexts. */
const struct conf_row *conf_row_find(
	const struct conf_language *lang, const char *name, enum conf_kind kind, bool *ret_other);
/* Names near to name, best first, at most max (<= 4); returns how many. */
unsigned conf_near(const struct conf_language *lang, const char *name, const char **ret_names, unsigned max);
/* Check the tables themselves: order, documentation, bounds, defaults, fields. 0 or -WE_CONFIG with the first
 * fault in err. For tests. */
int conf_tables_check(const struct conf_language *lang, struct err *err);
/* Every directive with syntax, contexts, default (--list-directives); out is borrowed. */
void conf_list(const struct conf_language *lang, FILE *out);
/* The directives' part of a manual page, in man(7) macros. */
void conf_man(const struct conf_language *lang, FILE *out);

#endif
