/* The first steps of a forked child (newborn.c), and what master must know of them before it forks. */
#ifndef MASTER_NEWBORN_H
#define MASTER_NEWBORN_H

#include "master/master.h"
#include "master/sandbox.h"

struct birth { /* what the child is told */
	struct child *c;
	int chan_fd;                 /* its end of the channel; given */
	struct score_region *region; /* of the scoreboard, NULL = none */
};

/* In the child: never returns. */
void newborn_run(struct master *m, const struct birth *b) __attribute__((noreturn));

/* The account that login processes run as: User and Group of the main server, else nobody; our own without
 * root. 0, or -WE_CONFIG when there is no such account. */
int login_identity(const struct ftp_config *config, struct sandbox_identity *ret_id, struct err *err);

/* For logs and titles. */
const char *role_name(enum ipc_role role);

#endif
