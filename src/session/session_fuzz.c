/* A client's bytes into a whole session, over a socket pair, in a temporary root: nothing may break, the
 * session must end when the client does, and leave no descriptor behind. The first byte chooses the sizes of
 * the packets.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "ftp/conf.h"
#include "session/pool.h"
#include "session/proc.h"
#include "session/session_priv.h"

#define TURNS_MAX 20000 /* of the loop: far more than any input needs */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[] = "/tmp/wherry-session-fuzz-XXXXXX", dir[sizeof base + 2];
static struct vfs_root *base_root;
static struct session_proc proc;
static struct proc_start start;
static int master_fd;

static void root_remove(void)
{
	const struct vfs_work work = {0};

	(void)vfs_rmtree(base_root, "/r", &work); /* what is left lies in /tmp */
	(void)rmdir(base);
}

static void proc_make(void)
{
	static const char text[] =
		"ServerName fuzz\nPort 2121\nAllowOverwrite on\nAllowStoreRestart on\nHiddenStores on\n"
		"DeflateEngine on\nTimeoutLinger 1\n<Limit STOU>\nDenyAll\n</Limit>\n";
	struct ftp_config_options opt = {.text = text, .name = "fuzz"};
	struct err err = ERR_INIT;
	int fds[2];

	(void)signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_EMERG);
	if (!mkdtemp(base))
		abort();
	(void)snprintf(dir, sizeof dir, "%s/r", base);
	if (mkdir(dir, 0700) < 0 || vfs_root_open(base, 0, &base_root, &err) < 0 ||
		ftp_config_load(&opt, 1, &start.config, NULL, &err) < 0 || ipc_pair(fds) < 0 ||
		vfs_root_open(dir, 0, &proc.root, &err) < 0 || uv_loop_init(&proc.loop) < 0 ||
		pool_new(&proc.loop, 4, &proc.pool) < 0)
		abort();
	start.root = dir;
	start.user = "fuzz";
	master_fd = fds[0];
	proc.start = &start;
	list_init(&proc.sessions);
	list_init(&proc.accounts);
	ipc_chan_init(&proc.chan, fds[1], IPC_SESSION, IPC_MASTER);
	(void)atexit(root_remove);
}

static void session_make(int fd)
{
	uint32_t gid = (uint32_t)getgid();
	struct ipc_session_start m = {.class_name = ""};

	m.grant = (struct ipc_grant){.sid = 1,
		.user = "fuzz",
		.sent_user = "fuzz",
		.email = "",
		.uid = (uint32_t)getuid(),
		.gid = gid,
		.groups = {&gid, 1},
		.group_names = "fuzz",
		.home = dir,
		.root = dir,
		.chdir = ""};
	m.handoff = (struct ipc_handoff){.sid = 1, .clnt = "", .client_name = "", .input = {"", 0}};
	if (addr_parse("192.0.2.1", 40000, &m.peer) < 0 || addr_parse("127.0.0.1", 2121, &m.local) < 0)
		abort();
	session_new(&proc, &m, fd);
}

/* One turn, and read what the session and its master channel have to say. */
static void turn(int fd)
{
	char buf[8192];

	(void)uv_run(&proc.loop, UV_RUN_NOWAIT);
	while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
	while (recv(master_fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t packet, at = 1, n;
	int fds[2], before;

	if (!start.config)
		proc_make();
	if (size < 1 || size > 4096)
		return 0;
	packet = 1 + data[0];
	before = fd_count();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	session_make(fds[1]);
	while (at < size) {
		n = size - at < packet ? size - at : packet;
		if (send(fds[0], data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break; /* it said goodbye */
		at += n;
		turn(fds[0]);
	}
	(void)shutdown(fds[0], SHUT_WR);
	for (int i = 0; proc.n_sessions > 0; i++) {
		if (i == TURNS_MAX)
			abort(); /* a session that does not end */
		turn(fds[0]);
		if (proc.n_sessions > 0)
			(void)usleep(i < 100 ? 50 : 1000); /* the pool works */
	}
	fd_close(&fds[0]);
	(void)uv_run(&proc.loop, UV_RUN_NOWAIT); /* close callbacks */
	if (fd_count() > before + 8)             /* the pool and the loop keep some of their own */
		abort();
	return 0;
}
