/* Replies to the client (RFC 959 4.2): text appended to an output buffer.
 *
 *     reply(&out, 250, "%s command successful", cmd->verb);
 *
 *     reply_first(&out, 211, "Features:");        ->  211-Features:
 *     reply_line(&out, "%s", "UTF8");             ->   UTF8
 *     reply(&out, 211, "End");                    ->  211 End
 *
 * Whatever the arguments hold, one call makes exactly one line: CR, LF and NUL inside the text become '_'. So
 * a file name can be echoed as it is. Lines of a multi-line reply begin with a blank, so none looks like the
 * end of the reply.
 *
 * All functions return 0, or with out unchanged -ENOBUFS (the buffer's maximum) or -ENOMEM; a caller whose
 * client does not read closes the connection then.
 */
#ifndef FTP_REPLY_H
#define FTP_REPLY_H

#include <stddef.h>

#include "base/buf.h"
#include "ftp/line.h"

/* "ddd text\r\n". code: 100..599. The text is never empty. */
int reply(struct buf *out, unsigned code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "ddd-text\r\n": first line of a multi-line reply. */
int reply_first(struct buf *out, unsigned code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* " text\r\n": a line in the middle. */
int reply_line(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A text of several lines (a display file, borrowed, len bytes) in front of the command's own final reply
 * of the same code: "ddd-line\r\n", then " line\r\n". LF or CRLF ends a line; empty text appends nothing. */
int reply_text(struct buf *out, unsigned code, const char *text, size_t len);

/* A whole reply line made by another process ("530 Sorry, ..."), without its end. Anything else than three
 * digits, a blank and text is sent as "421 Service not available". Returns as above. */
int reply_whole(struct buf *out, const char *line);

/* `257 "<path>"<rest>` with the quotes in path doubled. rest begins with its own blank. */
int reply_path(struct buf *out, const char *path, const char *rest);

/* The answers to lines that are no command: LINE_TOO_LONG, LINE_BLANK, LINE_NUL. */
int reply_bad_line(struct buf *out, enum line_result what);
/* "500 <VERB> not understood" */
int reply_unknown(struct buf *out, const struct line_cmd *cmd);

#endif
