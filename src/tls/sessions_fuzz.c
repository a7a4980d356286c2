/* An exported list of sessions from a process that was taken over. */
#include <stdlib.h>

#include "tls/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_sessions *s;
	struct buf b;

	if (tls_sessions_import(data, size, &s) < 0)
		return 0;
	buf_init(&b, TLS_SESSIONS_EXPORT_MAX);
	if (tls_sessions_count(s) > TLS_SESSIONS_MAX || tls_sessions_export(s, &b) < 0)
		abort();
	buf_done(&b);
	tls_sessions_free(&s);
	return 0;
}
