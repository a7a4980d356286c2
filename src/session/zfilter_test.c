/* Streams of MODE Z: what zlib makes of ours, and what ours makes of zlib's and of garbage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/alloc.h"
#include "session/zfilter.h"

static uint32_t seed = 1;

static uint32_t rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

struct bytes {
	unsigned char *p;
	size_t n, size;
};

static void add(struct bytes *b, const void *p, size_t n)
{
	if (b->n + n > b->size) {
		b->size = (b->n + n) * 2;
		b->p = xrealloc(b->p, b->size);
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

enum kind { ZEROS, TEXT, NOISE, MIXED, KIND_COUNT };

/* A word of a language of 2048 words, in which the first ones are frequent. */
static size_t word(char text[16])
{
	uint32_t w = rnd() % 2048 * (rnd() % 2048) / 2048, letters = w * 2654435761u;
	size_t n = 2 + w % 9;

	for (size_t i = 0; i < n; i++, letters = letters * 31 + 7)
		text[i] = "etaoinshrdlucmfg"[letters >> 28];
	text[n] = rnd() % 10 ? ' ' : '\n';
	return n + 1;
}

static void add_kind(struct bytes *b, enum kind kind, size_t n)
{
	char text[16] = {0};
	size_t len = 1;

	while (n > 0 && kind == MIXED) {
		size_t part = rnd() % 300000 + 1;

		part = part < n ? part : n;
		add_kind(b, rnd() % MIXED, part);
		n -= part;
	}
	while (n > 0) {
		if (kind == NOISE)
			text[0] = (char)rnd();
		else if (kind == TEXT)
			len = word(text);
		len = len < n ? len : n;
		add(b, text, len);
		n -= len;
	}
}

static struct bytes make(enum kind kind, size_t n)
{
	struct bytes b = {0};

	add_kind(&b, kind, n);
	return b;
}

/* One call with buffers of exactly the sizes, so that a sanitizer sees whoever goes beyond. */
static void push(struct zfilter *z, const unsigned char *in, size_t n, bool last, struct bytes *out)
{
	size_t room = ZFILTER_ROOM(n);
	char *copy = xmalloc(n + 1), *to = xmalloc(room);
	ssize_t r;

	if (n)
		memcpy(copy + 1, in, n);
	r = zfilter_deflate(z, copy + 1, n, last, to, room);
	assert_true(r >= 0);
	add(out, to, (size_t)r);
	free(copy);
	free(to);
}

/* most: bytes of one input at most. */
static struct bytes deflated(unsigned level, struct bytes in, size_t most, bool end_alone)
{
	struct bytes out = {0};
	struct zfilter *z;
	size_t at = 0, n;

	assert_int_equal(zfilter_new_deflate(level, &z), 0);
	while (at < in.n) {
		n = rnd() % most + 1;
		n = n < in.n - at ? n : in.n - at;
		push(z, in.p + at, n, !end_alone && at + n == in.n, &out);
		at += n;
	}
	while (!zfilter_ended(z))
		push(z, NULL, 0, true, &out);
	zfilter_free(z);
	return out;
}

/* Negative: the error, 0: the stream has not ended, 1: it has. */
static int inflated(struct bytes in, size_t most, size_t room, uint64_t bomb, struct bytes *out)
{
	char *to = xmalloc(room), *space;
	struct zfilter *z;
	size_t at = 0, n;
	ssize_t r;
	int end;

	assert_int_equal(zfilter_new_inflate(bomb, &z), 0);
	for (;;) {
		r = zfilter_inflate(z, to, room);
		if (r > 0)
			add(out, to, (size_t)r);
		if (r < 0 || (r == 0 && at == in.n))
			break;
		if (r > 0)
			continue;
		space = zfilter_space(z, &n);
		n = n < most ? n : most;
		n = rnd() % n + 1;
		n = n < in.n - at ? n : in.n - at;
		memcpy(space, in.p + at, n);
		zfilter_fed(z, n);
		at += n;
	}
	end = r < 0 ? (int)r : zfilter_ended(z);
	zfilter_free(z);
	free(to);
	return end;
}

