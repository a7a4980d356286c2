/* Inside of data connections: data.c opens them, data_cmd.c negotiates how. */
#ifndef SESSION_DATA_PRIV_H
#define SESSION_DATA_PRIV_H

#include "session/data.h"

struct watch;
struct alarm;

struct data {
	struct session *s;
	int listen_fd;   /* -1: not passive */
	bool active_set; /* PORT or EPRT was given */
	bool cpsv;       /* the listener, or the connection made by it, is CPSV's */
	struct addr active;
	uint16_t peer_port;
	unsigned foreign; /* strangers refused by this listener */
	unsigned stale;   /* answers to ACTIVE_REQUEST that nobody waits for any more */

	/* while opening */
	data_opened_fn *opened; /* NULL = not opening */
	void *arg;
	bool asked; /* waits for master's socket */
	int fd;     /* being connected */
	struct addr target;
	struct watch *watch;
	struct alarm *alarm; /* the end of waiting, or the next try */
	uint64_t give_up_ms, retry_until_ms;
};

/* May data go to, or come from, an address that is not the client's? AllowForeignAddress. */
bool data_foreign_allowed(const struct session *s, const struct addr *a);
/* s->data, made if there is none. */
struct data *data_get(struct session *s);

#endif
