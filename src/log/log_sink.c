#include "log/log_sink.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "log/log_file.h"
#include "log/log_priv.h"

#define TEXT_SIZE 6144 /* the longest line of base/log.h with its prefix and fields, escaped */

static struct log_sink sink;
static char host[256];

/* The nearest of each along the parents. */
static struct log_ctx gather(const struct log_ctx *ctx)
{
	struct log_ctx all = {0};

	for (; ctx != NULL; ctx = ctx->parent) {
		if (all.process == NULL)
			all.process = ctx->process;
		if (all.user == NULL)
			all.user = ctx->user;
		if (all.client == NULL)
			all.client = ctx->client;
		if (all.sid == 0)
			all.sid = ctx->sid;
		if (all.fd == 0)
			all.fd = ctx->fd;
	}
	return all;
}

/* " name=value" inside brackets; *open says whether the bracket is there. Values with blanks are quoted. */
static void add_text_field(struct log_line *l, bool *open, const char *name, const char *value)
{
	char safe[512];

	if (value == NULL)
		return;
	(void)str_escape(value, safe, sizeof(safe)); /* cut is fine */
	log_line_add(l, "%s%s=", *open ? " " : " [", name);
	log_line_add(l, strpbrk(safe, " []") != NULL || *safe == '\0' ? "\"%s\"" : "%s", safe);
	*open = true;
}

static void add_message(struct log_line *l, const struct log_ctx *ctx, const char *text)
{
	bool open = false;
	size_t begin = l->at;

	log_line_add(l, "%s", text);
	for (size_t i = begin; i < l->at; i++) { /* names and texts of clients and servers may be in it */
		if ((unsigned char)l->buf[i] < 0x20 || l->buf[i] == 0x7f)
			l->buf[i] = '_';
	}
	add_text_field(l, &open, "process", ctx->process);
	add_text_field(l, &open, "user", ctx->user);
	if (ctx->sid != 0) {
		log_line_add(l, "%ssid=%u", open ? " " : " [", ctx->sid);
		open = true;
	}
	if (open)
		log_line_add(l, "]");
}

static void add_client(struct log_line *l, const struct log_ctx *ctx)
{
	char client[ADDR_TEXT_MAX];

	if (ctx->client == NULL)
		return;
	(void)addr_text(ctx->client, client);
	log_line_add(l, " (%s[%s])", client, client);
}

static void format_text(struct log_line *l, const struct log_ctx *ctx, const char *text)
{
	log_line_add_iso(l, (int64_t)clock_wall_ms());
	if (sink.kind == LOG_SINK_FILE || ctx->fd > 0)
		log_line_add(l, " %s %s[%d] %s", host, sink.program, (int)getpid(), host);
	else
		log_line_add(l, " %s[%d]", sink.program, (int)getpid());
	add_client(l, ctx);
	log_line_add(l, ": ");
	add_message(l, ctx, text);
}

static void format_syslog(struct log_line *l, const struct log_ctx *ctx, const char *text)
{
	log_line_add(l, "%s", host);
	add_client(l, ctx);
	log_line_add(l, ": ");
	add_message(l, ctx, text);
}

static void json_time(struct json *j, int64_t wall_ms)
{
	char text[64];
	struct civil c;

	clock_utc(wall_ms / 1000, &c);
	(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day,
		c.hour, c.minute, c.second, (int)(wall_ms % 1000));
	json_str(j, "time", text);
}

static int format_json(
	struct buf *out, const struct log_ctx *ctx, int level, int debug_level, const char *text)
{
	char client[ADDR_TEXT_MAX];
	struct json j;

	json_init(&j, out, 0);
	json_open_object(&j, NULL);
	json_time(&j, (int64_t)clock_wall_ms());
	json_str(&j, "level", log_level_name(level));
	if (debug_level > 0)
		json_u64(&j, "debug", (uint64_t)debug_level);
	json_u64(&j, "pid", (uint64_t)getpid());
	if (ctx->process != NULL)
		json_str(&j, "process", ctx->process);
	if (ctx->client != NULL)
		json_str(&j, "client", addr_text(ctx->client, client));
	if (ctx->user != NULL)
		json_str(&j, "user", ctx->user);
	if (ctx->sid != 0)
		json_u64(&j, "sid", ctx->sid);
	json_str(&j, "message", text);
	json_end(&j);
	return json_finish(&j);
}

/* One line, newline excluded, to where it belongs. A failure to log has nowhere to be told. */
static void deliver(const struct log_ctx *ctx, int level, char *line, size_t len)
{
	int fd = ctx->fd > 0 ? ctx->fd : sink.kind == LOG_SINK_FILE ? sink.fd : STDERR_FILENO;

	if (ctx->fd == 0 && sink.kind == LOG_SINK_SYSLOG) {
		log_syslog_write(sink.sys, sink.facility | level, line);
		return;
	}
	line[len] = '\n';
	(void)log_file_write(fd, line, len + 1);
	line[len] = '\0';
}

static void write_line(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *text)
{
	struct log_ctx all = gather(ctx);
	char buf[TEXT_SIZE + 1]; /* one for the newline */
	struct buf json;
	struct log_line l;

	if (all.fd < 0)
		return;
	if (sink.json) {
		buf_init(&json, 4 * TEXT_SIZE);
		if (format_json(&json, &all, level, debug_level, text) == 0 && buf_putc(&json, '\n') == 0) {
			json.data[json.len - 1] = '\0';
			deliver(&all, level, json.data, json.len - 1);
		}
		buf_done(&json);
		return;
	}
	log_line_init(&l, buf, TEXT_SIZE);
	if (sink.kind == LOG_SINK_SYSLOG && all.fd == 0)
		format_syslog(&l, &all, text);
	else
		format_text(&l, &all, text);
	deliver(&all, level, l.buf, l.at);
}

void log_sink_install(const struct log_sink *new_sink)
{
	sink = *new_sink;
	tzset();
	if (gethostname(host, sizeof(host)) < 0)
		strcpy(host, "localhost");
	host[sizeof(host) - 1] = '\0';
	log_set_sink(write_line, NULL);
}
