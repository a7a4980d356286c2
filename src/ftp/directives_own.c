/* Directives of one section that no other section inherits: names and addresses of a server, AllowAll and
 * DenyAll of a directory, and the bodies of <Limit> and <Class>. */
#include "ftp/directives.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* --- parse functions --- */

static int own_allow_all(struct conf_call *c, void *dst)
{
	struct ftp_own *own = dst;

	if (own->access_all != FTP_ON)
		own->access_pos = c->pos;
	own->access_all = FTP_ON;
	return 0;
}

/* AllowAll in the same scope wins. */
static int own_deny_all(struct conf_call *c, void *dst)
{
	struct ftp_own *own = dst;

	if (own->access_all == FTP_UNSET) {
		own->access_all = FTP_OFF;
		own->access_pos = c->pos;
	}
	return 0;
}

static int name_item(struct conf_call *c, void *dst)
{
	((struct ftp_name *)dst)->name = c->args[0];
	return 0;
}

/* A list directive whose line has several names: all but the last become items here, the engine adds the
 * last. */
static int name_items(struct conf_call *c, void *dst)
{
	struct ftp_own *own = c->section->store[FTP_STORE_OWN];
	struct ftp_name **tail = (struct ftp_name **)((char *)own + c->row->field.offset);

	while (*tail != NULL)
		tail = (struct ftp_name **)&(*tail)->item.next;
	for (unsigned i = 0; i + 1 < c->n_args; i++) {
		struct ftp_name *n = arena_alloc(c->arena, sizeof(*n));

		if (n == NULL)
			return err_set(c->err, ENOMEM, "out of memory");
		n->item.file = c->pos.file;
		n->item.line = c->pos.line;
		n->name = c->args[i];
		*tail = n;
		tail = (struct ftp_name **)&n->item.next;
	}
	c->args += c->n_args - 1;
	return name_item(c, dst);
}

static int limit_order(struct conf_call *c, void *dst)
{
	struct ftp_body *body = dst;
	const char *text = ftp_call_joined(c, 0);
	char word[40];
	size_t n = 0;

	if (text == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	for (; *text != '\0' && n + 1 < sizeof(word); text++) {
		if (*text != ' ')
			word[n++] = *text;
	}
	word[n] = '\0';
	body->limit.deny_first = str_eq_nocase(word, "deny,allow");
	if (!body->limit.deny_first && !str_eq_nocase(word, "allow,deny"))
		return err_set(
			c->err, WE_CONFIG, "unknown order '%.60s', expected allow,deny or deny,allow", word);
	return 0;
}

static int rule_add(struct conf_call *c, void *dst, const struct ftp_limit_rule *rule)
{
	struct ftp_limit_rule **tail = &((struct ftp_body *)dst)->limit.rules, *r;

	r = arena_alloc(c->arena, sizeof(*r));
	if (r == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	*r = *rule;
	r->file = c->pos.file;
	r->line = c->pos.line;
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = r;
	return 0;
}

static int rule_address(struct conf_call *c, void *dst, enum ftp_rule_kind kind)
{
	struct ftp_limit_rule rule = {.kind = kind};
	struct ftp_acl *acl;
	int r = ftp_acl_compile(c->arena, c->args, c->n_args, &acl, c->err);

	rule.acl = acl;
	return r < 0 ? r : rule_add(c, dst, &rule);
}

static int rule_expr(struct conf_call *c, void *dst, enum ftp_rule_kind kind, enum ftp_expr_kind expr_kind)
{
	struct ftp_limit_rule rule = {.kind = kind};
	int r = ftp_call_expr(c, expr_kind, c->args, c->n_args, &rule.expr);

	return r < 0 ? r : rule_add(c, dst, &rule);
}

static int limit_allow(struct conf_call *c, void *dst)
{
	return rule_address(c, dst, FTP_ALLOW_ADDR);
}

static int limit_deny(struct conf_call *c, void *dst)
{
	return rule_address(c, dst, FTP_DENY_ADDR);
}

static int limit_allow_all(struct conf_call *c, void *dst)
{
	return rule_add(c, dst, &(struct ftp_limit_rule){.kind = FTP_ALLOW_ALL});
}

static int limit_deny_all(struct conf_call *c, void *dst)
{
	return rule_add(c, dst, &(struct ftp_limit_rule){.kind = FTP_DENY_ALL});
}

static int limit_allow_user(struct conf_call *c, void *dst)
{
	return rule_expr(c, dst, FTP_ALLOW_USER, FTP_EXPR_USER);
}

static int limit_allow_group(struct conf_call *c, void *dst)
{
	return rule_expr(c, dst, FTP_ALLOW_GROUP, FTP_EXPR_GROUP);
}

static int limit_allow_class(struct conf_call *c, void *dst)
{
	return rule_expr(c, dst, FTP_ALLOW_CLASS, FTP_EXPR_CLASS);
}

static int limit_deny_user(struct conf_call *c, void *dst)
{
	return rule_expr(c, dst, FTP_DENY_USER, FTP_EXPR_USER);
}

static int limit_deny_group(struct conf_call *c, void *dst)
{
	return rule_expr(c, dst, FTP_DENY_GROUP, FTP_EXPR_GROUP);
}

static int limit_deny_class(struct conf_call *c, void *dst)
{
	return rule_expr(c, dst, FTP_DENY_CLASS, FTP_EXPR_CLASS);
}

static int rule_filter(struct conf_call *c, void *dst, enum ftp_rule_kind kind)
{
	struct ftp_limit_rule rule = {.kind = kind};
	int r = ftp_pattern_compile(
		c->arena, c->args[0], c->n_args > 1 ? c->args[1] : NULL, &rule.pattern, c->err);

	return r < 0 ? r : rule_add(c, dst, &rule);
}

static int limit_allow_filter(struct conf_call *c, void *dst)
{
	return rule_filter(c, dst, FTP_ALLOW_FILTER);
}

static int limit_deny_filter(struct conf_call *c, void *dst)
{
	return rule_filter(c, dst, FTP_DENY_FILTER);
}

static int limit_ignore_hidden(struct conf_call *c, void *dst)
{
	if (conf_bool(c->args[0], &((struct ftp_body *)dst)->limit.ignore_hidden) < 0)
		return err_set(c->err, WE_CONFIG, "expected Boolean parameter");
	return 0;
}

static int class_from(struct conf_call *c, void *dst)
{
	struct ftp_acl *acl;
	int r = ftp_acl_compile(c->arena, c->args, c->n_args, &acl, c->err);

	if (r == 0)
		((struct ftp_from *)dst)->acl = acl;
	return r;
}

static int class_satisfy(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"any", 0}, {"all", 1}, {NULL, 0}};
	int v, r = conf_word_value(words, c->args[0], &v, c->err);

	if (r == 0)
		((struct ftp_body *)dst)->satisfy_all = v;
	return r;
}

