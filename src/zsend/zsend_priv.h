/* Inside libzsend: the back ends and what they share. Names are zsend_, so that the version map hides them
 * and the tests, linked with the static library, can reach them. */
#ifndef ZSEND_PRIV_H
#define ZSEND_PRIV_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zsend.h"

/* zsend_*.c is built with exactly one of ZSEND_LINUX, ZSEND_FREEBSD, or neither: copying only. */

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: the process ignores SIGPIPE */
#endif
#ifndef MSG_MORE
#define MSG_MORE 0
#endif

/* Room on the stack for copying when the caller gave none; threads of some libcs have 128 KiB in all. */
#define ZSEND_STACK_COPY 32768

#define ZSEND_TO_EOF INT64_C(-1)

/* What one zs_bsd() put on the socket, by part. */
struct zsend_sent {
	int64_t head, file, tail; /* bytes */
};

/* The system's sendfile with the contract of zs_linux(); count 1 .. ZS_SLICE_MAX. ENOSYS when there is
 * none. */
int64_t zsend_native(int out_fd, int in_fd, int64_t *offset, size_t count);
/* zs_copy() through a buffer on the stack. */
int64_t zsend_copy_stack(int out_fd, int in_fd, int64_t *offset, size_t count);
/* True for the errno values that mean "this pair has no in-kernel path", where copying may still work. */
bool zsend_is_unsupported(int e);

/* zs_bsd() with parts counted apart. want: bytes of the file, ZSEND_TO_EOF, or 0 for none at all. */
int zsend_bsd(int fd, int s, int64_t offset, int64_t want, const struct zs_hdtr *hdtr,
	struct zsend_sent *sent, int flags);
/* Bytes in a vector, or -1 when they exceed INT64_MAX or the count is not 0 .. IOV_MAX. */
int64_t zsend_iov_bytes(const struct iovec *iov, int cnt);
#ifdef ZSEND_FREEBSD
/* The system's call as it is, with our flags translated. */
int zsend_bsd_native(
	int fd, int s, int64_t offset, size_t nbytes, struct zs_hdtr *hdtr, int64_t *sbytes, int flags);
#endif

void zsend_cap_failed(uint32_t cap);
bool zsend_cap_usable(uint32_t cap);

/* SIGPIPE kept away from the process for one call. */
struct zsend_sigpipe {
	bool active, was_pending;
	sigset_t old;
};
void zsend_sigpipe_block(struct zsend_sigpipe *g);
/* Drop the SIGPIPE that came since, unless one was pending before; errno is kept. */
void zsend_sigpipe_restore(struct zsend_sigpipe *g);

#endif
