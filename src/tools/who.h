/* What ftpwho and ftpcount print, written to a buffer. */
#ifndef TOOLS_WHO_H
#define TOOLS_WHO_H

#include "base/buf.h"
#include "base/json.h"
#include "score/score.h"

struct who_style {
	bool verbose, oneline, compat;
	const char *server; /* only sessions of this ServerName; NULL = all */
	uint64_t now_ms;
};

/* Sessions per connection class, in order of first appearance. */
struct who_classes {
	struct {
		char name[SCORE_CLASS_MAX];
		unsigned count;
	} * row;
	size_t count, room;
};
void who_class_add(struct who_classes *c, const char *name);
void who_classes_done(struct who_classes *c);

/* Is the session of the server that is asked for? The name was cut when it was stored. */
bool who_wanted(const struct score_session *s, const char *server);

/* All append to out and return 0 or an error of the buffer. */
int who_head(struct buf *out, const struct score_daemon *d, const struct who_style *style);
int who_session(struct buf *out, const struct score_session *s, const struct who_style *style);
int who_tail(struct buf *out, const struct who_classes *c, const char *nobody);
int who_count_head(struct buf *out, const struct score_daemon *d, const char *server);

/* reader: for the files of TransferMMapFile; NULL = none. */
void who_json_head(struct json *j, const struct score_daemon *d, const struct score_reader *reader);
void who_json_session(struct json *j, const struct score_session *s, uint64_t now_ms);
void who_json_tail(struct json *j);

#endif
