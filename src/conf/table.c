/* Looking things up in the tables, and checking the tables themselves. */
#include "conf/conf_priv.h"

#include <string.h>
#include <sys/types.h>

#include "base/alloc.h"
#include "base/str.h"

const struct conf_row *conf_row_find(
	const struct conf_language *lang, const char *name, enum conf_kind kind, bool *ret_other)
{
	*ret_other = false;
	for (unsigned t = 0; t < lang->n_tables; t++) {
		unsigned lo = 0, hi = lang->tables[t]->n_rows;

		while (lo < hi) {
			unsigned mid = (lo + hi) / 2;
			int d = str_cmp_nocase(name, lang->tables[t]->rows[mid].name);

			if (d == 0) {
				if ((lang->tables[t]->rows[mid].scope & CONF_IN(kind)) != 0)
					return &lang->tables[t]->rows[mid];
				*ret_other = true;
				break;
			}
			if (d < 0)
				hi = mid;
			else
				lo = mid + 1;
		}
	}
	return NULL;
}

unsigned conf_row_index(
	const struct conf_language *lang, const struct conf_row *row, const struct conf_table **ret_table)
{
	unsigned base = 0;

	for (unsigned t = 0; t < lang->n_tables; t++) {
		const struct conf_table *table = lang->tables[t];

		if (row >= table->rows && row < table->rows + table->n_rows) {
			*ret_table = table;
			return base + (unsigned)(row - table->rows);
		}
		base += table->n_rows;
	}
	__builtin_unreachable(); /* a row of no table does not exist */
}

struct near {
	const char *name;
	unsigned distance;
};

static void near_try(struct near *best, unsigned max, const char *name, const char *wanted)
{
	unsigned limit = (unsigned)strlen(wanted) / 3 + 1, d;
	struct near n;

	if (limit > 4)
		limit = 4;
	d = str_distance(wanted, name, limit);
	if (d > limit)
		return;
	n = (struct near){name, d};
	for (unsigned i = 0; i < max; i++) {
		if (best[i].name != NULL && str_eq_nocase(best[i].name, n.name))
			return;
		if (best[i].name == NULL || n.distance < best[i].distance) {
			struct near push = best[i];

			best[i] = n;
			n = push;
			if (n.name == NULL)
				return;
		}
	}
}

unsigned conf_near(const struct conf_language *lang, const char *name, const char **ret_names, unsigned max)
{
	struct near best[4] = {{NULL, 0}};
	unsigned n = 0;

	if (max > ARRAY_LEN(best))
		max = ARRAY_LEN(best);
	for (unsigned t = 0; t < lang->n_tables; t++) {
		for (unsigned i = 0; i < lang->tables[t]->n_rows; i++)
			near_try(best, max, lang->tables[t]->rows[i].name, name);
	}
	for (unsigned i = 0; lang->known != NULL && lang->known[i].name != NULL; i++)
		near_try(best, max, lang->known[i].name, name);
	while (n < max && best[n].name != NULL) {
		ret_names[n] = best[n].name;
		n++;
	}
	return n;
}

/* Size of the C type that a row's type wants, 0 when it has a choice or none. */
static size_t type_size(const struct conf_row *row)
{
	switch (row->type) {
	case CONF_T_BOOL:
		return sizeof(bool);
	case CONF_T_STRING:
	case CONF_T_PATH:
	case CONF_T_LIST:
		return sizeof(void *);
	case CONF_T_TRISTATE:
	case CONF_T_ENUM:
	case CONF_T_FLAGS:
		return sizeof(int);
	case CONF_T_DURATION:
		return sizeof(uint32_t);
	case CONF_T_MODE:
		return sizeof(mode_t);
	default:
		return 0;
	}
}

