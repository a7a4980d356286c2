/* Buffers for bytes on their way, shared by all transfers of the process. Only pool threads borrow them, and
 * only for the time of one slice, so there are never more than pool threads; a session that waits for its
 * client holds none.
 */
#ifndef SESSION_IOBUF_H
#define SESSION_IOBUF_H

#include <stddef.h>

#define IOBUF_SIZE (256 * 1024) /* bytes of one buffer */

char *iobuf_get(void);     /* NULL when memory is out */
void iobuf_put(char *buf); /* NULL is fine */
void iobuf_trim(void);     /* give unused ones back to the system: when no transfer runs */

#endif
