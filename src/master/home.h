/* CreateHome: the home directory of a user who has none, made by the newborn session process while it is root. */
#ifndef MASTER_HOME_H
#define MASTER_HOME_H

#include "ftp/conf.h"

/* Make home (a host path) and what is missing above it. Nothing happens when it is there. No symbolic link is followed,
 * neither on the way nor in the skeleton. Blocks; logs what it did and why it could not. */
void home_make(const struct ftp_create_home *how, const char *home, uid_t uid, gid_t gid);

#endif
