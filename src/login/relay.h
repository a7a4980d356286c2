/* The control connection of a client that has logged in over TLS: bytes between the socket, encrypted, and one end
 * of a socket pair, clear, whose other end is the session process's control connection. Nothing is looked at.
 * At most RELAY_BUFFER bytes wait in each direction, none while it is idle.
 *
 * The end comes from either side. When the client closes, the session reads what came before and then the end.
 * When the session closes, the client gets what was written before, close_notify, and RELAY_LINGER_MS to close.
 */
#ifndef LOGIN_RELAY_H
#define LOGIN_RELAY_H

#include <stdint.h>
#include <uv.h>

#include "base/list.h"

#define RELAY_BUFFER    (16 * 1024)
#define RELAY_LINGER_MS 2000
#define RELAY_HEARD_MS  2000  /* after the client's close_notify: for CLEAR, or the end of the connection */
#define RELAY_CLEAR_MS  10000 /* CCC: for the client's close_notify */

struct secure;
struct relay;

struct relay_table {
	uv_loop_t *loop;
	struct list relays;
	unsigned count;
	void (*gone)(void *arg); /* called when one has ended */
	void *arg;
};

void relay_table_init(struct relay_table *t, uv_loop_t *loop, void (*gone)(void *arg), void *arg);
/* net, local and s: given, also on failure. Returns 0 or -errno. */
int relay_start(struct relay_table *t, uint32_t sid, int net, struct secure *s, int local);
/* CCC: what the session has written until now is the last that is encrypted. Unknown sid: nothing. */
void relay_clear(struct relay_table *t, uint32_t sid);
void relay_end_all(struct relay_table *t);

#endif