/* --- rows --- */

static const struct conf_row own_rows[] = {
	{.name = "AllowAll",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_own, access_all, enum ftp_tristate),
		.parse = own_allow_all,
		.flags = CONF_REPEATABLE,
		.scope = CONF_A | CONF_D | CONF_F,
		.module = "mod_core.c",
		.syntax = "",
		.doc = "Allows everything in the directory; takes back a DenyAll further out."},
	{.name = "DefaultAddress",
		CONF_LIST(struct ftp_own, addresses, struct ftp_name),
		.parse = name_items,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = CONF_S,
		.module = "mod_core.c",
		.dflt_text = "all addresses; with SocketBindTight those of the host's name",
		.syntax = "<address>|<host name>|<interface> ...",
		.doc = "Addresses of the main server."},
	{.name = "DefaultServer",
		CONF_BOOL(struct ftp_own, is_default),
		.scope = S_V,
		.module = "mod_core.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "on: the server takes connections to addresses that no other server has, at the ports "
		       "of all servers (but see SocketBindTight). One server only."},
	{.name = "DenyAll",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_own, access_all, enum ftp_tristate),
		.parse = own_deny_all,
		.flags = CONF_REPEATABLE,
		.scope = CONF_A | CONF_D | CONF_F,
		.module = "mod_core.c",
		.syntax = "",
		.doc = "Denies everything in the directory, unless the same section says AllowAll."},
	{.name = "ServerAlias",
		CONF_LIST(struct ftp_own, aliases, struct ftp_name),
		.parse = name_items,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V,
		.module = "mod_core.c",
		.syntax = "<name or pattern> ...",
		.doc = "Names by which clients may ask for the server (HOST) among those with the same "
		       "address and port."},
};

#define EXPR_ROW(fn)                                                                                         \
	.type = CONF_T_CUSTOM, .parse = fn, .min_args = 1, .max_args = CONF_ARGS_ANY,                        \
	.flags = CONF_REPEATABLE, .scope = CONF_L, .module = "mod_core.c", .syntax = "[AND|OR|regex] <list>"

