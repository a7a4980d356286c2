/* Names of user and group numbers for listings, and the other way round for SITE CHGRP and "~user".
 *
 * A session process cannot look into passwd files: it asks auth over the names channel, one question at a
 * time, and keeps the answers for five minutes. There is one channel and one cache in a process (at most 4096
 * numbers of users and as many of groups, about 0.6 MiB when full), so there is no object to pass around.
 * What auth does not answer within two seconds is shown as a number, and auth is left alone for ten seconds,
 * so that a listing of many owners does not wait for each.
 *
 * All functions but names_set_channel() may block (up to two seconds) and belong into pool threads; any
 * thread.
 */
#ifndef SESSION_NAMES_H
#define SESSION_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NAMES_TEXT_SIZE 65 /* longest name that is shown, with its NUL */

/* The (new) socket to auth; given; -1 = none. Does not wait: a question that runs goes on with the old one. */
void names_set_channel(int fd);

/* Name of a number as the server with that index knows it, or its decimal digits. */
void names_user(unsigned server, uid_t uid, char ret_text[NAMES_TEXT_SIZE]);
void names_group(unsigned server, gid_t gid, char ret_text[NAMES_TEXT_SIZE]);

/* The number seen last with its name: most entries of a directory have the same. Begins zeroed. The text
 * is valid until the next call with the same struct. */
struct names_last {
	bool known;
	uint32_t id;
	char text[NAMES_TEXT_SIZE];
};
const char *names_user_last(struct names_last *last, unsigned server, uid_t uid);
const char *names_group_last(struct names_last *last, unsigned server, gid_t gid);

/* Number of a group that is given by name or number. Not cached. 0, -EINVAL: there is no such name, or no
 * such number can be, or -EAGAIN when auth does not answer. */
int names_gid_of(unsigned server, const char *name, gid_t *ret_gid);
/* Home directory (host path) of a user, cut to size. 0, -ENOENT, -EAGAIN. */
int names_home_of(unsigned server, const char *user, char *ret_path, size_t size);

#endif
