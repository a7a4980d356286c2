/* Texts that carry a data address: arguments of PORT (RFC 959 4.1.2) and EPRT (RFC 2428 2), reply of PASV.
 * Pure text, bytes come from strangers. Whether an address is acceptable is decided in data.c.
 */
#ifndef SESSION_HOSTPORT_H
#define SESSION_HOSTPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

/* "h1,h2,h3,h4,p1,p2". 0, or -EINVAL: no six numbers up to 255, address 0.0.0.0, or port 0. */
int port_parse(const char *arg, struct addr *ret_addr);
/* "<d>proto<d>addr<d>port<d>", d one byte of 33..126. 0, -EPROTONOSUPPORT (unknown protocol, or 2 without
 * v6), -EINVAL (anything else wrong, also scope ids and ports above 65535; port 0 is accepted). */
int eprt_parse(const char *arg, bool v6, struct addr *ret_addr);
/* "a,b,c,d,p1,p2" of an IPv4 (or mapped) address into buf. 0, or -EAFNOSUPPORT. */
int pasv_text(const struct addr *a, char *buf, size_t size);

#endif
