/* How the scoreboard tools word what they show. All times are wall clock milliseconds. Nothing here ever
 * prints inf or nan: what is not known is "-". */
#ifndef TOOLS_FORMAT_H
#define TOOLS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "score/score.h"

#define FORMAT_TIME_MAX    64
#define FORMAT_PERCENT_MAX 12

/* Time from since to now: "-" (since is 0), "3m9s", "2h05m" without the zero: "2h5m". buf has
 * FORMAT_TIME_MAX bytes; returns buf. A clock that went backwards counts as no time. */
const char *format_duration(char *buf, uint64_t since_ms, uint64_t now_ms);
/* "2 days,  3 hrs 05 min" or "7 min". */
const char *format_uptime(char *buf, uint64_t since_ms, uint64_t now_ms);

/* done of size bytes as a number 0..100; -1 when the size is not known. */
int format_percent(uint64_t done, uint64_t size);
/* "0", "42", "100", "-". buf has FORMAT_PERCENT_MAX bytes. */
const char *format_percent_text(char *buf, uint64_t done, uint64_t size);

/* The percentage that a command shows: "42" of a download, and of an upload whose size was announced; "-" of a download
 * without a size; NULL of everything else. buf as above. */
const char *format_percent_shown(char *buf, const struct score_session *s);

/* What a session's command does. */
enum format_kind { FORMAT_OTHER, FORMAT_DOWNLOAD, FORMAT_UPLOAD, FORMAT_LISTING };
enum format_kind format_kind(const char *cmd);

/* The numbers of the transfer that belongs to the current command: all 0 when it has not opened its data
 * connection yet, whatever the transfer before has left. */
struct format_transfer {
	uint64_t size, done, acked, elapsed_ms;
	bool begun;
};
struct format_transfer format_transfer(const struct score_session *s);

/* Does the transfer run without a record of progress for over two seconds? */
bool format_stalled(const struct score_session *s, uint64_t now_ms);

/* Average bytes per second; negative when not known. The time goes on when no progress was recorded for
 * over two seconds, so a transfer that has stalled sinks to 0. */
double format_rate(const struct score_session *s, uint64_t now_ms);

/* Text of others for a terminal: control characters (also those of 8 bits) and what is not UTF-8 become '?'.
 * Cut to size bytes with the NUL; returns dst. */
const char *format_clean(char *dst, size_t size, const char *src);

/* "192.0.2.1:21", "[2001:db8::1]:21"; "" when unset. buf has ADDR_TEXT_MAX + 10 bytes. */
const char *format_addr_port(char *buf, const struct addr *a);

#endif
