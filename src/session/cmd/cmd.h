/* How a command is written: one file cmd_<verb>.c with one or more struct session_cmd, one line each in
 * commands.c.
 *
 * What a command is (argument kind, states, class, help) stands in the verb table (ftp/verb.h); here is what
 * it does. The session machine has already seen to: verb known, argument present or absent as its kind asks,
 * state, and <Limit> for verbs without a path. check() only looks and does not block: it gives a reply and
 * returns false, or returns true. run() answers or says what it waits for. arg is what followed the first
 * blank of the line, verbatim; "" without argument; borrowed for the call.
 */
#ifndef SESSION_CMD_CMD_H
#define SESSION_CMD_CMD_H

#include "session/session.h"

struct session_cmd {
	const char *verb;                                  /* as in the verb table */
	bool (*check)(struct session *s, const char *arg); /* NULL: nothing to look at */
	enum ftp_result (*run)(struct session *s, const char *arg);
};

/* NULL-terminated table of commands.c. */
extern const struct session_cmd *const session_cmds[];
const struct session_cmd *session_cmd_find(const char *verb);

/* session_note_path() of what the argument of LIST, NLST or STAT names after its options. */
void list_note_path(struct session *s, const char *arg);

/* SITE <name>: same shape, verb is the name without "SITE". cmd_site.c looks them up. */
extern const struct session_cmd *const session_site_cmds[];

#endif
