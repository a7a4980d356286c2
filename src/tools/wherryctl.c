#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "ipc/ctl.h"
#include "tools/tool.h"
#include "wherry_config.h"

#define DEFAULT_SOCKET  WHERRY_RUN_DIR "/wherry.sock"
#define ANSWER_MAX_SECS 60

static const struct tool_option options[] = {
	{'c', "config", "FILE", "explain: this configuration, not that of the running server"},
	{'h', "help", NULL, "show this help"},
	{'j', "json", NULL, "status, mmap list and tls list as JSON"},
	{'s', "socket", "PATH", "control socket (default " DEFAULT_SOCKET ")"},
	{0},
};
static const struct tool tool = {"wherryctl",
	"[-s PATH] COMMAND\n"
	"       status [--json]           what the server is doing\n"
	"       kick user NAME            end the sessions of a user,\n"
	"       kick host ADDRESS         of a client address,\n"
	"       kick class NAME           of a connection class,\n"
	"       kick session NUMBER       or one session (ftpwho -v shows its number)\n"
	"       ban host|user|class NAME [TIME]\n"
	"                                 do not let them in, for a time (hh:mm:ss) or for good\n"
	"       permit host|user|class NAME, permit all\n"
	"                                 lift bans\n"
	"       bans                      who is banned\n"
	"       explain USER@HOST PATH COMMAND [SERVER]\n"
	"                                 may the user do that, and which line of the configuration says so\n"
	"       mmap list [--json]        files mapped by TransferMMapFile, and how they are used\n"
	"       reload                    read the configuration again\n"
	"       rates                     read only the numbers of TransferRate lines again\n"
	"       tls list [--json]         certificates, and what is known of them\n"
	"       tls reload                load certificates and keys again\n"
	"       shutdown [graceful|now]   stop, by default when the running transfers have ended",
	options};

static const struct command {
	const char *word[2]; /* word[1]: NULL = anything or nothing */
	int count_min, count_max;
} commands[] = {
	{{"status", NULL}, 1, 1},
	{{"kick", "user"}, 3, 3},
	{{"kick", "host"}, 3, 3},
	{{"kick", "class"}, 3, 3},
	{{"kick", "session"}, 3, 3},
	{{"ban", NULL}, 3, 4},
	{{"permit", "all"}, 2, 2},
	{{"permit", NULL}, 3, 3},
	{{"bans", NULL}, 1, 1},
	{{"explain", NULL}, 4, 5},
	{{"mmap", "list"}, 2, 2},
	{{"reload", NULL}, 1, 1},
	{{"rates", NULL}, 1, 1},
	{{"tls", "list"}, 2, 2},
	{{"tls", "reload"}, 2, 2},
	{{"shutdown", NULL}, 1, 1},
	{{"shutdown", "graceful"}, 2, 2},
	{{"shutdown", "now"}, 2, 2},
};

static bool command_known(int count, char **word)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands); i++) {
		const struct command *c = &commands[i];

		if (count >= c->count_min && count <= c->count_max && str_eq(word[0], c->word[0]) &&
			(c->word[1] == NULL || str_eq(word[1], c->word[1])))
			return true;
	}
	return false;
}

/* Connected socket, or -errno with the message printed. */
static int connect_to(const char *path)
{
	const struct timeval limit = {.tv_sec = ANSWER_MAX_SECS};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		tool_error(
			&tool, "%s: path of a socket has at most %zu bytes", path, sizeof(sun.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	(void)str_copy(sun.sun_path, sizeof(sun.sun_path), path); /* fits */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0) {
		(void)setsockopt(
			fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)); /* else it waits for ever */
		return fd;
	}
	r = -errno;
	tool_error(&tool, "cannot reach the server at '%s': %s", path, strerror(-r));
	fd_close(&fd);
	return r;
}

/* Is all of it digits, so that it may be a JSON number? */
static bool whole_number(const char *s, uint64_t *ret_v)
{
	return (s[0] != '0' || s[1] == '\0') && str_to_u64(s, ret_v) == 0;
}

/* Prints an object; fill writes what of the lines belongs into it. 0 or negative. */
static int print_object(char *lines, void (*fill)(struct json *j, char *lines))
{
	struct json j;
	struct buf out;
	int r;

	buf_init(&out, 8 * CTL_REPLY_MAX);
	json_init(&j, &out, 2);
	json_open_object(&j, NULL);
	fill(&j, lines);
	json_end(&j);
	r = json_finish(&j);
	if (r == 0)
		puts(out.data);
	buf_done(&out);
	return r;
}

