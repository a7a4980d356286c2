/* TYPE, MODE, STRU: how files are represented (RFC 959 4.1.2; MODE Z: draft-preston-ftpext-deflate 3). */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ftp/line.h"
#include "ftp/param.h"
#include "ftp/profile.h"
#include "session/cmd/cmd.h"

static enum ftp_result type_run(struct session *s, const char *arg)
{
	struct buf *out = session_out(s);
	size_t before = out->len;
	int r = param_type(out, s->cmd->input, s->quirks & FTP_QUIRK_WORDS, &s->ascii);

	session_replied(s, r == 0 ? atoi(out->data + before) : 0, r);
	return FTP_DONE;
}

const struct session_cmd session_cmd_type = {.verb = "TYPE", .run = type_run};

/* Which is the one letter of arg: in supported (1), known but not supported (0), or neither (-1)? */
static int letter_kind(const char *arg, const char *supported, const char *known)
{
	char c = ascii_upper(arg[0]);

	if (!c || arg[1])
		return -1;
	return strchr(supported, c) ? 1 : strchr(known, c) ? 0 : -1;
}

/* Under some profiles the word for a letter stands for it. */
static const char *letter_of(const struct session *s, const char *arg, const char *word, const char *letter)
{
	struct line_word w;

	if (s->quirks & FTP_QUIRK_WORDS && line_words(arg, &w, 1) >= 1 &&
		(line_word_is(&w, letter) || line_word_is(&w, word)))
		return letter;
	return arg;
}

static enum ftp_result mode_run(struct session *s, const char *arg)
{
	bool may_z = s->scope->conf.deflate_engine, probes = s->quirks & FTP_QUIRK_PROBES;
	int kind;

	arg = letter_of(s, arg, "STREAM", "S");
	kind = letter_kind(arg, may_z ? "SZ" : "S", "BCZ");
	if (kind == 1)
		s->mode_z = ascii_upper(arg[0]) == 'Z';
	if (kind == 1)
		s->odd_mode = false;
	if (kind == 0 && probes && ascii_upper(arg[0]) == 'B') {
		s->odd_mode = true;
		session_reply(s, 200, "Mode set to B, no transfer is possible with it");
	} else if (strchr(arg, ' ') || !*arg)
		session_not_understood(s);
	else if (kind == 1 && s->mode_z)
		session_reply(s, 200, "OK");
	else if (kind == 1)
		session_reply(s, 200, "Mode set to S");
	else if (kind == 0)
		session_reply(s, 504, "'%s' unsupported transfer mode", s->cmd->line);
	else
		session_reply(s, 501, "'%s' unrecognized transfer mode", s->cmd->line);
	return FTP_DONE;
}

const struct session_cmd session_cmd_mode = {.verb = "MODE", .run = mode_run};

static enum ftp_result stru_run(struct session *s, const char *arg)
{
	int kind;

	arg = letter_of(s, arg, "FILE", "F");
	kind = letter_kind(arg, "F", "RP");
	if (kind == 1)
		s->odd_stru = false;
	if (kind == 0 && s->quirks & FTP_QUIRK_PROBES && ascii_upper(arg[0]) == 'R') {
		s->odd_stru = true;
		session_reply(s, 200, "Structure set to R, no transfer is possible with it");
	} else if (strchr(arg, ' ') || !*arg)
		session_reply(s, 501, "Invalid number of parameters");
	else if (kind == 1)
		session_reply(s, 200, "Structure set to F");
	else if (kind == 0)
		session_reply(s, 504, "'%s' unsupported structure type", s->cmd->line);
	else
		session_reply(s, 501, "'%s' unrecognized structure type", s->cmd->line);
	return FTP_DONE;
}

const struct session_cmd session_cmd_stru = {.verb = "STRU", .run = stru_run};
