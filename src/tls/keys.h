/* The set of private keys, for keys.c and sign.c. */
#ifndef TLS_KEYS_H
#define TLS_KEYS_H

#include <openssl/evp.h>

#include "tls/tls.h"

struct tls_keys {
	struct tls_keys_entry {
		unsigned number;
		EVP_PKEY *pkey;
	} * v;
	size_t n;
};

#endif
