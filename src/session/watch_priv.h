/* What watch.c and alarm.c have of a loop: in its data field, from the first watch or alarm to the last. */
#ifndef SESSION_WATCH_PRIV_H
#define SESSION_WATCH_PRIV_H

#include "session/watch.h"

struct loop_parts {
	struct alarms *alarms;   /* alarm.c; NULL = none now */
	struct watches *watches; /* watch.c; the same */
};

struct loop_parts *loop_parts(uv_loop_t *loop); /* made if there are none */
void loop_parts_leave(uv_loop_t *loop);         /* frees them when both have gone */

#endif
