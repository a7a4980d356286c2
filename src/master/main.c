/* wherryd's entrances: the daemon, -t and the other questions, `wherryd share`. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/report.h"
#include "ipc/ctl.h"
#include "master/explain.h"
#include "master/master.h"
#include "master/sandbox.h"
#include "wherry_config.h"

static const char usage_text[] =
	"usage: wherryd [options]\n"
	"       wherryd share DIR [options]     (see wherryd share --help)\n"
	"  -c, --config FILE        configuration file (default " WHERRY_SYSCONF_DIR "/wherry.conf)\n"
	"  -t, --configtest         check the configuration, print a report, and exit\n"
	"  -n, --nodaemon           stay in the foreground, log to standard error\n"
	"  -q, --quiet              on standard error errors only\n"
	"  -d, --debug LEVEL        debug level 0 to 10\n"
	"  -D, --define NAME        as the directive Define\n"
	"  -S, --serveraddr ADDR    address of the main server\n"
	"  -4, --ipv4  -6, --ipv6   this address family only\n"
	"  -p, --persistent 0|1     accepted, without effect\n"
	"  -N, --nocollision        accepted, without effect\n"
	"  -X, --nofork             as -n\n"
	"  -e, --explain WORDS      \"USER@HOST PATH COMMAND [SERVER]\": may the user do that, and which "
	"line says so?\n"
	"      --list-directives    the directives this version knows\n"
	"  -l, --list               modules that <IfModule> finds\n"
	"  -V, --settings           settings of this build\n"
	"  -v, --version            version (-vv: more)\n"
	"  -h, --help               this text\n";

enum { OPT_LIST_DIRECTIVES = 256 };

static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
	{"configtest", no_argument, NULL, 't'}, {"nodaemon", no_argument, NULL, 'n'},
	{"quiet", no_argument, NULL, 'q'}, {"debug", required_argument, NULL, 'd'},
	{"define", required_argument, NULL, 'D'}, {"serveraddr", required_argument, NULL, 'S'},
	{"ipv4", no_argument, NULL, '4'}, {"ipv6", no_argument, NULL, '6'},
	{"persistent", required_argument, NULL, 'p'}, {"nocollision", no_argument, NULL, 'N'},
	{"nofork", no_argument, NULL, 'X'}, {"list-directives", no_argument, NULL, OPT_LIST_DIRECTIVES},
	{"list", no_argument, NULL, 'l'}, {"settings", no_argument, NULL, 'V'},
	{"version", no_argument, NULL, 'v'}, {"version-status", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'}, {"explain", required_argument, NULL, 'e'}, {NULL, 0, NULL, 0}};

enum entrance { RUN, CONFIGTEST, EXPLAIN, LIST_DIRECTIVES, LIST_MODULES, SETTINGS, VERSION, HELP, BAD };

struct arguments {
	enum entrance what;
	unsigned verbose;
	struct master_options opt;
	const char **defines;
	unsigned n_defines;
	char *config;
	const char *question; /* of --explain */
};

static int print_settings(void)
{
	printf("wherryd %s\n", WHERRY_VERSION);
	printf("  configuration     %s/wherry.conf\n", WHERRY_SYSCONF_DIR);
	printf("  run directory     %s\n", WHERRY_RUN_DIR);
	printf("  PAM               %s\n",
#ifdef HAVE_PAM
		"yes"
#else
		"no"
#endif
	);
	printf("  seccomp           %s\n", sandbox_has_seccomp() ? "yes" : "no");
	printf("  Landlock          %s (ABI %d of this kernel)\n", sandbox_landlock_abi() > 0 ? "yes" : "no",
		sandbox_landlock_abi());
	return 0;
}

static int print_version(unsigned verbose)
{
	printf("wherryd %s\n", WHERRY_VERSION);
	return verbose > 1 ? print_settings() : 0;
}

