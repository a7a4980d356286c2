#include "base/clock.h"

#include <errno.h>

const char *const clock_month_name[12] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
const char *const clock_day_name[7] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

uint64_t clock_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000u;
}

uint64_t clock_wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail with this clock */
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* Days and dates by eras of 400 years with the year starting in March, so that leap days come last. */
static int64_t days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void clock_utc(int64_t secs, struct civil *ret_c)
{
	int64_t days = secs / 86400, rest = secs % 86400, era, doe, yoe, doy, mp;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	ret_c->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	ret_c->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	ret_c->year = (int)(yoe + era * 400 + (ret_c->month <= 2));
	ret_c->hour = (int)(rest / 3600);
	ret_c->minute = (int)(rest / 60 % 60);
	ret_c->second = (int)(rest % 60);
}

int clock_from_utc(const struct civil *c, int64_t *ret_secs)
{
	static const int month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int days;

	if (c->month < 1 || c->month > 12 || c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 ||
		c->second < 0 || c->second > 60)
		return -EINVAL;
	days = month_days[c->month - 1];
	if (c->month == 2 && c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0))
		days++;
	if (c->day < 1 || c->day > days)
		return -EINVAL;
	*ret_secs = days_from_civil(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 +
		    c->second;
	return 0;
}
