#include "ftp/digest.h"

#include <errno.h>

#include "base/str.h"
#include "ftp/conf.h"

static const char *const names[FTP_DIGEST_COUNT][2] = {
	[FTP_DIGEST_CRC32] = {"CRC32", "crc32"},
	[FTP_DIGEST_MD5] = {"MD5", "md5"},
	[FTP_DIGEST_SHA1] = {"SHA-1", "sha1"},
	[FTP_DIGEST_SHA256] = {"SHA-256", "sha256"},
	[FTP_DIGEST_SHA512] = {"SHA-512", "sha512"},
};

const char *ftp_digest_name(enum ftp_digest d)
{
	return names[d][0];
}

int ftp_digest_find(const char *name)
{
	for (int d = 0; d < FTP_DIGEST_COUNT; d++) {
		if (str_eq_nocase(name, names[d][0]) || str_eq_nocase(name, names[d][1]))
			return d;
	}
	return -ENOENT;
}

bool ftp_digest_on(const struct ftp_conf *conf, enum ftp_digest d)
{
	return conf->digest_engine && (conf->digest_algorithms & FTP_DIGEST_BIT(d)) != 0;
}

enum ftp_digest ftp_digest_first(const struct ftp_conf *conf)
{
	int d = FTP_DIGEST_COUNT - 1;

	if (ftp_digest_on(conf, conf->digest_default))
		return conf->digest_default;
	while (d > 0 && !ftp_digest_on(conf, (enum ftp_digest)d))
		d--;
	return (enum ftp_digest)d;
}
