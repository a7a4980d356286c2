/* Text cut and padded by terminal cells, in the character set of the locale. */
#ifndef TOOLS_CELLS_H
#define TOOLS_CELLS_H

#include <stdbool.h>

#include "base/buf.h"

/* Append the beginning of text that fits into width cells. pad: fill up with blanks to exactly width.
 * Characters that the locale does not have, and those without a width, become '?'. Returns 0 or an error
 * of the buffer. */
int cells_put(struct buf *out, const char *text, int width, bool pad);

#endif
