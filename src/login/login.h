/* The login process: accepts clients, greets them, and talks with them until they have logged in. It is what
 * strangers reach, so it owns nothing: no files, no user, no right to open anything. What it learns from a
 * client (user, password) it gives to the auth process; what that login has earned, auth tells master, and
 * master tells this process to hand the control socket over. Then it forgets the client, until a REIN brings
 * it back; but the TLS of a control connection stays here for as long as the session lasts.
 *
 *   conn.h     one client as a state machine without sockets or event loop
 *   command.c  the commands that are legal before login
 *   client.c   its socket, its timer, and the table of all clients
 *   secure.c   TLS of a control connection
 *   relay.c    ... after the login: between the client and the session process
 *   record.c   what is said before the login, for ExtendedLog
 *   proc.c     the process: event loop, accepting, channels to master and auth
 *
 * It can look up no names: with UseReverseDNS on, auth tells the client's.
 */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H

#include "ipc/start.h"

/* Runs until master retires the process or is gone. Returns the exit status. start: kept. */
int login_main(const struct proc_start *start);

#endif
