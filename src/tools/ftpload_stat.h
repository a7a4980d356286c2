/* Samples and what is said of them. */
#ifndef TOOLS_FTPLOAD_STAT_H
#define TOOLS_FTPLOAD_STAT_H

#include <stddef.h>
#include <stdint.h>

struct load_samples {
	uint32_t *us; /* microseconds, cut at 2^32 - 1 */
	size_t count, room;
};

void load_samples_add(struct load_samples *s, uint64_t us);
void load_samples_done(struct load_samples *s);

struct load_summary {
	double min, mean, p50, p90, p99, max; /* milliseconds; 0 without samples */
};

/* Sorts the samples. A percentile is the smallest sample that at least so many percent do not exceed. */
void load_samples_summary(struct load_samples *s, struct load_summary *ret);

/* Bytes in each of the first `count` bins: standard deviation divided by mean; 0 without bins or bytes. */
double load_roughness(const uint32_t *bins, size_t count);

#endif
