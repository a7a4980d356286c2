/* The transfer machine: bytes between a source and a sink, one of them the data connection.
 *
 *   RETR                 file -> [ascii] -> [deflate] -> socket      in the kernel (zsend) when nothing is in between
 *   STOR APPE STOU       socket -> [inflate] -> [ascii] -> file      the same (splice), after its beginning
 *   LIST NLST MLSD       generator -> [deflate] -> socket            generator writes CRLF lines itself
 *
 * A transfer is started by a command when all checks on files have passed, and gives every further reply
 * itself: 150, then 226, 425, 426, 45x or 55x. Its states are changed in xfer.c only. One per session at a
 * time.
 */
#ifndef SESSION_XFER_H
#define SESSION_XFER_H

#include "session/session.h"

/* A generator: produces its bytes in pieces from pool threads, one call at a time. */
struct xfer_source {
	/* Write 1..size bytes to buf (size is at least 16 KiB, usually 64 KiB). Returns their number, 0 at
	 * the end, or -errno: the transfer then ends with the reply for that errno. Runs in a pool thread
	 * and may block; returns soon, with -ECANCELED, when *cancel becomes true. */
	ssize_t (*fill)(struct xfer_source *src, char *buf, size_t size, const atomic_bool *cancel);
	/* The end in any case; frees src. On the loop after the end of fill(), which has closed what was open by then; else
	 * in a pool thread. */
	void (*free)(struct xfer_source *src);
};

/* Send src over a data connection: 150 Opening ASCII mode data connection for <name>, bytes, 226 Transfer
 * complete. src: given. Returns FTP_WAIT_DATA. */
enum ftp_result xfer_start_listing(struct session *s, const char *name, struct xfer_source *src);

/* Send src as continuation lines of a reply on the control connection (STAT <path>), as the client takes
 * them, then "<code> <last>". Every line of src ends in CRLF and begins with a blank. The command gives
 * its first line before. src: given; last is copied. Returns FTP_WAIT_JOB. */
enum ftp_result xfer_list_on_control(struct session *s, int code, const char *last, struct xfer_source *src);

/* One line about the running transfer for STAT: " RETR <path> (<size>/<done>)", or " No data connection". */
void xfer_describe(const struct session *s, char *buf, size_t size);

#endif
