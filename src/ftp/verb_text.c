#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "ftp/line.h"
#include "ftp/param.h"
#include "ftp/profile.h"
#include "ftp/reply.h"
#include "ftp/text.h"
#include "ftp/verb_priv.h"

#define HELP_PER_LINE 8
#define FEAT_LINE_MAX 512 /* bytes of one FEAT line */

const char *const verb_fact_name[VERB_FACT_COUNT] = {
	"modify",
	"perm",
	"size",
	"type",
	"unique",
	"UNIX.group",
	"UNIX.groupname",
	"UNIX.mode",
	"UNIX.owner",
	"UNIX.ownername",
};

unsigned verb_facts_offered(const struct ftp_conf *conf)
{
	if ((conf->facts_options & FTP_FACTS_NO_NAMES) != 0)
		return VERB_FACT_EVERY & ~(unsigned)(VERB_FACT_UNIX_GROUPNAME | VERB_FACT_UNIX_OWNERNAME);
	return VERB_FACT_EVERY;
}

unsigned verb_facts_start(const struct ftp_conf *conf)
{
	unsigned offered = verb_facts_offered(conf);

	return conf->facts_default != 0 ? conf->facts_default & offered : offered;
}

/* --- FEAT --- */

bool feat_lang(const struct verb_state *st, struct buf *out)
{
	return st->conf->lang_engine && buf_puts(out, "LANG " TEXT_LANG_DEFAULT "*") == 0;
}

bool feat_utf8(const struct verb_state *st, struct buf *out)
{
	return param_utf8_offered(st->conf) && buf_puts(out, "UTF8") == 0;
}

bool feat_mode_z(const struct verb_state *st, struct buf *out)
{
	return st->conf->deflate_engine && buf_puts(out, "MODE Z") == 0;
}

bool feat_site_copy(const struct verb_state *st, struct buf *out)
{
	return st->conf->copy_engine && buf_puts(out, "SITE COPY") == 0;
}

bool feat_epsv(const struct verb_state *st, struct buf *out)
{
	return (st->quirks & FTP_QUIRK_NO_EPSV) == 0 && buf_puts(out, "EPSV") == 0;
}

bool feat_mff(const struct verb_state *st, struct buf *out)
{
	return st->conf->facts_advertise && buf_puts(out, "MFF modify;UNIX.group;UNIX.mode;") == 0;
}

bool feat_mfmt(const struct verb_state *st, struct buf *out)
{
	return st->conf->facts_advertise && buf_puts(out, "MFMT") == 0;
}

bool feat_mlst(const struct verb_state *st, struct buf *out)
{
	unsigned offered = verb_facts_offered(st->conf);

	if (!st->conf->facts_advertise || buf_puts(out, "MLST ") < 0)
		return false;
	for (unsigned i = 0; i < VERB_FACT_COUNT; i++)
		if ((offered & 1u << i) != 0 && buf_printf(out, "%s%s;", verb_fact_name[i],
							(st->facts & 1u << i) != 0 ? "*" : "") < 0)
			return false;
	return true;
}

bool feat_hash(const struct verb_state *st, struct buf *out)
{
	const char *separator = "HASH ";

	for (unsigned d = 0; d < FTP_DIGEST_COUNT; d++) {
		if (!ftp_digest_on(st->conf, d))
			continue;
		if (buf_printf(out, "%s%s%s", separator, ftp_digest_name(d), d == st->digest ? "*" : "") < 0)
			return false;
		separator = ";";
	}
	return *separator == ';';
}

static bool feat_digest(
	const struct verb_state *st, struct buf *out, enum ftp_digest digest, const char *verb)
{
	return ftp_digest_on(st->conf, digest) && buf_puts(out, verb) == 0;
}

bool feat_md5(const struct verb_state *st, struct buf *out)
{
	return feat_digest(st, out, FTP_DIGEST_MD5, "MD5");
}

bool feat_xcrc(const struct verb_state *st, struct buf *out)
{
	return feat_digest(st, out, FTP_DIGEST_CRC32, "XCRC");
}

bool feat_xmd5(const struct verb_state *st, struct buf *out)
{
	return feat_digest(st, out, FTP_DIGEST_MD5, "XMD5");
}

bool feat_xsha(const struct verb_state *st, struct buf *out)
{
	return feat_digest(st, out, FTP_DIGEST_SHA1, "XSHA");
}

bool feat_xsha1(const struct verb_state *st, struct buf *out)
{
	return feat_digest(st, out, FTP_DIGEST_SHA1, "XSHA1");
}

