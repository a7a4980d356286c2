/* Marks of packets (QoSOptions): the byte of the IPv4 type of service or IPv6 traffic class (RFC 2474). */
#ifndef FTP_QOS_H
#define FTP_QOS_H

#include <stdint.h>

struct ftp_qos_value {
	const char *name;
	uint8_t byte;
};
extern const struct ftp_qos_value ftp_qos_values[]; /* ends with name NULL */

/* Mark what the socket (of that family; AF_UNSPEC: of any) sends. One that has no such option (a local socket pair) stays as it
 * is. */
void ftp_qos_mark(int fd, int family, uint8_t byte);

#endif
