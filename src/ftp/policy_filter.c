/* Filters and hiding: what clients may say, and what they see. */
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ftp/policy.h"

static bool refused(const struct ftp_filter *f, const char *why, struct policy_verdict *ret_v)
{
	if (ret_v != NULL)
		*ret_v = (struct policy_verdict){false, f->file, f->line, why};
	return false;
}

/* A search that had to be given up counts against the client. */
bool policy_arg_allowed(const struct ftp_conf *conf, const char *arg, struct policy_verdict *ret_v)
{
	if (conf->arg_allow.pattern.re != NULL && !ftp_pattern_match(&conf->arg_allow.pattern, arg, false))
		return refused(&conf->arg_allow, "AllowFilter does not match the argument", ret_v);
	if (conf->arg_deny.pattern.re != NULL && ftp_pattern_match(&conf->arg_deny.pattern, arg, true))
		return refused(&conf->arg_deny, "DenyFilter matches the argument", ret_v);
	return true;
}

bool policy_name_allowed(const struct ftp_conf *conf, const char *path, struct policy_verdict *ret_v)
{
	if (conf->path_allow.pattern.re != NULL && !ftp_pattern_match(&conf->path_allow.pattern, path, false))
		return refused(&conf->path_allow, "PathAllowFilter does not match the path", ret_v);
	if (conf->path_deny.pattern.re != NULL && ftp_pattern_match(&conf->path_deny.pattern, path, true))
		return refused(&conf->path_deny, "PathDenyFilter matches the path", ret_v);
	return true;
}

/* Of each list the entries of the innermost level that has one for the session. */
static unsigned pick_files(
	const struct ftp_hide_files *list, const struct ftp_subject *who, const struct ftp_pattern **ret)
{
	unsigned n = 0, level = 0;
	bool found = false;

	for (const struct ftp_item *i = list != NULL ? &list->item : NULL; i != NULL; i = i->next) {
		const struct ftp_hide_files *h = CONTAINER_OF(i, struct ftp_hide_files, item);

		if (!policy_selector_match(&h->who, who))
			continue;
		if (found && i->level < level)
			break; /* the list is ordered by level, innermost first */
		found = true;
		level = i->level;
		if (h->pattern.re == NULL)
			break; /* none: what follows is from further out, or was written later */
		if (n < POLICY_HIDE_MAX)
			ret[n++] = &h->pattern;
	}
	return n;
}

static unsigned pick_names(
	const struct ftp_hide_name *list, const struct ftp_subject *who, const struct ftp_hide_name **ret)
{
	unsigned n = 0;

	for (const struct ftp_item *i = list != NULL ? &list->item : NULL; i != NULL; i = i->next) {
		const struct ftp_hide_name *h = CONTAINER_OF(i, struct ftp_hide_name, item);

		if (n > 0 && i->level < ret[0]->item.level)
			break;
		if (policy_selector_match(&h->who, who) && n < POLICY_HIDE_MAX)
			ret[n++] = h;
	}
	return n;
}

bool policy_may_hide(const struct ftp_conf *conf)
{
	return conf->hide_files != NULL || conf->hide_users != NULL || conf->hide_groups != NULL ||
	       conf->hide_no_access;
}

bool policy_hide_init(struct policy_hide *h, const struct ftp_conf *conf, const struct ftp_subject *who)
{
	h->n_files = pick_files(conf->hide_files, who, h->files);
	h->n_users = pick_names(conf->hide_users, who, h->users);
	h->n_groups = pick_names(conf->hide_groups, who, h->groups);
	h->no_access = conf->hide_no_access;
	return h->n_files > 0 || h->n_users > 0 || h->n_groups > 0 || h->no_access;
}

bool policy_hides_name(const struct policy_hide *h, const char *name)
{
	if (str_eq(name, ".") || str_eq(name, ".."))
		return false;
	for (unsigned i = 0; i < h->n_files; i++)
		if (ftp_pattern_match(h->files[i], name, true))
			return true;
	return false;
}

static bool hides(const struct ftp_hide_name *const *list, unsigned n, const char *name, bool own)
{
	for (unsigned i = 0; i < n; i++) {
		bool is = str_eq(list[i]->name, "~") ? own : name != NULL && str_eq(list[i]->name, name);

		if (is != list[i]->negate)
			return true;
	}
	return false;
}

bool policy_hides_user(const struct policy_hide *h, const char *name, bool own)
{
	return hides(h->users, h->n_users, name, own);
}

bool policy_hides_group(const struct policy_hide *h, const char *name, bool own)
{
	return hides(h->groups, h->n_groups, name, own);
}
