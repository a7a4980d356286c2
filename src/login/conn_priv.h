/* Between conn.c (the states) and command.c (what a command does). */
#ifndef LOGIN_CONN_PRIV_H
#define LOGIN_CONN_PRIV_H

#include "login/conn.h"

/* The only way to another state. Logs it, and sets and clears what belongs to a state. */
void login_enter(struct login_conn *c, enum login_state state, uint64_t now_ms);
const char *login_state_name(enum login_state state);

/* Execute one command. Appends replies to c->out and may change the state. */
void login_command(struct login_conn *c, const struct line_cmd *cmd, uint64_t now_ms);
/* Go on under another server's rules. False when master cannot be told: the connection ends. */
bool login_server_switch(struct login_conn *c, const struct ftp_server *server, uint64_t now_ms);
/* The 220 lines. */
void login_greet(struct login_conn *c);
/* The answer to a failed login, whose time has come; closes after the last attempt. */
void login_refuse(struct login_conn *c, uint64_t now_ms);
/* Tell master what BanOnEvent counts, if it does. */
void login_offence(struct login_conn *c, enum ftp_ban_event event);
/* The reply of access tables that refuse the client, and the end. */
void login_tables_refuse(struct login_conn *c, uint64_t now_ms);
/* Send the request of c->password; waits when auth is not there. */
void login_request(struct login_conn *c, const char *password, uint64_t now_ms);
/* The login failed: answer with code when it is time. */
void login_fail(struct login_conn *c, unsigned code, uint64_t now_ms);

/* Who asks, for the <Limit> sections. Borrows from c. */
struct ftp_subject login_subject(const struct login_conn *c);
/* The server as it is for the client's class (ftp/variant.h); NULL for NULL. */
const struct ftp_server *login_server_for(const struct login_conn *c, const struct ftp_server *server);
/* The client belongs to this server (NULL: to none) from now on. */
void login_set_server(struct login_conn *c, const struct ftp_server *server);
/* Forget USER and everything a client has set, as after connecting. */
void login_reset(struct login_conn *c);
/* Overwrite, free and set to NULL. */
void login_wipe_string(char **s);

#endif
