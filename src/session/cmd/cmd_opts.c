/* OPTS (RFC 2389 4): HASH (draft-bryan-ftpext-hash-02 3.2), MLST (RFC 3659 7.9), UTF8, REST,
 * MODE Z (draft-preston-ftpext-deflate 3.4). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/param.h"
#include "session/cmd/cmd.h"
#include "session/facts.h"
#include "session/zfilter.h"

enum { WORDS_MAX = 8 };

static void not_understood(struct session *s)
{
	session_reply(s, 501, "'%.256s' not understood", s->cmd->line ? s->cmd->line : "OPTS");
}

/* arg: what follows the command's name, without blanks around. */
static void opts_mlst(struct session *s, const char *arg)
{
	char names[FACTS_TEXT_MAX];
	int set = facts_choose(arg, verb_facts_offered(&s->scope->conf), names);

	if (set < 0) {
		not_understood(s);
		return;
	}
	s->facts = (unsigned)set;
	session_reply(s, 200, "MLST OPTS%s%s", *names ? " " : "", names);
}

/* One setting of MODE Z. The engine and method that there are may be named. False: there is no such thing. */
static bool mode_z_setting(const struct line_word *name, const struct line_word *value, unsigned *level)
{
	char digit = *value->text;

	if (line_word_is(name, "LEVEL") && value->len == 1 && digit >= '0' &&
		digit <= '0' + ZFILTER_LEVEL_MAX) {
		*level = (unsigned)(digit - '0');
		return true;
	}
	return (line_word_is(name, "ENGINE") && line_word_is(value, "ZLIB")) ||
	       (line_word_is(name, "METHOD") && line_word_is(value, "8"));
}

/* All settings or, when one is wrong, none. Without any: back to the usual ones. */
static void opts_mode(struct session *s, const char *arg)
{
	struct line_word words[WORDS_MAX];
	unsigned n = line_words(arg, words, WORDS_MAX), level = n > 1 ? s->z_level : ZFILTER_LEVEL;
	bool ok =
		s->scope->conf.deflate_engine && n % 2 == 1 && n <= WORDS_MAX && line_word_is(&words[0], "Z");

	for (unsigned i = 1; ok && i < n; i += 2)
		ok = mode_z_setting(&words[i], &words[i + 1], &level);
	if (!ok) {
		not_understood(s);
		return;
	}
	s->z_level = level;
	session_reply(s, 200, "OPTS MODE Z OK");
}

static void opts_rest(struct session *s, const char *arg)
{
	const struct ftp_conf *conf = &s->scope->conf;
	bool retr = str_eq_nocase(arg, "RETR");

	if (!retr && !str_eq_nocase(arg, "STOR"))
		not_understood(s);
	else if (retr ? conf->allow_retrieve_restart : conf->allow_store_restart)
		session_reply(s, 200, "REST %s allowed", retr ? "RETR" : "STOR");
	else
		session_reply(s, 451, "REST %s not allowed", retr ? "RETR" : "STOR");
}

static void opts_hash(struct session *s, const char *arg)
{
	const struct ftp_conf *conf = &s->scope->conf;
	int digest = *arg ? ftp_digest_find(arg) : (int)s->digest;

	if (!conf->digest_engine)
		not_understood(s);
	else if (digest < 0 || !ftp_digest_on(conf, (enum ftp_digest)digest))
		session_reply(s, 501, "%s: Unsupported algorithm", arg);
	else {
		s->digest = (enum ftp_digest)digest;
		session_reply(s, 200, "%s", ftp_digest_name(s->digest));
	}
}

static void opts_utf8(struct session *s, const char *arg)
{
	struct line_cmd cmd = {.verb = "OPTS"};
	struct buf *out = session_out(s);
	size_t before = out->len;
	int r;

	cmd.raw = s->cmd->line ? s->cmd->line : "OPTS UTF8";
	cmd.raw_len = strlen(cmd.raw);
	cmd.arg = arg;
	r = param_utf8(out, &cmd, arg, &s->scope->conf, &s->utf8_on);
	session_replied(s, out->len >= before + 3 ? atoi(out->data + before) : 200, r);
}

static const struct {
	const char *name, *limit;
	void (*run)(struct session *s, const char *arg);
} options[] = {
	{"HASH", "OPTS_HASH", opts_hash},
	{"MLST", "OPTS_MLST", opts_mlst},
	{"MODE", "OPTS_MODE", opts_mode},
	{"REST", "OPTS_REST", opts_rest},
	{"UTF8", "OPTS_UTF8", opts_utf8},
	{"UTF-8", "OPTS_UTF8", opts_utf8},
};

static void opts_dispatch(struct session *s, const char *name, const char *rest)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!str_eq_nocase(name, options[i].name))
			continue;
		if (session_verb_allowed(s, options[i].limit))
			options[i].run(s, rest);
		else
			session_reply(s, 550, "OPTS %s: Operation not permitted", options[i].name);
		return;
	}
	not_understood(s);
}

static enum ftp_result opts_run(struct session *s, const char *arg)
{
	struct line_word words[1];
	unsigned n = line_words(arg, words, 1);
	char *name, *rest;
	size_t len;

	if (n == 0) {
		not_understood(s);
		return FTP_DONE;
	}
	if (n > WORDS_MAX) {
		session_reply(s, 550, "Too many parameters");
		return FTP_DONE;
	}
	name = xstrndup(words[0].text, words[0].len);
	rest = xstrdup(words[0].text + words[0].len + strspn(words[0].text + words[0].len, " "));
	for (len = strlen(rest); len > 0 && rest[len - 1] == ' ';)
		rest[--len] = '\0';
	opts_dispatch(s, name, rest);
	free(name);
	free(rest);
	return FTP_DONE;
}

const struct session_cmd session_cmd_opts = {.verb = "OPTS", .run = opts_run};
