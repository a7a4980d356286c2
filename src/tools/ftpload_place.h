/* What the command line of ftpload says: the server, and sizes. */
#ifndef TOOLS_FTPLOAD_PLACE_H
#define TOOLS_FTPLOAD_PLACE_H

#include <stdint.h>

struct load_options;

/* [ftp://][USER[:PASSWORD]@]HOST[:PORT][/]; an IPv6 address stands in brackets. Sets host, port, user and password
 * (returned: load_place_done()); missing: anonymous, port 21 (990 with o->implicit). 0 or -WE_SYNTAX. */
int load_place_parse(const char *text, struct load_options *o);
void load_place_done(struct load_options *o);

/* Digits, and K, M or G for 2^10, 2^20, 2^30. 0, -EINVAL or -ERANGE. */
int load_place_number(const char *text, uint64_t *ret_v);

#endif
