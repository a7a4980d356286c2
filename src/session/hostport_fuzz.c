/* Arguments of PORT and EPRT. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/hostport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *arg = malloc(size + 1), text[64];
	struct addr a;

	if (!arg)
		return 0;
	memcpy(arg, data, size);
	arg[size] = '\0';
	if (port_parse(arg, &a) == 0 && (pasv_text(&a, text, sizeof text) < 0 || addr_port(&a) == 0))
		abort();
	if (eprt_parse(arg, true, &a) == 0 && addr_is_any(&a))
		abort();
	(void)eprt_parse(arg, false, &a);
	free(arg);
	return 0;
}
