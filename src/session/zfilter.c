#include "session/zfilter.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "wherry_config.h"
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

#define INPUT ((size_t)64 * 1024) /* compressed bytes of a client at a time */

/* Noise is stored instead of compressed in vain (zlib only: ISA-L is quick with it). Whether it is noise is
 * tried with WINDOW bytes; after SKIP bytes that were stored it is tried again, and at once when bytes come
 * that do not look like noise. */
#define WINDOW   ((size_t)256 * 1024)
#define SKIP     ((size_t)4 * 1024 * 1024)
#define SAMPLE   ((size_t)16 * 1024) /* bytes looked at of each input */
#define SAMPLE_N 4                   /* from so many places of it */

enum engine { ENGINE_ZLIB, ENGINE_ISAL, ENGINE_INFLATE };

struct zfilter {
	enum engine engine;
	bool ended;
	z_stream zlib;

	/* deflate by zlib: looking out for noise */
	int level;
	bool storing;
	size_t seen_in, seen_out; /* bytes since the last decision */

	/* inflate */
	uint64_t bomb_bytes;
	unsigned char input[] __attribute__((aligned(16))); /* INPUT bytes; or the struct isal_deflater */
};

/* --- ISA-L --- */

#ifdef HAVE_ISAL

/* Of both it takes the level that makes less than zlib does at the client's (docs/modez.md). The smaller of its
 * buffers gives the better ratio. */
static const uint32_t isal_level[] = {[1] = 2, [2] = 3};
static const uint32_t isal_buf_size[] = {[2] = ISAL_DEF_LVL2_SMALL, [3] = ISAL_DEF_LVL3_SMALL};
#define ISAL_LEVEL_LAST 2

struct isal_deflater {
	struct isal_zstream s;
	uint8_t buf[];
};

static struct isal_deflater *isal_of(struct zfilter *z)
{
	return (struct isal_deflater *)(void *)z->input;
}

static int isal_new(unsigned level, struct zfilter **ret_z)
{
	uint32_t size = isal_buf_size[isal_level[level]];
	struct zfilter *z = calloc(1, sizeof *z + sizeof(struct isal_deflater) + size);
	struct isal_deflater *d;

	if (!z)
		return -ENOMEM;
	z->engine = ENGINE_ISAL;
	d = isal_of(z);
	isal_deflate_init(&d->s);
	d->s.level = isal_level[level];
	d->s.level_buf = d->buf;
	d->s.level_buf_size = size;
	d->s.gzip_flag = IGZIP_ZLIB;
	*ret_z = z;
	return 0;
}

static ssize_t isal_run(struct zfilter *z, const char *in, size_t n, bool last, char *out, size_t size)
{
	struct isal_zstream *s = &isal_of(z)->s;

	s->next_in = (uint8_t *)(uintptr_t)in; /* it only reads there */
	s->avail_in = (uint32_t)n;
	s->next_out = (uint8_t *)out;
	s->avail_out = (uint32_t)size;
	s->end_of_stream = last;
	if (isal_deflate(s) != COMP_OK || s->avail_in)
		return -ENOBUFS;
	z->ended = s->internal_state.state == ZSTATE_END;
	return (ssize_t)(size - s->avail_out);
}

#endif

/* --- zlib: deflate --- */

static int zlib_new(unsigned level, struct zfilter **ret_z)
{
	struct zfilter *z = calloc(1, sizeof *z);

	if (!z || deflateInit(&z->zlib, (int)level) != Z_OK) {
		free(z);
		return -ENOMEM;
	}
	z->engine = ENGINE_ZLIB;
	z->level = (int)level;
	*ret_z = z;
	return 0;
}

/* Do bytes of all values come equally often? Then no code is shorter than they are. Text and programs are far
 * from it; the small excess that is allowed is what pictures and archives have. */
static bool looks_like_noise(const char *in, size_t n)
{
	const unsigned char *p = (const unsigned char *)in;
	size_t part = n / SAMPLE_N < SAMPLE / SAMPLE_N ? n / SAMPLE_N : SAMPLE / SAMPLE_N,
	       total = part * SAMPLE_N;
	uint32_t count[256] = {0};
	uint64_t squares = 0;

	if (total < SAMPLE / SAMPLE_N)
		return false;
	for (size_t i = 0; i < SAMPLE_N; i++)
		for (size_t k = 0; k < part; k++)
			count[p[i * (n / SAMPLE_N) + k]]++;
	for (size_t i = 0; i < 256; i++)
		squares += (uint64_t)count[i] * count[i];
	/* Equally often: total^2 / 256, and total more by chance. */
	return squares * 256 < (uint64_t)total * total * 27 / 25 + (uint64_t)total * 256;
}

