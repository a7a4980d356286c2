#include "base/shutmsg.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

/* Seconds as the number HHMM. */
static int offset_hhmm(time_t secs)
{
	int minutes = secs > 0 ? (int)(secs / 60 < 5999 ? secs / 60 : 5999) : 0;

	return minutes / 60 * 100 + minutes % 60;
}

static time_t offset_secs(int hhmm)
{
	return (time_t)(hhmm / 100 * 60 + hhmm % 100) * 60;
}

int shutmsg_format(struct buf *out, const struct shutmsg *m)
{
	struct tm tm;

	(void)localtime_r(&m->when, &tm); /* fails only for years that do not fit an int */
	return buf_printf(out, "%d %d %d %d %d %d %04d %04d\n%s\n", tm.tm_year + 1900, tm.tm_mon, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec, offset_hhmm(m->when - m->deny),
		offset_hhmm(m->when - m->disconnect), m->text);
}

int shutmsg_parse(const char *data, struct shutmsg *ret_m)
{
	struct tm tm = {.tm_isdst = -1};
	int deny, disconnect, used = 0;
	const char *line2;
	size_t n;

	if (sscanf(data, "%5d %3d %3d %3d %3d %3d %5d %5d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &deny, &disconnect, &used) != 8)
		return -WE_SYNTAX;
	if (tm.tm_year < 1970 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
		tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
		tm.tm_sec > 60 || deny < 0 || deny > 9959 || disconnect < 0 || disconnect > 9959)
		return -WE_SYNTAX;
	tm.tm_year -= 1900;
	line2 = strchr(data + used, '\n');
	line2 = line2 != NULL ? line2 + 1 : "";
	n = strcspn(line2, "\r\n");
	n = utf8_cut(line2, n, sizeof(ret_m->text) - 1);
	memcpy(ret_m->text, line2, n);
	ret_m->text[n] = '\0';
	ret_m->when = mktime(&tm);
	ret_m->deny = ret_m->when - offset_secs(deny);
	ret_m->disconnect = ret_m->when - offset_secs(disconnect);
	return 0;
}
