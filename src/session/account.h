/* Whom a login was granted to. The sessions of a process are one user's, mostly with the same names as well, so those
 * share one record; it never changes. */
#ifndef SESSION_ACCOUNT_H
#define SESSION_ACCOUNT_H

#include <sys/types.h>

#include "base/list.h"

struct ipc_grant;

struct session_account {
	struct list link; /* of the process's accounts */
	unsigned refs;
	uid_t uid;
	gid_t gid;
	const char *user, *sent_user, *email, *home; /* as in struct ipc_grant; home: host path */
	const char *const *groups;                   /* names, n_groups of them */
	unsigned n_groups;
	const char *group_names; /* private: as in struct ipc_grant */
};

/* That of a grant: an equal one of the list, or a new one in it. Never NULL; account_unref(). */
struct session_account *account_ref(struct list *accounts, const struct ipc_grant *g);
void account_unref(struct session_account **account); /* NULL inside is fine; sets NULL */

#endif
