/* Words to values, and values into a row's field. */
#include "conf/conf.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include "base/alloc.h"
#include "base/str.h"
#include "conf/conf_priv.h"

int conf_bool(const char *s, bool *ret_v)
{
	static const char *const yes[] = {"on", "yes", "true", "1"}, *const no[] = {
									     "off", "no", "false", "0"};

	for (unsigned i = 0; i < ARRAY_LEN(yes); i++) {
		if (str_eq_nocase(s, yes[i]) || str_eq_nocase(s, no[i])) {
			*ret_v = str_eq_nocase(s, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

/* Leading decimal digits of s. Returns what follows them, NULL when there are none or too many. */
static const char *digits(const char *s, uint64_t *ret_v)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (unsigned)(*s - '0'), &v))
			return NULL;
	}
	*ret_v = v;
	return s;
}

int conf_size(const char *number, const char *unit, uint64_t *ret_bytes)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	const char *rest;
	uint64_t v;

	rest = digits(number, &v);
	if (rest == NULL || (unit != NULL && *rest != '\0'))
		return -EINVAL;
	if (unit == NULL)
		unit = *rest == '\0' ? "B" : rest;
	for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_eq_nocase(unit, units[i]))
			continue;
		if (v > (uint64_t)INT64_MAX >> (10 * i))
			return -ERANGE;
		*ret_bytes = v << (10 * i);
		return 0;
	}
	return -EINVAL;
}

/* hh:mm:ss, after the hours. */
static int clock_duration(uint64_t hours, const char *s, uint64_t *ret_ms)
{
	uint64_t mins, secs;

	s = digits(s, &mins);
	if (s == NULL || *s++ != ':')
		return -EINVAL;
	s = digits(s, &secs);
	if (s == NULL || *s != '\0' || mins > 59 || secs > 59)
		return -EINVAL;
	if (hours > 1000000)
		return -ERANGE;
	*ret_ms = ((hours * 60 + mins) * 60 + secs) * 1000;
	return 0;
}

int conf_duration(const char *s, uint64_t *ret_ms)
{
	static const struct {
		const char *name;
		unsigned secs;
	} units[] = {{"", 1}, {"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"hr", 3600}};
	uint64_t v;
	const char *rest = digits(s, &v);

	if (rest == NULL)
		return -EINVAL;
	if (*rest == ':')
		return clock_duration(v, rest + 1, ret_ms);
	for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_eq_nocase(rest, units[i].name))
			continue;
		if (v > 1000000000u)
			return -ERANGE;
		*ret_ms = v * units[i].secs * 1000;
		return 0;
	}
	return -EINVAL;
}

/* A number of the row's type. */
static int number_parse(const struct conf_row *row, const char *s, uint64_t *ret_v)
{
	switch (row->type) {
	case CONF_T_SIZE:
		return conf_size(s, NULL, ret_v);
	case CONF_T_DURATION:
		return conf_duration(s, ret_v);
	default:
		return str_to_u64(s, ret_v);
	}
}

static void number_store(const struct conf_row *row, void *field, uint64_t v)
{
	if (row->field.size == sizeof(uint16_t))
		*(uint16_t *)field = (uint16_t)v;
	else if (row->field.size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)v;
	else
		*(uint64_t *)field = v;
}

int conf_number_set(const struct conf_row *row, const char *s, void *field, struct err *err)
{
	uint64_t v = 0, bound = 0, top;
	int r = number_parse(row, s, &v);

	if (r == -EINVAL)
		return err_set(err, WE_CONFIG, "'%.100s' is not a %s", s,
			row->type == CONF_T_DURATION ? "duration"
			: row->type == CONF_T_SIZE   ? "size"
						     : "number");
	top = row->field.size == sizeof(uint16_t)   ? UINT16_MAX
	      : row->field.size == sizeof(uint32_t) ? (row->type == CONF_T_UINT ? INT32_MAX : UINT32_MAX)
						    : (uint64_t)INT64_MAX;
	if (row->max != NULL && number_parse(row, row->max, &bound) == 0 && bound < top)
		top = bound;
	if (r < 0 || v > top)
		return err_set(err, WE_CONFIG, "'%.100s' is too large, the maximum is %s%s%s", s,
			row->max != NULL ? row->max : "that of the type", row->unit != NULL ? " " : "",
			row->unit != NULL ? row->unit : "");
	if (row->min != NULL && number_parse(row, row->min, &bound) == 0 && v < bound)
		return err_set(err, WE_CONFIG, "'%.100s' is too small, the minimum is %s%s%s", s, row->min,
			row->unit != NULL ? " " : "", row->unit != NULL ? row->unit : "");
	number_store(row, field, v);
	return 0;
}

/* row->words as "a, b or c" into buf. */
static const char *words_text(const struct conf_word *words, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (; words->name != NULL; words++) {
		const char *sep = n == 0 ? "" : words[1].name == NULL ? " or " : ", ";

		if (n + strlen(sep) + strlen(words->name) + 1 > size)
			break;
		n += str_copy(buf + n, size - n, sep);
		n += str_copy(buf + n, size - n, words->name);
	}
	return buf;
}

int conf_word_value(const struct conf_word *words, const char *s, int *ret_v, struct err *err)
{
	char list[300];

	for (const struct conf_word *w = words; w->name != NULL; w++) {
		if (str_eq_nocase(w->name, s)) {
			*ret_v = w->value;
			return 0;
		}
	}
	return err_set(err, WE_CONFIG, "unknown value '%.100s', expected %s", s,
		words_text(words, list, sizeof(list)));
}

static int flags_set(struct conf_call *c, unsigned *field)
{
	unsigned flags = 0;

	for (unsigned i = 0; i < c->n_args; i++) {
		int v, r = conf_word_value(c->row->words, c->args[i], &v, c->err);

		if (r < 0)
			return r;
		flags |= (unsigned)v;
	}
	*field = flags;
	return 0;
}

int conf_value_set(struct conf_call *c, void *field)
{
	const char *s = c->n_args > 0 ? c->args[0] : "";
	unsigned mode;
	bool b;

	switch (c->row->type) {
	case CONF_T_BOOL:
		return conf_bool(s, field) == 0 ? 0
						: err_set(c->err, WE_CONFIG, "expected Boolean parameter");
	case CONF_T_TRISTATE:
		if (conf_bool(s, &b) < 0)
			return err_set(c->err, WE_CONFIG, "expected Boolean parameter");
		*(int *)field = b ? 2 : 1;
		return 0;
	case CONF_T_PATH:
		if (s[0] != '/')
			return err_set(c->err, WE_CONFIG, "'%.300s' is not an absolute path", s);
		/* fall through */
	case CONF_T_STRING:
		*(const char **)field = s;
		return 0;
	case CONF_T_MODE:
		if (str_to_mode(s, &mode) < 0)
			return err_set(c->err, WE_CONFIG, "'%.100s' is not an octal mode", s);
		*(mode_t *)field = mode;
		return 0;
	case CONF_T_ENUM:
		return conf_word_value(c->row->words, s, field, c->err);
	case CONF_T_FLAGS:
		return flags_set(c, field);
	default:
		return conf_number_set(c->row, s, field, c->err);
	}
}
