/* A client's bytes through the Telnet filter and the line reader: the first byte chooses the packet size.
 * The commands must not depend on how the stream was cut, and nothing unusable may come out. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ftp/line.h"
#include "ftp/reply.h"
#include "ftp/telnet.h"
#include "ftp/verb.h"

#define LINE_MAX_BYTES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void command_check(const struct line_cmd *c)
{
	struct buf out;

	if (strlen(c->verb) > LINE_VERB_MAX || strlen(c->arg) != c->arg_len || c->raw_len > LINE_MAX_BYTES ||
		memchr(c->raw, '\n', c->raw_len) != NULL || c->raw[0] == ' ')
		__builtin_trap();
	(void)verb_find(c->verb);
	(void)verb_find_site(c->arg, c->arg_len);
	buf_init(&out, 1024);
	(void)reply_unknown(&out, c);
	(void)reply(&out, 550, "%s: No such file or directory", c->arg);
	(void)reply_path(&out, c->arg, "");
	for (size_t i = 0; i + 1 < out.len; i++) /* an echo never makes a line of its own */
		if (out.data[i] == '\n' && (out.data[i + 1] < '1' || out.data[i + 1] > '5'))
			__builtin_trap();
	buf_done(&out);
}

/* A number that stands for everything that came out. */
static uint64_t run(const uint8_t *data, size_t size, size_t step)
{
	struct telnet t = TELNET_INIT;
	struct line_reader r;
	struct line_cmd c;
	struct buf answers;
	enum line_result what;
	uint64_t sum = 14695981039346656037u;

	line_init(&r, LINE_MAX_BYTES, 0);
	buf_init(&answers, 256);
	while (size > 0) {
		size_t k = size < step ? size : step;

		if (k > line_room(&r))
			k = line_room(&r);
		if (k == 0 || telnet_filter(&t, data, k, line_input(&r), &answers) < 0)
			__builtin_trap();
		data += k;
		size -= k;
		while ((what = line_next(&r, &c)) != LINE_NONE) {
			sum = (sum ^ what) * 1099511628211u;
			if (what != LINE_COMMAND)
				continue;
			command_check(&c);
			for (size_t i = 0; i < c.raw_len; i++)
				sum = (sum ^ (uint8_t)c.raw[i]) * 1099511628211u;
		}
	}
	buf_done(&answers);
	line_done(&r);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (run(data + 1, size - 1, 1) != run(data + 1, size - 1, 1 + data[0] % 61))
		__builtin_trap();
	return 0;
}
