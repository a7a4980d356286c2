/* libzsend: send bytes of a file to a socket without copying them through this process.
 *
 * One engine, several faces. zs_linux() has the shape of Linux sendfile(2), zs_bsd() that of FreeBSD
 * sendfile(2); both behave alike on every system. zs_splice() and zs_copy() are the two other ways for
 * pairs of descriptors that have no sendfile, with the same contract as zs_linux(). zs_send() and
 * zs_resident() are what an event loop needs: one call that never copies and says so, and a probe that
 * tells whether the call would wait for a disk.
 *
 * The library keeps no state but the list of system calls that turned out missing (zs_caps()), allocates
 * nothing, logs nothing, and never waits but inside the system call on a blocking descriptor. All offsets
 * are 64 bits wide whatever _FILE_OFFSET_BITS says, and the header needs no feature test macro.
 *
 * SIGPIPE: Linux raises it from sendfile(2) and splice(2) when the peer is gone, and has no flag against
 * it. A process that uses zs_linux(), zs_splice() or zs_send() ignores the signal (signal(SIGPIPE,
 * SIG_IGN)) and gets EPIPE. zs_copy() never raises it on a socket; zs_bsd() and zs_job_send() do not with
 * ZS_NOSIGPIPE.
 *
 * A file that changes while it is sent: pages are referenced, not copied, until the peer acknowledged
 * them, so the peer may receive bytes written after the call returned. ZS_SYNC or zs_copy() avoid that.
 *
 * Ownership: every descriptor, vector and buffer is borrowed for the call unless said otherwise. */
#ifndef ZSEND_H
#define ZSEND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZS_VERSION_MAJOR 0
#define ZS_VERSION_MINOR 1

/* Most bytes that one call of zs_linux(), zs_splice(), zs_copy() or zs_send() moves: what Linux allows on
 * 32- and 64-bit systems alike. A larger count is not an error, the call is short. */
#define ZS_SLICE_MAX ((size_t)0x7ffff000)

/* ---- The Linux model ---- */

/* Send up to count bytes of in_fd to out_fd. Destination first (FreeBSD has the file first).
 *   out_fd  any writable descriptor without O_APPEND; usually a stream socket
 *   in_fd   regular file or block device open for reading
 *   offset  byte to start from, advanced by the bytes sent, file position untouched; or NULL: start from
 *           the file position and advance that
 *   count   bytes, 0 returns 0; clamped to ZS_SLICE_MAX and to the largest offset there is
 * Returns the bytes queued, possibly fewer than count (call again); 0 at or behind end of file. -1 with
 * errno only if nothing was queued, offset then unchanged:
 *   EAGAIN       non-blocking out_fd has no room
 *   EBADF        in_fd not open for reading, out_fd not open for writing
 *   EFAULT       bad offset pointer (system call only; elsewhere a fault)
 *   EINVAL       no mmap-like access (directory, some procfs files, a pipe or socket with NULL offset),
 *                negative offset, count above SSIZE_MAX, out_fd with O_APPEND
 *   EIO ENOMEM   reading in_fd failed
 *   EOVERFLOW    offset behind the largest file either side allows
 *   ESPIPE       offset given, in_fd cannot seek
 *   EPIPE        peer closed, SHUT_WR done, or a TCP socket never connected; raises SIGPIPE as well
 *   ECONNRESET   first call after a reset
 *   ENOTCONN     unconnected AF_UNIX stream
 *   EINTR        interrupted before any byte
 *   ENOSYS       kernel without the call, or a system call filter
 * Built without an in-kernel back end it copies through a buffer on the stack and then also reads files that
 * sendfile(2) refuses with EINVAL.
 * Source: sendfile(2) of Linux. */
int64_t zs_linux(int out_fd, int in_fd, int64_t *offset, size_t count);

/* The same contract by pread(2) and send(2) with MSG_NOSIGNAL (write(2) when out_fd is no socket). Nothing
 * is kept between calls: what was read and did not fit is read again.
 *   buf, bufsz  the caller's buffer, at least 1 byte, 64 KiB or more recommended
 * Errors as zs_linux(), and EINVAL for an empty buffer. Reads whatever pread(2) reads, procfs and devices
 * too. */
int64_t zs_copy(int out_fd, int in_fd, int64_t *offset, size_t count, void *buf, size_t bufsz);

/* A pipe for zs_splice(). Fields are the library's; the struct may be moved in memory. */
struct zs_pipe {
	int rd, wr;        /* the two ends, -1 when closed */
	uint32_t capacity; /* bytes */
	uint32_t held;     /* bytes read from the file and not yet sent, 0 .. capacity */
	int64_t held_at;   /* their file offset; this and the rest only while held > 0 */
	uint64_t held_dev, held_ino;
	int64_t held_ctime_s, held_ctime_ns;
};

