/* TLSPassPhraseProvider: a program that prints the passphrase of a key. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "tls/tls_priv.h"

#define PROGRAM_MS 30000

/* In the child. */
static void run(const struct tls_load *how, unsigned slot, const char *path, int out)
{
	static const int signals[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD};
	char *const argv[] = {(char *)how->passphrase_program,
		(char *)(how->server_name != NULL ? how->server_name : ""), (char *)tls_key_name(slot),
		(char *)path, NULL};
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)signal(signals[i], SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
		_exit(126);
	execve(argv[0], argv, (char *const *)env);
	_exit(127);
}

/* Until the end, at most size bytes. How many, or -errno. */
static ssize_t collect(int fd, char *text, size_t size)
{
	uint64_t end = clock_ms() + PROGRAM_MS;
	size_t n = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_ms();
		ssize_t r;

		if (now >= end)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)(end - now));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		if (n == size)
			return -EMSGSIZE;
		r = read(fd, text + n, size - n);
		if (r == 0)
			return (ssize_t)n;
		if (r < 0 && errno != EINTR)
			return -errno;
		n += r > 0 ? (size_t)r : 0;
	}
}

/* How the program ended: 0, or -WE_CONFIG with err. */
static int verdict(const struct tls_load *how, ssize_t got, int status, struct err *err)
{
	if (got == -ETIMEDOUT)
		return err_set(err, WE_CONFIG, "'%.250s' has printed no passphrase in %d seconds",
			how->passphrase_program, PROGRAM_MS / 1000);
	if (got < 0)
		return err_set(err, WE_CONFIG, "'%.250s' printed too much for a passphrase",
			how->passphrase_program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(err, WE_CONFIG, "cannot run '%.250s'", how->passphrase_program);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, WE_CONFIG, "'%.250s' has failed, it gave no passphrase",
			how->passphrase_program);
	if (got == 0)
		return err_set(err, WE_CONFIG, "'%.250s' printed nothing", how->passphrase_program);
	return 0;
}

int tls_passphrase(const struct tls_load *how, unsigned slot, const char *path,
	char ret_text[TLS_PASSPHRASE_MAX], struct err *err)
{
	ssize_t n;
	pid_t pid;
	int fds[2], status = 0, r;

	if (how->passphrase_program == NULL)
		return err_set(err, WE_CONFIG,
			"'%.250s' is encrypted: TLSPassPhraseProvider must name a program "
			"that prints the passphrase",
			path);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0)
		run(how, slot, path, fds[1]);
	fd_close(&fds[1]);
	if (pid < 0) {
		r = err_sys(err, errno, "cannot run '%.250s'", how->passphrase_program);
		fd_close(&fds[0]);
		return r;
	}
	n = collect(fds[0], ret_text, TLS_PASSPHRASE_MAX - 1);
	fd_close(&fds[0]);
	if (n < 0)
		(void)kill(pid, SIGKILL); /* it has not closed its output */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	r = verdict(how, n, status, err);
	if (r < 0) {
		wipe(ret_text, TLS_PASSPHRASE_MAX);
		return r;
	}
	ret_text[n] = '\0';
	ret_text[strcspn(ret_text, "\r\n")] = '\0';
	return 0;
}
