/* Arguments of MFMT, MFF, SITE UTIME, SITE CHMOD and SITE SYMLINK: the first byte chooses the parser. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/cmd/args.h"

static void utime_one(const char *arg)
{
	int64_t a, m;
	char *path;

	if (args_utime(arg, &a, &m, &path) < 0)
		return;
	assert(*path && a >= 0 && m >= 0);
	free(path);
}

static void words_one(const char *arg)
{
	char *a, *b;

	if (args_two_words(arg, &a, &b) < 0)
		return;
	assert(*a && *b && strlen(a) + strlen(b) < strlen(arg));
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct args_mff facts;
	struct args_chmod change;
	char bad[65], *arg;
	int64_t secs;

	if (size < 1)
		return 0;
	arg = strndup((const char *)data + 1, size - 1);
	switch (data[0] % 5) {
	case 0:
		if (args_time(arg, strlen(arg), false, &secs) == 0)
			assert(secs >= 0 && secs <= 253402300800);
		break;
	case 1:
		if (args_mff(arg, strlen(arg), &facts, bad) == 0)
			assert(facts.has_modify || facts.has_mode || facts.has_group);
		assert(strlen(bad) < sizeof bad);
		break;
	case 2:
		utime_one(arg);
		break;
	case 3:
		if (args_chmod(arg, strlen(arg), &change) == 0)
			assert(args_chmod_apply(&change, 0100644) <= 07777);
		break;
	default:
		words_one(arg);
	}
	free(arg);
	return 0;
}
