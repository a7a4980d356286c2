/* Names and lines in any charset of UseEncoding: the first byte chooses a pair. What FTP knows as punctuation comes out as often as
 * it went in, and what cannot be converted leaves everything as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ftp/charset.h"

static const char *const others[] = {"ISO-8859-1", "CP1252", "KOI8-R", "SHIFT_JIS", "EUC-JP", "GB18030",
	"BIG5", "EUC-KR", "TIS-620", "CP437"};

static size_t count(const char *s, size_t n, char c)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += s[i] == c;
	return found;
}

static void convert(struct charset *c, enum charset_way way, const char *s, size_t n)
{
	static const char marks[] = "/\"\r\n";
	struct buf out;
	int r;

	buf_init(&out, 1 << 16);
	if (buf_puts(&out, "before") < 0)
		abort();
	r = charset_convert(c, way, s, n, &out);
	if (out.len < 6 || memcmp(out.data, "before", 6) != 0 || (r < 0 && out.len != 6))
		abort();
	for (const char *m = marks; r == 0 && *m != '\0'; m++) {
		if (count(s, n, *m) != count(out.data, out.len, *m))
			abort();
	}
	if (r == 0 && memchr(s, '\0', n) == NULL && memchr(out.data, '\0', out.len) != NULL)
		abort();
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct charset *made[ARRAY_LEN(others)];
	static struct arena *arena;
	struct err err = ERR_INIT;
	struct charset *c;
	struct buf out;
	size_t which;
	char *text;

	if (size < 1)
		return 0;
	which = data[0] % ARRAY_LEN(others);
	if (arena == NULL)
		arena = arena_new(4096, 1u << 20);
	if (made[which] == NULL && charset_new(arena, "UTF-8", others[which], &made[which], &err) < 0)
		return 0; /* this system does not have it */
	c = made[which];
	text = malloc(size); /* with its end where reading beyond it is noticed */
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	convert(c, CHARSET_TO_LOCAL, text, size - 1);
	convert(c, CHARSET_TO_CLIENT, text, size - 1);
	buf_init(&out, 1 << 16);
	if (buf_append(&out, text, size - 1) == 0 && charset_lines(c, &out, 0) == 0 &&
		count(text, size - 1, '\n') != count(out.data, out.len, '\n'))
		abort();
	text[size - 1] = '\0';
	(void)charset_name(c, text, &out);
	buf_done(&out);
	free(text);
	return 0;
}
