#include "ftp/acl.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/str.h"

enum item_kind {
	ITEM_ALL,
	ITEM_NONE,
	ITEM_NET,    /* addr/bits */
	ITEM_GLOB,   /* pattern against address text and name */
	ITEM_DOMAIN, /* pattern = ".example.com": the host's name ends in it */
	ITEM_NAME    /* pattern = the host's name */
};

struct item {
	struct item *next;
	enum item_kind kind;
	bool negate;
	struct addr net;
	unsigned bits;
	const char *pattern;
};

struct ftp_acl {
	struct item *items;
};

struct compiler {
	struct arena *arena;
	struct item **tail;
	bool negate;
	unsigned n_globs; /* brace expansion may not explode */
	struct err *err;
};

#define GLOBS_MAX 64u

static struct item *item_add(struct compiler *c, enum item_kind kind, const char *pattern)
{
	struct item *it = arena_alloc(c->arena, sizeof(*it));

	if (it == NULL) {
		err_set(c->err, ENOMEM, "out of memory");
		return NULL;
	}
	it->kind = kind;
	it->negate = c->negate;
	it->pattern = pattern;
	*c->tail = it;
	c->tail = &it->next;
	return it;
}

static int net_add(struct compiler *c, const struct addr *a, unsigned bits)
{
	struct item *it = item_add(c, ITEM_NET, NULL);

	if (it == NULL)
		return -ENOMEM;
	addr_unmap(a, &it->net);
	it->bits = bits;
	return 0;
}

/* "a/n" */
static int cidr_add(struct compiler *c, const char *w, const char *slash)
{
	char *host = arena_strndup(c->arena, w, (size_t)(slash - w));
	struct addr a;
	uint64_t bits;

	if (host == NULL)
		return err_set(c->err, ENOMEM, "out of memory");
	if (addr_parse(host, 0, &a) < 0)
		return err_set(c->err, WE_CONFIG, "'%.100s' is not an address", host);
	if (str_to_u64(slash + 1, &bits) < 0)
		return err_set(c->err, WE_CONFIG, "bad mask in '%.100s': a number of bits is expected", w);
	if (bits > (a.sa.sa_family == AF_INET ? 32 : 128))
		return err_set(c->err, WE_CONFIG, "bad mask in '%.100s': too many bits", w);
	if (a.sa.sa_family == AF_INET6 && addr_is_v4(&a)) { /* ::ffff:a.b.c.d/n */
		if (bits < 96)
			return err_set(c->err, WE_CONFIG,
				"bad mask in '%.100s': an IPv4-mapped address has at least 96 bits", w);
		bits -= 96;
	}
	return net_add(c, &a, (unsigned)bits);
}

/* "10.1." : the octets given, as a CIDR block. Returns 0 when w has another form, 1 when added. */
static int prefix_add(struct compiler *c, const char *w)
{
	char text[32];
	unsigned dots = 0;
	struct addr a;
	size_t n = strlen(w);
	int r;

	if (n < 2 || n > 16 || w[n - 1] != '.' || strspn(w, "0123456789.") != n)
		return 0;
	for (const char *p = w; *p != '\0'; p++)
		dots += *p == '.';
	if (dots > 3)
		return 0;
	str_copy(text, sizeof(text), w);
	for (unsigned i = dots; i < 4; i++)
		strcat(text, i == 3 ? "0" : "0.");
	if (addr_parse(text, 0, &a) < 0)
		return 0;
	r = net_add(c, &a, dots * 8);
	return r < 0 ? r : 1;
}

/* A pattern with {a,b} becomes several without. */
static int glob_add(struct compiler *c, const char *w)
{
	const char *open = strchr(w, '{'), *close = open != NULL ? strchr(open, '}') : NULL;

	if (open == NULL || close == NULL) {
		if (++c->n_globs > GLOBS_MAX)
			return err_set(
				c->err, WE_CONFIG, "pattern '%.100s' stands for more than %u", w, GLOBS_MAX);
		return item_add(c, ITEM_GLOB, w) != NULL ? 0 : -ENOMEM;
	}
	for (const char *part = open + 1;;) {
		size_t n = strcspn(part, ",}");
		char *one = arena_printf(c->arena, "%.*s%.*s%s", (int)(open - w), w, (int)n, part, close + 1);
		int r;

		if (one == NULL)
			return err_set(c->err, ENOMEM, "out of memory");
		r = glob_add(c, one);
		if (r < 0)
			return r;
		if (part[n] != ',')
			return 0;
		part += n + 1;
	}
}

