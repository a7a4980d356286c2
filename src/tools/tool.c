#include "tools/tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wherry_config.h"

#define DEFAULT_BOARD WHERRY_RUN_DIR "/wherry.scoreboard"

static const char *const default_configs[] = {
	WHERRY_SYSCONF_DIR "/wherry.conf", WHERRY_SYSCONF_DIR "/proftpd/proftpd.conf"};

void tool_error(const struct tool *t, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s: ", t->name); /* nothing to do when stderr is closed; so below */
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

void tool_help(const struct tool *t)
{
	const struct tool_option *o;

	printf("usage: %s %s\n", t->name, t->usage);
	for (o = t->options; o->letter != 0; o++) {
		const char *line = o->help;

		printf("  -%c, --%s%s%s\n", o->letter, o->name, o->arg != NULL ? " " : "",
			o->arg != NULL ? o->arg : "");
		while (*line != '\0') {
			size_t n = strcspn(line, "\n");

			printf("        %.*s\n", (int)n, line);
			line += line[n] == '\n' ? n + 1 : n;
		}
	}
}

int tool_next_option(const struct tool *t, int argc, char **argv)
{
	struct option longs[TOOL_OPTIONS_MAX + 1] = {0};
	char shorts[2 * TOOL_OPTIONS_MAX + 3], *s = shorts;
	int i, c, at = optind;

	if (t->options_first)
		*s++ = '+';
	*s++ = ':'; /* a missing argument is ':' */
	for (i = 0; t->options[i].letter != 0 && i < TOOL_OPTIONS_MAX; i++) {
		const struct tool_option *o = &t->options[i];

		longs[i].name = o->name;
		longs[i].has_arg = o->arg != NULL ? required_argument : no_argument;
		longs[i].val = o->letter;
		*s++ = o->letter;
		if (o->arg != NULL)
			*s++ = ':';
	}
	*s = '\0';
	opterr = 0;
	c = getopt_long(argc, argv, shorts, longs, NULL);
	if (c == 'h')
		tool_help(t);
	if (c == '?' && optopt != 0 && strchr(shorts, optopt) == NULL)
		(void)fprintf(stderr, "%s: unknown option: %c\n", t->name, optopt);
	else if (c == '?')
		(void)fprintf(stderr, "%s: unknown option: %s\n", t->name, argv[at]);
	else if (c == ':')
		(void)fprintf(stderr, "%s: option needs an argument: %s\n", t->name, argv[optind - 1]);
	if (c == '?' || c == ':')
		(void)fprintf(stderr, "usage: %s %s\n", t->name, t->usage);
	return c == ':' ? '?' : c;
}

/* The configuration's word on it, over -c or the built-in places. */
static enum tool_board scan_configs(const struct tool_source *src, char **ret_path)
{
	enum tool_board r = TOOL_BOARD_UNSET;
	size_t i;

	if (src->config != NULL)
		return tool_scan_config(src->config, ret_path);
	for (i = 0; i < ARRAY_LEN(default_configs) && r == TOOL_BOARD_UNSET; i++)
		r = tool_scan_config(default_configs[i], ret_path);
	return r;
}

static int not_found(const char *path)
{
	int saved = errno;

	(void)fprintf(stderr,
		"%s: %s\n"
		"(Perhaps you need to specify the ScoreboardFile with -f, or change\n"
		" the compile-time default directory?)\n",
		path, strerror(saved));
	return -saved;
}

int tool_find_board(const struct tool_source *src, char **ret_path)
{
	const char *path = src->file != NULL ? src->file : DEFAULT_BOARD;
	char *found = NULL;
	struct stat st;

	if (src->config != NULL && access(src->config, R_OK) < 0) {
		int saved = errno;

		(void)fprintf(stderr, "%s: %s\n", src->config, strerror(saved));
		return -saved;
	}
	/* A configuration that was named goes before the built-in path: that may be another daemon's. */
	if (src->file == NULL && (src->config != NULL || stat(path, &st) < 0)) {
		switch (scan_configs(src, &found)) {
		case TOOL_BOARD_DISABLED:
			(void)fprintf(stderr,
				"the scoreboard is disabled in the configuration (ScoreboardFile none)\n");
			return -ENOENT;
		case TOOL_BOARD_PATH:
			path = found;
			break;
		case TOOL_BOARD_UNSET:
			break;
		}
	}
	if (stat(path, &st) < 0) {
		int r = not_found(path);

		free(found);
		return r;
	}
	*ret_path = found != NULL ? found : xstrdup(path);
	return 0;
}

int tool_open_board(const struct tool_source *src, struct score_reader **ret_reader)
{
	struct err err = ERR_INIT;
	char *path;
	int r;

	r = tool_find_board(src, &path);
	if (r < 0)
		return r;
	r = score_open(path, ret_reader, &err);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", err.text);
	free(path);
	return r;
}
