#include "ftp/telnet.h"

enum { /* RFC 854 */
	IP = 244,
	DM = 242,
	WILL = 251,
	WONT = 252,
	DO = 253,
	DONT = 254,
	IAC = 255
};

enum state { IN_DATA, AFTER_IAC, AFTER_WILL, AFTER_DO, STATE_COUNT };

#define PACKED_OFF 0x100u

static void answer(struct buf *answers, unsigned char verb, unsigned char option)
{
	const unsigned char a[3] = {IAC, verb, option};

	(void)buf_append(
		answers, a, sizeof(a)); /* no room: the option is refused silently, which is allowed */
}

/* The byte after IAC. Returns how many bytes of it belong to the data, put into kept. */
static size_t after_iac(struct telnet *t, unsigned char c, unsigned char kept[2])
{
	t->state = IN_DATA;
	switch (c) {
	case IAC:
		kept[0] = IAC;
		return 1;
	case WILL:
	case WONT:
		t->state = AFTER_WILL;
		return 0;
	case DO:
	case DONT:
		t->state = AFTER_DO;
		return 0;
	case IP:
	case DM:
		return 0;
	default:
		kept[0] = IAC;
		kept[1] = c;
		return 2;
	}
}

int telnet_filter(struct telnet *t, const void *in, size_t n, struct buf *out, struct buf *answers)
{
	const unsigned char *p = in, *end = p + n;
	unsigned char kept[2];
	int r = buf_reserve(out, n + 1); /* an IAC of the piece before may come out now */

	if (r < 0)
		return r;
	if (t->off)
		return buf_append(out, in, n);
	for (; p < end; p++) {
		if (t->state == IN_DATA && *p != IAC) {
			(void)buf_putc(out, (char)*p); /* room was reserved */
			continue;
		}
		switch ((enum state)t->state) {
		case IN_DATA:
			t->state = AFTER_IAC;
			break;
		case AFTER_IAC:
			(void)buf_append(out, kept, after_iac(t, *p, kept));
			break;
		case AFTER_WILL:
		case AFTER_DO:
			answer(answers, t->state == AFTER_WILL ? DONT : WONT, *p);
			t->state = IN_DATA;
			break;
		case STATE_COUNT:
			break;
		}
	}
	return 0;
}

void telnet_set_off(struct telnet *t, bool off)
{
	t->off = off;
	t->state = IN_DATA;
}

uint32_t telnet_pack(const struct telnet *t)
{
	return t->state | (t->off ? PACKED_OFF : 0);
}

void telnet_unpack(uint32_t packed, struct telnet *ret_t)
{
	uint32_t state = packed & ~PACKED_OFF;

	ret_t->off = (packed & PACKED_OFF) != 0;
	ret_t->state = state < STATE_COUNT ? (uint8_t)state : IN_DATA;
}