static bool is_host_name(const char *s)
{
	for (const char *p = s; *p != '\0'; p++) {
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
			    *p == '-' || *p == '.' || *p == '_'))
			return false;
	}
	return *s != '\0' && strspn(s, "0123456789.") != strlen(s);
}

static int item_compile(struct compiler *c, char *w)
{
	const char *slash;
	struct addr a;
	size_t n;
	int r;

	c->negate = w[0] == '!';
	w += c->negate;
	n = strlen(w);
	if (str_eq_nocase(w, "all"))
		return item_add(c, ITEM_ALL, NULL) != NULL ? 0 : -ENOMEM;
	if (str_eq_nocase(w, "none"))
		return item_add(c, ITEM_NONE, NULL) != NULL ? 0 : -ENOMEM;
	if (n > 2 && w[0] == '[' && w[n - 1] == ']' && strchr(w, ':') != NULL) { /* [::1] */
		w[n - 1] = '\0';
		w++;
	}
	slash = strchr(w, '/');
	if (slash != NULL)
		return cidr_add(c, w, slash);
	if (addr_parse(w, 0, &a) == 0)
		return net_add(c, &a, addr_is_v4(&a) ? 32 : 128);
	r = prefix_add(c, w);
	if (r != 0)
		return r < 0 ? r : 0;
	if (strpbrk(w, "*?[{") != NULL)
		return glob_add(c, w);
	if (w[0] == '.' && is_host_name(w + 1))
		return item_add(c, ITEM_DOMAIN, w) != NULL ? 0 : -ENOMEM;
	if (is_host_name(w))
		return item_add(c, ITEM_NAME, w) != NULL ? 0 : -ENOMEM;
	return err_set(c->err, WE_CONFIG, "'%.100s' is no address, network, pattern or host name", w);
}

/* Items of one word: separated by commas outside of braces. */
static int word_compile(struct compiler *c, char *w)
{
	for (char *p = w, *start = w;; p++) {
		static const char *const end = ",";
		unsigned depth = 0;
		bool last;
		int r;

		for (; *p != '\0' && (depth > 0 || *p != *end); p++) {
			depth += *p == '{';
			depth -= *p == '}' && depth > 0;
		}
		last = *p == '\0';
		*p = '\0';
		if (*start != '\0') {
			r = item_compile(c, start);
			if (r < 0)
				return r;
		}
		if (last)
			return 0;
		start = p + 1;
	}
}

int ftp_acl_compile(
	struct arena *a, char *const *words, unsigned n, struct ftp_acl **ret_acl, struct err *err)
{
	struct ftp_acl *acl = arena_alloc(a, sizeof(*acl));
	struct compiler c = {.arena = a, .err = err};

	if (acl == NULL)
		return err_set(err, ENOMEM, "out of memory");
	c.tail = &acl->items;
	for (unsigned i = n > 0 && str_eq_nocase(words[0], "from") ? 1 : 0; i < n; i++) {
		char *copy = arena_strdup(a, words[i]);
		int r = copy != NULL ? word_compile(&c, copy) : err_set(err, ENOMEM, "out of memory");

		if (r < 0)
			return r;
	}
	if (acl->items == NULL)
		return err_set(err, WE_CONFIG, "empty list of addresses");
	*ret_acl = acl;
	return 0;
}

static bool item_match(const struct item *it, const struct addr *client, const char *name)
{
	char text[ADDR_TEXT_MAX];
	size_t n, m;

	switch (it->kind) {
	case ITEM_ALL:
		return true;
	case ITEM_NONE:
		return false;
	case ITEM_NET:
		return client->sa.sa_family == it->net.sa.sa_family &&
		       addr_prefix_match(client, &it->net, it->bits);
	case ITEM_GLOB:
		if (fnmatch(it->pattern, addr_text(client, text), FNM_CASEFOLD) == 0)
			return true;
		return name != NULL && fnmatch(it->pattern, name, FNM_CASEFOLD) == 0;
	case ITEM_DOMAIN:
		n = name != NULL ? strlen(name) : 0;
		m = strlen(it->pattern);
		return n > m && str_eq_nocase(name + n - m, it->pattern);
	case ITEM_NAME:
		return name != NULL && str_eq_nocase(name, it->pattern);
	}
	return false;
}

bool ftp_acl_match(const struct ftp_acl *acl, const struct addr *client, const char *client_name)
{
	bool positive = false, yes = false;
	struct addr a;

	addr_unmap(client, &a);
	for (const struct item *it = acl->items; it != NULL; it = it->next) {
		bool hit = item_match(it, &a, client_name);

		if (it->negate && hit)
			return false;
		positive |= !it->negate;
		yes |= !it->negate && hit;
	}
	return yes || !positive;
}
