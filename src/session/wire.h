/* The data connection as slices see it. All bytes of a transfer go through here, so what the connection is
 * made of is nobody else's business. One thread at a time; nothing here blocks.
 */
#ifndef SESSION_WIRE_H
#define SESSION_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_conn;

struct wire {
	int sock;             /* non-blocking stream socket, -1 = not open; owned */
	struct tls_conn *tls; /* PROT P, after its handshake; owned; NULL = clear */
	bool lenient;         /* TLSDataShutdown lenient: an end without close_notify is an end */
	bool cut;             /* ... and so it was */
};

/* Close, with whatever is open. */
void wire_close(struct wire *w);
/* Events to wait for (UV_READABLE or UV_WRITABLE) after -EAGAIN of sending or receiving. */
int wire_events(const struct wire *w, bool sending);
/* Say that nothing more comes: close_notify, and the end of the stream. 0, -EAGAIN: wait and call again, or
 * -errno: the other side is gone. */
int wire_end(struct wire *w);
/* Does the kernel encrypt what is sent, so that wire_sendfile() works in spite of TLS? */
bool wire_kernel_tls(const struct wire *w);

/* Read away what the other side still says, TLS or not: as recv() into the void. Returns > 0, 0 at the end of the stream, or
 * -errno. */
ssize_t wire_discard(struct wire *w);

/* Send n bytes (n > 0) from p, or as many as the socket takes. Returns 1..n, or -errno: -EAGAIN when it
 * takes none now; -EFAULT when p is a mapping whose file was cut; others see wire_lost(). */
ssize_t wire_send(struct wire *w, const void *p, size_t n);

/* As tls_lend(). */
void wire_lend(struct wire *w, void *memory, size_t size);

/* May p of wire_send() be a mapping of a file that others cut? Where only the kernel reads it; else it must be a
 * copy (map_read()), or the process gets SIGBUS. */
bool wire_takes_mappings(const struct wire *w);

/* Receive up to size bytes (size > 0). Returns 1..size, 0 at the end of the stream, or -errno as wire_send();
 * -ECONNRESET also for a TLS connection that ends without close_notify, unless lenient. */
ssize_t wire_recv(struct wire *w, void *p, size_t size);

/* Send up to n bytes of file fd from *offset in the kernel; advances *offset. Returns the bytes, 0 at the end
 * of the file, or -errno: -EAGAIN when the socket takes none now; -EINVAL, -ENOTSUP and others of
 * sendfile(2) when it cannot be done for this file. */
ssize_t wire_sendfile(struct wire *w, int fd, uint64_t *offset, size_t n);

/* Receive up to n bytes (n > 0) into the empty pipe behind to_pipe, in the kernel. Returns 1..n, 0 at the end of
 * the stream, or -errno: -EAGAIN when there are none now; -EINVAL and -ENOSYS when it cannot be done. */
ssize_t wire_splice(struct wire *w, int to_pipe, size_t n);

/* Be readable only when that many bytes have come, or the end of the stream, or the receive window is full. 1: any
 * byte, as at first. Failing only means more wake-ups. */
void wire_lowat(struct wire *w, int bytes);

/* Does this positive errno say that the connection is gone, rather than that the file is bad? */
bool wire_lost(int error);

#endif
