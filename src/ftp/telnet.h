/* The Telnet layer below the commands (RFC 959 2.3, RFC 854): a filter that takes the Telnet commands out of
 * what a client sends and refuses every option it offers. It works on any piece of the stream, down to single
 * bytes: what a piece leaves unfinished is remembered.
 *
 *     IAC IAC           -> one byte 0xFF
 *     IAC WILL|WONT x   -> answered IAC DONT x
 *     IAC DO|DONT x     -> answered IAC WONT x
 *     IAC IP, IAC DM    -> swallowed (they announce an ABOR)
 *     IAC anything else -> both bytes stay
 *
 * In charsets where 0xFF is a letter the filter is switched off: all bytes pass.
 */
#ifndef FTP_TELNET_H
#define FTP_TELNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct telnet {
	uint8_t state; /* private: what the last byte left open; 0 at the start */
	bool off;      /* pass all bytes. Set it before the first byte or with telnet_set_off() */
};

#define TELNET_INIT                                                                                          \
	{                                                                                                    \
		0, false                                                                                     \
	}

/* Filter the n bytes at in (borrowed) and append what remains to out. Answers are appended to answers, 3
 * bytes each; when there is no room for one it is left out, so a client that never reads costs no memory.
 * Returns 0, or with t and out unchanged the error of buf_reserve(): out needs room for n + 1 bytes. */
int telnet_filter(struct telnet *t, const void *in, size_t n, struct buf *out, struct buf *answers);

/* Switch the filter off or on between two pieces. A command begun before is forgotten. */
void telnet_set_off(struct telnet *t, bool off);

/* The state as a number and back, for the hand-over to another process (ipc_handoff.telnet). An unknown
 * number from outside gives the initial state. */
uint32_t telnet_pack(const struct telnet *t);
void telnet_unpack(uint32_t packed, struct telnet *ret_t);

#endif
