/* `wherryctl explain`: may this user do that, and which line of the configuration says so?
 *
 * The answer is made by a process of its own: it looks up accounts, becomes the user, and reads .ftpaccess files, all of
 * which may block and the last of which master must not do as root.
 */
#ifndef MASTER_EXPLAIN_H
#define MASTER_EXPLAIN_H

#include <stdbool.h>

#include "base/buf.h"
#include "ftp/conf.h"

/* Words: USER@HOST PATH COMMAND [SERVER]. host may be an address or a name; path is as the client would write it; a
 * subcommand is written with an underscore (SITE_CHMOD), LOGIN asks about the login alone. server: name, alias, or
 * address[:port]; the main one by default.
 * bans: those that are in force, NULL = none are known.
 * Appends an answer of ipc/ctl.h to out. Changes this process's identity for good when it has root. Blocks. */
struct bans;
void explain(const struct ftp_config *config, struct bans *bans, char *const *word, unsigned count,
	struct buf *out);

#endif
