/* The format of AuthUserFile, passwd(5) lines with the hash in them, and AuthGroupFile, group(5) lines: from
 * bytes to a table that is searched by name and by number. The loader looks for malformed lines with it, auth
 * for
 * accounts (auth/auth_file.c).
 *
 * A table does not change once it is made and is counted by references, so that threads can go on reading one
 * that has been replaced.
 */
#ifndef FTP_AUTHFILE_H
#define FTP_AUTHFILE_H

#include <stddef.h>

enum authfile_kind { AUTHFILE_USERS, AUTHFILE_GROUPS };

struct authfile_entry { /* pointers into the text of the file */
	const char *name;
	const char *hash, *home, *shell; /* users */
	const char *members;             /* groups: names separated by commas */
	unsigned id, gid;                /* of a group: id only */
	unsigned line;
};

struct authfile;

/* Parse.
 *   text  len bytes and a NUL after them, from malloc(); given, wiped at the end
 *   path  for the warnings only; borrowed; NULL: no warnings
 * Empty lines and lines that begin with '#' do not count. A malformed line is skipped with a warning.
 * Never NULL; one reference. */
struct authfile *authfile_parse(char *text, size_t len, const char *path, enum authfile_kind kind);
struct authfile *authfile_ref(struct authfile *f); /* returns f */
void authfile_unref(struct authfile *f);           /* NULL is fine */

/* The first line of the file with that name or number; NULL when there is none. Borrowed. */
const struct authfile_entry *authfile_by_name(const struct authfile *f, const char *name);
const struct authfile_entry *authfile_by_id(const struct authfile *f, unsigned id);
/* Number of the first malformed line, 0 when there is none. */
unsigned authfile_malformed(const struct authfile *f);
/* Entry number i, ordered by id and line; NULL at the end. */
const struct authfile_entry *authfile_at(const struct authfile *f, size_t i);

#endif
