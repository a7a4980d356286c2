/* REST: where the next transfer begins (RFC 3659 5). RANG: which part of the file it is
 * (draft-bryan-ftp-range 3). The later one of them counts. */
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "ftp/line.h"
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
		s->range = 0;
		session_reply(s, 350, "Restarting at %llu. Send STORE or RETRIEVE to initiate transfer",
			(unsigned long long)n);
	}
	return FTP_DONE;
}

/* Both ends belong to the range; "1 0" is the empty one that takes a range back. */
static enum ftp_result rang_run(struct session *s, const char *arg)
{
	struct line_word w[2];
	uint64_t start, end;

	if (line_words(arg, w, 2) != 2)
		session_not_understood(s);
	else if (!line_word_number(&w[0], INT64_MAX, &start) || !line_word_number(&w[1], INT64_MAX, &end))
		session_reply(s, 501, "RANG requires a value greater than or equal to 0");
	else if (start == 1 && end == 0) {
		s->restart = s->range = 0;
		session_reply(s, 350, "Reset byte transfer range");
	} else if (start > end) {
		s->restart = s->range = 0; /* as the draft asks */
		session_reply(s, 501, "RANG start must be less than end");
	} else if (s->ascii)
		session_reply(s, 551, "RANG: Transfer ranges not allowed in ASCII mode");
	else {
		s->restart = start;
		s->range = end - start + 1;
		session_reply(s, 350, "Transferring byte range of %llu %s starting from %llu",
			(unsigned long long)s->range, s->range == 1 ? "byte" : "bytes",
			(unsigned long long)start);
	}
	return FTP_DONE;
}

const struct session_cmd session_cmd_rest = {.verb = "REST", .run = rest_run};
const struct session_cmd session_cmd_rang = {.verb = "RANG", .run = rang_run};
