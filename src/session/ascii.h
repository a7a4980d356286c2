/* TYPE A: line ends between files (LF) and the network (CRLF), RFC 959 3.1.1.1. Pieces may be cut anywhere;
 * the state carries what the next piece must know.
 */
#ifndef SESSION_ASCII_H
#define SESSION_ASCII_H

#include <stdbool.h>
#include <stddef.h>

struct ascii_state { /* all zero at the start */
	bool cr;     /* out: the last byte was CR. in: a CR is held back */
};

/* File to network: a bare LF becomes CRLF, a CRLF stays as it is. dst holds 2 * n bytes. Returns the bytes
 * written. */
size_t ascii_out(struct ascii_state *st, const char *src, size_t n, char *dst);
/* The network took only the first sent bytes of what ascii_out() made of src. Returns how many bytes of
 * src these stand for, and advances st, which is the state before src, accordingly: go on from there with
 * the rest of src. */
size_t ascii_out_taken(struct ascii_state *st, const char *src, size_t n, size_t sent);

/* Network to file: CRLF becomes LF, any other CR stays. dst holds n + 1 bytes. Returns the bytes written. */
size_t ascii_in(struct ascii_state *st, const char *src, size_t n, char *dst);
/* End of the stream: a CR held back is written to dst. Returns 0 or 1. */
size_t ascii_in_end(struct ascii_state *st, char *dst);

#endif
