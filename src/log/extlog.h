/* ExtendedLog: which commands go to which log in which format. */
#ifndef LOG_EXTLOG_H
#define LOG_EXTLOG_H

#include <stdbool.h>

#include "log/log_syslog.h"
#include "log/logfmt.h"

/* Classes of commands, equal to VERB_LOG_* of ftp/verb.h. EXIT is the end of a session and not part of
 * ALL. */
enum {
	EXTLOG_AUTH = 1,
	EXTLOG_INFO = 2,
	EXTLOG_DIRS = 4,
	EXTLOG_READ = 8,
	EXTLOG_WRITE = 16,
	EXTLOG_MISC = 32,
	EXTLOG_SEC = 64,
	EXTLOG_EXIT = 128,
	EXTLOG_ALL = 127
};

#define EXTLOG_COMMANDS_MAX 64
#define EXTLOG_COMMAND_SIZE 24

struct extlog_mask {
	unsigned classes;
	unsigned n_commands;
	struct {
		char name[EXTLOG_COMMAND_SIZE]; /* upper case */
		bool excluded;                  /* !CMD, else +CMD */
	} command[EXTLOG_COMMANDS_MAX];
};

/* The second word of ExtendedLog: classes and commands separated by ',' (or by the '+' of the next), each
 * with '!' to take it away again: "ALL,!DIRS", "READ,WRITE+SIZE,!MDTM". The last word about something
 * decides; NULL is ALL.
 *   known  is this (upper case, SITE_CHMOD form) a command? NULL: everything is
 * -WE_CONFIG with *err naming the word. */
int extlog_mask_parse(
	const char *text, bool (*known)(const char *command), struct extlog_mask *ret_mask, struct err *err);
/* Does a command of these classes go there? command upper case, SITE commands "SITE_CHMOD" (then "SITE" in
 * a mask means all of them); NULL for the end of a session (classes EXTLOG_EXIT). */
bool extlog_mask_match(const struct extlog_mask *mask, unsigned classes, const char *command);

/* The first word: "syslog:<level>" or a path. *ret_level is the level, or -1 for a path. -WE_CONFIG:
 * unknown level. */
int extlog_target_parse(const char *text, int *ret_level, struct err *err);

/* One ExtendedLog, ready for use; filled by its owner. */
struct extlog {
	int fd;                 /* see log_file.h; -1 = syslog */
	struct log_syslog *sys; /* kept; used when fd is -1, NULL = nowhere */
	int priority;           /* facility | level, for syslog */
	struct extlog_mask mask;
	const struct logfmt *fmt; /* kept */
};

/* Write rec to log if its mask has it: one write() or one datagram. 0 (also when it does not belong there) or
 * -errno. classes and command as extlog_mask_match(). */
int extlog_write(
	const struct extlog *log, unsigned classes, const char *command, const struct log_record *rec);

#endif
