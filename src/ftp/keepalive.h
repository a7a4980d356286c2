/* TCP keep-alive as SocketOptions asks for it. */
#ifndef FTP_KEEPALIVE_H
#define FTP_KEEPALIVE_H

#include "ftp/conf.h"

/* Firewalls and NAT forget connections on which nothing happens, often after five minutes: a control connection has to outlive
 * the transfers beside it. */
#define FTP_KEEPALIVE_CTRL_S 60

/* idle_s: silence before the first probe where the directive gives no numbers; 0 = the system's choice. A socket that knows no
 * such option (a local socket pair) stays as it is. */
void ftp_keepalive(int fd, const struct ftp_socket_options *o, unsigned idle_s);

#endif
