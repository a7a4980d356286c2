/* Bans: who did something too often is not let in for a time. */
#include "ftp/directives.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ipc/message.h"

static const struct conf_word events[] = {{"AnonRejectPasswords", FTP_BAN_ANON_REJECT_PASSWORDS},
	{"BadProtocol", FTP_BAN_BAD_PROTOCOL}, {"ClientConnectRate", FTP_BAN_CONNECT_RATE},
	{"EmptyPassword", FTP_BAN_EMPTY_PASSWORD}, {"LoginRate", FTP_BAN_LOGIN_RATE},
	{"MaxClientsPerClass", FTP_BAN_MAX_CLIENTS_PER_CLASS},
	{"MaxClientsPerHost", FTP_BAN_MAX_CLIENTS_PER_HOST},
	{"MaxClientsPerUser", FTP_BAN_MAX_CLIENTS_PER_USER}, {"MaxCommandRate", FTP_BAN_MAX_COMMAND_RATE},
	{"MaxConnectionsPerHost", FTP_BAN_MAX_CONNECTIONS_PER_HOST},
	{"MaxHostsPerUser", FTP_BAN_MAX_HOSTS_PER_USER}, {"MaxLoginAttempts", FTP_BAN_MAX_LOGIN_ATTEMPTS},
	{"MaxLoginAttemptsFromUser", FTP_BAN_MAX_LOGIN_ATTEMPTS_FROM_USER}, {"RootLogin", FTP_BAN_ROOT_LOGIN},
	{"TimeoutIdle", FTP_BAN_TIMEOUT_IDLE}, {"TimeoutLogin", FTP_BAN_TIMEOUT_LOGIN},
	{"TimeoutNoTransfer", FTP_BAN_TIMEOUT_NO_TRANSFER}, {"TLSHandshake", FTP_BAN_TLS_HANDSHAKE},
	{"UnhandledCommand", FTP_BAN_UNHANDLED_COMMAND}, {NULL, 0}};

unsigned ftp_ban_tellers(enum ftp_ban_event event)
{
	switch (event) {
	case FTP_BAN_BAD_PROTOCOL:
	case FTP_BAN_MAX_LOGIN_ATTEMPTS:
	case FTP_BAN_MAX_LOGIN_ATTEMPTS_FROM_USER:
	case FTP_BAN_ANON_REJECT_PASSWORDS:
	case FTP_BAN_EMPTY_PASSWORD:
	case FTP_BAN_ROOT_LOGIN:
	case FTP_BAN_TIMEOUT_LOGIN:
	case FTP_BAN_TLS_HANDSHAKE:
		return 1u << IPC_LOGIN;
	case FTP_BAN_UNHANDLED_COMMAND:
		return 1u << IPC_LOGIN | 1u << IPC_SESSION;
	case FTP_BAN_MAX_COMMAND_RATE:
	case FTP_BAN_TIMEOUT_IDLE:
	case FTP_BAN_TIMEOUT_NO_TRANSFER:
		return 1u << IPC_SESSION;
	default:
		return 0;
	}
}

bool ftp_ban_counts(const struct ftp_conf *conf, enum ftp_ban_event event)
{
	const struct ftp_ban_rule *rule = conf->ban_rules;

	while (rule != NULL && rule->event != event)
		rule = (const struct ftp_ban_rule *)rule->item.next;
	return conf->ban_engine && rule != NULL;
}

/* <event> <count>/<interval> <expiry> [<message>] */
static int ban_on_event(struct conf_call *c, void *dst)
{
	struct ftp_ban_rule *rule = dst;
	char *slash = strchr(c->args[1], '/');
	uint64_t count = 0;
	int event, r = conf_word_value(events, c->args[0], &event, c->err);

	if (r < 0)
		return r;
	rule->event = (enum ftp_ban_event)event;
	rule->name = c->args[0];
	if (slash != NULL) {
		char *n = arena_strndup(c->arena, c->args[1], (size_t)(slash - c->args[1]));

		if (n == NULL)
			return err_set(c->err, ENOMEM, "out of memory");
		r = str_to_u64(n, &count);
	}
	if (slash == NULL || r < 0 || count == 0 || count > UINT_MAX ||
		conf_duration(slash + 1, &rule->interval_ms) < 0 || rule->interval_ms == 0)
		return err_set(c->err, WE_CONFIG, "'%.60s' is no <number>/<interval>", c->args[1]);
	rule->count = (unsigned)count;
	if (conf_duration(c->args[2], &rule->expiry_ms) < 0 || rule->expiry_ms == 0)
		return err_set(c->err, WE_CONFIG, "'%.60s' is no time that a ban lasts", c->args[2]);
	rule->message = c->n_args > 3 ? c->args[3] : NULL;
	return 0;
}

static const struct conf_row rows[] = {
	{.name = "BanEngine",
		CONF_BOOL(struct ftp_conf, ban_engine),
		.scope = S_V_G,
		.module = "mod_ban.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether BanOnEvent counts. Bans of wherryctl hold in any case."},
	{.name = "BanMessage",
		CONF_STRING(struct ftp_conf, ban_message),
		.scope = CONF_S | CONF_G,
		.module = "mod_ban.c",
		.dflt_text = "Access denied",
		.syntax = "<text>",
		.doc = "What banned clients are told with 530; %a is the address, %c the class, %u the "
		       "user."},
	{.name = "BanOnEvent",
		CONF_LIST(struct ftp_conf, ban_rules, struct ftp_ban_rule),
		.parse = ban_on_event,
		.min_args = 3,
		.max_args = 4,
		.scope = CONF_S | CONF_G,
		.module = "mod_ban.c",
		.syntax = "<event> <number>/<interval> <expiry> [<message>]",
		.doc = "Ban who causes an event that many times in the interval (hh:mm:ss or seconds), for "
		       "the time of expiry. Events that ban the address of the client: "
		       "AnonRejectPasswords, BadProtocol, ClientConnectRate, EmptyPassword, "
		       "MaxClientsPerHost, MaxCommandRate, MaxConnectionsPerHost, MaxLoginAttempts, "
		       "RootLogin, TimeoutIdle, TimeoutLogin, TimeoutNoTransfer, TLSHandshake (one that "
		       "fails), UnhandledCommand (one that is not known); the user: LoginRate, "
		       "MaxClientsPerUser, MaxHostsPerUser, MaxLoginAttemptsFromUser (each login that "
		       "fails, from any address: anybody can lock the user out this way); the class: "
		       "MaxClientsPerClass. Who is banned cannot connect (user: log in). Bans are in "
		       "memory: a reload keeps them, a restart forgets them. wherryctl shows, makes and "
		       "lifts them."},
};

const struct conf_table ftp_table_ban = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
