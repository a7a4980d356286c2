/* Texts of OpenSSL's errors. */
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "tls/tls_priv.h"

const char *tls_reason(void)
{
	unsigned long e = ERR_peek_last_error();
	const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;

	if (text == NULL && e != 0 && ERR_SYSTEM_ERROR(e))
		text = strerror(ERR_GET_REASON(e));
	ERR_clear_error();
	return text;
}

int tls_fail(struct err *err, int code, const char *fmt, ...)
{
	const char *reason = tls_reason();
	char text[500];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when too long */
	va_end(ap);
	if (reason == NULL)
		return err_set(err, code, "%s", text);
	return err_set(err, code, "%s: %s", text, reason);
}
