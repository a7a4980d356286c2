/* SITE words about data sets of mainframes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ftp/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *arg = strndup((const char *)data, size);

	(void)ftp_profile_datasets(arg);
	free(arg);
	return 0;
}