/* Open a pipe of about size bytes (0: 1 MiB; the kernel may give less, which is no error). Close-on-exec.
 * Returns 0, or -1 with errno (EMFILE, ENFILE, ENOMEM; ENOSYS without splice(2)); then the struct is as
 * closed. */
int zs_pipe_open(struct zs_pipe *pipe, size_t size);
/* Close both ends; a closed one is accepted. errno is kept. */
void zs_pipe_close(struct zs_pipe *pipe);

/* The contract of zs_linux() by splice(2) through a pipe.
 *   pipe  borrowed, opened by zs_pipe_open(), used by one transfer at a time; it may hold bytes between
 *         two calls. They are sent first when the next call continues the same unchanged file at that
 *         offset, else dropped. NULL: a pipe made for this call, at the cost of three system calls and of
 *         reading again what did not fit
 * Errors as zs_linux(), and EMFILE, ENFILE for pipe NULL. Raises SIGPIPE as zs_linux().
 * Source: splice(2). */
int64_t zs_splice(int out_fd, int in_fd, int64_t *offset, size_t count, struct zs_pipe *pipe);

/* ---- The FreeBSD model ---- */

/* Vectors sent before and after the file; same field order as struct sf_hdtr. Either may be NULL with
 * count 0. */
struct zs_hdtr {
	struct iovec *headers;
	int hdr_cnt; /* 0 .. IOV_MAX */
	struct iovec *trailers;
	int trl_cnt; /* 0 .. IOV_MAX */
};

#define ZS_NODISKIO       0x0001 /* do not wait for a disk: EBUSY, possibly after a part was sent */
#define ZS_SYNC           0x0004 /* no file page is referenced any more when the call returns (Linux: by copying) */
#define ZS_USER_READAHEAD 0x0008 /* read ahead the number of pages given in ZS_FLAGS() */
#define ZS_NOCACHE        0x0010 /* do not keep sent pages in the page cache; a hint */
#define ZS_NOSIGPIPE      0x4000 /* ours: block SIGPIPE in this thread for the call and drop the one it caused */
/* Flags with a read-ahead of pages, 0 .. 65535 (meaningful with ZS_USER_READAHEAD). */
#define ZS_FLAGS(pages, flags) ((int)(((unsigned)(pages) << 16) | (unsigned)(flags)))

/* Send headers, nbytes of fd from offset, trailers. File first (Linux has the destination first).
 *   fd      regular file open for reading; its file position is neither used nor changed
 *   s       connected stream socket
 *   offset  bytes from the start of the file; behind its end the file part is empty, which is success
 *   nbytes  bytes of the file, headers and trailers not counted; 0: until end of file. Ends at end of file
 *   hdtr    may be NULL. Trailers go out only after the whole file part
 *   sbytes  set to all bytes put on the socket by this call, on success and on error; may be NULL
 *   flags   ZS_ flags or ZS_FLAGS()
 * Returns 0 when everything was sent, else -1 with errno. *sbytes may be > 0 with any of them:
 *   EAGAIN      non-blocking socket, not all sent: zs_resume() computes what is left
 *   EBADF       fd not open for reading, or s no descriptor
 *   EBUSY       ZS_NODISKIO and the next byte is not in memory (or the system cannot tell)
 *   EFAULT      bad address in a vector
 *   EINTR       a signal came
 *   EINVAL      fd no regular file, s no stream socket, offset negative, bad counts, unknown flag
 *   EIO ENOMEM ENOBUFS   as the system says
 *   ENOTCONN    s was never connected
 *   ENOTSOCK    s is no socket
 *   EPIPE ECONNRESET     the peer is gone
 * TCP_CORK is held for the call if there are headers or trailers and it was not set already.
 * Source: sendfile(2) of FreeBSD. */
int zs_bsd(int fd, int s, int64_t offset, size_t nbytes, struct zs_hdtr *hdtr, int64_t *sbytes, int flags);

/* What is left of one zs_bsd(). Readable by everyone, written by the calls below. The vectors are the
 * caller's, kept until the job is done, and advanced in place. */
struct zs_job {
	int64_t offset; /* next byte of the file */
	int64_t nbytes; /* bytes of the file still to send; 0 means none here, never "until end of file" */
	struct zs_hdtr hdtr; /* what is left of headers and trailers */
	int64_t sent;        /* bytes put on the socket so far */
	int32_t file_done; /* not 0: the file part is over; with nbytes > 0 the file was shorter than promised */
};

