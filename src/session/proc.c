#include "session/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "ftp/conf.h"
#include "ftp/extlogs.h"
#include "ftp/keys.h"
#include "ftp/tls_servers.h"
#include "ftp/variant.h"
#include "session/access.h"
#include "session/digest_cache.h"
#include "session/iobuf.h"
#include "session/mapped.h"
#include "session/names.h"
#include "session/pipes.h"
#include "session/pool.h"
#include "session/record.h"
#include "session/session_priv.h"
#include "session/watch.h"

#define THREADS_MIN 4
#define THREADS_MAX 8
#define RETIRE_TEXT "421 Service not available, closing control connection"

/* --- sending --- */

static void chan_watch_update(struct session_proc *p)
{
	watch_set(p->chan_watch, UV_READABLE | (ipc_chan_wants_write(&p->chan) ? UV_WRITABLE : 0));
}

void proc_send(struct session_proc *p, enum ipc_type type, const void *msg)
{
	proc_send_fd(p, type, msg, -1);
}

void proc_send_fd(struct session_proc *p, enum ipc_type type, const void *msg, int fd)
{
	int r;

	if (p->chan.fd < 0)
		return; /* master is gone: the sessions are being ended */
	r = ipc_send(&p->chan, type, msg, fd);
	if (r < 0)
		log_err(&p->log, "cannot send to master: %s", err_text(r));
	chan_watch_update(p);
}

/* --- the end --- */

static void proc_check_end(struct session_proc *p)
{
	if (p->retiring && p->n_sessions == 0)
		uv_stop(&p->loop);
}

void proc_session_gone(struct session_proc *p)
{
	if (--p->n_sessions == 0) {
		iobuf_trim();
		pipes_trim();
	}
	proc_check_end(p);
}

static void proc_retire(struct session_proc *p, bool now, const char *text)
{
	p->retiring = true;
	free(p->retire_text);
	p->retire_text = xstrdup(*text ? text : RETIRE_TEXT);
	LIST_EACH(it, tmp, &p->sessions)
	{
		struct session *s = LIST_OBJ(it, struct session, link);

		session_ref(s); /* ending one may end others? no, but it frees this one */
		if (now)
			session_terminate(s, SESSION_END_SHUTDOWN, p->retire_text);
		else
			session_retire(s, p->retire_text);
		session_unref(s);
	}
	proc_check_end(p);
}

/* Without master there are no limits, logs or new sessions: finish what runs. */
static void master_gone(struct session_proc *p)
{
	log_err(&p->log, "master is gone, ending");
	watch_free(&p->chan_watch);
	ipc_chan_done(&p->chan);
	proc_retire(p, false, "");
}

/* --- receiving --- */

static struct session *session_by_sid(struct session_proc *p, uint32_t sid)
{
	LIST_EACH(it, tmp, &p->sessions)
	{
		struct session *s = LIST_OBJ(it, struct session, link);

		if (s->sid == sid)
			return s;
	}
	return NULL;
}

static void kick(struct session_proc *p, const struct ipc_kick *m)
{
	LIST_EACH(it, tmp, &p->sessions)
	{
		struct session *s = LIST_OBJ(it, struct session, link);

		if (m->sid == 0 || s->sid == m->sid)
			session_terminate(s, SESSION_END_KICKED, m->text);
	}
}

static void log_reopen(struct session_proc *p, uint32_t index, int fd)
{
	int r = ftp_logfile_reopen(p->start->config, index, fd);

	if (r < 0)
		log_warn(&p->log, "cannot reopen a log file: %s", err_text(r));
}

static void session_start_message(struct session_proc *p, const struct ipc_session_start *m, int fd)
{
	session_new(p, m, fd);
	if (p->retiring) { /* it was on its way when we were told to end */
		struct session *s = session_by_sid(p, m->grant.sid);

		if (s)
			session_retire(s, p->retire_text);
	}
}

static void message(struct session_proc *p, struct ipc_msg *m)
{
	struct session *s;
	int fd = ipc_msg_take_fd(m);

	switch (m->permit->type) {
	case IPC_SESSION_START:
		session_start_message(p, &m->session_start, fd);
		return;
	case IPC_NAMES_CHANNEL:
		names_set_channel(fd);
		return;
	case IPC_KEYS_CHANNEL:
		ftp_keys_set_channel(fd);
		return;
	case IPC_LOG_REOPEN:
		log_reopen(p, m->log_reopen.index, fd);
		return;
	case IPC_ACTIVE_SOCKET:
		s = session_by_sid(p, m->active_socket.sid);
		if (s && s->state < SESSION_CLOSING)
			session_active_socket(s, fd, (int)m->active_socket.error);
		else
			fd_close(&fd);
		return;
	case IPC_XFER_VERDICT:
		s = session_by_sid(p, m->xfer_verdict.sid);
		if (s)
			session_claim_verdict(s, m->xfer_verdict.refused);
		break;
	case IPC_KICK:
		kick(p, &m->kick);
		break;
	case IPC_RETIRE:
		proc_retire(p, m->retire.now, m->retire.text);
		break;
	default:
		break; /* the permit table lets nothing else through */
	}
	fd_close(&fd);
}

