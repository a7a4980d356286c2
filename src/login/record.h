/* ExtendedLog lines of commands before login. Formats are compiled and syslog is opened when the process
 * starts, before it is confined; the files are master's descriptors. */
#ifndef LOGIN_RECORD_H
#define LOGIN_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "ftp/conf.h"

struct login_conn;
struct login_records;

/* For all servers of config, which is kept. Never NULL. What cannot be written is logged and left out. */
struct login_records *login_records_new(const struct ftp_config *config);
void login_records_free(struct login_records *r); /* NULL is fine */

/* A command has been answered.
 *   verb    as in ftp/verb.h, or the first word of an unknown command
 *   line    the whole line, args what follows the verb; with secrets already replaced; NULL = none
 *   reply   what was sent, of which the last line counts; reply_len bytes, borrowed
 *   start_ms  when the command was read, monotonic */
void login_record(const struct login_conn *c, const char *verb, const char *line, const char *args,
	const char *reply, size_t reply_len, uint64_t start_ms, uint64_t now_ms);

#endif
