/* What a process that asks an OCSP responder (staple.c) writes into its pipe. It has read what a stranger sent, so it may have
 * been taken over: nothing in here is believed beyond what it can do anyway. */
#ifndef MASTER_STAPLE_ANSWER_H
#define MASTER_STAPLE_ANSWER_H

#include "tls/tls.h"

struct staple_answer {
	uint32_t failed; /* why is in text */
	char text[512];
	struct tls_staple staple;
};

/* May a->staple be used? got: bytes that have come. NULL: yes, and its times are within bounds, so that it is asked for again
 * neither all the time nor never; else why not, in a or static. now: seconds since 1970. */
const char *staple_answer_check(struct staple_answer *a, size_t got, int64_t now);

#endif
