/* Bytes that a process in an attacker's hands may put into a message: first four bytes choose the type. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ipc/chan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ipc_scratch scratch;
	const struct ipc_permit *permit;
	struct ipc_msg m;
	struct buf again;

	if (size < 1)
		return 0;
	permit = ipc_permit_find(data[0] % IPC_TYPE_COUNT);
	if (permit == NULL)
		return 0;
	if (ipc_decode(permit->fields, data + 1, size - 1, &scratch, &m.connect) < 0)
		return 0;
	buf_init(&again, IPC_MSG_MAX);
	if (ipc_encode(permit->fields, &m.connect, &again) != 0 || again.len != size - 1)
		__builtin_trap(); /* what was accepted must be encodable, to the same length */
	buf_done(&again);
	return 0;
}
