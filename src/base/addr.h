/* Socket addresses, IPv4 and IPv6. An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is compared and printed as
 * the IPv4 address it stands for. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* No struct sockaddr_storage: each session has several of these. Zeros: not set. */
struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	};
};

#define ADDR_TEXT_MAX 64 /* longest text of an address with its NUL */

/* text: IPv4 or IPv6 literal without brackets or scope. port in host order. 0 or -EINVAL. */
int addr_parse(const char *text, uint16_t port, struct addr *ret_a);
/* From a sockaddr of the kernel. -EAFNOSUPPORT unless IPv4 or IPv6 of full length. */
int addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *ret_a);
socklen_t addr_len(const struct addr *a);
/* Host without port into buf (ADDR_TEXT_MAX bytes); returns buf. Unset: "-". */
const char *addr_text(const struct addr *a, char *buf);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
bool addr_host_equal(const struct addr *a, const struct addr *b);
bool addr_is_v4(const struct addr *a);       /* IPv4 or mapped */
bool addr_is_any(const struct addr *a);      /* 0.0.0.0, :: */
bool addr_is_loopback(const struct addr *a); /* 127/8, ::1 */
bool addr_is_private(const struct addr *a);  /* RFC 1918, RFC 4193, link-local, loopback */
/* The IPv4 form of a mapped address; others are copied. */
void addr_unmap(const struct addr *a, struct addr *ret_a);
/* Are the first bits bits of the hosts equal? Families differ: false. bits <= 32 or 128. */
bool addr_prefix_match(const struct addr *a, const struct addr *net, unsigned bits);
/* Address of this end of a socket. 0 or -errno. */
int addr_local(int fd, struct addr *ret_a);

#endif
