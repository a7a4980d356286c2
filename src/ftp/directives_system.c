/* Directives about rights and limits of the system: owners of new files, limits of processes, the load. */
#include "ftp/directives.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* A number stands for itself, so that ids without a name can be meant too. */
static int owner_id(struct conf_call *c, bool group, struct ftp_owner *ret)
{
	const char *name = c->args[0];
	const struct passwd *pw;
	const struct group *gr;
	uint64_t id;

	ret->set = true;
	if (str_to_u64(name, &id) == 0 && id < UINT32_MAX) {
		ret->id = (uint32_t)id;
		return 0;
	}
	if (group) {
		gr = getgrnam(name);
		if (gr == NULL)
			return err_set(c->err, WE_CONFIG, "unknown group '%.100s'", name);
		ret->id = gr->gr_gid;
		return 0;
	}
	pw = getpwnam(name);
	if (pw == NULL)
		return err_set(c->err, WE_CONFIG, "unknown user '%.100s'", name);
	ret->id = pw->pw_uid;
	return 0;
}

static int user_owner(struct conf_call *c, void *dst)
{
	return owner_id(c, false, &((struct ftp_conf *)dst)->user_owner);
}

static int group_owner(struct conf_call *c, void *dst)
{
	return owner_id(c, true, &((struct ftp_conf *)dst)->group_owner);
}

static int home_owner(struct conf_call *c, const char *word, bool *ret_own, struct ftp_owner *ret)
{
	uint64_t id;

	if (str_eq(word, "~")) {
		*ret_own = true;
		return 0;
	}
	if (str_to_u64(word, &id) < 0 || id >= UINT32_MAX)
		return err_set(c->err, WE_CONFIG, "'%.60s' is no id", word);
	*ret = (struct ftp_owner){true, (uint32_t)id};
	return 0;
}

static int home_mode(struct conf_call *c, const char *word, mode_t *ret)
{
	unsigned mode;

	if (str_to_mode(word, &mode) < 0 || mode > 0777)
		return err_set(c->err, WE_CONFIG, "'%.60s' is not an octal mode up to 777", word);
	*ret = mode;
	return 0;
}

/* One option with its value at args[i]. */
static int home_option(struct conf_call *c, unsigned i, struct ftp_create_home *h)
{
	const char *name = c->args[i], *value = i + 1 < c->n_args ? c->args[i + 1] : NULL;
	bool own = false;

	if (value == NULL)
		return err_set(c->err, WE_CONFIG, "'%.60s' without a value", name);
	if (str_eq_nocase(name, "skel")) {
		h->skel = value;
		return value[0] == '/' ? 0
				       : err_set(c->err, WE_CONFIG, "'%.60s' is not an absolute path", value);
	}
	if (str_eq_nocase(name, "dirmode"))
		return home_mode(c, value, &h->dir_mode);
	if (str_eq_nocase(name, "uid"))
		return home_owner(c, value, &h->dir_user_own, &h->dir_user);
	if (str_eq_nocase(name, "gid"))
		return home_owner(c, value, &h->dir_group_own, &h->dir_group);
	if (str_eq_nocase(name, "homegid"))
		return home_owner(c, value, &own, &h->home_group);
	return err_set(c->err, WE_CONFIG, "unknown option '%.60s'", name);
}

static int create_home(struct conf_call *c, void *dst)
{
	struct ftp_create_home *h = &((struct ftp_conf *)dst)->create_home;
	unsigned i = 1;
	int r = 0;

	*h = (struct ftp_create_home){.mode = 0700, .dir_mode = 0711};
	if (conf_bool(c->args[0], &h->on) < 0)
		return err_set(c->err, WE_CONFIG, "'%.60s' is not on or off", c->args[0]);
	if (c->n_args > 1 && c->args[1][0] >= '0' && c->args[1][0] <= '9')
		r = home_mode(c, c->args[i++], &h->mode);
	while (r == 0 && i < c->n_args) {
		if (str_eq_nocase(c->args[i], "NoRootPrivs")) {
			h->as_user = true;
			i++;
			continue;
		}
		r = home_option(c, i, h);
		i += 2;
	}
	return r;
}

static int max_load(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	char *end;

	conf->max_load = 0;
	conf->max_load_message = c->n_args > 1 ? c->args[1] : c->row->message;
	if (str_eq_nocase(c->args[0], "none"))
		return 0;
	conf->max_load = strtod(c->args[0], &end);
	if (strspn(c->args[0], "0123456789.") != strlen(c->args[0]) || *end != '\0' || conf->max_load <= 0)
		return err_set(c->err, WE_CONFIG, "'%.60s' is no load", c->args[0]);
	return 0;
}

static int rlimit_value(struct conf_call *c, bool bytes, const char *word, uint64_t *ret)
{
	size_t n = strlen(word);
	char number[32], unit[3] = "B";

	if (str_eq_nocase(word, "max")) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (n > 0 && n < sizeof(number) && bytes && strchr("gGmMkKbB", word[n - 1]) != NULL) {
		(void)snprintf(unit, sizeof(unit), "%c%s", ascii_upper(word[n - 1]),
			ascii_upper(word[n - 1]) == 'B' ? "" : "B");
		memcpy(number, word, n - 1);
		number[n - 1] = '\0';
		if (conf_size(number, unit, ret) == 0)
			return 0;
	} else if (str_to_u64(word, ret) == 0) {
		return 0;
	}
	return err_set(c->err, WE_CONFIG, "'%.60s' is no limit", word);
}

