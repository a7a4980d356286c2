/* Locking a process in: identity, capabilities, Landlock, seccomp. What the kernel lacks is reported, not
 * fatal; what it has and refuses is.
 */
#ifndef MASTER_SANDBOX_H
#define MASTER_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "ipc/message.h"

struct sandbox_identity {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
};

/* Become that identity for good (real, effective, saved), and check that there is no way back. Needs root,
 * or the identity must be the present one (groups are then left alone). 0 or -errno with err. */
int sandbox_switch(const struct sandbox_identity *id, struct err *err);
/* Capabilities outside keep (a bit mask) can never be gained again. Needs CAP_SETPCAP, so call it before
 * the switch. */
void sandbox_drop_bounding(uint64_t keep);
/* Give up all capabilities but those in keep, and the bounding set where that is still possible. 0 or
 * -errno. */
int sandbox_drop_caps(uint64_t keep, struct err *err);

enum sandbox_level { SANDBOX_NONE = 0, SANDBOX_LANDLOCK = 1, SANDBOX_SECCOMP = 2 };

/* The last step for a process of that role; root_fd as in struct proc_start. Sets no_new_privs. Returns
 * the SANDBOX_ bits that are in force, or -errno with err. */
int sandbox_confine(enum ipc_role role, int root_fd, struct err *err);

/* The last step for a short-lived process that asks somebody in the network: it can read files, and write none; system calls
 * as auth. 0 or -errno with err. */
int sandbox_confine_asker(struct err *err);

/* Landlock ABI version of this kernel, 0 = none. */
int sandbox_landlock_abi(void);
bool sandbox_has_seccomp(void);

#endif
