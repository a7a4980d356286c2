/* Signatures for TLS handshakes: asked of auth, which has the private keys, over the keys channel.
 *
 * Login and session processes get that channel from master (KEYS_CHANNEL), again when auth was started again. There
 * is one in a process, used by one question at a time; threads wait for each other. A signature
 * takes about a millisecond; auth is waited for at most FTP_KEYS_ANSWER_MS, then the handshake fails.
 */
#ifndef FTP_KEYS_H
#define FTP_KEYS_H

#include "ipc/message.h"
#include "tls/tls.h"

#define FTP_KEYS_ANSWER_MS 5000

/* self: IPC_LOGIN or IPC_SESSION. Before the first of the others. */
void ftp_keys_init(enum ipc_role self);
/* The (new) socket to auth; given; -1 = none. Does not wait: a question that runs goes on with the old one. */
void ftp_keys_set_channel(int fd);
/* For tls_context_new(). Its sign() returns 0, -ENOTCONN when auth is not there, -ETIMEDOUT, or what auth said; any
 * thread. */
const struct tls_signer *ftp_keys_signer(void);

#endif
