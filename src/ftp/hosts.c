#include "ftp/hosts.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

#define FIELDS_MAX 16 /* of a rule: daemons, clients, options */
#define WORDS_MAX  (HOSTS_LINE_MAX / 2)

enum hit { NO, YES, UNSURE };

/* --- lines --- */

struct rule {
	char text[HOSTS_LINE_MAX + 1];
	unsigned line;
	bool too_long;
	char *field[FIELDS_MAX];
	unsigned n;
};

struct lines {
	const char *at, *end;
	unsigned next; /* number of the line at `at` */
};

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = '\0';
	return s;
}

/* One physical line at l->at, appended to r; a backslash at its end is left out. Does the rule go on in the next? */
static bool line_join(struct lines *l, struct rule *r, size_t *n)
{
	const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));
	size_t len = (size_t)((nl != NULL ? nl : l->end) - l->at);
	bool more;

	if (len > 0 && l->at[len - 1] == '\r')
		len--;
	more = len > 0 && l->at[len - 1] == '\\';
	len -= more;
	if (len > HOSTS_LINE_MAX - *n || memchr(l->at, '\0', len) != NULL) {
		r->too_long = true;
		len = 0;
	}
	memcpy(r->text + *n, l->at, len);
	*n += len;
	l->at = nl != NULL ? nl + 1 : l->end;
	l->next++;
	return more && l->at < l->end;
}

/* Fields end at a colon that is neither within brackets nor behind a backslash. */
static void fields_split(struct rule *r)
{
	char *out = r->text;
	bool inside = false;

	r->n = 0;
	r->field[r->n++] = out;
	for (const char *p = r->text; *p != '\0'; p++) {
		if (*p == '\\' && p[1] == ':') {
			*out++ = *++p;
			continue;
		}
		inside = (inside || *p == '[') && *p != ']';
		if (*p != ':' || inside || r->n == FIELDS_MAX) {
			*out++ = *p;
			continue;
		}
		*out++ = '\0';
		r->field[r->n++] = out;
	}
	*out = '\0';
	for (unsigned i = 0; i < r->n; i++)
		r->field[i] = trim(r->field[i]);
}

static bool rule_next(struct lines *l, struct rule *r)
{
	while (l->at < l->end) {
		size_t n = 0;
		const char *first;

		r->line = l->next;
		r->too_long = false;
		if (*l->at == '#') { /* a comment does not go on in the next line */
			const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));

			l->at = nl != NULL ? nl + 1 : l->end;
			l->next++;
			continue;
		}
		while (line_join(l, r, &n))
			;
		r->text[n] = '\0';
		first = r->text + strspn(r->text, " \t");
		if (!r->too_long && (*first == '\0' || *first == '#'))
			continue;
		fields_split(r);
		return true;
	}
	return false;
}

/* --- lists --- */

/* The next word of a list, separated by blanks and commas, copied to word. */
static bool word_next(const char **at, char word[HOSTS_LINE_MAX + 1])
{
	size_t n;

	*at += strspn(*at, " \t,\n\r");
	n = strcspn(*at, " \t,\n\r");
	n = n < HOSTS_LINE_MAX ? n : HOSTS_LINE_MAX;
	memcpy(word, *at, n);
	word[n] = '\0';
	*at += n;
	return n > 0;
}

struct search {
	const struct hosts_subject *who;
	hosts_read_fn *read;
	void *arg;
	bool in_file; /* files of patterns name no further ones */
};

typedef enum hit match_fn(const struct search *s, char *word);

/* "a b EXCEPT c d EXCEPT e": each part cuts from what is before it, the last one first. */
static enum hit list_match(const struct search *s, const char *list, match_fn *match)
{
	char word[HOSTS_LINE_MAX + 1];
	uint8_t part[WORDS_MAX] = {NO}; /* enum hit */
	enum hit all = NO;
	unsigned n = 0;

	while (word_next(&list, word)) {
		enum hit one;

		if (str_eq_nocase(word, "EXCEPT")) {
			if (n + 1 < WORDS_MAX) /* a line has not more words */
				n++;
			continue;
		}
		one = part[n] != YES ? match(s, word) : NO;
		if (one != NO)
			part[n] = (uint8_t)one;
	}
	for (unsigned i = n + 1; i-- > 0;) {
		if (part[i] == NO || all == YES)
			all = NO;
		else if (all == NO)
			all = (enum hit)part[i];
	}
	return all;
}

