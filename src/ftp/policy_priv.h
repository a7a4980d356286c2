/* Between policy_dir.c (which scopes a path belongs to) and policy.c (what they say). */
#ifndef FTP_POLICY_PRIV_H
#define FTP_POLICY_PRIV_H

#include "ftp/policy.h"

#define POLICY_MATCH_MAX 32 /* <Directory> sections that count for one path: the most specific ones */

/* The <Directory> sections that match host_path, most specific first: those of top, or for an <Anonymous>
 * in which none matches those of its server. Returns their number, at most POLICY_MATCH_MAX. */
unsigned policy_dirs_find(const struct ftp_scope *top, const struct policy_env *env, const char *host_path,
	const struct ftp_scope *ret_dirs[POLICY_MATCH_MAX]);

#endif
