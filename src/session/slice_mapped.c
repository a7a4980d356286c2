/* Slices sent straight from a mapping: the kernel copies, and says EFAULT where the file was cut. Connections
 * whose bytes this process reads itself take slice_copy(), which reads mappings under a guard.
 */
#include <errno.h>

#include "session/mapped.h"
#include "session/slice.h"
#include "session/xfer_path.h"

#define PIECE ((size_t)1 << 20) /* bytes of one call: the file's length is asked around each */

/* Send what the mapping has at x->cur. Returns the bytes, 0: x->slice says why, or -EFAULT: cut meanwhile. */
static ssize_t send_span(struct xfer *x)
{
	const void *p;
	ssize_t n = map_span(x->map->map, x->cur, slice_room(x, PIECE), &p);

	if (n < 0) {
		xfer_path_unmapped(x, (int)-n);
		return 0;
	}
	n = n > 0 ? wire_send(&x->wire, p, (size_t)n) : 0;
	if (n == 0)
		x->slice.end = SLICE_EOF;
	else if (n < 0 && n != -EFAULT)
		slice_net(x, (int)-n);
	return n > 0 || n == -EFAULT ? n : 0;
}

static bool mapped_step(struct xfer *x)
{
	ssize_t n = send_span(x);

	if (n == -EFAULT) /* cut between asking and sending: without what is gone it may do */
		n = send_span(x);
	if (n == -EFAULT) /* again, or the disk fails: reading will tell */
		xfer_path_unmapped(x, EFAULT);
	if (n <= 0)
		return false;
	x->slice.net_bytes += (uint64_t)n;
	x->slice.file_bytes += (uint64_t)n;
	if (!map_intact(x->map->map, x->cur + (uint64_t)n)) {
		x->slice.end = SLICE_EOF; /* the last page ended in NUL bytes that are not the file's */
		return false;
	}
	x->cur += (uint64_t)n;
	return true;
}

void slice_mapped(struct xfer *x)
{
	bool more;

	do
		more = mapped_step(x);
	while (more && x->cur < x->end && !slice_full(x));
}