enum zs_left {
	ZS_DONE = 0, /* nothing left */
	ZS_MORE = 1, /* file bytes left (perhaps headers before them): zs_bsd() with the fields of the job */
	ZS_HDTR_ONLY =
		2 /* only headers or trailers left: not zs_bsd(), whose nbytes 0 would send the file again */
};

/* Begin a job.
 *   offset, nbytes  as for zs_bsd(), nbytes 0: until file_size
 *   file_size       bytes, from fstat(2) once: the file's growth after that is not sent
 *   hdtr            may be NULL; the struct is copied, the vectors are kept and changed
 * Returns 0, or -EINVAL (negative offset, size or count, vectors that add up to more than INT64_MAX). */
int zs_job_init(
	struct zs_job *job, int64_t offset, size_t nbytes, int64_t file_size, const struct zs_hdtr *hdtr);

/* Account for sbytes more bytes that a zs_bsd() with the fields of the job reported: take them off
 * headers, file part and trailers, in this order.
 * Returns an enum zs_left, or -EINVAL with the job unchanged if sbytes is negative or more than was left. */
int zs_resume(struct zs_job *job, int64_t sbytes);

/* zs_bsd() on what is left of the job, then the bookkeeping; the only call a sender needs to repeat. Exact
 * also when the file shrank meanwhile (job->file_done with job->nbytes > 0 tells by how much).
 *   fd, s, sbytes, flags  as for zs_bsd()
 * Returns 0 when the job is done, else -1 with errno as zs_bsd(); the job then describes what is left. */
int zs_job_send(struct zs_job *job, int fd, int s, int64_t *sbytes, int flags);

/* ---- For event loops ---- */

/* Send file bytes to a socket inside the kernel, as far as the socket takes them. Never copies through
 * this process.
 *   sock  non-blocking stream socket
 *   file  regular file open for reading; its file position is not used
 *   off   bytes from the start of the file, 0 .. INT64_MAX; advanced by the bytes sent
 *   max   bytes, 1 .. ZS_SLICE_MAX (more is clamped). The call may use the CPU for all of them: a loop
 *         that serves others asks for a few MiB
 * Returns bytes sent (> 0, perhaps < max), 0 at end of file (do not retry: the file is shorter than
 * thought), or, with *off unchanged:
 *   -EAGAIN    socket full: wait until it is writable, call again
 *   -ENOTSUP   this pair has no in-kernel path, now or ever: use zs_copy()
 *   -EINVAL    max is 0 or *off above INT64_MAX
 *   -EIO -ESTALE -ENXIO        the file failed
 *   -ENOMEM -ENOBUFS           no memory at the moment
 *   -errno     anything else (EPIPE, ECONNRESET, ETIMEDOUT, ...): the connection is lost
 * A signal does not end it (EINTR is retried). Raises SIGPIPE on Linux: ignoring it is the process's job. */
ssize_t zs_send(int sock, int file, uint64_t *off, size_t max);

/* How many bytes from off on are in memory, so that sending them does not wait for a disk. A snapshot:
 * pages may be evicted before they are sent.
 *   file  regular file open for reading
 *   off   bytes from the start of the file
 *   len   bytes asked about
 * Returns 0 .. len, never counting past end of file, or -ENOTSUP when system and file system cannot tell,
 * or -errno (EBADF, EINVAL, EIO). Never waits for a disk; may start reading ahead.
 * Exact to the page where cachestat(2) answers. It does not to a process that neither owns nor may write the
 * file, nor for pages that are still being read; then up to 256 KiB are exact as well, while in longer ranges the
 * last byte of each 64 KiB stands for them: a hole that ends before it is missed, and sending would wait for a
 * disk there. Such holes come from eviction of single pages; what Linux reads ahead comes in larger pieces.
 * Source: cachestat(2), else preadv2(2) with RWF_NOWAIT. */
int64_t zs_resident(int file, uint64_t off, size_t len);

/* ---- What there is ---- */

#define ZS_CAP_COPY      0x01u /* copying: always there */
#define ZS_CAP_SENDFILE  0x02u /* sendfile(2), of Linux or FreeBSD */
#define ZS_CAP_SPLICE    0x04u /* splice(2) */
#define ZS_CAP_BSD       0x08u /* zs_bsd() is the system's own call */
#define ZS_CAP_CACHESTAT 0x10u /* zs_resident() by cachestat(2) */
#define ZS_CAP_NOWAIT    0x20u /* zs_resident() by preadv2(2) with RWF_NOWAIT */

/* What this library was built with, as ZS_CAP_ bits. *ret_failed (may be NULL): those of them that the
 * kernel or a system call filter refused so far (ENOSYS), which are not tried again where another way
 * exists. */
uint32_t zs_caps(uint32_t *ret_failed);

#ifdef __cplusplus
}
#endif

#endif
