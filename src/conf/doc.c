/* The tables as documents: --list-directives and the manual page. */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

static int row_order(const void *a, const void *b)
{
	const struct conf_row *x = *(const struct conf_row *const *)a,
			      *y = *(const struct conf_row *const *)b;
	int d = str_cmp_nocase(x->name, y->name);

	return d != 0 ? d : (x->scope > y->scope) - (x->scope < y->scope);
}

/* All rows by name: returned (free()). */
static const struct conf_row **rows_sorted(const struct conf_language *lang, unsigned *ret_n)
{
	const struct conf_row **rows;
	unsigned n = 0;

	for (unsigned t = 0; t < lang->n_tables; t++)
		n += lang->tables[t]->n_rows;
	rows = xcalloc(n + 1, sizeof(const struct conf_row *));
	n = 0;
	for (unsigned t = 0; t < lang->n_tables; t++) {
		for (unsigned i = 0; i < lang->tables[t]->n_rows; i++)
			rows[n++] = &lang->tables[t]->rows[i];
	}
	qsort(rows, n, sizeof(const struct conf_row *), row_order);
	*ret_n = n;
	return rows;
}

static void contexts_print(const struct conf_row *row, FILE *out)
{
	const char *sep = "";

	for (unsigned k = 0; k < CONF_KIND_COUNT; k++) {
		if ((row->scope & CONF_IN(k)) != 0) {
			fprintf(out, "%s%s", sep, conf_kind_name((enum conf_kind)k));
			sep = ", ";
		}
	}
}

static const char *default_text(const struct conf_row *row)
{
	return row->dflt_text != NULL ? row->dflt_text : row->dflt;
}

void conf_list(const struct conf_language *lang, FILE *out)
{
	unsigned n;
	const struct conf_row **rows = rows_sorted(lang, &n);

	for (unsigned i = 0; i < n; i++) {
		fprintf(out, "%s%s%s\n\tcontexts: ", rows[i]->name, rows[i]->syntax[0] != '\0' ? " " : "",
			rows[i]->syntax);
		contexts_print(rows[i], out);
		fprintf(out, "\n\tmodule:   %s\n", rows[i]->module);
		if (default_text(rows[i]) != NULL)
			fprintf(out, "\tdefault:  %s\n", default_text(rows[i]));
		if (rows[i]->reason != NULL)
			fprintf(out, "\t%s: %s\n",
				(rows[i]->flags & CONF_REFUSED) != 0 ? "refused" : "accepted without effect",
				rows[i]->reason);
	}
	free(rows);
}

/* Text for troff: backslashes, hyphens and a control character at the start of a line. */
static void man_text(const char *s, FILE *out)
{
	bool start = true;

	for (; *s != '\0'; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", out);
		if (*s == '\\')
			fputs("\\e", out);
		else if (*s == '-')
			fputs("\\-", out);
		else
			fputc(*s, out);
		start = *s == '\n';
	}
}

static void man_row(const struct conf_row *row, FILE *out)
{
	fputs(".TP\n.BI \"", out);
	man_text(row->name, out);
	fputs(" \" \"", out);
	for (const char *c = row->syntax; *c != '\0'; c++) {
		char one[2] = {*c, '\0'};

		if (*c == '"')
			fputs("\"\"", out);
		else
			man_text(one, out);
	}
	fputs("\"\n", out);
	man_text(row->doc, out);
	if (row->reason != NULL) {
		fputs((row->flags & CONF_REFUSED) != 0 ? "\nRefused: " : "\nAccepted without effect: ", out);
		man_text(row->reason, out);
		fputc('.', out);
	}
	if (row->message != NULL) {
		fputs("\nMessage unless given: \\(lq", out);
		man_text(row->message, out);
		fputs("\\(rq (%m is the limit).", out);
	}
	if ((row->flags & CONF_LAST_WINS) != 0)
		fputs("\nGiven twice, the last one counts.", out);
	fputs("\n.br\nContexts: ", out);
	contexts_print(row, out);
	if (default_text(row) != NULL) {
		fputs("\n.br\nDefault: ", out);
		man_text(default_text(row), out);
	}
	if (row->min != NULL || row->max != NULL) {
		fputs("\n.br\nRange: ", out);
		man_text(row->min != NULL ? row->min : "0", out);
		fputs(" to ", out);
		man_text(row->max != NULL ? row->max : "no limit", out);
		if (row->unit != NULL)
			fprintf(out, " %s", row->unit);
	}
	fprintf(out, "\n.br\nModule: %s\n", row->module);
}

void conf_man(const struct conf_language *lang, FILE *out)
{
	unsigned n;
	const struct conf_row **rows = rows_sorted(lang, &n);

	for (unsigned i = 0; i < n; i++)
		man_row(rows[i], out);
	free(rows);
}
