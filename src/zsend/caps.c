#include <stdatomic.h>

#include "zsend/zsend_priv.h"

/* The library's only state that changes. Bits are only ever set, so relaxed order is enough. */
static _Atomic uint32_t refused;

static const uint32_t compiled = ZS_CAP_COPY
#if defined(ZSEND_LINUX)
				 | ZS_CAP_SENDFILE | ZS_CAP_SPLICE
#elif defined(ZSEND_FREEBSD)
				 | ZS_CAP_SENDFILE | ZS_CAP_BSD
#endif
#ifdef __linux__
				 | ZS_CAP_CACHESTAT | ZS_CAP_NOWAIT
#endif
	;

uint32_t zs_caps(uint32_t *ret_failed)
{
	if (ret_failed != NULL)
		*ret_failed = atomic_load_explicit(&refused, memory_order_relaxed);
	return compiled;
}

void zsend_cap_failed(uint32_t cap)
{
	atomic_fetch_or_explicit(&refused, cap, memory_order_relaxed);
}

bool zsend_cap_usable(uint32_t cap)
{
	return (compiled & cap) != 0 && (atomic_load_explicit(&refused, memory_order_relaxed) & cap) == 0;
}
