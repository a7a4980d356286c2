/* Which way the bytes of a transfer take. The one place that decides it, and says why in the log:
 * spec/sendfile.md 2.
 */
#ifndef SESSION_XFER_PATH_H
#define SESSION_XFER_PATH_H

#include "session/xfer_priv.h"

/* Set x->path and x->chunk from everything else in x, which is complete. conf: of the object; borrowed. */
void xfer_path_choose(struct xfer *x, const struct ftp_conf *conf);

/* The kernel does not send this file (positive errno): go on by copying from x->cur. A file of which
 * nothing could be sent marks its device, so that others on it are not tried. Any thread. */
void xfer_path_fall_back(struct xfer *x, int error);

#endif
