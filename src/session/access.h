/* What the configuration, with the .ftpaccess files of the tree, says about an object of the user's root.
 *
 * A .ftpaccess acts as a <Directory> for its directory and everything below; one further down adds to those
 * above it. They are read with the user's rights, at most FTP_ACCESS_FILE_MAX bytes, and kept per directory with
 * the scope they were merged over. Each use asks the kernel (one call a directory on the way, a second one where
 * there is a file) whether the file is still the same, or still missing. All functions may be called from any thread.
 *
 * session_allowed() and its friends of session.h are here.
 */
#ifndef SESSION_ACCESS_H
#define SESSION_ACCESS_H

#include "session/session.h"

#define ACCESS_CACHE_MAX 256 /* files kept; the least recently used ones go first */

/* What applies in the session's current directory is kept from one command to the next, in few bytes: this drops it. */
void access_cwd_forget(struct session *s);

/* Forget everything that no one refers to: at the end of the process, and in tests. */
void access_cache_clear(void);

#endif
