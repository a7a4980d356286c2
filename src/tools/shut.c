#include "tools/shut.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

#define MINUTES_MAX (366u * 24 * 60)

static int clock_time(unsigned hour, unsigned minute, time_t now, time_t *ret_when)
{
	struct tm tm;
	time_t t;

	if (hour > 23 || minute > 59 || localtime_r(&now, &tm) == NULL)
		return -WE_SYNTAX;
	tm.tm_hour = (int)hour;
	tm.tm_min = (int)minute;
	tm.tm_sec = 0;
	tm.tm_isdst = -1;
	t = mktime(&tm);
	if (t <= now) { /* by the calendar, so that a day with 23 hours is one day */
		tm.tm_mday++;
		tm.tm_hour = (int)hour;
		tm.tm_min = (int)minute;
		tm.tm_isdst = -1;
		t = mktime(&tm);
	}
	*ret_when = t;
	return 0;
}

int shut_time(const char *word, time_t now, time_t *ret_when)
{
	bool relative = word[0] == '+';
	uint64_t n;
	size_t len = strlen(word);

	if (str_eq_nocase(word, "now")) {
		*ret_when = now;
		return 0;
	}
	if (str_to_u64(word + relative, &n) < 0)
		return -WE_SYNTAX;
	if (relative) {
		if (n > MINUTES_MAX)
			return -WE_SYNTAX;
		*ret_when = now + (time_t)n * 60;
		return 0;
	}
	if (len == 4)
		return clock_time((unsigned)n / 100, (unsigned)n % 100, now, ret_when);
	return len <= 2 ? clock_time((unsigned)n, 0, now, ret_when) : -WE_SYNTAX;
}
