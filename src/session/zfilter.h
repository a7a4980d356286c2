/* MODE Z: one stream of RFC 1950 (zlib) a transfer, made or read. draft-preston-ftpext-deflate.
 *
 * An object lives as long as a transfer and never grows. It takes about 290 KiB to deflate (a compressor of
 * ISA-L or of zlib) and 110 KiB to inflate, of which 64 KiB are input that is not inflated yet. One thread at a
 * time; nothing here blocks or logs.
 *
 * Which library makes which level, and the measurements behind it, are in docs/modez.md. Bytes of clients are
 * always read by zlib: it costs little beside storing them, and it has been attacked for decades.
 */
#ifndef SESSION_ZFILTER_H
#define SESSION_ZFILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct zfilter;

#define ZFILTER_LEVEL     2 /* unless the client asks for another */
#define ZFILTER_LEVEL_MAX 9

/* Bytes that zfilter_deflate() can need for n bytes of input, whatever came before. */
#define ZFILTER_ROOM(n) ((n) + (n) / 8 + (size_t)80 * 1024)

/* A stream that gives more than so many bytes and more than ZFILTER_RATIO times what came in is broken off. Deflate
 * cannot do better than 1032:1, so that is a file of nothing but one byte repeated, or an attack. */
#define ZFILTER_RATIO      1000
#define ZFILTER_BOMB_BYTES ((uint64_t)1 << 30)

/* level: 0 .. ZFILTER_LEVEL_MAX. bomb_bytes: where ZFILTER_RATIO begins to count (ZFILTER_BOMB_BYTES; tests
 * take less). 0, or -ENOMEM. *ret_z: zfilter_free(). */
int zfilter_new_deflate(unsigned level, struct zfilter **ret_z);
int zfilter_new_inflate(uint64_t bomb_bytes, struct zfilter **ret_z);
void zfilter_free(struct zfilter *z); /* NULL is fine */

/* The stream is complete: everything that belongs to it was returned. */
bool zfilter_ended(const struct zfilter *z);

/* Compress all n bytes of in.
 *   last  they are the last ones (n may be 0): call with n == 0 again until zfilter_ended()
 *   size  ZFILTER_ROOM(n) at least
 * Returns the bytes written to out, 0 when the compressor keeps them for now; -ENOBUFS: our own mistake. */
ssize_t zfilter_deflate(struct zfilter *z, const char *in, size_t n, bool last, char *out, size_t size);

/* Where the next compressed bytes belong and how many fit (> 0): only after zfilter_inflate() has returned 0.
 * Then zfilter_fed() with their number. */
char *zfilter_space(struct zfilter *z, size_t *ret_room);
void zfilter_fed(struct zfilter *z, size_t n);

/* Inflate into out, up to size (> 0) bytes of it. Returns the bytes written; 0: the stream has ended, or more
 * input is needed; -EPROTO: not a zlib stream, or one that is damaged, or bytes follow its end; -EFBIG: a bomb;
 * -ENOMEM. After an error the object can only be freed. */
ssize_t zfilter_inflate(struct zfilter *z, char *out, size_t size);

#endif