static void assert_same(struct bytes a, struct bytes b)
{
	assert_int_equal(a.n, b.n);
	if (a.n)
		assert_memory_equal(a.p, b.p, a.n);
}

/* zlib's own opinion. */
static void assert_zlib_reads(struct bytes z, struct bytes plain)
{
	uLongf n = plain.n + 1;
	unsigned char *p = xmalloc(n);
	uLong used = z.n;

	assert_int_equal(uncompress2(p, &n, z.p, &used), Z_OK);
	assert_int_equal(used, z.n);
	assert_int_equal(n, plain.n);
	if (n)
		assert_memory_equal(p, plain.p, n);
	free(p);
}

static void every_level_round_trips_any_data_in_any_pieces(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 100, 65536, 300000, 1500000};

	for (unsigned level = 0; level <= ZFILTER_LEVEL_MAX; level++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			struct bytes in = make(rnd() % KIND_COUNT, sizes[i]), back = {0};
			struct bytes z = deflated(level, in, i % 2 ? 65536 : 5000, rnd() % 2);

			assert_zlib_reads(z, in);
			assert_int_equal(inflated(z, 65536, 100000, ZFILTER_BOMB_BYTES, &back), 1);
			assert_same(back, in);
			free(in.p);
			free(z.p);
			free(back.p);
		}
	}
}

static void tiny_pieces_and_buffers_change_nothing(void **state)
{
	struct bytes in = make(MIXED, 20000), back = {0}, z = deflated(6, in, 3, true);

	assert_zlib_reads(z, in);
	assert_int_equal(inflated(z, 1, 1, ZFILTER_BOMB_BYTES, &back), 1);
	assert_same(back, in);
	free(in.p);
	free(z.p);
	free(back.p);
}

/* docs/modez.md promises it for text. */
static void text_is_never_larger_than_zlib_makes_it(void **state)
{
	struct bytes in = make(TEXT, 3000000);
	uLongf n = compressBound(in.n);
	unsigned char *p = xmalloc(n);

	for (unsigned level = 0; level <= ZFILTER_LEVEL_MAX; level++) {
		struct bytes z = deflated(level, in, 65536, true);

		n = compressBound(in.n);
		assert_int_equal(compress2(p, &n, in.p, in.n, (int)level), Z_OK);
		assert_true(
			z.n <= n + n / 1000 + 16); /* zlib with its input in pieces differs by some bytes */
		free(z.p);
	}
	free(p);
	free(in.p);
}

static void noise_is_stored_and_text_after_it_compressed(void **state)
{
	struct bytes noise = make(NOISE, 6000000), in = make(NOISE, 2000000), z;

	for (unsigned level = 0; level <= ZFILTER_LEVEL_MAX; level++) {
		z = deflated(level, noise, 65536, true);
		/* What zlib compresses in vain has nearly twice the overhead of what it stores. */
		assert_true(z.n < noise.n + noise.n / (level > 2 ? 4000 : 1000));
		free(z.p);
	}
	add_kind(&in, TEXT, 2000000);
	z = deflated(9, in, 65536, true);
	assert_true(z.n < 2000000 + 1000000);
	assert_zlib_reads(z, in);
	free(z.p);
	free(in.p);
	free(noise.p);
}

static void a_stream_cut_anywhere_has_not_ended(void **state)
{
	struct bytes in = make(MIXED, 70000), z = deflated(2, in, 65536, true), cut = z;

	for (size_t i = 0; i < 200; i++) {
		struct bytes back = {0};

		cut.n = i < 20 ? i : i < 40 ? z.n - (i - 19) : rnd() % z.n;
		assert_int_equal(inflated(cut, 65536, 65536, ZFILTER_BOMB_BYTES, &back), 0);
		assert_true(back.n <= in.n);
		if (back.n)
			assert_memory_equal(back.p, in.p, back.n);
		free(back.p);
	}
	free(in.p);
	free(z.p);
}

