/* MaxTransfersPerUser and MaxTransfersPerHost: master counts, since other sessions of the user or host may
 * live in other processes. Asked only when such a rule applies.
 */
#ifndef SESSION_CLAIM_H
#define SESSION_CLAIM_H

#include "session/session.h"

/* The command goes on here. refused: text of the 451 reply (borrowed), NULL = go on. cancelled: ABOR or
 * the end came first; then only what arg holds is to be released and 426 said. */
typedef enum ftp_result claim_fn(struct session *s, void *arg, const char *refused, bool cancelled);

bool claim_needed(const struct ftp_conf *conf, unsigned command); /* command: one FTP_XFER_ bit. Any thread */
/* Ask master. conf: of the object, borrowed for the call. Returns FTP_WAIT_IPC, or what go_on() says when
 * no rule applies. */
enum ftp_result claim_ask(
	struct session *s, const struct ftp_conf *conf, unsigned command, claim_fn *go_on, void *arg);
void claim_cancel(struct session *s);  /* a question that waits: go_on() is called now */
void claim_release(struct session *s); /* the command is over: give back what was granted */
void claim_done(struct session *s);    /* the session is freed */

#endif
