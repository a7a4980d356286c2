/* Listening sockets: one per address and port that a server wants. Where a server takes all addresses of a
 * family, specific addresses of the same port share its socket. With a DefaultServer, which serves the addresses
 * of nobody, that is so for every port, unless SocketBindTight forbids it. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "master/master.h"

static bool same(const struct addr *a, const struct addr *b)
{
	return a->sa.sa_family == b->sa.sa_family && addr_port(a) == addr_port(b) && addr_host_equal(a, b);
}

static struct listener *find(const struct list *l, const struct addr *a)
{
	for (struct list *it = l->next; it != l; it = it->next) {
		struct listener *li = LIST_OBJ(it, struct listener, link);

		if (same(&li->addr, a))
			return li;
	}
	return NULL;
}

static void want(struct list *l, const struct addr *a, uint16_t port)
{
	struct listener *li = xcalloc(1, sizeof(*li));

	li->fd = -1;
	li->addr = *a;
	addr_set_port(&li->addr, port);
	if (find(l, &li->addr) != NULL)
		free(li);
	else
		list_add(l, &li->link);
}

static bool takes_all(const struct ftp_config *config)
{
	for (unsigned i = 0; i < config->n_servers; i++)
		if (config->servers[i]->is_default && config->servers[i]->scope->conf.port != 0)
			return !config->bind_tight;
	return false;
}

static struct addr any_of(const struct addr *a)
{
	struct addr any;

	/* both are literals of this program */
	(void)addr_parse(addr_is_v4(a) ? "0.0.0.0" : "::", 0, &any);
	return any;
}

static void wanted(const struct ftp_config *config, struct list *l)
{
	const bool all = takes_all(config);

	for (unsigned i = 0; i < config->n_servers; i++) {
		const struct ftp_server *s = config->servers[i];
		uint16_t port = s->scope->conf.port;

		for (unsigned k = 0; port != 0 && k < s->n_addrs; k++) {
			want(l, &s->addrs[k], port);
			if (all) {
				struct addr any = any_of(&s->addrs[k]);

				want(l, &any, port);
			}
		}
	}
}

/* Is a covered by the wildcard socket of its family and port? Then it needs none of its own. */
static bool covered(const struct list *l, const struct listener *li)
{
	for (struct list *it = l->next; it != l; it = it->next) {
		const struct listener *o = LIST_OBJ(it, struct listener, link);

		if (o != li && addr_is_any(&o->addr) && o->addr.sa.sa_family == li->addr.sa.sa_family &&
			addr_port(&o->addr) == addr_port(&li->addr))
			return true;
	}
	return false;
}

static int no_listening(const struct listener *li, int e, struct err *err)
{
	char text[ADDR_TEXT_MAX];

	return err_sys(err, e, "cannot listen on address %s, port %u", addr_text(&li->addr, text),
		(unsigned)addr_port(&li->addr));
}

static int listen_on(const struct listener *li, const struct ftp_config *config, struct err *err)
{
	unsigned backlog = config->tcp_backlog != 0 ? config->tcp_backlog : 511;

	return listen(li->fd, (int)backlog) < 0 ? no_listening(li, errno, err) : 0;
}

static int bind_one(struct listener *li, struct err *err)
{
	auto_fd int fd = -1;
	char text[ADDR_TEXT_MAX];
	int one = 1;

	fd = socket(li->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "cannot make a socket for address %s", addr_text(&li->addr, text));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		(li->addr.sa.sa_family == AF_INET6 &&
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
		bind(fd, &li->addr.sa, addr_len(&li->addr)) < 0)
		return no_listening(li, errno, err);
	li->fd = fd;
	fd = -1;
	return 0;
}

static void listener_free(struct listener *li)
{
	list_del(&li->link);
	fd_close(&li->fd);
	free(li);
}

static void free_all(struct list *l)
{
	LIST_EACH(it, tmp, l)
	listener_free(LIST_OBJ(it, struct listener, link));
}

/* Bind what is new in next; where IPv6 is missing altogether its wildcard is left out. */
static int bind_new(const struct list *old, struct list *next, struct err *err)
{
	LIST_EACH(it, tmp, next)
	{
		struct listener *li = LIST_OBJ(it, struct listener, link);
		int r;

		if (covered(next, li) || find(old, &li->addr) != NULL)
			continue;
		r = bind_one(li, err);
		if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && addr_is_any(&li->addr) &&
			li->addr.sa.sa_family == AF_INET6)
			continue;
		if (r < 0)
			return r;
	}
	return 0;
}

int listeners_update(struct master *m, const struct ftp_config *config, struct err *err)
{
	struct list next;
	int r;

	list_init(&next);
	wanted(config, &next);
	if (list_empty(&next))
		return err_set(err, WE_CONFIG, "no server has an address and a port to listen on");
	r = bind_new(&m->listeners, &next, err);
	for (struct list *it = next.next; it != &next && r == 0 && !list_empty(&m->listeners);
		it = it->next) {
		if (LIST_OBJ(it, struct listener, link)->fd >= 0)
			r = listen_on(LIST_OBJ(it, struct listener, link), config, err);
	}
	if (r < 0) {
		free_all(&next);
		return r;
	}
	LIST_EACH(it, tmp, &next)
	{
		struct listener *li = LIST_OBJ(it, struct listener, link),
				*old = find(&m->listeners, &li->addr);

		if (li->fd < 0 && old != NULL && !covered(&next, li)) {
			li->fd = old->fd;
			old->fd = -1;
		}
	}
	free_all(&m->listeners);
	LIST_EACH(it, tmp, &next)
	{
		struct listener *li = LIST_OBJ(it, struct listener, link);

		if (li->fd < 0) {
			listener_free(li);
			continue;
		}
		list_del(&li->link);
		list_add(&m->listeners, &li->link);
	}
	return 0;
}

int listeners_listen(struct master *m, struct err *err)
{
	int r = 0;

	for (struct list *it = m->listeners.next; it != &m->listeners && r == 0; it = it->next)
		r = listen_on(LIST_OBJ(it, struct listener, link), m->gen->config, err);
	return r;
}

void listeners_close(struct master *m)
{
	free_all(&m->listeners);
}
