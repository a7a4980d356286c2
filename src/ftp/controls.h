/* Who may use the control socket of wherryctl, and for what: ControlsSocketACL and the *ControlsACLs directives.
 *
 * Root and the account of the daemon may everything, and are not asked about here. For others a line that denies counts
 * more than all that allow, and what no line allows is refused. Pure functions.
 */
#ifndef FTP_CONTROLS_H
#define FTP_CONTROLS_H

#include "ftp/conf.h"

/* Who is at the other end, as the kernel says. Borrowed. */
struct ftp_controls_peer {
	uint32_t uid, gid;
	const uint32_t *groups; /* supplementary ones */
	size_t n_groups;
};

/* May that peer connect? Without any ControlsSocketACL it may: the rights of the socket's file have decided. */
bool ftp_controls_may_connect(const struct ftp_config *c, const struct ftp_controls_peer *peer);
/* May that peer ask for this action, the first word of a request? */
bool ftp_controls_may_ask(
	const struct ftp_config *c, const struct ftp_controls_peer *peer, const char *action);

/* Bits of a list of actions, "status,kick"; all: what the word "all" stands for. 0 or negative with err. */
int ftp_controls_actions(const char *list, unsigned all, unsigned *ret_bits, struct err *err);

/* What "all" means in the directive of each module. */
enum {
	FTP_CONTROL_STATUS = 1,
	FTP_CONTROL_KICK = 2,
	FTP_CONTROL_RELOAD = 4,
	FTP_CONTROL_RATES = 8,
	FTP_CONTROL_SHUTDOWN = 16,
	FTP_CONTROL_BAN = 32,
	FTP_CONTROL_PERMIT = 64,
	FTP_CONTROL_BANS = 128,
	FTP_CONTROL_MMAP = 256,
	FTP_CONTROL_TLS = 512,
	FTP_CONTROL_EXPLAIN = 1024, /* of what any user may do, so it must be named */

	FTP_CONTROLS_ADMIN = FTP_CONTROL_STATUS | FTP_CONTROL_KICK | FTP_CONTROL_RELOAD | FTP_CONTROL_RATES |
			     FTP_CONTROL_SHUTDOWN,
	FTP_CONTROLS_BAN = FTP_CONTROL_BAN | FTP_CONTROL_PERMIT | FTP_CONTROL_BANS,
	FTP_CONTROLS_TLS = FTP_CONTROL_TLS,
	FTP_CONTROLS_OTHER = FTP_CONTROL_MMAP
};

#endif
