#include "ftp/policy.h"

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/policy_priv.h"
#include "ftp/verb.h"

enum verdict { NONE, ALLOW, DENY };

/* What decided. */
struct reason {
	const char *file, *why;
	unsigned line;
};

/* Sections of <Limit> that may have a say, innermost first: .ftpaccess, directories, anonymous, server. */
struct chain {
	const struct ftp_scope *scopes[POLICY_MATCH_MAX + 3];
	unsigned n;
};

static const char *const rule_why[] = {
	[FTP_ALLOW_USER] = "AllowUser matches",
	[FTP_ALLOW_GROUP] = "AllowGroup matches",
	[FTP_ALLOW_CLASS] = "AllowClass matches",
	[FTP_ALLOW_ADDR] = "Allow matches the client's address",
	[FTP_ALLOW_FILTER] = "AllowFilter matches the argument",
	[FTP_ALLOW_ALL] = "AllowAll",
	[FTP_DENY_ALL] = "DenyAll",
	[FTP_DENY_USER] = "DenyUser matches",
	[FTP_DENY_GROUP] = "DenyGroup matches",
	[FTP_DENY_CLASS] = "DenyClass matches",
	[FTP_DENY_ADDR] = "Deny matches the client's address",
	[FTP_DENY_FILTER] = "DenyFilter matches the argument",
};

static bool rule_match(const struct ftp_limit_rule *rule, const struct ftp_subject *who)
{
	switch (rule->kind) {
	case FTP_ALLOW_USER: /* before login: it may still become that user, so it counts; decided again afterwards */
		return !who->authenticated || ftp_expr_match(rule->expr, FTP_EXPR_USER, who);
	case FTP_ALLOW_GROUP:
		return !who->authenticated || ftp_expr_match(rule->expr, FTP_EXPR_GROUP, who);
	case FTP_DENY_USER:
		return who->authenticated && ftp_expr_match(rule->expr, FTP_EXPR_USER, who);
	case FTP_DENY_GROUP:
		return who->authenticated && ftp_expr_match(rule->expr, FTP_EXPR_GROUP, who);
	case FTP_ALLOW_CLASS:
	case FTP_DENY_CLASS:
		return ftp_expr_match(rule->expr, FTP_EXPR_CLASS, who);
	case FTP_ALLOW_ADDR:
	case FTP_DENY_ADDR:
		return ftp_acl_match(rule->acl, who->client, who->client_name);
	case FTP_ALLOW_FILTER:
		return ftp_pattern_match(&rule->pattern, who->arg != NULL ? who->arg : "", false);
	case FTP_DENY_FILTER:
		return ftp_pattern_match(&rule->pattern, who->arg != NULL ? who->arg : "", true);
	case FTP_ALLOW_ALL:
	case FTP_DENY_ALL:
		return true;
	}
	return false;
}

/* Does a rule with a kind in first..last match? The kinds are numbered in the order in which they are
 * tried. */
static bool rules_match(const struct ftp_limit *l, enum ftp_rule_kind first, enum ftp_rule_kind last,
	const struct ftp_subject *who, struct reason *why)
{
	for (unsigned kind = first; kind <= last; kind++)
		for (const struct ftp_limit_rule *rule = l->rules; rule != NULL; rule = rule->next)
			if (rule->kind == kind && rule_match(rule, who)) {
				*why = (struct reason){rule->file, rule_why[kind], rule->line};
				return true;
			}
	return false;
}

/* One <Limit>. */
static enum verdict limit_verdict(
	const struct ftp_limit *l, const struct ftp_subject *who, struct reason *why)
{
	if (l->deny_first) {
		if (rules_match(l, FTP_DENY_ALL, FTP_DENY_FILTER, who, why))
			return DENY;
		if (rules_match(l, FTP_ALLOW_USER, FTP_ALLOW_ALL, who, why))
			return ALLOW;
		*why = (struct reason){l->file, "Order deny,allow and nothing allows", l->line};
		return DENY;
	}
	if (rules_match(l, FTP_ALLOW_USER, FTP_ALLOW_ALL, who, why))
		return ALLOW;
	if (rules_match(l, FTP_DENY_ALL, FTP_DENY_FILTER, who, why))
		return DENY;
	return NONE;
}

static bool limit_names(const struct ftp_limit *l, const char *command)
{
	for (unsigned i = 0; i < l->n_commands; i++)
		if (str_eq(l->commands[i], command))
			return true;
	return false;
}

/* The innermost scope that says something about a command or group. */
static enum verdict chain_verdict(
	const struct chain *c, const char *name, const struct ftp_subject *who, struct reason *why)
{
	for (unsigned i = 0; i < c->n; i++)
		for (const struct ftp_limit *l = c->scopes[i]->limits; l != NULL; l = l->next) {
			enum verdict v = limit_names(l, name) ? limit_verdict(l, who, why) : NONE;

			if (v != NONE)
				return v;
		}
	return NONE;
}

