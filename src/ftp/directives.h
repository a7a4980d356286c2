/* The directives' tables and what their parse functions share. Private to the loader (conf.c, conf_build.c,
 * directives_*.c). */
#ifndef FTP_DIRECTIVES_H
#define FTP_DIRECTIVES_H

#include "ftp/acl.h"
#include "ftp/conf.h"
#include "ftp/expr.h"

enum {                    /* stores: see conf_language.store_size */
	FTP_STORE_CONF,   /* struct ftp_conf */
	FTP_STORE_OWN,    /* struct ftp_own: what a section says about itself and nobody inherits */
	FTP_STORE_DAEMON, /* struct ftp_config */
	FTP_STORE_BODY    /* struct ftp_body: of <Limit> and <Class> */
};

struct ftp_name { /* ServerAlias, DefaultAddress */
	struct ftp_item item;
	const char *name;
};

struct ftp_own {
	enum ftp_tristate access_all; /* AllowAll, DenyAll */
	struct conf_pos access_pos;   /* of what decided that */
	bool is_default;              /* DefaultServer */
	struct ftp_name *aliases, *addresses;
};

struct ftp_from { /* From */
	struct ftp_item item;
	const struct ftp_acl *acl;
};

struct ftp_body {
	struct ftp_limit limit;
	bool satisfy_all;
	struct ftp_from *from;
};

/* One load. Found in conf_call.arg. */
struct ftp_loader {
	const struct ftp_config_options *opt;
	struct ftp_report *report; /* may be NULL */
	const struct log_ctx *ctx; /* .ftpaccess: where its warnings go */
	struct arena *arena;
	struct ftp_logfile *logfiles, **logfiles_end;
	unsigned n_logfiles;
	struct ftp_env *env;        /* SetEnv so far, newest first, for %{env:NAME} */
	struct ftp_live_name *live; /* names that are looked up again */
	struct ftp_live_pool *live_pool;
	unsigned n_live;
	/* RewriteConditions of the section that wait for their rule */
	const struct conf_section *rewrite_section;
	const struct ftp_rewrite_cond *rewrite_conds[FTP_REWRITE_CONDS];
	unsigned n_rewrite_conds;
	bool access; /* .ftpaccess: nothing may be opened, nothing is kept outside the arena */
};

extern const struct conf_language ftp_language;
extern const struct conf_table ftp_table_daemon, ftp_table_server, ftp_table_auth, ftp_table_limits,
	ftp_table_files, ftp_table_filters, ftp_table_lists, ftp_table_logs, ftp_table_noeffect,
	ftp_table_own, ftp_table_body, ftp_table_digest, ftp_table_mmap, ftp_table_tls, ftp_table_tls_daemon,
	ftp_table_foreign, ftp_table_system, ftp_table_ban, ftp_table_controls, ftp_table_wrap,
	ftp_table_rewrite;
/* Generated from known_directives.tsv. */
extern const struct conf_known ftp_known[];
/* Modules that <IfModule> finds. */
extern const char *const ftp_modules[];

/* The log file of a word, which must be an absolute path; one struct for all who name it. 0, or c->err is set. */
int ftp_call_logfile(struct conf_call *c, const char *path, struct ftp_logfile **ret_lf);
/* The same for the only word, which may be "none": NULL then. */
int ftp_call_logfile_or_none(struct conf_call *c, struct ftp_logfile **ret_lf);
/* Expression of words as ftp_expr_compile(), owned by the load. */
int ftp_call_expr(struct conf_call *c, enum ftp_expr_kind kind, char *const *words, unsigned n,
	const struct ftp_expr **ret_expr);
/* Addresses of a literal, interface or host name; at most max. How many, or -errno. */
int ftp_resolve(struct ftp_loader *l, const char *name, struct addr *ret_addrs, unsigned max);
/* The same for a name that is no address, outside of a load. */
int ftp_resolve_name(const char *name, int family, struct addr *ret_addrs, unsigned max);
/* The slot of a name; NULL with err set. */
const struct ftp_live *ftp_live_slot(struct ftp_loader *l, const char *name, struct err *err);
/* Address to tell clients instead of the local one, by args[0]. At a reload a name that does not resolve keeps the address it had.
 * ret_live: its slot, NULL for an address. */
int ftp_call_masquerade(
	struct conf_call *c, const char **ret_name, struct addr *ret_a, const struct ftp_live **ret_live);
/* words from..n joined by blanks, in the arena; NULL without memory. */
const char *ftp_call_joined(struct conf_call *c, unsigned from);
/* RETR,STOR,... to FTP_XFER_ bits. */
int ftp_call_xfer_commands(struct conf_call *c, const char *list, unsigned *ret_bits);
/* "user|group|class expression" at args[from]. any: group lists are OR lists here. */
int ftp_call_selector(struct conf_call *c, unsigned from, bool any, struct ftp_selector *ret_sel);

/* Contexts: where a row may stand. */
#define S_V         (CONF_S | CONF_V)
#define S_V_G       (S_V | CONF_G)
#define S_V_G_A     (S_V_G | CONF_A)
#define S_V_G_A_D   (S_V_G_A | CONF_D)
#define S_V_G_A_D_F (S_V_G_A_D | CONF_F)

#endif
