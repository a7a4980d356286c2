/* The socket, event handle and timer around a login_conn; and the table of all clients of the process. */
#ifndef LOGIN_CLIENT_H
#define LOGIN_CLIENT_H

#include <uv.h>

#include "base/list.h"
#include "ipc/chan.h"
#include "login/conn.h"
#include "login/relay.h"

#define CLIENT_BUCKETS 512 /* of the lists by cid and by sid */

struct client_table {
	uv_loop_t *loop;
	const struct login_env *env;
	struct list by_cid[CLIENT_BUCKETS], by_sid[CLIENT_BUCKETS];
	unsigned count;
	uint32_t last_cid;
	struct relay_table relays; /* those that have logged in over TLS */
	void (*empty)(void *arg);  /* called when the last one has gone, relays included; may be NULL */
	void *arg;
};

struct client {
	struct list cid_link, sid_link;
	struct client_table *table;
	struct login_conn conn;
	int fd;
	struct secure *secure; /* TLS, NULL = none */
	bool encrypted;        /* the handshake is done */
	short tls_waits;       /* POLLIN or POLLOUT that TLS needs before it goes on, 0 = none */
	int relay_fd; /* our end of the session's control connection, -1 = it got the socket itself */
	uint32_t relay_sid;
	const struct ftp_server
		*options_of; /* whose SocketOptions and QoSOptions the socket has; only compared */
	bool shut;           /* our side is closed for writing */
	unsigned handles;    /* of libuv, not yet closed */
	uv_poll_t poll;
	uv_timer_t timer;
};

void client_table_init(struct client_table *t, uv_loop_t *loop, const struct login_env *env);
/* A connection was accepted. fd: given, non-blocking. */
void client_new(struct client_table *t, int fd, const struct addr *peer, const struct addr *local);

/* A client comes back from its session. fd: given. False: no resources; master does not know yet. */
bool client_adopt(struct client_table *t, int fd, const struct ipc_adopt *m);

struct client *client_by_cid(const struct client_table *t, uint32_t cid); /* or NULL */
struct client *client_by_sid(const struct client_table *t, uint32_t sid); /* or NULL */
struct client *client_of(const struct login_conn *c);

/* Send HANDOFF to master with the client's socket, or over TLS with one end of a relay. 0 or negative. */
int client_hand_over(struct client *cl, struct ipc_chan *master, const struct ipc_handoff *m);

/* Master has admitted it: from now on it is found by its sid. */
void client_admit(struct client *cl, const struct ipc_admit *m);
/* Do what the connection wants after one of its functions was called: send, read on, arm the timer, or
 * close. cl may be freed later, when the loop runs. */
void client_update(struct client *cl);

/* Call fn for each client, then update it. */
void client_each(
	struct client_table *t, void (*fn)(struct login_conn *c, void *arg, uint64_t now_ms), void *arg);

#endif
