/* PORT, EPRT, PASV, EPSV: where the next data connection comes from (RFC 959 4.1.2, RFC 2428). The rules
 * are in data.c. */
#include "ftp/profile.h"
#include "session/cmd/cmd.h"
#include "session/data.h"

#include <string.h>

static enum ftp_result port_run(struct session *s, const char *arg)
{
	data_port(s, arg);
	return FTP_DONE;
}

static enum ftp_result eprt_run(struct session *s, const char *arg)
{
	data_eprt(s, arg);
	return FTP_DONE;
}

static enum ftp_result pasv_run(struct session *s, const char *arg)
{
	data_pasv(s);
	return FTP_DONE;
}

static enum ftp_result epsv_run(struct session *s, const char *arg)
{
	if (s->quirks & FTP_QUIRK_NO_EPSV)
		session_reply(s, 500, "EPSV not understood"); /* the client asks for PASV then */
	else if (strchr(arg, ' '))
		session_reply(s, 501, "Invalid number of parameters");
	else
		data_epsv(s, arg);
	return FTP_DONE;
}

const struct session_cmd session_cmd_port = {.verb = "PORT", .run = port_run};
const struct session_cmd session_cmd_eprt = {.verb = "EPRT", .run = eprt_run};
const struct session_cmd session_cmd_pasv = {.verb = "PASV", .run = pasv_run};
const struct session_cmd session_cmd_epsv = {.verb = "EPSV", .run = epsv_run};
