#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "master/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static char outside[] = "/tmp/wherry-outside-XXXXXX", inside[] = "/tmp/wherry-inside-XXXXXX";

/* Run fn in a process confined as role with the inside directory as root. Returns its exit status, or
 * -signal. */
static int confined(enum ipc_role role, int (*fn)(int root_fd))
{
	int root = open(inside, O_PATH | O_DIRECTORY | O_CLOEXEC), status;
	pid_t pid = fork();

	if (pid == 0) {
		struct err err = ERR_INIT;

		log_set_level(LOG_EMERG); /* the refusals are meant */
		if (sandbox_confine(role, role == IPC_SESSION ? root : -1, &err) < 0)
			_exit(99);
		_exit(fn(root));
	}
	(void)close(root);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int open_outside(int root_fd)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/secret", outside);
	return open(path, O_RDONLY) < 0 ? errno : 0;
}

static int open_inside(int root_fd)
{
	char text[16] = "";
	int fd = openat(root_fd, "file", O_RDWR);

	if (fd < 0)
		return errno;
	return read(fd, text, sizeof(text)) == 6 && memcmp(text, "inside", 6) == 0 && write(fd, "x", 1) == 1
		       ? 0
		       : 1;
}

static int open_parent(int root_fd)
{
	return openat(root_fd, "../", O_RDONLY | O_DIRECTORY) < 0 ? errno : 0;
}

static int start_program(int root_fd)
{
	char *argv[] = {(char *)"true", NULL};

	(void)execv("/bin/true", argv);
	return 1;
}

static int unlisted_call(int root_fd)
{
	return syscall(SYS_getpriority, 0, 0) < 0 ? errno : 0;
}

static int make_socket(int root_fd)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int packet_socket(int root_fd)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int fork_again(int root_fd)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static void a_session_reaches_its_root_only(void **state)
{
	assert_int_equal(confined(IPC_SESSION, open_inside), 0);
	if (sandbox_landlock_abi() == 0)
		skip();
	assert_int_equal(confined(IPC_SESSION, open_outside), EACCES);
	assert_int_equal(confined(IPC_SESSION, open_parent), EACCES);
}

static void login_reaches_no_file(void **state)
{
	assert_int_not_equal(confined(IPC_LOGIN, open_outside), 0);
	assert_int_not_equal(confined(IPC_LOGIN, open_inside), 0);
}

static void dangerous_calls_kill_and_unlisted_ones_fail(void **state)
{
	if (!sandbox_has_seccomp())
		skip();
	assert_int_equal(confined(IPC_SESSION, start_program), -SIGSYS);
	assert_int_equal(confined(IPC_LOGIN, start_program), -SIGSYS);
	if (SANITIZED) /* their runtimes make calls of their own: only what kills is refused */
		return;
	assert_int_equal(confined(IPC_SESSION, unlisted_call), EPERM);
	assert_int_equal(confined(IPC_LOGIN, make_socket), EPERM);
	assert_int_equal(confined(IPC_SESSION, make_socket), 0);
	assert_int_equal(confined(IPC_SESSION, packet_socket), EPERM);
	assert_int_equal(confined(IPC_SESSION, fork_again), EPERM);
}

static int switch_to_nobody(int root_fd)
{
	gid_t groups[] = {65534};
	struct sandbox_identity id = {.uid = 65534, .gid = 65534, .groups = groups, .n_groups = 1};
	struct err err = ERR_INIT;
	char line[128];
	FILE *f;
	int caps = 0;

	sandbox_drop_bounding(0);
	if (sandbox_switch(&id, &err) < 0 || sandbox_drop_caps(0, &err) < 0 || setuid(0) == 0 ||
		seteuid(0) == 0)
		return 1;
	f = fopen("/proc/thread-self/status", "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "Cap", 3) == 0)
			caps += strstr(line, "0000000000000000") != NULL;
	}
	return caps == 5 ? 0 : 2; /* inherited, permitted, effective, bounding, ambient */
}

static void an_identity_is_taken_on_for_good(void **state)
{
	struct sandbox_identity other = {.uid = getuid() + 1, .gid = getgid()};
	struct err err = ERR_INIT;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		assert_int_equal(sandbox_switch(&other, &err), -EPERM);
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(switch_to_nobody(-1));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int make_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0)
		return -1;
	return fclose(f);
}

static int set_up(void **state)
{
	if (mkdtemp(outside) == NULL || mkdtemp(inside) == NULL)
		return -1;
	return make_file(outside, "secret", "secret") < 0 || make_file(inside, "file", "inside") < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/secret", outside);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/file", inside);
	(void)unlink(path);
	(void)rmdir(outside);
	return rmdir(inside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_reaches_its_root_only),
		cmocka_unit_test(login_reaches_no_file),
		cmocka_unit_test(dangerous_calls_kill_and_unlisted_ones_fail),
		cmocka_unit_test(an_identity_is_taken_on_for_good),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