static int set_debug(struct arguments *a, const char *text)
{
	uint64_t v;

	if (str_to_u64(text, &v) < 0 || v > 10) {
		fprintf(stderr, "wherryd: debug level is 0 to 10, not '%s'\n", text);
		return -EINVAL;
	}
	a->opt.debug_level = (int)v;
	return 0;
}

static enum entrance one_option(struct arguments *a, int c)
{
	switch (c) {
	case 'c':
		free(a->config);
		a->config = xstrdup(optarg);
		return a->what;
	case 't':
		return CONFIGTEST;
	case 'e':
		a->question = optarg;
		return EXPLAIN;
	case 'n':
	case 'X':
		a->opt.foreground = true;
		return a->what;
	case 'q':
		a->opt.quiet = true;
		return a->what;
	case 'd':
		return set_debug(a, optarg) < 0 ? BAD : a->what;
	case 'D':
		a->defines = xrealloc(a->defines, (a->n_defines + 1) * sizeof(*a->defines));
		a->defines[a->n_defines++] = optarg;
		return a->what;
	case 'S':
		a->opt.load.server_addr = optarg;
		return a->what;
	case '4':
		a->opt.load.family = AF_INET;
		return a->what;
	case '6':
		a->opt.load.family = AF_INET6;
		return a->what;
	case 'p':
	case 'N':
		return a->what;
	case OPT_LIST_DIRECTIVES:
		return LIST_DIRECTIVES;
	case 'l':
		return LIST_MODULES;
	case 'V':
		return SETTINGS;
	case 'v':
		a->verbose++;
		return VERSION;
	case 'h':
		return HELP;
	default:
		return BAD;
	}
}

static void parse(int argc, char **argv, struct arguments *a)
{
	int c;

	while (a->what != BAD &&
		(c = getopt_long(argc, argv, "c:te:nqd:D:S:46p:NXlVvh", long_options, NULL)) != -1)
		a->what = one_option(a, c);
	if (a->what != BAD && optind < argc) {
		fprintf(stderr, "wherryd: unexpected word '%s'\n", argv[optind]);
		a->what = BAD;
	}
}

/* The configuration path, absolute. */
static int settle_config(struct arguments *a)
{
	char *real;

	if (a->config == NULL)
		a->config = xstrdup(WHERRY_SYSCONF_DIR "/wherry.conf");
	if (a->config[0] != '/') {
		real = realpath(a->config, NULL);
		if (real == NULL) {
			fprintf(stderr, "wherryd: cannot open configuration file '%s': %s\n", a->config,
				strerror(errno));
			return -errno;
		}
		free(a->config);
		a->config = real;
	}
	a->opt.load.file = a->config;
	a->opt.load.defines = a->defines;
	a->opt.load.n_defines = a->n_defines;
	return 0;
}

/* Into the background; the parent waits until the daemon serves or has said why not. Returns -1 in the
 * daemon with *ret_fd set, else the parent's exit status. */
static int background(int *ret_fd)
{
	int fds[2];
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		fprintf(stderr, "wherryd: cannot make a pipe: %s\n", strerror(errno));
		return 1;
	}
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "wherryd: cannot fork: %s\n", strerror(errno));
		return 1;
	}
	if (pid > 0) {
		fd_close(&fds[1]);
		return read(fds[0], &byte, 1) == 1 ? 0 : 1;
	}
	fd_close(&fds[0]);
	(void)setsid(); /* a fresh child can always */
	if (chdir("/") < 0)
		fprintf(stderr, "wherryd: cannot change to /: %s\n", strerror(errno));
	*ret_fd = fds[1];
	return -1;
}

