/* Directives about hashes of files: HASH, XCRC and their kin. */
#include "ftp/directives.h"

#include "base/alloc.h"
#include "base/str.h"

#define CACHE_ENTRIES     10000
#define CACHE_ENTRIES_MAX 1000000 /* about 200 bytes each */
#define CACHE_AGE_MS      30000

static int algorithm(struct conf_call *c, const char *word, enum ftp_digest *ret_d)
{
	int d = ftp_digest_find(word);

	if (d < 0)
		return err_set(c->err, WE_CONFIG,
			"unknown algorithm '%.60s': expected crc32, md5, sha1, sha256 or sha512", word);
	*ret_d = (enum ftp_digest)d;
	return 0;
}

static int digest_algorithms(struct conf_call *c, void *dst)
{
	unsigned *bits = &((struct ftp_conf *)dst)->digest_algorithms;
	enum ftp_digest d = FTP_DIGEST_CRC32;
	int r;

	*bits = 0;
	for (unsigned i = 0; i < c->n_args; i++) {
		if (str_eq_nocase(c->args[i], "all")) {
			*bits = FTP_DIGEST_ALL;
			continue;
		}
		r = algorithm(c, c->args[i], &d);
		if (r < 0)
			return r;
		*bits |= FTP_DIGEST_BIT(d);
	}
	return 0;
}

static int digest_default(struct conf_call *c, void *dst)
{
	return algorithm(c, c->args[0], &((struct ftp_conf *)dst)->digest_default);
}

/* "size <n>" or "maxAge <time>" at args[i]. */
static int cache_part(struct conf_call *c, unsigned i, struct ftp_conf *conf)
{
	const char *value = c->args[i + 1];
	uint64_t n;

	if (str_eq_nocase(c->args[i], "size")) {
		if (str_to_u64(value, &n) < 0 || n < 1 || n > CACHE_ENTRIES_MAX)
			return err_set(c->err, WE_CONFIG, "size is a number from 1 to %d, not '%.60s'",
				CACHE_ENTRIES_MAX, value);
		conf->digest_cache_entries = (unsigned)n;
	} else if (str_eq_nocase(c->args[i], "maxAge")) {
		if (conf_duration(value, &n) < 0 || n < 1 || n > UINT32_MAX)
			return err_set(c->err, WE_CONFIG,
				"maxAge is a time of at least one second, not '%.60s'", value);
		conf->digest_cache_age_ms = (uint32_t)n;
	} else
		return err_set(
			c->err, WE_CONFIG, "unknown parameter '%.60s': expected size or maxAge", c->args[i]);
	return 0;
}

/* on | off | [size <n>] [maxAge <time>] */
static int digest_cache(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	bool on = true;
	int r = 0;

	if (c->n_args == 1 && conf_bool(c->args[0], &on) < 0)
		return err_set(c->err, WE_CONFIG, "expected on, off, or size <count> and maxAge <time>");
	if (c->n_args == 3)
		return err_set(c->err, WE_CONFIG, "wrong number of parameters");
	conf->digest_cache_entries = on ? CACHE_ENTRIES : 0;
	conf->digest_cache_age_ms = CACHE_AGE_MS;
	for (unsigned i = 0; r == 0 && i + 1 < c->n_args; i += 2)
		r = cache_part(c, i, conf);
	return r;
}

static int digest_max_size(struct conf_call *c, void *dst)
{
	uint64_t *bytes = &((struct ftp_conf *)dst)->digest_max_bytes;
	const char *unit = c->n_args > 1 ? c->args[1] : NULL;

	if (conf_size(c->args[0], unit, bytes) < 0 || *bytes == 0)
		return err_set(c->err, WE_CONFIG, "'%.60s%s%.20s' is not a size of at least one byte",
			c->args[0], unit != NULL ? " " : "", unit != NULL ? unit : "");
	return 0;
}

static const char *const transfer_options[] = {"NoTransferCache", NULL};

static const struct conf_row rows[] = {
	{.name = "DigestAlgorithms",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, digest_algorithms, unsigned),
		.parse = digest_algorithms,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G_A,
		.module = "mod_digest.c",
		.dflt = "all",
		.syntax = "all|crc32|md5|sha1|sha256|sha512 ...",
		.doc = "Hashes that clients may ask for with HASH, XCRC, XMD5, MD5, XSHA, XSHA1, XSHA256 and "
		       "XSHA512."},
	{.name = "DigestCache",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, digest_cache_entries, digest_cache_age_ms),
		.parse = digest_cache,
		.min_args = 1,
		.max_args = 4,
		.scope = S_V_G_A,
		.module = "mod_digest.c",
		.dflt = "size 10000 maxAge 30s",
		.syntax = "on|off|[size <count>] [maxAge <time>]",
		.doc = "How many results are kept for how long, so that a hash that is asked for again costs "
		       "nothing. A result counts only for the file as it was: the same inode, size and times "
		       "of change. The sessions of one identity share them; when there are too many, the "
		       "oldest goes."},
	{.name = "DigestDefaultAlgorithm",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, digest_default, enum ftp_digest),
		.parse = digest_default,
		.min_args = 1,
		.scope = S_V_G,
		.module = "mod_digest.c",
		.dflt = "sha1",
		.syntax = "crc32|md5|sha1|sha256|sha512",
		.doc = "What HASH computes until the client chooses with OPTS HASH. If DigestAlgorithms does "
		       "not have it, the strongest that it has."},
	{.name = "DigestEnable",
		CONF_BOOL(struct ftp_conf, digest_enable),
		.scope = CONF_D | CONF_F,
		.module = "mod_digest.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether files of this directory may be hashed; off where reading them is expensive."},
	{.name = "DigestEngine",
		CONF_BOOL(struct ftp_conf, digest_engine),
		.scope = S_V_G_A,
		.module = "mod_digest.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether hash commands are offered."},
	{.name = "DigestMaxSize",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, digest_max_bytes, uint64_t),
		.parse = digest_max_size,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A,
		.module = "mod_digest.c",
		.dflt_text = "none",
		.syntax = "<number> [<unit>]",
		.doc = "How many bytes one hash command may read. HASH of more is answered with 556, the "
		       "other "
		       "commands with 550."},
	{.name = "DigestOptions",
		.type = CONF_T_NOEFFECT,
		.only = transfer_options,
		.min_args = 1,
		.flags = CONF_REPEATABLE,
		.scope = S_V_G,
		.module = "mod_digest.c",
		.syntax = "NoTransferCache",
		.reason =
			"files are never hashed while they are transferred: a hash is computed when a client "
			"asks for it",
		.doc = "Options of the hash commands."},
};

const struct conf_table ftp_table_digest = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
