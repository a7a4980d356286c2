/* The hashes that HASH, XCRC and their kin offer: what they are called and which are switched on.
 * session/digest.h computes them.
 */
#ifndef FTP_DIGEST_H
#define FTP_DIGEST_H

#include <stdbool.h>

/* From weak to strong. */
enum ftp_digest {
	FTP_DIGEST_CRC32,
	FTP_DIGEST_MD5,
	FTP_DIGEST_SHA1,
	FTP_DIGEST_SHA256,
	FTP_DIGEST_SHA512,
	FTP_DIGEST_COUNT
};
#define FTP_DIGEST_BIT(d) (1u << (d))
#define FTP_DIGEST_ALL    (FTP_DIGEST_BIT(FTP_DIGEST_COUNT) - 1)

struct ftp_conf;

/* Name in FEAT, OPTS HASH and replies, as IANA's "Hash Function Textual Names" has it: "SHA-1". */
const char *ftp_digest_name(enum ftp_digest d);
/* That name, in any case (drafts ask for it), or the one of the directives ("sha1"). The enum, or -ENOENT. */
int ftp_digest_find(const char *name);
/* May sessions of conf use it? */
bool ftp_digest_on(const struct ftp_conf *conf, enum ftp_digest d);
/* What HASH computes until OPTS HASH says otherwise: DigestDefaultAlgorithm, or the strongest that is on. */
enum ftp_digest ftp_digest_first(const struct ftp_conf *conf);

#endif
