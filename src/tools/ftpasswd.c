/* Makes and edits the files of AuthUserFile and AuthGroupFile, and hashes passwords for them. */
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "tools/accounts.h"
#include "wherry_config.h"

#define PASSWORD_MAX 512 /* what crypt(3) takes */
#define MEMBERS_MAX  1000

static const char usage[] =
	"usage: ftpasswd --passwd --name NAME --uid N --home DIR --shell PATH [options]\n"
	"       ftpasswd --passwd --name NAME --change-password | --change-home --home DIR |\n"
	"                --lock | --unlock | --delete-user [options]\n"
	"       ftpasswd --group --name NAME --gid N [--member NAME]... [options]\n"
	"       ftpasswd --group --name NAME --delete-group | --delete-member --member NAME [options]\n"
	"       ftpasswd --hash [options]\n"
	"  --file FILE      file to edit (default: ftpd.passwd or ftpd.group, here)\n"
	"  --gid N          number of the primary group (default: that of --uid)\n"
	"  --gecos TEXT     about the person\n"
	"  --stdin          read the password from standard input, one line\n"
	"  --sha256 --sha512 --blowfish   kind of hash (default: yescrypt)\n"
	"  -h, --help       show this help\n"
	"      --version    show the version\n";

enum mode { MODE_NONE, MODE_PASSWD, MODE_GROUP, MODE_HASH };
enum action { PUT, CHANGE_PASSWORD, CHANGE_HOME, LOCK, UNLOCK, DELETE_USER, DELETE_GROUP, DELETE_MEMBER };

struct request {
	enum mode mode;
	enum action action;
	const char *name, *uid, *gid, *home, *shell, *gecos, *file;
	const char *members[MEMBERS_MAX];
	unsigned n_members;
	const char *prefix; /* of the hash: crypt(5) */
	bool from_stdin;
};

static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("ftpasswd: ", stderr); /* nothing to do when stderr is closed */
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return 1;
}

/* --- the password --- */

static struct termios tty_old;
static int tty_fd = -1;

static void tty_restore(int sig)
{
	(void)tcsetattr(tty_fd, TCSAFLUSH, &tty_old);
	(void)raise(sig); /* SA_RESETHAND: now it ends the process */
}

/* One line without its end. -E2BIG, -EIO. */
static int read_line(int fd, char *dst, size_t size)
{
	size_t n = 0;
	char c;
	ssize_t k;

	while ((k = read(fd, &c, 1)) == 1 && c != '\n') {
		if (n + 1 >= size)
			return -E2BIG;
		if (c == '\0')
			return -EIO;
		dst[n++] = c;
	}
	if (k < 0 || (k == 0 && n == 0))
		return -EIO;
	if (n > 0 && dst[n - 1] == '\r')
		n--;
	dst[n] = '\0';
	return 0;
}

static int ask_tty(const char *prompt, char *dst, size_t size)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	struct sigaction restore = {.sa_handler = tty_restore, .sa_flags = (int)SA_RESETHAND},
			 old[ARRAY_LEN(signals)];
	struct termios quiet;
	int r;

	(void)fd_write_all(tty_fd, prompt, strlen(prompt)); /* a person sees whether it is there */
	if (tcgetattr(tty_fd, &tty_old) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaction(signals[i], &restore, &old[i]); /* valid signals */
	quiet = tty_old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(tty_fd, TCSAFLUSH, &quiet);
	r = read_line(tty_fd, dst, size);
	(void)tcsetattr(tty_fd, TCSAFLUSH, &tty_old);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaction(signals[i], &old[i], NULL);
	(void)fd_write_all(tty_fd, "\n", 1);
	return r;
}

static int ask_twice(char *dst, size_t size)
{
	char again[PASSWORD_MAX];
	int r;

	tty_fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (tty_fd < 0)
		return fail("there is no terminal to ask for the password, use --stdin");
	r = ask_tty("Password: ", dst, size);
	if (r == 0)
		r = ask_tty("Re-type password: ", again, sizeof(again));
	fd_close(&tty_fd);
	if (r == 0 && !str_eq(dst, again))
		r = fail("the passwords differ, please try again");
	else if (r < 0)
		r = fail("no password was given: %s", err_text(r));
	wipe(again, sizeof(again));
	return r;
}

