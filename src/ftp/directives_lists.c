/* Directives about listings and names. */
#include "ftp/directives.h"

#include <string.h>

#include "base/alloc.h"
#include "ftp/verb.h"
#include "base/str.h"

/* --- parse functions --- */

static int list_options(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"strict", FTP_LIST_STRICT},
		{"LISTOnly", FTP_LIST_ONLY_LIST}, {"NLSTOnly", FTP_LIST_ONLY_NLST},
		{"NoErrorIfAbsent", FTP_LIST_NO_ERROR_IF_ABSENT},
		{"AdjustedSymlinks", FTP_LIST_ADJUSTED_SYMLINKS}, {"SortedNLST", FTP_LIST_SORTED_NLST},
		{"maxfiles", -1}, {"maxdirs", -2}, {"maxdepth", -3}, {NULL, 0}};
	struct ftp_list_options *o = dst;
	unsigned *const number[] = {&o->max_files, &o->max_dirs, &o->max_depth};

	o->options = c->args[0];
	for (unsigned i = 1; i < c->n_args; i++) {
		int v, r = conf_word_value(words, c->args[i], &v, c->err);
		uint64_t n;

		if (r < 0)
			return r;
		if (v > 0) {
			o->flags |= (unsigned)v;
			continue;
		}
		if (++i >= c->n_args || str_to_u64(c->args[i], &n) < 0 || n == 0 || n > INT32_MAX)
			return err_set(c->err, WE_CONFIG, "%s takes a number above 0", c->args[i - 1]);
		*number[-v - 1] = (unsigned)n;
	}
	return 0;
}

static int list_style(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"Unix", 0}, {"Windows", 1}, {NULL, 0}};
	int v, r = conf_word_value(words, c->args[0], &v, c->err);

	if (r == 0)
		((struct ftp_conf *)dst)->list_windows = v;
	return r;
}

/* on|off [name|~] */
static int fake_name(struct conf_call *c, bool *on, const char **name)
{
	if (conf_bool(c->args[0], on) < 0)
		return err_set(c->err, WE_CONFIG, "expected Boolean parameter");
	*name = c->n_args > 1 ? c->args[1] : "ftp";
	return 0;
}

static int fake_user(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	return fake_name(c, &conf->dirfake_user_on, &conf->dirfake_user);
}

static int fake_group(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;

	return fake_name(c, &conf->dirfake_group_on, &conf->dirfake_group);
}

static int fake_mode(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	unsigned mode;

	if (str_to_mode(c->args[0], &mode) < 0)
		return err_set(c->err, WE_CONFIG, "'%.60s' is not an octal mode", c->args[0]);
	conf->dirfake_mode_on = true;
	conf->dirfake_mode = mode;
	return 0;
}

/* on | off | local client [strict] */
static int use_encoding(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	bool on;
	int r;

	conf->encoding_utf8 = false;
	conf->charset = conf->charset_utf8 = NULL;
	if (c->n_args == 1) {
		if (conf_bool(c->args[0], &on) < 0)
			return err_set(c->err, WE_CONFIG, "expected Boolean parameter or two charsets");
		conf->encoding = on ? FTP_ENCODING_ON : FTP_ENCODING_OFF;
		return 0;
	}
	if (c->n_args == 3 && !str_eq_nocase(c->args[2], "strict"))
		return err_set(c->err, WE_CONFIG, "expected 'strict', not '%.60s'", c->args[2]);
	conf->encoding = c->n_args == 3 ? FTP_ENCODING_STRICT : FTP_ENCODING_PAIR;
	conf->encoding_utf8 = charset_is_utf8(c->args[1]);
	r = charset_new(c->arena, c->args[0], c->args[1], &conf->charset, c->err);
	if (r == 0)
		r = charset_new(c->arena, c->args[0], "UTF-8", &conf->charset_utf8, c->err);
	return r;
}

static const struct conf_word lang_words[] = {{"PreferServerEncoding", FTP_LANG_PREFER_SERVER},
	{"RequireValidEncoding", FTP_LANG_REQUIRE_VALID}, {NULL, 0}};

static const struct conf_word fact_names[] = {{"modify", VERB_FACT_MODIFY}, {"perm", VERB_FACT_PERM},
	{"size", VERB_FACT_SIZE}, {"type", VERB_FACT_TYPE}, {"unique", VERB_FACT_UNIQUE},
	{"UNIX.group", VERB_FACT_UNIX_GROUP}, {"UNIX.groupname", VERB_FACT_UNIX_GROUPNAME},
	{"UNIX.mode", VERB_FACT_UNIX_MODE}, {"UNIX.owner", VERB_FACT_UNIX_OWNER},
	{"UNIX.ownername", VERB_FACT_UNIX_OWNERNAME}, {NULL, 0}};
static const struct conf_word facts_words[] = {{"UseSlink", FTP_FACTS_USE_SLINK},
	{"NoNames", FTP_FACTS_NO_NAMES}, {"AdjustedSymlinks", FTP_FACTS_ADJUSTED_SYMLINKS}, {NULL, 0}};

/* --- rows --- */

