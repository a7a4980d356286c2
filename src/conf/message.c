/* Errors and warnings: their form, their number, and where they go. */
#include "conf/conf_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"

#define WARNINGS_MAX 400u /* further ones are dropped */

const char *conf_kind_name(enum conf_kind kind)
{
	static const char *const names[CONF_KIND_COUNT] = {
		[CONF_KIND_SERVER] = "server config",
		[CONF_KIND_VHOST] = "<VirtualHost>",
		[CONF_KIND_GLOBAL] = "<Global>",
		[CONF_KIND_ANONYMOUS] = "<Anonymous>",
		[CONF_KIND_DIRECTORY] = "<Directory>",
		[CONF_KIND_FTPACCESS] = ".ftpaccess",
		[CONF_KIND_LIMIT] = "<Limit>",
		[CONF_KIND_CLASS] = "<Class>",
	};

	return (unsigned)kind < CONF_KIND_COUNT ? names[kind] : "?";
}

void conf_note_send(struct conf_parser *p, enum conf_event event, const char *directive, const char *text,
	const struct conf_pos *pos)
{
	const struct conf_note n = {event, directive, text, pos->file, pos->line};

	if (p->in->note != NULL)
		p->in->note(p->in->arg, &n);
}

void conf_complain(struct conf_parser *p, bool error, const struct conf_pos *pos, const char *directive,
	const char *reason, const char *tail)
{
	bool fatal = error && !p->in->lenient;
	struct err line = ERR_INIT;

	if (fatal ? p->n_errors >= CONF_MAX_ERRORS : p->n_warnings >= WARNINGS_MAX)
		return;
	if (error && !fatal && tail[0] == '\0')
		tail = ", line skipped";
	err_set(&line, WE_CONFIG, "%s: %s%s%s on line %u of '%.250s'%s", fatal ? "fatal" : "warning",
		directive != NULL ? directive : "", directive != NULL ? ": " : "", reason, pos->line,
		pos->file, tail);
	if (fatal && p->n_errors++ == 0)
		p->first = line;
	p->n_warnings += !fatal;
	conf_note_send(p, fatal ? CONF_EV_ERROR : CONF_EV_WARNING, directive, line.text, pos);
}

void conf_warn(struct conf_parser *p, const struct conf_pos *pos, const char *directive, const char *fmt, ...)
{
	va_list ap;
	char text[400];

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is fine */
	va_end(ap);
	conf_complain(p, false, pos, directive, text, "");
}

int conf_fail(struct conf_parser *p, const struct conf_pos *pos, const char *directive, const char *fmt, ...)
{
	va_list ap;
	char text[400];

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is fine */
	va_end(ap);
	conf_complain(p, true, pos, directive, text, "");
	return -WE_CONFIG;
}

unsigned conf_errors(const struct conf_parser *p, struct err *err)
{
	if (p->n_errors > 0 && err != NULL)
		*err = p->first;
	return p->n_errors;
}

int conf_out_of_memory(struct conf_parser *p)
{
	if (p->n_errors == 0)
		err_set(&p->first, ENOMEM, "out of memory while reading the configuration");
	return -ENOMEM;
}

static const char *known_module(const struct conf_language *lang, const char *name)
{
	for (unsigned i = 0; lang->known != NULL && lang->known[i].name != NULL; i++) {
		if (str_eq_nocase(lang->known[i].name, name))
			return lang->known[i].module;
	}
	return NULL;
}

static bool is_ascii(const char *s)
{
	while (*s != '\0' && (*s & 0x80) == 0)
		s++;
	return *s == '\0';
}

/* s with every byte that is no visible ASCII as \xHH: what looks like a blank must not look like one. */
static void bytes_shown(const char *s, char *dst, size_t size)
{
	size_t n = 0;

	for (; *s != '\0' && n + 5 <= size; s++) {
		unsigned char c = (unsigned char)*s;

		n += (size_t)snprintf(dst + n, size - n, c > 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
	}
	dst[n] = '\0';
}

void conf_unknown(struct conf_parser *p, const char *name, const struct conf_pos *pos)
{
	const char *module, *near[4];
	char shown[120], text[200], tail[400] = "";
	unsigned n;

	if (p->in->lenient && p->n_warnings >= WARNINGS_MAX)
		return; /* nobody would hear of it, and a .ftpaccess may have thousands */
	module = known_module(p->lang, name);
	str_escape(name, shown, sizeof(shown));
	if (module != NULL) {
		conf_note_send(p, CONF_EV_REFUSED, name, "not supported by this version", pos);
		snprintf(text, sizeof(text), "directive of %s is known but not supported by this version",
			module);
		conf_complain(p, true, pos, shown, text, "");
		return;
	}
	if (!is_ascii(name)) {
		bytes_shown(name, shown, sizeof(shown));
		conf_complain(p, true, pos, shown,
			"non-ASCII byte in directive name, perhaps a pasted no-break space", "");
		return;
	}
	n = p->in->lenient ? 0 : conf_near(p->lang, name, near, 4);
	for (unsigned i = 0; i < n; i++)
		snprintf(tail + strlen(tail), sizeof(tail) - strlen(tail), "%s%s",
			i == 0 ? ". Did you mean: " : ", ", near[i]);
	snprintf(tail + strlen(tail), sizeof(tail) - strlen(tail), "%s", n > 0 ? "?" : "");
	snprintf(text, sizeof(text), "unknown configuration directive '%s'", shown);
	conf_complain(p, true, pos, NULL, text, tail);
}
