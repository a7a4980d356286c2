#include "session/list_format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"

enum {
	DAY = 86400,
	RECENT = 180 * DAY, /* older ones show the year */
	FUTURE = DAY,       /* clocks differ; what is further ahead shows the year too */
	FIXED_ROOM = 3 + 10 + 12 + 2 * (LIST_OWNER_MAX + 1) + 24 + 16 + 16
};

size_t list_line_room(const char *name, const char *target)
{
	return FIXED_ROOM + 4 * strlen(name) + (target ? 4 + 4 * strlen(target) : 0);
}

/* Line ends in a name would be lines of their own. */
static size_t put_plain(char *dst, const char *name, size_t n)
{
	memcpy(dst, name, n);
	if (str_has_control(name, n))
		for (char *p = dst; p < dst + n; p++)
			if (*p == '\n' || *p == '\r')
				*p = '?';
	return n;
}

size_t list_put_name(char *dst, const char *name, size_t n, bool escape)
{
	char *p = dst;

	if (!escape)
		return put_plain(dst, name, n);
	for (const char *end = name + n; name < end; name++) {
		unsigned char c = (unsigned char)*name;

		if (c < 0x20 || c >= 0x7f) {
			*p++ = '\\';
			*p++ = (char)('0' + (c >> 6));
			*p++ = (char)('0' + (c >> 3 & 7));
			*p++ = (char)('0' + (c & 7));
		} else {
			*p++ = (char)c;
		}
	}
	return (size_t)(p - dst);
}

char list_suffix(unsigned mode)
{
	if (S_ISDIR(mode))
		return '/';
	if (S_ISLNK(mode))
		return '@';
	return S_ISREG(mode) && mode & 0111 ? '*' : 0;
}

int64_t list_time_of(const struct statx *st, enum list_time which)
{
	switch (which) {
	case LIST_CTIME:
		return st->stx_ctime.tv_sec;
	case LIST_ATIME:
		return st->stx_atime.tv_sec;
	default:
		return st->stx_mtime.tv_sec;
	}
}

/* --- pieces: each writes at p and returns where it ended --- */

static char *put_text(char *p, const char *s, size_t width)
{
	size_t n = strnlen(s, LIST_OWNER_MAX);

	for (size_t i = 0; i < n; i++)
		*p++ = (unsigned char)s[i] < 0x20 ? '?' : s[i];
	for (; n < width; n++)
		*p++ = ' ';
	return p;
}

/* Decimal, filled up with pad on the left. */
static char *put_num(char *p, uint64_t v, unsigned width, char pad)
{
	char digits[20];
	unsigned n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (unsigned i = n; i < width; i++)
		*p++ = pad;
	while (n)
		*p++ = digits[--n];
	return p;
}

static char *put_mode(char *p, unsigned mode)
{
	static const char types[16] = "?pc?d?b?-?l?s???";
	static const char rwx[] = "rwxrwxrwx";

	*p = types[mode >> 12 & 15];
	for (unsigned i = 0; i < 9; i++)
		p[1 + i] = mode & 0400u >> i ? rwx[i] : '-';
	if (mode & S_ISUID)
		p[3] = mode & 0100 ? 's' : 'S';
	if (mode & S_ISGID)
		p[6] = mode & 0010 ? 's' : 'S';
	if (mode & S_ISVTX)
		p[9] = mode & 0001 ? 't' : 'T';
	return p + 10;
}

static char *put_size(char *p, uint64_t size, bool human)
{
	static const char units[] = "kMGTPE";
	double v = (double)size;
	unsigned steps = 0;

	if (!human || size < 1000)
		return put_num(p, size, 8, ' ');
	while (v >= 1000 && steps < sizeof units - 1) {
		v /= 1024;
		steps++;
	}
	return p + snprintf(p, 24, "%7.1f%c", v, units[steps - 1]);
}

