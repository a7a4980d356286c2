/* What a load of the configuration had to say: errors, warnings, and the state of each directive for
 * wherryd -t. And the documents that are made from the directives' tables. */
#ifndef FTP_REPORT_H
#define FTP_REPORT_H

#include <stdio.h>

#include "ftp/conf.h"

struct ftp_report *ftp_report_new(void);
void ftp_report_free(struct ftp_report *r); /* NULL is fine */
unsigned ftp_report_errors(const struct ftp_report *r);
unsigned ftp_report_warnings(const struct ftp_report *r);
/* Take a note in. Strings are copied. */
void ftp_report_add(struct ftp_report *r, const struct conf_note *n);

/* Errors and warnings, one a line, in file order: "fatal: ...", "warning: ...". */
void ftp_report_print_problems(const struct ftp_report *r, FILE *out);
/* As above, through the log front instead. */
void ftp_report_log_problems(const struct ftp_report *r, const struct log_ctx *ctx);
/* For -t: a line per directive, "<file>:<line>: <Directive>: supported", "... accepted without effect
 * (<why>)", "... refused (<why>)"; then how many of each. */
void ftp_report_print(const struct ftp_report *r, FILE *out);

/* wherryd --list, --list-directives. */
void ftp_modules_list(FILE *out);
void ftp_directives_list(FILE *out);
/* The directives' part of wherry.conf(5). */
void ftp_directives_man(FILE *out);

#endif
