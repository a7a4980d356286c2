/* The cookies of Display* files: text in, text out. Values come from clients,
 * so control bytes in them become '_'; cookies that do not exist stay as they are written. */
#ifndef LOG_DISPLAY_H
#define LOG_DISPLAY_H

#include <stdint.h>

#include "base/buf.h"

struct display_values {             /* strings are borrowed; NULL is "" unless said otherwise */
	const char *cwd;            /* %C */
	const char *admin;          /* %E */
	uint64_t free_bytes;        /* %F in KiB, %f with unit: free in the file system of cwd */
	uint64_t files_in;          /* %i %{total_files_in}: this session's uploads */
	uint64_t files_out;         /* %o %{total_files_out}; %t %{total_files_xfer} is the sum */
	uint64_t bytes_in;          /* %{total_bytes_in} */
	uint64_t bytes_out;         /* %{total_bytes_out}; %K %{total_bytes_xfer} is the sum, %k with unit */
	const char *local_host;     /* %L */
	const char *remote_host;    /* %R */
	const char *user;           /* %U, login name */
	const char *ident;          /* %u, NULL: UNKNOWN */
	const char *server_name;    /* %V */
	unsigned clients;           /* %N */
	unsigned max_clients;       /* %M, 0: unlimited */
	const char *class_name;     /* %x, NULL: (none) */
	unsigned class_clients;     /* %y */
	unsigned max_class_clients; /* %z, 0: unlimited */
	int64_t wall_secs;          /* %T %{time:fmt}: now, since 1970 */
	/* %{env:X}: value (borrowed until the next call) or NULL, then the process's environment is asked. May be NULL. */
	const char *(*env)(void *arg, const char *name);
	void *env_arg;
};

/* Append text with its cookies expanded. Also %{env:X}, %{time:<strftime>} and %%. 0, or -ENOBUFS, -ENOMEM
 * of out: then out holds what fitted. */
int display_expand(struct buf *out, const char *text, const struct display_values *v);

#endif