static void chan_event(void *arg, int events)
{
	struct session_proc *p = arg;
	struct ipc_msg m;
	int r = ipc_chan_flush(&p->chan);

	while (r >= 0) {
		r = ipc_recv(&p->chan, p->scratch, &m);
		if (r <= 0)
			break;
		message(p, &m);
		ipc_msg_done(&m);
		if (p->chan.fd < 0)
			return;
	}
	if (r < 0)
		master_gone(p);
	else
		chan_watch_update(p);
}

/* --- set-up --- */

/* Reading a cold file blocks a thread, so there are more threads than processors. */
static unsigned threads_choose(void)
{
	long n = 2 * sysconf(_SC_NPROCESSORS_ONLN);

	return n < THREADS_MIN ? THREADS_MIN : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

/* Every session may need a control, a data and a file descriptor. No core files: they would hold users'
 * data. */
static void limits_set(const struct session_proc *p)
{
	struct rlimit nofile, core = {0, 0};

	if (getrlimit(RLIMIT_NOFILE, &nofile) == 0 && nofile.rlim_cur < nofile.rlim_max) {
		nofile.rlim_cur = nofile.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
			log_notice(&p->log, "cannot raise the number of descriptors: %s", strerror(errno));
	}
	(void)setrlimit(RLIMIT_CORE, &core); /* lowering is always allowed */
}

/* AllowChrootSymlinks is asked per session: servers may differ in it. */
static void root_open(struct session_proc *p)
{
	struct err err = ERR_INIT;
	int r;

	r = vfs_root_open(p->start->root, VFS_ROOT_NOLINKS, &p->root, &err);
	if (r == -ELOOP) {
		p->root_via_link = true;
		r = vfs_root_open(p->start->root, 0, &p->root, &err);
	}
	if (r < 0)
		log_err(&p->log, "sessions of '%s' are refused: %s", p->start->user, err.text);
}

static int proc_init(struct session_proc *p, const struct proc_start *start)
{
	struct err err = ERR_INIT;
	int r;

	p->start = start;
	p->extlogs = extlogs_new(start->config);
	p->variants = ftp_variants_new();
	p->log = (struct log_ctx){.process = "session", .user = start->user};
	list_init(&p->sessions);
	list_init(&p->accounts);
	(void)signal(SIGPIPE, SIG_IGN); /* sendfile(2) has no other way */
	(void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error: EFBIG */
	(void)umask(0);                 /* modes are computed per session */
	limits_set(p);
	digest_prepare();
	ftp_tls_start(start->config, IPC_SESSION);
	ipc_chan_init(&p->chan, start->chan_fd, IPC_SESSION, IPC_MASTER);
	p->scratch = xcalloc(1, sizeof *p->scratch);
	r = mapped_init(p);
	if (r < 0)
		return r;
	root_open(p);
	r = start->confine ? start->confine(start, p->root ? p->root->fd : -1, &err) : 0;
	if (r < 0) {
		log_err(&p->log, "cannot confine the process: %s", err.text);
		return r;
	}
	r = uv_loop_init(&p->loop);
	if (r < 0)
		return r;
	r = pool_new(&p->loop, threads_choose(), &p->pool);
	if (r < 0)
		return r;
	p->chan_watch = watch_new(&p->loop, p->chan.fd, chan_event, p);
	chan_watch_update(p);
	return 0;
}

static void proc_done(struct session_proc *p)
{
	watch_free(&p->chan_watch);
	pool_free(&p->pool);
	(void)ipc_chan_flush(&p->chan); /* the last SESSION_END; master notices our end anyway */
	ipc_chan_done(&p->chan);
	names_set_channel(-1);
	(void)uv_run(&p->loop, UV_RUN_NOWAIT); /* close callbacks */
	while (uv_loop_close(&p->loop) == UV_EBUSY)
		(void)uv_run(&p->loop, UV_RUN_ONCE);
	extlogs_free(&p->extlogs);
	ftp_variants_free(&p->variants);
	access_cache_clear();
	digest_cache_clear();
	mapped_done(p);
	iobuf_trim();
	pipes_trim();
	vfs_root_close(&p->root);
	free(p->scratch);
	free(p->retire_text);
}

int session_main(const struct proc_start *start)
{
	struct session_proc p = {0};
	int r;

	r = proc_init(&p, start);
	if (r < 0)
		return 1;
	(void)uv_run(&p.loop, UV_RUN_DEFAULT);
	proc_done(&p);
	ftp_tls_stop();
	return 0;
}
