/* `wherryd share DIR`: a configuration made from a few words, for a directory that one wants to hand to
 * somebody now. */
#include <crypt.h>
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "master/master.h"

struct share {
	const char *dir, *address, *port, *rate, *passive;
	char *user, *password; /* NULL: anonymous */
	bool write, generated;
};

static const char usage[] =
	"usage: wherryd share DIR [options]\n"
	"  --address A             listen on this address (default 127.0.0.1; 0.0.0.0 and :: for all)\n"
	"  --port N                port (default 2121)\n"
	"  --user NAME[:PASSWORD]  ask for this login; without a password one is asked for, or made up\n"
	"  --write                 let clients change what is in DIR (default: read only)\n"
	"  --rate KIB              limit each transfer to that many KiB per second\n"
	"  --passive-ports MIN-MAX ports of data connections\n"
	"Without --user everyone may read DIR as anonymous.\n";

static int read_password(char *dst, size_t size, const char *user)
{
	struct termios old, quiet;
	bool tty = tcgetattr(STDIN_FILENO, &old) == 0;
	char *ok;

	fprintf(stderr, "Password for %s (empty: make one up): ", user);
	if (tty) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet); /* then it is shown: the person sees it */
	}
	ok = fgets(dst, (int)size, stdin);
	if (tty) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old); /* what was read is what counts */
		fputc('\n', stderr);
	}
	if (ok == NULL)
		return -EIO;
	dst[strcspn(dst, "\r\n")] = '\0';
	return 0;
}

static int make_password(char *dst, size_t size)
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
	unsigned char raw[16];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return -EIO;
	for (size_t i = 0; i + 1 < size && i < sizeof(raw); i++)
		dst[i] = letters[raw[i] % (sizeof(letters) - 1)];
	dst[size - 1 < sizeof(raw) ? size - 1 : sizeof(raw)] = '\0';
	return 0;
}

static int need_password(struct share *s, struct err *err)
{
	char text[128] = "";

	if (s->user == NULL || s->password != NULL)
		return 0;
	if (isatty(STDIN_FILENO) == 1 && read_password(text, sizeof(text), s->user) < 0)
		return err_set(err, WE_CONFIG, "no password was given");
	if (text[0] == '\0') {
		if (make_password(text, 17) < 0)
			return err_set(err, WE_CONFIG, "cannot make a password");
		s->generated = true;
	}
	s->password = xstrdup(text);
	wipe(text, sizeof(text));
	return 0;
}

/* A word for the configuration text, quoted. */
static void put_quoted(struct buf *b, const char *word)
{
	(void)buf_putc(b, '"'); /* the text's size is bounded by the options: it fits */
	for (; *word != '\0'; word++) {
		if (*word == '"' || *word == '\\')
			(void)buf_putc(b, '\\');
		(void)buf_putc(b, *word);
	}
	(void)buf_puts(b, "\"\n");
}

static int put_login(
	struct buf *b, const struct share *s, const char *account, const char *root, struct err *err)
{
	struct crypt_data *data;
	const char *hash;

	if (s->user == NULL) {
		(void)buf_puts(b, "<Anonymous ");
		put_quoted(b, root);
		b->len--; /* the newline */
		(void)buf_printf(b,
			">\n  User \"%s\"\n  UserAlias anonymous \"%s\"\n  UserAlias ftp \"%s\"\n", account,
			account, account);
		(void)buf_printf(
			b, "%s</Anonymous>\n", s->write ? "" : "  <Limit WRITE>\n    DenyAll\n  </Limit>\n");
		return 0;
	}
	data = xcalloc(1, sizeof(*data));
	hash = crypt_r(s->password, crypt_gensalt_ra("$y$", 0, NULL, 0), data);
	if (hash == NULL || hash[0] == '*') {
		free(data);
		return err_set(err, WE_CONFIG, "the password cannot be used");
	}
	(void)buf_printf(b, "UserPassword \"%s\" %s\n", account, hash);
	free(data);
	if (!str_eq(s->user, account))
		(void)buf_printf(b, "UserAlias %s \"%s\"\nAuthAliasOnly on\n", s->user, account);
	(void)buf_puts(b, "DefaultRoot ");
	put_quoted(b, root);
	if (!s->write)
		(void)buf_puts(b, "<Limit WRITE>\n  DenyAll\n</Limit>\n");
	return 0;
}

/* Names that go into the text unquoted. */
static bool plain_word(const char *s)
{
	return s[0] != '\0' &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:@+") == strlen(s);
}

static int put_passive(struct buf *b, const char *range, struct err *err)
{
	unsigned lo, hi;
	char rest;

	if (sscanf(range, "%5u-%5u%c", &lo, &hi, &rest) != 2)
		return err_set(err, WE_CONFIG, "--passive-ports wants MIN-MAX, not '%s'", range);
	(void)buf_printf(b, "PassivePorts %u %u\n", lo, hi);
	return 0;
}

/* Whose files are they? The invoking account's; for root the owner's of the directory, so that nothing runs as root for a
 * directory of somebody else. A uid without account is named by its number. */
