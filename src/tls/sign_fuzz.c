/* Requests for signatures: the first byte is the key, the second the kind, the rest what is to be signed. With RSA
 * nothing but what has the form of a signature may come out. */
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "tls/keys.h"

static struct tls_keys *keys;

static void start(void)
{
	keys = tls_keys_new();
	keys->n = 2;
	keys->v = calloc(2, sizeof(*keys->v));
	keys->v[0] = (struct tls_keys_entry){0, EVP_RSA_gen(1024)};
	keys->v[1] = (struct tls_keys_entry){1, EVP_EC_gen("P-256")};
	if (keys->v[0].pkey == NULL || keys->v[1].pkey == NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[TLS_SIGN_OUT_MAX];
	size_t n = 0;
	int r;

	if (keys == NULL)
		start();
	if (size < 2)
		return 0;
	r = tls_keys_sign(keys, data[0], data[1], data + 2, size - 2, out, &n);
	if (r == 0 && (n == 0 || n > sizeof(out)))
		abort();
	if (r < 0 && r != -EINVAL && r != -ENOENT)
		abort();
	return 0;
}
