/* The process that runs PAM modules. Auth sends each question with the end of a fresh pipe; the helper forks
 * a process for that conversation, which writes one byte, the verdict, and ends. So a module that hangs,
 * leaks or crashes costs one login.
 */
#include "auth/pam_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/backend.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "wherry_config.h"

#define ANSWER_MS     60000
#define CONVERSATIONS 32 /* at a time */

static const struct ipc_field question_fields[] = {{IPC_STR, offsetof(struct pam_question, service), 256},
	{IPC_STR, offsetof(struct pam_question, user), 256},
	{IPC_STR, offsetof(struct pam_question, password), 65536},
	{IPC_STR, offsetof(struct pam_question, host), ADDR_TEXT_MAX}, {IPC_END, 0, 0}};

static const char *confdir; /* NULL: the system's */
static int helper_fd = -1;
static pid_t helper_pid;

/* --- in the process of one conversation --- */

static int converse(int n, const struct pam_message **msg, struct pam_response **ret_resp, void *arg)
{
	const char *password = arg;
	struct pam_response *resp;

	if (n < 1 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	resp = calloc((size_t)n, sizeof(*resp));
	if (resp == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		if (msg[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			resp[i].resp = strdup(password);
		else if (msg[i]->msg_style == PAM_PROMPT_ECHO_ON)
			resp[i].resp = strdup("");
	}
	*ret_resp = resp;
	return PAM_SUCCESS;
}

static enum auth_verdict verdict_of(int pam, bool account)
{
	switch (pam) {
	case PAM_SUCCESS:
		return AUTH_OK;
	case PAM_USER_UNKNOWN:
		return AUTH_UNKNOWN;
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_CRED_EXPIRED:
	case PAM_MAXTRIES:
		return AUTH_EXPIRED;
	case PAM_AUTH_ERR:
	case PAM_PERM_DENIED:
	case PAM_CRED_INSUFFICIENT:
		return account ? AUTH_EXPIRED : AUTH_BAD;
	default:
		return AUTH_FAILED;
	}
}

/* Modules would sleep after a wrong password, and so tell it from an unknown user: the login process
 * delays both alike. */
static void no_delay(int status, unsigned usec, void *arg)
{
}

static int start(const struct pam_question *q, const struct pam_conv *conv, pam_handle_t **ret_pam)
{
#ifdef HAVE_PAM_START_CONFDIR
	if (confdir != NULL)
		return pam_start_confdir(q->service, q->user, conv, confdir, ret_pam);
#endif
	return pam_start(q->service, q->user, conv, ret_pam);
}

static enum auth_verdict run_pam(const struct pam_question *q)
{
	struct pam_conv conv = {.conv = converse, .appdata_ptr = (void *)(uintptr_t)q->password};
	pam_handle_t *pam = NULL;
	enum auth_verdict v;
	int r = start(q, &conv, &pam);

	if (r != PAM_SUCCESS)
		return AUTH_FAILED;
	(void)pam_set_item(pam, PAM_RHOST, q->host); /* nice to have for the modules */
	(void)pam_set_item(pam, PAM_TTY, "ftp");
	(void)pam_set_item(pam, PAM_FAIL_DELAY, (const void *)no_delay);
	r = pam_authenticate(pam, 0);
	v = verdict_of(r, false);
	if (r == PAM_SUCCESS) {
		r = pam_acct_mgmt(pam, 0);
		v = verdict_of(r, true);
	}
	if (v == AUTH_FAILED)
		log_err(NULL, "PAM service '%s': %s", q->service, pam_strerror(pam, r));
	(void)pam_end(pam, r); /* its memory goes with the process */
	return v;
}

/* --- in the helper --- */

/* One question with its descriptor. 0, -EAGAIN to go on, other negative numbers at the end. */
static int receive(int fd, char *data, size_t size, size_t *ret_len, int *ret_fd)
{
	struct iovec iov = {.iov_base = data, .iov_len = size};
	union {
		struct cmsghdr align;
		char mem[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.mem,
		.msg_controllen = sizeof(control.mem)};
	struct cmsghdr *cm;
	ssize_t k = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);

	if (k < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	cm = CMSG_FIRSTHDR(&mh);
	if (k == 0 && cm == NULL)
		return -EPIPE;
	*ret_fd = -1;
	if (cm != NULL && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(cm), sizeof(int));
	if (*ret_fd < 0 || (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		fd_close(ret_fd);
		return -EAGAIN;
	}
	*ret_len = (size_t)k;
	return 0;
}

static void __attribute__((noreturn)) conversation(int answer_fd, const char *data, size_t len)
{
	static struct ipc_scratch scratch;
	struct pam_question q;
	char verdict = AUTH_FAILED;

	(void)signal(SIGCHLD, SIG_DFL); /* modules start programs and wait for them */
	(void)alarm(ANSWER_MS / 1000);  /* a hanging module ends with its process */
	if (ipc_decode(question_fields, data, len, &scratch, &q) == 0)
		verdict = (char)run_pam(&q);
	(void)fd_write_all(answer_fd, &verdict, 1); /* nobody waits any more: fine */
	_exit(0);
}

/* A conversation has ended: receive() is interrupted, and it is reaped. */
static void wake(int sig)
{
}

static void __attribute__((noreturn)) helper_run(int fd)
{
	static char data[IPC_MSG_MAX];
	const struct sigaction reap = {.sa_handler = wake}; /* no SA_RESTART: receive() returns */
	unsigned running = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigaction(SIGCHLD, &reap, NULL);
	(void)prctl(PR_SET_NAME, "wherryd-pam");
	for (;;) {
		int answer_fd = -1, r;
		size_t len = 0;
		pid_t pid;

		while (running > 0 && waitpid(-1, NULL, running >= CONVERSATIONS ? 0 : WNOHANG) > 0)
			running--;
		r = receive(fd, data, sizeof(data), &len, &answer_fd);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			_exit(0); /* auth is gone */
		pid = fork();
		if (pid == 0) {
			(void)close(fd);
			conversation(answer_fd, data, len);
		}
		running += pid > 0;
		wipe(data, len);
		fd_close(&answer_fd);
	}
}

/* --- in auth --- */

void pam_helper_use_confdir(const char *path)
{
	confdir = path;
}

int pam_helper_start(int unneeded_fd)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	helper_pid = fork();
	if (helper_pid == 0) {
		fd_close(&fds[0]);
		fd_close(&unneeded_fd);
		helper_run(fds[1]);
	}
	fd_close(&fds[1]);
	if (helper_pid < 0) {
		fd_close(&fds[0]);
		return -errno;
	}
	helper_fd = fds[0];
	return 0;
}

void pam_helper_stop(void)
{
	fd_close(&helper_fd); /* its end */
	if (helper_pid > 0)
		(void)waitpid(helper_pid, NULL, 0);
	helper_pid = 0;
}

static int send_question(const struct buf *b, int answer_fd)
{
	struct iovec iov = {.iov_base = b->data, .iov_len = b->len};
	union {
		struct cmsghdr align;
		char mem[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.mem,
		.msg_controllen = sizeof(control.mem)};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &answer_fd, sizeof(int));
	return sendmsg(helper_fd, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int wait_answer(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char verdict;
	int r = poll(&p, 1, ANSWER_MS);

	if (r == 0)
		return -ETIMEDOUT;
	if (r < 0)
		return -errno;
	if (read(fd, &verdict, 1) != 1)
		return -EPIPE; /* the module crashed */
	return verdict >= AUTH_UNKNOWN && verdict <= AUTH_FAILED ? verdict : -EPROTO;
}

int pam_helper_ask(const struct pam_question *q)
{
	struct buf b;
	int fds[2], r;

	if (helper_fd < 0)
		return -ENOTCONN;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	buf_init(&b, IPC_MSG_MAX);
	r = ipc_encode(question_fields, q, &b);
	if (r == 0)
		r = send_question(&b, fds[1]);
	fd_close(&fds[1]);
	if (b.data != NULL)
		wipe(b.data, b.len);
	buf_done(&b);
	if (r == 0)
		r = wait_answer(fds[0]);
	fd_close(&fds[0]);
	return r;
}
