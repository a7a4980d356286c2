/* Which way the bytes of a transfer take. The one place that decides it, and says why in the log.
 */
#ifndef SESSION_XFER_PATH_H
#define SESSION_XFER_PATH_H

#include "session/xfer_priv.h"

/* Set x->path and x->chunk from everything else in x, which is complete. conf: of the object; borrowed. */
void xfer_path_choose(struct xfer *x, const struct ftp_conf *conf);

/* The data connection is there: with PROT P the kernel may be able to encrypt, so that it can send the file after all. */
void xfer_path_secured(struct xfer *x);

/* Does splice(2) mean by this positive errno that it cannot be done with these two? */
bool xfer_path_no_splice(int error);

/* The kernel does not send this file, or does not take it from a pipe (positive errno): go on by copying from
 * where it is. If the error says that this is for ever, the device is marked, so that other files on it are not tried.
 * Any thread. */
void xfer_path_fall_back(struct xfer *x, int error);

/* In a slice: the mapping cannot be read (positive errno): go on with pread() from x->cur, or end the slice when
 * the descriptor is not that of what is mapped. Any thread. */
void xfer_path_unmapped(struct xfer *x, int error);

#endif
