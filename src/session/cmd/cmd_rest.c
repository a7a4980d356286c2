/* REST: where the next transfer begins (RFC 3659 5). */
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "session/cmd/cmd.h"

static enum ftp_result rest_run(struct session *s, const char *arg)
{
	uint64_t n;

	if (!*arg || strchr(arg, ' '))
		session_not_understood(s);
	else if (str_to_u64(arg, &n) < 0 || n > INT64_MAX)
		session_reply(s, 501, "REST requires a value greater than or equal to 0");
	else if (s->ascii && n > 0)
		session_reply(s, 501, "REST: Resuming transfers not allowed in ASCII mode");
	else {
		s->restart = n;
		session_reply(s, 350, "Restarting at %llu. Send STORE or RETRIEVE to initiate transfer",
			(unsigned long long)n);
	}
	return FTP_DONE;
}

const struct session_cmd session_cmd_rest = {.verb = "REST", .run = rest_run};
