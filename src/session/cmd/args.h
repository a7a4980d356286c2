/* Arguments with more than a path in them: MFMT, MFF, SITE UTIME, SITE CHMOD, SITE SYMLINK, SITE RMDIR ...
 * Pure text. Paths are the rest of the argument, verbatim, and point into it.
 */
#ifndef SESSION_CMD_ARGS_H
#define SESSION_CMD_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* First word of arg (n bytes), and what follows exactly one blank after it. false: there is no second
 * word. */
bool args_split(const char *arg, size_t *ret_n, const char **ret_rest);

/* Time of RFC 3659 2.3: "YYYYMMDDhhmmss", UTC, with an optional ".fraction" that is checked and ignored. n
 * bytes. With minutes_ok the seconds may be missing (SITE UTIME). 0, or -EINVAL: form, month, day, hour
 * ... or a year outside of 1970..9999. */
int args_time(const char *text, size_t n, bool minutes_ok, int64_t *ret_secs);

/* Facts of MFF: "modify=...;UNIX.mode=0644;UNIX.group=100;", each at most once. */
struct args_mff {
	bool has_modify, has_mode, has_group;
	int64_t modify;
	mode_t mode;
	char group[65]; /* name or number */
};
enum args_mff_error {
	ARGS_MFF_FORM = 1, /* not a list of "name=value;" */
	ARGS_MFF_FACT,     /* *ret_bad: a fact that cannot be changed */
	ARGS_MFF_VALUE     /* *ret_bad: "name=value" */
};
/* n bytes of text. 0 or enum args_mff_error; ret_bad has 65 bytes, cut. */
int args_mff(const char *text, size_t n, struct args_mff *ret_facts, char *ret_bad);

/* SITE UTIME: "YYYYMMDDhhmm[ss] path" (both times), or "path atime mtime ctime UTC" (the last is not
 * settable). 0 or -EINVAL. path: in ret_path, a fresh string (free()). */
int args_utime(const char *arg, int64_t *ret_atime, int64_t *ret_mtime, char **ret_path);

/* A mode as chmod(1) takes it: octal, or "[ugoa][+-=][rwxXstugo],...". */
#define ARGS_CHMOD_CLAUSES 32
struct args_chmod {
	unsigned count; /* 0: value is the whole mode */
	mode_t value;
	struct {
		mode_t who;  /* 04700, 02070, 01007 or'ed */
		char op;     /* '+', '-', '=' */
		mode_t perm; /* rwxst bits of all three classes */
		char copy;   /* 'u', 'g', 'o': take these bits, 0 = none */
		bool x_if;   /* 'X': x for directories and what has an x already */
	} clause[ARGS_CHMOD_CLAUSES];
};
int args_chmod(const char *text, size_t n, struct args_chmod *ret_change); /* 0 or -EINVAL */
/* New permission bits (07777) of an object that has mode. */
mode_t args_chmod_apply(const struct args_chmod *change, mode_t mode);

/* Exactly two words, each maybe in double quotes (in which \" and \\ stand for " and \). Fresh strings
 * (free()). 0, -EINVAL, -ENOMEM. */
int args_two_words(const char *arg, char **ret_a, char **ret_b);
/* SITE SYMLINK, SITE COPY: two words as above, or what lftp sends for names with blanks, which it does not quote:
 * "target /path", split at the last " /". Fresh strings (free()). 0, -EINVAL, -ENOMEM. */
int args_link(const char *arg, char **ret_target, char **ret_path);

/* XCRC and its kin: "path" or "path start end" with the path maybe in double quotes as above; end is the offset
 * behind the last byte of the part. */
struct args_hash {
	char *path;  /* fresh (free()), only with ARGS_HASH_OK */
	bool ranged; /* start and end were there */
	uint64_t start, end;
};
enum args_hash_result {
	ARGS_HASH_OK,
	ARGS_HASH_COUNT, /* neither one word nor three, or quotes that do not end */
	ARGS_HASH_START, /* not numbers */
	ARGS_HASH_END,
	ARGS_HASH_ORDER /* start and end are set, but not in that order */
};
enum args_hash_result args_hash(const char *arg, struct args_hash *ret);

#endif
