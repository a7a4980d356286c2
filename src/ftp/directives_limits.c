/* Directives that limit how much: clients, commands, transfers, sizes, rates. */
#include "ftp/directives.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ipc/rate_table.h"

/* --- parse functions --- */

/* "n" or "none" (0). */
static int limit_number(struct conf_call *c, const char *s, unsigned *ret_n)
{
	uint64_t v;

	*ret_n = 0;
	if (str_eq_nocase(s, "none"))
		return 0;
	if (str_to_u64(s, &v) < 0 || v == 0 || v > INT32_MAX)
		return err_set(c->err, WE_CONFIG, "'%.60s' is neither a number above 0 nor 'none'", s);
	*ret_n = (unsigned)v;
	return 0;
}

/* "n|none [message]" into the row's field. */
static int max_with_message(struct conf_call *c, void *dst)
{
	struct ftp_max *m = (struct ftp_max *)((char *)dst + c->row->field.offset);

	if (c->n_args > 1)
		m->message = ftp_call_joined(c, 1);
	else
		m->message = c->row->message;
	return limit_number(c, c->args[0], &m->max);
}

static int max_per_class(struct conf_call *c, void *dst)
{
	struct ftp_class_max *m = dst;

	m->class_name = c->args[0];
	m->message = c->n_args > 2 ? ftp_call_joined(c, 2) : c->row->message;
	return limit_number(c, c->args[1], &m->max);
}

static int max_command_rate(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	int r = limit_number(c, c->args[0], &conf->max_command_rate);

	conf->max_command_rate_secs = 1;
	if (r == 0 && c->n_args > 1)
		r = limit_number(c, c->args[1], &conf->max_command_rate_secs);
	if (r == 0 && conf->max_command_rate_secs == 0)
		return err_set(c->err, WE_CONFIG, "the interval must be at least 1 second");
	return r;
}

static int max_transfers(struct conf_call *c, void *dst)
{
	struct ftp_max_xfers *m = dst;
	int r = ftp_call_xfer_commands(c, c->args[0], &m->commands);

	if (r < 0)
		return r;
	m->message = c->n_args > 2 ? ftp_call_joined(c, 2) : c->row->message;
	r = limit_number(c, c->args[1], &m->max);
	if (r == 0 && m->max == 0)
		return err_set(c->err, WE_CONFIG, "the number of transfers must be at least 1");
	return r;
}

/* "*", "<n> <unit>" or "<n><unit>", then an optional selector. */
static int max_size(struct conf_call *c, void *dst)
{
	static const char *const selectors[] = {"user", "group", "class"};
	struct ftp_max_size *m = dst;
	unsigned used = c->n_args > 1 ? 2 : 1;
	int r;

	if (str_eq(c->args[0], "*") && c->n_args == 1) {
		m->bytes = UINT64_MAX;
		return 0;
	}
	for (unsigned i = 0; used == 2 && i < ARRAY_LEN(selectors); i++)
		used -= str_eq_nocase(c->args[1], selectors[i]);
	r = conf_size(c->args[0], used == 2 ? c->args[1] : NULL, &m->bytes);
	if (r < 0 || m->bytes == 0)
		return err_set(c->err, WE_CONFIG,
			r == -EINVAL ? "unable to parse '%.60s %.20s'" : "bad size '%.60s %.20s'", c->args[0],
			used == 2 ? c->args[1] : "");
	return c->n_args > used ? ftp_call_selector(c, used, true, &m->who) : 0;
}

/* "<KiB per second>", and where ret_free is not NULL "[:<free bytes>]". */
static int rate_number(struct conf_call *c, const char *s, uint64_t *ret_bps, uint64_t *ret_free)
{
	const char *colon = ret_free != NULL ? strchr(s, ':') : NULL;
	char number[40], *end;
	double kib;

	str_copy(number, sizeof(number), s);
	if (colon != NULL)
		number[strcspn(number, ":")] = '\0';
	kib = strtod(number, &end);
	if (number[0] == '\0' || strspn(number, "0123456789.") != strlen(number) || *end != '\0' ||
		!isfinite(kib) || (size_t)(end - number) != (colon != NULL ? (size_t)(colon - s) : strlen(s)))
		return err_set(c->err, WE_CONFIG, "'%.60s' is not a rate in KiB per second", s);
	if (kib > 1e12)
		return err_set(c->err, WE_CONFIG, "'%.60s' is too large", s);
	*ret_bps = (uint64_t)(kib * 1024);
	if (kib > 0 && *ret_bps == 0)
		*ret_bps = 1;
	if (colon != NULL && (str_to_u64(colon + 1, ret_free) < 0 || *ret_free > INT64_MAX))
		return err_set(c->err, WE_CONFIG, "'%.60s' is not a number of free bytes", colon + 1);
	return 0;
}

