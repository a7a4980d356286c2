/* What the load makes of sections before any scope is built: paths, limits, the conditions of layers; and which
 * directives come too late in a layer. */
#include "ftp/build.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

#define INSIDE (S_V_G_A_D)

const struct conf_layer ftp_layers[] = {
	{"IfAuthenticated", INSIDE, 0, 0, FTP_IF_AUTHENTICATED},
	{"IfClass", INSIDE, 1, CONF_ARGS_ANY, FTP_IF_CLASS},
	{"IfGroup", INSIDE, 1, CONF_ARGS_ANY, FTP_IF_GROUP},
	{"IfUser", INSIDE, 1, CONF_ARGS_ANY, FTP_IF_USER},
	{NULL, 0, 0, 0, 0},
};

/* --- making --- */

/* Same path twice among the children of one section: the second is said and not used. */
static void path_make(struct ftp_builder *b, const struct conf_section *parent, struct conf_section *s,
	struct ftp_made *made, const char *anon_root)
{
	const struct conf_pos pos = ftp_section_pos(s);

	made->path = ftp_section_path(b, s, anon_root);
	for (const struct conf_section *c = parent->children;
		s->kind == CONF_KIND_DIRECTORY && made->path != NULL && c != s; c = c->next) {
		if (c->kind != CONF_KIND_DIRECTORY || ftp_made(c)->path == NULL ||
			!str_eq(ftp_made(c)->path, made->path))
			continue;
		conf_fail(b->tree->parser, &pos, "<Directory>",
			"'%.200s' has a section already on line %u of '%.100s', again", made->path, c->line,
			c->file);
		made->path = NULL;
	}
}

static int condition_make(struct ftp_builder *b, const struct conf_section *s,
	const struct ftp_condition *outer, struct ftp_made *made)
{
	static const enum ftp_expr_kind kinds[] = {[FTP_IF_CLASS] = FTP_EXPR_CLASS,
		[FTP_IF_GROUP] = FTP_EXPR_GROUP,
		[FTP_IF_USER] = FTP_EXPR_USER};
	const struct conf_pos pos = ftp_section_pos(s);
	struct ftp_condition *c = arena_alloc(b->arena, sizeof(*c));
	struct ftp_expr *e = NULL;
	struct err err = ERR_INIT;
	char name[40];
	int r = 0;

	if (c == NULL)
		return -ENOMEM;
	if (s->layer->id != FTP_IF_AUTHENTICATED)
		r = ftp_expr_compile(b->arena, kinds[s->layer->id], s->args, s->n_args, &e, &err);
	if (r == -ENOMEM)
		return r;
	(void)snprintf(name, sizeof(name), "<%s>", s->layer->name);
	if (r < 0)
		conf_fail(b->tree->parser, &pos, name, "%s", err.text);
	*c = (struct ftp_condition){s->layer->id, b->n_conditions++, outer, e};
	made->condition = c;
	return 0;
}

static int section_make(struct ftp_builder *b, struct conf_section *s, const char *anon_root,
	const struct ftp_condition *outer);

