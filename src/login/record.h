/* ExtendedLog lines of commands before login. */
#ifndef LOGIN_RECORD_H
#define LOGIN_RECORD_H

#include <stddef.h>
#include <stdint.h>

struct login_conn;

/* A command has been answered.
 *   verb    as in ftp/verb.h, or the first word of an unknown command
 *   line    the whole line, args what follows the verb; with secrets already replaced; NULL = none
 *   reply   what was sent, of which the last line counts; reply_len bytes, borrowed
 *   start_ms  when the command was read, monotonic */
void login_record(const struct login_conn *c, const char *verb, const char *line, const char *args,
	const char *reply, size_t reply_len, uint64_t start_ms, uint64_t now_ms);

#endif