/* AllowAll and DenyAll outside <Limit>: the innermost one counts. AllowAll only shields from a DenyAll
 * further out. */
static enum verdict chain_access_all(const struct chain *c, struct reason *why)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct ftp_scope *s = c->scopes[i];

		if (s->access_all == FTP_UNSET)
			continue;
		if (s->access_all == FTP_ON)
			return NONE;
		*why = (struct reason){s->access_pos.file, "DenyAll in the section", s->access_pos.line};
		return DENY;
	}
	return NONE;
}

static const char *group_name(unsigned groups)
{
	if ((groups & VERB_LIMIT_READ) != 0)
		return "READ";
	if ((groups & VERB_LIMIT_WRITE) != 0)
		return "WRITE";
	return (groups & VERB_LIMIT_DIRS) != 0 ? "DIRS" : NULL;
}

/* Command by name, then its group, then ALL: each across all scopes. */
static enum verdict command_verdict(
	const struct chain *c, const char *command, const struct ftp_subject *who, struct reason *why)
{
	const struct ftp_verb *verb = verb_find_limit(command);
	unsigned groups = verb != NULL ? verb->groups : 0;
	const char *group = group_name(groups);
	struct reason dirs_why;
	enum verdict v = NONE;

	if (verb != NULL)
		command = verb->limit; /* XMKD is MKD */
	if ((groups & VERB_LIMIT_ALL) != 0)
		v = chain_access_all(c, why);
	if (v == NONE)
		v = chain_verdict(c, command, who, why);
	if (v != NONE)
		return v;
	/* The manual of old lists RNFR under DIRS and the code had it under WRITE: either may forbid it. */
	if (str_eq(command, "RNFR") && chain_verdict(c, "DIRS", who, &dirs_why) == DENY) {
		*why = dirs_why;
		return DENY;
	}
	if (group != NULL)
		v = chain_verdict(c, group, who, why);
	if (v == NONE && (groups & VERB_LIMIT_ALL) != 0)
		v = chain_verdict(c, "ALL", who, why);
	return v;
}

static void chain_fill(struct chain *c, const struct ftp_scope *top, const struct policy_env *env,
	const char *host_path, const struct ftp_scope *ftpaccess)
{
	const struct ftp_scope *dirs[POLICY_MATCH_MAX];
	unsigned n = policy_dirs_find(top, env, host_path, dirs);

	c->n = 0;
	if (ftpaccess != NULL)
		c->scopes[c->n++] = ftpaccess;
	for (unsigned i = 0; i < n; i++)
		c->scopes[c->n++] = dirs[i];
	c->scopes[c->n++] = top;
	if (top->kind == CONF_KIND_ANONYMOUS && top->parent != NULL)
		c->scopes[c->n++] = top->parent;
}

bool policy_ignores_hidden(const struct ftp_scope *top, const struct policy_env *env, const char *host_path,
	const struct ftp_scope *ftpaccess, const char *command)
{
	const struct ftp_verb *verb = verb_find_limit(command);
	const char *names[] = {verb != NULL ? verb->limit : command,
		group_name(verb != NULL ? verb->groups : 0),
		verb != NULL && (verb->groups & VERB_LIMIT_ALL) != 0 ? "ALL" : NULL};
	struct chain c;

	chain_fill(&c, top, env, host_path, ftpaccess);
	for (unsigned i = 0; i < c.n; i++)
		for (const struct ftp_limit *l = c.scopes[i]->limits; l != NULL; l = l->next)
			for (unsigned k = 0; k < ARRAY_LEN(names); k++)
				if (l->ignore_hidden && names[k] != NULL && limit_names(l, names[k]))
					return true;
	return false;
}

static bool verdict_return(enum verdict v, const struct reason *why, struct policy_verdict *ret_v)
{
	if (ret_v != NULL) {
		*ret_v = (struct policy_verdict){.allowed = v != DENY, .why = "no rule forbids it"};
		if (v != NONE) {
			ret_v->file = why->file;
			ret_v->line = why->line;
			ret_v->why = why->why;
		}
	}
	return v != DENY;
}

bool policy_check(const struct ftp_subject *who, const struct ftp_scope *top, const struct policy_env *env,
	const char *host_path, const struct ftp_scope *ftpaccess, const char *command,
	struct policy_verdict *ret_v)
{
	struct reason why = {NULL, NULL, 0};
	struct chain c;

	chain_fill(&c, top, env, host_path, ftpaccess);
	return verdict_return(command_verdict(&c, command, who, &why), &why, ret_v);
}

/* --- LOGIN --- */

/* Could this peer get in by one of the scope's LOGIN limits? *ret_n counts them; *why is a line that
 * refused. */
