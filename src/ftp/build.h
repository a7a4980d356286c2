/* From the parsed tree to scopes. Private to the loader. */
#ifndef FTP_BUILD_H
#define FTP_BUILD_H

#include "ftp/directives.h"

/* Fill *cfg (already merged, in l->arena) from tree: servers, scopes, classes, log files. Problems go to the tree's parser.
 * 0 or -ENOMEM; the caller asks conf_errors(). */
int ftp_build(struct ftp_loader *l, const struct conf_tree *tree, struct ftp_config *cfg);
/* The <Limit> sections of s and what it says itself, into scope. 0 or -ENOMEM. */
int ftp_build_limits(const struct conf_tree *tree, struct arena *a, const struct conf_section *s,
	struct ftp_scope *scope, struct ftp_limit ***tail);
/* Things that only look: users, files, logs (-t). */
void ftp_check(struct ftp_loader *l, const struct conf_tree *tree, const struct ftp_config *cfg);

#endif
