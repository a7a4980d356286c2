#include "ftp/variant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "ftp/build.h"

/* --- which conditions hold --- */

#define WORD_BITS 64u

static unsigned mask_words(const struct ftp_conditional *c)
{
	return c->n_bits / WORD_BITS + 1;
}

static bool bit_get(const uint64_t *mask, unsigned bit)
{
	return mask != NULL && (mask[bit / WORD_BITS] >> (bit % WORD_BITS) & 1) != 0;
}

static bool condition_holds(const struct ftp_condition *c, const struct ftp_subject *who)
{
	switch (c->kind) {
	case FTP_IF_CLASS:
		return ftp_expr_match(c->expr, FTP_EXPR_CLASS, who);
	case FTP_IF_GROUP:
		return who->authenticated && ftp_expr_match(c->expr, FTP_EXPR_GROUP, who);
	case FTP_IF_USER:
		return who->authenticated && ftp_expr_match(c->expr, FTP_EXPR_USER, who);
	default:
		return who->authenticated;
	}
}

/* mask: all zero. True: one of them holds. */
static bool mask_fill(const struct ftp_conditional *c, const struct ftp_subject *who, uint64_t *mask)
{
	bool any = false;

	for (unsigned i = 0; i < c->n; i++) {
		const struct ftp_condition *one = c->list[i];

		if ((one->outer != NULL && !bit_get(mask, one->outer->bit)) || !condition_holds(one, who))
			continue;
		mask[one->bit / WORD_BITS] |= UINT64_C(1) << (one->bit % WORD_BITS);
		any = true;
	}
	return any;
}

bool ftp_layer_holds(const struct ftp_builder *b, const struct conf_section *s)
{
	return bit_get(b->held, ftp_made(s)->condition->bit);
}

/* --- the sections of a scope --- */

static unsigned layers_count(const struct conf_section *s)
{
	unsigned n = 0;

	for (const struct conf_section *l = s != NULL ? s->layers : NULL; l != NULL; l = l->next)
		n += 1 + layers_count(l);
	return n;
}

/* Layers of one kind, each followed by those inside it. */
static void layers_take(struct ftp_builder *b, const struct conf_section *s, int kind,
	const struct conf_section **out, unsigned *n)
{
	for (const struct conf_section *l = s != NULL ? s->layers : NULL; l != NULL; l = l->next) {
		if (ftp_made(l)->condition->kind != kind || !ftp_layer_holds(b, l))
			continue;
		out[(*n)++] = l;
		for (int inner = 0; inner < FTP_IF_COUNT; inner++)
			layers_take(b, l, inner, out, n);
	}
}

const struct conf_section **ftp_layers_held(struct ftp_builder *b, const struct conf_section *own,
	const struct conf_section *global, unsigned *ret_n)
{
	unsigned max = layers_count(own) + layers_count(global), n = 0;
	const struct conf_section **out = arena_alloc(b->arena, (max + 1) * sizeof(*out));

	for (int kind = 0; out != NULL && kind < FTP_IF_COUNT && b->held != NULL; kind++) {
		layers_take(b, global, kind, out, &n);
		layers_take(b, own, kind, out, &n);
	}
	*ret_n = n;
	return out;
}

