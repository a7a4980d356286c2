#include "session/cmd/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"
#include "ftp/line.h"

bool args_split(const char *arg, size_t *ret_n, const char **ret_rest)
{
	size_t n = strcspn(arg, " ");

	if (n == 0 || !arg[n] || !arg[n + 1])
		return false;
	*ret_n = n;
	*ret_rest = arg + n + 1;
	return true;
}

/* --- times --- */

static size_t digits(const char *text, size_t n)
{
	size_t i = 0;

	while (i < n && text[i] >= '0' && text[i] <= '9')
		i++;
	return i;
}

static int number(const char *text, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (text[i] - '0');
	return v;
}

int args_time(const char *text, size_t n, bool minutes_ok, int64_t *ret_secs)
{
	size_t d = digits(text, n);
	struct civil c;

	if (d != 14 && !(minutes_ok && d == 12))
		return -EINVAL;
	if (d < n &&
		(d != 14 || text[d] != '.' || d + 1 == n || d + 1 + digits(text + d + 1, n - d - 1) != n))
		return -EINVAL;
	c.year = number(text, 4);
	c.month = number(text + 4, 2);
	c.day = number(text + 6, 2);
	c.hour = number(text + 8, 2);
	c.minute = number(text + 10, 2);
	c.second = d == 14 ? number(text + 12, 2) : 0;
	if (c.year < 1970)
		return -EINVAL;
	return clock_from_utc(&c, ret_secs);
}

/* --- MFF --- */

static bool name_is(const char *text, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (ascii_lower(text[i]) != ascii_lower(name[i]))
			return false; /* also where name is shorter: its NUL differs */
	return !name[n];
}

static int octal(const char *text, size_t n, mode_t *ret_mode)
{
	mode_t v = 0;

	if (n == 0 || n > 5)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '7')
			return -EINVAL;
		v = v * 8 + (mode_t)(text[i] - '0');
	}
	if (v > 07777)
		return -EINVAL;
	*ret_mode = v;
	return 0;
}

static void copy_cut(char *dst, size_t size, const char *text, size_t n)
{
	if (n >= size)
		n = size - 1;
	memcpy(dst, text, n);
	dst[n] = '\0';
}

/* One "name=value" without its ';'. */
static int mff_fact(const char *text, size_t n, size_t eq, struct args_mff *f)
{
	const char *value = text + eq + 1;
	size_t len = n - eq - 1;

	if (name_is(text, eq, "modify")) {
		if (f->has_modify || args_time(value, len, false, &f->modify) < 0)
			return ARGS_MFF_VALUE;
		f->has_modify = true;
	} else if (name_is(text, eq, "UNIX.mode")) {
		if (f->has_mode || octal(value, len, &f->mode) < 0)
			return ARGS_MFF_VALUE;
		f->has_mode = true;
	} else if (name_is(text, eq, "UNIX.group")) {
		if (f->has_group || len == 0 || len >= sizeof f->group)
			return ARGS_MFF_VALUE;
		copy_cut(f->group, sizeof f->group, value, len);
		f->has_group = true;
	} else {
		return ARGS_MFF_FACT;
	}
	return 0;
}

int args_mff(const char *text, size_t n, struct args_mff *ret_facts, char *ret_bad)
{
	*ret_facts = (struct args_mff){0};
	ret_bad[0] = '\0';
	if (n == 0 || text[n - 1] != ';')
		return ARGS_MFF_FORM;
	while (n > 0) {
		size_t end = (size_t)((const char *)memchr(text, ';', n) - text);
		const char *eq = memchr(text, '=', end);
		int r;

		if (!eq || eq == text)
			return ARGS_MFF_FORM;
		r = mff_fact(text, end, (size_t)(eq - text), ret_facts);
		if (r != 0) {
			copy_cut(ret_bad, 65, text, r == ARGS_MFF_FACT ? (size_t)(eq - text) : end);
			return r;
		}
		text += end + 1;
		n -= end + 1;
	}
	return 0;
}

/* --- SITE UTIME --- */

