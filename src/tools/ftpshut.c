#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/shutmsg.h"
#include "base/str.h"
#include "tools/shut.h"
#include "tools/tool.h"

static const struct tool_option options[] = {
	{'d', "disconnect", "MINUTES", "end sessions this long before the shutdown (default 5)"},
	{'f', "file", "FILE", "shutdown file (default " SHUTMSG_PATH ")"},
	{'h', "help", NULL, "show this help"},
	{'l', "login", "MINUTES", "refuse logins this long before the shutdown (default 10)"},
	{'R', "remove", NULL, "remove the shutdown file: the server goes on"},
	{0},
};
static const struct tool tool = {"ftpshut",
	"[-f FILE] [-l MINUTES] [-d MINUTES] now|+MINUTES|HHMM [MESSAGE...]\n"
	"       ftpshut [-f FILE] -R",
	options, .options_first = true};

struct shut {
	const char *path;
	uint64_t deny_minutes, disconnect_minutes;
	bool remove;
};

static int usage(void)
{
	(void)fprintf(stderr, "usage: %s %s\n", tool.name, tool.usage); /* nothing to do when this fails */
	return 1;
}

static int remove_file(const char *path)
{
	if (unlink(path) < 0) {
		tool_error(&tool, "cannot remove '%s': %s", path, strerror(errno));
		return 1;
	}
	printf("%s: %s removed\n", tool.name, path);
	return 0;
}

/* The words as one line; the default without any. */
static void join_message(char *dst, char **word)
{
	struct buf b;
	char *p;

	buf_init(&b, 1u << 20);
	for (; *word != NULL; word++) {
		if (buf_printf(&b, "%s%s", b.len > 0 ? " " : "", *word) < 0)
			break; /* it is cut to much less below */
	}
	(void)str_copy(dst, SHUTMSG_TEXT, b.len > 0 ? b.data : "going down at %s"); /* cut when too long */
	for (p = dst; *p != '\0'; p++) {
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	}
	buf_done(&b);
}

/* In one step: the daemon never reads half a file. */
static int write_file(const char *path, const struct buf *text)
{
	char *tmp = xasprintf("%s.XXXXXX", path);
	int fd = mkstemp(tmp), r;

	if (fd < 0) {
		r = -errno;
		free(tmp);
		return r;
	}
	r = fchmod(fd, 0644) < 0 ? -errno : fd_write_all(fd, text->data, text->len);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(tmp); /* the first error is the one to tell */
	fd_close(&fd);
	free(tmp);
	return r;
}

static int announce(const struct shut *s, char **argv)
{
	struct shutmsg m = {0};
	struct buf text;
	int r;

	if (argv[0] == NULL || shut_time(argv[0], time(NULL), &m.when) < 0)
		return usage();
	m.deny = m.when - (time_t)s->deny_minutes * 60;
	m.disconnect = m.when - (time_t)s->disconnect_minutes * 60;
	join_message(m.text, argv + 1);
	buf_init(&text, 4096);
	r = shutmsg_format(&text, &m);
	if (r == 0)
		r = write_file(s->path, &text);
	if (r < 0)
		tool_error(&tool, "cannot write '%s': %s", s->path, err_text(r));
	buf_done(&text);
	return r < 0 ? 1 : 0;
}

/* At most what the file has digits for. */
static bool set_minutes(uint64_t *minutes, const char *text)
{
	if (str_to_u64(text, minutes) == 0 && *minutes <= 5999)
		return true;
	tool_error(&tool, "not a number of minutes from 0 to 5999: '%s'", text);
	return false;
}

int main(int argc, char **argv)
{
	struct shut s = {.path = SHUTMSG_PATH, .deny_minutes = 10, .disconnect_minutes = 5};
	int c;

	while ((c = tool_next_option(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'd':
			if (!set_minutes(&s.disconnect_minutes, optarg))
				return usage();
			break;
		case 'f':
			s.path = optarg;
			break;
		case 'h':
			return 0;
		case 'l':
			if (!set_minutes(&s.deny_minutes, optarg))
				return usage();
			break;
		case 'R':
			s.remove = true;
			break;
		default:
			return 1;
		}
	}
	return s.remove ? remove_file(s.path) : announce(&s, argv + optind);
}
