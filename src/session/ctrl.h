/* The control connection of one session: bytes in through the Telnet filter to a line reader, replies out
 * through a bounded buffer. An idle connection holds no buffers.
 *
 * Reading stops while LINE_PENDING_MAX bytes wait, so a client cannot make us keep more. A client that does
 * not read its replies is not served while CTRL_BACKLOG bytes wait for it, and cut off when CTRL_OUT_MAX is
 * reached or nothing moved for the session's idle time.
 */
#ifndef SESSION_CTRL_H
#define SESSION_CTRL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ftp/line.h"
#include "ftp/telnet.h"

#define CTRL_BACKLOG (32 * 1024)   /* waiting bytes from which on no further command is taken */
#define CTRL_OUT_MAX (1024 * 1024) /* bytes of replies that may wait */
#define CTRL_CLOSE_MS                                                                                        \
	2000 /* for the last reply to arrive and the client to close its end; a stop waits 3 s */

struct session;
struct watch;
struct alarm;

struct ctrl {
	struct session *s;
	int fd;
	struct watch *watch;
	struct telnet telnet;
	struct line_reader lines;
	struct buf out;
	size_t converted;        /* bytes of out that are in the client's charset; what follows is not yet */
	uint64_t stuck_since_ms; /* out has been waiting since, 0 = it is empty */
	bool eof;                /* the client sends no more */
	bool closing;            /* close when out is empty */
	bool leaving;            /* closing, but then the client goes back to a login process */
	bool clearing;           /* CCC: tell master when out is empty */
	struct alarm *alarm;     /* the end of closing */
};

struct ipc_handoff;

/* Take over fd (given, also on failure) with what login had read. 0 or -errno. */
int ctrl_open(struct session *s, int fd, const struct ipc_handoff *handoff, struct ctrl **ret_ctrl);
/* Close at once. NULL inside is fine; sets NULL. */
void ctrl_free(struct ctrl **c);

/* Send what waits, as far as it goes, and watch for what is needed next. Calls session_control_lost() when
 * the client is gone; the ctrl may be freed then. */
void ctrl_flush(struct ctrl *c);
/* Send what waits, then end our direction, wait shortly for the client's, and call session_control_lost(). */
void ctrl_close(struct ctrl *c);
/* Send what waits, then call session_give_back(). */
void ctrl_leave(struct ctrl *c);

/* CCC: when what waits is sent, login is to end the TLS of the connection. */
void ctrl_clear(struct ctrl *c);

/* The next whole line that waits in the input, without its end; empty ones are skipped. NULL when there is
 * none. Borrowed until bytes come or go. */
const char *ctrl_peek(const struct ctrl *c, size_t *ret_len);
/* Does a line that is this verb without argument wait anywhere in the input? */
bool ctrl_waits(const struct ctrl *c, const char *verb);
/* Is that line this verb, and has it no argument? */
bool ctrl_line_is(const char *line, size_t len, const char *verb);

#endif
