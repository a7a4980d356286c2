/* Intrusive doubly linked lists: a struct list is both the head and the link inside an object. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Insert node before pos: with pos the head, at the end. */
static inline void list_add(struct list *pos, struct list *node)
{
	node->prev = pos->prev;
	node->next = pos;
	pos->prev->next = node;
	pos->prev = node;
}

/* Take node out; it is left as an empty list, so removing twice is harmless. */
static inline void list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Walk; the body may remove the current node. */
#define LIST_EACH(it, tmp, head)                                                                             \
	for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)
#define LIST_OBJ(it, type, fld) CONTAINER_OF(it, type, fld)

#endif
