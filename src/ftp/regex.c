#include "ftp/regex.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define PATTERN_MAX 1024u               /* bytes */
#define CODE_MAX    ((size_t)64 * 1024) /* bytes of a compiled pattern: counted repeats are copies */
#define MATCH_MAX   200000u             /* steps: about a millisecond */
#define DEPTH_MAX   1000u
#define HEAP_KIB    512u

struct ftp_regex {
	pcre2_code *code;
	pcre2_match_context *limits;
};

static void regex_end(void *obj)
{
	struct ftp_regex *re = obj;

	pcre2_match_context_free(re->limits);
	pcre2_code_free(re->code);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

static int code_compile(const char *pattern, bool nocase, pcre2_code **ret_code, struct err *err)
{
	const uint32_t options =
		PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_DOLLAR_ENDONLY | (nocase ? PCRE2_CASELESS : 0);
	unsigned char text[120] = "";
	PCRE2_SIZE at, size = 0;
	pcre2_code *code;
	int r;

	code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &r, &at, NULL);
	if (code == NULL) {
		(void)pcre2_get_error_message(r, text, sizeof(text)); /* a cut text will do */
		return err_set(err, WE_CONFIG, "unusable regular expression '%.200s': %s (at byte %zu)",
			pattern, (const char *)text, at + 1);
	}
	if (pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size) != 0 || size > CODE_MAX) {
		pcre2_code_free(code);
		return err_set(err, WE_CONFIG, "regular expression '%.200s' is too large: %zu bytes", pattern,
			(size_t)size);
	}
	*ret_code = code;
	return 0;
}

int ftp_regex_compile(
	struct arena *a, const char *pattern, bool nocase, const struct ftp_regex **ret_re, struct err *err)
{
	struct ftp_regex *re;
	pcre2_code *code;
	int r;

	if (strlen(pattern) > PATTERN_MAX)
		return err_set(err, WE_CONFIG, "regular expression is longer than %u bytes", PATTERN_MAX);
	r = code_compile(pattern, nocase, &code, err);
	if (r < 0)
		return r;
	re = arena_alloc(a, sizeof(*re));
	if (re == NULL || !arena_defer(a, regex_end, re)) {
		pcre2_code_free(code);
		return out_of_memory(err);
	}
	re->code = code;
	re->limits = pcre2_match_context_create(NULL);
	if (re->limits == NULL)
		return out_of_memory(err);
	(void)pcre2_set_match_limit(re->limits, MATCH_MAX); /* these always succeed */
	(void)pcre2_set_depth_limit(re->limits, DEPTH_MAX);
	(void)pcre2_set_heap_limit(re->limits, HEAP_KIB);
	*ret_re = re;
	return 0;
}

int ftp_regex_match(const struct ftp_regex *re, const char *text)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int r;

	if (data == NULL)
		return -WE_LIMIT;
	r = pcre2_match(re->code, (PCRE2_SPTR)text, strlen(text), 0, 0, data, re->limits);
	pcre2_match_data_free(data);
	return r >= 0 ? 1 : r == PCRE2_ERROR_NOMATCH ? 0 : -WE_LIMIT;
}

int ftp_regex_groups(const struct ftp_regex *re, const char *text, size_t (*ret_span)[2], unsigned max)
{
	pcre2_match_data *data = pcre2_match_data_create(max, NULL);
	uint32_t groups = 0;
	const PCRE2_SIZE *at;
	unsigned n;
	int r;

	if (data == NULL)
		return -WE_LIMIT;
	r = pcre2_match(re->code, (PCRE2_SPTR)text, strlen(text), 0, 0, data, re->limits);
	if (r < 0) {
		pcre2_match_data_free(data);
		return r == PCRE2_ERROR_NOMATCH ? 0 : -WE_LIMIT;
	}
	(void)pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups); /* it has been compiled */
	n = groups + 1 < max ? groups + 1 : max;
	at = pcre2_get_ovector_pointer(data);
	for (unsigned i = 0; i < n; i++) {
		/* \K within a look-ahead can put the end before the beginning. */
		bool set = at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];

		ret_span[i][0] = set ? at[2 * i] : SIZE_MAX;
		ret_span[i][1] = set ? at[2 * i + 1] : SIZE_MAX;
	}
	pcre2_match_data_free(data);
	return (int)n;
}

int ftp_pattern_compile(
	struct arena *a, const char *text, const char *flag, struct ftp_pattern *ret_pattern, struct err *err)
{
	if (flag != NULL && !str_eq_nocase(flag, "nocase") && !str_eq_nocase(flag, "NC") &&
		!str_eq_nocase(flag, "[nocase]") && !str_eq_nocase(flag, "[NC]"))
		return err_set(err, WE_CONFIG, "unknown word '%.60s', expected 'nocase'", flag);
	ret_pattern->negate = text[0] == '!';
	return ftp_regex_compile(a, text + ret_pattern->negate, flag != NULL, &ret_pattern->re, err);
}

bool ftp_pattern_match(const struct ftp_pattern *p, const char *text, bool hard)
{
	int r = ftp_regex_match(p->re, text);

	return r < 0 ? hard : (r > 0) != p->negate;
}
