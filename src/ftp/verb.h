/* The table of the FTP commands: everything the login process, the session process, the policy, the logs,
 * HELP and FEAT must know about a command, except what it does. The doing is in src/login/ and
 * src/session/cmd/.
 *
 * To add a command:
 *   1. its row in verb.c (the tables are sorted by name), with the section that defines it and the replies
 *      it may give,
 *   2. its behaviour: src/session/cmd/cmd_x.c, one line in src/session/cmd/commands.c,
 *   3. if it is legal before login, a branch in src/login/,
 *   4. HELP, FEAT, <Limit> groups and log classes follow from the row; verb_test.c checks the row.
 *
 * A command that has no row does not exist: 500.
 */
#ifndef FTP_VERB_H
#define FTP_VERB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "ftp/conf.h"

/* What the argument is. The caller of a command checks it before check() and run():
 * a missing one where the kind demands it, and one too many for VERB_ARG_NONE. */
enum verb_arg {
	VERB_ARG_IGNORED,  /* anything, never looked at (NOOP, QUIT) */
	VERB_ARG_NONE,     /* must be absent */
	VERB_ARG_WORDS,    /* words split at blanks; their number is checked by the command */
	VERB_ARG_OPT_TEXT, /* free text, may be absent */
	VERB_ARG_TEXT,     /* free text, must be there */
	VERB_ARG_OPT_PATH, /* one path, verbatim, may be absent */
	VERB_ARG_PATH,     /* one path, verbatim, must be there */
	VERB_ARG_SUB       /* a subcommand word and its own argument (SITE, OPTS) */
};

enum verb_flags {
	VERB_PRELOGIN = 1,          /* legal before login */
	VERB_POSTLOGIN = 2,         /* legal after login */
	VERB_WRITES = 4,            /* changes files */
	VERB_SECRET = 8,            /* the argument never reaches a log */
	VERB_IN_TRANSFER = 16,      /* executed at once while a transfer runs */
	VERB_TRANSFER = 32,         /* opens a data connection; uses what PORT, PASV, REST prepared */
	VERB_ENDS_RENAME = 64,      /* forgets a pending RNFR */
	VERB_NOT_IMPLEMENTED = 128, /* known and refused with 502; HELP marks it with '*' */
	VERB_MULTI_WORD_PATH = 256, /* words first, the rest verbatim is a path (MFMT, SITE CHMOD) */
	VERB_NAMES = 512,           /* makes, renames or removes a name: PathAllowFilter, PathDenyFilter */
	VERB_TLS = 1024,            /* exists only where TLSEngine is on */
	VERB_SITE_MISC = 2048       /* exists only where SiteMiscEngine is on */
};

/* Groups of <Limit> a command belongs to. Commands without VERB_LIMIT_ALL are limited only
 * by name. */
enum verb_limit { VERB_LIMIT_READ = 1, VERB_LIMIT_WRITE = 2, VERB_LIMIT_DIRS = 4, VERB_LIMIT_ALL = 8 };

/* Classes of ExtendedLog. */
enum verb_log {
	VERB_LOG_AUTH = 1,
	VERB_LOG_INFO = 2,
	VERB_LOG_DIRS = 4,
	VERB_LOG_READ = 8,
	VERB_LOG_WRITE = 16,
	VERB_LOG_MISC = 32,
	VERB_LOG_SEC = 64
};

/* Facts of MLST (RFC 3659 7.5, 7.6), in the order of output. */
enum verb_fact {
	VERB_FACT_MODIFY = 1,
	VERB_FACT_PERM = 2,
	VERB_FACT_SIZE = 4,
	VERB_FACT_TYPE = 8,
	VERB_FACT_UNIQUE = 16,
	VERB_FACT_UNIX_GROUP = 32,
	VERB_FACT_UNIX_GROUPNAME = 64,
	VERB_FACT_UNIX_MODE = 128,
	VERB_FACT_UNIX_OWNER = 256,
	VERB_FACT_UNIX_OWNERNAME = 512,
	VERB_FACT_COUNT = 10, /* number of facts, not a bit */
	VERB_FACT_EVERY = 1023
};
extern const char *const verb_fact_name[VERB_FACT_COUNT]; /* by bit number: "modify", ... */
/* The facts that this server offers: without the names where FactsOptions NoNames is on. */
unsigned verb_facts_offered(const struct ftp_conf *conf);
/* Those of a session at its start: FactsDefault, as far as they are offered. */
unsigned verb_facts_start(const struct ftp_conf *conf);

