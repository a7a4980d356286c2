/* ftpasswd as an administrator starts it. TOOLS_DIR: where it was built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

static char folder[64], output[20000], text[20000];

static int setup(void **state)
{
	strcpy(folder, "/tmp/ftpasswd_test_XXXXXX");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	char line[100];

	(void)snprintf(line, sizeof(line), "rm -r %s", folder);
	return system(line);
}

/* Run "ftpasswd <arguments>" in the folder with that standard input. Returns the exit status; output: both
 * streams. */
static int run(const char *input, const char *arguments)
{
	char line[2000];
	size_t n;
	FILE *f;
	int st;

	(void)snprintf(line, sizeof(line), "cd %s && printf '%%b' '%s' | %s/ftpasswd %s 2>&1", folder, input,
		TOOLS_DIR, arguments);
	f = popen(line, "r");
	assert_non_null(f);
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	st = pclose(f);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + st;
}

static const char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* The file's content, in text too. */
static const char *content(const char *name)
{
	auto_fd int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static void make(const char *name, const char *what, mode_t mode)
{
	auto_fd int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, what, strlen(what)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return st.st_mode & 07777;
}

/* Is hash, up to a colon or newline, one of that kind of the password? */
static void is_hash_of(const char *hash, const char *prefix, const char *password)
{
	static struct crypt_data data;
	char *one = strndup(hash, strcspn(hash, ":\n"));
	const char *h;

	assert_non_null(crypt_preferred_method()); /* else ASan's own crypt_r would be all that links */
	h = crypt_r(password, one, &data);
	if (strncmp(one, prefix, strlen(prefix)) != 0 || h == NULL || strcmp(h, one) != 0)
		fail_msg("'%s' is no %s hash of '%s'", one, prefix, password);
	free(one);
}

static void says(int status, const char *words)
{
	if (strstr(output, words) == NULL)
		fail_msg("status %d, no '%s' in: %s", status, words, output);
}

static void hashes_are_of_the_kind_asked_for(void **state)
{
	static const char *const rows[][2] = {
		{"", "$y$"}, {"--sha256", "$5$"}, {"--sha512", "$6$"}, {"--blowfish", "$2b$"}};
	char arguments[100];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)snprintf(arguments, sizeof(arguments), "--hash --stdin %s", rows[i][0]);
		assert_int_equal(run("se cret\\n", arguments), 0);
		assert_int_equal(strncmp(output, "ftpasswd: ", 10), 0);
		is_hash_of(output + 10, rows[i][1], "se cret");
	}
	says(run("x\\n", "--hash --stdin --md5"), "MD5 hashes are too quick to guess");
	says(run("x\\n", "--hash --stdin --des"), "DES hashes keep eight characters");
}

static void a_new_file_has_one_user_and_is_read_only(void **state)
{
	assert_int_equal(
		run("pw\\n", "--passwd --stdin --name bob --uid 1001 --home /home/bob --shell /bin/false"),
		0);
	assert_string_equal(output, "ftpasswd: saved 'bob' in 'ftpd.passwd' (a new file)\n");
	assert_int_equal(mode_of("ftpd.passwd"), 0440);
	content("ftpd.passwd");
	assert_int_equal(strncmp(text, "bob:$y$", 7), 0);
	assert_non_null(strstr(text, ":1001:1001::/home/bob:/bin/false\n"));
	is_hash_of(text + 4, "$y$", "pw");
}

static void other_lines_stay_as_they_are(void **state)
{
	static const char before[] =
		"# ours\n\nbroken "
		"line\nalice:x:1:2:A:/a:/s\r\nbobby:z:8:8::/:\nbob:y:5:6:B:/b:/t\nbob:w:7:7::/:";
	char *hash;

	make("f", before, 0640);
	assert_int_equal(run("new\\n", "--passwd --stdin --file f --name bob --gid 9 --gecos 'Bob B'"), 0);
	assert_int_equal(mode_of("f"), 0640);
	content("f");
	assert_int_equal(strncmp(text, before, (size_t)(strstr(before, "bob:y") - before)), 0);
	hash = strstr(text, "\nbob:$y$");
	assert_non_null(hash);
	is_hash_of(hash + 5, "$y$", "new");
	assert_non_null(strstr(text, ":5:9:Bob B:/b:/t\nbob:w:7:7::/:\n"));
}