/* What a line is known by after its number has changed: where it stands, its commands, args[2] and on. */
static uint64_t rate_line_key(const struct conf_call *c, unsigned commands)
{
	uint64_t key = rate_key_text(RATE_KEY_INIT, c->row->name);

	for (const struct conf_section *s = c->section; s != NULL; s = s->parent) {
		key = rate_key_bytes(key, &s->kind, sizeof(s->kind));
		for (unsigned i = 0; i < s->n_args; i++)
			key = rate_key_text(key, s->args[i]);
	}
	key = rate_key_bytes(key, &commands, sizeof(commands));
	for (unsigned i = 2; i < c->n_args; i++)
		key = rate_key_text(key, c->args[i]);
	return key;
}

static int transfer_rate(struct conf_call *c, void *dst)
{
	struct ftp_rate *rate = dst;
	int r;

	if (c->n_args == 3)
		return err_set(c->err, WE_CONFIG, "wrong number of parameters");
	r = ftp_call_xfer_commands(c, c->args[0], &rate->commands);
	if (r == 0)
		r = rate_number(c, c->args[1], &rate->bytes_per_sec, &rate->free_bytes);
	if (r == 0 && c->n_args > 2)
		r = ftp_call_selector(c, 2, false, &rate->who);
	rate->key = rate_line_key(c, rate->commands);
	return r;
}

/* The expression is of the kind that shares the rate. */
static int transfer_rate_total(struct conf_call *c, void *dst)
{
	static const struct conf_word kinds[] = {{"user", FTP_TOTAL_USER}, {"class", FTP_TOTAL_CLASS},
		{"server", FTP_TOTAL_SERVER}, {NULL, 0}};
	struct ftp_rate_total *total = dst;
	int kind = 0, r;

	r = ftp_call_xfer_commands(c, c->args[0], &total->commands);
	if (r == 0)
		r = rate_number(c, c->args[1], &total->bytes_per_sec, NULL);
	if (r == 0)
		r = conf_word_value(kinds, c->args[2], &kind, c->err);
	if (r == 0 && kind == FTP_TOTAL_SERVER && c->n_args > 3)
		r = err_set(c->err, WE_CONFIG, "'server' takes no expression");
	if (r == 0 && c->n_args > 3)
		r = ftp_call_selector(c, 2, false, &total->who);
	total->kind = (enum ftp_total_kind)kind;
	total->key = rate_line_key(c, total->commands);
	return r;
}

/* --- rows --- */

#define MAX_ROW(m, text)                                                                                     \
	.type = CONF_T_CUSTOM, .field = CONF_FIELD(struct ftp_conf, m, struct ftp_max),                      \
	.parse = max_with_message, .dflt = "none", .message = text, .min_args = 1,                           \
	.max_args = CONF_ARGS_ANY, .syntax = "<number>|none [\"<message>\"]", .module = "mod_auth.c"

