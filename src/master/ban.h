/* Bans of client addresses, users and classes, and the counts that lead to them (BanOnEvent). In memory only.
 *
 * Addresses are counted as they are: a client with many addresses is many clients. Bans and counts have a maximum each;
 * the oldest goes first, so that somebody with very many addresses cannot fill the memory, and before bans for good those go that end.
 * Counts, which anybody brings about, by names that nobody has for one, never push out bans.
 */
#ifndef MASTER_BAN_H
#define MASTER_BAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "ftp/conf.h"

#define BANS_MAX 16384 /* bans, and as many counts */

enum ban_kind { BAN_HOST, BAN_USER, BAN_CLASS, BAN_KIND_COUNT };

struct ban {
	struct list link;         /* of bans, or of counts; oldest first */
	struct ban *next;         /* of the same bucket */
	enum ftp_ban_event event; /* 0: a ban; else a count */
	enum ban_kind kind;
	char *name;
	uint64_t until_ms; /* ban: monotonic, UINT64_MAX = for good; count: its interval's end */
	unsigned n;        /* count */
	char *message;     /* ban: what is told, NULL = BanMessage */
	char *why;         /* ban: "MaxLoginAttempts", "wherryctl" */
};

struct bans;
struct bans *bans_new(void);
void bans_free(struct bans **b); /* NULL inside is fine */

/* Who is asked about; NULL: not known or not meant. */
struct ban_subject {
	const struct addr *host;
	const char *user, *class_name;
};

/* The event has happened. Returns the ban that it has led to, or NULL. */
const struct ban *bans_event(struct bans *b, const struct ftp_conf *conf, enum ftp_ban_event event,
	const struct ban_subject *who, uint64_t now_ms);
/* The ban that holds for one of these, or NULL. */
const struct ban *bans_find(struct bans *b, const struct ban_subject *who, uint64_t now_ms);
/* "530 <text>" for a banned client. */
void bans_text(const struct ban *ban, const struct ftp_conf *conf, const struct ban_subject *who, char *text,
	size_t size);

/* "for good, by wherryctl", "20 s, by MaxLoginAttempts" into text; returns text. */
const char *ban_describe(const struct ban *ban, uint64_t now_ms, char *text, size_t size);
/* "host", "user", "class"; -1: none of them. */
int ban_kind_named(const char *name);
const char *ban_kind_name(enum ban_kind kind);
/* expiry_ms 0: for good. A ban of the same name is replaced. */
void bans_add(struct bans *b, enum ban_kind kind, const char *name, uint64_t expiry_ms, uint64_t now_ms);
/* Lift bans and forget counts of that name; name NULL: all of that kind. Returns how many bans. */
unsigned bans_lift(struct bans *b, enum ban_kind kind, const char *name);
/* The ban after prev (NULL: the first) that still holds, or NULL. */
const struct ban *bans_next(const struct bans *b, const struct ban *prev, uint64_t now_ms);

#endif
