/* Text helpers. Case is ASCII only: bytes >= 0x80 are never touched. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_eq(const char *a, const char *b);
bool str_eq_nocase(const char *a, const char *b);
int str_cmp_nocase(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Is any of the n bytes a control character, below ' '? */
bool str_has_control(const char *s, size_t n);
char ascii_upper(char c);
char ascii_lower(char c);

/* Copy cut to size bytes with the NUL, on a UTF-8 boundary. Returns the length copied. */
size_t str_copy(char *dst, size_t size, const char *src);
/* Longest prefix of s[0..n) that is at most max bytes and does not cut a UTF-8 sequence. */
size_t utf8_cut(const char *s, size_t n, size_t max);
/* Length of the valid UTF-8 sequence at s, n > 0 bytes there; 0 when there is none. */
size_t utf8_len(const char *s, size_t n);
bool utf8_valid(const char *s, size_t n); /* RFC 3629: no overlong forms, no surrogates */

/* Whole-string decimal number; no sign, blanks or overflow. 0 or -EINVAL / -ERANGE. */
int str_to_u64(const char *s, uint64_t *ret_v);
/* Whole-string octal number up to 07777. */
int str_to_mode(const char *s, unsigned *ret_mode);

/* Outside text for a log line: control bytes, quotes, backslash and bytes that are not UTF-8 as \xHH.
 * Writes at most size bytes with the NUL; returns dst. */
const char *str_escape(const char *s, char *dst, size_t size);
/* Edit distance, cut at max + 1, ASCII case ignored: for "did you mean". */
unsigned str_distance(const char *a, const char *b, unsigned max);

#endif
