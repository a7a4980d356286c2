/* The ExtendedLogs of one process: formats compiled, syslog connected, files by the descriptors that master has
 * opened. A row of the configuration is made ready when it is used first, or before by extlogs_prepare(). */
#ifndef FTP_EXTLOGS_H
#define FTP_EXTLOGS_H

#include "base/log.h"
#include "ftp/conf.h"
#include "log/logfmt.h"

struct extlogs;

/* config: kept. Never NULL. */
struct extlogs *extlogs_new(const struct ftp_config *config);
void extlogs_free(struct extlogs **l); /* NULL inside is fine; sets NULL */

/* Make the rows of all servers ready: for a process that cannot connect to syslog after its confinement. */
void extlogs_prepare(struct extlogs *l);

/* Write rec to those logs of a scope (ftp_conf.extended_logs) that want it: one write() or datagram each.
 *   classes  VERB_LOG_ bits; VERB_LOG_EXIT for the end of a session
 *   command  upper case, SITE commands "SITE_CHMOD"; NULL for the end of a session
 * What cannot be written is said in ctx's debug log. */
void extlogs_write(struct extlogs *l, const struct ftp_extlog *rows, unsigned classes, const char *command,
	const struct log_record *rec, const struct log_ctx *ctx);

#endif
