/* The session process: one identity, one root, many sessions on one event loop. It serves what master sends
 * over the channel (ipc/message.h) and ends when master says so (RETIRE) or is gone, after its last session.
 */
#ifndef SESSION_PROC_H
#define SESSION_PROC_H

#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "ipc/start.h"
#include "vfs/vfs.h"

struct watch;
struct pool;
struct extlogs;
struct ftp_variants;
struct preloads;

struct session_proc {
	const struct proc_start *start;
	struct log_ctx log;
	uv_loop_t loop;
	struct pool *pool;
	struct ipc_chan chan;
	struct watch *chan_watch;
	struct ipc_scratch *scratch;
	struct vfs_root *root;       /* NULL when it could not be opened: every session is refused */
	bool root_via_link;          /* a component of its host path is a link */
	_Atomic uint64_t free_bytes; /* of the root's file system, when a Display text asked last */
	struct list sessions;
	unsigned n_sessions;
	struct list accounts;      /* account.h: those of the sessions */
	struct preloads *preloads; /* mapped.h; NULL = none */
	bool preloads_wanted;      /* by the server of a session so far */
	bool retiring;
	char *retire_text;             /* reply line for the sessions */
	struct extlogs *extlogs;       /* ftp/extlogs.h */
	struct ftp_variants *variants; /* ftp/variant.h */
};

/* Runs in the forked child until the process is to end; returns its exit status. The identity has been
 * taken on. */
int session_main(const struct proc_start *start);

/* Send to master. A failure is logged; that master is gone is noticed when the channel is read. */
void proc_send(struct session_proc *p, enum ipc_type type, const void *msg);
void proc_send_fd(struct session_proc *p, enum ipc_type type, const void *msg, int fd); /* fd: borrowed */
/* A session has gone for good. */
void proc_session_gone(struct session_proc *p);

#endif
