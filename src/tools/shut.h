/* The time argument of ftpshut. */
#ifndef TOOLS_SHUT_H
#define TOOLS_SHUT_H

#include <time.h>

/* word: "now", "+<minutes>", "HHMM" or "HH" of the local 24 hour clock; a time that is not after now is
 * that of tomorrow. 0, or -WE_SYNTAX. */
int shut_time(const char *word, time_t now, time_t *ret_when);

#endif
