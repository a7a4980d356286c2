/* Between verb.c (the table) and verb_text.c (HELP and FEAT made from it). */
#ifndef FTP_VERB_PRIV_H
#define FTP_VERB_PRIV_H

#include "ftp/verb.h"

#define LIMIT_NAME_MAX 32 /* bytes of a SITE subcommand with its NUL */

/* feat_fn of rows whose FEAT line depends on the configuration. */
bool feat_epsv(const struct verb_state *st, struct buf *out);
bool feat_hash(const struct verb_state *st, struct buf *out);
bool feat_lang(const struct verb_state *st, struct buf *out);
bool feat_mode_z(const struct verb_state *st, struct buf *out);
bool feat_mff(const struct verb_state *st, struct buf *out);
bool feat_mfmt(const struct verb_state *st, struct buf *out);
bool feat_mlst(const struct verb_state *st, struct buf *out);
bool feat_site_copy(const struct verb_state *st, struct buf *out);
bool feat_utf8(const struct verb_state *st, struct buf *out);
bool feat_md5(const struct verb_state *st, struct buf *out);
bool feat_xcrc(const struct verb_state *st, struct buf *out);
bool feat_xmd5(const struct verb_state *st, struct buf *out);
bool feat_xsha(const struct verb_state *st, struct buf *out);
bool feat_xsha1(const struct verb_state *st, struct buf *out);
bool feat_xsha256(const struct verb_state *st, struct buf *out);
bool feat_xsha512(const struct verb_state *st, struct buf *out);

#endif
