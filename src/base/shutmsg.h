/* The shutdown message file that ftpshut writes and the daemon watches (default SHUTMSG_PATH). Two lines:
 *
 *   YYYY M D h m s HHMM HHMM      local time of the shutdown, M from 0 (January) to 11 as the format has it
 *                                 since wu-ftpd; how long before it logins are refused, and sessions ended
 *   message                       with % cookies: ftpshut(8)
 */
#ifndef BASE_SHUTMSG_H
#define BASE_SHUTMSG_H

#include <time.h>

#include "base/buf.h"

#define SHUTMSG_PATH "/etc/shutmsg"
#define SHUTMSG_TEXT 1024

struct shutmsg {
	time_t when;             /* shutdown */
	time_t deny;             /* new logins are refused from here on */
	time_t disconnect;       /* sessions are ended from here on */
	char text[SHUTMSG_TEXT]; /* message; one line */
};

/* Append the file's text to out. Offsets over 99 h 59 min are written as that. 0 or -errno of the buffer. */
int shutmsg_format(struct buf *out, const struct shutmsg *m);

/* data: the file's text, NUL-terminated, borrowed. 0, or -WE_SYNTAX with *ret_m unchanged. */
int shutmsg_parse(const char *data, struct shutmsg *ret_m);

#endif