/* Take the last word off text[0..*n). false: there is none before a blank. */
static bool last_word(const char *text, size_t *n, const char **ret_word, size_t *ret_len)
{
	size_t i = *n;

	while (i > 0 && text[i - 1] != ' ')
		i--;
	if (i == 0 || i == *n)
		return false;
	*ret_word = text + i;
	*ret_len = *n - i;
	*n = i - 1;
	return true;
}

/* "path atime mtime ctime UTC"; *ret_n: length of the path. */
static bool utime_long(const char *arg, int64_t times[3], size_t *ret_n)
{
	size_t n = strlen(arg), len;
	const char *word;

	if (!last_word(arg, &n, &word, &len) || !name_is(word, len, "UTC"))
		return false;
	for (int i = 2; i >= 0; i--)
		if (!last_word(arg, &n, &word, &len) || args_time(word, len, true, &times[i]) < 0)
			return false;
	*ret_n = n;
	return n > 0;
}

int args_utime(const char *arg, int64_t *ret_atime, int64_t *ret_mtime, char **ret_path)
{
	int64_t times[3];
	const char *path = arg;
	size_t n;

	if (!utime_long(arg, times, &n)) {
		if (!args_split(arg, &n, &path) || args_time(arg, n, true, &times[0]) < 0)
			return -EINVAL;
		times[1] = times[0];
		n = strlen(path);
	}
	*ret_path = strndup(path, n);
	if (!*ret_path)
		return -ENOMEM;
	*ret_atime = times[0];
	*ret_mtime = times[1];
	return 0;
}

/* --- SITE CHMOD --- */

static const mode_t WHO_U = 04700, WHO_G = 02070, WHO_O = 01007;

static bool who_letter(char c, mode_t *who)
{
	switch (c) {
	case 'u':
		*who |= WHO_U;
		return true;
	case 'g':
		*who |= WHO_G;
		return true;
	case 'o':
		*who |= WHO_O;
		return true;
	case 'a':
		*who |= WHO_U | WHO_G | WHO_O;
		return true;
	default:
		return false;
	}
}

static bool perm_letter(char c, mode_t *perm)
{
	switch (c) {
	case 'r':
		*perm |= 0444;
		return true;
	case 'w':
		*perm |= 0222;
		return true;
	case 'x':
		*perm |= 0111;
		return true;
	case 's':
		*perm |= 06000;
		return true;
	case 't':
		*perm |= 01000;
		return true;
	default:
		return false;
	}
}

/* Permissions after an operator; returns where they end. */
static const char *clause_perms(const char *s, const char *end, struct args_chmod *c)
{
	c->clause[c->count].perm = 0;
	c->clause[c->count].copy = 0;
	c->clause[c->count].x_if = false;
	if (s < end && (*s == 'u' || *s == 'g' || *s == 'o')) {
		c->clause[c->count].copy = *s;
		return s + 1;
	}
	for (; s < end; s++) {
		if (*s == 'X')
			c->clause[c->count].x_if = true;
		else if (!perm_letter(*s, &c->clause[c->count].perm))
			break;
	}
	return s;
}

/* "[ugoa]*([+-=]perms)+" up to a comma; returns where it ends, NULL = malformed. */
static const char *symbolic(const char *s, const char *end, struct args_chmod *c)
{
	mode_t who = 0;

	while (s < end && who_letter(*s, &who))
		s++;
	if (who == 0)
		who = WHO_U | WHO_G | WHO_O;
	if (s == end || !strchr("+-=", *s))
		return NULL;
	while (s < end && *s != ',') {
		if (!strchr("+-=", *s) || c->count == ARGS_CHMOD_CLAUSES)
			return NULL;
		c->clause[c->count].who = who;
		c->clause[c->count].op = *s;
		s = clause_perms(s + 1, end, c);
		c->count++;
	}
	return s;
}

int args_chmod(const char *text, size_t n, struct args_chmod *ret_change)
{
	const char *s = text, *end = text + n;

	memset(ret_change, 0, sizeof *ret_change);
	if (memchr(text, '\0', n))
		return -EINVAL;
	if (octal(text, n, &ret_change->value) == 0)
		return 0;
	for (;;) {
		s = symbolic(s, end, ret_change);
		if (!s)
			return -EINVAL;
		if (s == end)
			return 0;
		s++; /* the comma */
	}
}

