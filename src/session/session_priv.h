/* Inside of the session machine: what its files and the transfer machine call of each other. Not for
 * commands. */
#ifndef SESSION_SESSION_PRIV_H
#define SESSION_SESSION_PRIV_H

#include "ftp/line.h"
#include "ftp/verb.h"
#include "ipc/message.h"
#include "session/session.h"

/* Why a session ended. */
enum session_end {
	SESSION_END_NONE,
	SESSION_END_QUIT,
	SESSION_END_REIN,    /* the client goes back to a login process */
	SESSION_END_AUTH,    /* so it does, and begins TLS there */
	SESSION_END_EOF,     /* the client closed the control connection */
	SESSION_END_LOST,    /* it broke */
	SESSION_END_REFUSED, /* the root or start directory could not be used */
	SESSION_END_IDLE,    /* timeouts */
	SESSION_END_NO_TRANSFER,
	SESSION_END_STALLED,
	SESSION_END_SESSION,
	SESSION_END_NOT_READING, /* the client does not take its replies */
	SESSION_END_FOREIGN,     /* it speaks another protocol */
	SESSION_END_KICKED,
	SESSION_END_SHUTDOWN,
	SESSION_END_COUNT
};
const char *session_end_text(enum session_end end); /* a sentence for logs */

uv_loop_t *session_loop(const struct session *s);

/* start.c: make a session from what master sent; fd: given. The session replies by itself when it cannot
 * begin. */
void session_new(struct session_proc *p, const struct ipc_session_start *m, int fd);
void session_free(struct session *s); /* only session_unref() calls it */

void session_ref(struct session *s);
void session_unref(struct session *s);

/* session.c: the only place that changes the state. */
void session_enter(struct session *s, enum session_state state);
/* Take the next commands, as far as the state allows, then flush. The session may be closed afterwards. */
void session_pump(struct session *s);
/* From ctrl.c: bytes or the end came; room for replies came; the connection is gone. */
void session_input(struct session *s);
void session_output_moved(struct session *s);
void session_control_lost(struct session *s);
/* From ctrl.c, in the end by REIN: every reply is sent, the client may go. */
void session_give_back(struct session *s);
/* From xfer.c: the transfer gave its final reply. */
void session_transfer_done(struct session *s);
/* End the session as soon as what runs could be stopped; text: a whole reply line without CRLF, NULL for
 * none. */
void session_terminate(struct session *s, enum session_end end, const char *text);
/* Tell master what BanOnEvent counts, if it does. */
void session_offence(struct session *s, enum ftp_ban_event event);
/* RETIRE: end after the running command. */
void session_retire(struct session *s, const char *text);
/* Answer of master that belongs to this session: fd given, -1 without. */
void session_claim_verdict(struct session *s, uint32_t refused);
void session_active_socket(struct session *s, int fd, int error);

/* access.c: what holds in the current directory, until the next command. Does not block. */
const struct ftp_conf *session_cwd_conf(struct session *s);

/* command.c */
/* RewriteRule: as ftp_rewrite_command(). */
int command_rewrite(struct session *s, const struct ftp_verb *v, const struct line_cmd *line,
	struct buf *text, struct line_cmd *ret_line);
void command_begin(struct session *s, const struct ftp_verb *v, const struct line_cmd *line);
/* In the scoreboard. Not for what is answered beside a transfer, which is what the session does. */
void command_show(struct session *s, const struct ftp_verb *v, const struct line_cmd *line);
void command_end(struct session *s);
void command_free(struct session_command **c);
/* Argument rules of the verb's row; false: a reply was given. */
bool command_argument_ok(struct session *s, const struct ftp_verb *v, const struct line_cmd *line);

/* job.c */
struct xfer_source;
uint64_t session_place(const struct session *s); /* of its command's object, for pool.h */
void session_job_cancel(struct session *s);      /* no job: nothing */
/* Free src, which has not come to its end and may have directories open, in a pool thread, for whose time the session is
 * kept. */
void session_free_source(struct session *s, struct xfer_source *src);

/* timers.c */
void timers_begin(struct session *s);
void timers_end(struct session *s);
void timers_arm(struct session *s);      /* after a change of state */
void timers_command(struct session *s);  /* a command came */
void timers_transfer(struct session *s); /* a data connection was opened or closed */
/* MaxCommandRate: may the next command run now? If not, the session is pumped again when it may. */
bool timers_command_allowed(struct session *s);

#endif
