/* UserOwner and GroupOwner: what the session has made is given to others, by master, which checks it and has it done (master/handler.c, own.c).
 * No answer comes: it is logged there when it cannot be done.
 */
#ifndef SESSION_OWNER_H
#define SESSION_OWNER_H

#include "session/session.h"

/* Are new objects with these values to get another owner? Any thread. */
bool owner_wanted(const struct ftp_conf *conf);
/* fd: of the object, an O_PATH one; borrowed. On the loop. */
void owner_give(struct session *s, const struct ftp_owner *user, const struct ftp_owner *group, int fd);

#endif