static const struct conf_row rows[] = {
	{.name = "DirFakeGroup",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, dirfake_group_on, dirfake_group),
		.parse = fake_group,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D_F,
		.module = "mod_ls.c",
		.dflt = "off",
		.syntax = "on|off [<name>|~]",
		.doc = "Group shown in listings instead of the real one: ftp unless named; ~ is the "
		       "session's own."},
	{.name = "DirFakeMode",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, dirfake_mode_on, dirfake_mode),
		.parse = fake_mode,
		.min_args = 1,
		.scope = S_V_G_A_D_F,
		.module = "mod_ls.c",
		.dflt_text = "the real one",
		.syntax = "<octal mode>",
		.doc = "Permissions shown in listings instead of the real ones; directories get x where they "
		       "have r."},
	{.name = "DirFakeUser",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, dirfake_user_on, dirfake_user),
		.parse = fake_user,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D_F,
		.module = "mod_ls.c",
		.dflt = "off",
		.syntax = "on|off [<name>|~]",
		.doc = "Owner shown in listings instead of the real one: ftp unless named; ~ is the "
		       "session's own."},
	{.name = "FactsAdvertise",
		CONF_BOOL(struct ftp_conf, facts_advertise),
		.scope = S_V_G,
		.module = "mod_facts.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether FEAT tells of MLST."},
	{.name = "FactsDefault",
		CONF_FLAGS(struct ftp_conf, facts_default),
		.words = fact_names,
		.scope = S_V_G,
		.module = "mod_facts.c",
		.dflt_text = "all that FEAT lists",
		.syntax = "<fact> ...",
		.doc = "Facts that MLST and MLSD show until the client chooses others with OPTS MLST: "
		       "modify, perm, size, "
		       "type, unique, UNIX.group, UNIX.groupname, UNIX.mode, UNIX.owner, UNIX.ownername."},
	{.name = "FactsOptions",
		CONF_FLAGS(struct ftp_conf, facts_options),
		.words = facts_words,
		.scope = S_V_G,
		.module = "mod_facts.c",
		.dflt_text = "none",
		.syntax = "[UseSlink] [NoNames] [AdjustedSymlinks]",
		.doc = "UseSlink: MLSx show the target of symbolic links. NoNames: no names of owners and "
		       "groups. AdjustedSymlinks: "
		       "targets as seen from the session's root."},
	{.name = "LangOptions",
		CONF_FLAGS(struct ftp_conf, lang_options),
		.words = lang_words,
		.scope = S_V_G,
		.module = "mod_lang.c",
		.dflt_text = "none",
		.syntax = "[PreferServerEncoding] [RequireValidEncoding]",
		.doc = "PreferServerEncoding: clients cannot change what UseEncoding says with OPTS UTF8. "
		       "RequireValidEncoding: a name in a command that is not valid in the client's charset, "
		       "or has no counterpart in that of the files, is answered with 550 and not used."},
	{.name = "ListOptions",
		CONF_LIST(struct ftp_conf, list_options, struct ftp_list_options),
		.parse = list_options,
		.min_args = 1,
		.max_args = 14,
		.scope = S_V_G_A_D_F,
		.module = "mod_ls.c",
		.dflt_text = "none",
		.syntax = "\"<options>\" [strict] [maxfiles <n>] [maxdirs <n>] [maxdepth <n>] "
			  "[LISTOnly|NLSTOnly] [NoErrorIfAbsent] "
			  "[AdjustedSymlinks] [SortedNLST]",
		.doc = "Options of ls that LIST and NLST use: -x adds one, +x removes one. strict: those "
		       "that the client sends do "
		       "not count. The other words limit recursive listings and choose details. Only the "
		       "first that applies "
		       "counts."},
	{.name = "ListStyle",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, list_windows, bool),
		.parse = list_style,
		.min_args = 1,
		.scope = S_V_G_A,
		.module = "mod_ls.c",
		.dflt = "Unix",
		.syntax = "Unix|Windows",
		.doc = "Form of the lines of LIST."},
	{.name = "ShowSymlinks",
		CONF_BOOL(struct ftp_conf, show_symlinks),
		.scope = S_V_G_A,
		.module = "mod_ls.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether listings show symbolic links as such or as what they point to."},
	{.name = "TimesGMT",
		CONF_BOOL(struct ftp_conf, times_gmt),
		.scope = S_V_G_A,
		.module = "mod_core.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether the times of LIST are UTC or local. Other commands always use UTC."},
	{.name = "UseEncoding",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, encoding, charset_utf8),
		.parse = use_encoding,
		.min_args = 1,
		.max_args = 3,
		.scope = S_V_G,
		.module = "mod_lang.c",
		.dflt_text = "names pass as they are, and clients may ask for UTF-8",
		.syntax = "on|off | <charset of the files> <charset of the clients> [strict]",
		.doc = "With two charsets, as iconv(1) names them, names are converted from one to the other "
		       "in arguments, replies and listings; a name that has no counterpart passes as it is. "
		       "A "
		       "client gets UTF-8 instead after OPTS UTF8 ON, unless strict forbids it. on: names "
		       "are "
		       "UTF-8 and pass as they are, other bytes too, and OPTS UTF8 OFF is refused. off: the "
		       "same, but UTF-8 is not offered."},
	{.name = "UseGlobbing",
		CONF_BOOL(struct ftp_conf, use_globbing),
		.scope = S_V_G_A,
		.module = "mod_ls.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether LIST and NLST expand wildcards."},
};

const struct conf_table ftp_table_lists = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
