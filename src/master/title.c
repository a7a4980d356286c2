/* Process titles: what ps shows, written over the argument area. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "master/master.h"

static char *area;
static size_t area_len;

void title_init(int argc, char **argv)
{
	char *end = argv[0];
	int i;

	for (i = 0; i < argc && argv[i] == end; i++) /* the words lie behind one another */
		end += strlen(argv[i]) + 1;
	for (i = 0; environ[i] != NULL && environ[i] == end; i++) {
		end += strlen(environ[i]) + 1;
		environ[i] = xstrdup(environ[i]); /* kept for the life of the process */
	}
	area = argv[0];
	area_len = (size_t)(end - argv[0]);
}

void title_set(const char *fmt, ...)
{
	char text[256];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when too long */
	va_end(ap);
	if (area_len > 1) {
		n = strnlen(text, area_len - 1);
		memset(area, 0, area_len);
		memcpy(area, text, n);
	}
}