static void zlib_set_level(struct zfilter *z, int level)
{
	/* It ends the block in the compressor, for which there may be too little room now: then later. */
	if (deflateParams(&z->zlib, level, Z_DEFAULT_STRATEGY) != Z_OK)
		return;
	z->storing = level != z->level;
	z->seen_in = z->seen_out = 0;
}

/* Before input: is it worth compressing? */
static void zlib_choose(struct zfilter *z, const char *in, size_t n)
{
	size_t out_before = z->zlib.avail_out;

	if (z->level == 0 || n == 0)
		return;
	if (z->storing) {
		if (z->seen_in >= SKIP || !looks_like_noise(in, n))
			zlib_set_level(z, z->level);
		return;
	}
	if (z->seen_in < WINDOW)
		return;
	if (z->seen_out >= z->seen_in - z->seen_in / 8 && looks_like_noise(in, n)) {
		(void)deflate(&z->zlib, Z_BLOCK); /* what it still keeps, for an exact answer */
		z->seen_out += out_before - z->zlib.avail_out;
		if (z->seen_out >= z->seen_in - z->seen_in / 64)
			zlib_set_level(z, 0);
	}
	z->seen_in = z->seen_out = 0;
}

static ssize_t zlib_run(struct zfilter *z, const char *in, size_t n, bool last, char *out, size_t size)
{
	size_t before;

	z->zlib.next_in = NULL;
	z->zlib.avail_in = 0;
	z->zlib.next_out = (Bytef *)out;
	z->zlib.avail_out = (uInt)size;
	zlib_choose(z, in, n);
	before = z->zlib.avail_out;
	z->zlib.next_in = (Bytef *)(uintptr_t)in; /* it only reads there */
	z->zlib.avail_in = (uInt)n;
	z->ended = deflate(&z->zlib, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_END;
	if (z->zlib.avail_in)
		return -ENOBUFS;
	z->seen_in += n;
	z->seen_out += before - z->zlib.avail_out;
	return (ssize_t)(size - z->zlib.avail_out);
}

int zfilter_new_deflate(unsigned level, struct zfilter **ret_z)
{
#ifdef HAVE_ISAL
	if (level > 0 && level <= ISAL_LEVEL_LAST)
		return isal_new(level, ret_z);
#endif
	return zlib_new(level, ret_z);
}

ssize_t zfilter_deflate(struct zfilter *z, const char *in, size_t n, bool last, char *out, size_t size)
{
	if (z->ended || (n == 0 && !last))
		return 0;
#ifdef HAVE_ISAL
	if (z->engine == ENGINE_ISAL)
		return isal_run(z, in, n, last, out, size);
#endif
	return zlib_run(z, in, n, last, out, size);
}

/* --- inflate --- */

int zfilter_new_inflate(uint64_t bomb_bytes, struct zfilter **ret_z)
{
	struct zfilter *z = malloc(sizeof *z + INPUT);

	if (!z)
		return -ENOMEM;
	*z = (struct zfilter){.engine = ENGINE_INFLATE, .bomb_bytes = bomb_bytes};
	if (inflateInit(&z->zlib) != Z_OK) {
		free(z);
		return -ENOMEM;
	}
	*ret_z = z;
	return 0;
}

char *zfilter_space(struct zfilter *z, size_t *ret_room)
{
	*ret_room = INPUT;
	return (char *)z->input;
}

void zfilter_fed(struct zfilter *z, size_t n)
{
	z->zlib.next_in = z->input;
	z->zlib.avail_in = (uInt)n;
}

ssize_t zfilter_inflate(struct zfilter *z, char *out, size_t size)
{
	int r;

	if (z->ended)
		return z->zlib.avail_in ? -EPROTO : 0;
	z->zlib.next_out = (Bytef *)out;
	z->zlib.avail_out = (uInt)size;
	r = inflate(&z->zlib, Z_NO_FLUSH);
	if (r == Z_MEM_ERROR)
		return -ENOMEM;
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) /* the last: nothing to do */
		return -EPROTO;
	z->ended = r == Z_STREAM_END;
	if (z->ended && z->zlib.avail_in)
		return -EPROTO;
	if (z->zlib.total_out > z->bomb_bytes && z->zlib.total_out / ZFILTER_RATIO > z->zlib.total_in)
		return -EFBIG;
	return (ssize_t)(size - z->zlib.avail_out);
}

/* --- both --- */

bool zfilter_ended(const struct zfilter *z)
{
	return z->ended;
}

void zfilter_free(struct zfilter *z)
{
	if (!z)
		return;
	if (z->engine == ENGINE_ZLIB)
		(void)deflateEnd(&z->zlib); /* says only whether input was left, as after ABOR */
	else if (z->engine == ENGINE_INFLATE)
		(void)inflateEnd(&z->zlib);
	free(z);
}
