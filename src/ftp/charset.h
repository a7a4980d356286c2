/* Names between the charset of the file system (local) and that of the client: UseEncoding, by iconv(3).
 *
 * A pair is made when the configuration is read, because the tables of iconv are loaded then: no process that serves
 * clients can open them. All its processes use the pair under a lock of their own, also in several threads.
 *
 * A charset here contains ASCII, byte for byte, and nothing else in it looks like ASCII punctuation that FTP knows
 * ('/', '"', CR, LF): UTF-16, UTF-7, EBCDIC and the ISO-2022 family are refused. So lines of the control connection
 * can be converted as a whole, and text that is ASCII is never looked at again.
 *
 * What has no counterpart in the other charset is not converted at all, never in part or by something similar: two
 * names would become one.
 */
#ifndef FTP_CHARSET_H
#define FTP_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct charset;

/* The pair of two charsets as iconv(3) names them; lives as long as the arena. *ret is NULL when both are the same,
 * which needs no conversion. 0, or -WE_CONFIG with a sentence in err. */
int charset_new(
	struct arena *a, const char *local, const char *client, struct charset **ret, struct err *err);
/* UTF-8 by any of its names? */
bool charset_is_utf8(const char *name);
/* Is 0xFF a letter for the client? Then it cannot be the first byte of a Telnet command. c: NULL is fine. */
bool charset_has_ff(const struct charset *c);

enum charset_way { CHARSET_TO_LOCAL, CHARSET_TO_CLIENT };

/* Append n bytes, converted, to out. 0; with out unchanged -EILSEQ (cannot be converted), -ENOBUFS or -ENOMEM. Any
 * thread. */
int charset_convert(struct charset *c, enum charset_way way, const char *s, size_t n, struct buf *out);
/* The name as the client is to see it: name itself if c is NULL, it is ASCII or cannot be converted; else in scratch,
 * which the caller frees, until its next use. Any thread. */
const char *charset_name(struct charset *c, const char *name, struct buf *scratch);
/* Convert what follows start in out, line by line, to the client's charset; a line that cannot be converted stays. 0, or
 * -ENOBUFS or -ENOMEM, then as much as was done. */
int charset_lines(struct charset *c, struct buf *out, size_t start);

#endif