static const struct conf_row rows[] = {
	{.name = "CommandBufferSize",
		CONF_UINT(struct ftp_conf, command_buffer_bytes, unsigned),
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt = "8192",
		.min = "512",
		.max = "524288",
		.unit = "bytes",
		.syntax = "<bytes>",
		.doc = "Longest command line that is taken."},
	{.name = "MaxClients",
		MAX_ROW(max_clients,
			"Sorry, the maximum number of allowed clients (%m) are already connected."),
		.scope = S_V_G_A,
		.doc = "Sessions that may be logged in to the server (or to the <Anonymous>) at the same "
		       "time."},
	{.name = "MaxClientsPerClass",
		CONF_LIST(struct ftp_conf, max_clients_per_class, struct ftp_class_max),
		.parse = max_per_class,
		.min_args = 2,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G,
		.module = "mod_auth.c",
		.dflt_text = "none",
		.message = "Sorry, the maximum number of clients (%m) from your class are already connected.",
		.syntax = "<class> <number>|none [\"<message>\"]",
		.doc = "Sessions of a class that may be logged in at the same time."},
	{.name = "MaxClientsPerHost",
		MAX_ROW(max_clients_per_host,
			"Sorry, the maximum number of clients (%m) from your host are already connected."),
		.scope = S_V_G_A,
		.doc = "Sessions from one address that may be logged in at the same time."},
	{.name = "MaxClientsPerUser",
		MAX_ROW(max_clients_per_user,
			"Sorry, the maximum number of clients (%m) for this user already connected."),
		.scope = S_V_G_A,
		.doc = "Sessions of one user that may be logged in at the same time."},
	{.name = "MaxCommandRate",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, max_command_rate, max_command_rate_secs),
		.parse = max_command_rate,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G,
		.module = "mod_core.c",
		.dflt_text = "none",
		.syntax = "<commands>|none [<seconds>]",
		.doc = "Commands per interval (1 second unless given); more are delayed."},
	{.name = "MaxConnectionsPerHost",
		MAX_ROW(max_connections_per_host, "Sorry, the maximum number of connections (%m) from your "
						  "host are already connected."),
		.scope = S_V_G,
		.doc = "Connections from one address, logged in or not."},
	{.name = "MaxHostsPerUser",
		MAX_ROW(max_hosts_per_user,
			"Sorry, the maximum number of hosts (%m) for this user already connected."),
		.scope = S_V_G_A,
		.doc = "Addresses from which one user may be logged in at the same time."},
	{.name = "MaxRetrieveFileSize",
		CONF_LIST(struct ftp_conf, max_retrieve_size, struct ftp_max_size),
		.parse = max_size,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt_text = "*",
		.syntax = "* | <number> <unit> [user|group|class <expression>]",
		.doc = "Largest file that may be downloaded; units are B KB MB GB TB. The innermost scope "
		       "counts, in it the "
		       "first that fits the user."},
	{.name = "MaxStoreFileSize",
		CONF_LIST(struct ftp_conf, max_store_size, struct ftp_max_size),
		.parse = max_size,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt_text = "*",
		.syntax = "* | <number> <unit> [user|group|class <expression>]",
		.doc = "Largest file that may be uploaded; see MaxRetrieveFileSize."},
	{.name = "MaxTransfersPerHost",
		CONF_LIST(struct ftp_conf, max_transfers_per_host, struct ftp_max_xfers),
		.parse = max_transfers,
		.min_args = 2,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt_text = "none",
		.message = "Sorry, the maximum number of data transfers (%m) from your host are currently "
			   "being used.",
		.syntax = "<commands> <number> [\"<message>\"]",
		.doc = "Transfers at the same time from one address; the commands are out of APPE, RETR, "
		       "STOR, STOU."},
	{.name = "MaxTransfersPerUser",
		CONF_LIST(struct ftp_conf, max_transfers_per_user, struct ftp_max_xfers),
		.parse = max_transfers,
		.min_args = 2,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt_text = "none",
		.message = "Sorry, the maximum number of data transfers (%m) from this user are currently "
			   "being used.",
		.syntax = "<commands> <number> [\"<message>\"]",
		.doc = "Transfers at the same time of one user; the commands are out of APPE, RETR, STOR, "
		       "STOU."},
	{.name = "TransferRate",
		CONF_LIST(struct ftp_conf, rates, struct ftp_rate),
		.parse = transfer_rate,
		.min_args = 2,
		.max_args = 4,
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt_text = "none",
		.syntax = "<commands> <KiB per second>[:<free bytes>] [user|group|class <expression>]",
		.doc = "Speed of one transfer; the commands are out of APPE, RETR, STOR, STOU. The rate may "
		       "have a fraction; 0: no limit. The first free bytes are not slowed down. Of an "
		       "expression "
		       "of users or classes one has to fit, of groups all; !name means all but that one. "
		       "The innermost scope counts, in it the first line that fits. Downloads in the kernel "
		       "stay there, unless TransferOptions says CopyWhenThrottled. With MODE Z the bytes on "
		       "the network count."},
	{.name = "TransferRateTotal",
		CONF_LIST(struct ftp_conf, rate_totals, struct ftp_rate_total),
		.parse = transfer_rate_total,
		.min_args = 3,
		.max_args = 4,
		.scope = S_V_G_A,
		.module = "mod_wherry.c",
		.dflt_text = "none",
		.syntax = "<commands> <KiB per second> user|class|server [<expression>]",
		.doc = "Speed of all transfers together of each user, of each class, or of the virtual "
		       "server, "
		       "in all processes; commands and rate as in TransferRate. With an expression only for "
		       "the users or classes that it names. All lines that fit a transfer hold together, up "
		       "to 8, "
		       "and TransferRate with them; transfers of the same total take turns. A client "
		       "without a class has no class total; anonymous clients are one user. "
		       "A total outlives a reload; "
		       "'wherryctl rates' changes its number while transfers run."},
};

const struct conf_table ftp_table_limits = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
