/* From how many waiting bytes on an upload is worth waking for (SO_RCVLOWAT). Each wake-up costs a turn of the
 * loop and a task for the pool; a client that sends 10 MB a second would else cause thousands of them for a few KiB
 * each. The mark follows the speed of the client: what it sends in LOWAT_SPAN_MS. The end of the stream and a full
 * window always wake. For a client that pauses with less in the socket than the mark there is an alarm, after
 * which there is no mark until its speed is known again. Knows no socket.
 */
#ifndef SESSION_LOWAT_H
#define SESSION_LOWAT_H

#include <stddef.h>
#include <stdint.h>

#define LOWAT_NONE     1               /* any byte wakes, as without the option */
#define LOWAT_MIN      (16 * 1024)     /* less is not worth a mark */
#define LOWAT_MAX      (512 * 1024)    /* more wins nothing: docs/uploads.md */
#define LOWAT_SPAN_MS  ((uint64_t)25)  /* so long after its first byte the mark is reached */
#define LOWAT_ALARM_MS ((uint64_t)200) /* bytes wait no longer than this */

struct lowat {
	int mark;          /* bytes */
	uint64_t since_ms; /* the speed is measured from here on */
	uint64_t taken;    /* bytes since then */
};

void lowat_init(struct lowat *l, uint64_t now_ms); /* also when the alarm came first: the client pauses */
void lowat_take(struct lowat *l, uint64_t bytes);  /* these have come */
/* The socket was emptied. Returns the mark for the wait that begins. */
int lowat_choose(struct lowat *l, uint64_t now_ms);

#endif
