#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "tools/tool.h"
#include "tools/who.h"

static const struct tool_option options[] = {
	{'c', "config", "FILE", "configuration file to look up the scoreboard in"},
	{'f', "file", "FILE", "scoreboard file"},
	{'h', "help", NULL, "show this help"},
	{'o', "outform", "FORM",
		"compat: as old versions of this program\noneline: details on the same line\njson: JSON"},
	{'S', "server", "NAME", "only sessions of the virtual server with this ServerName"},
	{'v', "verbose", NULL, "show addresses, protocol, folder, class and session number"},
	{0},
};
static const struct tool tool = {"ftpwho", "[-v] [-o FORM] [-S NAME] [-c FILE] [-f FILE]", options};

struct who {
	struct tool_source source;
	struct who_style style;
	bool as_json;
	struct who_classes classes;
	struct buf out;
	bool unwritten; /* standard output takes no more */
	struct json json;
};

static int flush(struct who *w)
{
	size_t n = w->out.len;

	if (n > 0 && fwrite(w->out.data, 1, n, stdout) != n) {
		w->unwritten = true;
		return -EIO;
	}
	buf_clear(&w->out);
	return 0;
}

static int show(void *arg, const struct score_session *s)
{
	struct who *w = arg;
	int r = 0;

	if (!who_wanted(s, w->style.server))
		return 0;
	if (w->as_json) {
		who_json_session(&w->json, s, w->style.now_ms);
	} else {
		who_class_add(&w->classes, s->class_name);
		r = who_session(&w->out, s, &w->style);
	}
	return r < 0 ? r : flush(w);
}

static bool outform(struct who *w, const char *form)
{
	if (str_eq_nocase(form, "compat")) {
		w->style.compat = true;
	} else if (str_eq_nocase(form, "oneline")) {
		w->style.oneline = true;
	} else if (str_eq_nocase(form, "json")) {
		w->as_json = true;
	} else {
		(void)fprintf(
			stderr, "unknown outform value: '%s'\n", form); /* no way to tell if this fails */
		return false;
	}
	return true;
}

static int print_text(struct who *w, struct score_reader *reader, const struct score_daemon *d)
{
	int r = who_head(&w->out, d, &w->style);

	if (r == 0)
		r = score_read_all(reader, show, w, NULL);
	if (r == 0)
		r = who_tail(&w->out, &w->classes, "no users connected");
	return r;
}

static int print_json(struct who *w, struct score_reader *reader, const struct score_daemon *d)
{
	int r;

	json_init(&w->json, &w->out, 2);
	who_json_head(&w->json, d, reader);
	r = score_read_all(reader, show, w, NULL);
	who_json_tail(&w->json);
	if (r == 0)
		r = json_finish(&w->json);
	return r < 0 ? r : buf_putc(&w->out, '\n');
}

static int run(struct who *w)
{
	struct score_reader *reader;
	struct score_daemon d;
	int r;

	if (tool_open_board(&w->source, &reader) < 0)
		return 1;
	score_read_daemon(reader, &d);
	w->style.now_ms = clock_wall_ms();
	buf_init(&w->out, 1u << 20);
	r = w->as_json ? print_json(w, reader, &d) : print_text(w, reader, &d);
	if (r == 0)
		r = flush(w);
	score_reader_free(reader);
	who_classes_done(&w->classes);
	buf_done(&w->out);
	if (r < 0 && !w->unwritten) {
		tool_error(&tool, "cannot show the sessions: %s", err_text(r));
		return 1;
	}
	if (r < 0 || fflush(stdout) != 0) {
		tool_error(&tool, "cannot write: output error");
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct who w = {0};
	int c;

	while ((c = tool_next_option(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'c':
			w.source.config = optarg;
			break;
		case 'f':
			w.source.file = optarg;
			break;
		case 'h':
			return 0;
		case 'o':
			if (!outform(&w, optarg))
				return 1;
			break;
		case 'S':
			w.style.server = optarg;
			break;
		case 'v':
			w.style.verbose = true;
			break;
		default:
			return 1;
		}
	}
	return run(&w);
}
