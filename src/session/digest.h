/* Computing the hashes of ftp/digest.h: CRC-32 by zlib, the others by libcrypto. */
#ifndef SESSION_DIGEST_H
#define SESSION_DIGEST_H

#include <stddef.h>

#include "ftp/digest.h"

#define DIGEST_TEXT_MAX (2 * 64 + 1) /* hex digits of SHA-512 and NUL */

/* Look the algorithms up, which may read the library's configuration: before confinement, and best before
 * the fork, so that processes share what it allocates. Again: nothing. */
void digest_prepare(void);

struct digest;

/* NULL: no memory, or the library refuses the algorithm (FIPS). One thread at a time; any thread. */
struct digest *digest_new(enum ftp_digest algorithm);
void digest_free(struct digest *d);                           /* NULL is fine */
int digest_update(struct digest *d, const void *p, size_t n); /* 0 or -EIO: the library refuses */
/* The hash of everything so far, in lower case; once. 0 or -EIO. */
int digest_final(struct digest *d, char ret_text[DIGEST_TEXT_MAX]);

#endif
