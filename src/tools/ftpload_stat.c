#include "tools/ftpload_stat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void load_samples_add(struct load_samples *s, uint64_t us)
{
	if (s->count == s->room) {
		s->room = s->room != 0 ? s->room * 2 : 1024;
		s->us = xrealloc(s->us, s->room * sizeof(*s->us));
	}
	s->us[s->count++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void load_samples_done(struct load_samples *s)
{
	free(s->us);
	memset(s, 0, sizeof(*s));
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double percentile(const struct load_samples *s, unsigned percent)
{
	size_t rank = (s->count * percent + 99) / 100;

	return s->us[rank > 0 ? rank - 1 : 0] / 1000.0;
}

void load_samples_summary(struct load_samples *s, struct load_summary *ret)
{
	double sum = 0;

	memset(ret, 0, sizeof(*ret));
	if (s->count == 0)
		return;
	qsort(s->us, s->count, sizeof(*s->us), by_size);
	for (size_t i = 0; i < s->count; i++)
		sum += s->us[i];
	ret->min = s->us[0] / 1000.0;
	ret->mean = sum / (double)s->count / 1000.0;
	ret->p50 = percentile(s, 50);
	ret->p90 = percentile(s, 90);
	ret->p99 = percentile(s, 99);
	ret->max = s->us[s->count - 1] / 1000.0;
}

double load_roughness(const uint32_t *bins, size_t count)
{
	double sum = 0, squares = 0, mean;

	for (size_t i = 0; i < count; i++)
		sum += bins[i];
	if (count == 0 || sum == 0)
		return 0;
	mean = sum / (double)count;
	for (size_t i = 0; i < count; i++)
		squares += ((double)bins[i] - mean) * ((double)bins[i] - mean);
	return sqrt(squares / (double)count) / mean;
}
