/* Replies of any server, cut at every place alike: the codes that come out may not depend on it. The first byte
 * chooses the size of the pieces. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tools/ftpload_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_port(int port)
{
	if (port == 0 || port > 65535)
		__builtin_trap();
}

static uint64_t run(const char *data, size_t size, size_t step)
{
	struct load_reply r = {0};
	uint64_t sum = 14695981039346656037u;

	while (size > 0) {
		size_t k = size < step ? size : step, left = k;
		int code;

		while ((code = load_reply_take(&r, &data, &left)) > 0) {
			if (code < 100 || code > 599 || strlen(r.line) > LOAD_LINE_MAX)
				__builtin_trap();
			check_port(load_reply_epsv(r.line));
			check_port(load_reply_pasv(r.line));
			sum = (sum ^ (uint64_t)code) * 1099511628211u;
		}
		if (code < 0)
			return sum ^ 1;
		if (left != 0)
			__builtin_trap();
		size -= k;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (run((const char *)data + 1, size - 1, data[0] % 16 + 1) !=
		run((const char *)data + 1, size - 1, size))
		__builtin_trap();
	return 0;
}