/* '*' any bytes, '?' one; letters of either case. Linear but for the last '*'. */
static bool wild_match(const char *pattern, const char *text)
{
	const char *star = NULL, *back = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			back = text;
		} else if (*pattern != '\0' &&
			   (*pattern == '?' || ascii_lower(*pattern) == ascii_lower(*text))) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++back;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

/* --- addresses and names --- */

/* "[::1]" without its brackets, in place. */
static char *bracket_strip(char *s)
{
	size_t n = strlen(s);

	if (n > 2 && s[0] == '[' && s[n - 1] == ']') {
		s[n - 1] = '\0';
		s++;
	}
	return s;
}

/* net/mask. UNSURE: the expression is wrong. */
static enum hit net_match(const struct addr *host, char *word)
{
	char *slash = strrchr(word, '/');
	struct in_addr mask;
	struct addr net;
	uint64_t bits;

	*slash++ = '\0';
	if (addr_parse(bracket_strip(word), 0, &net) < 0)
		return UNSURE;
	if (str_to_u64(slash, &bits) == 0) {
		if (bits > (net.sa.sa_family == AF_INET ? 32 : 128))
			return UNSURE;
		return net.sa.sa_family == host->sa.sa_family && addr_prefix_match(host, &net, (unsigned)bits)
			       ? YES
			       : NO;
	}
	if (net.sa.sa_family != AF_INET || inet_pton(AF_INET, slash, &mask) != 1)
		return UNSURE;
	return host->sa.sa_family == AF_INET &&
			       (host->in4.sin_addr.s_addr & mask.s_addr) == net.in4.sin_addr.s_addr
		       ? YES
		       : NO;
}

static enum hit host_match(const struct search *s, const struct addr *host, const char *name, char *word);

/* Any pattern of a file. */
static enum hit file_match(
	const struct search *s, const struct addr *host, const char *name, const char *path)
{
	struct search inner = *s;
	char word[HOSTS_LINE_MAX + 1], *text = NULL;
	const char *at;
	enum hit hit = NO;

	if (s->in_file || s->read == NULL || s->read(s->arg, path, &text) < 0)
		return UNSURE;
	inner.in_file = true;
	at = text;
	while (hit != YES && word_next(&at, word)) {
		enum hit one = host_match(&inner, host, name, word);

		hit = one != NO ? one : hit;
	}
	free(text);
	return hit;
}

static enum hit yes_if(bool b)
{
	return b ? YES : NO;
}

/* host: without IPv4 in IPv6. name NULL: unknown. */
static enum hit host_match(const struct search *s, const struct addr *host, const char *name, char *word)
{
	char text[ADDR_TEXT_MAX];
	size_t n = strlen(word), m = name != NULL ? strlen(name) : 0;
	struct addr a;

	if (str_eq_nocase(word, "ALL"))
		return YES;
	if (str_eq_nocase(word, "LOCAL"))
		return yes_if(name != NULL && strchr(name, '.') == NULL);
	if (str_eq_nocase(word, "KNOWN"))
		return yes_if(name != NULL);
	if (str_eq_nocase(word, "UNKNOWN"))
		return yes_if(name == NULL);
	if (str_eq_nocase(word, "PARANOID"))
		return NO; /* a name that does not fit the address is no name */
	if (word[0] == '@')
		return UNSURE;
	if (word[0] == '/')
		return file_match(s, host, name, word);
	if (word[0] == '.')
		return yes_if(m > n && str_eq_nocase(name + m - n, word));
	if (strchr(word, '/') != NULL)
		return net_match(host, word);
	addr_text(host, text);
	if (word[n - 1] == '.')
		return yes_if(str_starts(text, word));
	if (strpbrk(word, "*?") != NULL)
		return yes_if(wild_match(word, text) || (name != NULL && wild_match(word, name)));
	if (addr_parse(bracket_strip(word), 0, &a) == 0)
		return yes_if(addr_host_equal(host, &a));
	return yes_if(name != NULL && str_eq_nocase(name, word));
}

/* [user@]host. Nobody knows the user at the other end. */
static enum hit client_match(const struct search *s, char *word)
{
	char *at = word[0] != '@' ? strchr(word, '@') : NULL;

