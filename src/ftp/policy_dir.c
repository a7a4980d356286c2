#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "ftp/policy_priv.h"

#define PATTERN_MAX (2 * PATH_MAX)

struct rank {
	unsigned components, literals;
};

struct found {
	const struct ftp_scope *scopes[POLICY_MATCH_MAX];
	struct rank ranks[POLICY_MATCH_MAX];
	unsigned n;
};

/* The pattern as an absolute one. NULL when what it refers to is not known (or too long to be a path). */
static const char *pattern_absolute(
	const char *pattern, const struct policy_env *env, char dst[static PATTERN_MAX])
{
	const char *base;
	int n;

	if (*pattern == '/')
		return pattern;
	if (*pattern == '~') {
		pattern++;
		if (*pattern != '\0' && *pattern != '/')
			return NULL; /* another user's home: the load would have resolved it */
		base = env != NULL ? env->home : NULL;
	} else {
		base = env != NULL ? env->anon_root : NULL;
	}
	if (base == NULL)
		return NULL;
	if (str_eq(base, "/"))
		base = "";
	n = snprintf(
		dst, PATTERN_MAX, "%s%s%s", base, *pattern == '/' || *pattern == '\0' ? "" : "/", pattern);
	if (n < 0 || n >= PATTERN_MAX)
		return NULL;
	return *dst != '\0' ? dst : "/";
}

/* Next component of *p, which is left behind it; its length, 0 at the end. */
static size_t component(const char **p, const char **ret_start)
{
	size_t n;

	*p += strspn(*p, "/");
	n = strcspn(*p, "/");
	*ret_start = *p;
	*p += n;
	return n;
}

static bool component_match(const char *pat, size_t pat_len, const char *name, size_t name_len)
{
	char a[NAME_MAX + 1], b[NAME_MAX + 1];

	if (pat_len == name_len && memcmp(pat, name, name_len) == 0)
		return true;
	if (memchr(pat, '*', pat_len) == NULL || pat_len >= sizeof(a) || name_len >= sizeof(b))
		return false;
	memcpy(a, pat, pat_len);
	a[pat_len] = '\0';
	memcpy(b, name, name_len);
	b[name_len] = '\0';
	return fnmatch(a, b, FNM_NOESCAPE) == 0;
}

/* Does the absolute pattern match the path, or a directory above it? A last component '*' stands for what
 * is inside. */
static bool absolute_match(const char *pattern, const char *path, struct rank *ret_rank)
{
	struct rank rank = {0, 0};

	for (;;) {
		const char *pat, *name;
		size_t pat_len = component(&pattern, &pat), name_len = component(&path, &name);

		if (pat_len == 0) {
			*ret_rank = rank;
			return true;
		}
		if (name_len == 0 || !component_match(pat, pat_len, name, name_len))
			return false;
		rank.components++;
		for (size_t i = 0; i < pat_len; i++)
			rank.literals += pat[i] != '*';
	}
}

bool policy_dir_match(const char *pattern, const struct policy_env *env, const char *host_path)
{
	char mem[PATTERN_MAX];
	struct rank rank;

	pattern = pattern_absolute(pattern, env, mem);
	return pattern != NULL && absolute_match(pattern, host_path, &rank);
}

/* Is a before b? Sections come in file order and a later one of the same rank goes first. */
static bool before(const struct rank *a, const struct rank *b)
{
	if (a->components != b->components)
		return a->components > b->components;
	return a->literals >= b->literals;
}

static void found_add(struct found *f, const struct ftp_scope *s, const struct rank *rank)
{
	unsigned at = 0, move;

	while (at < f->n && !before(rank, &f->ranks[at]))
		at++;
	if (at == POLICY_MATCH_MAX)
		return;
	move = f->n < POLICY_MATCH_MAX ? f->n : POLICY_MATCH_MAX - 1;
	f->n = move + 1;
	for (; move > at; move--) {
		f->scopes[move] = f->scopes[move - 1];
		f->ranks[move] = f->ranks[move - 1];
	}
	f->scopes[at] = s;
	f->ranks[at] = *rank;
}

/* All matching sections of the list, and those that the load put below them. */
static void dirs_collect(
	const struct ftp_scope *list, const struct policy_env *env, const char *path, struct found *f)
{
	for (; list != NULL; list = list->next) {
		char mem[PATTERN_MAX];
		const char *pattern = pattern_absolute(list->path, env, mem);
		struct rank rank;

		if (pattern != NULL && absolute_match(pattern, path, &rank))
			found_add(f, list, &rank);
		dirs_collect(list->dirs, env, path, f);
	}
}

unsigned policy_dirs_find(const struct ftp_scope *top, const struct policy_env *env, const char *host_path,
	const struct ftp_scope *ret_dirs[POLICY_MATCH_MAX])
{
	struct found f = {.n = 0};

	if (host_path == NULL)
		return 0;
	dirs_collect(top->dirs, env, host_path, &f);
	if (f.n == 0 && top->kind == CONF_KIND_ANONYMOUS && top->parent != NULL)
		dirs_collect(top->parent->dirs, env, host_path, &f);
	memcpy(ret_dirs, f.scopes, f.n * sizeof(f.scopes[0]));
	return f.n;
}

const struct ftp_scope *policy_scope_for_path(
	const struct ftp_scope *top, const struct policy_env *env, const char *host_path)
{
	const struct ftp_scope *dirs[POLICY_MATCH_MAX];

	return policy_dirs_find(top, env, host_path, dirs) > 0 ? dirs[0] : top;
}
