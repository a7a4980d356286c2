#include "ftp/param.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/reply.h"
#include "ftp/text.h"

#define ECHO_MAX 256 /* bytes of a refused line that are echoed */

int param_not_understood(struct buf *out, unsigned code, const struct line_cmd *cmd)
{
	size_t n = cmd->raw_len < ECHO_MAX ? cmd->raw_len : ECHO_MAX;

	return reply(out, code, "'%.*s' not understood", (int)n, cmd->raw);
}

/* 1 ASCII, 0 binary, -1 a type we do not have. */
static int type_of(const struct line_word *w, unsigned n)
{
	if (line_word_is(&w[0], "A") && (n == 1 || line_word_is(&w[1], "N")))
		return 1;
	if (line_word_is(&w[0], "I") && n == 1)
		return 0;
	if (line_word_is(&w[0], "L") && n == 2 && line_word_is(&w[1], "8"))
		return 0;
	if (line_word_is(&w[0], "L") && n == 2 && line_word_is(&w[1], "7"))
		return 1;
	return -1;
}

/* What devices send that were made for one server: words for letters, and a format where none belongs. */
static int type_by_word(const struct line_word *w)
{
	static const char *const ascii[] = {"A", "ASCII", "TEXT"}, *const binary[] = {
									   "I", "IMAGE", "BINARY", "BIN"};

	for (size_t i = 0; i < ARRAY_LEN(ascii); i++)
		if (line_word_is(w, ascii[i]))
			return 1;
	for (size_t i = 0; i < ARRAY_LEN(binary); i++)
		if (line_word_is(w, binary[i]))
			return 0;
	return -1;
}

int param_type(struct buf *out, const struct line_cmd *cmd, bool words, bool *ascii)
{
	struct line_word w[2];
	unsigned n = line_words(cmd->arg, w, 2);
	int type = words && n >= 1 ? type_by_word(&w[0]) : -1;

	if (type >= 0) {
		*ascii = type == 1;
		return reply(out, 200, "Type set to %s", type == 1 ? "A" : "I");
	}
	if (n < 1 || n > 2)
		return param_not_understood(out, 500, cmd);
	type = type_of(w, n);
	if (type < 0)
		return reply(out, 504, "TYPE not implemented for '%s' parameter", cmd->arg);
	*ascii = type == 1;
	return reply(out, 200, "Type set to %.*s", (int)w[0].len, w[0].text);
}

int param_lang(struct buf *out, const struct line_cmd *cmd, const struct ftp_conf *conf)
{
	struct line_word w;
	unsigned n = line_words(cmd->arg, &w, 1);
	char tag[32];

	if (!conf->lang_engine)
		return reply_unknown(out, cmd);
	if (n == 0)
		return reply(out, 200, "Using default language " TEXT_LANG_DEFAULT);
	if (n > 1)
		return reply(out, 501, "Invalid number of parameters");
	if (w.len < sizeof(tag)) {
		memcpy(tag, w.text, w.len);
		tag[w.len] = '\0';
		if (text_lang_known(tag))
			return reply(out, 200, "Using language %s", tag);
	}
	return reply(out, 504, "Language %.*s not supported", (int)w.len, w.text);
}

const char *param_utf8_args(const struct line_cmd *cmd)
{
	struct line_word w;

	if (line_words(cmd->arg, &w, 1) == 0 || (!line_word_is(&w, "UTF8") && !line_word_is(&w, "UTF-8")))
		return NULL;
	return w.text + w.len + strspn(w.text + w.len, " ");
}

bool param_utf8_offered(const struct ftp_conf *conf)
{
	if (!conf->lang_engine || conf->encoding == FTP_ENCODING_OFF)
		return false;
	if (conf->encoding < FTP_ENCODING_PAIR || conf->encoding_utf8)
		return true;
	return conf->encoding == FTP_ENCODING_PAIR && !(conf->lang_options & FTP_LANG_PREFER_SERVER);
}

/* Does the configuration leave the client nothing but UTF-8? */
static bool param_utf8_always(const struct ftp_conf *conf)
{
	return conf->encoding == FTP_ENCODING_ON || conf->encoding_utf8;
}

int param_utf8(struct buf *out, const struct line_cmd *cmd, const char *args, const struct ftp_conf *conf,
	bool *utf8_on)
{
	struct line_word w;
	bool on;

	if (!conf->lang_engine || line_words(args, &w, 1) != 1)
		return param_not_understood(out, 501, cmd);
	on = line_word_is(&w, "ON") ||
	     line_word_is(&w, "NLST"); /* NLST: an early draft's form, which asks for UTF-8 too */
	if (!on && !line_word_is(&w, "OFF"))
		return param_not_understood(out, 501, cmd);
	if (on ? !param_utf8_offered(conf) : param_utf8_always(conf))
		return reply(out, 451, "Unable to accept OPTS UTF8");
	*utf8_on = on;
	return reply(out, 200, "UTF8 set to %s", on ? "on" : "off");
}

int param_pbsz(struct buf *out, const struct line_cmd *cmd, bool secure)
{
	struct line_word w;
	uint64_t n;

	if (!secure)
		return reply(out, 503, "PBSZ not allowed on insecure control connection");
	if (line_words(cmd->arg, &w, 1) != 1)
		return reply(out, 501, "Invalid number of parameters");
	if (!line_word_number(&w, UINT64_MAX, &n))
		return reply(out, 501, "PBSZ: '%.*s' is not a number",
			(int)(w.len < ECHO_MAX ? w.len : ECHO_MAX), w.text);
	return n == 0 ? reply(out, 200, "PBSZ 0 successful") : reply(out, 200, "PBSZ=0 successful");
}

bool param_auth_mech(const char *mech, bool *ret_private)
{
	*ret_private = str_eq_nocase(mech, "SSL") || str_eq_nocase(mech, "TLS-P");
	return *ret_private || str_eq_nocase(mech, "TLS") || str_eq_nocase(mech, "TLS-C");
}

int param_prot(
	struct buf *out, const struct line_cmd *cmd, bool secure, enum tls_data_need need, bool *prot_private)
{
	struct line_word w;

	if (line_words(cmd->arg, &w, 1) != 1)
		return reply(out, 501, "Invalid number of parameters");
	if (!secure)
		return reply(out, 503, "PROT not allowed on insecure control connection");
	if (line_word_is(&w, "C") || line_word_is(&w, "P")) {
		bool private = line_word_is(&w, "P");

		if (need == (private ? TLS_DATA_FORBIDDEN : TLS_DATA_REQUIRED))
			return reply(out, 534, "Unwilling to accept security parameters");
		*prot_private = private;
		return reply(out, 200, "Protection set to %s", private ? "Private" : "Clear");
	}
	return reply(out, line_word_is(&w, "S") || line_word_is(&w, "E") ? 536 : 504, "PROT %.*s unsupported",
		(int)(w.len < ECHO_MAX ? w.len : ECHO_MAX), w.text);
}
