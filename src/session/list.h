/* Listings of LIST, NLST and STAT <path>: generators that produce their lines piece by piece in pool threads.
 *
 *     l = listing_new(s, LIST_KIND_LIST, arg);      on the loop: copies what it needs of the session
 *     r = listing_open(l, cancel);                  in the pool: options, path or pattern, the first look at the files
 *     xfer_start_listing(s, "file list", listing_source(l));    on the loop; fill() then runs in the pool
 *
 * Memory: what is not sorted (NLST, -U) is written as it is read from the directory, at a constant cost
 * (about 45 KiB with the directory's own buffer). LIST is sorted by name and needs the names for that: 16
 * bytes plus the name each, so a directory of 100,000 names of 20 bytes costs 3.6 MiB (twice that while the
 * array grows). All names of a listing, of all directories on the way down with -R too, are at most 200,000
 * and 64 MiB (nameset.h): what comes after that is listed in directory order, with a line in the log.
 *
 * <Limit> is asked for each directory, and for each of its entries only when the server has <Directory>
 * sections at all.
 */
#ifndef SESSION_LIST_H
#define SESSION_LIST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "session/list_opts.h"
#include "session/session.h"
#include "session/xfer.h"

struct listing;

/* arg: the command's whole argument; copied. s is kept until listing_free(). NULL when memory is out. */
struct listing *listing_new(struct session *s, enum list_kind kind, const char *arg);
void listing_free(struct listing *l); /* NULL is fine; not after listing_source() was given away */

/* Look at the options and find what is to be listed. 0, or -errno (-EPERM: a <Limit> says no; -ENOENT;
 * -EINVAL: NLST of something that is neither file nor directory): then listing_path() is what the reply is
 * about. With NoErrorIfAbsent a path that does not exist is 0 and an empty listing. May block. */
int listing_open(struct listing *l, const atomic_bool *cancel);

/* As typed, without options; "" for the current directory. */
const char *listing_path(const struct listing *l);
bool listing_is_dir(const struct listing *l); /* after listing_open(): contents of a directory, not a file */
bool listing_is_pattern(const struct listing *l);

/* The generator; with it l is given away. Lines of STAT begin with a blank. */
struct xfer_source *listing_source(struct listing *l);

/* Path of an argument that may begin with "~" or "~user" (LIST, NLST, CWD): the home directory as seen in
 * the root. A "~name" that is no user's, or whose home lies outside of the root, is a file name. 0 or
 * -ENAMETOOLONG. May block (names.h).
 *   cwd  vpath that relative arguments start from */
int list_tilde_path(const struct session *s, const char *cwd, const char *arg, char out[VFS_PATH_SIZE]);

#endif
