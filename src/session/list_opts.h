/* Options of LIST, NLST and STAT: the letters after '-' and the ListOptions of the configuration.
 *
 * The one idea: the defaults of the command, then ListOptions ("-x" adds, "+x" removes), then what the client
 * asks for, each over the one before. Among letters that contradict each other (1 C l, t S U, a A, c u) the
 * last one counts. Unknown letters are ignored. Pure text: nothing here looks at a file.
 */
#ifndef SESSION_LIST_OPTS_H
#define SESSION_LIST_OPTS_H

#include <stdbool.h>

enum list_kind { LIST_KIND_LIST, LIST_KIND_NLST, LIST_KIND_STAT };
enum list_layout { LIST_LONG, LIST_SHORT, LIST_COLUMNS }; /* -l, -1, -C */
enum list_sort { LIST_BY_NAME, LIST_BY_TIME, LIST_BY_SIZE, LIST_UNSORTED };
enum list_time { LIST_MTIME, LIST_CTIME, LIST_ATIME };
enum list_dots { LIST_NO_DOTS, LIST_DOTFILES, LIST_ALL }; /* default, -A, -a */

struct list_opts {
	enum list_kind kind;
	enum list_layout layout;
	enum list_sort sort;
	enum list_time time; /* shown, and sorted by with LIST_BY_TIME */
	enum list_dots dots;
	bool bare;       /* NLST -1: names without the directory as typed */
	bool classify;   /* -F */
	bool follow;     /* -L */
	bool recursive;  /* -R */
	bool escape;     /* -B, -b: bytes that are not printable ASCII as \ooo */
	bool dir_itself; /* -d */
	bool human;      /* -h */
	bool numeric;    /* -n */
	bool reverse;    /* -r */
};

/* Defaults of a command: LIST long, STAT as -la, NLST short and unsorted. */
void list_opts_init(struct list_opts *o, enum list_kind kind);

/* Apply the options text of ListOptions: words of "-letters" and "+letters". NULL is fine. */
void list_opts_config(struct list_opts *o, const char *text);

/* Take the option words off the front of a client's argument and, unless strict, apply them. Returns the
 * path after them (points into arg, may be ""). A word "--" ends the options, a lone "-" is a path,
 * "--word" is ignored. *ret_lone: the whole argument is one word that begins with '-', so if a file of
 * that name exists it is meant (list_opts_init() and list_opts_config() again, then). */
const char *list_opts_arg(struct list_opts *o, const char *arg, bool strict, bool *ret_lone);

#endif
