/* Editing AuthUserFile and AuthGroupFile (passwd(5) and group(5) lines): lines that are not edited,
 * comments and malformed ones too, stay as they are and where they are. The first line with a name is the
 * one that counts, for the server too. */
#ifndef TOOLS_ACCOUNTS_H
#define TOOLS_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct accounts;

enum { /* fields of a line */
	ACCOUNT_NAME,
	ACCOUNT_HASH,
	ACCOUNT_UID,
	ACCOUNT_GID,
	ACCOUNT_GECOS,
	ACCOUNT_HOME,
	ACCOUNT_SHELL,
	ACCOUNT_FIELDS,
	GROUP_GID = 2,
	GROUP_MEMBERS,
	GROUP_FIELDS
};

/* Read the file for editing; one that does not exist is empty. Others who edit it wait until
 * accounts_close(). n_fields: ACCOUNT_FIELDS or GROUP_FIELDS. Returned with accounts_close(). 0, or
 * negative with err. */
int accounts_open(const char *path, unsigned n_fields, struct accounts **ret_a, struct err *err);
void accounts_close(struct accounts *a); /* wipes; NULL is fine */
bool accounts_is_new(const struct accounts *a);

/* Copies of the fields of the line with that name: returned (accounts_fields_free()), n_fields of them.
 * false: there is none. */
bool accounts_get(const struct accounts *a, const char *name, char **ret_fields);
void accounts_fields_free(char **fields, unsigned n);
/* Put a line in place of the one with that name (fields[0]), or at the end. */
void accounts_put(struct accounts *a, char *const *fields);
/* Take out every line with that name. */
void accounts_delete(struct accounts *a, const char *name);

/* Write it: a temporary file in the same folder, synced and renamed over the old one, whose mode and owner
 * it keeps; a new file has mode 0440. On failure the old file is as it was. */
int accounts_save(struct accounts *a, struct err *err);

#endif
