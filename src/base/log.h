/* The log front: every diagnostic line of every process passes here and goes to the sink that src/log/ (or a
 * test) has set. Records (xferlog, ExtendedLog) are another thing: see log/.
 *
 * Message style: lower case, what failed, then the cause; outside text in quotes and escaped with
 * str_escape(); no newline. Library code (base, zsend, vfs, conf, score) logs at debug level only and
 * returns its errors. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

/* Who a line is about. Owned by the session (or process); children inherit by parent pointer. The sink prints
 * the fields it finds as key=value. What pointers show is kept, and they may be NULL. */
struct addr; /* base/addr.h */
struct log_ctx {
	const struct log_ctx *parent;
	const char *process; /* "master", "login", "auth", "session" */
	const char *user;
	const struct addr *client;
	unsigned sid; /* session number, 0 = none */
	int fd;       /* log file that its lines go to instead; 0 = as the sink says, LOG_NOWHERE */
};
#define LOG_NOWHERE (-1)

/* level: syslog's; debug_level: 0 for levels above LOG_DEBUG, else 1..10. line has no newline. */
typedef void log_sink_fn(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line);

void log_set_sink(log_sink_fn *fn, void *arg); /* NULL: standard error */
void log_set_level(int syslog_level);          /* default LOG_NOTICE; lines below are dropped */
void log_set_debug(int debug_level);           /* default 0; 1..10 lets log_debug() lines up to it through */

void log_at(const struct log_ctx *ctx, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void log_err(const struct log_ctx *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_warn(const struct log_ctx *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_notice(const struct log_ctx *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_info(const struct log_ctx *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* debug_level 1..10, as DebugLevel of the configuration. */
void log_debug(const struct log_ctx *ctx, int debug_level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
