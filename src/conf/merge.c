/* Values of a scope from those around it, driven by the rows. */
#include "conf/conf_priv.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

/* Copies of the own list's entries with their level, before those that dst already has. */
static int list_merge(struct arena *a, const struct conf_row *row, void *dst, const void *own, unsigned level)
{
	struct conf_item **head = (struct conf_item **)((char *)dst + row->field.offset);
	struct conf_item *inherited = *head, **tail = head;
	const struct conf_item *it = *(struct conf_item *const *)((const char *)own + row->field.offset);

	for (; it != NULL; it = it->next) {
		struct conf_item *copy = arena_alloc(a, row->item_size);

		if (copy == NULL)
			return -1;
		memcpy(copy, it, row->item_size);
		copy->level = level;
		*tail = copy;
		tail = &copy->next;
	}
	*tail = inherited;
	return 0;
}

/* Has an earlier row of the table, over the same list (SetEnv, UnsetEnv), taken the entries in already? */
static bool list_done(const struct conf_table *table, unsigned k, const struct conf_pos *set)
{
	for (unsigned i = 0; i < k; i++) {
		if (table->rows[i].type == CONF_T_LIST && set[i].file != NULL &&
			table->rows[i].field.offset == table->rows[k].field.offset)
			return true;
	}
	return false;
}

int conf_merge_over(const struct conf_tree *t, unsigned store, struct arena *arena, void *values_of_scope,
	const struct conf_section *own, unsigned level, bool anon)
{
	char *dst = values_of_scope;
	unsigned index = 0;

	for (unsigned i = 0; i < t->lang->n_tables; i++) {
		const struct conf_table *table = t->lang->tables[i];

		for (unsigned k = 0; k < table->n_rows; k++, index++) {
			const struct conf_row *row = &table->rows[k];
			const char *values = own != NULL ? own->store[store] : NULL;

			if (table->store != store || row->field.size == 0)
				continue;
			if (anon && (row->flags & CONF_NO_ANON) != 0)
				memcpy(dst + row->field.offset,
					(char *)t->defaults->store[store] + row->field.offset,
					row->field.size);
			if (values == NULL || own->set[index].file == NULL)
				continue;
			if (row->type != CONF_T_LIST)
				memcpy(dst + row->field.offset, values + row->field.offset, row->field.size);
			else if (!list_done(table, k, own->set + index - k) &&
				 list_merge(arena, row, dst, values, level) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

void *conf_merge(const struct conf_tree *t, unsigned store, struct arena *arena, const void *base,
	const struct conf_section *own, unsigned level, bool anon)
{
	void *dst = arena_alloc(arena, t->lang->store_size[store]);

	if (dst == NULL)
		return NULL;
	memcpy(dst, base, t->lang->store_size[store]);
	return conf_merge_over(t, store, arena, dst, own, level, anon) == 0 ? dst : NULL;
}

struct conf_pos conf_where(const struct conf_tree *t, const struct conf_section *s, const char *name)
{
	bool other;
	const struct conf_row *row = conf_row_find(t->lang, name, s->kind, &other);
	const struct conf_table *table;

	return row != NULL ? s->set[conf_row_index(t->lang, row, &table)] : (struct conf_pos){NULL, 0};
}
