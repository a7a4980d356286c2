/* System call filters (libseccomp). Each role has the list of calls it may make. A call outside the list
 * fails with EPERM and is logged once by number and name; calls that only an attacker makes (new programs,
 * other processes' memory, kernel modules, namespaces) end the process.
 */
#ifndef MASTER_SYSCALLS_H
#define MASTER_SYSCALLS_H

#include <stdbool.h>

#include "base/err.h"
#include "ipc/message.h"

bool syscalls_available(void); /* built in, and the kernel has it */
int syscalls_restrict(enum ipc_role role, struct err *err);

#endif
