#include "master/staple_answer.h"

#define REFRESH_MIN_SECS 10 /* as tls/ocsp.c */
#define REFRESH_MAX_SECS (12 * 3600)
#define UNTIL_MAX_SECS   ((int64_t)366 * 86400)

static int64_t within(int64_t n, int64_t min, int64_t max)
{
	return n < min ? min : n > max ? max : n;
}

const char *staple_answer_check(struct staple_answer *a, size_t got, int64_t now)
{
	struct tls_staple *s = &a->staple;

	if (got < sizeof(*a))
		return "the process that asks has ended; the responder did not answer in time";
	a->text[sizeof(a->text) - 1] = '\0';
	if (a->failed != 0)
		return a->text;
	if (s->n == 0 || s->n > sizeof(s->der) || s->until <= now)
		return "the process that asks has said nothing useful";
	s->until = within(s->until, now, now + UNTIL_MAX_SECS);
	s->refresh = within(s->refresh, now + REFRESH_MIN_SECS, now + REFRESH_MAX_SECS);
	return NULL;
}
