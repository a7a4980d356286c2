#include "session/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <zlib.h>

struct digest {
	enum ftp_digest algorithm;
	EVP_MD_CTX *ctx; /* NULL for CRC32 */
	uLong crc;
};

static EVP_MD *md[FTP_DIGEST_COUNT]; /* for the life of the process */

void digest_prepare(void)
{
	static const char *const name[FTP_DIGEST_COUNT] = {[FTP_DIGEST_MD5] = "MD5",
		[FTP_DIGEST_SHA1] = "SHA1",
		[FTP_DIGEST_SHA256] = "SHA2-256",
		[FTP_DIGEST_SHA512] = "SHA2-512"};

	for (unsigned i = 0; i < FTP_DIGEST_COUNT; i++) {
		if (name[i] && !md[i])
			md[i] = EVP_MD_fetch(NULL, name[i], NULL);
	}
}

struct digest *digest_new(enum ftp_digest algorithm)
{
	struct digest *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->algorithm = algorithm;
	if (algorithm == FTP_DIGEST_CRC32)
		return d;
	d->ctx = md[algorithm] ? EVP_MD_CTX_new() : NULL;
	if (d->ctx && EVP_DigestInit_ex2(d->ctx, md[algorithm], NULL) == 1)
		return d;
	digest_free(d);
	return NULL;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

int digest_update(struct digest *d, const void *p, size_t n)
{
	if (!d->ctx)
		d->crc = crc32_z(d->crc, p, n);
	else if (EVP_DigestUpdate(d->ctx, p, n) != 1)
		return -EIO;
	return 0;
}

int digest_final(struct digest *d, char ret_text[DIGEST_TEXT_MAX])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned n = 4;

	if (!d->ctx) {
		for (unsigned i = 0; i < n; i++)
			bytes[i] = (unsigned char)(d->crc >> (24 - 8 * i));
	} else if (EVP_DigestFinal_ex(d->ctx, bytes, &n) != 1)
		return -EIO;
	for (unsigned i = 0; i < n; i++) {
		ret_text[2 * i] = hex[bytes[i] >> 4];
		ret_text[2 * i + 1] = hex[bytes[i] & 15];
	}
	ret_text[2 * n] = '\0';
	return 0;
}
