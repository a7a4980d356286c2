/* Regular expressions of the configuration, by PCRE2: on bytes, not on characters, because names need not be
 * UTF-8. Time and memory of a match are bounded, since clients choose the text; so may be the pattern, in a
 * .ftpaccess.
 */
#ifndef FTP_REGEX_H
#define FTP_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

struct ftp_regex;

/* Compile; the result lives as long as the arena. 0; -WE_CONFIG with the reason; -ENOMEM. */
int ftp_regex_compile(
	struct arena *a, const char *pattern, bool nocase, const struct ftp_regex **ret_re, struct err *err);
/* Is there a match anywhere in text? 1, 0, or -WE_LIMIT when the search was given up: the caller takes the
 * answer that permits less. Any thread. */
int ftp_regex_match(const struct ftp_regex *re, const char *text);

/* The same with what the groups matched: begin and end in text of the whole (ret_span[0]) and of the first max - 1
 * groups, begin SIZE_MAX for one that took no part. How many of them the pattern has, at most max; 0: no match;
 * -WE_LIMIT. */
int ftp_regex_groups(const struct ftp_regex *re, const char *text, size_t (*ret_span)[2], unsigned max);

/* A value "[!]<regex> [nocase|NC|[nocase]|[NC]]" of a directive. re NULL: not set. */
struct ftp_pattern {
	const struct ftp_regex *re;
	bool negate;
};
/* flag: second word, NULL = none. Errors as ftp_regex_compile(). */
int ftp_pattern_compile(struct arena *a, const char *text, const char *flag, struct ftp_pattern *ret_pattern,
	struct err *err);
/* hard: what a search that was given up counts as. */
bool ftp_pattern_match(const struct ftp_pattern *p, const char *text, bool hard);

#endif
