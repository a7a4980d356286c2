#include "session/ascii.h"

#include <string.h>

size_t ascii_out(struct ascii_state *st, const char *src, size_t n, char *dst)
{
	const char *end = src + n, *lf;
	char *out = dst;

	while (src < end) {
		lf = memchr(src, '\n', (size_t)(end - src));
		if (!lf)
			lf = end;
		if (lf > src) {
			memcpy(out, src, (size_t)(lf - src));
			out += lf - src;
			st->cr = lf[-1] == '\r';
		}
		if (lf == end)
			break;
		if (!st->cr)
			*out++ = '\r';
		*out++ = '\n';
		st->cr = false;
		src = lf + 1;
	}
	return (size_t)(out - dst);
}

size_t ascii_out_taken(struct ascii_state *st, const char *src, size_t n, size_t sent)
{
	size_t i = 0, out = 0;

	while (i < n && out < sent) {
		if (src[i] == '\n' && !st->cr) {
			out++;
			if (out == sent) { /* cut inside the pair: the CR is out, its LF is to come */
				st->cr = true;
				return i;
			}
		}
		out++;
		st->cr = src[i] == '\r';
		i++;
	}
	return i;
}

size_t ascii_in(struct ascii_state *st, const char *src, size_t n, char *dst)
{
	const char *end = src + n, *cr;
	char *out = dst;

	while (src < end) {
		if (st->cr) {
			if (*src != '\n')
				*out++ = '\r';
			st->cr = false;
		}
		cr = memchr(src, '\r', (size_t)(end - src));
		if (!cr)
			cr = end;
		memcpy(out, src, (size_t)(cr - src));
		out += cr - src;
		if (cr == end)
			break;
		st->cr = true;
		src = cr + 1;
	}
	return (size_t)(out - dst);
}

size_t ascii_in_end(struct ascii_state *st, char *dst)
{
	if (!st->cr)
		return 0;
	st->cr = false;
	*dst = '\r';
	return 1;
}
