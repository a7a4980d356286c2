/* Writing JSON (RFC 8259) into a buffer, member by member. Commas, indentation and escapes are done here;
 * bytes that are not UTF-8 become U+FFFD, so that the output is valid whatever a client has sent. It does not
 * read JSON. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH_MAX 16

struct json {
	struct buf *out; /* kept */
	unsigned indent; /* blanks per level, 0 = everything on one line */
	unsigned depth;
	bool filled[JSON_DEPTH_MAX]; /* something was written at this depth */
	char close[JSON_DEPTH_MAX];
	int error; /* first error of the buffer */
};

void json_init(struct json *j, struct buf *out, unsigned indent);

/* key: name inside an object, NULL inside an array and for the outermost value. All values are appended. */
void json_open_object(struct json *j, const char *key);
void json_open_array(struct json *j, const char *key);
void json_end(struct json *j); /* closes the innermost object or array */
void json_str(struct json *j, const char *key, const char *s);
void json_strn(struct json *j, const char *key, const char *s, size_t n);
void json_u64(struct json *j, const char *key, uint64_t v);
void json_i64(struct json *j, const char *key, int64_t v);
/* Ten significant digits; null for what is no number. */
void json_f64(struct json *j, const char *key, double v);
void json_bool(struct json *j, const char *key, bool v);

/* Everything was closed: 0, or the first error (-ENOBUFS, -ENOMEM), after which the text is not complete. */
int json_finish(struct json *j);

#endif
