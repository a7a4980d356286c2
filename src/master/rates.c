/* `wherryctl rates` and SIGUSR2: the numbers of the TransferRate and TransferRateTotal lines from the file, for
 * sessions that go on under the configuration they logged in under. */
#include <stdlib.h>

#include "base/alloc.h"
#include "ftp/rates.h"
#include "master/master.h"

struct line {
	uint64_t key, bps;
	size_t order;
};

struct lines {
	struct line *line;
	size_t n, size;
};

static void line_add(void *arg, uint64_t key, uint64_t bps)
{
	struct lines *l = arg;

	if (l->n == l->size) {
		l->size = l->size != 0 ? l->size * 2 : 64;
		l->line = xrealloc(l->line, l->size * sizeof(*l->line));
	}
	l->line[l->n] = (struct line){key, bps, l->n};
	l->n++;
}

static int by_key(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Sort by key, and keep of each the first that was added. */
static void lines_sort(struct lines *l)
{
	size_t n = 0;

	if (l->n != 0)
		qsort(l->line, l->n, sizeof(*l->line), by_key);
	for (size_t i = 0; i < l->n; i++) {
		if (n == 0 || l->line[n - 1].key != l->line[i].key)
			l->line[n++] = l->line[i];
	}
	l->n = n;
}

/* The lines of a configuration: of two that say the same the first counts. */
static struct lines lines_of(const struct ftp_config *config)
{
	struct lines l = {0};

	ftp_rates_each(config, line_add, &l);
	lines_sort(&l);
	return l;
}

static const struct line *line_find(const struct lines *l, uint64_t key)
{
	size_t from = 0, to = l->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (l->line[mid].key == key)
			return &l->line[mid];
		if (l->line[mid].key < key)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

static unsigned count_missing(const struct lines *l, const struct lines *in)
{
	unsigned n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += line_find(in, l->line[i].key) == NULL;
	return n;
}

/* What a generation in use makes of it: lines whose number differs from the one in its own file go to *set, those
 * whose number in force changes by that also to *changed. */
static void compare(const struct master *m, const struct ftp_config *config, const struct lines *now,
	struct lines *set, struct lines *changed)
{
	struct lines old = lines_of(config);

	for (size_t i = 0; i < old.n; i++) {
		const struct line *o = &old.line[i], *l = line_find(now, o->key);

		if (l != NULL && l->bps != o->bps)
			line_add(set, l->key, l->bps);
		if (l != NULL && rate_table_number(m->rates, config->generation, o->key, o->bps) != l->bps)
			line_add(changed, l->key, l->bps);
	}
	free(old.line);
}

/* At most RATE_TABLE_NUMBERS lines: the table takes them all. */
static void publish(struct master *m, const struct lines *list)
{
	rate_table_numbers_begin(m->rates, m->gen->config->generation);
	for (size_t i = 0; i < list->n; i++)
		(void)rate_table_number_set(m->rates, list->line[i].key, list->line[i].bps);
	rate_table_numbers_end(m->rates);
}

int rates_apply(struct master *m, const struct ftp_config *config, unsigned *ret_new, unsigned *ret_gone,
	struct err *err)
{
	struct lines now, current, set = {0}, changed = {0};
	int r;

	now = lines_of(config);
	current = lines_of(m->gen->config);
	*ret_new = count_missing(&now, &current);
	*ret_gone = count_missing(&current, &now);
	for (struct list *it = m->generations.next; it != &m->generations; it = it->next)
		compare(m, LIST_OBJ(it, struct generation, link)->config, &now, &set, &changed);
	lines_sort(&set);
	lines_sort(&changed);
	if (set.n > RATE_TABLE_NUMBERS) {
		r = err_set(err, WE_LIMIT, "more than %d rates differ", RATE_TABLE_NUMBERS);
	} else {
		publish(m, &set);
		r = (int)changed.n;
	}
	free(now.line);
	free(current.line);
	free(set.line);
	free(changed.line);
	return r;
}
