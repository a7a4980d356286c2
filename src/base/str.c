#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EACH(byte) (UINT64_MAX / 255 * (byte))

/* Does one of eight bytes have a value below ' '? */
static bool word_has_control(uint64_t x)
{
	return ((x - EACH(' ')) & ~x & EACH(0x80)) != 0;
}

static uint64_t load_8(const char *s)
{
	uint64_t x;

	memcpy(&x, s, sizeof x);
	return x;
}

static uint64_t load_4(const char *s)
{
	uint32_t x;

	memcpy(&x, s, sizeof x);
	return x;
}

bool str_has_control(const char *s, size_t n)
{
	const char *end = s + n;

	if (n >= 8) {
		for (; end - s > 8; s += 8)
			if (word_has_control(load_8(s)))
				return true;
		return word_has_control(load_8(end - 8));
	}
	if (n >= 4)
		return word_has_control(load_4(s) << 32 | load_4(end - 4));
	while (s < end)
		if ((unsigned char)*s++ < ' ')
			return true;
	return false;
}

char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

int str_cmp_nocase(const char *a, const char *b)
{
	while (*a != '\0' && ascii_lower(*a) == ascii_lower(*b)) {
		a++;
		b++;
	}
	return (unsigned char)ascii_lower(*a) - (unsigned char)ascii_lower(*b);
}

bool str_eq_nocase(const char *a, const char *b)
{
	return str_cmp_nocase(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

size_t utf8_cut(const char *s, size_t n, size_t max)
{
	size_t i;

	if (n <= max)
		return n;
	for (i = max; i > 0 && max - i < 4; i--) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return i;
	}
	return max; /* not UTF-8: cut anywhere */
}

size_t str_copy(char *dst, size_t size, const char *src)
{
	size_t n;

	if (size == 0)
		return 0;
	n = utf8_cut(src, strlen(src), size - 1);
	memcpy(dst, src, n);
	dst[n] = '\0';
	return n;
}

size_t utf8_len(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t cp;
	size_t len, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (n < len)
		return 0;
	cp = s[0] & (0xffu >> (len + 1));
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fu);
	}
	if ((len == 3 && (cp < 0x800 || (cp >= 0xd800 && cp <= 0xdfff))) ||
		(len == 4 && (cp < 0x10000 || cp > 0x10ffff)))
		return 0;
	return len;
}

bool utf8_valid(const char *s, size_t n)
{
	while (n > 0) {
		size_t len = utf8_len(s, n);

		if (len == 0)
			return false;
		s += len;
		n -= len;
	}
	return true;
}

int str_to_u64(const char *s, uint64_t *ret_v)
{
	uint64_t v = 0;

	if (*s == '\0')
		return -EINVAL;
	for (; *s != '\0'; s++) {
		unsigned d = (unsigned char)*s - (unsigned)'0';

		if (d > 9)
			return -EINVAL;
		if (v > (UINT64_MAX - d) / 10)
			return -ERANGE;
		v = v * 10 + d;
	}
	*ret_v = v;
	return 0;
}

int str_to_mode(const char *s, unsigned *ret_mode)
{
	unsigned v = 0;

	if (*s == '\0')
		return -EINVAL;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '7')
			return -EINVAL;
		v = v * 8 + (unsigned)(*s - '0');
		if (v > 07777)
			return -ERANGE;
	}
	*ret_mode = v;
	return 0;
}

const char *str_escape(const char *s, char *dst, size_t size)
{
	size_t left = strlen(s), at = 0;

	while (left > 0) {
		size_t len = utf8_len(s, left);
		unsigned char c = (unsigned char)*s;

		if (len == 0 || c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			if (at + 5 > size)
				break;
			at += (size_t)snprintf(dst + at, size - at, "\\x%02X", c);
			len = 1;
		} else {
			if (at + len + 1 > size)
				break;
			memcpy(dst + at, s, len);
			at += len;
		}
		s += len;
		left -= len;
	}
	if (size > 0)
		dst[at] = '\0';
	return dst;
}

unsigned str_distance(const char *a, const char *b, unsigned max)
{
	size_t la = strlen(a), lb = strlen(b), i, j;
	unsigned row[65], diag, up;

	if (la > 64 || lb > 64)
		return max + 1;
	for (j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (i = 1; i <= la; i++) {
		diag = row[0];
		row[0] = (unsigned)i;
		for (j = 1; j <= lb; j++) {
			up = row[j];
			if (ascii_lower(a[i - 1]) != ascii_lower(b[j - 1]))
				diag++;
			if (up + 1 < diag)
				diag = up + 1;
			if (row[j - 1] + 1 < diag)
				diag = row[j - 1] + 1;
			row[j] = diag;
			diag = up;
		}
	}
	return row[lb] > max ? max + 1 : row[lb];
}