/* -t: errors and warnings on standard error, the state of each directive on standard output. */
static int configtest(const struct master_options *opt)
{
	struct ftp_config_options load = opt->load;
	struct ftp_report *report = ftp_report_new();
	struct ftp_config *config = NULL;
	struct err err = ERR_INIT;
	int r;

	load.check_only = true;
	r = ftp_config_load(&load, 1, &config, report, &err);
	ftp_report_print_problems(report, stderr);
	if (r < 0 && ftp_report_errors(report) == 0)
		fprintf(stderr, "fatal: %s\n", err.text);
	if (!opt->quiet)
		ftp_report_print(report, stdout);
	if (r == 0)
		puts("Syntax check complete.");
	ftp_report_free(report);
	ftp_config_free(config);
	return r < 0 ? 1 : 0;
}

/* The words are those of wherryctl, with its escapes for blanks inside of them. Answers as wherryctl prints it. */
static int explain_offline(const struct master_options *opt, const char *question)
{
	struct ftp_config *config = NULL;
	struct ctl_words words;
	struct err err = ERR_INIT;
	struct buf out;
	char *line, *rest, *key, *value, shown[8192];
	bool ok = false;
	int r = ftp_config_load(&opt->load, 1, &config, NULL, &err);

	if (r < 0) {
		fprintf(stderr, "wherryd: %s\n", err.text);
		return 1;
	}
	buf_init(&out, CTL_REPLY_MAX);
	if (ctl_parse(question, strlen(question), &words) < 0)
		(void)ctl_reply(&out, false, "the question cannot be read");
	else
		explain(config, NULL, words.word, words.count, &out);
	rest = out.data;
	line = strsep(&rest, "\n");
	if (ctl_parse_reply(line, &ok, &value) == 0)
		fprintf(ok ? stdout : stderr, "wherryctl: %s\n", str_escape(value, shown, sizeof(shown)));
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0' && ctl_parse_data(line, &key, &value) == 0)
			printf("%-20s %s\n", key, str_escape(value, shown, sizeof(shown)));
	buf_done(&out);
	ftp_config_free(config);
	return ok ? 0 : 1;
}

static int run(const struct master_options *opt)
{
	int ready_fd = -1, status;

	(void)umask(022); /* files that the daemon itself makes */
	if (!opt->foreground) {
		status = background(&ready_fd);
		if (status >= 0)
			return status;
	}
	return master_run(opt, ready_fd);
}

static int share(int argc, char **argv)
{
	struct master_options opt = {0};
	struct err err = ERR_INIT;
	int r = share_options(argc, argv, &opt, &err);

	if (r < 0)
		fprintf(stderr, "wherryd: %s\n", err.text);
	if (r != 0)
		return r < 0 ? 1 : 0;
	r = run(&opt);
	wipe((char *)(uintptr_t)opt.load.text, strlen(opt.load.text)); /* ours, with a hash in it */
	free((char *)(uintptr_t)opt.load.text);
	free(opt.announcement);
	return r;
}

static int enter(struct arguments *a)
{
	switch (a->what) {
	case RUN:
		return settle_config(a) < 0 ? 1 : run(&a->opt);
	case CONFIGTEST:
		return settle_config(a) < 0 ? 1 : configtest(&a->opt);
	case EXPLAIN:
		return settle_config(a) < 0 ? 1 : explain_offline(&a->opt, a->question);
	case LIST_DIRECTIVES:
		ftp_directives_list(stdout);
		return 0;
	case LIST_MODULES:
		ftp_modules_list(stdout);
		return 0;
	case SETTINGS:
		return print_settings();
	case VERSION:
		return print_version(a->verbose);
	case HELP:
		fputs(usage_text, stdout);
		return 0;
	case BAD:
		break;
	}
	fputs("Try 'wherryd --help'.\n", stderr);
	return 1;
}

int main(int argc, char **argv)
{
	struct arguments a = {0};
	int r;

	title_init(argc, argv);
	if (argc > 1 && str_eq(argv[1], "share"))
		return share(argc - 1, argv + 1);
	parse(argc, argv, &a);
	r = enter(&a);
	free(a.config);
	free(a.defines);
	return r;
}
