#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		err->code = -code;
		va_start(ap, fmt);
		(void)vsnprintf(err->text, sizeof(err->text), fmt, ap); /* cut when too long */
		va_end(ap);
	}
	return -code;
}

int err_sys(struct err *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (err != NULL) {
		err->code = -errnum;
		va_start(ap, fmt);
		(void)vsnprintf(err->text, sizeof(err->text), fmt, ap); /* cut when too long */
		va_end(ap);
		len = strlen(err->text);
		(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(errnum));
	}
	return -errnum;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list ap;
	size_t len;

	if (err == NULL)
		return -EINVAL;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap); /* cut when too long */
	va_end(ap);
	len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
	return err->code;
}

const char *err_text(int code)
{
	static const char *const own[] = {
		[WE_SYNTAX - WE_FIRST] = "syntax error",
		[WE_CONFIG - WE_FIRST] = "unusable configuration",
		[WE_LIMIT - WE_FIRST] = "limit reached",
		[WE_DENIED - WE_FIRST] = "denied",
		[WE_NAME - WE_FIRST] = "Forbidden filename",
		[WE_CLOSED - WE_FIRST] = "connection closed",
		[WE_PERMIT - WE_FIRST] = "request not permitted for this process",
		[WE_VERSION - WE_FIRST] = "version mismatch",
		[WE_TLS_SESSION - WE_FIRST] = "TLS session of the control connection not reused",
	};

	if (code < 0)
		code = -code;
	if (code >= WE_FIRST && code < WE_LAST)
		return own[code - WE_FIRST];
	return strerror(code);
}
