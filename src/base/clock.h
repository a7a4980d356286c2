/* Time. Durations and deadlines use the monotonic clock, so a clock jump closes no session; the wall clock is
 * only for what people read. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

uint64_t clock_ms(void);      /* monotonic, milliseconds */
uint64_t clock_us(void);      /* monotonic, microseconds */
uint64_t clock_wall_ms(void); /* since 1970, milliseconds */

/* Civil time without the C library's locks and without TZ for UTC. year 1900+, month 1..12. */
struct civil {
	int year, month, day, hour, minute, second;
};
void clock_utc(int64_t secs, struct civil *ret_c);
/* The inverse; fields must be in range (RFC 3659 2.3), second <= 60. Returns 0 or -EINVAL. */
int clock_from_utc(const struct civil *c, int64_t *ret_secs);

extern const char *const clock_month_name[12]; /* "Jan" ... never localised */
extern const char *const clock_day_name[7];    /* "Sun" ... */

#endif
