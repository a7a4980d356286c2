/* The ways of moving bytes, one function each. Each moves until the limits of x->slice are reached or
 * something ends it, counts in x->slice, and leaves the reason in x->slice.end. Any thread, one at a time.
 *
 * A new way: a value of enum xfer_path, its function here, its line in slice_run(), and in xfer_path.c when it
 * is taken.
 */
#ifndef SESSION_SLICE_H
#define SESSION_SLICE_H

#include "session/xfer_priv.h"

#define SLICE_PIECE ((size_t)64 * 1024) /* bytes through a filter or generator at a time */

/* Move bytes of x as x->path and x->slice say, until its end. May block for a disk, unless the path is
 * XFER_SENDFILE and the pages are resident; never for the network. */
void slice_run(struct xfer *x);

/* For the ways. buf: IOBUF_SIZE bytes. */
void slice_sendfile(struct xfer *x);
void slice_mapped(struct xfer *x); /* only where wire_takes_mappings() */
void slice_copy(struct xfer *x, char *buf);
void slice_stream(struct xfer *x, char *buf);
void slice_recv(struct xfer *x, char *buf);
void slice_splice(struct xfer *x);
void slice_inflate(struct xfer *x, char *buf);

/* The slice ends because of the network or the file; error: positive errno (EAGAIN of the network: wait). */
void slice_net(struct xfer *x, int error);
void slice_file(struct xfer *x, int error);
bool slice_full(const struct xfer *x); /* is it over because of its limits? */
/* Bytes that it may still move, at most most: of the file, of the network with MODE Z. */
size_t slice_room(const struct xfer *x, size_t most);
/* Up to size bytes of the file at x->cur, from its mapping when there is one, into buf. 0: x->slice says why. */
size_t slice_file_read(struct xfer *x, char *buf, size_t size);
/* Write n bytes of the client, at raw, to the file; for ASCII by way of buf, which has room for n + 1. What was written is
 * counted. 0 or -errno. */
int slice_store(struct xfer *x, char *buf, const char *raw, size_t n);
void slice_store_end(struct xfer *x); /* the client has sent all; x->slice.end is set */
/* Send n bytes or what the socket takes. Returns their number; fewer than n: x->slice says why. */
size_t slice_send_all(struct xfer *x, const char *p, size_t n);

#endif
