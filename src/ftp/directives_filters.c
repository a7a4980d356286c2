/* Directives about what clients may say and see: filters of arguments and names, and hiding. */
#include "ftp/directives.h"

#include "base/alloc.h"
#include "base/str.h"

/* --- parse functions --- */

static int filter_parse(struct conf_call *c, struct ftp_filter *f)
{
	f->file = c->pos.file;
	f->line = c->pos.line;
	return ftp_pattern_compile(
		c->arena, c->args[0], c->n_args > 1 ? c->args[1] : NULL, &f->pattern, c->err);
}

static int allow_filter(struct conf_call *c, void *dst)
{
	return filter_parse(c, &((struct ftp_conf *)dst)->arg_allow);
}

static int deny_filter(struct conf_call *c, void *dst)
{
	return filter_parse(c, &((struct ftp_conf *)dst)->arg_deny);
}

/* "none" takes back what was inherited. */
static int path_filter(struct conf_call *c, struct ftp_filter *f)
{
	if (c->n_args == 1 && str_eq_nocase(c->args[0], "none")) {
		*f = (struct ftp_filter){0};
		return 0;
	}
	return filter_parse(c, f);
}

static int path_allow_filter(struct conf_call *c, void *dst)
{
	return path_filter(c, &((struct ftp_conf *)dst)->path_allow);
}

static int path_deny_filter(struct conf_call *c, void *dst)
{
	return path_filter(c, &((struct ftp_conf *)dst)->path_deny);
}

static int hide_files(struct conf_call *c, void *dst)
{
	struct ftp_hide_files *h = dst;
	int r = 0;

	if (!str_eq_nocase(c->args[0], "none"))
		r = ftp_pattern_compile(c->arena, c->args[0], NULL, &h->pattern, c->err);
	if (r == 0 && c->n_args > 1)
		r = ftp_call_selector(c, 1, true, &h->who);
	return r;
}

static int hide_name(struct conf_call *c, void *dst)
{
	struct ftp_hide_name *h = dst;

	h->negate = c->args[0][0] == '!';
	h->name = c->args[0] + h->negate;
	if (h->name[0] == '\0')
		return err_set(c->err, WE_CONFIG, "'!' without a name");
	return c->n_args > 1 ? ftp_call_selector(c, 1, true, &h->who) : 0;
}

/* --- rows --- */

static const struct conf_row rows[] = {
	{.name = "AllowFilter",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, arg_allow, struct ftp_filter),
		.parse = allow_filter,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D_F,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "[!]<regex> [nocase]",
		.doc = "Arguments of commands must match, else the command is refused. A password is no "
		       "argument."},
	{.name = "DenyFilter",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, arg_deny, struct ftp_filter),
		.parse = deny_filter,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D_F,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "[!]<regex> [nocase]",
		.doc = "Commands with arguments that match are refused. A password is no argument."},
	{.name = "HideFiles",
		CONF_LIST(struct ftp_conf, hide_files, struct ftp_hide_files),
		.parse = hide_files,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = CONF_D | CONF_F,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "[!]<regex>|none [user|group|class <expression>]",
		.doc = "Names that match are left out of listings. The lines of the innermost section that "
		       "has "
		       "one for the session count; none takes back those of sections further out."},
	{.name = "HideGroup",
		CONF_LIST(struct ftp_conf, hide_groups, struct ftp_hide_name),
		.parse = hide_name,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = CONF_A | CONF_D | CONF_F,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "[!]<group>|~ [user|group|class <expression>]",
		.doc = "Files of the group are left out of listings; with !: files of all other groups. ~ is "
		       "the "
		       "session's own group."},
	{.name = "HideNoAccess",
		CONF_BOOL(struct ftp_conf, hide_no_access),
		.scope = CONF_A | CONF_D | CONF_F,
		.module = "mod_core.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "on: files that the user may not read and directories that it may not enter are left "
		       "out "
		       "of listings."},
	{.name = "HideUser",
		CONF_LIST(struct ftp_conf, hide_users, struct ftp_hide_name),
		.parse = hide_name,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = CONF_A | CONF_D | CONF_F,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "[!]<user>|~ [user|group|class <expression>]",
		.doc = "Files of the user are left out of listings; with !: files of all others. ~ is the "
		       "session's own user."},
	{.name = "PathAllowFilter",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, path_allow, struct ftp_filter),
		.parse = path_allow_filter,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D_F,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "[!]<regex>|none [nocase]",
		.doc = "Full paths of what clients store, create, rename, copy or delete must match."},
	{.name = "PathDenyFilter",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, path_deny, struct ftp_filter),
		.parse = path_deny_filter,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D_F,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "[!]<regex>|none [nocase]",
		.doc = "Full paths of what clients store, create, rename, copy or delete must not match."},
};

const struct conf_table ftp_table_filters = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
