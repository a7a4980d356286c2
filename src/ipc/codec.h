/* Bytes of messages between Wherry's processes. A message is a plain struct described by a table of fields;
 * one encoder and one checked decoder serve all of them.
 *
 * On the wire: the fields in table order; numbers little-endian and fixed width; strings and byte ranges with
 * a u32 length; nothing may follow the last field. The other process may have been taken over by an attacker:
 * every length is checked against the field's maximum and against the bytes that came, strings must not hold
 * NUL, bools must be 0 or 1.
 */
#ifndef IPC_CODEC_H
#define IPC_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"

enum ipc_field_type {
	IPC_END = 0,
	IPC_U32,   /* uint32_t */
	IPC_U64,   /* uint64_t */
	IPC_BOOL,  /* bool */
	IPC_STR,   /* const char *: NUL-terminated, never NULL after decoding */
	IPC_BYTES, /* struct ipc_bytes */
	IPC_ADDR,  /* struct addr; sa_family 0 = none */
	IPC_IDS,   /* struct ipc_ids: list of uint32_t */
};

struct ipc_bytes {
	const void *data;
	size_t len;
};

#define IPC_IDS_MAX 1024
struct ipc_ids {
	const uint32_t *v; /* after decoding: aligned, in the decoder's memory */
	size_t n;
};

struct ipc_field {
	enum ipc_field_type type;
	size_t offset; /* of the member in its struct */
	size_t max;    /* STR, BYTES: bytes without NUL; IDS: elements */
};

/* What receiving needs: the message as it came, which is wiped again, and the bytes that a decoded message's strings and lists
 * live in; one per receiving channel is enough, its content is valid until the next decode. Large, but memory that no message
 * has touched costs nothing: keep it in one place, and not in each thread. */
#define IPC_MSG_MAX                                                                                          \
	(172 * 1024) /* a SESSION_START with everything at its maximum; below the default of wmem_default */
struct ipc_scratch {
	size_t used;
	uint64_t mem[(IPC_MSG_MAX + 16 * 1024) / 8];
	unsigned char packet[IPC_MSG_MAX];
};

/* Append the encoding of *msg to out. -EMSGSIZE when a field is over its maximum, or buf errors. */
int ipc_encode(const struct ipc_field *fields, const void *msg, struct buf *out);
/* Fill *msg from exactly len bytes. 0, or -WE_SYNTAX with *msg undefined. */
int ipc_decode(
	const struct ipc_field *fields, const void *data, size_t len, struct ipc_scratch *scratch, void *msg);

#endif
