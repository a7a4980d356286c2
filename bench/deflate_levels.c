/* How much CPU each deflate level of zlib and of ISA-L costs, and how small the result is: the table that decides
 * which library and level serve which level of MODE Z (src/session/zfilter.c, docs/modez.md).
 *
 *   deflate_levels [-a] [-m MIB] [PATH ...]
 *
 * The input is up to MIB (64) MiB of the files below the PATHs (/usr/share/doc and /usr/include), in order of name,
 * text only: a file with a NUL byte in its first 4 KiB is left out (-a: any file). The same amount of bytes from
 * a random generator follows as a second table. "MODE Z" is what the server does. Streams are fed and drained in pieces of 64 KiB, as the server does; the
 * smallest CPU time of three runs counts.
 */
#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "session/zfilter.h"
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif
#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif

#define PIECE (64 * 1024)
#define RUNS  3

struct data {
	unsigned char *p;
	size_t n;
};

static double cpu_s(void)
{
	struct rusage ru;

	(void)getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static void *must(void *p)
{
	if (!p) {
		fputs("deflate_levels: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

/* --- the ways to compress: all of in into out, returns the bytes --- */

static size_t by_zlib(struct data in, struct data out, int level)
{
	z_stream z = {0};
	size_t at = 0;

	(void)deflateInit(&z, level);
	z.next_out = out.p;
	z.avail_out = (uInt)out.n;
	do {
		z.next_in = in.p + at;
		z.avail_in = (uInt)(in.n - at < PIECE ? in.n - at : PIECE);
		at += z.avail_in;
		(void)deflate(&z, at == in.n ? Z_FINISH : Z_NO_FLUSH);
	} while (at < in.n);
	(void)deflateEnd(&z);
	return z.total_out;
}

#ifdef HAVE_ISAL
static size_t by_isal(struct data in, struct data out, int level)
{
	static const uint32_t size[] = {0, ISAL_DEF_LVL1_SMALL, ISAL_DEF_LVL2_SMALL, ISAL_DEF_LVL3_SMALL};
	struct isal_zstream *z = must(malloc(sizeof *z));
	size_t at = 0, n;

	isal_deflate_init(z);
	z->level = (uint32_t)level;
	z->level_buf_size = size[level];
	z->level_buf = size[level] ? must(malloc(size[level])) : NULL;
	z->gzip_flag = IGZIP_ZLIB;
	z->next_out = out.p;
	z->avail_out = (uint32_t)out.n;
	do {
		z->next_in = in.p + at;
		z->avail_in = (uint32_t)(in.n - at < PIECE ? in.n - at : PIECE);
		at += z->avail_in;
		z->end_of_stream = at == in.n;
		(void)isal_deflate(z);
	} while (at < in.n);
	n = z->total_out;
	free(z->level_buf);
	free(z);
	return n;
}
#endif

/* What MODE Z does. */
static size_t by_server(struct data in, struct data out, int level)
{
	size_t at = 0, n, piece;
	struct zfilter *z;
	ssize_t r;

	if (zfilter_new_deflate((unsigned)level, &z) < 0)
		return 0;
	for (n = 0; !zfilter_ended(z); n += (size_t)r) {
		piece = in.n - at < PIECE ? in.n - at : PIECE;
		r = zfilter_deflate(
			z, (char *)in.p + at, piece, at + piece == in.n, (char *)out.p + n, out.n - n);
		if (r < 0)
			return 0;
		at += piece;
	}
	zfilter_free(z);
	return n;
}

#ifdef HAVE_LIBDEFLATE
static size_t by_libdeflate(struct data in, struct data out, int level)
{
	struct libdeflate_compressor *z = must(libdeflate_alloc_compressor(level));
	size_t n = libdeflate_zlib_compress(z, in.p, in.n, out.p, out.n);

	libdeflate_free_compressor(z);
	return n;
}
#endif

/* --- and back; returns the bytes --- */

static size_t zlib_back(struct data in, struct data out, int level)
{
	z_stream z = {0};
	size_t at = 0, n = 0;
	int r = Z_OK;

	(void)inflateInit(&z);
	while (r == Z_OK && at < in.n) {
		z.next_in = in.p + at;
		z.avail_in = (uInt)(in.n - at < PIECE ? in.n - at : PIECE);
		at += z.avail_in;
		do {
			z.next_out = out.p; /* one piece again and again, as the server does */
			z.avail_out = PIECE;
			r = inflate(&z, Z_NO_FLUSH);
			n += PIECE - z.avail_out;
		} while (r == Z_OK && !z.avail_out);
	}
	(void)inflateEnd(&z);
	return r == Z_STREAM_END ? n : 0;
}

#ifdef HAVE_ISAL
static size_t isal_back(struct data in, struct data out, int level)
{
	struct inflate_state *z = must(malloc(sizeof *z));
	size_t at = 0, n = 0;
	int r = ISAL_DECOMP_OK;

	isal_inflate_init(z);
	z->crc_flag = ISAL_ZLIB;
	while (r == ISAL_DECOMP_OK && at < in.n) {
		z->next_in = in.p + at;
		z->avail_in = (uint32_t)(in.n - at < PIECE ? in.n - at : PIECE);
		at += z->avail_in;
		do {
			z->next_out = out.p;
			z->avail_out = PIECE;
			r = isal_inflate(z);
			n += PIECE - z->avail_out;
		} while (r == ISAL_DECOMP_OK && !z->avail_out);
	}
	r = z->block_state == ISAL_BLOCK_FINISH ? 0 : -1;
	free(z);
	return r == 0 ? n : 0;
}
#endif

struct way {
	const char *name;
	size_t (*run)(struct data in, struct data out, int level);
	int first, last;
};
static const struct way ways[] = {
	{"MODE Z", by_server, 0, 9},
	{"zlib", by_zlib, 0, 9},
#ifdef HAVE_ISAL
	{"isa-l", by_isal, 0, 3},
#endif
#ifdef HAVE_LIBDEFLATE
	{"libdeflate*", by_libdeflate, 1, 9},
#endif
};
static const struct way backs[] = {
	{"zlib", zlib_back, 0, 0},
#ifdef HAVE_ISAL
	{"isa-l", isal_back, 0, 0},
#endif
};

static double best_of(const struct way *w, struct data in, struct data out, int level, size_t *ret_n)
{
	double best = 1e9, t;

	for (int i = 0; i < RUNS; i++) {
		t = cpu_s();
		*ret_n = w->run(in, out, level);
		t = cpu_s() - t;
		best = t < best ? t : best;
	}
	return best;
}

static void table(const char *title, struct data in, struct data out)
{
	size_t n, back;
	double t;

	printf("\n%s, %.1f MiB\n\n| library | level | CPU-s | MB/s | bytes | of input "
	       "|\n|---|---|---|---|---|---|\n",
		title, (double)in.n / 1048576);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		for (int level = ways[i].first; level <= ways[i].last; level++) {
			t = best_of(&ways[i], in, out, level, &n);
			printf("| %s | %d | %.3f | %.0f | %zu | %.4f |\n", ways[i].name, level, t,
				(double)in.n / 1e6 / t, n, (double)n / (double)in.n);
			fflush(stdout);
		}
	}
	n = by_zlib(in, out, 6);
	in.p = memcpy(must(malloc(n)), out.p, n);
	in.n = n;
	printf("\nback from zlib level 6:\n\n| library | CPU-s | MB/s |\n|---|---|---|\n");
	for (size_t i = 0; i < sizeof backs / sizeof *backs; i++) {
		t = best_of(&backs[i], in, out, 0, &back);
		printf("| %s | %.3f | %.0f |%s\n", backs[i].name, t, (double)back / 1e6 / t,
			back ? "" : " FAILED");
	}
	free(in.p);
}

/* --- the input --- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void add_file(const char *path, struct data *d, size_t most, bool any)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return;
	n = fread(d->p + d->n, 1, most - d->n, f);
	if (any || !memchr(d->p + d->n, 0, n < 4096 ? n : 4096))
		d->n += n;
	(void)fclose(f); /* only read */
}

static struct data files_of(char **paths, size_t most, bool any)
{
	struct data d = {.p = must(malloc(most))};
	FTS *fts = must(fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name));
	FTSENT *e;

	while (d.n < most && (e = fts_read(fts)))
		if (e->fts_info == FTS_F)
			add_file(e->fts_path, &d, most, any);
	(void)fts_close(fts);
	return d;
}

static void noise(struct data *d)
{
	uint64_t x = 88172645463325252ULL;

	for (size_t i = 0; i < d->n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		d->p[i] = (unsigned char)(x >> 32);
	}
}

int main(int argc, char **argv)
{
	char doc[] = "/usr/share/doc", include[] = "/usr/include", *usual[] = {doc, include, NULL};
	struct data in, out;
	size_t most = 64;
	bool any = false;
	int c;

	while ((c = getopt(argc, argv, "am:")) != -1) {
		any = any || c == 'a';
		if (c == 'm')
			most = strtoul(optarg, NULL, 10);
		if ((c != 'a' && c != 'm') || !most || most > 1024) {
			fputs("usage: deflate_levels [-a] [-m MIB] [PATH ...]\n", stderr);
			return 2;
		}
	}
	in = files_of(optind < argc ? argv + optind : usual, most << 20, any);
	out.n = in.n + in.n / 7 + ZFILTER_ROOM(PIECE); /* isa-l level 0 makes noise an eighth larger */
	out.p = must(malloc(out.n));
	memset(out.p, 1, out.n); /* so that no page comes up while the clock runs */
	table(any ? "files" : "text", in, out);
	noise(&in);
	table("noise", in, out);
#ifdef HAVE_LIBDEFLATE
	puts("\n* needs the whole input at once: for orientation only");
#endif
	return 0;
}
