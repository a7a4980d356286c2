/* One login request, from the names sent to a grant or a reason why not. Runs in a pool thread. */
#ifndef AUTH_DECIDE_H
#define AUTH_DECIDE_H

#include "auth/backend.h"
#include "base/arena.h"
#include "ftp/conf.h"
#include "ipc/message.h"

struct decide_context {
	const struct ftp_config *config;
	bool can_switch_uid;
	const char *shells_file, *ftpusers_file; /* NULL: /etc/shells, /etc/ftpusers */
};

/* Decide q. Strings of *ret_grant live in arena or the configuration. 0 with *ret_grant filled, or an enum
 * ipc_auth_reason. what (256 bytes) gets a few words for the log. Takes the same time for a user that does
 * not exist as for a wrong password. */
int decide(const struct decide_context *ctx, const struct ipc_auth_request *q, struct arena *arena,
	struct ipc_grant *ret_grant, char *what, size_t what_size);

/* What q would earn with the right password, which is not looked at: for `wherryctl explain`, never for a client.
 * As decide() in all else, but no time is wasted. */
int decide_explain(const struct decide_context *ctx, const struct ipc_auth_request *q, struct arena *arena,
	struct ipc_grant *ret_grant, char *what, size_t what_size);

/* WrapOptions CheckOnConnect: do the access tables let a client in that has not said anything yet? client_name: "" = not
 * known. */
bool decide_connect(const struct decide_context *ctx, const struct ipc_resolve *q, const char *client_name,
	struct arena *arena);

#endif
