/* What the lines TransferRate and TransferRateTotal of a configuration are known by in the shared table of rates
 * (ipc/rate_table.h), in this configuration and in those loaded before or after it. Pure functions. */
#ifndef FTP_RATES_H
#define FTP_RATES_H

#include "ftp/conf.h"

/* Key of a line (ftp_rate.key, ftp_rate_total.key) of that server: one line of <Global> is another for each. */
uint64_t ftp_rate_key(const struct ftp_server *server, uint64_t line);
/* Key of the bucket that a session of the server shares by this line. who has a class if the line asks for it. */
uint64_t ftp_rate_bucket(
	const struct ftp_server *server, const struct ftp_rate_total *total, const struct ftp_subject *who);

/* Call fn with the key and rate of every line of the configuration; a line that several scopes inherit comes
 * several times. */
typedef void ftp_rate_fn(void *arg, uint64_t key, uint64_t bytes_per_sec);
void ftp_rates_each(const struct ftp_config *config, ftp_rate_fn *fn, void *arg);

#endif