static void json_pairs(struct json *j, char *line)
{
	char *rest = line, *key, *value;
	uint64_t n;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0' || ctl_parse_data(line, &key, &value) < 0)
			continue;
		if (whole_number(value, &n))
			json_u64(j, key, n);
		else
			json_str(j, key, value);
	}
}

/* --- mmap list: "<numbers> <path>" of master/control.c --- */

enum { PRELOAD_SIZE, PRELOAD_GENERATION, PRELOAD_LOCKED, PRELOAD_HITS, PRELOAD_STALE, PRELOAD_NUMBERS };
static const char *const preload_names[PRELOAD_NUMBERS] = {"size", "generation", "locked", "hits", "stale"};

/* Returns the path, or NULL when value is something else. */
static const char *preload_parse(char *value, uint64_t ret_v[PRELOAD_NUMBERS])
{
	for (int i = 0; i < PRELOAD_NUMBERS; i++) {
		char *word = strsep(&value, " ");

		if (value == NULL || str_to_u64(word, &ret_v[i]) < 0)
			return NULL;
	}
	return value;
}

static void json_preloads(struct json *j, char *line)
{
	char *rest = line, *key, *value;
	uint64_t v[PRELOAD_NUMBERS];
	const char *path;

	json_open_array(j, "preloads");
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0' || ctl_parse_data(line, &key, &value) < 0 ||
			(path = preload_parse(value, v)) == NULL)
			continue;
		json_open_object(j, NULL);
		json_str(j, "path", path);
		for (int i = 0; i < PRELOAD_NUMBERS; i++)
			json_u64(j, preload_names[i], v[i]);
		json_end(j);
	}
	json_end(j);
}

static void print_preloads(char *line)
{
	char *rest = line, *key, *value, shown[4096];
	uint64_t v[PRELOAD_NUMBERS];
	const char *path;

	printf("%14s %10s %14s %10s %6s  %s\n", "SIZE", "GENERATION", "LOCKED", "HITS", "STALE", "PATH");
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0' || ctl_parse_data(line, &key, &value) < 0)
			continue;
		path = preload_parse(value, v);
		if (path == NULL)
			printf("%s %s\n", key, str_escape(value, shown, sizeof(shown)));
		else
			printf("%14" PRIu64 " %10" PRIu64 " %14" PRIu64 " %10" PRIu64 " %6" PRIu64 "  %s\n",
				v[PRELOAD_SIZE], v[PRELOAD_GENERATION], v[PRELOAD_LOCKED], v[PRELOAD_HITS],
				v[PRELOAD_STALE], str_escape(path, shown, sizeof(shown)));
	}
}

/* --- tls list: "server" begins a certificate --- */

static bool is_time(const char *key)
{
	return str_eq(key, "expires") || str_eq(key, "staple_until") || str_eq(key, "staple_next");
}

static void json_certs(struct json *j, char *line)
{
	char *rest = line, *key, *value;
	bool open = false;
	uint64_t n, left = 0;

	json_open_array(j, "certificates");
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0' || ctl_parse_data(line, &key, &value) < 0)
			continue;
		if (str_eq(key, "not_shown")) { /* the last line */
			(void)str_to_u64(value, &left);
			break;
		}
		if (str_eq(key, "server")) {
			if (open)
				json_end(j);
			json_open_object(j, NULL);
			open = true;
		}
		if (!open)
			continue;
		if (is_time(key) && whole_number(value, &n))
			json_u64(j, key, n);
		else
			json_str(j, key, value);
	}
	if (open)
		json_end(j);
	json_end(j);
	if (left > 0)
		json_u64(j, "not_shown", left);
}

static void print_certs(char *line)
{
	char *rest = line, *key, *value, shown[4096];
	struct tm tm;
	uint64_t n;
	time_t t;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0' || ctl_parse_data(line, &key, &value) < 0)
			continue;
		(void)str_escape(value, shown, sizeof(shown));
		if (is_time(key) && str_to_u64(value, &n) == 0 &&
			(t = (time_t)n, localtime_r(&t, &tm) != NULL))
			(void)strftime(shown, sizeof(shown), "%Y-%m-%d %H:%M:%S", &tm);
		printf("%s%-14s %s\n", str_eq(key, "server") ? "\n" : "  ", key, shown);
	}
}

static void print_lines(char *line)
{
	char *rest = line, *key, *value, shown[4096];

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line != '\0' && ctl_parse_data(line, &key, &value) == 0)
			printf("%-20s %s\n", key, str_escape(value, shown, sizeof(shown)));
	}
}

