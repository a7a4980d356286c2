#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/tool.h"

static const struct tool_option options[] = {
	{'c', "config", "FILE", "configuration file to look up the scoreboard in"},
	{'f', "file", "FILE", "scoreboard file"},
	{'h', "help", NULL, "show this help"},
	{'v', "verbose", NULL, "print a line for each process whose entries were cleared"},
	{0},
};
static const struct tool tool = {"ftpscrub", "[-v] [-c FILE] [-f FILE]", options};

static void print_cleared(void *arg, pid_t pid, unsigned sessions)
{
	printf("cleared process %d (%u session%s)\n", (int)pid, sessions, sessions == 1 ? "" : "s");
}

static int run(const struct tool_source *source, bool verbose)
{
	struct score_board *board;
	struct err err = ERR_INIT;
	char *path;
	int r;

	if (tool_find_board(source, &path) < 0)
		return 1;
	r = score_attach(path, &board, &err);
	if (r == 0) {
		(void)score_scrub(board, verbose ? print_cleared : NULL, NULL); /* a count */
		score_close(board, false);
	} else if (r > -WE_FIRST) {
		(void)fprintf(stderr, "error scrubbing scoreboard %s: %s\n", path, err_text(r));
	} else {
		(void)fprintf(
			stderr, "error scrubbing scoreboard %s\n", err.text); /* the sentence names it */
	}
	free(path);
	return r < 0 || fflush(stdout) != 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct tool_source source = {0};
	bool verbose = false;
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
		case 'v':
			verbose = true;
			break;
		default:
			return 1;
		}
	}
	return run(&source, verbose);
}
