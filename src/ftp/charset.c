#include "ftp/charset.h"

#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

struct charset {
	pthread_mutex_t lock;
	iconv_t cd[2]; /* by enum charset_way */
	bool ff;
};

static const iconv_t NONE = (iconv_t)-1;

bool charset_is_utf8(const char *name)
{
	return str_eq_nocase(name, "UTF-8") || str_eq_nocase(name, "UTF8");
}

static bool is_ascii(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] >= 0x80)
			return false;
	return true;
}

/* All of in, or nothing. Room for size bytes at dst; *ret_n were written. 0, -EILSEQ or -E2BIG. */
static int run(iconv_t cd, const char *s, size_t n, char *dst, size_t size, size_t *ret_n)
{
	char *in = (char *)s, *out = dst;
	size_t left = size, lossy;

	(void)iconv(cd, NULL, NULL, NULL, NULL);
	lossy = iconv(cd, &in, &n, &out, &left);
	if (lossy == 0)
		lossy = iconv(cd, NULL, NULL, &out, &left); /* what belongs to the last character */
	if (lossy == (size_t)-1 && errno == E2BIG)
		return -E2BIG;
	if (lossy != 0) /* an error, or characters that others were put in the place of */
		return -EILSEQ;
	*ret_n = size - left;
	return 0;
}

int charset_convert(struct charset *c, enum charset_way way, const char *s, size_t n, struct buf *out)
{
	size_t room = n + 16, done;
	int r;

	if (is_ascii(s, n))
		return buf_append(out, s, n);
	for (;; room *= 2) {
		r = buf_reserve(out, room + 1);
		if (r < 0)
			return r;
		pthread_mutex_lock(&c->lock);
		r = run(c->cd[way], s, n, out->data + out->len, room, &done);
		pthread_mutex_unlock(&c->lock);
		if (r == 0 && memchr(out->data + out->len, '\0', done) != NULL)
			r = -EILSEQ;
		if (r == 0)
			out->len += done;
		if (r != -E2BIG) {
			out->data[out->len] = '\0';
			return r;
		}
	}
}

const char *charset_name(struct charset *c, const char *name, struct buf *scratch)
{
	size_t n = c != NULL ? strlen(name) : 0;

	if (n == 0 || is_ascii(name, n))
		return name;
	buf_clear(scratch);
	return charset_convert(c, CHARSET_TO_CLIENT, name, n, scratch) == 0 ? scratch->data : name;
}

int charset_lines(struct charset *c, struct buf *out, size_t start)
{
	size_t len = out->len - start;
	const char *p, *end;
	char *old;
	int r = 0;

	if (len == 0 || is_ascii(out->data + start, len))
		return 0;
	old = malloc(len);
	if (old == NULL)
		return -ENOMEM;
	memcpy(old, out->data + start, len);
	out->len = start;
	for (p = old, end = old + len; p < end && r == 0;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t n = lf != NULL ? (size_t)(lf + 1 - p) : (size_t)(end - p);

		r = charset_convert(c, CHARSET_TO_CLIENT, p, n, out);
		if (r == -EILSEQ)
			r = buf_append(out, p, n);
		p += n;
	}
	free(old);
	return r;
}

/* --- making one --- */

static void charset_end(void *obj)
{
	struct charset *c = obj;

	for (unsigned i = 0; i < ARRAY_LEN(c->cd); i++) {
		if (c->cd[i] != NONE)
			(void)iconv_close(c->cd[i]);
	}
	pthread_mutex_destroy(&c->lock);
}

/* iconv understands suffixes after a '/', and "" is the locale's charset. */
static bool name_ok(const char *name)
{
	return name[0] != '\0' && strlen(name) <= 40 &&
	       name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:+()")] ==
		       '\0';
}

/* Does text become the same bytes in both directions? */
static bool keeps(iconv_t to, iconv_t from, const char *text, size_t n)
{
	char buf[256];
	size_t done;

	return run(to, text, n, buf, sizeof(buf), &done) == 0 && done == n && memcmp(buf, text, n) == 0 &&
	       run(from, text, n, buf, sizeof(buf), &done) == 0 && done == n && memcmp(buf, text, n) == 0;
}

