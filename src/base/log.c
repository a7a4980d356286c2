#include "base/log.h"

#include <stdio.h>

static log_sink_fn *sink;
static void *sink_arg;
static int max_level = LOG_NOTICE;
static int max_debug;

void log_set_sink(log_sink_fn *fn, void *arg)
{
	sink = fn;
	sink_arg = arg;
}

void log_set_level(int syslog_level)
{
	max_level = syslog_level;
}

void log_set_debug(int debug_level)
{
	max_debug = debug_level;
}

static void emit(const struct log_ctx *ctx, int level, int debug_level, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void emit(const struct log_ctx *ctx, int level, int debug_level, const char *fmt, va_list ap)
{
	char line[2048];

	if (level == LOG_DEBUG ? debug_level > max_debug : level > max_level)
		return;
	(void)vsnprintf(line, sizeof(line), fmt, ap); /* cut when too long */
	if (sink != NULL)
		sink(sink_arg, ctx, level, debug_level, line);
	else
		fprintf(stderr, "%s\n", line);
}

void log_at(const struct log_ctx *ctx, int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(ctx, level, 1, fmt, ap);
	va_end(ap);
}

#define LEVEL_FN(name, level)                                                                                \
	void name(const struct log_ctx *ctx, const char *fmt, ...)                                           \
	{                                                                                                    \
		va_list ap;                                                                                  \
                                                                                                             \
		va_start(ap, fmt);                                                                           \
		emit(ctx, level, 0, fmt, ap);                                                                \
		va_end(ap);                                                                                  \
	}

LEVEL_FN(log_err, LOG_ERR)
LEVEL_FN(log_warn, LOG_WARNING)
LEVEL_FN(log_notice, LOG_NOTICE)
LEVEL_FN(log_info, LOG_INFO)

void log_debug(const struct log_ctx *ctx, int debug_level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(ctx, LOG_DEBUG, debug_level, fmt, ap);
	va_end(ap);
}
