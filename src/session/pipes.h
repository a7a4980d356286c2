/* Pipes that bytes go through on their way from a socket to a file (splice(2)), shared by all transfers of the
 * process. As I/O buffers (iobuf.h) they are borrowed by a pool thread for the time of one slice and are empty
 * between slices, so a session that waits for its client holds none. Any thread.
 */
#ifndef SESSION_PIPES_H
#define SESSION_PIPES_H

#include <stdbool.h>

#include "zsend.h"

#define PIPES_SIZE ((size_t)1024 * 1024) /* bytes of one, unless the user has many: docs/uploads.md */

/* Borrow a pipe. 0, or -errno (EMFILE, ENFILE, ENOMEM, ENOSYS): do without. */
int pipes_get(struct zs_pipe *ret_pipe);
/* Give it back. empty: it holds nothing; else, or if enough are kept already, it is closed. */
void pipes_put(struct zs_pipe *pipe, bool empty);
void pipes_trim(void); /* close unused ones: when no session is left */

#endif
