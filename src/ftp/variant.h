/* Conditional sections (<IfClass>, <IfAuthenticated>, <IfGroup>, <IfUser>), and what a server is for those of whom
 * they hold.
 *
 * A load keeps these sections as layers of the parsed tree: they are in no scope. Who knows a client asks for its
 * *variant* of the server: the same scope tree, built again from the immutable tree with the layers that hold, each as
 * if its content stood at the end of the section around it, over what that section and <Global> say themselves.
 * Layers are laid in the order class, authenticated, group, user, those of one kind in file order:
 * of a single value the last counts; entries of lists, and <Limit>, of a later layer are asked first. A <Directory> of
 * a layer joins one with the same path.
 *
 * Moments: before login the subject is not authenticated and only <IfClass> can hold; login asks as soon as the class
 * is known, auth with user and groups before it decides on the account, master before it counts limits, the session
 * process when a session begins. All ask with the same subject, so they see the same values.
 */
#ifndef FTP_VARIANT_H
#define FTP_VARIANT_H

#include "ftp/conf.h"

/* The server as it is for who: base itself when no condition holds (or there is none). The result lives in arena a
 * and in the configuration. dirs: with <Directory> sections, which cost most; false for who only asks for values of the
 * server and its <Anonymous> and for their limits. base may itself be a variant. Any thread, with an arena of its own;
 * does not block. Dies without memory, as xmalloc(), and so a must have no maximum. */
const struct ftp_server *ftp_server_for(
	const struct ftp_server *base, const struct ftp_subject *who, bool dirs, struct arena *a);

/* The server as if all its conditional sections held, for who asks what it may say at all (its rates, its log files). It
 * belongs to the configuration; the server itself when it has no such section. */
const struct ftp_server *ftp_server_full(const struct ftp_server *server);
/* The server of the configuration that a variant was made of; itself when it is no variant. */
const struct ftp_server *ftp_server_base(const struct ftp_server *server);

/* The same with a memory: one variant for each set of conditions that held, until the end. For processes that see
 * many clients but few sets: login knows only classes, a session process only one user. One thread. */
struct ftp_variants;
struct ftp_variants *ftp_variants_new(void);
void ftp_variants_free(struct ftp_variants **vp); /* *vp NULL is fine */
/* v NULL: allowed when the server has no conditional section. */
const struct ftp_server *ftp_variants_get(
	struct ftp_variants *v, const struct ftp_server *base, const struct ftp_subject *who);

#endif
