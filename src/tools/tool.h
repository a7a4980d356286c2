/* What all command-line tools share: options with their help, finding and opening the scoreboard.
 * Functions here print their errors themselves, since a tool has nobody else to tell. */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "score/score.h"

struct tool_option {
	char letter;
	const char *name; /* long name */
	const char *arg;  /* what to call its argument, NULL = none */
	const char *help; /* lines separated by \n */
};

#define TOOL_OPTIONS_MAX 24

struct tool {
	const char *name;                  /* "ftpwho" */
	const char *usage;                 /* what follows the name in the usage line */
	const struct tool_option *options; /* ends with letter 0 */
	bool options_first;                /* what follows the first other word is no option */
};

/* The next option as getopt_long(3): its letter with optarg set, -1 at the end. 'h' has printed the help;
 * '?' has printed what is wrong and the usage. */
int tool_next_option(const struct tool *t, int argc, char **argv);
void tool_help(const struct tool *t);
/* "<name>: <formatted>" on standard error. */
void tool_error(const struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Where the scoreboard may be. Both NULL: the built-in places. */
struct tool_source {
	const char *file;   /* -f */
	const char *config; /* -c */
};

/* Path of the scoreboard, returned (free()). 0, or -errno with the message printed. */
int tool_find_board(const struct tool_source *src, char **ret_path);
/* Find and open it for reading. 0, or negative with the message printed. */
int tool_open_board(const struct tool_source *src, struct score_reader **ret_reader);

/* What a configuration says about the scoreboard. */
enum tool_board { TOOL_BOARD_UNSET, TOOL_BOARD_PATH, TOOL_BOARD_DISABLED };

/* Scan a configuration file, and the files it includes, for ScoreboardFile; the last one counts.
 *   *ret_path  returned (free()) for TOOL_BOARD_PATH
 * A file that cannot be read says nothing. */
enum tool_board tool_scan_config(const char *config, char **ret_path);

#endif
