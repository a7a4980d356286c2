#include "master/revocation_answer.h"

#include "base/str.h"

#define REFRESH_MIN_SECS 10 /* as tls/ocsp.c */
#define REFRESH_MAX_SECS 3600
#define UNTIL_MAX_SECS   ((int64_t)31 * 86400)

static int64_t within(int64_t n, int64_t min, int64_t max)
{
	return n < min ? min : n > max ? max : n;
}

void revocation_answer_check(struct tls_revocation *a, size_t got, int64_t now)
{
	if (got < sizeof(*a)) {
		*a = (struct tls_revocation){0};
		(void)str_copy(a->text, sizeof(a->text),
			"nothing is known of the certificate: the process that asks has ended without an "
			"answer");
	}
	a->text[sizeof(a->text) - 1] = '\0';
	if (a->status >= TLS_REVOCATION_STATUS_COUNT || a->until <= now)
		a->status = TLS_REVOCATION_NONE;
	a->until = within(a->until, now, now + UNTIL_MAX_SECS);
	a->refresh = within(a->refresh, now + REFRESH_MIN_SECS, now + REFRESH_MAX_SECS);
}
