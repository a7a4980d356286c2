/* UserOwner and GroupOwner: giving away what a session's user has made, without waiting for file systems. */
#ifndef MASTER_OWN_H
#define MASTER_OWN_H

#include "master/master.h"

#define OWN_NOT_PLAIN                                                                                        \
	1 /* not a directory, nor a regular file with one name and without set-id bits, of that user */

/* Let another process give the object away; nothing answers but the log. fd: an O_PATH descriptor; given. */
void own_start(struct master *m, const struct msession *s, const struct ipc_own *to, int fd);
/* Start those processes; give up what has waited too long. Returns when to call again, or UINT64_MAX. */
uint64_t own_tick(struct master *m, uint64_t now_ms);
/* Master ends: what waits is started, and done without it. */
void own_finish(struct master *m);

/* What the process does with one object, if it is of user of: 0, OWN_NOT_PLAIN, or -errno. Blocks. */
int own_give(int fd, uid_t of, const struct ipc_own *to);

#endif
