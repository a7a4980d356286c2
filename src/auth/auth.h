/* The auth process: verifies names and passwords, and tells *master* what a login has earned (never login: a
 * login process that an attacker has taken over cannot mint a grant). It also answers the session processes'
 * questions for names of uids and gids. It sees no client's bytes but user names and passwords, and no
 * client's files.
 *
 *   auth.c      the process: channels, requests as jobs in threads
 *   decide.c    one login request from names to verdict: aliases, anonymous, shells, DefaultRoot ...
 *   backend.h   what a source of accounts offers; backends.c lists them and reads AuthOrder
 *   verify.c    crypt(3) hashes, in the same time for users that do not exist
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "ipc/start.h"

int auth_main(const struct proc_start *start);

#endif
