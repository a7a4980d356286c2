#include "tools/ftpload_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "tools/ftpload.h"

static void take_account(const char *text, size_t n, struct load_options *o)
{
	const char *colon = memchr(text, ':', n);
	size_t user = colon != NULL ? (size_t)(colon - text) : n;

	o->user = xstrndup(text, user);
	o->password = colon != NULL ? xstrndup(colon + 1, n - user - 1) : xstrdup("");
}

/* HOST[:PORT] in text[0..n). */
static int take_host(const char *text, size_t n, struct load_options *o)
{
	const char *colon, *close = NULL;
	uint64_t port;

	if (n > 0 && text[0] == '[') {
		close = memchr(text, ']', n);
		if (close == NULL)
			return -WE_SYNTAX;
		o->host = xstrndup(text + 1, (size_t)(close - text) - 1);
		n -= (size_t)(close + 1 - text);
		text = close + 1;
	}
	colon = memchr(text, ':', n);
	if (close != NULL && n > 0 && colon != text)
		return -WE_SYNTAX;
	if (close == NULL)
		o->host = xstrndup(text, colon != NULL ? (size_t)(colon - text) : n);
	if (colon == NULL)
		o->port = xstrdup(o->implicit ? "990" : "21");
	else
		o->port = xstrndup(colon + 1, n - (size_t)(colon + 1 - text));
	if (o->host[0] == '\0' || str_to_u64(o->port, &port) < 0 || port == 0 || port > 65535)
		return -WE_SYNTAX;
	return 0;
}

int load_place_parse(const char *text, struct load_options *o)
{
	const char *at, *p = str_starts(text, "ftp://") ? text + 6 : text;
	size_t n = strlen(p);

	if (strpbrk(text, "\r\n") != NULL)
		return -WE_SYNTAX;
	at = strrchr(p, '@'); /* a password may hold one */
	if (at != NULL) {
		take_account(p, (size_t)(at - p), o);
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	} else {
		o->user = xstrdup("anonymous");
		o->password = xstrdup("ftpload@");
	}
	if (n > 0 && p[n - 1] == '/')
		n--;
	if (o->user[0] == '\0')
		return -WE_SYNTAX;
	return take_host(p, n, o);
}

void load_place_done(struct load_options *o)
{
	free(o->host);
	free(o->port);
	free(o->user);
	free(o->password);
	o->host = o->port = o->user = o->password = NULL;
}

int load_place_number(const char *text, uint64_t *ret_v)
{
	static const char units[] = "KMG";
	size_t n = strlen(text);
	const char *unit = n > 0 ? strchr(units, ascii_upper(text[n - 1])) : NULL;
	char digits[32];
	uint64_t v;
	unsigned shift;
	int r;

	if (n == 0 || n >= sizeof(digits))
		return -EINVAL;
	shift = unit != NULL && *unit != '\0' ? (unsigned)(unit - units + 1) * 10 : 0;
	memcpy(digits, text, n + 1);
	if (shift > 0)
		digits[n - 1] = '\0';
	r = str_to_u64(digits, &v);
	if (r < 0)
		return r;
	if (v > UINT64_MAX >> shift)
		return -ERANGE;
	*ret_v = v << shift;
	return 0;
}
