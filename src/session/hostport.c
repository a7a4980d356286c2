#include "session/hostport.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A decimal number of 1..digits digits that ends at end; moves *p behind end. */
static int number_parse(const char **p, unsigned digits, unsigned max, char end, unsigned *ret_v)
{
	unsigned v = 0, n = 0;
	const char *s = *p;

	for (; *s >= '0' && *s <= '9'; s++, n++) {
		if (n == digits)
			return -EINVAL;
		v = v * 10 + (unsigned)(*s - '0');
	}
	if (n == 0 || v > max || *s != end)
		return -EINVAL;
	*p = end ? s + 1 : s;
	*ret_v = v;
	return 0;
}

int port_parse(const char *arg, struct addr *ret_addr)
{
	unsigned v[6];
	uint32_t host;

	for (int i = 0; i < 6; i++) {
		if (number_parse(&arg, 3, 255, i < 5 ? ',' : '\0', &v[i]) < 0)
			return -EINVAL;
	}
	host = (uint32_t)v[0] << 24 | v[1] << 16 | v[2] << 8 | v[3];
	if (host == 0 || (v[4] == 0 && v[5] == 0))
		return -EINVAL;
	memset(ret_addr, 0, sizeof *ret_addr);
	ret_addr->in4.sin_family = AF_INET;
	ret_addr->in4.sin_addr.s_addr = htonl(host);
	ret_addr->in4.sin_port = htons((uint16_t)(v[4] << 8 | v[5]));
	return 0;
}

int eprt_parse(const char *arg, bool v6, struct addr *ret_addr)
{
	char d = arg[0], text[ADDR_TEXT_MAX];
	const char *p = arg + 1, *host_end;
	unsigned proto, port;
	size_t len;

	if (d < 33 || d > 126 || (d >= '0' && d <= '9'))
		return -EINVAL;
	if (number_parse(&p, 5, 65535, d, &proto) < 0)
		return -EINVAL;
	host_end = strchr(p, d);
	if (!host_end)
		return -EINVAL;
	len = (size_t)(host_end - p);
	if (proto != 1 && !(proto == 2 && v6))
		return -EPROTONOSUPPORT;
	if (len == 0 || len >= sizeof text)
		return -EINVAL;
	memcpy(text, p, len);
	text[len] = '\0';
	p = host_end + 1;
	if (number_parse(&p, 5, 65535, d, &port) < 0 || *p)
		return -EINVAL;
	if (addr_parse(text, (uint16_t)port, ret_addr) < 0 ||
		ret_addr->sa.sa_family != (proto == 1 ? AF_INET : AF_INET6) || addr_is_any(ret_addr))
		return -EINVAL;
	return 0;
}

int pasv_text(const struct addr *a, char *buf, size_t size)
{
	struct addr v4;
	uint32_t host;
	unsigned port = addr_port(a);

	addr_unmap(a, &v4);
	if (v4.sa.sa_family != AF_INET)
		return -EAFNOSUPPORT;
	host = ntohl(v4.in4.sin_addr.s_addr);
	(void)snprintf(buf, size, "%u,%u,%u,%u,%u,%u", host >> 24, host >> 16 & 255, host >> 8 & 255,
		host & 255, port >> 8, port & 255);
	return 0;
}
