/* Facts of MLST and MLSD (RFC 3659 section 7): which a session wants, and one entry's facts as text.
 *
 * Facts are always written in the order of enum verb_fact (ftp/verb.h), whatever order a client chose.
 */
#ifndef SESSION_FACTS_H
#define SESSION_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "ftp/verb.h"

#define FACTS_TEXT_MAX 200 /* bytes of the names of all facts with ';' after each, and a NUL */
#define FACTS_NAME_MAX 64  /* bytes of an owner's or group's name that are shown */

/* What a client may do with an entry: RFC 3659 7.5.5. */
enum {
	FACTS_MAY_APPEND = 1,     /* a */
	FACTS_MAY_CREATE = 2,     /* c: STOR into the directory */
	FACTS_MAY_DELETE = 4,     /* d */
	FACTS_MAY_ENTER = 8,      /* e */
	FACTS_MAY_RENAME = 16,    /* f */
	FACTS_MAY_LIST = 32,      /* l */
	FACTS_MAY_MKDIR = 64,     /* m */
	FACTS_MAY_PURGE = 128,    /* p */
	FACTS_MAY_RETRIEVE = 256, /* r */
	FACTS_MAY_STORE = 512,    /* w */
};

enum facts_kind { FACTS_ENTRY, FACTS_CDIR, FACTS_PDIR };

struct facts_line {
	const char *name; /* what follows the facts */
	enum facts_kind kind;
	const struct statx *id;    /* device and inode: of the target when it is a link; NULL: st */
	const struct statx *st;    /* times and size */
	unsigned mode;             /* as shown (DirFakeMode) */
	unsigned perm;             /* FACTS_MAY_ bits */
	const char *slink;         /* link target for "OS.unix=slink:...", or NULL */
	bool symlink;              /* with slink NULL: say OS.unix=symlink */
	const char *owner, *group; /* names, only read when chosen */
	uint32_t uid, gid;         /* as shown */
};

/* The set (VERB_FACT_ bits) of a list whose members each end in ';', as "size;Type;": unknown names are
 * left out, case does not count. offered: what may be chosen. ret_names (FACTS_TEXT_MAX bytes): the
 * accepted names in the given order, each with ';' ("" when none). Returns the set, or -1 when text is not
 * such a list (a blank in it). */
int facts_choose(const char *text, unsigned offered, char *ret_names);

/* Upper bound of facts_format() for such a name and slink target (NULL: none). */
size_t facts_line_room(const char *name, const char *slink);
/* "fact=value;... name" without line end to dst; returns the length (no NUL). Control bytes in names that
 * would end the line are '?'. */
size_t facts_format(unsigned set, const struct facts_line *line, char *dst);

/* Time of RFC 3659 2.3, "YYYYMMDDhhmmss" of UTC with a NUL; years outside 0..9999 become the nearest of
 * them. */
void facts_time(int64_t secs, char dst[15]);

#endif
