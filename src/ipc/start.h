/* What master gives to a process it has forked. The child inherits the memory, so these are plain pointers;
 * all of it is kept: it lives as long as the process.
 */
#ifndef IPC_START_H
#define IPC_START_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "ipc/message.h"

struct ftp_config;   /* ftp/conf.h */
struct preloads;     /* vfs/preload.h */
struct rate_table;   /* ipc/rate_table.h */
struct score_region; /* score/score.h */

struct proc_start {
	enum ipc_role role;
	unsigned id;                /* number of this process, unique while the daemon runs */
	int chan_fd;                /* to master; given */
	struct ftp_config *config;  /* this process's generation */
	struct score_region *score; /* own slots; NULL when there is no scoreboard (or in auth) */
	bool can_switch_uid;        /* the daemon has root: identities may be any uid, else only our own */

	/* login: listening sockets, non-blocking */
	const int *listeners;
	unsigned n_listeners;

	/* session: rates shared with all others; NULL = TransferRateTotal is not kept (tests) */
	struct rate_table *rates;

	/* session: the identity, already taken on (uid, gid, groups) when session_main() runs */
	const char *user;
	const char *root;          /* host path; not yet opened */
	struct preloads *preloads; /* mapped files that the user may read; NULL = none */
	bool report_transfers; /* tell master of each transfer that has ended (`wherryd share` prints them) */

	/* Lock the process in for good: call once, after set-up and before the first byte from outside.
	 * Session: root_fd is the opened root directory, which stays reachable with what is below it;
	 * others -1. Logs what the kernel lacks; fails only when a protection that the kernel has cannot
	 * be switched on. */
	int (*confine)(const struct proc_start *start, int root_fd, struct err *err);
};

#endif
