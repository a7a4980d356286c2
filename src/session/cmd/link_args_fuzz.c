/* Arguments of SITE COPY and SITE SYMLINK. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/cmd/args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *arg = strndup((const char *)data, size), *a, *b;

	if (args_link(arg, &a, &b) == 0) {
		assert(*a && *b && strlen(a) + strlen(b) < strlen(arg));
		free(a);
		free(b);
	}
	free(arg);
	return 0;
}
