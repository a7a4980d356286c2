/* Address rules of Allow, Deny and From: addresses, prefixes, CIDR, globs, domains and names. */
#ifndef FTP_ACL_H
#define FTP_ACL_H

#include "ftp/conf.h"

/* Compile words ("from" in front is dropped; commas separate as well) in arena a. A list matches when all
 * its negated items hold and one of the others matches, or when it has only negated ones.
 * 0, -WE_CONFIG (the reason in err) or -ENOMEM. */
int ftp_acl_compile(
	struct arena *a, char *const *words, unsigned n, struct ftp_acl **ret_acl, struct err *err);

#endif
