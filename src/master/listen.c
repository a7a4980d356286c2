/* Listening sockets: one per address and port that a server wants. Where a server takes all addresses of a
 * family, specific addresses of the same port share its socket. With a DefaultServer, which serves the addresses
 * of nobody, that is so for every port, unless SocketBindTight forbids it. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "master/master.h"

#define PATIENCE_MS 2000
#define RETRY_US    20000

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

/* Does the wildcard socket o take what comes for li, so that li needs none of its own? */
static bool covers(const struct listener *o, const struct listener *li)
{
	return addr_is_any(&o->addr) && addr_port(&o->addr) == addr_port(&li->addr) &&
	       (o->both || o->addr.sa.sa_family == li->addr.sa.sa_family);
}

static bool covered(const struct list *l, const struct listener *li)
{
	for (struct list *it = l->next; it != l; it = it->next) {
		const struct listener *o = LIST_OBJ(it, struct listener, link);

		if (o != li && !same(&o->addr, &li->addr) && covers(o, li))
			return true;
	}
	return false;
}

/* --- sockets that the service manager has opened --- */

/* The listening stream socket fd (given), or NULL. */
static struct listener *listener_take(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss), n = sizeof(int);
	struct listener *li;
	int accepts = 0, type = 0, v6only = 1;
	struct addr a;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &n) < 0 || accepts == 0 ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM ||
		getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
		addr_from_sockaddr((struct sockaddr *)&ss, len, &a) < 0 || fd_nonblock(fd, true) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		fd_close(&fd);
		return NULL;
	}
	if (ss.ss_family == AF_INET6)
		(void)getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &n);
	li = xcalloc(1, sizeof(*li));
	li->fd = fd;
	li->addr = a;
	li->both = v6only == 0 && addr_is_any(&a);
	return li;
}

void listeners_inherit(struct master *m)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t who, n;

	if (pid != NULL && fds != NULL && str_to_u64(pid, &who) == 0 && str_to_u64(fds, &n) == 0 &&
		n < 1024 &&
		(who == (uint64_t)getpid() ||
			who == (uint64_t)getppid())) { /* the latter waits for us, a daemon */
		for (int fd = 3; fd < 3 + (int)n; fd++) {
			struct listener *li = listener_take(fd);

			if (li != NULL)
				list_add(&m->inherited, &li->link);
		}
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
}

/* Put the inherited sockets in the places of those that are wanted, or beside them where they cover some. */
static int use_inherited(const struct master *m, struct list *next, struct err *err)
{
	for (struct list *it = m->inherited.next; it != &m->inherited; it = it->next) {
		const struct listener *in = LIST_OBJ(it, struct listener, link);
		struct listener *li = find(next, &in->addr);
		char text[ADDR_TEXT_MAX];
		bool useful = li != NULL;

		for (struct list *w = next->next; w != next && !useful; w = w->next)
			useful = covers(in, LIST_OBJ(w, struct listener, link));
		if (!useful) {
			log_warn(&m->log,
				"the socket on address %s, port %u, that was handed over is of no server: "
				"nobody is served there",
				addr_text(&in->addr, text), (unsigned)addr_port(&in->addr));
			continue;
		}
		if (li == NULL) {
			want(next, &in->addr, addr_port(&in->addr));
			li = find(next, &in->addr);
		}
		li->both = in->both;
		li->fd = fcntl(in->fd, F_DUPFD_CLOEXEC, 3);
		if (li->fd < 0)
			return err_sys(err, errno, "cannot use the socket on address %s",
				addr_text(&in->addr, text));
	}
	return 0;
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

/* Until then the processes of a daemon that stops may still be closing theirs. 0 or -errno. */
static int bind_patiently(int fd, const struct listener *li, uint64_t until_ms)
{
	while (bind(fd, &li->addr.sa, addr_len(&li->addr)) < 0) {
		if (errno != EADDRINUSE || clock_ms() >= until_ms)
			return -errno;
		(void)usleep(RETRY_US);
	}
	return 0;
}

static int bind_one(struct listener *li, uint64_t until_ms, const struct log_ctx *log, struct err *err)
{
	auto_fd int fd = -1;
	char text[ADDR_TEXT_MAX];
	int one = 1, r;

	fd = socket(li->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "cannot make a socket for address %s", addr_text(&li->addr, text));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		(li->addr.sa.sa_family == AF_INET6 &&
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0))
		return no_listening(li, errno, err);
	r = bind_patiently(fd, li, until_ms);
	/* It may come later: a lease, or an address that moves between machines. Some have no IPv6 at all. */
	if (r == -EADDRNOTAVAIL && !addr_is_any(&li->addr) &&
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) == 0) {
		r = bind_patiently(fd, li, until_ms);
		if (r == 0)
			log_warn(log,
				"address %s is not on this machine: clients are served there as soon as it "
				"is",
				addr_text(&li->addr, text));
	}
	if (r < 0)
		return no_listening(li, -r, err);
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

/* Bind what is new in next; where IPv6 is missing altogether its wildcard is left out. A start waits a little for
 * addresses in use. */
static int bind_new(const struct list *old, struct list *next, const struct log_ctx *log, struct err *err)
{
	uint64_t until_ms = list_empty(old) ? clock_ms() + PATIENCE_MS : 0;

	LIST_EACH(it, tmp, next)
	{
		struct listener *li = LIST_OBJ(it, struct listener, link);
		int r;

		if (li->fd >= 0 || covered(next, li) || find(old, &li->addr) != NULL)
			continue;
		r = bind_one(li, until_ms, log, err);
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
	r = use_inherited(m, &next, err);
	if (r == 0)
		r = bind_new(&m->listeners, &next, &m->log, err);
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
	free_all(&m->inherited);
}
