/* Hashes that were computed lately, of all sessions of the process. The key is the file as it was (inode, size,
 * times of change), so that a changed file has another key; what belongs to no file any more grows old and
 * goes. On the loop only.
 */
#ifndef SESSION_DIGEST_CACHE_H
#define SESSION_DIGEST_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "session/digest.h"

struct digest_key { /* without padding: compared as bytes */
	uint64_t dev, ino, size;
	int64_t mtime_s, mtime_ns, ctime_s, ctime_ns;
	uint64_t start, end; /* bytes of the file */
	uint64_t algorithm;
};

/* Key of bytes start..end of the file that st was told about. */
struct digest_key digest_key_of(
	const struct stat *st, uint64_t start, uint64_t end, enum ftp_digest algorithm);
/* May a result for that file be kept, or can the file change without another key, since its time of change
 * is as good as now? wall_ms: clock_wall_ms() when st was asked for. */
bool digest_key_settled(const struct stat *st, uint64_t wall_ms);

/* Not older than max_age_ms at now_ms (clock_ms()); false: not there. */
bool digest_cache_find(
	const struct digest_key *key, uint32_t max_age_ms, uint64_t now_ms, char ret_text[DIGEST_TEXT_MAX]);
/* Keep text, and at most max results; the oldest go. */
void digest_cache_add(const struct digest_key *key, const char *text, unsigned max, uint64_t now_ms);
void digest_cache_clear(void);
unsigned digest_cache_count(void); /* for tests */

#endif
