#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "auth/backend.h"
#include "base/alloc.h"

/* Equal texts? The time depends on the lengths only. */
static bool equal_constant_time(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned char diff = la != lb;

	for (size_t i = 0; i < la; i++)
		diff |= (unsigned char)(a[i] ^ b[lb != 0 ? i % lb : 0]);
	return diff == 0;
}

/* crypt(3) of the password with that setting into out (CRYPT_OUTPUT_SIZE). false when the setting is not
 * usable. */
static bool hash_of(const char *password, const char *setting, char *out)
{
	struct crypt_data *data = calloc(1, sizeof(*data)); /* 32 KiB: too much for a thread's stack */
	const char *h;
	bool ok;

	if (data == NULL)
		return false;
	h = crypt_r(password, setting, data);
	ok = h != NULL && h[0] != '*';
	if (ok)
		memcpy(out, h, strlen(h) + 1); /* at most CRYPT_OUTPUT_SIZE: crypt_r(3) */
	wipe(data, sizeof(*data));
	free(data);
	return ok;
}

enum auth_verdict auth_hash_check(const char *hash, const char *password, bool allow_empty)
{
	char out[CRYPT_OUTPUT_SIZE];
	bool known, ok = false;

	if (hash == NULL)
		return AUTH_UNKNOWN;
	if (hash[0] == '\0' && allow_empty && password[0] == '\0')
		return AUTH_OK;
	known = hash[0] != '\0' && hash[0] != '!' && hash[0] != '*' && hash_of(password, hash, out);
	if (known)
		ok = equal_constant_time(hash, out);
	else
		auth_hash_waste(hash + strspn(hash, "!*"), password); /* as long as a wrong password takes */
	wipe(out, sizeof(out));
	return ok ? AUTH_OK : AUTH_BAD;
}

void auth_hash_waste(const char *like, const char *password)
{
	/* A yescrypt setting with the cost that Debian's tools give new passwords. */
	static const char usual[] = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$";
	char out[CRYPT_OUTPUT_SIZE];

	if (like == NULL || like[0] != '$' || !hash_of(password, like, out))
		(void)hash_of(password, usual, out); /* only its time is wanted */
	wipe(out, sizeof(out));
}