	if (at != NULL) {
		*at = '\0';
		if (at[1] == '\0' || (!str_eq_nocase(word, "ALL") && !str_eq_nocase(word, "UNKNOWN")))
			return NO;
		word = at + 1;
	}
	return host_match(s, s->who->client, s->who->client_name, word);
}

/* name[@host], or the port of the server. */
static enum hit daemon_match(const struct search *s, char *word)
{
	char *at = strchr(word, '@');
	uint64_t port;

	if (at != NULL)
		*at++ = '\0';
	if (!str_eq_nocase(word, "ALL") && !str_eq_nocase(word, s->who->service) &&
		(str_to_u64(word, &port) < 0 || port != addr_port(s->who->local)))
		return NO;
	return at == NULL ? YES : *at != '\0' ? host_match(s, s->who->local, NULL, at) : NO;
}

/* --- options --- */

enum option {
	OPT_ALLOW,
	OPT_DENY,
	OPT_IGNORED, /* changes nothing that this server does */
	OPT_PROGRAM, /* starts one beside the answer, which is not done */
	OPT_TWIST,   /* ... instead of the service */
	OPT_ACLEXEC  /* ... that gives the answer */
};

static enum option option_kind(const char *text)
{
	static const struct {
		const char *word;
		enum option kind;
	} words[] = {{"aclexec", OPT_ACLEXEC}, {"allow", OPT_ALLOW}, {"banners", OPT_IGNORED},
		{"deny", OPT_DENY}, {"group", OPT_IGNORED}, {"keepalive", OPT_IGNORED},
		{"linger", OPT_IGNORED}, {"nice", OPT_IGNORED}, {"rfc931", OPT_IGNORED},
		{"setenv", OPT_IGNORED}, {"severity", OPT_IGNORED}, {"spawn", OPT_PROGRAM},
		{"twist", OPT_TWIST}, {"umask", OPT_IGNORED}, {"user", OPT_IGNORED}};
	size_t n = strcspn(text, " \t=");
	char word[16];

	if (n < sizeof(word)) {
		memcpy(word, text, n);
		word[n] = '\0';
		for (size_t i = 0; i < ARRAY_LEN(words); i++) {
			if (str_eq_nocase(words[i].word, word))
				return words[i].kind;
		}
	}
	return OPT_PROGRAM; /* the older form: a shell command */
}

/* What a rule does that matches, or may. */
static enum hosts_verdict rule_verdict(const struct rule *r, enum hosts_kind kind, enum hit hit)
{
	enum hosts_verdict v = kind == HOSTS_ALLOW ? HOSTS_ALLOWED : HOSTS_DENIED;

	for (unsigned i = 2; i < r->n; i++) {
		switch (option_kind(r->field[i])) {
		case OPT_ALLOW:
			v = HOSTS_ALLOWED;
			break;
		case OPT_DENY:
		case OPT_TWIST:
			v = HOSTS_DENIED;
			break;
		case OPT_ACLEXEC:
			hit = UNSURE;
			break;
		default:
			break;
		}
	}
	return hit == UNSURE && v == HOSTS_ALLOWED ? HOSTS_SILENT : v;
}

enum hosts_verdict hosts_check(const char *text, size_t len, enum hosts_kind kind,
	const struct hosts_subject *who, hosts_read_fn *read, void *arg, unsigned *ret_line)
{
	struct rule *r = xcalloc(1, sizeof(*r));
	struct lines l = {text, text + len, 1};
	enum hosts_verdict v = HOSTS_SILENT;
	struct addr client, local;
	struct hosts_subject subject = *who;
	struct search s = {.who = &subject, .read = read, .arg = arg};

	addr_unmap(who->client, &client);
	addr_unmap(who->local, &local);
	subject.client = &client;
	subject.local = &local;
	while (v == HOSTS_SILENT && rule_next(&l, r)) {
		enum hit daemon, hit;

		if (r->too_long || r->n < 2) { /* whom it is about is not known */
			v = kind == HOSTS_DENY && r->too_long ? HOSTS_DENIED : HOSTS_SILENT;
		} else {
			daemon = list_match(&s, r->field[0], daemon_match);
			hit = daemon != NO ? list_match(&s, r->field[1], client_match) : NO;
			if (hit != NO)
				v = rule_verdict(r, kind, daemon == UNSURE ? UNSURE : hit);
		}
		*ret_line = r->line;
	}
	free(r);
	return v;
}

