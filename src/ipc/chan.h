/* A channel between two of our processes: a SOCK_SEQPACKET socket pair, so that each message arrives whole or
 * not at all, with at most one descriptor. Both ends know the other's role; the permit table (ipc/message.h)
 * is checked on sending and on receiving. The socket is non-blocking; what it does not take at once waits in
 * the channel, up to a limit. Knows no event loop: the owner asks ipc_chan_wants_write() and calls
 * ipc_chan_flush().
 */
#ifndef IPC_CHAN_H
#define IPC_CHAN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"
#include "ipc/message.h"

struct ipc_chan {
	int fd; /* -1 = closed */
	enum ipc_role self, peer;
	struct list queue; /* messages not yet sent */
	size_t queued_bytes;
	size_t queue_max; /* bytes; beyond it ipc_send() answers -ENOBUFS */
};

struct ipc_msg {
	const struct ipc_permit *permit;
	int fd; /* given to the receiver, -1 = none: take it with ipc_msg_take_fd(), or ipc_recv() closes it */
	union {
		struct ipc_connect connect;
		struct ipc_disconnect disconnect;
		struct ipc_host host;
		struct ipc_handoff handoff;
		struct ipc_admit admit;
		struct ipc_login_result login_result;
		struct ipc_auth_request auth_request;
		struct ipc_auth_failed auth_failed;
		struct ipc_grant grant;
		struct ipc_session_start session_start;
		struct ipc_peer peer;
		struct ipc_name_request name_request;
		struct ipc_name_reply name_reply;
		struct ipc_xfer_claim xfer_claim;
		struct ipc_xfer_verdict xfer_verdict;
		struct ipc_sid sid;
		struct ipc_xfer_report xfer_report;
		struct ipc_map_used map_used;
		struct ipc_own own;
		struct ipc_cert_check cert_check;
		struct ipc_cert_status cert_status;
		struct ipc_offence offence;
		struct ipc_keys_peer keys_peer;
		struct ipc_sign_request sign_request;
		struct ipc_sign_reply sign_reply;
		struct ipc_rein rein;
		struct ipc_adopt adopt;
		struct ipc_resolve resolve;
		struct ipc_resolved resolved;
		struct ipc_active_socket active_socket;
		struct ipc_kick kick;
		struct ipc_log_reopen log_reopen;
		struct ipc_retire retire;
	};
};

/* Two connected close-on-exec, non-blocking ends. 0 or -errno. */
int ipc_pair(int fds[2]);

/* fd: given. */
void ipc_chan_init(struct ipc_chan *c, int fd, enum ipc_role self, enum ipc_role peer);
void ipc_chan_done(struct ipc_chan *c); /* closes, drops the queue with its descriptors */

/* Send *msg, the struct of that type. pass_fd: borrowed (it is duplicated if it must wait), -1 = none.
 * Returns 0, -ENOBUFS when the queue is full, -WE_CLOSED when the peer is gone, -EMSGSIZE for a field over
 * its maximum, -errno. A type that self may not send to peer is a bug of ours: assertion. */
int ipc_send(struct ipc_chan *c, enum ipc_type type, const void *msg, int pass_fd);
bool ipc_chan_wants_write(const struct ipc_chan *c);
int ipc_chan_flush(struct ipc_chan *c); /* 0 (maybe with a rest queued), -WE_CLOSED, -errno */

/* Receive one message. msg's strings are valid until the next ipc_recv() with the same scratch. Returns 1
 * with a message, 0 when there is none now, -WE_CLOSED at the end, -WE_PERMIT when the peer sent what it
 * must not (unknown type, wrong sender, malformed, descriptor missing or unasked): the caller ends the
 * peer. */
int ipc_recv(struct ipc_chan *c, struct ipc_scratch *scratch, struct ipc_msg *ret_msg);
/* The descriptor of the message; the caller closes it. */
int ipc_msg_take_fd(struct ipc_msg *m);
/* Close the descriptor if nobody took it. Call when done with the message. */
void ipc_msg_done(struct ipc_msg *m);

/* For threads: send a request and wait for its answer on a channel that only this caller uses, at most
 * timeout_ms. 0, -ETIMEDOUT, or as above. */
int ipc_call(struct ipc_chan *c, enum ipc_type type, const void *msg, struct ipc_scratch *scratch,
	struct ipc_msg *ret_msg, int timeout_ms);

#endif
