/* Access tables: any text gets an answer, and what lets a client in as a rule of refusals names it. */
#include <stdlib.h>

#include "base/alloc.h"
#include "ftp/hosts.h"

static const char *table;

static int read_file(void *arg, const char *path, char **ret_text)
{
	*ret_text = xstrdup(table);
	return 0;
}

static void note(void *arg, unsigned line, const char *text)
{
	if (line == 0 || text[0] == '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hosts_subject who = {.service = "proftpd", .client_name = size % 2 ? "a.example.org" : NULL};
	struct addr client, local;
	char *text = xstrndup((const char *)data, size);
	unsigned line;

	(void)addr_parse(size % 3 ? "192.0.2.7" : "2001:db8::7", 1, &client); /* both are addresses */
	(void)addr_parse("198.51.100.1", 21, &local);
	who.client = &client;
	who.local = &local;
	table = text;
	/* Where the table of allowed clients allows by its own kind, one of refusals is not silent. */
	if (hosts_check((const char *)data, size, HOSTS_ALLOW, &who, read_file, NULL, &line) ==
			HOSTS_ALLOWED &&
		hosts_check((const char *)data, size, HOSTS_DENY, &who, read_file, NULL, &line) ==
			HOSTS_SILENT)
		abort();
	hosts_lint((const char *)data, size, "proftpd", false, note, NULL);
	free(text);
	return 0;
}
