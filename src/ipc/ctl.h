/* The control protocol between wherryctl and the master: text lines over a UNIX stream socket.
 *
 *   client   one line of words separated by single blanks, LF; at most CTL_LINE_MAX bytes with the LF
 *   server   one line "OK <text>" or "ERR <text>", then data lines "key value", then it closes
 *
 * Inside a word, bytes <= 0x20, '"', '\', and >= 0x7f are written \xHH; the empty word is "" (two quotes).
 * In texts and values the same bytes are escaped, but blanks and valid UTF-8 are as they are. This is format
 * and syntax only: who may ask for what is the master's business. */
#ifndef IPC_CTL_H
#define IPC_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define CTL_LINE_MAX  4096 /* bytes of a request with its LF */
#define CTL_WORDS_MAX 16
#define CTL_REPLY_MAX 65536 /* bytes of a whole answer */

struct ctl_words {
	unsigned count;            /* 1 .. CTL_WORDS_MAX */
	char *word[CTL_WORDS_MAX]; /* NUL-terminated, in text; no word holds a NUL */
	char text[CTL_LINE_MAX];
};

/* line: n bytes without the LF. 0, -WE_SYNTAX (empty, a byte that should be escaped, a bad escape, \x00,
 * blanks in a wrong place), or -WE_LIMIT (too long, too many words). *ret_words is then undefined. */
int ctl_parse(const char *line, size_t n, struct ctl_words *ret_words);

/* Append the request line with its LF. 0, -WE_LIMIT (over CTL_LINE_MAX or CTL_WORDS_MAX; part of it is in
 * out), or an error of the buffer. */
int ctl_format(struct buf *out, const char *const word[], unsigned count);

/* Append the first line of an answer; the text is formatted, then escaped, and cut at 1000 bytes. 0 or an
 * error of the buffer. */
int ctl_reply(struct buf *out, bool ok, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Append a data line. key: a plain word. */
int ctl_data(struct buf *out, const char *key, const char *value);

/* The inverse of ctl_reply() and ctl_data(), in place. line: NUL-terminated, without LF.
 * ctl_parse_reply: *ret_text points into line. ctl_parse_data: *ret_key and *ret_value do. 0 or
 * -WE_SYNTAX. */
int ctl_parse_reply(char *line, bool *ret_ok, char **ret_text);
int ctl_parse_data(char *line, char **ret_key, char **ret_value);

#endif
