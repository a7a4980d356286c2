/* Directives of the control socket. */
#include "ftp/directives.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/controls.h"
#include "wherry_config.h"

static int id_of(struct conf_call *c, const char *name, bool group, uint32_t *ret_id)
{
	const struct passwd *pw = NULL;
	const struct group *gr = NULL;
	uint64_t id;

	if (str_to_u64(name, &id) == 0 && id < UINT32_MAX) {
		*ret_id = (uint32_t)id;
		return 0;
	}
	if (group)
		gr = getgrnam(name);
	else
		pw = getpwnam(name);
	if (gr == NULL && pw == NULL)
		return err_set(c->err, WE_CONFIG, "unknown %s '%.100s'", group ? "group" : "user", name);
	*ret_id = group ? gr->gr_gid : pw->pw_uid;
	return 0;
}

/* "alice,bob", or '*' for everybody. */
static int acl_names(struct conf_call *c, const char *list, struct ftp_controls_acl *acl)
{
	char *copy = arena_strdup(c->arena, list), *name;
	uint32_t *ids = arena_alloc(c->arena, (strlen(list) / 2 + 1) * sizeof(*ids));
	int r;

	if (copy == NULL || ids == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	acl->ids = ids;
	while ((name = strsep(&copy, ",")) != NULL) {
		if (str_eq(name, "*")) {
			acl->anybody = true;
			continue;
		}
		if (*name == '\0')
			return err_set(c->err, WE_CONFIG, "a name is missing in '%.100s'", list);
		r = id_of(c, name, acl->group, &ids[acl->n_ids]);
		if (r < 0)
			return r;
		acl->n_ids++;
	}
	return 0;
}

/* allow|deny user|group <list>, from that argument on */
static int acl_who(struct conf_call *c, unsigned from, struct ftp_controls_acl *acl)
{
	acl->allow = str_eq_nocase(c->args[from], "allow");
	acl->group = str_eq_nocase(c->args[from + 1], "group");
	if (!acl->allow && !str_eq_nocase(c->args[from], "deny"))
		return err_set(
			c->err, WE_CONFIG, "unknown word '%.60s', expected allow or deny", c->args[from]);
	if (!acl->group && !str_eq_nocase(c->args[from + 1], "user"))
		return err_set(
			c->err, WE_CONFIG, "unknown word '%.60s', expected user or group", c->args[from + 1]);
	return acl_names(c, c->args[from + 2], acl);
}

static int socket_acl(struct conf_call *c, void *dst)
{
	((struct ftp_controls_acl *)dst)->actions = ~0u;
	return acl_who(c, 0, dst);
}

static int actions_acl(struct conf_call *c, struct ftp_controls_acl *acl, unsigned all)
{
	int r = ftp_controls_actions(c->args[0], all, &acl->actions, c->err);

	return r < 0 ? r : acl_who(c, 1, acl);
}

static int admin_acl(struct conf_call *c, void *dst)
{
	return actions_acl(c, dst, FTP_CONTROLS_ADMIN);
}

static int ban_acl(struct conf_call *c, void *dst)
{
	return actions_acl(c, dst, FTP_CONTROLS_BAN);
}

static int other_acl(struct conf_call *c, void *dst)
{
	return actions_acl(c, dst, FTP_CONTROLS_OTHER);
}

static int tls_acl(struct conf_call *c, void *dst)
{
	return actions_acl(c, dst, FTP_CONTROLS_TLS);
}

/* on|off, or the actions */
static int admin_engine(struct conf_call *c, void *dst)
{
	struct ftp_config *cfg = dst;
	bool on;

	if (conf_bool(c->args[0], &on) < 0)
		return ftp_controls_actions(c->args[0], ~0u, &cfg->controls_admin_actions, c->err);
	cfg->controls_admin_actions = on ? ~0u : 0;
	return 0;
}

static int socket_owner(struct conf_call *c, void *dst)
{
	struct ftp_config *cfg = dst;
	int r = id_of(c, c->args[0], false, &cfg->controls_user.id);

	cfg->controls_user.set = true;
	if (r == 0 && c->n_args > 1) {
		r = id_of(c, c->args[1], true, &cfg->controls_group.id);
		cfg->controls_group.set = true;
	}
	return r;
}

#define ACLS(i)                                                                                              \
	CONF_LIST(struct ftp_config, controls_acls[i], struct ftp_controls_acl), .min_args = 4, .max_args = 4
#define ACLS_SYNTAX "<actions>|all allow|deny user|group <list>"

static const struct conf_row rows[] = {
	{.name = "AdminControlsACLs",
		ACLS(0),
		.parse = admin_acl,
		.scope = CONF_S,
		.module = "mod_ctrls_admin.c",
		.syntax = ACLS_SYNTAX,
		.doc = "As ControlsACLs; 'all' means status, kick, reload, rates and shutdown."},
	{.name = "AdminControlsEngine",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_config, controls_admin_actions, unsigned),
		.parse = admin_engine,
		.min_args = 1,
		.scope = CONF_S,
		.module = "mod_ctrls_admin.c",
		.dflt = "on",
		.syntax = "on|off|<actions>",
		.doc = "Whether AdminControlsACLs allows anything, or which actions. Root and the account of "
		       "the "
		       "daemon are not restricted by it."},
	{.name = "BanControlsACLs",
		ACLS(1),
		.parse = ban_acl,
		.scope = CONF_S,
		.module = "mod_ban.c",
		.syntax = ACLS_SYNTAX,
		.doc = "As ControlsACLs; 'all' means ban, permit and bans."},
	{.name = "ControlsACLs",
		ACLS(2),
		.parse = other_acl,
		.scope = CONF_S,
		.module = "mod_ctrls.c",
		.syntax = ACLS_SYNTAX,
		.doc = "Who may ask for which actions of wherryctl: names separated by commas, without "
		       "blanks; "
		       "'*' is everybody. Root and the account of the daemon may ask for everything; of "
		       "others "
		       "who was not allowed an action may not have it, and a line that denies counts more "
		       "than "
		       "those that allow. 'all' means mmap here; any other action can be named, and explain, "
		       "which tells about all users, must be. 'restart' is reload; actions that only other "
		       "servers have do nothing. What is needed to reach the socket: ControlsSocketACL or "
		       "ControlsSocketOwner."},
	{.name = "ControlsEngine",
		CONF_BOOL(struct ftp_config, controls_engine),
		.scope = CONF_S,
		.module = "mod_ctrls.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether the server listens on the control socket that wherryctl uses."},
	{.name = "ControlsMaxClients",
		CONF_UINT(struct ftp_config, controls_max_clients, unsigned),
		.scope = CONF_S,
		.module = "mod_ctrls.c",
		.dflt = "5",
		.min = "1",
		.max = "1000",
		.unit = "clients",
		.syntax = "<number>",
		.doc = "Control clients at the same time, root and the account of the daemon not counted. "
		       "One user's "
		       "explain is answered at a time."},
	{.name = "ControlsSocket",
		CONF_PATH(struct ftp_config, controls_socket),
		.scope = CONF_S,
		.module = "mod_ctrls.c",
		.dflt = WHERRY_RUN_DIR "/wherry.sock",
		.syntax = "<path>",
		.doc = "Path of the control socket."},
	{.name = "ControlsSocketACL",
		CONF_LIST(struct ftp_config, controls_socket_acl, struct ftp_controls_acl),
		.min_args = 3,
		.max_args = 3,
		.parse = socket_acl,
		.scope = CONF_S,
		.module = "mod_ctrls.c",
		.syntax = "allow|deny user|group <list>",
		.doc = "Who may use the control socket besides root and the account of the daemon, in the "
		       "words "
		       "of ControlsACLs, which says what for. The socket can then be opened by everybody, or "
		       "with ControlsSocketOwner by that user and group, and the kernel says who it is."},
	{.name = "ControlsSocketOwner",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_config, controls_user, controls_group),
		.parse = socket_owner,
		.min_args = 1,
		.max_args = 2,
		.scope = CONF_S,
		.module = "mod_ctrls.c",
		.dflt_text = "the account of the daemon",
		.syntax = "<user> [<group>]",
		.doc = "Owner of the control socket, by name or number; user and group can then open it. It "
		       "needs "
		       "a server that runs as root."},
	{.name = "TLSControlsACLs",
		ACLS(3),
		.parse = tls_acl,
		.scope = CONF_S,
		.module = "mod_tls.c",
		.syntax = ACLS_SYNTAX,
		.doc = "As ControlsACLs; 'all' means tls."},
};

const struct conf_table ftp_table_controls = {rows, ARRAY_LEN(rows), FTP_STORE_DAEMON};
