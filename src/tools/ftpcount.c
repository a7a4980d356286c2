#include <getopt.h>
#include <stdio.h>

#include "tools/tool.h"
#include "tools/who.h"

static const struct tool_option options[] = {
	{'c', "config", "FILE", "configuration file to look up the scoreboard in"},
	{'f', "file", "FILE", "scoreboard file"},
	{'h', "help", NULL, "show this help"},
	{'S', "server", "NAME", "only sessions of the virtual server with this ServerName"},
	{0},
};
static const struct tool tool = {"ftpcount", "[-S NAME] [-c FILE] [-f FILE]", options};

struct count {
	const char *server;
	struct who_classes classes;
};

static int count_session(void *arg, const struct score_session *s)
{
	struct count *c = arg;

	if (who_wanted(s, c->server))
		who_class_add(&c->classes, s->class_name);
	return 0;
}

static int run(struct count *c, const struct tool_source *source)
{
	struct score_reader *reader;
	struct score_daemon d;
	struct buf out;
	int r;

	if (tool_open_board(source, &reader) < 0)
		return 1;
	buf_init(&out, 16u << 20);
	score_read_daemon(reader, &d);
	r = who_count_head(&out, &d, c->server);
	if (r == 0)
		r = score_read_all(reader, count_session, c, NULL);
	if (r == 0)
		r = who_tail(&out, &c->classes, "0 users");
	score_reader_free(reader);
	if (r < 0)
		tool_error(&tool, "%s", err_text(r));
	else if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
		r = -1;
	buf_done(&out);
	who_classes_done(&c->classes);
	return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct tool_source source = {0};
	struct count count = {0};
	int c;

	while ((c = tool_next_option(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'c':
			source.config = optarg;
			break;
		case 'f':
			source.file = optarg;
			break;
		case 'h':
			return 0;
		case 'S':
			count.server = optarg;
			break;
		default:
			return 1;
		}
	}
	return run(&count, &source);
}
