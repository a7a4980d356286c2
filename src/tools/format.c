#include "tools/format.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

#define STALL_MS 2000

static unsigned long long seconds_since(uint64_t since_ms, uint64_t now_ms)
{
	return now_ms > since_ms ? (now_ms - since_ms) / 1000 : 0;
}

const char *format_duration(char *buf, uint64_t since_ms, uint64_t now_ms)
{
	unsigned long long secs = seconds_since(since_ms, now_ms);

	if (since_ms == 0)
		(void)str_copy(buf, FORMAT_TIME_MAX, "-"); /* fits */
	else if (secs < 3600)
		(void)snprintf(buf, FORMAT_TIME_MAX, "%llum%llus", secs / 60, secs % 60); /* fits */
	else
		(void)snprintf(buf, FORMAT_TIME_MAX, "%lluh%llum", secs / 3600, secs / 60 % 60); /* fits */
	return buf;
}

const char *format_uptime(char *buf, uint64_t since_ms, uint64_t now_ms)
{
	unsigned long long secs = seconds_since(since_ms, now_ms);
	unsigned long long days = secs / 86400, hours = secs / 3600 % 24, minutes = secs / 60 % 60;
	int n = 0;

	if (since_ms == 0)
		return strcpy(buf, "-");
	if (days > 0) /* all of it fits: 20 digits and the words */
		n = snprintf(buf, FORMAT_TIME_MAX, "%llu day%s, ", days, days == 1 ? "" : "s");
	if (hours > 0)
		(void)snprintf(buf + n, FORMAT_TIME_MAX - (size_t)n, "%2llu hr%s %02llu min", hours,
			hours == 1 ? "" : "s", minutes);
	else
		(void)snprintf(buf + n, FORMAT_TIME_MAX - (size_t)n, "%llu min", minutes);
	return buf;
}

int format_percent(uint64_t done, uint64_t size)
{
	if (done == 0)
		return 0;
	if (size == 0)
		return -1;
	return done >= size ? 100 : (int)((double)done * 100.0 / (double)size + 0.5);
}

const char *format_percent_text(char *buf, uint64_t done, uint64_t size)
{
	int percent = format_percent(done, size);

	if (percent < 0)
		(void)strcpy(buf, "-");
	else
		(void)snprintf(buf, FORMAT_PERCENT_MAX, "%d", percent); /* fits */
	return buf;
}

enum format_kind format_kind(const char *cmd)
{
	static const struct {
		const char *cmd;
		enum format_kind kind;
	} rows[] = {
		{"RETR", FORMAT_DOWNLOAD},
		{"READ", FORMAT_DOWNLOAD},
		{"scp download", FORMAT_DOWNLOAD},
		{"STOR", FORMAT_UPLOAD},
		{"STOU", FORMAT_UPLOAD},
		{"APPE", FORMAT_UPLOAD},
		{"WRITE", FORMAT_UPLOAD},
		{"scp upload", FORMAT_UPLOAD},
		{"LIST", FORMAT_LISTING},
		{"NLST", FORMAT_LISTING},
		{"MLST", FORMAT_LISTING},
		{"MLSD", FORMAT_LISTING},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		if (str_eq(cmd, rows[i].cmd))
			return rows[i].kind;
	}
	return FORMAT_OTHER;
}

struct format_transfer format_transfer(const struct score_session *s)
{
	struct format_transfer t = {0};

	if (s->idle || !s->xfer_current || s->dir == SCORE_NO_TRANSFER)
		return t;
	t.begun = true;
	t.size = s->xfer_size;
	t.done = s->xfer_done;
	t.acked = s->xfer_acked;
	t.elapsed_ms = s->xfer_elapsed_ms;
	return t;
}

const char *format_percent_shown(char *buf, const struct score_session *s)
{
	struct format_transfer t = format_transfer(s);
	enum format_kind kind = format_kind(s->cmd);

	if (kind != FORMAT_DOWNLOAD && (kind != FORMAT_UPLOAD || t.size == 0))
		return NULL;
	return format_percent_text(buf, t.done, t.size);
}

bool format_stalled(const struct score_session *s, uint64_t now_ms)
{
	return s->xfer_active && now_ms > s->xfer_updated_ms && now_ms - s->xfer_updated_ms > STALL_MS;
}

double format_rate(const struct score_session *s, uint64_t now_ms)
{
	struct format_transfer t = format_transfer(s);
	double elapsed = (double)t.elapsed_ms;

	if (!t.begun || t.done == 0)
		return -1;
	if (format_stalled(s, now_ms))
		elapsed += (double)(now_ms - s->xfer_updated_ms);
	return (double)t.done * 1000.0 / (elapsed < 1 ? 1 : elapsed);
}

const char *format_clean(char *dst, size_t size, const char *src)
{
	size_t left = strlen(src), at = 0;

	while (left > 0) {
		size_t len = utf8_len(src, left);
		unsigned char c = (unsigned char)src[0];
		bool bad = len == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)src[1] < 0xa0);

		if (len == 0)
			len = 1;
		if (at + (bad ? 1 : len) + 1 > size)
			break;
		if (bad)
			dst[at++] = '?';
		else
			memcpy(dst + at, src, len);
		at += bad ? 0 : len;
		src += len;
		left -= len;
	}
	if (size > 0)
		dst[at] = '\0';
	return dst;
}

const char *format_addr_port(char *buf, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];
	bool six;

	buf[0] = '\0';
	if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6)
		return buf;
	(void)addr_text(a, text);
	six = strchr(text, ':') != NULL;
	(void)snprintf(buf, ADDR_TEXT_MAX + 10, "%s%s%s:%u", six ? "[" : "", text, six ? "]" : "",
		(unsigned)addr_port(a)); /* fits */
	return buf;
}
