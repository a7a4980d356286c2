/* The configuration language: tokenizer, parser and typed directive tables. This layer knows no directive by name:
 * callers bring tables whose rows say everything a person or another program may ask about a directive.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum conf_kind { /* what a section is */
	CONF_KIND_SERVER,
	CONF_KIND_VHOST,
	CONF_KIND_GLOBAL,
	CONF_KIND_ANONYMOUS,
	CONF_KIND_DIRECTORY,
	CONF_KIND_FTPACCESS,
	CONF_KIND_LIMIT,
	CONF_KIND_CLASS,
	CONF_KIND_COUNT
};

#define CONF_IN(kind) (1u << (kind)) /* bit of a kind in conf_directive.contexts */
#define CONF_S        CONF_IN(CONF_KIND_SERVER)
#define CONF_V        CONF_IN(CONF_KIND_VHOST)
#define CONF_G        CONF_IN(CONF_KIND_GLOBAL)
#define CONF_A        CONF_IN(CONF_KIND_ANONYMOUS)
#define CONF_D        CONF_IN(CONF_KIND_DIRECTORY)
#define CONF_F        CONF_IN(CONF_KIND_FTPACCESS)
#define CONF_L        CONF_IN(CONF_KIND_LIMIT)
#define CONF_C        CONF_IN(CONF_KIND_CLASS)

#endif
