/* How the next data connection is made (PORT, EPRT, PASV, EPSV, CPSV), and making it.
 *
 * The socket belongs to the transfer once it is open. A passive listener serves one transfer attempt; the
 * address of PORT stays until it is replaced.
 */
#ifndef SESSION_DATA_H
#define SESSION_DATA_H

#include "session/session.h"

/* The connection is open: fd given, non-blocking; or fd -1 and error, a positive errno. */
typedef void data_opened_fn(void *arg, int fd, int error);

/* s->data is NULL until a command needs it, which these functions know. */
void data_free(struct data **d);
/* Forget a passive listener and stop opening; the callback is not called any more. */
void data_reset(struct data *d);
bool data_is_passive(const struct data *d); /* a listener waits */

/* The four commands; each gives its reply. */
void data_port(struct session *s, const char *arg);
void data_eprt(struct session *s, const char *arg);
void data_pasv(struct session *s);
void data_epsv(struct session *s, const char *arg);
void data_cpsv(struct session *s); /* PASV; the other end is a server */
/* Is the next data connection that of CPSV? */
bool data_is_cpsv(const struct data *d);

/* Open it: accept, or connect. opened() is called once, later or before this returns, unless data_reset()
 * comes first. Gives up by itself after TimeoutStalled, or a minute where that is not set. arg is kept. */
void data_open(struct session *s, data_opened_fn *opened, void *arg);
/* Port of the other end of the last connection, 0 = none. */
uint16_t data_peer_port(const struct data *d);

#endif