/* Hash of a password that is asked for: returned (free()). NULL with the message printed. */
static char *new_hash(const struct request *q)
{
	char password[PASSWORD_MAX], *setting, *hash = NULL;
	const char *h = NULL;
	struct crypt_data *data;
	int r;

	r = q->from_stdin ? read_line(STDIN_FILENO, password, sizeof(password))
			  : ask_twice(password, sizeof(password));
	if (r < 0)
		(void)fail("no password on standard input: %s", err_text(r));
	else if (r == 0 && password[0] == '\0')
		r = fail("an empty password is none");
	if (r == 0) {
		data = xcalloc(1, sizeof(*data));
		setting = crypt_gensalt_ra(q->prefix, 0, NULL, 0);
		if (setting != NULL)
			h = crypt_r(password, setting, data);
		if (h != NULL && h[0] != '*')
			hash = xstrdup(h);
		else
			(void)fail("this system's crypt(3) cannot make such a hash");
		wipe(data, sizeof(*data));
		free(data);
		free(setting);
	}
	wipe(password, sizeof(password));
	return hash;
}

/* --- users --- */

static void replace(char **field, const char *with)
{
	if (with == NULL)
		return;
	free(*field);
	*field = xstrdup(with);
}

/* A new entry, or what the options say of an old one; the password anew in both cases. */
static int put_user(const struct request *q, struct accounts *a, char **f, bool exists)
{
	if (!exists) {
		if (q->uid == NULL || q->home == NULL || q->shell == NULL)
			return fail("a new user needs --%s", q->uid == NULL    ? "uid"
							     : q->home == NULL ? "home"
									       : "shell");
		for (unsigned i = 0; i < ACCOUNT_FIELDS; i++)
			f[i] = xstrdup("");
		replace(&f[ACCOUNT_NAME], q->name);
		replace(&f[ACCOUNT_GID], q->uid);
	}
	replace(&f[ACCOUNT_UID], q->uid);
	replace(&f[ACCOUNT_GID], q->gid);
	replace(&f[ACCOUNT_GECOS], q->gecos);
	replace(&f[ACCOUNT_HOME], q->home);
	replace(&f[ACCOUNT_SHELL], q->shell);
	free(f[ACCOUNT_HASH]);
	f[ACCOUNT_HASH] = new_hash(q);
	if (f[ACCOUNT_HASH] == NULL)
		return 1;
	accounts_put(a, f);
	return 0;
}

static int lock_user(const struct request *q, struct accounts *a, char **f)
{
	char *old = f[ACCOUNT_HASH];
	bool locked = old[0] == '!';

	if (q->action == LOCK ? locked : !locked)
		return fail("user '%s' is %s", q->name, locked ? "locked already" : "not locked");
	f[ACCOUNT_HASH] = locked ? xstrdup(old + 1) : xasprintf("!%s", old);
	wipe(old, strlen(old));
	free(old);
	accounts_put(a, f);
	return 0;
}

static int edit_user(const struct request *q, struct accounts *a)
{
	char *f[ACCOUNT_FIELDS] = {0};
	bool exists = accounts_get(a, q->name, f);
	int r = 0;

	if (!exists && q->action != PUT)
		return fail("there is no user '%s' in the file", q->name);
	switch (q->action) {
	case DELETE_USER:
		accounts_delete(a, q->name);
		break;
	case LOCK:
	case UNLOCK:
		r = lock_user(q, a, f);
		break;
	case CHANGE_HOME:
		replace(&f[ACCOUNT_HOME], q->home);
		accounts_put(a, f);
		break;
	default:
		r = put_user(q, a, f, exists);
		break;
	}
	accounts_fields_free(f, ACCOUNT_FIELDS);
	return r;
}

/* --- groups --- */

/* Is name in the comma list? Its place in *ret_at. */
static bool member_find(const char *list, const char *name, size_t *ret_at)
{
	size_t len = strlen(name);

	for (const char *p = list; *p != '\0';) {
		size_t n = strcspn(p, ",");

		if (n == len && strncmp(p, name, n) == 0) {
			*ret_at = (size_t)(p - list);
			return true;
		}
		p += n + (p[n] != '\0');
	}
	return false;
}

static void member_add(char **list, const char *name)
{
	size_t at;
	char *longer;

	if (member_find(*list, name, &at))
		return;
	longer = xasprintf("%s%s%s", *list, (*list)[0] != '\0' ? "," : "", name);
	free(*list);
	*list = longer;
}

static bool member_remove(char *list, const char *name)
{
	size_t at, end;

	if (!member_find(list, name, &at))
		return false;
	end = at + strlen(name);
	if (list[end] == ',')
		end++;
	else if (at > 0)
		at--; /* the last one: its comma is in front */
	memmove(list + at, list + end, strlen(list + end) + 1);
	return true;
}

static int put_group(const struct request *q, struct accounts *a, char **f, bool exists)
{
	if (!exists) {
		if (q->gid == NULL)
			return fail("a new group needs --gid");
		for (unsigned i = 0; i < GROUP_FIELDS; i++)
			f[i] = xstrdup(i == ACCOUNT_HASH ? "x" : "");
		replace(&f[ACCOUNT_NAME], q->name);
	}
	replace(&f[GROUP_GID], q->gid);
	for (unsigned i = 0; i < q->n_members; i++)
		member_add(&f[GROUP_MEMBERS], q->members[i]);
	accounts_put(a, f);
	return 0;
}

