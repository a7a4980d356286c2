/* Addresses that the configuration names and that are looked up again while the server runs (DynMasqRefresh).
 *
 * The answers lie in memory that all processes of a generation share: auth, which may wait for a name server, writes
 * them; the others can only read, and cannot change that: a client's data connections go where these addresses say. A slot is one word, so a reader sees the old address or the new one.
 */
#ifndef FTP_LIVE_H
#define FTP_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"

struct ftp_config;
struct ftp_live; /* the word of one name */

struct ftp_live_name {
	struct ftp_live_name *next;
	const char *name;
	int family; /* of the server's options */
	unsigned slot;
};

/* The address that is in force: the one that was found last, else fallback. slot: NULL is fine. */
struct addr ftp_live_addr(const struct ftp_live *slot, const struct addr *fallback);
/* Look all names up again. One that is not found keeps its address, which is logged. Blocks; any thread, one at a time. */
void ftp_live_refresh(const struct ftp_config *config, const struct log_ctx *log);
/* Are processes that are forked from now on to write addresses? At first not: only the one that looks names up is made that
 * way. 0 or -errno. */
int ftp_live_inherit(const struct ftp_config *config, bool writable);

#endif
