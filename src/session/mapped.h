/* Downloads read through memory mappings (TransferMMapEngine): which file is, and from which mapping.
 *
 * A file that master has mapped (TransferMMapFile, vfs/preload.h) is read from that mapping when the file that
 * this transfer has opened by itself, with the user's rights, is what was mapped; others get a mapping for
 * the transfer. The descriptor of the transfer stays open beside it: the length of the file is asked there.
 * Everything but mapped_read() and slice_mapped() runs on the loop.
 */
#ifndef SESSION_MAPPED_H
#define SESSION_MAPPED_H

#include "session/xfer_priv.h"
#include "vfs/map.h"

/* The process begins and ends. 0 or -errno of catching SIGBUS. */
int mapped_init(struct session_proc *p);
void mapped_done(struct session_proc *p);
/* A session begins: mappings that its server does not want are let go, unless another session wants them. */
void mapped_session(struct session *s);

/* What a transfer reads. */
struct map_ref {
	struct map *map;
	struct preload *preload; /* NULL: mapped for this transfer */
	uint64_t counted;        /* bytes that count for MaxTotal */
};

/* Map the file of a download, if the server wants that and it can be: sets x->map, and with NoValidate x->end and
 * x->file_size to those of what was mapped. false: x is as it was; the reason is in the log. */
bool mapped_open(struct xfer *x);
void mapped_close(struct xfer *x); /* not mapped: fine */

/* NoValidate: is what is mapped perhaps not what x->fd has open? Any thread. */
bool mapped_is_other_file(const struct xfer *x);

/* Bytes of the file at x->cur: as pread(2), at most VFS_MAP_COPY_MAX. 0 and errors as map_read(). Any thread. */
ssize_t mapped_read(struct xfer *x, char *buf, size_t size);

#endif