static int edit_group(const struct request *q, struct accounts *a)
{
	char *f[GROUP_FIELDS] = {0};
	bool exists = accounts_get(a, q->name, f);
	int r = 0;

	if (!exists && q->action != PUT)
		return fail("there is no group '%s' in the file", q->name);
	if (q->action == DELETE_GROUP) {
		accounts_delete(a, q->name);
	} else if (q->action == DELETE_MEMBER) {
		for (unsigned i = 0; i < q->n_members && r == 0; i++) {
			if (!member_remove(f[GROUP_MEMBERS], q->members[i]))
				r = fail("'%s' is no member of group '%s'", q->members[i], q->name);
		}
		if (r == 0)
			accounts_put(a, f);
	} else {
		r = put_group(q, a, f, exists);
	}
	accounts_fields_free(f, GROUP_FIELDS);
	return r;
}

/* --- the command line --- */

/* Could that be a field of a line? */
static int check_text(const char *option, const char *text, const char *forbidden)
{
	if (text == NULL)
		return 0;
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f || strchr(forbidden, *p) != NULL)
			return fail("--%s must not contain '%s' or control characters", option, forbidden);
	}
	return 0;
}

static int check_name(const char *option, const char *name)
{
	if (name[0] == '\0' || name[0] == '#' || name[0] == '-')
		return fail("--%s cannot be '%s'", option, name);
	return check_text(option, name, ":,");
}

static int check_id(const char *option, const char *text)
{
	uint64_t v;

	if (text != NULL && (str_to_u64(text, &v) < 0 || v >= UINT32_MAX))
		return fail("--%s wants a number, not '%s'", option, text);
	return 0;
}

static int check_values(const struct request *q)
{
	int r = check_name("name", q->name);

	for (unsigned i = 0; i < q->n_members && r == 0; i++)
		r = check_name("member", q->members[i]);
	if (r == 0)
		r = check_id("uid", q->uid);
	if (r == 0)
		r = check_id("gid", q->gid);
	if (r == 0 && q->home != NULL && q->home[0] != '/')
		r = fail("--home wants an absolute path, not '%s'", q->home);
	if (r == 0)
		r = check_text("home", q->home, ":");
	if (r == 0)
		r = check_text("gecos", q->gecos, ":");
	return r != 0 ? r : check_text("shell", q->shell, ":");
}

/* Do the options fit together? */
static int check(const struct request *q)
{
	bool of_group = q->action == DELETE_GROUP || q->action == DELETE_MEMBER;

	if (q->mode == MODE_NONE)
		return fail("say one of --passwd, --group and --hash; see ftpasswd --help");
	if (q->mode == MODE_HASH)
		return q->action == PUT ? 0 : fail("--hash only hashes a password");
	if (q->name == NULL)
		return fail("--%s needs --name", q->mode == MODE_PASSWD ? "passwd" : "group");
	if (q->action != PUT && of_group != (q->mode == MODE_GROUP))
		return fail("this change is one of --%s", of_group ? "group" : "passwd");
	if (q->action == CHANGE_HOME && q->home == NULL)
		return fail("--change-home needs --home");
	if (q->action == DELETE_MEMBER && q->n_members == 0)
		return fail("--delete-member needs --member");
	return check_values(q);
}

enum option_id {
	O_PASSWD = 1,
	O_GROUP,
	O_HASH,
	O_NAME,
	O_UID,
	O_GID,
	O_HOME,
	O_SHELL,
	O_GECOS,
	O_FILE,
	O_MEMBER,
	O_STDIN,
	O_SHA256,
	O_SHA512,
	O_BLOWFISH,
	O_MD5,
	O_DES,
	O_VERSION,
	O_ACTION = 256 /* + enum action; above all letters */
};