static void damage_is_an_error_or_an_end_that_is_missing(void **state)
{
	struct bytes in = make(TEXT, 70000), z = deflated(2, in, 65536, true);

	for (size_t i = 0; i < 500; i++) {
		size_t at = i < 8 ? i : rnd() % z.n;
		unsigned char was = z.p[at];
		struct bytes back = {0};
		int r;

		z.p[at] ^= (unsigned char)(1u << rnd() % 8);
		r = inflated(z, 65536, 65536, ZFILTER_BOMB_BYTES, &back);
		/* Of the bits before the checksum up to seven mean nothing. */
		assert_true(r == -EPROTO || r == 0 || (r == 1 && at == z.n - 5));
		z.p[at] = was;
		free(back.p);
	}
	free(in.p);
	free(z.p);
}

static int inflated_text(const char *text, size_t n)
{
	struct bytes in = {0}, out = {0};
	int r;

	add(&in, text, n);
	r = inflated(in, 65536, 65536, ZFILTER_BOMB_BYTES, &out);
	free(in.p);
	free(out.p);
	return r;
}

static void what_is_no_zlib_stream_is_refused(void **state)
{
	assert_int_equal(inflated_text("hello, world\r\n", 14), -EPROTO);
	assert_int_equal(inflated_text("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), -EPROTO); /* gzip */
	assert_int_equal(inflated_text("\x78\xbb\0\0\0\1", 6), -EPROTO); /* asks for a dictionary */
	assert_int_equal(inflated_text("\x78\x9c\x07", 3), -EPROTO);     /* block of type 3 */
	assert_int_equal(inflated_text("\x78\x9c\x03\0\0\0\0\1", 8), 1); /* empty, complete */
	assert_int_equal(inflated_text("", 0), 0);
}

static void bytes_behind_the_end_are_an_error(void **state)
{
	struct bytes in = make(TEXT, 5000), z = deflated(6, in, 65536, true), back = {0};

	add(&z, "x", 1);
	for (size_t most = 1; most < 100000; most *= 10) {
		assert_int_equal(inflated(z, most, 70000, ZFILTER_BOMB_BYTES, &back), -EPROTO);
		back.n = 0;
	}
	free(back.p);
	free(in.p);
	free(z.p);
}

static void a_bomb_goes_off_only_beyond_its_limits(void **state)
{
	struct bytes zeros = make(ZEROS, 8 << 20), z = deflated(9, zeros, 65536, true), back = {0};

	assert_true(zeros.n / z.n > ZFILTER_RATIO);
	assert_int_equal(inflated(z, 65536, 65536, 1 << 20, &back), -EFBIG);
	assert_true(back.n <= (1 << 20) + 65536);
	back.n = 0;
	assert_int_equal(inflated(z, 65536, 65536, ZFILTER_BOMB_BYTES, &back), 1);
	assert_same(back, zeros);
	free(z.p);
	free(zeros.p);
	zeros = make(TEXT, 4 << 20);
	z = deflated(9, zeros, 65536, true);
	back.n = 0;
	assert_int_equal(inflated(z, 65536, 65536, 1 << 20, &back), 1);
	free(z.p);
	free(zeros.p);
	free(back.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_level_round_trips_any_data_in_any_pieces),
		cmocka_unit_test(tiny_pieces_and_buffers_change_nothing),
		cmocka_unit_test(text_is_never_larger_than_zlib_makes_it),
		cmocka_unit_test(noise_is_stored_and_text_after_it_compressed),
		cmocka_unit_test(a_stream_cut_anywhere_has_not_ended),
		cmocka_unit_test(damage_is_an_error_or_an_end_that_is_missing),
		cmocka_unit_test(what_is_no_zlib_stream_is_refused),
		cmocka_unit_test(bytes_behind_the_end_are_an_error),
		cmocka_unit_test(a_bomb_goes_off_only_beyond_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
