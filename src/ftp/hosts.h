/* Access tables in the form of hosts.allow and hosts.deny (hosts_access(5), hosts_options(5)). A table is text; nothing
 * here opens a file but through the caller's function. No name is looked up, and no program of a rule is started. */
#ifndef FTP_HOSTS_H
#define FTP_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

#define HOSTS_TABLE_MAX (1u << 20) /* bytes of a table, and of a file of patterns */
#define HOSTS_LINE_MAX  4096u      /* bytes of a rule with its continuations */

struct hosts_subject { /* all borrowed */
	const char *service;
	const struct addr *client, *local;
	const char *client_name; /* verified DNS name; NULL: unknown */
};

enum hosts_kind { HOSTS_ALLOW, HOSTS_DENY }; /* what a rule of the table does that says nothing else */
enum hosts_verdict { HOSTS_SILENT, HOSTS_ALLOWED, HOSTS_DENIED };

/* The text of a file of patterns ("/path" in a list of clients): 0 and a string to be freed, or -errno. */
typedef int hosts_read_fn(void *arg, const char *path, char **ret_text);

/* What the first rule says that is about the subject; its line in *ret_line. Where it cannot be told whether a rule is
 * about it (a netgroup, a bad mask, a file that cannot be read, aclexec), the answer is the one that permits less. */
enum hosts_verdict hosts_check(const char *text, size_t len, enum hosts_kind kind,
	const struct hosts_subject *who, hosts_read_fn *read, void *arg, unsigned *ret_line);

/* Call fn for everything in the table that is wrong or has no effect here. */
typedef void hosts_note_fn(void *arg, unsigned line, const char *text);
void hosts_lint(const char *text, size_t len, const char *service, bool names, hosts_note_fn *fn, void *arg);

#endif