#define FILTER_ROW(fn)                                                                                       \
	.type = CONF_T_CUSTOM, .parse = fn, .min_args = 1, .max_args = 2, .flags = CONF_REPEATABLE,          \
	.scope = CONF_L, .module = "mod_core.c", .syntax = "[!]<regex> [nocase]"

static const struct conf_row body_rows[] = {
	{.name = "Allow",
		.type = CONF_T_CUSTOM,
		.parse = limit_allow,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.flags = CONF_REPEATABLE,
		.scope = CONF_L,
		.module = "mod_core.c",
		.syntax = "[from] <item> ...",
		.doc = "Allows by address. Items are separated by blanks or commas: all, none, an address, "
		       "the beginning of one "
		       "(10.1.), a network (10.0.0.0/8), a pattern, .domain or host name; ! in front "
		       "negates. All negated "
		       "items must hold and one of the others match."},
	{.name = "AllowAll",
		.type = CONF_T_CUSTOM,
		.parse = limit_allow_all,
		.flags = CONF_REPEATABLE,
		.scope = CONF_L,
		.module = "mod_core.c",
		.syntax = "",
		.doc = "Allows everybody."},
	{.name = "AllowClass", EXPR_ROW(limit_allow_class), .doc = "Allows sessions of classes."},
	{.name = "AllowFilter",
		FILTER_ROW(limit_allow_filter),
		.doc = "Allows commands whose argument matches."},
	{.name = "AllowGroup",
		EXPR_ROW(limit_allow_group),
		.doc = "Allows members of groups: of all in the list, unless OR is written."},
	{.name = "AllowUser",
		EXPR_ROW(limit_allow_user),
		.doc = "Allows users: those in the list, separated by commas; ! in front negates, * is "
		       "everybody."},
	{.name = "Deny",
		.type = CONF_T_CUSTOM,
		.parse = limit_deny,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.flags = CONF_REPEATABLE,
		.scope = CONF_L,
		.module = "mod_core.c",
		.syntax = "[from] <item> ...",
		.doc = "Denies by address; see Allow."},
	{.name = "DenyAll",
		.type = CONF_T_CUSTOM,
		.parse = limit_deny_all,
		.flags = CONF_REPEATABLE,
		.scope = CONF_L,
		.module = "mod_core.c",
		.syntax = "",
		.doc = "Denies everybody."},
	{.name = "DenyClass", EXPR_ROW(limit_deny_class), .doc = "Denies sessions of classes."},
	{.name = "DenyFilter",
		FILTER_ROW(limit_deny_filter),
		.doc = "Denies commands whose argument matches."},
	{.name = "DenyGroup",
		EXPR_ROW(limit_deny_group),
		.doc = "Denies members of groups: of all in the list, unless OR is written."},
	{.name = "DenyUser", EXPR_ROW(limit_deny_user), .doc = "Denies users; see AllowUser."},
	{.name = "From",
		CONF_LIST(struct ftp_body, from, struct ftp_from),
		.parse = class_from,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = CONF_C,
		.module = "mod_core.c",
		.syntax = "<item> ...",
		.doc = "Addresses that belong to the class; items as for Allow."},
	{.name = "IgnoreHidden",
		.type = CONF_T_CUSTOM,
		.parse = limit_ignore_hidden,
		.min_args = 1,
		.scope = CONF_L,
		.module = "mod_core.c",
		.dflt_text = "off",
		.syntax = "on|off",
		.doc = "on: to these commands, what HideFiles, HideUser, HideGroup or HideNoAccess hide does "
		       "not exist."},
	{.name = "Order",
		.type = CONF_T_CUSTOM,
		.parse = limit_order,
		.min_args = 1,
		.max_args = 3,
		.scope = CONF_L,
		.module = "mod_core.c",
		.dflt_text = "allow,deny",
		.syntax = "allow,deny|deny,allow",
		.doc = "allow,deny: the Allow rules are asked first, and what matches neither is allowed. "
		       "deny,allow: the Deny rules "
		       "are asked first, and what matches neither is denied."},
	{.name = "Satisfy",
		.type = CONF_T_CUSTOM,
		.parse = class_satisfy,
		.min_args = 1,
		.scope = CONF_C,
		.module = "mod_core.c",
		.dflt_text = "any",
		.syntax = "any|all",
		.doc = "Whether one or all From lines must match."},
};

const struct conf_table ftp_table_own = {own_rows, ARRAY_LEN(own_rows), FTP_STORE_OWN};
const struct conf_table ftp_table_body = {body_rows, ARRAY_LEN(body_rows), FTP_STORE_BODY};