/* What FEAT depends on besides the configuration. */
struct verb_state {
	const struct ftp_conf *conf; /* server, or <Anonymous> of the session */
	unsigned facts;         /* VERB_FACT_ bits selected by OPTS MLST; at the start verb_facts_start() */
	enum ftp_digest digest; /* selected by OPTS HASH; at the start ftp_digest_first() */
	unsigned quirks;        /* ftp_quirks() */
};

struct ftp_verb {
	const char *name;  /* upper case; a SITE row holds the subcommand alone */
	const char *limit; /* name in <Limit>: the same, SITE_X, or that without X (MKD for XMKD) */
	enum verb_arg arg;
	const char *usage;    /* syntax for HELP after the name, "" when there is no argument */
	const char *summary;  /* one line for the manual */
	const char *rfc;      /* number and section that define it, a draft, "de facto" or "local" */
	unsigned flags;       /* VERB_ bits */
	unsigned groups;      /* VERB_LIMIT_ bits */
	unsigned log_classes; /* VERB_LOG_ bits */
	/* FEAT line without its leading blank; NULL = none. With feat_fn set, that one decides: it appends
	 * the line to out and returns true, or returns false when the feature is not enabled. */
	const char *feat;
	bool (*feat_fn)(const struct verb_state *st, struct buf *out);
	uint16_t replies
		[20]; /* codes it may answer with, 0-terminated; 421, 500, 501, 530 are legal for every command */
};

extern const struct ftp_verb ftp_verbs[], ftp_site_verbs[]; /* sorted by name; end with name NULL */
unsigned ftp_verb_count(void), ftp_site_verb_count(void);

/* The row of a verb (upper case, as line_cmd.verb), or NULL. */
const struct ftp_verb *verb_find(const char *name);
/* The row of a SITE subcommand (any case, not NUL-terminated), or NULL. */
const struct ftp_verb *verb_find_site(const char *name, size_t len);
/* The row by the name used in <Limit>: "RETR", "SITE_CHMOD"; or NULL. */
const struct ftp_verb *verb_find_limit(const char *name);
/* The name by which ExtendedLog knows a command: SITE and OPTS with their first argument are "SITE_CHMOD", "OPTS_MLST" (written
 * to out), others are the verb. args may be NULL. */
#define VERB_LOG_NAME_SIZE 32
const char *verb_log_name(const char *verb, const char *args, char out[VERB_LOG_NAME_SIZE]);
/* Is the code among those of the row, or one that is legal for every command? For the tests: rows are promises. */
bool verb_may_answer(const struct ftp_verb *v, unsigned code);
/* Does a server with this configuration have the command? One it has not is answered like an unknown one. */
bool verb_offered(const struct ftp_verb *v, const struct ftp_conf *conf);

/* Reply texts, appended to out; 0 or the error of reply(). */

/* HELP (arg NULL or ""), HELP <command>, HELP SITE [<subcommand>] */
int verb_help(struct buf *out, const char *arg, const struct ftp_conf *conf);
/* SITE HELP (arg NULL or ""), SITE HELP <subcommand> */
int verb_site_help(struct buf *out, const char *arg, const struct ftp_conf *conf);
/* FEAT: only what this configuration has switched on. */
int verb_feat(struct buf *out, const struct verb_state *st);

/* Does the first word belong to another protocol (HTTP, SMTP, SSH)? Then its name for the log, else NULL.
 * Such clients are cut off at once: a browser tricked into posting at us must not execute anything. */
const char *verb_foreign_protocol(const char *verb);

#endif
