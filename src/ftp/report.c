#include "ftp/report.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "ftp/directives.h"

struct entry {
	enum conf_event event;
	char *directive, *text, *file;
	unsigned line;
};

/* More notes than this are counted, not kept: a report is for people. */
#define ENTRIES_MAX 100000u

struct ftp_report {
	struct entry *entries;
	unsigned n, cap;
	unsigned counts[CONF_EV_ERROR + 1];
};

struct ftp_report *ftp_report_new(void)
{
	return xcalloc(1, sizeof(struct ftp_report));
}

void ftp_report_free(struct ftp_report *r)
{
	if (r == NULL)
		return;
	for (unsigned i = 0; i < r->n; i++) {
		free(r->entries[i].directive);
		free(r->entries[i].text);
		free(r->entries[i].file);
	}
	free(r->entries);
	free(r);
}

unsigned ftp_report_errors(const struct ftp_report *r)
{
	return r->counts[CONF_EV_ERROR];
}

unsigned ftp_report_warnings(const struct ftp_report *r)
{
	return r->counts[CONF_EV_WARNING];
}

void ftp_report_add(struct ftp_report *r, const struct conf_note *n)
{
	r->counts[n->event]++;
	if (r->n == ENTRIES_MAX)
		return;
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 64 : r->cap * 2;
		r->entries = xrealloc(r->entries, r->cap * sizeof(*r->entries));
	}
	r->entries[r->n++] = (struct entry){
		.event = n->event,
		.directive = xstrdup(n->directive != NULL ? n->directive : ""),
		.text = xstrdup(n->text != NULL ? n->text : ""),
		.file = xstrdup(n->file != NULL ? n->file : ""),
		.line = n->line,
	};
}

static bool is_problem(const struct entry *e)
{
	return e->event == CONF_EV_WARNING || e->event == CONF_EV_ERROR;
}

void ftp_report_print_problems(const struct ftp_report *r, FILE *out)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (is_problem(&r->entries[i]))
			fprintf(out, "%s\n", r->entries[i].text);
	}
	if (r->counts[CONF_EV_ERROR] >= CONF_MAX_ERRORS)
		fprintf(out, "too many errors, the rest was not read\n");
}

void ftp_report_log_problems(const struct ftp_report *r, const struct log_ctx *ctx)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (is_problem(&r->entries[i]))
			log_at(ctx, r->entries[i].event == CONF_EV_ERROR ? LOG_ERR : LOG_WARNING, "%s",
				r->entries[i].text);
	}
}

void ftp_report_print(const struct ftp_report *r, FILE *out)
{
	for (unsigned i = 0; i < r->n; i++) {
		const struct entry *e = &r->entries[i];

		if (is_problem(e))
			continue;
		fprintf(out, "%s:%u: %s: ", e->file, e->line, e->directive);
		if (e->event == CONF_EV_SUPPORTED)
			fputs("supported\n", out);
		else
			fprintf(out, "%s (%s)\n",
				e->event == CONF_EV_NO_EFFECT ? "accepted without effect" : "refused",
				e->text);
	}
	fprintf(out, "%u supported, %u accepted without effect, %u refused; %u errors, %u warnings\n",
		r->counts[CONF_EV_SUPPORTED], r->counts[CONF_EV_NO_EFFECT], r->counts[CONF_EV_REFUSED],
		r->counts[CONF_EV_ERROR], r->counts[CONF_EV_WARNING]);
}

void ftp_modules_list(FILE *out)
{
	for (const char *const *m = ftp_modules; *m != NULL; m++)
		fprintf(out, "%s\n", *m);
}

void ftp_directives_list(FILE *out)
{
	conf_list(&ftp_language, out);
}

void ftp_directives_man(FILE *out)
{
	conf_man(&ftp_language, out);
}
