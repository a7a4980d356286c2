#include "ipc/codec.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define ADDR_WIRE 22 /* family u32, port u16, 16 bytes of host */

static void *member(void *msg, const struct ipc_field *f)
{
	return (char *)msg + f->offset;
}

static const void *member_const(const void *msg, const struct ipc_field *f)
{
	return (const char *)msg + f->offset;
}

static int put_u32(struct buf *out, uint32_t v)
{
	unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
		(unsigned char)(v >> 24)};

	return buf_append(out, b, sizeof(b));
}

static int put_bytes(struct buf *out, const void *p, size_t n, size_t max)
{
	int r;

	if (n > max)
		return -EMSGSIZE;
	r = put_u32(out, (uint32_t)n);
	return r < 0 ? r : buf_append(out, p, n);
}

static int put_addr(struct buf *out, const struct addr *a)
{
	unsigned char b[ADDR_WIRE] = {0};
	uint16_t port = addr_port(a);

	if (a->sa.sa_family == AF_INET) {
		b[0] = 4;
		memcpy(b + 6, &a->in4.sin_addr, 4);
	} else if (a->sa.sa_family == AF_INET6) {
		b[0] = 6;
		memcpy(b + 6, &a->in6.sin6_addr, 16);
	}
	b[4] = (unsigned char)port;
	b[5] = (unsigned char)(port >> 8);
	return buf_append(out, b, sizeof(b));
}

static int put_ids(struct buf *out, const struct ipc_ids *ids, size_t max)
{
	int r;

	if (ids->n > max || ids->n > IPC_IDS_MAX)
		return -EMSGSIZE;
	r = put_u32(out, (uint32_t)ids->n);
	for (size_t i = 0; r == 0 && i < ids->n; i++)
		r = put_u32(out, ids->v[i]);
	return r;
}

static int put_field(struct buf *out, const struct ipc_field *f, const void *m)
{
	const struct ipc_bytes *bytes;
	const char *s;
	uint64_t v;
	int r;

	switch (f->type) {
	case IPC_U32:
		return put_u32(out, *(const uint32_t *)m);
	case IPC_U64:
		v = *(const uint64_t *)m;
		r = put_u32(out, (uint32_t)v);
		return r < 0 ? r : put_u32(out, (uint32_t)(v >> 32));
	case IPC_BOOL:
		return buf_putc(out, *(const bool *)m ? 1 : 0);
	case IPC_STR:
		s = *(const char *const *)m;
		return put_bytes(out, s != NULL ? s : "", s != NULL ? strlen(s) : 0, f->max);
	case IPC_BYTES:
		bytes = m;
		return put_bytes(out, bytes->data, bytes->len, f->max);
	case IPC_ADDR:
		return put_addr(out, m);
	case IPC_IDS:
		return put_ids(out, m, f->max);
	case IPC_END:
		break;
	}
	return -EINVAL;
}

int ipc_encode(const struct ipc_field *fields, const void *msg, struct buf *out)
{
	size_t before = out->len;
	int r = 0;

	for (; r == 0 && fields->type != IPC_END; fields++)
		r = put_field(out, fields, member_const(msg, fields));
	if (r < 0) /* leave the buffer as it was */
		out->len = before;
	return r;
}

struct reader {
	const unsigned char *p;
	size_t left;
	struct ipc_scratch *scratch;
};

static const unsigned char *take(struct reader *rd, size_t n)
{
	const unsigned char *p = rd->p;

	if (n > rd->left)
		return NULL;
	rd->p += n;
	rd->left -= n;
	return p;
}

static bool take_u32(struct reader *rd, uint32_t *ret_v)
{
	const unsigned char *p = take(rd, 4);

	if (p == NULL)
		return false;
	*ret_v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	return true;
}

static void *scratch_take(struct ipc_scratch *s, size_t n)
{
	void *p = (char *)s->mem + s->used;
	size_t need = (n + 7) / 8 * 8;

	if (need > sizeof(s->mem) - s->used)
		return NULL;
	s->used += need;
	return p;
}

static const void *take_bytes(struct reader *rd, size_t max, size_t *ret_len)
{
	const unsigned char *p;
	uint32_t n;
	char *copy;

	if (!take_u32(rd, &n) || n > max)
		return NULL;
	p = take(rd, n);
	copy = p != NULL ? scratch_take(rd->scratch, (size_t)n + 1) : NULL;
	if (copy == NULL)
		return NULL;
	memcpy(copy, p, n);
	copy[n] = '\0';
	*ret_len = n;
	return copy;
}

static bool take_addr(struct reader *rd, struct addr *ret_a)
{
	const unsigned char *p = take(rd, ADDR_WIRE);

	if (p == NULL || (p[0] != 0 && p[0] != 4 && p[0] != 6))
		return false;
	memset(ret_a, 0, sizeof(*ret_a));
	if (p[0] == 4) {
		ret_a->in4.sin_family = AF_INET;
		memcpy(&ret_a->in4.sin_addr, p + 6, 4);
	} else if (p[0] == 6) {
		ret_a->in6.sin6_family = AF_INET6;
		memcpy(&ret_a->in6.sin6_addr, p + 6, 16);
	}
	addr_set_port(ret_a, (uint16_t)(p[4] | p[5] << 8));
	return true;
}

static bool take_ids(struct reader *rd, size_t max, struct ipc_ids *ret_ids)
{
	uint32_t n, *v;

	if (!take_u32(rd, &n) || n > max || n > IPC_IDS_MAX)
		return false;
	v = scratch_take(rd->scratch, n * sizeof(*v));
	if (v == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (!take_u32(rd, &v[i]))
			return false;
	}
	ret_ids->v = v;
	ret_ids->n = n;
	return true;
}

static bool take_str(struct reader *rd, size_t max, const char **ret_s)
{
	size_t len;
	const char *s = take_bytes(rd, max, &len);

	if (s == NULL || memchr(s, '\0', len) != NULL)
		return false;
	*ret_s = s;
	return true;
}

static bool take_field(struct reader *rd, const struct ipc_field *f, void *m)
{
	struct ipc_bytes *bytes;
	const unsigned char *p;
	uint32_t lo, hi;

	switch (f->type) {
	case IPC_U32:
		return take_u32(rd, m);
	case IPC_U64:
		if (!take_u32(rd, &lo) || !take_u32(rd, &hi))
			return false;
		*(uint64_t *)m = (uint64_t)hi << 32 | lo;
		return true;
	case IPC_BOOL:
		p = take(rd, 1);
		if (p == NULL || *p > 1)
			return false;
		*(bool *)m = *p == 1;
		return true;
	case IPC_STR:
		return take_str(rd, f->max, m);
	case IPC_BYTES:
		bytes = m;
		bytes->data = take_bytes(rd, f->max, &bytes->len);
		return bytes->data != NULL;
	case IPC_ADDR:
		return take_addr(rd, m);
	case IPC_IDS:
		return take_ids(rd, f->max, m);
	case IPC_END:
		break;
	}
	return false;
}

int ipc_decode(
	const struct ipc_field *fields, const void *data, size_t len, struct ipc_scratch *scratch, void *msg)
{
	struct reader rd = {.p = data, .left = len, .scratch = scratch};

	scratch->used = 0;
	for (; fields->type != IPC_END; fields++) {
		if (!take_field(&rd, fields, member(msg, fields)))
			return -WE_SYNTAX;
	}
	return rd.left == 0 ? 0 : -WE_SYNTAX;
}
