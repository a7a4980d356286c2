/* Certificates of clients: what their authorities' responders say (TLSVerifyOrder with ocsp). Login asks with a message, once a
 * handshake; a process for each question (asker.h) verifies the certificates and asks, and what it says is remembered until it is
 * out of date. Master never looks into a certificate. Every question is answered within a time of twice TLSStaplingTimeout and some
 * seconds, whatever responders and name servers do. */
#ifndef MASTER_REVOCATION_H
#define MASTER_REVOCATION_H

#include "master/master.h"

/* login has sent q for its session s, which is not logged in. 0: IPC_CERT_STATUS follows, or has been sent; -WE_PERMIT: no honest
 * process asks that. */
int revocation_asked(struct master *m, struct msession *s, const struct ipc_cert_check *q);
/* Is a login of s on that server with the certificate of that digest (tls_client_cert_digest(); 32 bytes) one that may go on? Yes
 * where responders are not asked. */
bool revocation_passed(
	const struct msession *s, const struct ftp_server *server, const struct ipc_bytes *digest);
/* Returns when to call again, or UINT64_MAX. */
uint64_t revocation_tick(struct master *m, uint64_t now_ms);
void revocation_free(struct master *m);

#endif
