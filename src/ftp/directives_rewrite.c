/* Rewriting of commands: RewriteRule and its like (mod_rewrite). */
#include "ftp/directives.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "ftp/rewrite.h"

#define MAP_MAX (4u << 20) /* bytes of a text map */

/* "[NC,OR]" */
static int flags_parse(struct conf_call *c, const char *text, bool *ret_nocase, bool *ret_or)
{
	size_t n = strlen(text);
	char *copy, *save = NULL;

	if (n < 2 || text[0] != '[' || text[n - 1] != ']')
		return err_set(c->err, WE_CONFIG, "flags are written in brackets, not '%.60s'", text);
	copy = arena_strndup(c->arena, text + 1, n - 2);
	if (copy == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	for (char *w = strtok_r(copy, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
		if (str_eq_nocase(w, "NC") || str_eq_nocase(w, "nocase"))
			*ret_nocase = true;
		else if (ret_or != NULL && (str_eq_nocase(w, "OR") || str_eq_nocase(w, "ornext")))
			*ret_or = true;
		else
			return err_set(c->err, WE_CONFIG, "unknown flag '%.60s'", w);
	}
	return 0;
}

static int pattern_parse(struct conf_call *c, const char *text, bool nocase, struct ftp_pattern *p)
{
	p->negate = text[0] == '!';
	return ftp_regex_compile(c->arena, text + p->negate, nocase, &p->re, c->err);
}

static int template_parse(struct conf_call *c, const char *text, const struct rewrite_template **ret_t)
{
	return rewrite_template_compile(c->arena, text, ret_t, c->err);
}

static int condition(struct conf_call *c, void *dst)
{
	struct ftp_rewrite_cond *cond = dst;
	struct ftp_loader *l = c->arg;
	const char *p = c->args[1];
	bool nocase = false;
	int r = template_parse(c, c->args[0], &cond->text);

	if (r == 0 && c->n_args > 2)
		r = flags_parse(c, c->args[2], &nocase, &cond->or_next);
	if (r < 0)
		return r;
	cond->negate = p[0] == '!';
	p += cond->negate;
	if (p[0] == '-' && p[1] != '\0' && p[2] == '\0' && strchr("dfsl", p[1]) != NULL)
		return err_set(c->err, WE_CONFIG,
			"'%s' is refused: commands are rewritten before any file is looked at", p);
	if (p[0] == '<' || p[0] == '>' || p[0] == '=') {
		cond->compare = p[0] == '<' ? REWRITE_LESS : p[0] == '>' ? REWRITE_GREATER : REWRITE_EQUAL;
		cond->plain = str_eq(p, "=\"\"") ? "" : p + 1;
		if (p[0] != '=')
			conf_warn(c->parser, &c->pos, c->row->name,
				"'%.60s' holds for text that is %s than '%.60s', as in the server that has "
				"this "
				"directive; its manual says the opposite",
				p, p[0] == '<' ? "greater" : "less", p + 1);
	} else {
		r = pattern_parse(c, c->args[1], nocase, &cond->pattern);
	}
	if (l->rewrite_section != c->section) {
		l->rewrite_section = c->section;
		l->n_rewrite_conds = 0;
	}
	if (r == 0 && l->n_rewrite_conds == FTP_REWRITE_CONDS)
		return err_set(c->err, WE_CONFIG, "more than %u conditions of one rule", FTP_REWRITE_CONDS);
	if (r == 0)
		l->rewrite_conds[l->n_rewrite_conds++] = cond;
	return r;
}

static int rule(struct conf_call *c, void *dst)
{
	struct ftp_rewrite_rule *rule = dst;
	struct ftp_loader *l = c->arg;
	bool nocase = false;
	int r = 0;

	if (c->n_args > 2)
		r = flags_parse(c, c->args[2], &nocase, NULL);
	if (r == 0)
		r = pattern_parse(c, c->args[0], nocase, &rule->pattern);
	if (r == 0)
		r = template_parse(c, c->args[1], &rule->subst);
	if (r < 0)
		return r;
	if (l->rewrite_section == c->section && l->n_rewrite_conds > 0) {
		rule->conds = arena_alloc(c->arena, l->n_rewrite_conds * sizeof(struct ftp_rewrite_cond *));
		if (rule->conds == NULL)
			return err_set(c->err, ENOMEM, "out of memory");
		rule->n_conds = l->n_rewrite_conds;
		memcpy(rule->conds, l->rewrite_conds, l->n_rewrite_conds * sizeof(struct ftp_rewrite_cond *));
	}
	l->n_rewrite_conds = 0;
	return 0;
}

static int map_load(struct conf_call *c, const char *path, struct ftp_rewrite_map *map)
{
	auto_fd int fd = -1;
	struct stat st;
	size_t len = 0;
	char *text;
	int r;

	map->kind = FTP_MAP_TEXT;
	if (path[0] != '/')
		return err_set(c->err, WE_CONFIG, "'%.200s' is not an absolute path", path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_set(c->err, WE_CONFIG, "cannot open '%.200s': %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(c->err, WE_CONFIG, "'%.200s' is not a regular file", path);
	r = fd_read_all(fd, MAP_MAX, &text, &len);
	if (r < 0)
		return err_set(c->err, WE_CONFIG, "cannot read '%.200s': %s", path, err_text(r));
	r = rewrite_map_read(c->arena, text, len, map);
	free(text);
	return r < 0 ? err_set(c->err, ENOMEM, "out of memory") : 0;
}

static int map_parse(struct conf_call *c, void *dst)
{
	static const struct conf_word functions[] = {{"replaceall", FTP_MAP_REPLACEALL},
		{"tolower", FTP_MAP_TOLOWER}, {"toupper", FTP_MAP_TOUPPER}, {"unescape", FTP_MAP_UNESCAPE},
		{"utf8trans", FTP_MAP_UTF8TRANS}, {NULL, 0}};
	struct ftp_rewrite_map *map = dst;
	const char *source = c->args[1];
	int kind, r;

	map->name = c->args[0];
	if (str_starts(source, "txt:"))
		return map_load(c, source + 4, map);
	if (str_starts(source, "fifo:"))
		return err_set(c->err, WE_CONFIG,
			"maps of type fifo are refused: a program that does not answer would stop the "
			"sessions");
	if (!str_starts(source, "int:"))
		return err_set(
			c->err, WE_CONFIG, "'%.100s' is neither txt:<path> nor int:<function>", source);
	if (str_eq(source, "int:idnatrans"))
		return err_set(c->err, WE_CONFIG, "idnatrans is not supported by this version");
	r = conf_word_value(functions, source + 4, &kind, c->err);
	map->kind = (enum ftp_map_kind)kind;
	return r;
}

static int log_file(struct conf_call *c, void *dst)
{
	return ftp_call_logfile_or_none(c, &((struct ftp_conf *)dst)->rewrite_log);
}

#define REWRITE .module = "mod_rewrite.c"

static const struct conf_row rows[] = {
	{.name = "RewriteCondition",
		CONF_LIST(struct ftp_conf, rewrite_conds, struct ftp_rewrite_cond),
		.parse = condition,
		.min_args = 2,
		.max_args = 3,
		.scope = S_V_G_A_D,
		REWRITE,
		.syntax = "<text> [!]<regular expression>|[!]<|>|=<text> [[NC,OR]]",
		.doc = "Condition for the next RewriteRule of the section: the text, with the variables of "
		       "RewriteRule replaced, matches the expression, or is compared as a string. \"<x\" "
		       "holds "
		       "for text greater than x, \">x\" for text less than x. OR joins it with the next one "
		       "by "
		       "\"or\" instead of \"and\"; NC ignores case."},
	{.name = "RewriteEngine",
		CONF_BOOL(struct ftp_conf, rewrite_engine),
		.scope = S_V_G,
		REWRITE,
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether commands are rewritten."},
	{.name = "RewriteHome",
		CONF_BOOL(struct ftp_conf, rewrite_home),
		.scope = S_V_G,
		.module = "mod_auth.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether the rules are asked about home directories too, as about the argument of a "
		       "command "
		       "REWRITE_HOME."},
	{.name = "RewriteLog",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, rewrite_log, struct ftp_logfile *),
		.parse = log_file,
		.min_args = 1,
		.scope = S_V_G,
		REWRITE,
		.dflt_text = "none",
		.syntax = "<path>|none",
		.doc = "File with a line for each command that was rewritten."},
	{.name = "RewriteMap",
		CONF_LIST(struct ftp_conf, rewrite_maps, struct ftp_rewrite_map),
		.parse = map_parse,
		.min_args = 2,
		.scope = S_V_G,
		REWRITE,
		.syntax =
			"<name> txt:<path>|int:replaceall|int:tolower|int:toupper|int:unescape|int:utf8trans",
		.doc = "A map for ${name:key|default}. txt: lines of a key and a value, read with the "
		       "configuration; a reload reads them again. replaceall takes \"!text!from!to\", with "
		       "any byte "
		       "for \"!\"."},
	{.name = "RewriteMaxReplace",
		CONF_UINT(struct ftp_conf, rewrite_max_replace, unsigned),
		.scope = S_V_G,
		REWRITE,
		.dflt = "8",
		.min = "1",
		.max = "4096",
		.unit = "replacements",
		.syntax = "<number>",
		.doc = "Text in which replaceall would replace more than this stays as it is."},
	{.name = "RewriteRule",
		CONF_LIST(struct ftp_conf, rewrite_rules, struct ftp_rewrite_rule),
		.parse = rule,
		.min_args = 2,
		.max_args = 3,
		.scope = S_V_G_A_D,
		REWRITE,
		.syntax = "[!]<regular expression> <text> [[NC]]",
		.doc = "With RewriteEngine on, the argument of a command, PASS included, that matches "
		       "becomes the text, "
		       "before any rule for access is asked. All rules are applied, those of the <Directory> "
		       "of "
		       "the current directory first. In the text, $0 to $9 are what the groups matched, %0 "
		       "to %9 "
		       "those of the last condition, %a the client's address, %c its class, %f the argument, "
		       "%F "
		       "it as full path, %g and %G the user's first and all groups, %h the client's name, %m "
		       "the "
		       "command (SITE CHMOD and SITE CHGRP with both words), %p the port, %P the process, %t "
		       "the "
		       "time, %u the user, %U the name that was sent, %v ServerName, %{TIME}, %{TIME_YEAR}, "
		       "_MON, "
		       "_DAY, _WDAY, _HOUR, _MIN, _SEC, %{ENV:name}, and ${map:key|default}. Nothing that a "
		       "client sends is replaced again. A result that is empty changes nothing; one with a "
		       "line "
		       "end or beyond 4096 bytes, or a match that takes too long, refuses the command."},
};

const struct conf_table ftp_table_rewrite = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
