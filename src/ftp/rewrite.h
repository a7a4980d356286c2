/* Rewriting of the arguments of commands (mod_rewrite): RewriteRule and RewriteCondition, compiled when the configuration
 * is read. Pure functions: maps are read with the configuration, no file is looked at, nothing blocks. What a client
 * sends is never read as a template: only the configuration's own text is. */
#ifndef FTP_REWRITE_H
#define FTP_REWRITE_H

#include "base/buf.h"
#include "base/log.h"
#include "ftp/conf.h"
#include "ftp/line.h"

#define REWRITE_MAX 4096u /* bytes of a rewritten argument */

struct rewrite_template; /* text with $1, %1, %a, ${map:key|default} and the like in it */

/* Compile; the result lives in a. 0, -WE_CONFIG (reason in err), -ENOMEM. */
int rewrite_template_compile(
	struct arena *a, const char *text, const struct rewrite_template **ret_template, struct err *err);
/* The i-th map that the template names, NULL behind the last. */
const char *rewrite_template_map(const struct rewrite_template *t, unsigned i);
/* The entries of a map of type txt out of its text (borrowed): first words of lines to second words. 0 or -ENOMEM. */
int rewrite_map_read(struct arena *a, const char *text, size_t len, struct ftp_rewrite_map *map);

enum { /* ftp_rewrite_cond.compare */
	REWRITE_REGEX,
	REWRITE_LESS,    /* the pattern is less than the text */
	REWRITE_GREATER, /* the pattern is greater than the text */
	REWRITE_EQUAL
};

struct rewrite_query {               /* all borrowed; NULL = "" unless said otherwise */
	const struct ftp_conf *conf; /* whose maps and limits count */
	const struct ftp_rewrite_rule *rules;
	const struct ftp_subject *who; /* user NULL: nobody has logged in */
	const char *verb;              /* %m */
	const char *sent_user;         /* %U */
	const char *server_name;       /* %v */
	const char *path;              /* %F, NULL: the argument */
	uint16_t port;                 /* %p */
};

/* What the rules make of arg, appended to out, which is empty. 1: rewritten; 0: no rule applies, out is not used;
 * -WE_LIMIT: a regular expression or the result went over its limit, -EINVAL: the result has control bytes that end a
 * line. The caller refuses the command then. */
int ftp_rewrite(const struct rewrite_query *q, const char *arg, struct buf *out);

/* A command line, with a line of RewriteLog about it; q without its verb. 1: *ret_cmd is the rewritten one, which refers to
 * line (fresh, to be ended by the caller, and wiped when the argument is secret); 0 and errors as ftp_rewrite(). */
int ftp_rewrite_command(struct rewrite_query *q, const struct line_cmd *cmd, bool secret,
	const struct log_ctx *log, struct buf *line, struct line_cmd *ret_cmd);

#endif
