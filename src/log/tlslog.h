/* TLSLog: a line for each TLS handshake and for each TLS connection that failed. */
#ifndef LOG_TLSLOG_H
#define LOG_TLSLOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

struct tlslog {                    /* strings are borrowed */
	int64_t wall_ms;           /* now, since 1970 */
	const struct log_ctx *ctx; /* whose client, user and session number are written */
	const char *channel;       /* "control", "data" */
	const char *text;          /* what the connection is, or why it failed */
	int64_t duration_ms;       /* of the handshake; -1 = it says nothing here */
};

#define TLSLOG_LINE_SIZE 2048 /* longer ones are cut */

/* "2026-11-22 04:42:16,123 control sid=7 client=192.0.2.1 user=alice: TLSv1.3 ..., 3 ms" with its newline and a NUL into
 * buf, at most size bytes (>= 2). Control bytes become '_', so that a line is one line. Returns its length. */
size_t tlslog_format(const struct tlslog *t, char *buf, size_t size);
/* Format and append to fd with one write(). 0 or -errno. fd -1: 0. */
int tlslog_write(int fd, const struct tlslog *t);

#endif
