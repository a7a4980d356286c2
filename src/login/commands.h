/* The table of commands before login, for the test that compares it with ftp/verb.h. */
#ifndef LOGIN_COMMANDS_H
#define LOGIN_COMMANDS_H

#include "login/conn.h"

struct login_command_row {
	const char *verb;
	void (*run)(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms);
};
extern const struct login_command_row login_commands[]; /* ends with verb NULL */

#endif
