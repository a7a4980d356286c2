/* One line of a listing into the caller's buffer: LIST in Unix and Windows style, names, MLSx facts
 * (facts.h).
 *
 * No allocation, no lock, no strftime() per line; every line ends in CRLF. The caller decides what is shown
 * (hidden entries, faked owners, links) and brings it; here is only what it looks like.
 */
#ifndef SESSION_LIST_FORMAT_H
#define SESSION_LIST_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "session/list_opts.h"

#define LIST_OWNER_MAX 64 /* bytes of an owner's or group's name that are shown */

/* How to write; the same for all lines of a listing. */
struct list_style {
	bool windows;
	bool gmt; /* times in GMT, else local time (tzset() was called before the process locked itself in) */
	int64_t now; /* seconds since 1970 when the listing began: what is recent */
	bool classify, escape, human;
	enum list_time time;
};

struct list_line {
	const char *name;   /* as shown */
	const char *target; /* of a link, else NULL */
	const char *owner, *group;
	unsigned mode;          /* type and permission bits as shown */
	const struct statx *st; /* nlink, size and times */
};

/* Upper bound of the bytes that any of the functions below writes for such a name and target. */
size_t list_line_room(const char *name, const char *target);

/* All write one line with CRLF to dst, which has list_line_room() bytes, and return its length (no NUL). */
size_t list_format_long(const struct list_style *style, const struct list_line *line, char *dst);
/* Name, with the -F suffix that mode asks for (mode 0: none). */
size_t list_format_name(const struct list_style *style, const char *name, unsigned mode, char *dst);

/* The name (n bytes) alone without CRLF, CR and LF as '?', with escape other unprintable bytes as \ooo. Returns its
 * length; at most 4 * n. */
size_t list_put_name(char *dst, const char *name, size_t n, bool escape);
/* -F suffix of a mode: '/', '*', '@' or 0. */
char list_suffix(unsigned mode);
/* Seconds of the time that an option chose. */
int64_t list_time_of(const struct statx *st, enum list_time which);

#endif
