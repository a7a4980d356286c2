/* ABOR without a running transfer, or after the one it ended has given its 426 (RFC 959 4.1.3). */
#include "session/cmd/cmd.h"
#include "session/data.h"

static enum ftp_result abor_run(struct session *s, const char *arg)
{
	data_reset(s->data);
	s->restart = s->range = 0;
	session_reply(s, 226, "Abort successful");
	return FTP_DONE;
}

const struct session_cmd session_cmd_abor = {.verb = "ABOR", .run = abor_run};
