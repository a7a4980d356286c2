/* Arguments of XCRC and its kin. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/cmd/args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *arg = strndup((const char *)data, size);
	struct args_hash a;

	if (args_hash(arg, &a) == ARGS_HASH_OK) {
		assert(*a.path && strlen(a.path) <= strlen(arg));
		assert(!a.ranged || (a.start < a.end && a.end <= INT64_MAX));
	} else
		assert(!a.path);
	free(a.path);
	free(arg);
	return 0;
}
