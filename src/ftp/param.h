/* Commands that set a parameter of the session and mean the same before and after login. Each reads its
 * argument, appends the reply and changes the value only when it answered 200. Returns 0 or the error of
 * reply().
 */
#ifndef FTP_PARAM_H
#define FTP_PARAM_H

#include <stdbool.h>

#include "base/buf.h"
#include "ftp/conf.h"
#include "ftp/line.h"

/* TYPE (RFC 959 3.1.1): A, A N and L 7 are ASCII; I and L 8 are binary. */
int param_type(struct buf *out, const struct line_cmd *cmd, bool words, bool *ascii);

/* LANG (RFC 2640 4). There is one language, so nothing changes. 500 where LangEngine is off. */
int param_lang(struct buf *out, const struct line_cmd *cmd, const struct ftp_conf *conf);

/* OPTS UTF8 [ON|OFF] (also UTF-8; draft-ietf-ftpext-utf-8-option). args: what follows the word UTF8, ""
 * when nothing does. utf8_on: names are converted to and from UTF-8, not the client's charset of UseEncoding. 451
 * where the configuration leaves no choice. */
int param_utf8(struct buf *out, const struct line_cmd *cmd, const char *args, const struct ftp_conf *conf,
	bool *utf8_on);
/* May a client have UTF-8, so that FEAT tells of it? */
bool param_utf8_offered(const struct ftp_conf *conf);
/* Is it `OPTS UTF8` (or UTF-8)? Then what follows the word, else NULL. */
const char *param_utf8_args(const struct line_cmd *cmd);

/* The mechanism of AUTH, of which only TLS is known under several names; *ret_private: data connections begin as after PROT
 * P. False: another one. */
bool param_auth_mech(const char *mech, bool *ret_private);
/* PBSZ (RFC 4217 9). secure: the control connection has, or before CCC had, TLS. */
int param_pbsz(struct buf *out, const struct line_cmd *cmd, bool secure);
/* PROT (RFC 4217 9): C or P for later data connections, as far as TLSRequired lets it be. need: of the scope in
 * force. */
int param_prot(struct buf *out, const struct line_cmd *cmd, bool secure, enum tls_data_need need,
	bool *prot_private);

/* "500 '<line>' not understood", for a wrong number of arguments, and "501 '<line>' not understood" for
 * OPTS. */
int param_not_understood(struct buf *out, unsigned code, const struct line_cmd *cmd);

#endif
