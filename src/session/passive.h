/* Listening sockets of PASV and EPSV: an address of ours, a port that nobody else has, chosen at random so
 * that it cannot be guessed.
 */
#ifndef SESSION_PASSIVE_H
#define SESSION_PASSIVE_H

#include "base/addr.h"
#include "ftp/conf.h"

/* The order in which ports of a range are tried: each once, from a random start, wrapping round. */
struct port_walk {
	uint16_t min, max, next;
	unsigned left;
};
void port_walk_init(struct port_walk *w, uint16_t min, uint16_t max, uint32_t random);
uint16_t port_walk_next(struct port_walk *w); /* 0 at the end */

/* Listen on host (its port is ignored) and a port of conf's PassivePorts; when none of them is free, or
 * without a range, on one that the system chooses (*ret_fallback tells that a range was configured and
 * full). The socket is non-blocking, exclusive (no SO_REUSEPORT), backlog 1, and has the options of a data
 * connection, which those have that are accepted from it. Returns it, with *ret_bound its address, or -errno. On the
 * loop. */
int passive_listen(
	const struct addr *host, const struct ftp_conf *conf, struct addr *ret_bound, bool *ret_fallback);
/* Socket options of a data connection: call before connect() or listen(). Failures are harmless and
 * ignored. */
void data_socket_options(int fd, int family, const struct ftp_conf *conf);

#endif