static void one_thing_is_changed_at_a_time(void **state)
{
	make("f", "bob:y:5:6:B:/b:/t\neve:!z:1:1::/:\n", 0600);
	assert_int_equal(run("", "--passwd --file f --name bob --change-home --home /new"), 0);
	assert_string_equal(content("f"), "bob:y:5:6:B:/new:/t\neve:!z:1:1::/:\n");
	assert_int_equal(run("", "--passwd --file f --name bob --lock"), 0);
	assert_string_equal(content("f"), "bob:!y:5:6:B:/new:/t\neve:!z:1:1::/:\n");
	says(run("", "--passwd --file f --name bob --lock"), "user 'bob' is locked already");
	assert_int_equal(run("", "--passwd --file f --name eve --unlock"), 0);
	says(run("", "--passwd --file f --name eve --unlock"), "user 'eve' is not locked");
	assert_string_equal(content("f"), "bob:!y:5:6:B:/new:/t\neve:z:1:1::/:\n");
	assert_int_equal(
		run("pw\\r\\n", "--passwd --file f --name eve --change-password --stdin --sha512"), 0);
	is_hash_of(strstr(content("f"), "eve:") + 4, "$6$", "pw");
	assert_int_equal(run("", "--passwd --file f --name eve --delete-user"), 0);
	assert_string_equal(content("f"), "bob:!y:5:6:B:/new:/t\n");
	says(run("", "--passwd --file f --name eve --delete-user"), "there is no user 'eve' in the file");
	assert_int_equal(mode_of("f"), 0600);
}

static void groups_and_their_members(void **state)
{
	assert_int_equal(run("", "--group --name staff --gid 50 --member a --member b --member a"), 0);
	assert_string_equal(content("ftpd.group"), "staff:x:50:a,b\n");
	assert_int_equal(mode_of("ftpd.group"), 0440);
	assert_int_equal(run("", "--group --name staff --member c"), 0);
	assert_string_equal(content("ftpd.group"), "staff:x:50:a,b,c\n");
	assert_int_equal(run("", "--group --name staff --delete-member --member c"), 0);
	assert_int_equal(run("", "--group --name staff --delete-member --member a"), 0);
	assert_string_equal(content("ftpd.group"), "staff:x:50:b\n");
	says(run("", "--group --name staff --delete-member --member a"), "'a' is no member of group 'staff'");
	assert_int_equal(run("", "--group --name empty --gid 51"), 0);
	assert_int_equal(run("", "--group --name staff --delete-group"), 0);
	assert_string_equal(content("ftpd.group"), "empty:x:51:\n");
	says(run("", "--group --name new"), "a new group needs --gid");
}