static const struct option options[] = {{"passwd", no_argument, NULL, O_PASSWD},
	{"group", no_argument, NULL, O_GROUP}, {"hash", no_argument, NULL, O_HASH},
	{"name", required_argument, NULL, O_NAME}, {"uid", required_argument, NULL, O_UID},
	{"gid", required_argument, NULL, O_GID}, {"home", required_argument, NULL, O_HOME},
	{"shell", required_argument, NULL, O_SHELL}, {"gecos", required_argument, NULL, O_GECOS},
	{"file", required_argument, NULL, O_FILE}, {"member", required_argument, NULL, O_MEMBER},
	{"stdin", no_argument, NULL, O_STDIN}, {"sha256", no_argument, NULL, O_SHA256},
	{"sha512", no_argument, NULL, O_SHA512}, {"blowfish", no_argument, NULL, O_BLOWFISH},
	{"md5", no_argument, NULL, O_MD5}, {"des", no_argument, NULL, O_DES},
	{"change-password", no_argument, NULL, O_ACTION + CHANGE_PASSWORD},
	{"change-home", no_argument, NULL, O_ACTION + CHANGE_HOME},
	{"lock", no_argument, NULL, O_ACTION + LOCK}, {"unlock", no_argument, NULL, O_ACTION + UNLOCK},
	{"delete-user", no_argument, NULL, O_ACTION + DELETE_USER},
	{"delete-group", no_argument, NULL, O_ACTION + DELETE_GROUP},
	{"delete-member", no_argument, NULL, O_ACTION + DELETE_MEMBER}, {"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, O_VERSION}, {NULL, 0, NULL, 0}};

static int set_mode(struct request *q, enum mode mode)
{
	if (q->mode != MODE_NONE && q->mode != mode)
		return fail("say only one of --passwd, --group and --hash");
	q->mode = mode;
	return 0;
}

static int set_action(struct request *q, enum action action)
{
	if (q->action != PUT && q->action != action)
		return fail("say one change at a time");
	q->action = action;
	return 0;
}

static const char **text_option(struct request *q, int c)
{
	switch (c) {
	case O_NAME:
		return &q->name;
	case O_UID:
		return &q->uid;
	case O_GID:
		return &q->gid;
	case O_HOME:
		return &q->home;
	case O_SHELL:
		return &q->shell;
	case O_GECOS:
		return &q->gecos;
	case O_FILE:
		return &q->file;
	default:
		return NULL;
	}
}

/* 0; 1: an error, printed. */
static int one_option(struct request *q, int c)
{
	if (c > O_ACTION)
		return set_action(q, (enum action)(c - O_ACTION));
	if (text_option(q, c) != NULL) {
		*text_option(q, c) = optarg;
		return 0;
	}
	switch (c) {
	case O_PASSWD:
		return set_mode(q, MODE_PASSWD);
	case O_GROUP:
		return set_mode(q, MODE_GROUP);
	case O_HASH:
		return set_mode(q, MODE_HASH);
	case O_MEMBER:
		if (q->n_members == MEMBERS_MAX)
			return fail("more than %d members at a time", MEMBERS_MAX);
		q->members[q->n_members++] = optarg;
		return 0;
	case O_STDIN:
		q->from_stdin = true;
		return 0;
	case O_SHA256:
		q->prefix = "$5$";
		return 0;
	case O_SHA512:
		q->prefix = "$6$";
		return 0;
	case O_BLOWFISH:
		q->prefix = "$2b$";
		return 0;
	case O_MD5:
		return fail(
			"MD5 hashes are too quick to guess: the server accepts old ones, but none is made");
	case O_DES:
		return fail("DES hashes keep eight characters and are quick to guess: the server accepts old "
			    "ones, "
			    "but none is made");
	default:
		return fail("see ftpasswd --help"); /* getopt_long() has said why */
	}
}

static int edit(const struct request *q)
{
	const char *file = q->file != NULL ? q->file : q->mode == MODE_PASSWD ? "ftpd.passwd" : "ftpd.group";
	struct accounts *a = NULL;
	struct err err = ERR_INIT;
	bool fresh;
	int r;

	if (accounts_open(file, q->mode == MODE_PASSWD ? ACCOUNT_FIELDS : GROUP_FIELDS, &a, &err) < 0)
		return fail("%s", err.text);
	fresh = accounts_is_new(a);
	r = q->mode == MODE_PASSWD ? edit_user(q, a) : edit_group(q, a);
	if (r == 0 && accounts_save(a, &err) < 0)
		r = fail("%s", err.text);
	accounts_close(a);
	if (r == 0)
		printf("ftpasswd: %s '%s' in '%s'%s\n",
			q->action == DELETE_USER || q->action == DELETE_GROUP ? "deleted" : "saved", q->name,
			file, fresh ? " (a new file)" : "");
	return r;
}

static int hash(const struct request *q)
{
	char *text = new_hash(q);

	if (text == NULL)
		return 1;
	printf("ftpasswd: %s\n", text);
	free(text);
	return 0;
}

int main(int argc, char **argv)
{
	static struct request q = {.prefix = "$y$"};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h' || c == O_VERSION) {
			(void)fputs(c == 'h' ? usage : "ftpasswd of Wherry " WHERRY_VERSION "\n", stdout);
			return 0;
		}
		r = one_option(&q, c);
	}
	if (r == 0 && optind < argc)
		r = fail("unexpected word '%s'; see ftpasswd --help", argv[optind]);
	if (r == 0)
		r = check(&q);
	if (r == 0)
		r = q.mode == MODE_HASH ? hash(&q) : edit(&q);
	return fflush(stdout) != 0 ? 1 : r;
}
