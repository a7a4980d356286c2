/* User, group and class expressions: "alice,!bob", "OR staff,admin", "regex ^www".
 *
 * A list of names with ! for "not" and * for "any". OR: one element must hold; AND: all must. Where the
 * words AND, OR and regex are missing, the kind decides: users and classes OR, groups AND. */
#ifndef FTP_EXPR_H
#define FTP_EXPR_H

#include "ftp/conf.h"

/* Compile words (borrowed) in arena a. 0, -WE_CONFIG (the reason in err) or -ENOMEM. */
int ftp_expr_compile(struct arena *a, enum ftp_expr_kind kind, char *const *words, unsigned n,
	struct ftp_expr **ret_expr, struct err *err);
/* The i-th name of its list, "*" included; NULL behind the last, or when it is a regular expression. */
const char *ftp_expr_name(const struct ftp_expr *e, unsigned i);
/* As a list in which one matching element is enough, whatever the kind says (Max*FileSize). */
void ftp_expr_any(struct ftp_expr *e);

#endif
