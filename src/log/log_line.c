#include "log/log_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void log_line_init(struct log_line *l, char *buf, size_t size)
{
	l->buf = buf;
	l->size = size;
	l->at = 0;
	l->cut = false;
	buf[0] = '\0';
}

void log_line_add(struct log_line *l, const char *fmt, ...)
{
	size_t room = l->size - l->at;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->buf + l->at, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) {
		l->cut = true;
		l->at = l->size - 1;
		l->buf[l->at] = '\0';
	} else {
		l->at += (size_t)n;
	}
}

void log_line_add_field(struct log_line *l, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (l->at + 1 >= l->size) {
			l->cut = true;
			break;
		}
		l->buf[l->at++] = c <= 0x20 || c == 0x7f ? '_' : (char)c;
	}
	l->buf[l->at] = '\0';
}

void log_local_time(int64_t wall_secs, struct tm *ret_tm)
{
	time_t t = (time_t)wall_secs, zero = 0;

	if (localtime_r(&t, ret_tm) == NULL && gmtime_r(&zero, ret_tm) == NULL)
		memset(ret_tm, 0, sizeof(*ret_tm));
}

void log_line_add_ctime(struct log_line *l, int64_t wall_secs)
{
	struct tm tm;

	log_local_time(wall_secs, &tm);
	log_line_add(l, "%s %s %2d %02d:%02d:%02d %d", clock_day_name[tm.tm_wday],
		clock_month_name[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

void log_line_add_iso(struct log_line *l, int64_t wall_ms)
{
	struct tm tm;

	log_local_time(wall_ms / 1000, &tm);
	log_line_add(l, "%04d-%02d-%02d %02d:%02d:%02d,%03d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
}
