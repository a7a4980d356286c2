/* Which code runs which command.
 *
 * To add one:
 *   1. its row in src/ftp/verb.c: argument, flags, <Limit> groups, help, replies,
 *   2. src/session/cmd/cmd_<verb>.c with its struct session_cmd,
 *   3. a line in the two lists below (SITE subcommands: in session_site_cmds), sorted by verb,
 *   4. the file in src/session/meson.build,
 *   5. a test tests/system/b_cmd_<verb>.py; session_test.c walks all of them through all states by itself.
 */
#include <string.h>

#include "session/cmd/cmd.h"

extern const struct session_cmd session_cmd_abor, session_cmd_allo, session_cmd_appe, session_cmd_eprt,
	session_cmd_epsv, session_cmd_mode, session_cmd_noop, session_cmd_pasv, session_cmd_port,
	session_cmd_quit, session_cmd_rest, session_cmd_retr, session_cmd_stor, session_cmd_stou,
	session_cmd_stru, session_cmd_type;

const struct session_cmd *const session_cmds[] = {
	&session_cmd_abor,
	&session_cmd_allo,
	&session_cmd_appe,
	&session_cmd_eprt,
	&session_cmd_epsv,
	&session_cmd_mode,
	&session_cmd_noop,
	&session_cmd_pasv,
	&session_cmd_port,
	&session_cmd_quit,
	&session_cmd_rest,
	&session_cmd_retr,
	&session_cmd_stor,
	&session_cmd_stou,
	&session_cmd_stru,
	&session_cmd_type,
	NULL,
};

const struct session_cmd *const session_site_cmds[] = {
	NULL,
};

const struct session_cmd *session_cmd_find(const char *verb)
{
	for (const struct session_cmd *const *c = session_cmds; *c; c++) {
		if (strcmp((*c)->verb, verb) == 0)
			return *c;
	}
	return NULL;
}
