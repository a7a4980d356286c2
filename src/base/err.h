/* Errors: one number for code, one sentence for people.
 *
 * Functions return 0 or a positive count on success and a negative number on failure: -errno for the system's
 * errors, -WE_* for our own. Code whose failure a person will read about (configuration, authentication,
 * start-up) fills a struct err as well. A function either logs an error or returns it, never both.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

enum {
	WE_FIRST = 4000,
	WE_SYNTAX = WE_FIRST, /* bytes that do not follow their grammar */
	WE_CONFIG,            /* configuration that cannot be used */
	WE_LIMIT,             /* a configured limit was reached */
	WE_DENIED,            /* a rule says no */
	WE_NAME,              /* a rule says no to this name: PathAllowFilter, PathDenyFilter */
	WE_CLOSED,            /* the other side is gone */
	WE_PERMIT,            /* a process asked for what its role does not allow */
	WE_VERSION,           /* shared data of another version */
	WE_TLS_SESSION,       /* a data connection that is not bound to its control connection */
	WE_LAST
};

struct err {
	int code;       /* the number that was returned, 0 when nothing is set */
	char text[700]; /* one sentence, without newline, lower case first letter */
};

#define ERR_INIT                                                                                             \
	{                                                                                                    \
		0                                                                                            \
	}

/* Set *err (may be NULL) to code and the formatted sentence. code is given positive; returns -code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set() for a system error: ": <strerror(errnum)>" is appended. Returns -errnum. */
int err_sys(struct err *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put a formatted prefix before the sentence that is there: "<prefix>: <old>". Returns err->code. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Text of a negative or positive code: strerror() or the words for a WE_ code. Never NULL. */
const char *err_text(int code);

#endif
