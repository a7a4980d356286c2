#include "session/passive.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "ftp/keepalive.h"
#include "ftp/qos.h"

/* Without PassivePorts. Not the kernel's own choice at first: it passes over ports with connections in
 * TIME_WAIT, and a server that closes many downloads has those by the ten thousand. Below 32768 other
 * services may want to start. */
#define ANY_MIN   32768
#define ANY_MAX   65535
#define ANY_TRIES 1000

void port_walk_init(struct port_walk *w, uint16_t min, uint16_t max, uint32_t random)
{
	w->min = min;
	w->max = max;
	w->left = (unsigned)(max - min) + 1;
	w->next = (uint16_t)(min + random % w->left);
}

uint16_t port_walk_next(struct port_walk *w)
{
	uint16_t port = w->next;

	if (w->left == 0)
		return 0;
	w->left--;
	w->next = port == w->max ? w->min : (uint16_t)(port + 1);
	return port;
}

static void option_set(int fd, int level, int name, int value)
{
	/* An option that the kernel refuses leaves its own choice, which works too. */
	(void)setsockopt(fd, level, name, &value, sizeof value);
}

void data_socket_options(int fd, int family, const struct ftp_conf *conf)
{
	const struct ftp_socket_options *o = &conf->socket_options;

	if (o->rcvbuf)
		option_set(fd, SOL_SOCKET, SO_RCVBUF, (int)o->rcvbuf);
	if (o->sndbuf)
		option_set(fd, SOL_SOCKET, SO_SNDBUF, (int)o->sndbuf);
	if (o->maxseg)
		option_set(fd, IPPROTO_TCP, TCP_MAXSEG, (int)o->maxseg);
	option_set(fd, IPPROTO_TCP, TCP_NODELAY, conf->nodelay_data);
	ftp_keepalive(fd, o, 0);
	ftp_qos_mark(fd, family, conf->qos.data_set ? conf->qos.data : IPTOS_THROUGHPUT);
}

/* One port. Another process may sit on the same port of the address in either state: bind() notices a
 * listener, and with SO_REUSEADDR (needed because of TIME_WAIT) only listen() notices one that was bound
 * at the same moment. */
static int listen_on(
	const struct addr *host, uint16_t port, const struct ftp_conf *conf, struct addr *ret_bound)
{
	struct addr a = *host;
	int fd, r;

	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	addr_set_port(&a, port);
	*ret_bound = a;
	if (port)
		option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	data_socket_options(fd, a.sa.sa_family, conf);
	r = bind(fd, &a.sa, addr_len(&a)) < 0 || listen(fd, 1) < 0 ? -errno : 0;
	if (r == 0 && port == 0)
		r = addr_local(fd, ret_bound);
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

/* From the kernel, some at a time. */
static uint32_t random_number(void)
{
	static uint32_t number[64];
	static unsigned left;

	if (left == 0 && getrandom(number, sizeof number, GRND_NONBLOCK) != sizeof number)
		return 0; /* a start as good as any */
	if (left == 0)
		left = ARRAY_LEN(number);
	return number[--left];
}

int passive_listen(
	const struct addr *host, const struct ftp_conf *conf, struct addr *ret_bound, bool *ret_fallback)
{
	bool configured = conf->passive_min != 0;
	struct port_walk walk;
	uint16_t port;
	int fd = -EADDRINUSE;

	port_walk_init(&walk, configured ? conf->passive_min : ANY_MIN,
		configured ? conf->passive_max : ANY_MAX, random_number());
	for (unsigned tries = 0; fd == -EADDRINUSE && (configured || tries < ANY_TRIES); tries++) {
		port = port_walk_next(&walk);
		if (port == 0)
			break;
		fd = listen_on(host, port, conf, ret_bound);
	}
	*ret_fallback = configured && fd == -EADDRINUSE;
	if (fd == -EADDRINUSE)
		fd = listen_on(host, 0, conf, ret_bound);
	return fd;
}
