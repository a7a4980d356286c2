/* SITE (RFC 959 4.1.3): finds the subcommand, and those that need no path: HELP, UMASK, IDLE. */
#include <stdlib.h>

#include "base/str.h"
#include "ftp/line.h"
#include "ftp/profile.h"
#include "ftp/verb.h"
#include "session/cmd/cmd.h"

/* --- SITE HELP --- */

static enum ftp_result site_help_run(struct session *s, const char *arg)
{
	struct buf *out = session_out(s);
	size_t before = out->len;
	int r = verb_site_help(out, arg, &s->scope->conf);

	session_replied(s, out->len > before && out->data[before] == '5' ? 502 : 214, r);
	return FTP_DONE;
}

/* --- SITE UMASK --- */

static enum ftp_result site_umask_run(struct session *s, const char *arg)
{
	unsigned least = s->scope->conf.umask_file & 0777, mask;
	unsigned was = s->site_umask >= 0 ? (unsigned)s->site_umask : least;

	if (!*arg) {
		session_reply(s, 200, "Current UMASK is %04o", was);
		return FTP_DONE;
	}
	if (str_to_mode(arg, &mask) < 0 || mask > 0777) {
		session_reply(s, 501, "%s: Invalid argument", arg);
		return FTP_DONE;
	}
	mask |= least; /* a client may keep more to itself, never less than is configured */
	s->site_umask = (int)mask;
	session_reply(s, 200, "UMASK set to %04o (was %04o)", mask, was);
	return FTP_DONE;
}

/* --- SITE IDLE --- */

static enum ftp_result site_idle_run(struct session *s, const char *arg)
{
	uint64_t most = ftp_quirk_wait(s->quirks, s->scope->conf.timeout_idle_ms) / 1000, secs;

	if (!*arg) {
		session_reply(s, 200, "Current IDLE time limit is %u seconds, at most %llu",
			s->idle_ms / 1000, (unsigned long long)most);
		return FTP_DONE;
	}
	if (str_to_u64(arg, &secs) < 0 || secs < 1 || secs > UINT32_MAX / 1000 || (most && secs > most)) {
		session_reply(s, 501, "%s: Invalid argument, the IDLE time limit is at most %llu seconds",
			arg, (unsigned long long)(most ? most : UINT32_MAX / 1000));
		return FTP_DONE;
	}
	session_set_idle(s, (uint32_t)secs * 1000);
	session_reply(s, 200, "IDLE time limit set to %llu seconds", (unsigned long long)secs);
	return FTP_DONE;
}

/* --- SITE --- */

static const struct session_cmd *site_find(const char *name)
{
	for (size_t i = 0; session_site_cmds[i]; i++)
		if (str_eq(session_site_cmds[i]->verb, name))
			return session_site_cmds[i];
	return NULL;
}

/* May it run, as far as its row in the verb table says? Gives the reply if not. */
static bool site_check(struct session *s, const struct ftp_verb *v, const char *arg)
{
	struct line_word word;

	if ((v->arg == VERB_ARG_PATH || v->arg == VERB_ARG_TEXT) && !*arg) {
		session_reply(s, 500, "'SITE %s' not understood", v->name);
		return false;
	}
	/* UMASK and IDLE take one word, SYMLINK looks at its own */
	if (v->arg == VERB_ARG_WORDS && !(v->flags & VERB_WRITES) && line_words(arg, &word, 1) > 1) {
		session_reply(s, 501, "Invalid number of parameters");
		return false;
	}
	if (v->arg != VERB_ARG_PATH && !(v->flags & VERB_WRITES) && !session_verb_allowed(s, v->limit)) {
		session_reply(s, 550, "SITE %s: Operation not permitted", v->name);
		return false;
	}
	return true;
}

static void site_unknown(struct session *s, const struct line_word *word)
{
	char name[64];
	size_t n = 0;

	for (; n < word->len && n < sizeof name - 1; n++)
		name[n] = ascii_upper(word->text[n]);
	name[n] = '\0';
	session_reply(s, 500, "'SITE %s' not understood", name);
}

static enum ftp_result site_run(struct session *s, const char *arg)
{
	struct line_word word;
	const struct ftp_verb *v;
	const struct session_cmd *c;
	const char *rest;

	if (line_words(arg, &word, 1) == 0) {
		session_reply(s, 500, "'SITE' requires parameters");
		return FTP_DONE;
	}
	v = verb_find_site(word.text, word.len);
	c = v && verb_offered(v, &s->scope->conf) ? site_find(v->name) : NULL;
	if (!c && s->quirks & FTP_QUIRK_DATASETS && ftp_profile_datasets(arg)) {
		session_reply(s, 200, "SITE command accepted, files have no such attributes here");
		return FTP_DONE;
	}
	if (!c) {
		site_unknown(s, &word);
		return FTP_DONE;
	}
	rest = word.text + word.len;
	rest += *rest == ' ';
	if (v->flags & VERB_ENDS_RENAME)
		session_forget_source(s);
	if (!site_check(s, v, rest) || (c->check && !c->check(s, rest)))
		return FTP_DONE;
	return c->run(s, rest);
}

const struct session_cmd session_cmd_site = {.verb = "SITE", .run = site_run};
const struct session_cmd session_site_help = {.verb = "HELP", .run = site_help_run};
const struct session_cmd session_site_umask = {.verb = "UMASK", .run = site_umask_run};
const struct session_cmd session_site_idle = {.verb = "IDLE", .run = site_idle_run};
