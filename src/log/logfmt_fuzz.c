/* Texts with variables: the input is compiled as a LogFormat and rendered, read as the classes of an
 * ExtendedLog, and expanded as a display file; the values hold the input too. Rendered lines never hold a
 * control byte of a value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "log/display.h"
#include "log/extlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_format(const char *text)
{
	struct log_record rec = LOG_RECORD_INIT;
	struct logfmt *fmt = NULL;
	struct err err = ERR_INIT;
	struct buf out;

	rec.file = rec.command = rec.user = text;
	buf_init(&out, 1000);
	if (logfmt_compile(text, &fmt, &err) == 0 && logfmt_render(fmt, &rec, &out) != 0)
		abort();
	logfmt_free(&fmt);
	buf_clear(&out);
	if (logfmt_compile("%F", &fmt, &err) != 0 || logfmt_render(fmt, &rec, &out) != 0)
		abort();
	if (out.data != NULL && strpbrk(out.data, "\r\n\x1b\"") != NULL)
		abort();
	logfmt_free(&fmt);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct display_values values = {0};
	struct extlog_mask mask;
	char *text = malloc(size + 1);
	struct buf out;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	try_format(text);
	if (extlog_mask_parse(text, NULL, &mask, NULL) == 0)
		(void)extlog_mask_match(&mask, EXTLOG_READ, "RETR");
	values.user = values.cwd = text;
	buf_init(&out, 1000);
	(void)display_expand(&out, text, &values);
	buf_done(&out);
	free(text);
	return 0;
}