static void civil_of(const struct list_style *style, int64_t secs, struct civil *c)
{
	struct tm tm;
	time_t t = (time_t)secs;

	if (style->gmt || !localtime_r(&t, &tm)) {
		clock_utc(secs, c);
		return;
	}
	*c = (struct civil){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
}

static char *put_year(char *p, int year)
{
	int64_t y = year;

	/* Years before 0 and after 9999 happen only with damaged inodes, but must not break the line. */
	if (y < 0)
		*p++ = '-';
	return put_num(p, (uint64_t)(y < 0 ? -y : y), y < 0 ? 4 : 5, ' ');
}

static char *put_date(char *p, const struct list_style *style, int64_t secs)
{
	struct civil c;

	civil_of(style, secs, &c);
	memcpy(p, clock_month_name[c.month - 1], 3);
	p[3] = ' ';
	p = put_num(p + 4, (uint64_t)c.day, 2, ' ');
	*p++ = ' ';
	/* Written so that no difference of two damaged times can overflow. */
	if (secs < style->now - RECENT || secs > style->now + FUTURE)
		return put_year(p, c.year);
	p = put_num(p, (uint64_t)c.hour, 2, '0');
	*p++ = ':';
	return put_num(p, (uint64_t)c.minute, 2, '0');
}

static size_t put_end(char *dst, char *p)
{
	*p++ = '\r';
	*p++ = '\n';
	return (size_t)(p - dst);
}

/* --- lines --- */

static char *long_unix(const struct list_style *style, const struct list_line *l, char *p)
{
	p = put_mode(p, l->mode);
	*p++ = ' ';
	p = put_num(p, l->st->stx_nlink, 3, ' ');
	*p++ = ' ';
	p = put_text(p, l->owner, 8);
	*p++ = ' ';
	p = put_text(p, l->group, 8);
	*p++ = ' ';
	p = put_size(p, l->st->stx_size, style->human);
	*p++ = ' ';
	p = put_date(p, style, list_time_of(l->st, style->time));
	*p++ = ' ';
	return p;
}

static char *long_windows(const struct list_style *style, const struct list_line *l, char *p)
{
	struct civil c;
	bool dir = S_ISDIR(l->mode);

	civil_of(style, list_time_of(l->st, style->time), &c);
	p = put_num(p, (uint64_t)c.month, 2, '0');
	*p++ = '-';
	p = put_num(p, (uint64_t)c.day, 2, '0');
	*p++ = '-';
	p = put_num(p, (uint64_t)(c.year % 100 < 0 ? -(c.year % 100) : c.year % 100), 2, '0');
	*p++ = ' ';
	*p++ = ' ';
	p = put_num(p, (uint64_t)(c.hour % 12 ? c.hour % 12 : 12), 2, '0');
	*p++ = ':';
	p = put_num(p, (uint64_t)c.minute, 2, '0');
	*p++ = c.hour < 12 ? 'A' : 'P';
	*p++ = 'M';
	*p++ = ' ';
	if (dir) {
		memcpy(p, "      <DIR>          ", 21);
		return p + 21;
	}
	p = put_num(p, l->st->stx_size, 20, ' ');
	*p++ = ' ';
	return p;
}

size_t list_format_long(const struct list_style *style, const struct list_line *l, char *dst)
{
	char *p = style->windows ? long_windows(style, l, dst) : long_unix(style, l, dst);
	char suffix = style->classify ? list_suffix(l->mode) : 0;

	p += list_put_name(p, l->name, strlen(l->name), style->escape);
	if (l->target && !style->windows) {
		memcpy(p, " -> ", 4);
		p += 4;
		p += list_put_name(p, l->target, strlen(l->target), style->escape);
	} else if (suffix) {
		*p++ = suffix;
	}
	return put_end(dst, p);
}

size_t list_format_name(const struct list_style *style, const char *name, unsigned mode, char *dst)
{
	char *p = dst + list_put_name(dst, name, strlen(name), style->escape);
	char suffix = style->classify ? list_suffix(mode) : 0;

	if (suffix)
		*p++ = suffix;
	return put_end(dst, p);
}
