#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "tools/tool.h"
#include "tools/top.h"
#include "wherry_config.h"

#ifdef WHERRY_CURSES
#define NCURSES_NOMACROS 1
#include <curses.h>
#endif

static const struct tool_option options[] = {
	{'A', "only-authenticating", NULL, "only sessions that are authenticating"},
	{'a', "hide-authenticating", NULL, "without sessions that are authenticating"},
	{'b', "batch", NULL, "print without moving the cursor, take no keys"},
	{'c', "config", "FILE", "configuration file to look up the scoreboard in"},
	{'D', "only-downloads", NULL, "only downloads"},
	{'d', "delay", "SECONDS", "time between two updates, 0 to 15 (default 1)"},
	{'f', "file", "FILE", "scoreboard file"},
	{'h', "help", NULL, "show this help"},
	{'I', "only-idle", NULL, "only idle sessions"},
	{'i', "hide-idle", NULL, "without idle sessions"},
	{'n', "iterations", "COUNT", "end after this many updates"},
	{'S', "server", "NAME", "only sessions of the virtual server with this ServerName"},
	{'U', "only-uploads", NULL, "only uploads"},
	{'V', "version", NULL, "show the version"},
	{0},
};
static const struct tool tool = {
	"ftptop", "[-AaDIiU] [-b] [-d SECONDS] [-n COUNT] [-S NAME] [-c FILE] [-f FILE]", options};

struct ftptop {
	struct tool_source source;
	struct top top;
	bool batch;
	unsigned delay_ms;
	unsigned iterations; /* left; 0 = for ever */
	size_t first;        /* row on top of the screen */
	char *path;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

/* The daemon makes a new file when it starts again, so the file is opened each time. */
static int sample(struct ftptop *f, struct err *err)
{
	struct score_reader *reader;
	int r = score_open(f->path, &reader, err);

	if (r < 0)
		return r;
	r = top_poll(&f->top, reader, clock_wall_ms());
	if (r < 0)
		(void)err_set(err, -r, "%s: %s", f->path, err_text(r)); /* the same r */
	score_reader_free(reader);
	return r;
}

/* Was that the last update? */
static bool last_update(struct ftptop *f)
{
	return f->iterations != 0 && --f->iterations == 0;
}

static int batch_width(void)
{
	const char *columns = getenv("COLUMNS");
	uint64_t n;

	if (columns != NULL && str_to_u64(columns, &n) == 0 && n >= 40 && n <= 1000)
		return (int)n;
	return 132;
}

static int batch_frame(struct buf *out, const struct ftptop *f, int width)
{
	size_t i;
	int r = 0, line;

	for (line = 0; line < 2 && r == 0; line++) {
		r = top_head(out, &f->top, line, WHERRY_VERSION, width);
		if (r == 0)
			r = buf_putc(out, '\n');
	}
	if (r == 0)
		r = buf_putc(out, '\n');
	if (r == 0)
		r = top_titles(out, &f->top, width);
	for (i = 0; i < f->top.count && r == 0; i++) {
		r = buf_putc(out, '\n');
		if (r == 0)
			r = top_line(out, &f->top, &f->top.row[i], width);
	}
	return r == 0 ? buf_puts(out, "\n\n") : r;
}

static int run_batch(struct ftptop *f)
{
	int width = batch_width(), r = 0;
	struct err err = ERR_INIT;
	struct buf out;

	buf_init(&out, 64u << 20);
	while (!stop) {
		r = sample(f, &err);
		if (r == 0)
			r = batch_frame(&out, f, width);
		if (r < 0) {
			tool_error(&tool, "%s", err.code != 0 ? err.text : err_text(r));
			break;
		}
		if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
			r = -EPIPE;
			break;
		}
		buf_clear(&out);
		if (last_update(f))
			break;
		(void)poll(NULL, 0, (int)f->delay_ms); /* a signal ends it early: that is wanted */
	}
	buf_done(&out);
	return r < 0 ? 1 : 0;
}

