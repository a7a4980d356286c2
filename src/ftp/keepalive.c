#include "ftp/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void option_set(int fd, int level, int name, unsigned value)
{
	/* What the kernel refuses leaves its own choice, which works too. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void ftp_keepalive(int fd, const struct ftp_socket_options *o, unsigned idle_s)
{
	unsigned idle = o->keepalive_idle != 0 ? o->keepalive_idle : idle_s;

	option_set(fd, SOL_SOCKET, SO_KEEPALIVE, o->keepalive);
	if (!o->keepalive)
		return;
	if (idle != 0)
		option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
	if (o->keepalive_count != 0)
		option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, o->keepalive_count);
	if (o->keepalive_interval != 0)
		option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, o->keepalive_interval);
}
