#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int addr_parse(const char *text, uint16_t port, struct addr *ret_a)
{
	struct addr a;

	memset(&a, 0, sizeof(a));
	if (inet_pton(AF_INET, text, &a.in4.sin_addr) == 1) {
		a.in4.sin_family = AF_INET;
		a.in4.sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
	} else {
		return -EINVAL;
	}
	*ret_a = a;
	return 0;
}

int addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *ret_a)
{
	if ((sa->sa_family != AF_INET || len < sizeof(struct sockaddr_in)) &&
		(sa->sa_family != AF_INET6 || len < sizeof(struct sockaddr_in6)))
		return -EAFNOSUPPORT;
	memset(ret_a, 0, sizeof(*ret_a));
	memcpy(ret_a, sa, sa->sa_family == AF_INET ? sizeof(ret_a->in4) : sizeof(ret_a->in6));
	return 0;
}

socklen_t addr_len(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in4);
}

void addr_unmap(const struct addr *a, struct addr *ret_a)
{
	struct addr v4;

	if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
		*ret_a = *a;
		return;
	}
	memset(&v4, 0, sizeof(v4));
	v4.in4.sin_family = AF_INET;
	v4.in4.sin_port = a->in6.sin6_port;
	memcpy(&v4.in4.sin_addr, a->in6.sin6_addr.s6_addr + 12, 4);
	*ret_a = v4;
}

const char *addr_text(const struct addr *a, char *buf)
{
	struct addr u;
	const char *s = NULL;

	addr_unmap(a, &u);
	if (u.sa.sa_family == AF_INET)
		s = inet_ntop(AF_INET, &u.in4.sin_addr, buf, ADDR_TEXT_MAX);
	else if (u.sa.sa_family == AF_INET6)
		s = inet_ntop(AF_INET6, &u.in6.sin6_addr, buf, ADDR_TEXT_MAX);
	if (s == NULL)
		(void)snprintf(buf, ADDR_TEXT_MAX, "-");
	return buf;
}

uint16_t addr_port(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohs(a->in4.sin_port);
	if (a->sa.sa_family == AF_INET6)
		return ntohs(a->in6.sin6_port);
	return 0;
}

void addr_set_port(struct addr *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET)
		a->in4.sin_port = htons(port);
	else if (a->sa.sa_family == AF_INET6)
		a->in6.sin6_port = htons(port);
}

static unsigned host_bytes(const struct addr *a, const unsigned char **ret_p)
{
	if (a->sa.sa_family == AF_INET) {
		*ret_p = (const unsigned char *)&a->in4.sin_addr;
		return 4;
	}
	if (a->sa.sa_family == AF_INET6) {
		*ret_p = a->in6.sin6_addr.s6_addr;
		return 16;
	}
	*ret_p = NULL;
	return 0;
}

bool addr_prefix_match(const struct addr *a, const struct addr *net, unsigned bits)
{
	const unsigned char *pa, *pn;
	struct addr ua, un;
	unsigned len, mask;

	addr_unmap(a, &ua);
	addr_unmap(net, &un);
	len = host_bytes(&ua, &pa);
	if (len == 0 || len != host_bytes(&un, &pn) || bits > len * 8)
		return false;
	if (memcmp(pa, pn, bits / 8) != 0)
		return false;
	if (bits % 8 == 0)
		return true;
	mask = 0xff00u >> (bits % 8) & 0xffu;
	return (pa[bits / 8] & mask) == (pn[bits / 8] & mask);
}

bool addr_host_equal(const struct addr *a, const struct addr *b)
{
	return addr_prefix_match(a, b, addr_is_v4(a) ? 32 : 128);
}

bool addr_is_v4(const struct addr *a)
{
	return a->sa.sa_family == AF_INET ||
	       (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr));
}

static bool in_net(const struct addr *a, const char *net, unsigned bits)
{
	struct addr n;

	return addr_parse(net, 0, &n) == 0 && addr_prefix_match(a, &n, bits);
}

bool addr_is_any(const struct addr *a)
{
	return in_net(a, "0.0.0.0", 32) || in_net(a, "::", 128);
}

bool addr_is_loopback(const struct addr *a)
{
	return in_net(a, "127.0.0.0", 8) || in_net(a, "::1", 128);
}

bool addr_is_private(const struct addr *a)
{
	return addr_is_loopback(a) || in_net(a, "10.0.0.0", 8) || in_net(a, "172.16.0.0", 12) ||
	       in_net(a, "192.168.0.0", 16) || in_net(a, "169.254.0.0", 16) || in_net(a, "fc00::", 7) ||
	       in_net(a, "fe80::", 10);
}

int addr_local(int fd, struct addr *ret_a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	return addr_from_sockaddr((struct sockaddr *)&ss, len, ret_a);
}
