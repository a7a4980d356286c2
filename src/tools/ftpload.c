#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tools/ftpload.h"
#include "tools/ftpload_place.h"
#include "tools/ftpload_tls.h"
#include "tools/tool.h"

const char *const load_mode_name[LOAD_MODE_COUNT] = {
	"get", "put", "login", "idle", "list", "nlst", "mlsd", "rate"};

static const struct tool_option options[] = {
	{'b', "size", "BYTES", "put: size of each file (K, M, G)"},
	{'c', "count", "N", "operations of all sessions together (default: one each)"},
	{'d', "seconds", "S", "begin no operation after this time (idle, rate: how long; default 5, 10)"},
	{'e', "expect", "BYTES", "a download or listing of another size is an error (K, M, G)"},
	{'f', "files", "N", "%d in the path goes from 0 to N - 1 and around"},
	{'h', "help", NULL, "show this help"},
	{'i', "implicit", NULL, "TLS from the first byte"},
	{'j', "json", NULL, "one JSON object instead of text"},
	{'k', "errors", "N", "so many operations may fail"},
	{'l', "lowat", "BYTES", "downloads: bytes that wake us (default 256K; rate: 1)"},
	{'m', "parallel", "N", "logins at a time before the start (default 16)"},
	{'n', "sessions", "N", "sessions at once (default 1)"},
	{'N', "no-resume", NULL, "data connections do not resume the TLS session"},
	{'p', "pause", NULL, "say ready before and done after the run, and wait for a line each time"},
	{'P', "pasv", NULL, "PASV at once, not only where EPSV is refused"},
	{'r', "rate", "N", "rate: bytes a second expected of a session; idle: NOOPs a second of all (200)"},
	{'R', "resume-login", NULL, "a session's next login resumes its TLS session"},
	{'s', "tls", NULL, "TLS on all connections (AUTH TLS, PROT P)"},
	{'t', "timeout", "S", "give up after this time without a sign of life (default 30)"},
	{'v', "tls-version", "V", "1.2 or 1.3 only"},
	{'x', "ciphers", "LIST", "TLS ciphers, as OpenSSL calls them"},
	{'z', "mode-z", NULL, "MODE Z: downloads and listings travel compressed"},
	{0},
};
static const struct tool tool = {"ftpload",
	"[OPTIONS] get|put|login|idle|list|nlst|mlsd|rate [USER[:PASSWORD]@]HOST[:PORT] [PATH]", options};

/* A number with K, M or G behind it. False: printed. */
static bool number(char option, uint64_t min, uint64_t max, uint64_t *ret_v)
{
	uint64_t v;

	if (load_place_number(optarg, &v) < 0 || v < min || v > max) {
		tool_error(&tool, "-%c '%s': a number from %llu to %llu is wanted", option, optarg,
			(unsigned long long)min, (unsigned long long)max);
		return false;
	}
	*ret_v = v;
	return true;
}

static bool small_number(char option, unsigned min, unsigned max, unsigned *ret_v)
{
	uint64_t v;

	if (!number(option, min, max, &v))
		return false;
	*ret_v = (unsigned)v;
	return true;
}

struct given {
	unsigned rate, lowat, timeout;
	bool count, size;
};

static bool take_switch(struct load_options *o, int c)
{
	switch (c) {
	case 'i':
		o->implicit = o->tls = true;
		return true;
	case 'j':
		return o->json = true;
	case 'N':
		return o->no_resume = true;
	case 'p':
		return o->pause = true;
	case 'P':
		return o->pasv = true;
	case 'R':
		return o->resume_login = true;
	case 's':
		return o->tls = true;
	case 'v':
		o->tls_version = optarg;
		return true;
	case 'x':
		o->ciphers = optarg;
		return true;
	case 'z':
		return o->mode_z = true;
	default:
		return false;
	}
}

static bool take_option(struct load_options *o, struct given *g, int c)
{
	switch (c) {
	case 'b':
		return g->size = number('b', 0, 1ull << 50, &o->size_bytes);
	case 'c':
		return g->count = number('c', 1, 1ull << 40, &o->count);
	case 'd':
		return small_number('d', 1, 86400, &o->seconds);
	case 'e':
		return number('e', 0, 1ull << 50, &o->expect_bytes);
	case 'f':
		return number('f', 1, 1ull << 40, &o->files);
	case 'k':
		return number('k', 0, 1ull << 40, &o->errors_max);
	case 'l':
		return small_number('l', 1, 1u << 30, &g->lowat);
	case 'm':
		return small_number('m', 1, 100000, &o->parallel);
	case 'n':
		return small_number('n', 1, 100000, &o->sessions);
	case 'r':
		return small_number('r', 1, 1u << 31, &g->rate);
	case 't':
		return small_number('t', 1, 86400, &g->timeout);
	default:
		return take_switch(o, c);
	}
}