#ifdef WHERRY_CURSES
static void screen_line(int y, const char *text, attr_t attr)
{
	(void)move(y, 0); /* outside the screen nothing is drawn, here and below */
	(void)attrset(attr);
	(void)addstr(text);
	(void)attrset(A_NORMAL);
	(void)clrtoeol();
}

static void screen_rows(struct ftptop *f, struct buf *b)
{
	int y, rows = LINES - 4;
	size_t i = f->first;

	for (y = 0; y < rows && i < f->top.count; y++, i++) {
		buf_clear(b);
		if (top_line(b, &f->top, &f->top.row[i], COLS) == 0)
			screen_line(y + 4, b->data, A_NORMAL);
	}
}

static void screen_draw(struct ftptop *f, const char *problem)
{
	struct buf b;
	int line;

	buf_init(&b, 65536);
	(void)erase();
	for (line = 0; line < 2; line++) {
		buf_clear(&b);
		if (top_head(&b, &f->top, line, WHERRY_VERSION, COLS) == 0)
			screen_line(line, b.data, A_NORMAL);
	}
	buf_clear(&b);
	if (problem != NULL && buf_printf(&b, "%.*s", COLS, problem) == 0)
		screen_line(2, b.data, A_BOLD);
	else if (f->top.sort != TOP_BY_PID && buf_printf(&b, "sorted by %s", top_sort_name[f->top.sort]) == 0)
		screen_line(2, b.data, A_NORMAL);
	buf_clear(&b);
	if (top_titles(&b, &f->top, COLS) == 0)
		screen_line(3, b.data, A_REVERSE);
	screen_rows(f, &b);
	(void)refresh();
	buf_done(&b);
}

static void scroll_rows(struct ftptop *f, int by)
{
	size_t page = LINES > 5 ? (size_t)(LINES - 4) : 1;
	size_t last = f->top.count > page ? f->top.count - page : 0;

	if (by < 0)
		f->first = f->first > (size_t)-by ? f->first - (size_t)-by : 0;
	else
		f->first += (size_t)by;
	if (f->first > last)
		f->first = last;
}

/* Returns false to quit. */
static bool screen_key(struct ftptop *f, int key)
{
	int page = LINES > 5 ? LINES - 4 : 1;

	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 't':
		f->top.view = f->top.view == TOP_REGULAR ? TOP_RATES : TOP_REGULAR;
		f->first = 0;
		top_arrange(&f->top);
		break;
	case 's':
		f->top.sort = (enum top_sort)((f->top.sort + 1) % TOP_SORT_COUNT);
		top_arrange(&f->top);
		break;
	case KEY_DOWN:
		scroll_rows(f, 1);
		break;
	case KEY_UP:
		scroll_rows(f, -1);
		break;
	case KEY_NPAGE:
		scroll_rows(f, page);
		break;
	case KEY_PPAGE:
		scroll_rows(f, -page);
		break;
	default:
		break;
	}
	return true;
}

/* Take keys until it is time for the next update. Returns false to quit. */
static bool screen_wait(struct ftptop *f, const char *problem)
{
	uint64_t until = clock_ms() + f->delay_ms, now;
	int key;

	for (now = clock_ms(); now < until && !stop; now = clock_ms()) {
		timeout((int)(until - now));
		key = getch();
		if (key == ERR)
			continue; /* time is over, or a signal */
		if (!screen_key(f, key))
			return false;
		screen_draw(f, problem);
	}
	return true;
}

/* Returns -1 when there is no terminal that can do this. */
static int run_screen(struct ftptop *f)
{
	struct err err = ERR_INIT;
	SCREEN *screen = newterm(NULL, stdout, stdin);
	const char *problem;
	int r;

	if (screen == NULL)
		return -1;
	(void)cbreak(); /* without these it still works, less well */
	(void)noecho();
	(void)keypad(stdscr, TRUE);
	(void)curs_set(0);
	do {
		r = sample(f, &err);
		scroll_rows(f, 0); /* there may be fewer rows now */
		problem = r < 0 ? err.text : NULL;
		screen_draw(f, problem);
	} while (!last_update(f) && screen_wait(f, problem) && !stop);
	(void)endwin();
	delscreen(screen);
	return 0;
}
#endif

