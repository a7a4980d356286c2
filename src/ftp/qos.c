#include "ftp/qos.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <stddef.h>
#include <sys/socket.h>

#define CS(n)       ((n) << 5)
#define AF(x, drop) (((x) << 5) | ((drop) << 3))

/* The five words at the end are those of RFC 1349, which configurations still use. */
const struct ftp_qos_value ftp_qos_values[] = {{"cs0", CS(0)}, {"cs1", CS(1)}, {"cs2", CS(2)}, {"cs3", CS(3)},
	{"cs4", CS(4)}, {"cs5", CS(5)}, {"cs6", CS(6)}, {"cs7", CS(7)}, {"af11", AF(1, 1)},
	{"af12", AF(1, 2)}, {"af13", AF(1, 3)}, {"af21", AF(2, 1)}, {"af22", AF(2, 2)}, {"af23", AF(2, 3)},
	{"af31", AF(3, 1)}, {"af32", AF(3, 2)}, {"af33", AF(3, 3)}, {"af41", AF(4, 1)}, {"af42", AF(4, 2)},
	{"af43", AF(4, 3)}, {"ef", 0xb8}, {"lowcost", 0x02}, {"lowdelay", IPTOS_LOWDELAY}, {"mincost", 0x02},
	{"reliability", IPTOS_RELIABILITY}, {"throughput", IPTOS_THROUGHPUT}, {NULL, 0}};

void ftp_qos_mark(int fd, int family, uint8_t byte)
{
	int value = byte;

	/* An IPv6 socket may carry IPv4, an IPv4 socket refuses the second: the connection works anyway. */
	(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	if (family != AF_INET)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
}