static int child_make(struct ftp_builder *b, const struct conf_section *parent, struct conf_section *c,
	const char *anon_root, const struct ftp_condition *outer)
{
	struct ftp_made *made;

	if (c->kind == CONF_KIND_LIMIT || c->kind == CONF_KIND_CLASS)
		return 0;
	c->made = made = arena_alloc(b->arena, sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	if (c->kind != CONF_KIND_VHOST)
		path_make(b, parent, c, made, anon_root);
	/* A path that cannot be used was said; what is inside it is looked at all the same. */
	if (c->kind == CONF_KIND_ANONYMOUS)
		anon_root = made->path != NULL ? made->path : "/";
	return section_make(b, c, anon_root, outer);
}

static int section_make(struct ftp_builder *b, struct conf_section *s, const char *anon_root,
	const struct ftp_condition *outer)
{
	int r = ftp_make_limits(b->tree, b->arena, s);

	for (struct conf_section *c = s->children; c != NULL && r == 0; c = c->next)
		r = child_make(b, s, c, anon_root, outer);
	for (struct conf_section *l = s->layers; l != NULL && r == 0; l = l->next) {
		struct ftp_made *made = arena_alloc(b->arena, sizeof(*made));

		l->made = made;
		r = made != NULL ? condition_make(b, l, outer, made) : -ENOMEM;
		if (r == 0)
			r = section_make(b, l, anon_root, made->condition);
	}
	return r;
}

int ftp_make_sections(struct ftp_builder *b, struct conf_section *s)
{
	return section_make(b, s, NULL, NULL);
}

/* --- too late --- */

/* Read when the server starts, before there is any client; those of the daemon itself and names and addresses of
 * servers besides. */
static const char *const at_start[] = {"AllowLogSymlinks", "DebugLevel", "Group", "Port", "RLimitCPU",
	"RLimitMemory", "RLimitOpenFiles", "SyslogLevel", "SystemLog", "TransferMMapFile",
	"TransferMMapOptions", "User", NULL};

/* Read before login: <IfClass> is early enough for them. */
static const char *const before_login[] = {"AccessDenyMsg", "AllowEmptyPasswords", "AnonRejectPasswords",
	"AnonRequirePassword", "AuthAliasOnly", "AuthFileOptions", "AuthGroupFile", "AuthOrder", "AuthPAM",
	"AuthPAMConfig", "AuthUserFile", "AuthUsingAlias", "DefaultTransferMode", "DeferWelcome",
	"DisplayConnect", "MaxConnectionsPerHost", "MaxLoad", "MaxLoginAttempts", "MaxPasswordSize",
	"ServerIdent", "TCPAccessFiles", "TCPAccessSyslogLevels", "TCPGroupAccessFiles", "TCPServiceName",
	"TCPUserAccessFiles", "TimeoutLogin", "UserAlias", "UserPassword", "WrapDenyMsg", "WrapEngine",
	"WrapGroupTables", "WrapLog", "WrapOptions", "WrapServiceName", "WrapTables", "WrapUserTables", NULL};

const char *const *ftp_layer_late_names(unsigned list)
{
	return list == 0 ? at_start : before_login;
}

static bool among(const char *const *list, const char *name)
{
	while (*list != NULL && !str_eq(*list, name))
		list++;
	return *list != NULL;
}

/* TLS is set up for a server, not for a client, but for what decides on a command. */
static bool read_at_start(const struct conf_table *table, const struct conf_row *row, enum conf_kind kind)
{
	bool anon_user =
		kind == CONF_KIND_ANONYMOUS && (str_eq(row->name, "User") || str_eq(row->name, "Group"));

	return table->store == FTP_STORE_DAEMON ||
	       (table->store == FTP_STORE_OWN && (row->scope & CONF_S) != 0) ||
	       (among(at_start, row->name) && !anon_user) ||
	       (str_eq(row->module, "mod_tls.c") && !str_eq(row->name, "TLSRequired") &&
		       !str_eq(row->name, "TLSMasqueradeAddress"));
}

static void row_late(struct ftp_builder *b, const struct conf_section *l, bool by_class,
	const struct conf_table *table, const struct conf_row *row, const struct conf_pos *pos)
{
	if (row->type == CONF_T_NOEFFECT)
		return;
	if (read_at_start(table, row, l->kind))
		conf_warn(b->tree->parser, pos, row->name,
			"read when the server starts, <%s> comes too late for it: no effect", l->layer->name);
	else if (!by_class && (among(before_login, row->name) ||
				      (l->kind == CONF_KIND_ANONYMOUS && str_eq(row->name, "User"))))
		conf_warn(b->tree->parser, pos, row->name,
			"read before login, <%s> comes too late for it: no effect", l->layer->name);
}

/* by_class: all layers around are <IfClass>. */
static void layer_check(struct ftp_builder *b, const struct conf_section *l, bool by_class)
{
	unsigned at = 0;

	by_class = by_class && l->layer->id == FTP_IF_CLASS;
	for (unsigned t = 0; t < b->tree->lang->n_tables; t++) {
		const struct conf_table *table = b->tree->lang->tables[t];

		for (unsigned i = 0; i < table->n_rows; i++, at++) {
			if (l->set[at].file != NULL)
				row_late(b, l, by_class, table, &table->rows[i], &l->set[at]);
		}
	}
	for (const struct conf_section *c = l->children; c != NULL && !by_class; c = c->next) {
		const struct conf_pos pos = ftp_section_pos(c);

		if (c->kind == CONF_KIND_ANONYMOUS)
			conf_warn(b->tree->parser, &pos, "<Anonymous>",
				"chosen before login, <%s> comes too late for it: no effect", l->layer->name);
	}
	for (const struct conf_section *c = l->children; c != NULL; c = c->next)
		ftp_layers_check(b, c);
	for (const struct conf_section *in = l->layers; in != NULL; in = in->next)
		layer_check(b, in, by_class);
}

void ftp_layers_check(struct ftp_builder *b, const struct conf_section *s)
{
	for (const struct conf_section *l = s->layers; l != NULL; l = l->next)
		layer_check(b, l, true);
	for (const struct conf_section *c = s->children; c != NULL; c = c->next)
		ftp_layers_check(b, c);
}

/* --- wiping --- */

static void section_wipe(const struct conf_section *s)
{
	const struct ftp_conf *own = s->store[FTP_STORE_CONF];
	const struct ftp_user_password *p = own != NULL ? own->user_passwords : NULL;

	for (; p != NULL; p = (const struct ftp_user_password *)p->item.next) {
		char *hash = (char *)p->hash;

		wipe(hash, strlen(hash));
	}
	for (const struct conf_section *c = s->children; c != NULL; c = c->next)
		section_wipe(c);
	for (const struct conf_section *l = s->layers; l != NULL; l = l->next)
		section_wipe(l);
}

void ftp_layers_wipe(const struct ftp_server *s)
{
	if (s->conditional == NULL)
		return;
	section_wipe(s->conditional->section);
	if (s->conditional->tree->global != NULL)
		section_wipe(s->conditional->tree->global);
}
