/* The parser of AuthUserFile (first byte even) and AuthGroupFile (odd) on any bytes. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ftp/authfile.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quiet(void *arg, const struct log_ctx *ctx, int level, int debug_level, const char *line)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum authfile_kind kind;
	const struct authfile_entry *e;
	struct authfile *f;
	char *text;

	if (size == 0)
		return 0;
	log_set_sink(quiet, NULL);
	kind = data[0] % 2 == 0 ? AUTHFILE_USERS : AUTHFILE_GROUPS;
	text = malloc(size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	f = authfile_parse(text, size - 1, "fuzz", kind);
	for (size_t i = 0; (e = authfile_at(f, i)) != NULL; i++) {
		const struct authfile_entry *same = authfile_by_name(f, e->name);

		assert(e->name[0] != '\0' && same != NULL && same->line <= e->line);
		same = authfile_by_id(f, e->id);
		assert(same != NULL && same->line <= e->line);
		assert(kind == AUTHFILE_USERS ? e->home[0] == '/' && e->hash != NULL && e->shell != NULL
					      : e->members != NULL);
	}
	authfile_unref(f);
	return 0;
}
