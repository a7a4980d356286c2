/* Descriptor watches and timers of the loop that may be freed at any moment, also from inside their own
 * callback: after watch_free() or alarm_free() the callback is not called any more. All watches of a loop share one
 * handle of it, all alarms another one, which are closed with the last of them. The loop's data field is theirs.
 */
#ifndef SESSION_WATCH_H
#define SESSION_WATCH_H

#include <stdint.h>
#include <uv.h>

struct watch;
struct alarm;

/* events: UV_READABLE | UV_WRITABLE | UV_DISCONNECT | UV_PRIORITIZED as they came; after an error of the
 * descriptor all that were asked for, so that the next read or write shows it. */
typedef void watch_fn(void *arg, int events);
typedef void alarm_fn(void *arg);

/* Watch fd (borrowed, non-blocking: free the watch before closing it) for nothing yet; costs nothing until it is
 * watched for something. Where the kernel refuses that, fd is looked at fifty times a second. */
struct watch *watch_new(uv_loop_t *loop, int fd, watch_fn *fn, void *arg); /* never NULL */
void watch_set(struct watch *w, int events);                               /* 0 = nothing; NULL is fine */
void watch_free(struct watch **w); /* NULL inside is fine; sets NULL */

struct alarm *alarm_new(uv_loop_t *loop, alarm_fn *fn, void *arg); /* never NULL */
void alarm_set(struct alarm *a, uint64_t ms); /* once, from now; replaces an earlier setting */
/* As alarm_set(), but at the multiple of grid_ms (0 = none) of the loop's time before that, where other such alarms
 * have theirs, so that one turn serves many. At least one millisecond from now. */
void alarm_set_near(struct alarm *a, uint64_t ms, uint64_t grid_ms);
void alarm_stop(struct alarm *a); /* NULL is fine */
void alarm_free(struct alarm **a);

#endif
