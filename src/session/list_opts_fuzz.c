/* A list command's argument after a ListOptions text, with a line break between them; the first byte
 * chooses the command. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/list_opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct list_opts o;
	const char *path;
	char *text, *arg;
	bool lone;

	if (size < 1)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	arg = strchr(text, '\n');
	if (arg)
		*arg++ = '\0';
	else
		arg = text + strlen(text);
	list_opts_init(&o, (enum list_kind)(data[0] % 3));
	list_opts_config(&o, text);
	path = list_opts_arg(&o, arg, data[0] & 64, &lone);
	assert(path >= arg && path <= arg + strlen(arg));
	assert(o.kind != LIST_KIND_NLST || (o.layout == LIST_SHORT && !o.classify));
	assert(o.kind != LIST_KIND_STAT || o.layout == LIST_LONG);
	free(text);
	return 0;
}
