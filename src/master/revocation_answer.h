/* What a process that asks about a client's certificate (revocation.c) writes into its pipe, and how long that is true. It has
 * read what a stranger sent, so it may have been taken over: it can then say good of one certificate, and no more. */
#ifndef MASTER_REVOCATION_ANSWER_H
#define MASTER_REVOCATION_ANSWER_H

#include "tls/tls.h"

/* Bring a (got bytes of it have come) within bounds: a known status, a text that ends, times that let it be asked about neither all the
 * time nor never again. What is less than whole or out of date is no answer. now: seconds since 1970. */
void revocation_answer_check(struct tls_revocation *a, size_t got, int64_t now);

#endif
