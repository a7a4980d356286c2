/* From the parsed tree to scopes. Private to the loader. Functions that return int give 0 or -ENOMEM; what
 * is wrong with the configuration goes to the tree's parser, and the caller asks conf_errors() at the end. */
#ifndef FTP_BUILD_H
#define FTP_BUILD_H

#include "ftp/directives.h"

struct ftp_builder {
	struct ftp_loader *l;
	const struct conf_tree *tree;
	struct ftp_config *cfg;
	struct arena *arena;
};

static inline struct conf_pos ftp_section_pos(const struct conf_section *s)
{
	return (struct conf_pos){s->file, s->line};
}

/* Fill *cfg (already merged, in l->arena) from tree: servers, scopes, classes, log files. */
int ftp_build(struct ftp_loader *l, const struct conf_tree *tree, struct ftp_config *cfg);

/* An empty scope for s; NULL without memory. */
struct ftp_scope *ftp_build_scope_new(
	struct ftp_builder *b, enum conf_kind kind, const struct conf_section *s, struct ftp_scope *parent);
/* Lay the values of s over those that the scope has. level: of list entries; anon: s is an <Anonymous>. */
int ftp_build_scope_layer(
	struct ftp_builder *b, struct ftp_scope *sc, const struct conf_section *s, unsigned level, bool anon);
/* All <Directory> of parent: of its own section and, for servers, of <Global> (may be NULL). */
int ftp_build_dirs(struct ftp_builder *b, const struct conf_section *own, const struct conf_section *global,
	struct ftp_scope *parent);
/* The <Anonymous> among list, appended at *tail. */
int ftp_build_anons(struct ftp_builder *b, const struct conf_section *list, struct ftp_scope *parent,
	struct ftp_scope ***tail);
/* The <Limit> sections of s, appended at *tail, which belongs to scope. */
int ftp_build_limits(const struct conf_tree *tree, struct arena *a, const struct conf_section *s,
	struct ftp_limit ***tail);

/* The list of what master maps: cfg->preloads. */
int ftp_build_preloads(struct ftp_loader *l, const struct conf_tree *tree, struct ftp_config *cfg);

/* Read the certificates of all servers with TLS, and free them. Forks, to open keys. */
void ftp_build_tls(struct ftp_loader *l, const struct conf_tree *tree, struct ftp_config *cfg);
void ftp_build_tls_free(struct ftp_config *cfg);

/* Things that only look: users, files, logs (-t). */
void ftp_check(struct ftp_loader *l, const struct conf_tree *tree, const struct ftp_config *cfg);
/* AuthFileOptions SyntaxCheck, at every load. */
void ftp_check_authfiles(struct ftp_loader *l, const struct conf_tree *tree, const struct ftp_config *cfg);

#endif