static uid_t account_for(const struct stat *st, char *name, size_t size)
{
	uid_t uid = geteuid() == 0 ? st->st_uid : geteuid();
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		(void)snprintf(name, size, "%s", pw->pw_name);
	else
		(void)snprintf(name, size, "#%u", (unsigned)uid);
	return uid;
}

static int make_text(const struct share *s, struct buf *b, struct err *err)
{
	char *root = realpath(s->dir, NULL);
	char account[256];
	struct stat st;
	uid_t uid;
	int r = 0;

	if (root == NULL || stat(root, &st) < 0)
		return err_sys(err, errno, "cannot share '%s'", s->dir);
	if (!S_ISDIR(st.st_mode)) {
		free(root);
		return err_sys(err, ENOTDIR, "cannot share '%s'", s->dir);
	}
	uid = account_for(&st, account, sizeof(account));
	(void)buf_printf(b,
		"ServerName \"wherry share\"\nServerType standalone\nDefaultAddress %s\nPort %s\n"
		"AuthOrder mod_auth_unix.c\nRequireValidShell off\nUseFtpUsers off\nAllowOverwrite on\n"
		"AllowStoreRestart on\nScoreboardFile none\nPidFile none\nControlsEngine off\nTransferLog "
		"none\n",
		s->address, s->port);
	if (uid == 0)
		(void)buf_puts(
			b, "RootLogin on\n"); /* no capabilities and Landlock on DIR: root in name only */
	if (s->rate != NULL)
		(void)buf_printf(b, "TransferRate RETR,STOR,APPE,STOU %s\n", s->rate);
	if (s->passive != NULL)
		r = put_passive(b, s->passive, err);
	if (r == 0)
		r = put_login(b, s, account, root, err);
	free(root);
	return r;
}

static char *announcement(const struct share *s)
{
	bool v6 = strchr(s->address, ':') != NULL;
	bool any = str_eq(s->address, "0.0.0.0") || str_eq(s->address, "::");
	char *password =
		s->generated ? xasprintf("  user %s, password %s\n\n", s->user, s->password) : xstrdup("");
	char *text = xasprintf("Sharing %s (%s) at\n\n  ftp://%s%s%s%s%s:%s/\n\n%sStop with Ctrl-C.\n",
		s->dir, s->write ? "read and write" : "read only", s->user != NULL ? s->user : "",
		s->user != NULL ? "@" : "", v6 && !any ? "[" : "", any ? "localhost" : s->address,
		v6 && !any ? "]" : "", s->port, password);

	wipe(password, strlen(password));
	free(password);
	return text;
}

static int parse(int argc, char **argv, struct share *s, struct err *err)
{
	enum { ADDRESS = 1, PORT, USER, WRITE, RATE, PASSIVE, HELP };
	static const struct option options[] = {{"address", required_argument, NULL, ADDRESS},
		{"port", required_argument, NULL, PORT}, {"user", required_argument, NULL, USER},
		{"write", no_argument, NULL, WRITE}, {"rate", required_argument, NULL, RATE},
		{"passive-ports", required_argument, NULL, PASSIVE}, {"help", no_argument, NULL, HELP},
		{NULL, 0, NULL, 0}};
	char *colon;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case ADDRESS:
			s->address = optarg;
			break;
		case PORT:
			s->port = optarg;
			break;
		case USER:
			colon = strchr(optarg, ':');
			s->user =
				colon != NULL ? xstrndup(optarg, (size_t)(colon - optarg)) : xstrdup(optarg);
			s->password = colon != NULL ? xstrdup(colon + 1) : NULL;
			if (colon != NULL)
				memset(colon + 1, '*', strlen(colon + 1)); /* not for everyone's ps */
			break;
		case WRITE:
			s->write = true;
			break;
		case RATE:
			s->rate = optarg;
			break;
		case PASSIVE:
			s->passive = optarg;
			break;
		case 'h':
		case HELP:
			fputs(usage, stdout);
			return 1;
		default:
			return err_set(err, WE_CONFIG, "see `wherryd share --help`");
		}
	}
	if (optind != argc - 1)
		return err_set(err, WE_CONFIG, "share wants one directory; see `wherryd share --help`");
	s->dir = argv[optind];
	if (!plain_word(s->address) || !plain_word(s->port) || (s->user != NULL && !plain_word(s->user)) ||
		(s->rate != NULL && !plain_word(s->rate)))
		return err_set(err, WE_CONFIG, "address, port, user and rate are plain words");
	return 0;
}

int share_options(int argc, char **argv, struct master_options *opt, struct err *err)
{
	struct share s = {.address = "127.0.0.1", .port = "2121"};
	struct buf text;
	int r = parse(argc, argv, &s, err);

	buf_init(&text, 65536);
	if (r == 0)
		r = need_password(&s, err);
	if (r == 0)
		r = make_text(&s, &text, err);
	if (r == 0) {
		opt->load.text = xstrdup(text.data);
		opt->load.name = "share";
		opt->foreground = opt->quiet = opt->live = opt->memory_scoreboard = true;
		opt->announcement = announcement(&s);
	}
	buf_done(&text);
	free(s.user);
	if (s.password != NULL)
		wipe(s.password, strlen(s.password));
	free(s.password);
	return r;
}