static int part_add(struct ftp_builder *b, struct ftp_parts *p, const struct ftp_part *part)
{
	if (p->n == p->max) {
		struct ftp_part *more = arena_alloc(b->arena, (p->max * 2 + 4) * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		if (p->n > 0)
			memcpy(more, p->v, p->n * sizeof(*more));
		p->v = more;
		p->max = p->max * 2 + 4;
	}
	p->v[p->n++] = *part;
	return 0;
}

int ftp_parts_add(struct ftp_builder *b, struct ftp_parts *p, const struct conf_section *own,
	const struct conf_section *global, unsigned level, bool anon)
{
	unsigned n;
	const struct conf_section **held = ftp_layers_held(b, own, global, &n);
	int r = held != NULL ? 0 : -ENOMEM;

	if (r == 0 && global != NULL)
		r = part_add(b, p,
			&(struct ftp_part){global, global->kind == CONF_KIND_GLOBAL ? 1 : level, false});
	if (r == 0 && own != NULL)
		r = part_add(b, p, &(struct ftp_part){own, level, anon});
	for (unsigned i = 0; i < n && r == 0; i++)
		r = part_add(b, p, &(struct ftp_part){held[i], level, false});
	return r;
}

int ftp_parts_fill(struct ftp_builder *b, const struct ftp_parts *p, struct ftp_scope *sc)
{
	struct ftp_limit **tail = &sc->limits;
	int r = 0;

	for (unsigned i = 0; i < p->n && r == 0; i++)
		r = ftp_build_scope_layer(b, sc, p->v[i].s, p->v[i].level, p->v[i].anon);
	for (unsigned i = p->n; i-- > 0 && r == 0;)
		r = ftp_build_limits(b->arena, p->v[i].s, &tail);
	return r;
}

/* --- variants --- */

static int variant_build(
	const struct ftp_conditional *c, struct ftp_builder *b, const struct ftp_server **ret_server)
{
	struct ftp_server *srv = arena_alloc(b->arena, sizeof(*srv));
	int r;

	if (srv == NULL)
		return -ENOMEM;
	*srv = *c->base;
	r = ftp_build_server_scope(b, srv, c->section);
	*ret_server = srv;
	return r;
}

static const struct ftp_server *variant_make(
	const struct ftp_conditional *c, const uint64_t *mask, bool dirs, struct arena *a)
{
	struct ftp_builder b = {
		.tree = c->tree, .cfg = c->cfg, .arena = a, .quiet = true, .no_dirs = !dirs, .held = mask};
	const struct ftp_server *srv = NULL;

	if (variant_build(c, &b, &srv) < 0) {
		log_err(NULL, "out of memory while conditional sections are applied");
		abort();
	}
	return srv;
}

const struct ftp_server *ftp_server_for(
	const struct ftp_server *base, const struct ftp_subject *who, bool dirs, struct arena *a)
{
	const struct ftp_conditional *c = base->conditional;
	const struct ftp_server *srv;
	uint64_t *mask;

	if (c == NULL)
		return base;
	mask = xcalloc(mask_words(c), sizeof(*mask));
	srv = mask_fill(c, who, mask) ? variant_make(c, mask, dirs, a) : c->base;
	free(mask);
	return srv;
}

const struct ftp_server *ftp_server_full(const struct ftp_server *server)
{
	return server->conditional != NULL ? server->conditional->full : server;
}

const struct ftp_server *ftp_server_base(const struct ftp_server *server)
{
	return server->conditional != NULL ? server->conditional->base : server;
}

struct variant {
	struct variant *next;
	const struct ftp_conditional *of;
	const struct ftp_server *server;
	uint64_t *mask;
};

struct ftp_variants {
	struct arena *arena;
	struct variant *list;
};

struct ftp_variants *ftp_variants_new(void)
{
	struct ftp_variants *v = xcalloc(1, sizeof(*v));

	v->arena = arena_new(8192, 0);
	return v;
}

void ftp_variants_free(struct ftp_variants **vp)
{
	struct variant *next;

	for (struct variant *one = *vp != NULL ? (*vp)->list : NULL; one != NULL; one = next) {
		next = one->next;
		free(one->mask);
		free(one);
	}
	if (*vp != NULL)
		arena_free((*vp)->arena);
	free(*vp);
	*vp = NULL;
}

/* The variant of that mask (given). */
static const struct ftp_server *variant_get(
	struct ftp_variants *v, const struct ftp_conditional *c, uint64_t *mask)
{
	struct variant *one = v->list;

	while (one != NULL && (one->of != c || memcmp(one->mask, mask, mask_words(c) * sizeof(*mask)) != 0))
		one = one->next;
	if (one != NULL) {
		free(mask);
		return one->server;
	}
	one = xcalloc(1, sizeof(*one));
	*one = (struct variant){v->list, c, variant_make(c, mask, true, v->arena), mask};
	v->list = one;
	return one->server;
}

const struct ftp_server *ftp_variants_get(
	struct ftp_variants *v, const struct ftp_server *base, const struct ftp_subject *who)
{
	const struct ftp_conditional *c = base->conditional;
	uint64_t *mask;

	if (c == NULL)
		return base;
	mask = xcalloc(mask_words(c), sizeof(*mask));
	if (mask_fill(c, who, mask))
		return variant_get(v, c, mask);
	free(mask);
	return c->base;
}

/* --- at the load --- */

static unsigned conditions_list(const struct conf_section *s, const struct ftp_condition **out)
{
	unsigned n = 0;

	if (s == NULL)
		return 0;
	for (const struct conf_section *l = s->layers; l != NULL; l = l->next) {
		if (out != NULL)
			out[n] = ftp_made(l)->condition;
		n++;
		n += conditions_list(l, out != NULL ? out + n : NULL);
	}
	for (const struct conf_section *c = s->children; c != NULL; c = c->next) {
		if (c->kind != CONF_KIND_VHOST)
			n += conditions_list(c, out != NULL ? out + n : NULL);
	}
	return n;
}

int ftp_build_conditional(struct ftp_builder *b, struct ftp_server *srv, const struct conf_section *s)
{
	struct ftp_conditional *c = arena_alloc(b->arena, sizeof(*c));
	struct ftp_builder all = *b;
	uint64_t *mask;
	unsigned own = conditions_list(s, NULL);
	int r;

	if (c == NULL)
		return -ENOMEM;
	*c = (struct ftp_conditional){
		.base = srv, .tree = b->tree, .section = s, .cfg = b->cfg, .n_bits = b->n_conditions};
	c->n = own + conditions_list(b->tree->global, NULL);
	c->list = arena_alloc(b->arena, (c->n + 1) * sizeof(*c->list));
	if (c->list == NULL)
		return -ENOMEM;
	conditions_list(s, c->list);
	conditions_list(b->tree->global, c->list + own);
	srv->conditional = c;
	/* Once with all of them, also for the messages. */
	mask = xcalloc(mask_words(c), sizeof(*mask));
	memset(mask, 0xff, mask_words(c) * sizeof(*mask));
	all.held = mask;
	all.quiet = false;
	r = variant_build(c, &all, &c->full);
	free(mask);
	return r;
}