/* See the head of charset.h. Charsets of East Asia have a yen or won sign and an overline among the ASCII characters:
 * these places are not asked about. */
static bool holds_ascii(const char *name)
{
	static const char ascii[] = "\t\n\r !\"#%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "[]_`abcdefghijklmnopqrstuvwxyz";
	static const char *const samples[] = {"\xc3\xa9", "\xd0\x96", "\xce\xa9", "\xe3\x81\x82",
		"\xe4\xb8\xad", "\xed\x95\x9c", "\xe0\xb8\x81"};
	iconv_t to = iconv_open(name, "UTF-8"), from = iconv_open("UTF-8", name);
	bool good = to != NONE && from != NONE && keeps(to, from, ascii, sizeof(ascii) - 1);

	for (unsigned i = 0; good && i < ARRAY_LEN(samples); i++) {
		char buf[64];
		size_t n;

		if (run(to, samples[i], strlen(samples[i]), buf, sizeof(buf), &n) < 0)
			continue;
		for (size_t k = 0; k < n; k++) /* control characters that shift, or an ASCII letter for it */
			good = good && (unsigned char)buf[k] >= 0x20 && buf[k] != '/' && buf[k] != '"' &&
			       (unsigned char)buf[0] >= 0x80;
	}
	for (int byte = 0x80; good && byte <= 0xff; byte++) { /* a second line end, or slash */
		const char text[] = {(char)byte};
		char buf[16];
		size_t n;

		if (run(from, text, 1, buf, sizeof(buf), &n) == 0 && n == 1)
			good = (unsigned char)buf[0] >= 0x20 && buf[0] != '/' && buf[0] != '"';
	}
	if (to != NONE)
		(void)iconv_close(to);
	if (from != NONE)
		(void)iconv_close(from);
	return good;
}

static int check_name(const char *name, struct err *err)
{
	iconv_t cd = name_ok(name) ? iconv_open("UTF-8", name) : NONE;

	if (cd == NONE)
		return err_set(err, WE_CONFIG,
			"charset '%.40s' is not known to this system; iconv -l lists those that are", name);
	(void)iconv_close(cd);
	if (!holds_ascii(name))
		return err_set(err, WE_CONFIG,
			"charset '%.40s' cannot be used for names: it is no superset of ASCII", name);
	return 0;
}

int charset_new(struct arena *a, const char *local, const char *client, struct charset **ret, struct err *err)
{
	struct charset *c;
	char buf[8];
	size_t n;
	int r = check_name(local, err);

	*ret = NULL;
	if (r == 0)
		r = check_name(client, err);
	if (r < 0 || str_eq_nocase(local, client) || (charset_is_utf8(local) && charset_is_utf8(client)))
		return r;
	c = arena_alloc(a, sizeof(*c));
	if (c == NULL || pthread_mutex_init(&c->lock, NULL) != 0)
		return err_set(err, ENOMEM, "out of memory");
	c->cd[CHARSET_TO_LOCAL] = iconv_open(local, client);
	c->cd[CHARSET_TO_CLIENT] = iconv_open(client, local);
	if (!arena_defer(a, charset_end, c)) {
		charset_end(c);
		return err_set(err, ENOMEM, "out of memory");
	}
	if (c->cd[0] == NONE || c->cd[1] == NONE)
		return err_set(err, WE_CONFIG, "this system cannot convert '%.40s' to '%.40s' and back",
			local, client);
	/* Some of these have more bytes to come, which makes 0xFF one of theirs as well. */
	c->ff = run(c->cd[CHARSET_TO_LOCAL], "\xff", 1, buf, sizeof(buf), &n) == 0 ||
		run(c->cd[CHARSET_TO_LOCAL], "\xff!", 2, buf, sizeof(buf), &n) == 0;
	*ret = c;
	return 0;
}

bool charset_has_ff(const struct charset *c)
{
	return c != NULL && c->ff;
}
