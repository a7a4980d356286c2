/* What a client sends as an upload under MODE Z: the first byte says how small the pieces are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/zfilter.h"

#define BOMB    ((uint64_t)256 * 1024)
#define OUT_MAX ((uint64_t)4 << 20) /* of one input, so that a run stays quick */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 1, piece, n, room = 0;
	struct zfilter *z;
	uint64_t made = 0;
	char *out, *space;
	ssize_t r;

	if (size < 1 || zfilter_new_inflate(BOMB, &z) < 0)
		return 0;
	piece = data[0] % 16 ? data[0] : SIZE_MAX;
	room = 1 + data[0] * 257u;
	out = malloc(room);
	while (out && made < OUT_MAX) {
		r = zfilter_inflate(z, out, room);
		if (r < 0 || (r == 0 && at == size))
			break;
		if ((size_t)r > room)
			abort();
		made += (uint64_t)r;
		/* The ratio is looked at after each piece of output. */
		if (made > BOMB + room && made / (ZFILTER_RATIO + 1) > at)
			abort();
		if (r > 0)
			continue;
		space = zfilter_space(z, &n);
		n = n < piece ? n : piece;
		n = n < size - at ? n : size - at;
		memcpy(space, data + at, n);
		zfilter_fed(z, n);
		at += n;
	}
	free(out);
	zfilter_free(z);
	return 0;
}