static bool login_possible(
	const struct ftp_scope *s, const struct ftp_subject *who, unsigned *ret_n, struct reason *why)
{
	for (const struct ftp_limit *l = s->limits; l != NULL; l = l->next) {
		if (!limit_names(l, "LOGIN"))
			continue;
		(*ret_n)++;
		if (limit_verdict(l, who, why) != DENY)
			return true;
	}
	return false;
}

bool policy_login_connect(
	const struct ftp_subject *who, const struct ftp_scope *server, struct policy_verdict *ret_v)
{
	struct ftp_subject peer = *who;
	struct reason why = {NULL, NULL, 0};
	unsigned n = 0;
	bool possible;

	peer.authenticated = false;
	possible = login_possible(server, &peer, &n, &why);
	for (const struct ftp_scope *a = server->anons; a != NULL && !possible; a = a->next)
		possible = login_possible(a, &peer, &n, &why);
	return verdict_return(possible || n == 0 ? NONE : DENY, &why, ret_v);
}

/* All LOGIN limits of one scope together: each must let the subject in. *ret_any: there is one. */
static enum verdict login_all(
	const struct ftp_scope *s, const struct ftp_subject *who, bool *ret_any, struct reason *why)
{
	enum verdict all = NONE;

	*ret_any = false;
	for (const struct ftp_limit *l = s->limits; l != NULL; l = l->next) {
		enum verdict v;

		if (!limit_names(l, "LOGIN"))
			continue;
		*ret_any = true;
		v = limit_verdict(l, who, why);
		if (v == DENY)
			return DENY;
		if (v == ALLOW)
			all = ALLOW;
	}
	return all;
}

bool policy_login(const struct ftp_subject *who, const struct ftp_scope *top, struct policy_verdict *ret_v)
{
	struct reason why = {NULL, NULL, 0};
	bool any;
	enum verdict v = login_all(top, who, &any, &why);

	if (!any && top->kind == CONF_KIND_ANONYMOUS && top->parent != NULL)
		v = login_all(top->parent, who, &any, &why);
	return verdict_return(v, &why, ret_v);
}

/* --- rules with a selector --- */

bool policy_selector_match(const struct ftp_selector *sel, const struct ftp_subject *who)
{
	return !sel->present || ftp_expr_match(sel->expr, sel->kind, who);
}

/* Of two items that both apply: the higher level, and among equals the earlier. */
#define BETTER(best, it) ((best) == NULL || (it)->item.level > (best)->item.level)

const struct ftp_rate *policy_rate(
	const struct ftp_conf *conf, unsigned command, const struct ftp_subject *who)
{
	const struct ftp_rate *best = NULL;

	for (const struct ftp_item *i = conf->rates != NULL ? &conf->rates->item : NULL; i != NULL;
		i = i->next) {
		const struct ftp_rate *rate = CONTAINER_OF(i, struct ftp_rate, item);

		if ((rate->commands & command) != 0 && policy_selector_match(&rate->who, who) &&
			BETTER(best, rate))
			best = rate;
	}
	return best;
}

unsigned policy_rate_totals(const struct ftp_conf *conf, unsigned command, const struct ftp_subject *who,
	const struct ftp_rate_total **ret_list, unsigned max)
{
	unsigned n = 0;

	for (const struct ftp_item *i = conf->rate_totals != NULL ? &conf->rate_totals->item : NULL;
		i != NULL && n < max; i = i->next) {
		const struct ftp_rate_total *total = CONTAINER_OF(i, struct ftp_rate_total, item);

		if ((total->commands & command) == 0 || !policy_selector_match(&total->who, who) ||
			(total->kind == FTP_TOTAL_CLASS && who->class_name == NULL))
			continue;
		ret_list[n++] = total;
	}
	return n;
}

const struct ftp_max_size *policy_max_size(const struct ftp_max_size *list, const struct ftp_subject *who)
{
	const struct ftp_max_size *best = NULL;

	for (const struct ftp_item *i = list != NULL ? &list->item : NULL; i != NULL; i = i->next) {
		const struct ftp_max_size *size = CONTAINER_OF(i, struct ftp_max_size, item);

		if (policy_selector_match(&size->who, who) && BETTER(best, size))
			best = size;
	}
	return best;
}

const struct ftp_max_xfers *policy_max_transfers(const struct ftp_max_xfers *list, unsigned command)
{
	const struct ftp_max_xfers *best = NULL;

	for (const struct ftp_item *i = list != NULL ? &list->item : NULL; i != NULL; i = i->next) {
		const struct ftp_max_xfers *rule = CONTAINER_OF(i, struct ftp_max_xfers, item);

		if ((rule->commands & command) != 0 && (best == NULL || rule->max < best->max))
			best = rule;
	}
	return best;
}
