/* <IfVersion>: comparing version numbers. */
#include "conf/conf_priv.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* major, minor, revision, then the suffix: a release candidate comes before the release, a letter after it. */
struct version {
	unsigned long part[4];
};

#define RELEASE 1000000ul /* part[3] without a suffix */

static bool number_take(const char **s, unsigned long *ret_n)
{
	char *end;

	if (!isdigit((unsigned char)**s))
		return false;
	*ret_n = strtoul(*s, &end, 10);
	if (end - *s > 5)
		return false;
	*s = end;
	return true;
}

/* "1.3", "1.3.8", "1.3.8rc2", "1.3.8b" */
static bool version_parse(const char *s, struct version *ret_v)
{
	struct version v = {{0, 0, 0, RELEASE}};
	unsigned n = 0;

	do {
		if (n == 3 || !number_take(&s, &v.part[n++]))
			return false;
	} while (*s == '.' && s++ != NULL);
	if (str_starts(s, "rc")) {
		s += 2;
		if (!number_take(&s, &v.part[3]))
			return false;
	} else if (islower((unsigned char)*s)) {
		v.part[3] = RELEASE + (unsigned long)(*s++ - 'a') + 1;
	}
	*ret_v = v;
	return *s == '\0';
}

static int version_cmp(const struct version *a, const struct version *b)
{
	for (unsigned i = 0; i < ARRAY_LEN(a->part); i++) {
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	}
	return 0;
}

/* Which results of version_cmp() an operator takes: bits 1 less, 2 equal, 4 greater; 0: a regular expression. */
static const struct {
	const char *name;
	unsigned takes;
} operators[] = {{"=", 2}, {"==", 2}, {"!=", 5}, {"<", 1}, {"<=", 3}, {">", 4}, {">=", 6}, {"~", 0}};

static int regex_holds(const char *version, const char *pattern, bool *ret_yes, struct err *err)
{
	regex_t re;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(err, WE_CONFIG, "'%.60s' is no regular expression", pattern);
	*ret_yes = regexec(&re, version, 0, NULL, 0) == 0;
	regfree(&re);
	return 0;
}

static int compare_holds(
	const char *version, const char *word, unsigned takes, bool *ret_yes, struct err *err)
{
	struct version ours, theirs;

	if (!version_parse(word, &theirs) || !version_parse(version, &ours))
		return err_set(err, WE_CONFIG, "badly formatted version '%.60s'", word);
	*ret_yes = (takes & (1u << (version_cmp(&ours, &theirs) + 1))) != 0;
	return 0;
}

int conf_version_holds(
	struct arena *a, const char *version, char *const *words, unsigned n, bool *ret_yes, struct err *err)
{
	const char *op = n == 2 ? words[0] : "=", *word = n > 0 ? words[n - 1] : "";
	bool negate = op[0] == '!' && op[1] != '=', yes = false;
	size_t len = strlen(word);
	unsigned i = 0;
	int r;

	if (n < 1 || n > 2)
		return err_set(err, WE_CONFIG, "wrong number of parameters");
	op += negate;
	while (i < ARRAY_LEN(operators) && !str_eq(op, operators[i].name))
		i++;
	if (i == ARRAY_LEN(operators))
		return err_set(err, WE_CONFIG, "unknown comparison operator '%.20s'", op);
	if (len > 1 && word[0] == '/' && word[len - 1] == '/' &&
		operators[i].takes == (operators[i].takes & 2)) {
		word = arena_strndup(a, word + 1, len - 2);
		if (word == NULL)
			return -ENOMEM;
		r = regex_holds(version, word, &yes, err);
	} else if (operators[i].takes == 0) {
		r = regex_holds(version, word, &yes, err);
	} else {
		r = compare_holds(version, word, operators[i].takes, &yes, err);
	}
	if (r == 0)
		*ret_yes = yes != negate;
	return r;
}
