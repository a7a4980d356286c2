/* Command lines out of a byte stream (RFC 959 5.3, RFC 1123 4.1.3, RFC 2640 3.1). Bytes go in as they come,
 * after the Telnet filter; commands come out one at a time, in order. What is not yet taken stays in the
 * buffer, so a client may send many commands at once and a session may take the next one when it is ready for
 * it.
 *
 * - A line ends with LF; one CR directly before it is taken off. CR NUL within a line stands for CR; any
 *   other NUL makes the line unusable.
 * - A line longer than the maximum is thrown away up to its LF without being kept; nothing of it is executed.
 * - Empty lines are skipped.
 *
 *     struct line_reader r;
 *     line_init(&r, conf->command_buffer_bytes, LINE_PENDING_MAX);
 *     telnet_filter(&telnet, bytes, n, line_input(&r), &out);
 *     while (ready && (what = line_next(&r, &cmd)) != LINE_NONE)
 *             ...
 *
 * Memory: an empty reader holds none after line_rest(), or when line_next() has said LINE_NONE.
 */
#ifndef FTP_LINE_H
#define FTP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define LINE_VERB_MAX    12          /* characters of a verb that are kept; no known verb is that long */
#define LINE_PENDING_MAX (64 * 1024) /* usual bound for input that waits */

enum line_result {
	LINE_NONE,     /* no whole line there: feed more */
	LINE_COMMAND,  /* *cmd is set */
	LINE_TOO_LONG, /* a line over the maximum was (or is being) thrown away: one 500 */
	LINE_BLANK,    /* a line that begins with a blank: 500 */
	LINE_NUL       /* a line with a stray NUL: 501 */
};

/* One command. The strings are valid until the next line_next() or line_done() of the reader; copy what
 * must live longer. For LINE_BLANK raw is set too, for logs; for the other results *cmd is not touched. */
struct line_cmd {
	char verb[LINE_VERB_MAX + 1]; /* up to the first blank, ASCII letters in upper case, cut */
	const char *arg; /* after exactly one blank, verbatim, without NUL; "" when there is none */
	size_t arg_len;  /* bytes */
	bool has_arg;    /* a blank followed the verb (arg may still be empty) */
	const char *raw; /* the line without its end, may hold control bytes: escape it in logs */
	size_t raw_len;
};

/* Private. */
struct line_held {
	struct buf in;   /* what waits */
	struct buf line; /* the line that was returned last */
	size_t start;    /* bytes of in that were taken */
	size_t scanned;  /* bytes after start known to hold no LF */
};

struct line_reader {
	size_t max;             /* longest line in bytes, without its end */
	size_t max_in;          /* private: most bytes that may wait */
	struct line_held *held; /* private: NULL = nothing */
	bool discarding;        /* private: inside a line that was too long */
};

/* max_line: bytes of the longest command line, without its end, > 0. max_pending: bytes that in may hold;
 * it is raised to max_line + 3 when smaller. Stop reading from the client while line_room() is 0. */
void line_init(struct line_reader *r, size_t max_line, size_t max_pending);
void line_done(struct line_reader *r); /* wipes and frees; may be called twice */
/* Append what comes here; do not take any out. Good until line_rest() or line_next(). */
struct buf *line_input(struct line_reader *r);

/* Bytes that may still be appended to in. When it is 0, line_next() certainly returns something other than
 * LINE_NONE. */
size_t line_room(struct line_reader *r);

/* The bytes that no line_next() has returned, for the hand-over to another process: borrowed until the
 * reader changes. To be called between commands. */
const char *line_pending(const struct line_reader *r, size_t *ret_len);

/* Forget these bytes. */
void line_drop(struct line_reader *r);

/* The command that line_next() returned last is not needed any more: hold nothing but what is pending. */
void line_rest(struct line_reader *r);

/* The next command, if its line is complete. LINE_TOO_LONG is returned once for a line, as soon as it is
 * known. */
enum line_result line_next(struct line_reader *r, struct line_cmd *ret_cmd);

/* Is there a whole line (or one that is too long) waiting? Takes nothing. */
bool line_waiting(struct line_reader *r);

/* Overwrite the line that was returned last (PASS). Its strings become empty. */
void line_forget(struct line_reader *r);

/* Split arg into words at runs of blanks, for commands with fixed syntax (PORT, TYPE, REST ...). Writes at
 * most max words with their lengths; they point into arg. Returns the number of words, also when that is
 * more than max. */
struct line_word {
	const char *text; /* not NUL-terminated */
	size_t len;
};
unsigned line_words(const char *arg, struct line_word *ret_words, unsigned max);
/* Is w that word, in whatever case? text: in upper case. */
bool line_word_is(const struct line_word *w, const char *text);
/* Is w a decimal number up to max, and nothing else? */
bool line_word_number(const struct line_word *w, uint64_t max, uint64_t *ret_n);

#endif
