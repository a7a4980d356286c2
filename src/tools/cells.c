#include "tools/cells.h"

#include <string.h>
#include <wchar.h>

int cells_put(struct buf *out, const char *text, int width, bool pad)
{
	size_t left = strlen(text);
	mbstate_t st = {0};
	int used = 0, r = 0;

	while (left > 0 && r == 0) {
		wchar_t wc;
		size_t n = mbrtowc(&wc, text, left, &st);
		int cells = n == (size_t)-1 || n == (size_t)-2 ? -1 : wcwidth(wc);
		const char *put = text;

		if (cells < 0) {
			memset(&st, 0, sizeof(st));
			n = n == (size_t)-1 || n == (size_t)-2 ? 1 : n;
			put = "?";
			cells = 1;
		}
		if (used + cells > width)
			break;
		r = buf_append(out, put, put == text ? n : 1);
		used += cells;
		text += n;
		left -= n;
	}
	return r == 0 && pad && used < width ? buf_printf(out, "%*s", width - used, "") : r;
}
