/* Records of a session: lines of TransferLog and ExtendedLog. Written at the end of what they are about, on
 * the loop: one write() each to a descriptor that master opened.
 */
#ifndef SESSION_RECORD_H
#define SESSION_RECORD_H

#include "session/session.h"

/* The running command is over. */
void record_command(struct session *s);
/* The session is over. */
void record_end(struct session *s);

struct record_xfer {
	const char *vpath;
	uint64_t bytes, duration_ms;
	bool upload, ascii, complete, deletion;
};
void record_xfer(struct session *s, const struct record_xfer *x);

/* Network bytes of a connection that has ended. */
void record_add_raw(struct session *s, uint64_t in, uint64_t out);

#endif