/* --- -t --- */

struct lint {
	hosts_note_fn *fn;
	void *arg;
	unsigned line;
	bool names, said_names;
};

static void note(struct lint *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct lint *n, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n->fn(n->arg, n->line, text);
}

static bool is_word(const char *word)
{
	return str_eq_nocase(word, "ALL") || str_eq_nocase(word, "EXCEPT") || str_eq_nocase(word, "KNOWN") ||
	       str_eq_nocase(word, "UNKNOWN");
}

static void client_lint(struct lint *n, char *word)
{
	static const struct addr none = {.in4 = {.sin_family = AF_INET}};
	char copy[HOSTS_LINE_MAX + 1], *at = word[0] != '@' ? strchr(word, '@') : NULL;
	struct addr a;

	if (at != NULL) {
		*at = '\0';
		if (!str_eq_nocase(word, "ALL") && !str_eq_nocase(word, "UNKNOWN"))
			note(n, "'%.60s@...' matches nobody: the user at the client's end is never known",
				word);
		word = at + 1;
	}
	(void)str_copy(copy, sizeof(copy), word);
	if (word[0] == '@')
		note(n, "'%.60s': netgroups are not looked up; the rule counts where it refuses", word);
	else if (str_eq_nocase(word, "PARANOID"))
		note(n, "PARANOID matches nobody: a name that does not fit the address counts as unknown");
	else if (word[0] != '/' && strchr(word, '/') != NULL && net_match(&none, copy) == UNSURE)
		note(n, "'%.60s' is no network; the rule counts where it refuses", word);
	else if (!n->names && !n->said_names && !is_word(word) && word[0] != '/' &&
		 strchr(word, '/') == NULL && word[0] != '\0' && word[strlen(word) - 1] != '.' &&
		 strpbrk(word, "*?") == NULL && addr_parse(bracket_strip(copy), 0, &a) < 0) {
		n->said_names = true;
		note(n, "'%.60s' is about names, which are not known without UseReverseDNS", word);
	}
}

static void option_lint(struct lint *n, const char *text, bool last)
{
	switch (option_kind(text)) {
	case OPT_ALLOW:
	case OPT_DENY:
		if (!last)
			note(n, "'%.60s' is not the last option", text);
		break;
	case OPT_IGNORED:
		note(n, "option '%.60s' has no effect", text);
		break;
	case OPT_PROGRAM:
		note(n, "'%.60s': programs are never started, the rule counts without", text);
		break;
	case OPT_TWIST:
		note(n, "'%.60s': programs are never started, the client is refused", text);
		break;
	case OPT_ACLEXEC:
		note(n, "'%.60s': programs are never started, the rule counts where it refuses", text);
		break;
	}
}

void hosts_lint(const char *text, size_t len, const char *service, bool names, hosts_note_fn *fn, void *arg)
{
	struct rule *r = xcalloc(1, sizeof(*r));
	struct lines l = {text, text + len, 1};
	struct lint n = {.fn = fn, .arg = arg, .names = names};

	while (rule_next(&l, r)) {
		char word[HOSTS_LINE_MAX + 1];
		bool ours = false;
		const char *at;

		n.line = r->line;
		if (r->too_long)
			note(&n, "longer than %u bytes, or with a NUL: nobody passes it in a deny table",
				HOSTS_LINE_MAX);
		else if (r->n < 2)
			note(&n, "no ':' between daemons and clients, the line is not used");
		if (r->too_long || r->n < 2)
			continue;
		for (at = r->field[0]; !ours && word_next(&at, word);) {
			word[strcspn(word, "@")] = '\0';
			ours = str_eq_nocase(word, "ALL") || str_eq_nocase(word, service);
		}
		if (!ours)
			continue; /* what it says to others is not our business */
		if (r->field[1][0] == '\0')
			note(&n, "no clients");
		for (at = r->field[1]; word_next(&at, word);)
			client_lint(&n, word);
		for (unsigned i = 2; i < r->n; i++)
			option_lint(&n, r->field[i], i + 1 == r->n);
	}
	free(r);
}
