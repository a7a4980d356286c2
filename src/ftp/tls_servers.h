/* TLS of the servers of a configuration: what each process does with ftp_server.tls.
 *
 * Master has read the certificates with the configuration (ftp_config_load()). The auth process loads the keys, login and
 * session make contexts when they need them.
 */
#ifndef FTP_TLS_SERVERS_H
#define FTP_TLS_SERVERS_H

#include "base/log.h"
#include "ftp/conf.h"
#include "ipc/message.h"

/* Is there a server with TLS? */
bool ftp_tls_wanted(const struct ftp_config *c);

/* Is its material its own, and not that of a server before it with the same files? */
bool ftp_tls_owns(const struct ftp_server *s);

/* In master: c as it was loaded, with its certificates, authorities and revocation lists as they are in the files now, as the
 * given generation. Nothing else is looked at. c keeps its own, and either may be freed first. What does not hinder is logged as
 * warnings. 0 with *ret_c returned (ftp_config_free()), or -WE_CONFIG with err: one cannot be loaded. Blocks as tls_material_load(). */
int ftp_tls_renew(struct ftp_config *c, unsigned generation, const struct log_ctx *log,
	struct ftp_config **ret_c, struct err *err);

/* In master, before others are forked: let the kernel load what it needs for kernel TLS, where a server may use it. It
 * does so only for a process with CAP_NET_ADMIN, which those that use it have not. Says in the log (info) when there is
 * none. May block for as long as modprobe(8) takes. */
void ftp_tls_kernel_start(const struct ftp_config *c, const struct log_ctx *log);

/* In auth, before it is confined: all keys. One that cannot be loaded (the file has changed since master looked) is
 * logged and left out. NULL when there is none to load. */
struct tls_keys *ftp_tls_keys(const struct ftp_config *c, const struct log_ctx *log);

/* In login and session, before they are confined. Does nothing without TLS. */
void ftp_tls_start(const struct ftp_config *c, enum ipc_role self);
/* The context of that server, made when it is asked for first; kept until ftp_tls_stop(); borrowed. Any thread. 0, or with
 * err -ENOENT: it has no TLS, -WE_CONFIG. c must be the configuration of the process. */
int ftp_tls_context(const struct ftp_config *c, unsigned server, enum tls_role role,
	struct tls_context **ret_ctx, struct err *err);
void ftp_tls_stop(void);

#endif
