#include "session/facts.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/str.h"

static int fact_find(const char *s, size_t n)
{
	for (int i = 0; i < VERB_FACT_COUNT; i++) {
		size_t k = 0;

		while (k < n && verb_fact_name[i][k] &&
			ascii_lower(s[k]) == ascii_lower(verb_fact_name[i][k]))
			k++;
		if (k == n && !verb_fact_name[i][k])
			return i;
	}
	return -1;
}

static char *put_str(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n);
	return p + n;
}

int facts_choose(const char *text, unsigned offered, char *ret_names)
{
	unsigned set = 0;
	char *p = ret_names;

	if (strchr(text, ' '))
		return -1;
	while (*text) {
		size_t n = strcspn(text, ";");
		int i = fact_find(text, n);

		if (i >= 0 && offered & 1u << i && !(set & 1u << i)) {
			set |= 1u << i;
			p = put_str(p, verb_fact_name[i]);
			*p++ = ';';
		}
		text += n + (text[n] == ';');
	}
	*p = '\0';
	return (int)set;
}

size_t facts_line_room(const char *name, const char *slink)
{
	/* names of all facts, numbers of at most 20 digits, two owner names */
	return FACTS_TEXT_MAX + 7 * 21 + 20 + 2 * FACTS_NAME_MAX + 1 + strlen(name) +
	       (slink ? strlen(slink) : 0);
}

/* The compiler knows how long a literal is. */
#define PUT(p, literal) ((char *)mempcpy(p, literal, sizeof(literal) - 1))

/* Inline: the base is known in each call. */
static inline __attribute__((always_inline)) char *put_num(char *p, uint64_t v, unsigned base, unsigned width)
{
	char digits[24];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n < width)
		digits[n++] = '0';
	while (n)
		*p++ = digits[--n];
	return p;
}

static char *put_two(char *p, int v)
{
	p[0] = (char)('0' + v / 10);
	p[1] = (char)('0' + v % 10);
	return p + 2;
}

void facts_time(int64_t secs, char dst[15])
{
	struct civil c;
	char *p = dst;

	if (secs < -62167219200) /* 0000-01-01 00:00:00 */
		secs = -62167219200;
	if (secs > 253402300799) /* 9999-12-31 23:59:59 */
		secs = 253402300799;
	clock_utc(secs, &c);
	p = put_two(p, c.year / 100);
	p = put_two(p, c.year % 100);
	p = put_two(p, c.month);
	p = put_two(p, c.day);
	p = put_two(p, c.hour);
	p = put_two(p, c.minute);
	p = put_two(p, c.second);
	*p = '\0';
}

static char *put_perm(char *p, unsigned perm)
{
	static const char letters[] = "acdeflmprw"; /* in the order of the FACTS_MAY_ bits */

	for (unsigned i = 0; letters[i]; i++)
		if (perm & 1u << i)
			*p++ = letters[i];
	return p;
}

/* Text inside a fact or a name: what would end the line is replaced; in a fact ';' too would end it. */
static char *put_safe(char *p, const char *s, const char *bad, size_t max)
{
	for (; *s && max; s++, max--) {
		/* what can be bad is a control character, a blank or ';' */
		if (((unsigned char)*s > ' ' && *s != ';') || !strchr(bad, *s))
			*p++ = *s;
		else
			*p++ = *s == ' ' ? '_' : '?';
	}
	return p;
}

static char *put_type(char *p, const struct facts_line *l)
{
	static const char *const kinds[16] = {
		[S_IFIFO >> 12] = "OS.unix=fifo",
		[S_IFCHR >> 12] = "OS.unix=chr",
		[S_IFDIR >> 12] = "dir",
		[S_IFBLK >> 12] = "OS.unix=blk",
		[S_IFREG >> 12] = "file",
		[S_IFLNK >> 12] = "OS.unix=symlink",
		[S_IFSOCK >> 12] = "OS.unix=socket",
	};
	const char *kind = kinds[l->mode >> 12 & 15];

	if (l->kind != FACTS_ENTRY)
		return put_str(p, l->kind == FACTS_CDIR ? "cdir" : "pdir");
	if (l->slink)
		return put_safe(put_str(p, "OS.unix=slink:"), l->slink, "\r\n;", SIZE_MAX);
	if (l->symlink)
		return put_str(p, "OS.unix=symlink");
	return put_str(p, kind ? kind : "OS.unix=unknown");
}

static char *put_unique(char *p, const struct statx *st)
{
	p = put_num(p, makedev(st->stx_dev_major, st->stx_dev_minor), 16, 1);
	*p++ = 'U';
	return put_num(p, st->stx_ino, 16, 1);
}

/* With its name, which is that of verb_fact_name. */
static char *put_fact(char *p, enum verb_fact f, const struct facts_line *l)
{
	switch (f) {
	case VERB_FACT_MODIFY:
		p = PUT(p, "modify=");
		facts_time(l->st->stx_mtime.tv_sec, p);
		return p + 14;
	case VERB_FACT_PERM:
		return put_perm(PUT(p, "perm="), l->perm);
	case VERB_FACT_SIZE:
		return put_num(PUT(p, "size="), l->st->stx_size, 10, 1);
	case VERB_FACT_TYPE:
		return put_type(PUT(p, "type="), l);
	case VERB_FACT_UNIQUE:
		return put_unique(PUT(p, "unique="), l->id ? l->id : l->st);
	case VERB_FACT_UNIX_GROUP:
		return put_num(PUT(p, "UNIX.group="), l->gid, 10, 1);
	case VERB_FACT_UNIX_GROUPNAME:
		return put_safe(PUT(p, "UNIX.groupname="), l->group, "\r\n; ", FACTS_NAME_MAX);
	case VERB_FACT_UNIX_MODE:
		return put_num(PUT(p, "UNIX.mode="), l->mode & 07777, 8, 4);
	case VERB_FACT_UNIX_OWNER:
		return put_num(PUT(p, "UNIX.owner="), l->uid, 10, 1);
	case VERB_FACT_UNIX_OWNERNAME:
		return put_safe(PUT(p, "UNIX.ownername="), l->owner, "\r\n; ", FACTS_NAME_MAX);
	default:
		return p;
	}
}

size_t facts_format(unsigned set, const struct facts_line *l, char *dst)
{
	size_t n = strlen(l->name);
	char *p = dst;

	if (S_ISDIR(l->mode))
		set &= ~(unsigned)VERB_FACT_SIZE;
	for (; set; set &= set - 1) {
		p = put_fact(p, (enum verb_fact)(set & -set), l);
		*p++ = ';';
	}
	*p++ = ' ';
	if (str_has_control(l->name, n))
		p = put_safe(p, l->name, "\r\n", SIZE_MAX);
	else
		p = mempcpy(p, l->name, n);
	return (size_t)(p - dst);
}
