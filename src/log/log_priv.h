/* Inside of log: building one line in a buffer of fixed size. */
#ifndef LOG_LOG_PRIV_H
#define LOG_LOG_PRIV_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct log_line {
	char *buf;
	size_t size, at; /* at < size, buf[at] is NUL */
	bool cut;        /* something did not fit */
};

void log_line_init(struct log_line *l, char *buf, size_t size);
void log_line_add(struct log_line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s with blanks and control bytes as '_'. */
void log_line_add_field(struct log_line *l, const char *s);

/* Local time; never fails (the epoch for what a calendar cannot hold). */
void log_local_time(int64_t wall_secs, struct tm *ret_tm);
/* "Sun Nov 22 04:42:16 2026" */
void log_line_add_ctime(struct log_line *l, int64_t wall_secs);
/* "2026-11-22 04:42:16,123" */
void log_line_add_iso(struct log_line *l, int64_t wall_ms);

#endif
