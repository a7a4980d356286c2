#include "log/extlog.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "log/log_file.h"

static const struct {
	const char *name;
	unsigned classes;
} class_name[] = {
	{"ALL", EXTLOG_ALL},
	{"AUTH", EXTLOG_AUTH},
	{"DIRS", EXTLOG_DIRS},
	{"EXIT", EXTLOG_EXIT},
	{"INFO", EXTLOG_INFO},
	{"MISC", EXTLOG_MISC},
	{"NONE", 0},
	{"READ", EXTLOG_READ},
	{"SEC", EXTLOG_SEC},
	{"WRITE", EXTLOG_WRITE},
};

/* A class word changes the mask: true. false: it is no class. */
static bool apply_class(struct extlog_mask *mask, const char *word, bool excluded)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(class_name); i++) {
		if (!str_eq(class_name[i].name, word))
			continue;
		if (excluded)
			mask->classes &= ~class_name[i].classes;
		else if (class_name[i].classes == 0)
			memset(mask, 0, sizeof(*mask)); /* NONE forgets what was before */
		else
			mask->classes |= class_name[i].classes;
		return true;
	}
	return false;
}

static int apply_command(struct extlog_mask *mask, const char *word, bool excluded, struct err *err)
{
	unsigned i;

	for (i = 0; i < mask->n_commands; i++) {
		if (str_eq(mask->command[i].name, word))
			break;
	}
	if (i == EXTLOG_COMMANDS_MAX)
		return err_set(err, WE_CONFIG, "more than %d commands in the classes of an extended log", i);
	strcpy(mask->command[i].name, word); /* the caller has cut the word to this size */
	mask->command[i].excluded = excluded;
	if (i == mask->n_commands)
		mask->n_commands++;
	return 0;
}

static int apply_word(struct extlog_mask *mask, const char *word, size_t n, bool excluded,
	bool (*known)(const char *command), struct err *err)
{
	char name[EXTLOG_COMMAND_SIZE], safe[64];
	size_t i;

	for (i = 0; i < n && i < sizeof(name) - 1; i++)
		name[i] = ascii_upper(word[i]);
	name[i] = '\0';
	if (n > 0 && i == n) {
		if (apply_class(mask, name, excluded))
			return 0;
		if (known == NULL || known(name))
			return apply_command(mask, name, excluded, err);
	}
	return err_set(err, WE_CONFIG, "'%s' is neither a class nor a command of an extended log",
		str_escape(name, safe, sizeof(safe)));
}

int extlog_mask_parse(
	const char *text, bool (*known)(const char *command), struct extlog_mask *ret_mask, struct err *err)
{
	struct extlog_mask mask = {0};
	int r = 0;

	if (text == NULL)
		text = "ALL";
	while (r == 0) {
		bool excluded = false;
		size_t n;

		while (*text == '+' || *text == '!') {
			excluded = *text == '!';
			text++;
		}
		n = strcspn(text, ",+");
		r = apply_word(&mask, text, n, excluded, known, err);
		text += n;
		if (*text == '\0')
			break;
		if (*text == ',')
			text++;
	}
	if (r == 0)
		*ret_mask = mask;
	return r;
}

/* Does an entry of the mask mean this command? "SITE" and "OPTS" mean all that follow them. */
static bool command_match(const char *entry, const char *command)
{
	size_t n = strlen(entry);

	return strncmp(entry, command, n) == 0 &&
	       (command[n] == '\0' ||
		       (command[n] == '_' && (str_eq(entry, "SITE") || str_eq(entry, "OPTS"))));
}

bool extlog_mask_match(const struct extlog_mask *mask, unsigned classes, const char *command)
{
	const char *best = NULL;
	bool excluded = false;
	unsigned i;

	for (i = 0; command != NULL && i < mask->n_commands; i++) {
		const char *name = mask->command[i].name;

		if (command_match(name, command) && (best == NULL || strlen(name) > strlen(best))) {
			best = name;
			excluded = mask->command[i].excluded;
		}
	}
	return best != NULL ? !excluded : (mask->classes & classes) != 0;
}

int extlog_target_parse(const char *text, int *ret_level, struct err *err)
{
	char safe[64];

	if (!str_starts(text, "syslog:")) {
		*ret_level = -1;
		return 0;
	}
	if (log_level_parse(text + 7, ret_level) < 0)
		return err_set(err, WE_CONFIG, "unknown syslog level '%s'",
			str_escape(text + 7, safe, sizeof(safe)));
	return 0;
}

int extlog_write(
	const struct extlog *log, unsigned classes, const char *command, const struct log_record *rec)
{
	struct buf line;
	int r;

	if (!extlog_mask_match(&log->mask, classes, command))
		return 0;
	buf_init(&line, LOGFMT_LINE_MAX - 1);
	r = logfmt_render(log->fmt, rec, &line);
	line.max++; /* the newline always fits */
	if (r == 0 && log->fd >= 0) {
		r = buf_putc(&line, '\n');
		if (r == 0)
			r = log_file_write(log->fd, line.data, line.len);
	} else if (r == 0 && log->sys != NULL && line.data != NULL) {
		log_syslog_write(log->sys, log->priority, line.data);
	}
	buf_done(&line);
	return r;
}