bool feat_xsha256(const struct verb_state *st, struct buf *out)
{
	return feat_digest(st, out, FTP_DIGEST_SHA256, "XSHA256");
}

bool feat_xsha512(const struct verb_state *st, struct buf *out)
{
	return feat_digest(st, out, FTP_DIGEST_SHA512, "XSHA512");
}

static int feat_rows(struct buf *out, const struct ftp_verb *v, const struct verb_state *st)
{
	struct buf line;
	int r = 0;

	buf_init(&line, FEAT_LINE_MAX);
	for (; v->name != NULL && r == 0; v++) {
		buf_clear(&line);
		if (!verb_offered(v, st->conf))
			continue;
		if (v->feat_fn != NULL ? v->feat_fn(st, &line) : v->feat != NULL)
			r = reply_line(out, "%s", v->feat_fn != NULL ? line.data : v->feat);
	}
	buf_done(&line);
	return r;
}

int verb_feat(struct buf *out, const struct verb_state *st)
{
	int r = reply_first(out, 211, "Features:");

	if (r == 0)
		r = feat_rows(out, ftp_verbs, st);
	if (r == 0)
		r = feat_rows(out, ftp_site_verbs, st);
	if (r == 0 && st->conf->facts_advertise) /* RFC 3659 6: promised for all path names */
		r = reply_line(out, "TVFS");
	return r == 0 ? reply(out, 211, "End") : r;
}

/* --- HELP --- */

static int help_table(struct buf *out, const struct ftp_verb *v, const struct ftp_conf *conf)
{
	char line[HELP_PER_LINE * 16];
	int r = 0;

	while (v->name != NULL && r == 0) {
		size_t used = 0, end = 0;

		for (unsigned i = 0; i < HELP_PER_LINE && v->name != NULL; v++) {
			bool missing = (v->flags & VERB_NOT_IMPLEMENTED) != 0;
			int n = snprintf(
				line + used, sizeof(line) - used, "%s%s", v->name, missing ? "*" : "");

			if (!verb_offered(v, conf))
				continue;
			i++;
			end = used + (size_t)n;
			used += (size_t)snprintf(
					line + end, sizeof(line) - end, "%*s", n < 8 ? 8 - n : 1, "") +
				(size_t)n;
		}
		r = reply_line(out, "%.*s", (int)end, line);
	}
	return r;
}

static int help_end(struct buf *out, const struct ftp_conf *conf)
{
	return reply(
		out, 214, "Direct comments to %s", conf->server_admin != NULL ? conf->server_admin : "root");
}

static int help_one(struct buf *out, const char *site, const struct ftp_verb *v)
{
	return reply(out, 214, "Syntax: %s%s%s%s", site, v->name, *v->usage != '\0' ? " " : "", v->usage);
}

int verb_site_help(struct buf *out, const char *arg, const struct ftp_conf *conf)
{
	const struct ftp_verb *v;
	int r;

	if (arg != NULL && *arg != '\0') {
		v = verb_find_site(arg, strlen(arg));
		if (v == NULL || !verb_offered(v, conf))
			return reply(out, 502, "Unknown command 'SITE %s'", arg);
		return help_one(out, "SITE ", v);
	}
	r = reply_first(out, 214, "The following SITE commands are recognized (* =>'s unimplemented):");
	if (r == 0)
		r = help_table(out, ftp_site_verbs, conf);
	return r == 0 ? help_end(out, conf) : r;
}

int verb_help(struct buf *out, const char *arg, const struct ftp_conf *conf)
{
	char name[LINE_VERB_MAX + 1];
	struct line_word word = {"", 0};
	const struct ftp_verb *v;
	size_t i;
	int r;

	if (arg != NULL && line_words(arg, &word, 1) > 0) {
		for (i = 0; i < word.len && i < LINE_VERB_MAX; i++)
			name[i] = ascii_upper(word.text[i]);
		name[i] = '\0';
		v = verb_find(name);
		if (v == NULL || word.len > LINE_VERB_MAX || !verb_offered(v, conf))
			return reply(out, 502, "Unknown command '%s'", arg);
		if (v->arg == VERB_ARG_SUB && str_eq(name, "SITE"))
			return verb_site_help(
				out, word.text + word.len + strspn(word.text + word.len, " "), conf);
		return help_one(out, "", v);
	}
	r = reply_first(out, 214, "The following commands are recognized (* =>'s unimplemented):");
	if (r == 0)
		r = help_table(out, ftp_verbs, conf);
	return r == 0 ? help_end(out, conf) : r;
}