/* [daemon|session] soft|max [hard|max] */
static int rlimit(struct conf_call *c, bool bytes, struct ftp_rlimit *ret)
{
	bool daemon = str_eq_nocase(c->args[0], "daemon");
	unsigned at = daemon || str_eq_nocase(c->args[0], "session");
	int r;

	if (daemon)
		return err_set(c->err, WE_CONFIG, "limits of the daemon are the service manager's to set");
	if (c->n_args - at < 1 || c->n_args - at > 2)
		return err_set(c->err, WE_CONFIG, "wrong number of parameters");
	r = rlimit_value(c, bytes, c->args[at], &ret->soft);
	ret->hard = ret->soft;
	if (r == 0 && c->n_args - at == 2)
		r = rlimit_value(c, bytes, c->args[at + 1], &ret->hard);
	if (r == 0 && ret->soft > ret->hard)
		return err_set(c->err, WE_CONFIG, "the soft limit is above the hard one");
	ret->set = true;
	return r;
}

static int rlimit_cpu(struct conf_call *c, void *dst)
{
	return rlimit(c, false, &((struct ftp_conf *)dst)->rlimit_cpu);
}

static int rlimit_memory(struct conf_call *c, void *dst)
{
	return rlimit(c, true, &((struct ftp_conf *)dst)->rlimit_memory);
}

static int rlimit_files(struct conf_call *c, void *dst)
{
	struct ftp_rlimit *l = &((struct ftp_conf *)dst)->rlimit_files;
	int r = rlimit(c, false, l);

	if (r == 0 && l->soft < 64)
		return err_set(
			c->err, WE_CONFIG, "a process with fewer than 64 descriptors cannot serve sessions");
	return r;
}

#define RLIMIT_ROW(member, fn)                                                                               \
	.type = CONF_T_CUSTOM, .field = CONF_FIELD(struct ftp_conf, member, struct ftp_rlimit), .parse = fn, \
	.min_args = 1, .max_args = 3, .scope = CONF_S | CONF_G, .module = "mod_rlimit.c",                    \
	.dflt_text = "as the daemon"
#define RLIMIT_WHO "It holds for every session process; all sessions of a user may share one. "

static const struct conf_row rows[] = {
	{.name = "CreateHome",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, create_home, struct ftp_create_home),
		.parse = create_home,
		.min_args = 1,
		.max_args = 13,
		.scope = S_V_G,
		.module = "mod_auth.c",
		.dflt = "off",
		.syntax = "on|off [<mode>] [skel <path>] [dirmode <mode>] [uid <id>|~] [gid <id>|~] [homegid "
			  "<id>|~] "
			  "[NoRootPrivs]",
		.doc = "Make the home directory of a user who logs in and has none, with the mode (700 by "
		       "default), and the "
		       "directories above it that are missing (711, root's; uid and gid name other owners, ~ "
		       "the user). "
		       "Files, directories and links of the skel directory are copied into it and belong to "
		       "the user. No "
		       "symbolic link on the way to it is followed. NoRootPrivs: with the rights of the "
		       "user. Not for "
		       "<Anonymous>."},
	{.name = "GroupOwner",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, group_owner, struct ftp_owner),
		.parse = group_owner,
		.min_args = 1,
		.scope = CONF_A | CONF_D,
		.module = "mod_core.c",
		.dflt_text = "the group of the session",
		.syntax = "<group>",
		.doc = "The group, by name or number, that files of STOR, STOU and APPE, a file that SITE "
		       "COPY or "
		       "SITE CPTO copies, and directories of MKD and SITE MKDIR get right after they are "
		       "made. A tree that is copied keeps the group of the session. It needs a server that "
		       "runs as root."},
	{.name = "MaxLoad",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, max_load, max_load_message),
		.parse = max_load,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G,
		.module = "mod_load.c",
		.dflt = "none",
		.message = "System busy, try again later",
		.syntax = "<number>|none [<message>]",
		.doc = "While the load of the machine (its average over one minute) is above the number, new "
		       "connections "
		       "are told the message with 421 and closed."},
	{.name = "RLimitCPU",
		RLIMIT_ROW(rlimit_cpu, rlimit_cpu),
		.syntax = "[session] <soft seconds>|max [<hard seconds>|max]",
		.doc = "Seconds of processor time. " RLIMIT_WHO
		       "A process that reaches it ends, with its sessions."},
	{.name = "RLimitMemory",
		RLIMIT_ROW(rlimit_memory, rlimit_memory),
		.syntax = "[session] <soft>[G|M|K|B]|max [<hard>[G|M|K|B]|max]",
		.doc = "Bytes of address space. " RLIMIT_WHO
		       "Threads and mapped files count, so a small number ends the process."},
	{.name = "RLimitOpenFiles",
		RLIMIT_ROW(rlimit_files, rlimit_files),
		.syntax = "[session] <soft>|max [<hard>|max]",
		.doc = "Descriptors, at least 64; the hard limit counts. " RLIMIT_WHO
		       "A session needs one, and up to four more for a transfer."},
	{.name = "UserDirRoot",
		CONF_BOOL(struct ftp_conf, user_dir_root),
		.scope = CONF_A,
		.module = "mod_auth.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "The root of a session is the directory below that of <Anonymous> that has the name "
		       "the client "
		       "logged in with. A name with a slash, or one that begins with a dot, cannot log in."},
	{.name = "UserOwner",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, user_owner, struct ftp_owner),
		.parse = user_owner,
		.min_args = 1,
		.scope = CONF_A | CONF_D,
		.module = "mod_core.c",
		.dflt_text = "the user of the session",
		.syntax = "<user>",
		.doc = "The user, by name or number, that files of STOR, STOU and APPE, a file that SITE "
		       "COPY or "
		       "SITE CPTO copies, and directories of MKD and SITE MKDIR belong to right after they "
		       "are made. A tree that is copied stays the session's. Only what the user of the "
		       "session owns is "
		       "given away. It needs a server that runs as root."},
};

const struct conf_table ftp_table_system = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
