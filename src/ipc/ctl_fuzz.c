/* Control lines as the master and wherryctl read them. What parses must come back the same when written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ipc/ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(const char *line, size_t n)
{
	static struct ctl_words w, again;
	struct buf b;
	unsigned i;

	if (ctl_parse(line, n, &w) < 0)
		return;
	buf_init(&b, 4 * CTL_LINE_MAX);
	if (ctl_format(&b, (const char *const *)w.word, w.count) == 0) {
		if (ctl_parse(b.data, b.len - 1, &again) < 0 || again.count != w.count)
			abort();
		for (i = 0; i < w.count; i++) {
			if (!str_eq(w.word[i], again.word[i]))
				abort();
		}
	}
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *a, *b;
	bool ok;

	if (copy == NULL)
		return 0;
	request((const char *)data, size);
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	if (ctl_parse_reply(copy, &ok, &a) < 0) {
		if (size > 0)
			memcpy(copy, data, size);
		(void)!ctl_parse_data(copy, &a, &b);
	}
	free(copy);
	return 0;
}
