/* What a session does not see of a directory: HideFiles, HideUser, HideGroup, HideNoAccess, and of
 * a path, for commands under IgnoreHidden. Which rules count is picked once for a directory (ftp/policy.h).
 */
#ifndef SESSION_HIDE_H
#define SESSION_HIDE_H

#include "ftp/policy.h"
#include "session/names.h"
#include "session/session.h"

struct hide {
	bool on; /* something may be hidden */
	struct policy_hide rules;
	unsigned server;
	struct names_last owner, group;
};

/* conf: of the directory; borrowed, as are parts of s, until the last question. */
void hide_init(struct hide *h, const struct session *s, const struct ftp_conf *conf);
/* Is the entry name of the open directory dir_fd hidden? May block (names.h): pool threads only. */
bool hide_entry(struct hide *h, int dir_fd, const char *name);
/* Is the object at real (a vpath without links) hidden by conf? flags: VFS_CACHED. 1, 0, or -EAGAIN with VFS_CACHED
 * when that needs a disk or another process. */
int hide_path(const struct session *s, const struct ftp_conf *conf, const char *real, unsigned flags);

#endif
