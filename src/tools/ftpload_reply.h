/* Replies of an FTP server (RFC 959 4.2), as ftpload reads them. Takes what any server may send: no byte of it is
 * trusted, and a reply that does not follow the grammar is an error of the session, never of the program. */
#ifndef TOOLS_FTPLOAD_REPLY_H
#define TOOLS_FTPLOAD_REPLY_H

#include <stddef.h>
#include <stdint.h>

#define LOAD_LINE_MAX 1024 /* bytes of a reply's line, its end not included */

struct load_reply {
	char line[LOAD_LINE_MAX + 1];
	size_t len;    /* bytes of the line that is being read */
	int open_code; /* code of the multi-line reply that is being read, 0 = none */
};

/* Take bytes up to the end of the next reply.
 *   *data, *size  moved behind what was taken
 * Returns the code (100..599) with the last line in r->line (without its end), 0 when more bytes are needed (all
 * were taken), or -WE_SYNTAX. The text is good until the next call. */
int load_reply_take(struct load_reply *r, const char **data, size_t *size);

/* Port in the text of a 229 (RFC 2428 3) or 227 (RFC 959 4.1.2; the address in it is not looked at), or -WE_SYNTAX. */
int load_reply_epsv(const char *text);
int load_reply_pasv(const char *text);

#endif