/* How the lines of an answer belong together. */
enum shape { LINES, PRELOADS, CERTS };

static const struct {
	void (*json)(struct json *j, char *line);
	void (*text)(char *line);
} shapes[] = {
	[LINES] = {json_pairs, print_lines},
	[PRELOADS] = {json_preloads, print_preloads},
	[CERTS] = {json_certs, print_certs},
};

/* data: the whole answer. Returns the exit status. */
static int print_answer(char *data, enum shape shape, bool as_json)
{
	char *first = strsep(&data, "\n"), *text, shown[4096];
	bool ok;

	if (ctl_parse_reply(first, &ok, &text) < 0) {
		tool_error(&tool, "%s",
			*first != '\0' ? "the answer is not one of a server" : "no answer from the server");
		return 1;
	}
	(void)str_escape(text, shown, sizeof(shown)); /* returns shown */
	if (!ok) {
		tool_error(&tool, "%s", shown);
		return 1;
	}
	if (as_json && data != NULL)
		return print_object(data, shapes[shape].json) < 0;
	if (as_json)
		return 1;
	if (*text != '\0')
		printf("%s: %s\n", tool.name, shown);
	if (data != NULL)
		shapes[shape].text(data);
	return 0;
}

static int ask(const char *path, const struct buf *request, enum shape shape, bool as_json)
{
	char *data;
	int fd = connect_to(path), r;

	if (fd < 0)
		return 1;
	r = fd_write_all(fd, request->data, request->len);
	if (r == 0 || r == -EPIPE) /* a server that refuses us answers without reading */
		r = fd_read_all(fd, CTL_REPLY_MAX, &data, NULL);
	fd_close(&fd);
	if (r < 0) {
		tool_error(&tool, "no answer from the server: %s",
			r == -EAGAIN ? "it takes too long" : err_text(r));
		return 1;
	}
	r = print_answer(data, shape, as_json);
	free(data);
	return fflush(stdout) != 0 ? 1 : r;
}

/* The server's own program reads the configuration: it lies in sbin, which may be beside this one or not. Returns
 * only when it cannot be started. */
static int explain_offline(const char *config, const struct buf *request)
{
	char self[4096], program[4200], *question = xstrndup(request->data, request->len - 1); /* no LF */
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	question += strlen("explain ");
	while (n > 0 && self[n - 1] != '/')
		n--;
	if (n > 0) {
		static const char *const places[] = {"", "../sbin/", "../master/"};

		self[n] = '\0';
		for (size_t i = 0; i < ARRAY_LEN(places); i++) {
			(void)snprintf(program, sizeof(program), "%s%swherryd", self, places[i]);
			(void)execl(program, "wherryd", "-c", config, "--explain", question, (char *)NULL);
		}
	}
	(void)execlp("wherryd", "wherryd", "-c", config, "--explain", question, (char *)NULL);
	tool_error(&tool, "cannot start wherryd: %s", strerror(errno));
	return -errno;
}

static int run(const char *path, int count, char **word, bool as_json, const char *config)
{
	bool status = count > 0 && str_eq(word[0], "status");
	enum shape shape = LINES;
	struct buf request;
	int r;

	if (count == 2 && str_eq(word[1], "list"))
		shape = str_eq(word[0], "mmap") ? PRELOADS : CERTS;
	if (count == 0 || !command_known(count, word) || (as_json && shape == LINES && !status) ||
		(config != NULL && !str_eq(word[0], "explain"))) {
		if (count > 0)
			tool_error(&tool, "unknown command: %s", word[0]);
		(void)fprintf(
			stderr, "usage: %s %s\n", tool.name, tool.usage); /* nothing to do if this fails */
		return 1;
	}
	buf_init(&request, 8 * CTL_LINE_MAX);
	r = ctl_format(&request, (const char *const *)word, (unsigned)count);
	if (r < 0)
		tool_error(&tool, "the command is too long");
	else if (config != NULL)
		r = explain_offline(config, &request);
	else
		r = ask(path, &request, shape, as_json);
	buf_done(&request);
	return r == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *path = DEFAULT_SOCKET, *config = NULL;
	bool as_json = false;
	int c;

	(void)signal(SIGPIPE, SIG_IGN); /* a server that goes away is an error to tell */
	while ((c = tool_next_option(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 'h':
			return 0;
		case 'j':
			as_json = true;
			break;
		case 's':
			path = optarg;
			break;
		default:
			return 1;
		}
	}
	return run(path, argc - optind, argv + optind, as_json, config);
}