/* The bits of one class as bits of all three. */
static mode_t class_bits(mode_t mode, char class)
{
	mode_t three = (class == 'u' ? mode >> 6 : class == 'g' ? mode >> 3 : mode) & 7;

	return three << 6 | three << 3 | three;
}

mode_t args_chmod_apply(const struct args_chmod *change, mode_t mode)
{
	mode_t bits = mode & 07777;

	if (change->count == 0)
		return change->value;
	for (unsigned i = 0; i < change->count; i++) {
		mode_t who = change->clause[i].who, perm = change->clause[i].perm;

		if (change->clause[i].copy)
			perm = class_bits(bits, change->clause[i].copy);
		if (change->clause[i].x_if && (S_ISDIR(mode) || bits & 0111))
			perm |= 0111;
		perm &= who;
		if (change->clause[i].op == '+')
			bits |= perm;
		else if (change->clause[i].op == '-')
			bits &= ~perm;
		else
			bits = (bits & ~(who & 0777) & ~(perm & 07000)) | perm;
	}
	return bits;
}

/* --- two words --- */

/* A word at *s; *s moves behind it. NULL: malformed or no memory (errno). */
static char *take_word(const char **s)
{
	const char *p = *s;
	char *word = malloc(strlen(p) + 1), *out = word;
	bool quoted = *p == '"';

	if (!word)
		return NULL;
	p += quoted;
	while (*p && *p != (quoted ? '"' : ' ')) {
		if (quoted && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		*out++ = *p++;
	}
	*out = '\0';
	if (out == word || (quoted && (*p++ != '"' || (*p && *p != ' ')))) {
		free(word);
		errno = EINVAL;
		return NULL;
	}
	*s = p;
	return word;
}

static enum args_hash_result take_range(const char *arg, struct args_hash *ret)
{
	struct line_word w[3];

	if (line_words(arg, w, 3) != 2)
		return ARGS_HASH_COUNT;
	ret->ranged = true;
	if (!line_word_number(&w[0], INT64_MAX, &ret->start))
		return ARGS_HASH_START;
	if (!line_word_number(&w[1], INT64_MAX, &ret->end))
		return ARGS_HASH_END;
	return ret->start < ret->end ? ARGS_HASH_OK : ARGS_HASH_ORDER;
}

enum args_hash_result args_hash(const char *arg, struct args_hash *ret)
{
	enum args_hash_result r;

	memset(ret, 0, sizeof *ret);
	arg += strspn(arg, " ");
	ret->path = take_word(&arg);
	if (!ret->path)
		return ARGS_HASH_COUNT;
	arg += strspn(arg, " ");
	r = *arg ? take_range(arg, ret) : ARGS_HASH_OK;
	if (r != ARGS_HASH_OK) {
		free(ret->path);
		ret->path = NULL;
	}
	return r;
}

int args_two_words(const char *arg, char **ret_a, char **ret_b)
{
	char *a, *b;
	int r;

	arg += strspn(arg, " ");
	a = take_word(&arg);
	if (!a)
		return -errno;
	arg += strspn(arg, " ");
	b = take_word(&arg);
	if (!b || arg[strspn(arg, " ")]) {
		r = b ? -EINVAL : -errno;
		free(a);
		free(b);
		return r;
	}
	*ret_a = a;
	*ret_b = b;
	return 0;
}

int args_link(const char *arg, char **ret_target, char **ret_path)
{
	const char *at = NULL, *next = arg;
	int r = args_two_words(arg, ret_target, ret_path);

	if (r != -EINVAL || arg[0] == '"')
		return r;
	while ((next = strstr(next, " /")) != NULL)
		at = next++;
	if (at == NULL || at == arg)
		return -EINVAL;
	*ret_target = strndup(arg, (size_t)(at - arg));
	*ret_path = strdup(at + 1);
	if (*ret_target != NULL && *ret_path != NULL)
		return 0;
	free(*ret_target);
	free(*ret_path);
	return -ENOMEM;
}
