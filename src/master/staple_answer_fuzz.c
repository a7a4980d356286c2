/* The answer of a process that asks an OCSP responder: the first bytes are those of its struct but for the response, which is
 * zeros where they end. */
#include <stdlib.h>
#include <string.h>

#include "master/staple_answer.h"

#define NOW 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct staple_answer *a = calloc(1, sizeof(*a));
	size_t got = sizeof(*a) - size % 2;
	const char *why;

	if (a == NULL)
		return 0;
	memset(a->text, 'x', sizeof(a->text));
	if (size >= sizeof(a->failed))
		memcpy(&a->failed, data, sizeof(a->failed));
	if (size > sizeof(a->failed))
		memcpy(&a->staple, data + sizeof(a->failed),
			size - sizeof(a->failed) < sizeof(a->staple) ? size - sizeof(a->failed)
								     : sizeof(a->staple));
	why = staple_answer_check(a, got, NOW);
	if (why != NULL && strlen(why) >= sizeof(a->text))
		abort();
	if (why == NULL &&
		(got < sizeof(*a) || a->failed != 0 || a->staple.n == 0 || a->staple.n > TLS_STAPLE_MAX ||
			a->staple.until <= NOW || a->staple.refresh <= NOW ||
			(a->staple.until - NOW) / 86400 > 366 || (a->staple.refresh - NOW) / 86400 > 1))
		abort();
	free(a);
	return 0;
}