static int bounds_check(const struct conf_row *row, struct err *err)
{
	uint64_t field[2];
	struct conf_row free_row = *row;

	free_row.min = free_row.max = NULL;
	if (row->type != CONF_T_UINT && row->type != CONF_T_SIZE && row->type != CONF_T_DURATION) {
		if (row->min != NULL || row->max != NULL || row->unit != NULL)
			return err_set(err, WE_CONFIG, "%s: bounds on a value that is no number", row->name);
		return 0;
	}
	if (row->field.size != 2 && row->field.size != 4 && row->field.size != 8)
		return err_set(err, WE_CONFIG, "%s: no integer has %zu bytes", row->name, row->field.size);
	if (row->min != NULL && conf_number_set(&free_row, row->min, field, err) < 0)
		return err_prefix(err, "%s: minimum", row->name);
	if (row->max != NULL && conf_number_set(&free_row, row->max, field, err) < 0)
		return err_prefix(err, "%s: maximum", row->name);
	if (row->min != NULL && row->max != NULL && conf_number_set(row, row->min, field, err) < 0)
		return err_prefix(err, "%s: minimum over maximum", row->name);
	if (row->dflt != NULL && conf_number_set(row, row->dflt, field, err) < 0)
		return err_prefix(err, "%s: default", row->name);
	return 0;
}

static int row_check(const struct conf_row *row, size_t store_size, struct err *err)
{
	size_t len = row->doc != NULL ? strlen(row->doc) : 0;

	if (row->module == NULL || !str_starts(row->module, "mod_") || !str_ends(row->module, ".c"))
		return err_set(err, WE_CONFIG, "%s: no module", row->name);
	if (row->scope == 0 || row->scope >= CONF_IN(CONF_KIND_COUNT))
		return err_set(err, WE_CONFIG, "%s: no context", row->name);
	if (len < 15 || row->doc[len - 1] != '.' || row->syntax == NULL)
		return err_set(err, WE_CONFIG, "%s: not documented", row->name);
	if (row->field.offset + row->field.size > store_size)
		return err_set(err, WE_CONFIG, "%s: field outside its struct", row->name);
	if (type_size(row) != 0 && row->field.size != type_size(row))
		return err_set(err, WE_CONFIG, "%s: field of the wrong size", row->name);
	if ((row->type == CONF_T_NOEFFECT) != (row->reason != NULL))
		return err_set(
			err, WE_CONFIG, "%s: a reason belongs to directives without effect", row->name);
	if ((row->type == CONF_T_CUSTOM || row->type == CONF_T_LIST) && row->parse == NULL)
		return err_set(err, WE_CONFIG, "%s: nothing parses it", row->name);
	if ((row->type == CONF_T_ENUM || row->type == CONF_T_FLAGS) && row->words == NULL)
		return err_set(err, WE_CONFIG, "%s: no words", row->name);
	if (row->max_args != 0 && row->max_args < row->min_args)
		return err_set(err, WE_CONFIG, "%s: more arguments needed than allowed", row->name);
	return bounds_check(row, err);
}

int conf_tables_check(const struct conf_language *lang, struct err *err)
{
	for (unsigned t = 0; t < lang->n_tables; t++) {
		const struct conf_row *rows = lang->tables[t]->rows;

		for (unsigned i = 0; i < lang->tables[t]->n_rows; i++) {
			int r = row_check(&rows[i], lang->store_size[lang->tables[t]->store], err);

			if (r < 0)
				return r;
			if (i > 0 && str_cmp_nocase(rows[i - 1].name, rows[i].name) >= 0)
				return err_set(err, WE_CONFIG, "%s: not sorted", rows[i].name);
			for (unsigned o = 0; o < t; o++) {
				for (unsigned k = 0; k < lang->tables[o]->n_rows; k++) {
					const struct conf_row *other = &lang->tables[o]->rows[k];

					if (str_eq_nocase(other->name, rows[i].name) &&
						(other->scope & rows[i].scope) != 0)
						return err_set(err, WE_CONFIG, "%s: two rows for one context",
							rows[i].name);
				}
			}
		}
	}
	return 0;
}