static int run(struct ftptop *f)
{
	struct sigaction sa = {.sa_handler = on_signal};
	int r = -1;

	if (tool_find_board(&f->source, &f->path) < 0)
		return 1;
	(void)sigaction(SIGINT, &sa, NULL); /* valid signals: cannot fail */
	(void)sigaction(SIGTERM, &sa, NULL);
#ifdef WHERRY_CURSES
	if (!f->batch && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO)) {
		struct err err = ERR_INIT;

		if (sample(f, &err) < 0) { /* a message, not a screen that comes and goes */
			(void)fprintf(stderr, "%s\n", err.text);
			r = 1;
		} else {
			r = run_screen(f);
		}
	}
#endif
	if (r < 0)
		r = run_batch(f);
	top_done(&f->top);
	free(f->path);
	return r;
}

static bool set_delay(struct ftptop *f, const char *text)
{
	char *end;
	double secs = strtod(text, &end);

	if (end == text || *end != '\0' || secs != secs) {
		tool_error(&tool, "delay is not a number: '%s'", text);
		return false;
	}
	if (secs < 0 || secs > 15) {
		tool_error(&tool, "%s",
			secs < 0 ? "negative delay illegal" : "delay of 0-15 seconds only supported");
		return false;
	}
	f->delay_ms = (unsigned)(secs * 1000.0);
	if (f->delay_ms < 50) /* as fast as one can see */
		f->delay_ms = 50;
	return true;
}

static bool set_iterations(struct ftptop *f, const char *text)
{
	uint64_t n;

	if (str_to_u64(text, &n) < 0 || n == 0 || n > 1000000000) {
		tool_error(&tool, "number of iterations must be greater than 0: '%s'", text);
		return false;
	}
	f->iterations = (unsigned)n;
	return true;
}

/* The options that choose sessions. */
static bool set_filter(struct top *t, int c)
{
	const unsigned all = (1u << TOP_STATE_COUNT) - 1;

	switch (c) {
	case 'A':
		t->hide |= all & ~(1u << TOP_AUTH);
		return true;
	case 'a':
		t->hide |= 1u << TOP_AUTH;
		return true;
	case 'D':
		t->hide |= all & ~(1u << TOP_DOWNLOAD);
		return true;
	case 'I':
		t->hide |= all & ~(1u << TOP_IDLE);
		return true;
	case 'i':
		t->hide |= 1u << TOP_IDLE;
		return true;
	case 'U':
		t->hide |= all & ~(1u << TOP_UPLOAD);
		return true;
	default:
		return false;
	}
}

/* One option. Returns the exit status, or -1 to go on. */
static int set_option(struct ftptop *f, int c)
{
	switch (c) {
	case 'b':
		f->batch = true;
		return -1;
	case 'c':
		f->source.config = optarg;
		return -1;
	case 'd':
		return set_delay(f, optarg) ? -1 : 1;
	case 'f':
		f->source.file = optarg;
		return -1;
	case 'h':
		return 0;
	case 'n':
		return set_iterations(f, optarg) ? -1 : 1;
	case 'S':
		f->top.server = optarg;
		return -1;
	case 'V':
		printf("ftptop/%s\n", WHERRY_VERSION);
		return 0;
	default:
		return set_filter(&f->top, c) ? -1 : 1;
	}
}

int main(int argc, char **argv)
{
	struct ftptop f = {.delay_ms = 1000};
	int c, status;

	(void)setlocale(LC_CTYPE, ""); /* unknown locale: "C" stays */
	while ((c = tool_next_option(&tool, argc, argv)) != -1) {
		status = set_option(&f, c);
		if (status >= 0)
			return status;
	}
	return run(&f);
}