static void what_would_break_the_file_is_refused(void **state)
{
	static const char *const rows[][2] = {
		{"--passwd --name a:b --uid 1 --home / --shell /s", "--name must not contain"},
		{"--passwd --name '' --uid 1 --home / --shell /s", "--name cannot be ''"},
		{"--passwd --name '#a' --uid 1 --home / --shell /s", "--name cannot be '#a'"},
		{"--passwd --name a --uid -1 --home / --shell /s", "--uid wants a number, not '-1'"},
		{"--passwd --name a --uid 4294967295 --home / --shell /s", "--uid wants a number"},
		{"--passwd --name a --uid 1 --gid x --home / --shell /s", "--gid wants a number"},
		{"--passwd --name a --uid 1 --home rel --shell /s", "--home wants an absolute path"},
		{"--passwd --name a --uid 1 --home /a:b --shell /s", "--home must not contain"},
		{"--passwd --name a --uid 1 --home / --shell \"/s\nroot:x:0:0::/:/s\"",
			"--shell must not contain"},
		{"--passwd --name a --uid 1 --home / --shell /s --gecos x:y", "--gecos must not contain"},
		{"--group --name a --gid 1 --member b,c", "--member must not contain"},
		{"--passwd --name a --uid 1 --home /", "a new user needs --shell"},
		{"--passwd --uid 1", "--passwd needs --name"}, {"--name a", "say one of --passwd"},
		{"--passwd --group --name a", "say only one of"},
		{"--passwd --name a --lock --unlock", "say one change at a time"},
		{"--group --name a --lock", "this change is one of --passwd"},
		{"--passwd --name a --delete-group", "this change is one of --group"},
		{"--hash --lock", "--hash only hashes"}, {"--hash extra", "unexpected word 'extra'"},
		{"--nonsense", "see ftpasswd --help"}, {"--passwd --name a --change-home", "needs --home"},
		{"--passwd --file none/f --name a --lock", "cannot use the directory 'none'"},
		{"--passwd --file . --name a --lock", "is not a regular file"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char arguments[400];
		int r;

		(void)snprintf(arguments, sizeof(arguments), "--stdin %s", rows[i][0]);
		r = run("pw\\n", arguments);
		says(r, rows[i][1]);
		assert_int_equal(r, 1);
		assert_int_not_equal(access(path_of("ftpd.passwd"), F_OK), 0);
	}
}

static void passwords_that_cannot_be_are_refused(void **state)
{
	char *longer = xcalloc(1000, 1);

	memset(longer, 'x', 600);
	assert_int_equal(run("", "--hash --stdin"), 1);
	says(1, "no password on standard input");
	assert_int_equal(run("\\n", "--hash --stdin"), 1);
	says(1, "an empty password is none");
	assert_int_equal(run(longer, "--hash --stdin"), 1);
	assert_int_equal(run("a\\0b\\n", "--hash --stdin"), 1);
	memset(longer, 0, 600);
	memset(longer, 'x', 511);
	assert_int_equal(run(longer, "--hash --stdin"), 0);
	free(longer);
}

static void a_link_stays_a_link(void **state)
{
	struct stat st;

	make("real", "bob:y:5:6:B:/b:/t\n", 0440);
	assert_int_equal(symlink("real", path_of("link")), 0);
	assert_int_equal(run("", "--passwd --file link --name bob --lock"), 0);
	assert_int_equal(lstat(path_of("link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_string_equal(content("real"), "bob:!y:5:6:B:/b:/t\n");
	assert_int_equal(mode_of("real"), 0440);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
	char line[600];

	make("f", "bob:y:5:6:B:/b:/t\n", 0600);
	(void)snprintf(line, sizeof(line),
		"cd %s && (trap '' XFSZ; ulimit -f 0; %s/ftpasswd --passwd --file f --name bob --lock) 2>out "
		">&2",
		folder, TOOLS_DIR);
	assert_int_not_equal(system(line), 0);
	assert_string_equal(content("f"), "bob:y:5:6:B:/b:/t\n");
	(void)snprintf(
		line, sizeof(line), "test $(ls %s | wc -l) -eq 2", folder); /* no temporary file is left */
	assert_int_equal(system(line), 0);
}

static void many_at_once_lose_nothing(void **state)
{
	char line[600];

	(void)snprintf(line, sizeof(line),
		"cd %s && for i in 1 2 3 4 5 6 7 8 9; do %s/ftpasswd --group --file g --name g$i --gid $i "
		">/dev/null & "
		"done; wait; test $(grep -c ^g g) -eq 9",
		folder, TOOLS_DIR);
	assert_int_equal(system(line), 0);
}

/* Wait for the words on the terminal; collects in output. */
static void await_words(int fd, const char *words)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = strlen(output);

	while (strstr(output, words) == NULL) {
		ssize_t k = poll(&p, 1, 60000) > 0 ? read(fd, output + n, sizeof(output) - n - 1) : -1;

		if (k <= 0)
			fail_msg("no '%s' in: %s", words, output);
		n += (size_t)k;
		output[n] = '\0';
	}
}

/* All that comes until the program has let go of the terminal. */
static void await_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = strlen(output);
	ssize_t k;

	do {
		assert_true(poll(&p, 1, 60000) > 0);
		k = read(fd, output + n, sizeof(output) - n - 1); /* EIO at the end */
		n += k > 0 ? (size_t)k : 0;
	} while (k > 0);
	output[n] = '\0';
}

static int on_terminal(const char *first, const char *second)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), st;
	struct termios tio;
	pid_t pid;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	output[0] = '\0';
	pid = fork();
	if (pid == 0) {
		int tty;

		(void)setsid();
		tty = open(ptsname(master), O_RDWR); /* becomes the controlling terminal */
		for (int i = 0; i < 3; i++)
			(void)dup2(tty, i);
		(void)close(master);
		(void)execl(TOOLS_DIR "/ftpasswd", "ftpasswd", "--hash", "--sha256", NULL);
		_exit(99);
	}
	await_words(master, "Password: ");
	do /* the prompt comes before the switch */
		assert_int_equal(tcgetattr(master, &tio), 0);
	while ((tio.c_lflag & ECHO) != 0);
	assert_int_equal(fd_write_all(master, first, strlen(first)), 0);
	await_words(master, "Re-type password: ");
	do
		assert_int_equal(tcgetattr(master, &tio), 0);
	while ((tio.c_lflag & ECHO) != 0);
	assert_int_equal(fd_write_all(master, second, strlen(second)), 0);
	await_end(master);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(tcgetattr(master, &tio), 0);
	assert_true((tio.c_lflag & ECHO) != 0);
	(void)close(master);
	assert_null(strstr(output, "Hidden"));
	return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}

static void the_terminal_is_asked_twice_without_echo(void **state)
{
	assert_int_equal(on_terminal("Hidden 1\n", "Hidden 1\n"), 0);
	assert_non_null(strstr(output, "ftpasswd: $5$"));
	assert_int_equal(on_terminal("Hidden 1\n", "Hidden 2\n"), 1);
	assert_non_null(strstr(output, "the passwords differ"));
}

static void without_a_terminal_it_says_so(void **state)
{
	char line[300];

	(void)snprintf(line, sizeof(line), "cd %s && setsid -w %s/ftpasswd --hash >out 2>&1 </dev/null",
		folder, TOOLS_DIR);
	assert_int_not_equal(system(line), 0);
	assert_string_equal(
		content("out"), "ftpasswd: there is no terminal to ask for the password, use --stdin\n");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(hashes_are_of_the_kind_asked_for),
		T(a_new_file_has_one_user_and_is_read_only),
		T(other_lines_stay_as_they_are),
		T(one_thing_is_changed_at_a_time),
		T(groups_and_their_members),
		T(what_would_break_the_file_is_refused),
		T(passwords_that_cannot_be_are_refused),
		T(a_link_stays_a_link),
		T(a_full_disk_leaves_the_old_file),
		T(many_at_once_lose_nothing),
		T(the_terminal_is_asked_twice_without_echo),
		T(without_a_terminal_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
