/* Texts and small decisions that the login process and the session process share: messages with variables,
 * the banner, languages, and which <Anonymous> a login name belongs to.
 */
#ifndef FTP_TEXT_H
#define FTP_TEXT_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/buf.h"
#include "ftp/conf.h"

#define TEXT_PRODUCT "Wherry"

struct text_vars { /* all borrowed, NULL = "" */
	const char *user;
	unsigned max;
};

/* Append fmt with %m (the limit), %u (the user) and %% replaced; other % stay as they are. 0 or buf's
 * error. */
int text_expand(struct buf *out, const char *fmt, const struct text_vars *vars);

/* The text of the 220 greeting after its code: ServerIdent, and DeferWelcome that hides the
 * name. local: the address the client reached. Appends to out; 0 or buf's error. */
int text_banner(struct buf *out, const struct ftp_server *server, const struct addr *local);

/* LANG (RFC 2640 4): is the language tag one we speak? Texts exist in English only. */
bool text_lang_known(const char *tag);
#define TEXT_LANG_DEFAULT "en-US"

/* The <Anonymous> that a login name belongs to: one whose User is that name, or the name that an alias of
 * that section or of the server stands for (UserAlias; "*" stands for any). Sections whose user is root
 * count only with RootLogin on. AuthAliasOnly asks for an alias.
 *   name       as the client sent it
 *   ret_index  number of the section, from 1 (ipc_grant.anon); may be NULL
 *   ret_user   the real name, borrowed from the configuration; may be NULL
 * Returns the scope, or NULL: not anonymous. */
const struct ftp_scope *ftp_anon_find(
	const struct ftp_server *server, const char *name, unsigned *ret_index, const char **ret_user);
/* The real name for a login name outside <Anonymous>: what the server's UserAlias says, else name itself.
 * NULL when AuthAliasOnly is on and it is no alias. */
const char *ftp_alias_resolve(const struct ftp_conf *conf, const char *name);

#endif
