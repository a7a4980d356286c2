/* Looking for ScoreboardFile in a configuration, without understanding the rest of it. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/str.h"
#include "tools/tool.h"

#define DEPTH_MAX 8
#define FILES_MAX 1000

struct scan {
	enum tool_board found;
	char *path;
	unsigned files; /* opened so far: a circle of includes ends */
};

static void scan_file(struct scan *s, const char *path, unsigned depth);

/* The next word of *at in place: in double quotes with \ before a byte, or up to a blank. NULL at the end. */
static char *next_word(char **at)
{
	char *in = *at + strspn(*at, " \t\r\n"), *word = in, *out = in;
	bool quoted = *in == '"';

	if (*in == '\0' || *in == '#')
		return NULL;
	if (quoted)
		in++;
	while (*in != '\0' && (quoted ? *in != '"' : strchr(" \t\r\n", *in) == NULL)) {
		if (quoted && *in == '\\' && in[1] != '\0')
			in++;
		*out++ = *in++;
	}
	*at = *in != '\0' ? in + 1 : in;
	*out = '\0';
	return word;
}

static bool means_disabled(const char *value)
{
	static const char *const words[] = {"none", "off", "no", "false", "0", "/dev/null"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (str_eq_nocase(value, words[i]))
			return true;
	}
	return false;
}

static void include_one(struct scan *s, const char *path, unsigned depth)
{
	struct stat st;
	glob_t g;
	char *all;
	size_t i;

	if (stat(path, &st) < 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		scan_file(s, path, depth + 1);
		return;
	}
	all = xasprintf("%s/*", path);
	if (glob(all, 0, NULL, &g) == 0) {
		for (i = 0; i < g.gl_pathc; i++)
			scan_file(s, g.gl_pathv[i], depth + 1);
		globfree(&g);
	}
	free(all);
}

/* pattern is relative to the folder of the file that includes it. */
static void include(struct scan *s, const char *from, const char *pattern, unsigned depth)
{
	const char *slash = strrchr(from, '/');
	char *full;
	glob_t g;
	size_t i;

	if (pattern[0] == '/' || slash == NULL)
		full = xstrdup(pattern);
	else
		full = xasprintf("%.*s/%s", (int)(slash - from), from, pattern);
	if (glob(full, 0, NULL, &g) == 0) {
		for (i = 0; i < g.gl_pathc; i++)
			include_one(s, g.gl_pathv[i], depth);
		globfree(&g);
	}
	free(full);
}

static void scan_line(struct scan *s, const char *from, char *line, unsigned depth)
{
	char *at = line, *word = next_word(&at), *value = word != NULL ? next_word(&at) : NULL;

	if (value == NULL)
		return;
	if (str_eq_nocase(word, "Include")) {
		include(s, from, value, depth);
	} else if (str_eq_nocase(word, "ScoreboardFile")) {
		free(s->path);
		s->path = NULL;
		s->found = means_disabled(value) ? TOOL_BOARD_DISABLED : TOOL_BOARD_PATH;
		if (s->found == TOOL_BOARD_PATH)
			s->path = xstrdup(value);
	}
}

/* One line, with those that continue it after a backslash at the end. false at the end of the file. */
static bool read_line(FILE *f, char **line, size_t *cap, struct buf *whole)
{
	ssize_t n;

	buf_clear(whole);
	while ((n = getline(line, cap, f)) > 0) {
		bool more;

		while (n > 0 && ((*line)[n - 1] == '\n' || (*line)[n - 1] == '\r'))
			n--;
		more = n > 0 && (*line)[n - 1] == '\\';
		if (buf_append(whole, *line, (size_t)(more ? n - 1 : n)) < 0)
			return false; /* longer than any line that a configuration may have */
		if (!more)
			return true;
	}
	return whole->len > 0;
}

static void scan_file(struct scan *s, const char *path, unsigned depth)
{
	struct buf whole;
	char *line = NULL;
	size_t cap = 0;
	struct stat st;
	FILE *f;

	if (depth > DEPTH_MAX || s->files++ >= FILES_MAX || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	f = fopen(path, "re");
	if (f == NULL)
		return;
	buf_init(&whole, 65536);
	while (read_line(f, &line, &cap, &whole))
		scan_line(s, path, whole.data, depth);
	buf_done(&whole);
	free(line);
	(void)fclose(f); /* was only read */
}

enum tool_board tool_scan_config(const char *config, char **ret_path)
{
	struct scan s = {TOOL_BOARD_UNSET, NULL, 0};

	scan_file(&s, config, 0);
	if (s.found == TOOL_BOARD_PATH)
		*ret_path = s.path;
	return s.found;
}
