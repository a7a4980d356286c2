/* From the parsed tree to scopes. Private to the loader. Functions that return int give 0 or -ENOMEM; what
 * is wrong with the configuration goes to the tree's parser, and the caller asks conf_errors() at the end. */
#ifndef FTP_BUILD_H
#define FTP_BUILD_H

#include "ftp/directives.h"

struct ftp_builder {
	struct ftp_loader *l; /* NULL: after the load, for a variant */
	const struct conf_tree *tree;
	struct ftp_config *cfg;
	struct arena *arena;
	bool quiet;       /* what is wrong has been said, or cannot be said any more */
	bool no_dirs;     /* leave <Directory> out */
	unsigned n_anons; /* <Anonymous> of the server so far, those of layers that do not hold included */
	const uint64_t *held;  /* bits of the conditions that hold; NULL: none */
	unsigned n_conditions; /* so far */
};

/* What the load makes of a section, once: conf_section.made. */
struct ftp_made {
	const char *path;                /* <Directory>, <Anonymous>; NULL: unusable, which was said */
	const struct ftp_limit *limit;   /* <Limit>; NULL: it names no command */
	struct ftp_condition *condition; /* of a layer */
};

/* The condition of a layer. */
enum { FTP_IF_CLASS, FTP_IF_AUTHENTICATED, FTP_IF_GROUP, FTP_IF_USER, FTP_IF_COUNT }; /* order of layers */
struct ftp_condition {
	int kind;
	unsigned bit;
	const struct ftp_condition *outer; /* of the layer around, which must hold too; NULL: none */
	const struct ftp_expr *expr;       /* not of FTP_IF_AUTHENTICATED */
};

/* What a server with layers keeps, to build its variants. */
struct ftp_conditional {
	const struct ftp_server *base;
	const struct ftp_server *full; /* with all of them */
	const struct conf_tree *tree;
	const struct conf_section *section; /* the server's own */
	struct ftp_config *cfg;
	const struct ftp_condition *
		*list; /* those of the server and of <Global>, outer ones before inner ones */
	unsigned n, n_bits;
};
extern const struct conf_layer ftp_layers[];

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
/* All <Directory> of parent: of its own section and, for servers, of <Global> (may be NULL), and of their layers. */
int ftp_build_dirs(struct ftp_builder *b, const struct conf_section *own, const struct conf_section *global,
	struct ftp_scope *parent);
/* The <Anonymous> of s (may be NULL), or those of its layers, appended at *tail. */
int ftp_build_anons(struct ftp_builder *b, const struct conf_section *s, bool in_layers,
	struct ftp_scope *parent, struct ftp_scope ***tail);
/* Make the <Limit> sections of s; link those that were made, appended at *tail, which belongs to scope. */
int ftp_make_limits(const struct conf_tree *tree, struct arena *a, struct conf_section *s);
int ftp_build_limits(struct arena *a, const struct conf_section *s, struct ftp_limit ***tail);

/* The sections that make one scope, each over the one before. */
struct ftp_part {
	const struct conf_section *s;
	unsigned level;
	bool anon;
};
struct ftp_parts {
	struct ftp_part *v;
	unsigned n, max;
};
/* Append own over global (either may be NULL), and over them the layers of both that hold. */
int ftp_parts_add(struct ftp_builder *b, struct ftp_parts *p, const struct conf_section *own,
	const struct conf_section *global, unsigned level, bool anon);
/* Values and limits of a scope whose conf holds what it inherits. */
int ftp_parts_fill(struct ftp_builder *b, const struct ftp_parts *p, struct ftp_scope *sc);
/* The layers of own and global that hold, in order: in the arena, *ret_n of them. NULL without memory. */
const struct conf_section **ftp_layers_held(struct ftp_builder *b, const struct conf_section *own,
	const struct conf_section *global, unsigned *ret_n);
static inline const struct ftp_made *ftp_made(const struct conf_section *s)
{
	return s->made;
}
/* Does the layer itself hold? */
bool ftp_layer_holds(const struct ftp_builder *b, const struct conf_section *s);

/* Paths, limits and conditions of s and all that is in it. */
int ftp_make_sections(struct ftp_builder *b, struct conf_section *s);
/* Path of an <Anonymous> or <Directory>; anon_root: of the <Anonymous> around it, else NULL. NULL after a reported
 * error or without memory. */
const char *ftp_section_path(struct ftp_builder *b, const struct conf_section *s, const char *anon_root);
/* Keep what the variants of a server need, and say what is wrong in them; nothing to do for one without layers. */
int ftp_build_conditional(struct ftp_builder *b, struct ftp_server *srv, const struct conf_section *s);
/* Scopes of a server, its own fields being there. */
int ftp_build_server_scope(struct ftp_builder *b, struct ftp_server *srv, const struct conf_section *s);
/* Directives in layers that are read before the layer is decided. */
void ftp_layers_check(struct ftp_builder *b, const struct conf_section *s);
/* Those read at the start (list 0) and before login (list 1), NULL-terminated, for tests. */
const char *const *ftp_layer_late_names(unsigned list);
/* Overwrite the hashes in all layers. */
void ftp_layers_wipe(const struct ftp_server *s);

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