/* What the modes want. False: printed. */
static bool complete(struct load_options *o, const struct given *g)
{
	bool timed = o->mode == LOAD_IDLE || o->mode == LOAD_RATE;
	bool file = o->mode == LOAD_GET || o->mode == LOAD_PUT || o->mode == LOAD_RATE;

	if (file != (o->path != NULL) && (file || o->mode == LOAD_LOGIN || o->mode == LOAD_IDLE)) {
		tool_error(&tool, file ? "%s: which file?" : "%s: a path has no meaning",
			load_mode_name[o->mode]);
		return false;
	}
	if ((o->path != NULL && strlen(o->path) > 2000) ||
		(o->path != NULL && strpbrk(o->path, "\r\n") != NULL)) {
		tool_error(&tool, "a path of at most 2000 bytes in one line is wanted");
		return false;
	}
	if (o->mode == LOAD_PUT && !g->size) {
		tool_error(&tool, "put: how large? (-b)");
		return false;
	}
	if (o->mode_z && (o->mode == LOAD_PUT || o->mode == LOAD_LOGIN || o->mode == LOAD_IDLE)) {
		tool_error(&tool, "MODE Z is for downloads and listings");
		return false;
	}
	if (o->expect_bytes != UINT64_MAX && (timed || o->mode == LOAD_PUT || o->mode == LOAD_LOGIN)) {
		tool_error(&tool, "-e is for get and listings");
		return false;
	}
	if (!o->tls && (o->tls_version != NULL || o->ciphers != NULL || o->no_resume || o->resume_login)) {
		tool_error(&tool, "-v, -x, -N and -R are about TLS: -s or -i is missing");
		return false;
	}
	if (timed && o->seconds == 0)
		o->seconds = o->mode == LOAD_IDLE ? 5 : 10;
	if (!g->count && o->seconds == 0)
		o->count = o->sessions;
	o->noops = o->mode == LOAD_IDLE && g->rate > 0 ? g->rate : 200;
	o->rate_bps = o->mode == LOAD_RATE ? g->rate : 0;
	o->lowat_bytes = g->lowat > 0 ? g->lowat : o->mode == LOAD_RATE ? 1 : 256u << 10;
	o->timeout_ms = g->timeout * 1000;
	return true;
}

static bool take_mode(struct load_options *o, const char *word)
{
	for (int m = 0; m < LOAD_MODE_COUNT; m++)
		if (str_eq(word, load_mode_name[m])) {
			o->mode = (enum load_mode)m;
			return true;
		}
	tool_error(&tool, "no mode '%s': get, put, login, idle, list, nlst, mlsd, rate", word);
	return false;
}

static int run(struct load_options *o)
{
	struct load l = {.opt = o};
	struct err err = ERR_INIT;

	if (o->tls && (l.ctx = load_tls_context(o->tls_version, o->ciphers, &err)) == NULL) {
		tool_error(&tool, "%s", err.text);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	return load_run(&l);
}

int main(int argc, char **argv)
{
	struct load_options o = {.sessions = 1, .parallel = 16, .expect_bytes = UINT64_MAX};
	struct given g = {.timeout = 30};
	int c, status = 2;

	while ((c = tool_next_option(&tool, argc, argv)) != -1) {
		if (c == 'h')
			return 0;
		if (c == '?' || !take_option(&o, &g, c))
			return 2;
	}
	if (argc - optind < 2 || argc - optind > 3) {
		tool_error(&tool, "a mode and a server are wanted: ftpload %s", tool.usage);
		return 2;
	}
	o.path = argv[optind + 2]; /* NULL at the end of argv */
	if (load_place_parse(argv[optind + 1], &o) < 0)
		tool_error(&tool, "'%s': [USER[:PASSWORD]@]HOST[:PORT] is wanted", argv[optind + 1]);
	else if (take_mode(&o, argv[optind]) && complete(&o, &g))
		status = run(&o);
	load_place_done(&o);
	return status;
}
