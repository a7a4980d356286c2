#include "ipc/message.h"

#include <limits.h>
#include <string.h>

#define F(kind, type, name, max)                                                                             \
	{                                                                                                    \
		kind, offsetof(type, name), max                                                              \
	}
#define END                                                                                                  \
	{                                                                                                    \
		IPC_END, 0, 0                                                                                \
	}
#define NAME_MAX_BYTES 256
#define LINE_MAX_BYTES 1024
#define PATH_BYTES     (PATH_MAX - 1)

/* Fields of the grant and the handoff, inside a struct at offset base. */
#define GRANT_FIELDS(type, p)                                                                                \
	F(IPC_U32, type, p sid, 0), F(IPC_U32, type, p request, 0), F(IPC_U32, type, p server, 0),           \
		F(IPC_U32, type, p anon, 0), F(IPC_STR, type, p user, NAME_MAX_BYTES),                       \
		F(IPC_STR, type, p sent_user, NAME_MAX_BYTES), F(IPC_STR, type, p email, LINE_MAX_BYTES),    \
		F(IPC_U32, type, p uid, 0), F(IPC_U32, type, p gid, 0),                                      \
		F(IPC_IDS, type, p groups, IPC_IDS_MAX),                                                     \
		F(IPC_STR, type, p group_names, IPC_GROUP_NAMES_MAX), F(IPC_STR, type, p home, PATH_BYTES),  \
		F(IPC_STR, type, p root, PATH_BYTES), F(IPC_STR, type, p chdir, PATH_BYTES),                 \
		F(IPC_STR, type, p class_name, NAME_MAX_BYTES), F(IPC_BYTES, type, p certificate, 32)
#define HANDOFF_FIELDS(type, p)                                                                              \
	F(IPC_U32, type, p sid, 0), F(IPC_U32, type, p generation, 0), F(IPC_BOOL, type, p type_ascii, 0),   \
		F(IPC_BOOL, type, p utf8_on, 0), F(IPC_BOOL, type, p quiet, 0),                              \
		F(IPC_U32, type, p telnet, 0), F(IPC_STR, type, p clnt, LINE_MAX_BYTES),                     \
		F(IPC_STR, type, p client_name, NAME_MAX_BYTES), F(IPC_BYTES, type, p input, 65536),         \
		F(IPC_BOOL, type, p secure, 0), F(IPC_BOOL, type, p prot_private, 0),                        \
		F(IPC_BOOL, type, p by_certificate, 0), F(IPC_STR, type, p tls_env, 8192),                   \
		F(IPC_BYTES, type, p tls_sessions, 24 * 1024), F(IPC_BYTES, type, p tls_peer, 32)

static const struct ipc_field connect_fields[] = {F(IPC_U32, struct ipc_connect, cid, 0),
	F(IPC_ADDR, struct ipc_connect, peer, 0), F(IPC_ADDR, struct ipc_connect, local, 0), END};
static const struct ipc_field disconnect_fields[] = {F(IPC_U32, struct ipc_disconnect, sid, 0), END};
static const struct ipc_field host_fields[] = {
	F(IPC_U32, struct ipc_host, sid, 0), F(IPC_U32, struct ipc_host, server, 0), END};
const struct ipc_field ipc_handoff_fields[] = {HANDOFF_FIELDS(struct ipc_handoff, ), END};
static const struct ipc_field admit_fields[] = {F(IPC_U32, struct ipc_admit, cid, 0),
	F(IPC_U32, struct ipc_admit, sid, 0), F(IPC_U32, struct ipc_admit, verdict, 0),
	F(IPC_STR, struct ipc_admit, text, LINE_MAX_BYTES), END};
static const struct ipc_field login_result_fields[] = {F(IPC_U32, struct ipc_login_result, sid, 0),
	F(IPC_U32, struct ipc_login_result, request, 0), F(IPC_U32, struct ipc_login_result, verdict, 0),
	F(IPC_STR, struct ipc_login_result, text, LINE_MAX_BYTES), END};
static const struct ipc_field auth_request_fields[] = {F(IPC_U32, struct ipc_auth_request, sid, 0),
	F(IPC_U32, struct ipc_auth_request, request, 0), F(IPC_U32, struct ipc_auth_request, server, 0),
	F(IPC_STR, struct ipc_auth_request, user, NAME_MAX_BYTES),
	F(IPC_STR, struct ipc_auth_request, password, 65536), F(IPC_ADDR, struct ipc_auth_request, client, 0),
	F(IPC_ADDR, struct ipc_auth_request, local, 0),
	F(IPC_STR, struct ipc_auth_request, client_name, NAME_MAX_BYTES),
	F(IPC_BYTES, struct ipc_auth_request, certificate, 16 * 1024), END};
static const struct ipc_field auth_failed_fields[] = {F(IPC_U32, struct ipc_auth_failed, sid, 0),
	F(IPC_U32, struct ipc_auth_failed, request, 0), F(IPC_U32, struct ipc_auth_failed, reason, 0), END};
const struct ipc_field ipc_grant_fields[] = {GRANT_FIELDS(struct ipc_grant, ), END};
static const struct ipc_field session_start_fields[] = {GRANT_FIELDS(struct ipc_session_start, grant.),
	HANDOFF_FIELDS(struct ipc_session_start, handoff.), F(IPC_ADDR, struct ipc_session_start, peer, 0),
	F(IPC_ADDR, struct ipc_session_start, local, 0),
	F(IPC_STR, struct ipc_session_start, class_name, NAME_MAX_BYTES),
	F(IPC_U64, struct ipc_session_start, connected_wall_ms, 0), END};
static const struct ipc_field peer_fields[] = {F(IPC_U32, struct ipc_peer, id, 0), END};
static const struct ipc_field name_request_fields[] = {F(IPC_U32, struct ipc_name_request, kind, 0),
	F(IPC_U32, struct ipc_name_request, server, 0), F(IPC_U32, struct ipc_name_request, id, 0),
	F(IPC_STR, struct ipc_name_request, name, NAME_MAX_BYTES), END};
static const struct ipc_field name_reply_fields[] = {F(IPC_BOOL, struct ipc_name_reply, found, 0),
	F(IPC_U32, struct ipc_name_reply, id, 0), F(IPC_STR, struct ipc_name_reply, name, PATH_BYTES), END};
static const struct ipc_field resolve_fields[] = {F(IPC_U32, struct ipc_resolve, sid, 0),
	F(IPC_U32, struct ipc_resolve, server, 0), F(IPC_ADDR, struct ipc_resolve, addr, 0),
	F(IPC_ADDR, struct ipc_resolve, local, 0), F(IPC_BOOL, struct ipc_resolve, name, 0),
	F(IPC_BOOL, struct ipc_resolve, tables, 0), END};
static const struct ipc_field resolved_fields[] = {F(IPC_U32, struct ipc_resolved, sid, 0),
	F(IPC_STR, struct ipc_resolved, name, NAME_MAX_BYTES), F(IPC_BOOL, struct ipc_resolved, refused, 0),
	END};
static const struct ipc_field xfer_claim_fields[] = {F(IPC_U32, struct ipc_xfer_claim, sid, 0),
	F(IPC_U32, struct ipc_xfer_claim, command, 0), F(IPC_U32, struct ipc_xfer_claim, max_user, 0),
	F(IPC_U32, struct ipc_xfer_claim, max_host, 0), END};
static const struct ipc_field xfer_verdict_fields[] = {
	F(IPC_U32, struct ipc_xfer_verdict, sid, 0), F(IPC_U32, struct ipc_xfer_verdict, refused, 0), END};
static const struct ipc_field sid_fields[] = {F(IPC_U32, struct ipc_sid, sid, 0), END};
static const struct ipc_field xfer_report_fields[] = {F(IPC_U32, struct ipc_xfer_report, sid, 0),
	F(IPC_STR, struct ipc_xfer_report, path, PATH_BYTES), F(IPC_U64, struct ipc_xfer_report, bytes, 0),
	F(IPC_U64, struct ipc_xfer_report, duration_ms, 0), F(IPC_BOOL, struct ipc_xfer_report, upload, 0),
	F(IPC_BOOL, struct ipc_xfer_report, complete, 0), END};
static const struct ipc_field rein_fields[] = {F(IPC_U32, struct ipc_rein, sid, 0),
	F(IPC_U32, struct ipc_rein, telnet, 0), F(IPC_BYTES, struct ipc_rein, input, 65536),
	F(IPC_BOOL, struct ipc_rein, auth, 0), F(IPC_BOOL, struct ipc_rein, prot_private, 0), END};
static const struct ipc_field adopt_fields[] = {F(IPC_U32, struct ipc_adopt, sid, 0),
	F(IPC_ADDR, struct ipc_adopt, peer, 0), F(IPC_ADDR, struct ipc_adopt, local, 0),
	F(IPC_U32, struct ipc_adopt, telnet, 0), F(IPC_STR, struct ipc_adopt, client_name, NAME_MAX_BYTES),
	F(IPC_BYTES, struct ipc_adopt, input, 65536), F(IPC_BOOL, struct ipc_adopt, auth, 0),
	F(IPC_BOOL, struct ipc_adopt, prot_private, 0), END};
static const struct ipc_field active_socket_fields[] = {
	F(IPC_U32, struct ipc_active_socket, sid, 0), F(IPC_U32, struct ipc_active_socket, error, 0), END};
static const struct ipc_field kick_fields[] = {
	F(IPC_U32, struct ipc_kick, sid, 0), F(IPC_STR, struct ipc_kick, text, LINE_MAX_BYTES), END};
static const struct ipc_field log_reopen_fields[] = {F(IPC_U32, struct ipc_log_reopen, index, 0), END};
static const struct ipc_field retire_fields[] = {
	F(IPC_BOOL, struct ipc_retire, now, 0), F(IPC_STR, struct ipc_retire, text, LINE_MAX_BYTES), END};

static const struct ipc_field map_used_fields[] = {
	F(IPC_U32, struct ipc_map_used, index, 0), F(IPC_BOOL, struct ipc_map_used, stale, 0), END};
static const struct ipc_field offence_fields[] = {F(IPC_U32, struct ipc_offence, sid, 0),
	F(IPC_U32, struct ipc_offence, event, 0), F(IPC_STR, struct ipc_offence, user, NAME_MAX_BYTES), END};
static const struct ipc_field cert_check_fields[] = {F(IPC_U32, struct ipc_cert_check, sid, 0),
	F(IPC_BYTES, struct ipc_cert_check, certificate, 16 * 1024), END};
static const struct ipc_field cert_status_fields[] = {F(IPC_U32, struct ipc_cert_status, sid, 0),
	F(IPC_U32, struct ipc_cert_status, verdict, 0),
	F(IPC_STR, struct ipc_cert_status, text, IPC_CERT_TEXT_MAX), END};
static const struct ipc_field own_fields[] = {F(IPC_U32, struct ipc_own, sid, 0),
	F(IPC_BOOL, struct ipc_own, user, 0), F(IPC_BOOL, struct ipc_own, group, 0),
	F(IPC_U32, struct ipc_own, uid, 0), F(IPC_U32, struct ipc_own, gid, 0), END};
static const struct ipc_field keys_peer_fields[] = {
	F(IPC_U32, struct ipc_keys_peer, id, 0), F(IPC_BOOL, struct ipc_keys_peer, session, 0), END};
static const struct ipc_field sign_request_fields[] = {F(IPC_U32, struct ipc_sign_request, request, 0),
	F(IPC_U32, struct ipc_sign_request, key, 0), F(IPC_U32, struct ipc_sign_request, kind, 0),
	F(IPC_BYTES, struct ipc_sign_request, input, IPC_SIGN_MAX), END};
static const struct ipc_field sign_reply_fields[] = {F(IPC_U32, struct ipc_sign_reply, request, 0),
	F(IPC_U32, struct ipc_sign_reply, error, 0),
	F(IPC_BYTES, struct ipc_sign_reply, signature, IPC_SIGN_MAX), END};

#define M (1u << IPC_MASTER)
#define L (1u << IPC_LOGIN)
#define A (1u << IPC_AUTH)
#define S (1u << IPC_SESSION)

#define ROW(type, from, to, fd, fields, st)                                                                  \
	[IPC_##type] = {IPC_##type, #type, from, to, fd, fields, sizeof(st)}

static const struct ipc_permit permits[IPC_TYPE_COUNT] = {
	ROW(CONNECT, L, M, IPC_FD_NONE, connect_fields, struct ipc_connect),
	ROW(DISCONNECT, L, M, IPC_FD_NONE, disconnect_fields, struct ipc_disconnect),
	ROW(HOST, L, M, IPC_FD_NONE, host_fields, struct ipc_host),
	ROW(HANDOFF, L, M, IPC_FD_NEEDED, ipc_handoff_fields, struct ipc_handoff),
	ROW(ADMIT, M, L, IPC_FD_NONE, admit_fields, struct ipc_admit),
	ROW(LOGIN_RESULT, M, L, IPC_FD_NONE, login_result_fields, struct ipc_login_result),
	ROW(AUTH_CHANNEL, M, L, IPC_FD_NEEDED, peer_fields, struct ipc_peer),
	ROW(AUTH_REQUEST, L, A, IPC_FD_NONE, auth_request_fields, struct ipc_auth_request),
	ROW(AUTH_FAILED, A, L, IPC_FD_NONE, auth_failed_fields, struct ipc_auth_failed),
	ROW(GRANT, A, M, IPC_FD_NONE, ipc_grant_fields, struct ipc_grant),
	ROW(AUTH_PEER, M, A, IPC_FD_NEEDED, peer_fields, struct ipc_peer),
	ROW(NAMES_PEER, M, A, IPC_FD_NEEDED, peer_fields, struct ipc_peer),
	ROW(NAME_REQUEST, S, A, IPC_FD_NONE, name_request_fields, struct ipc_name_request),
	ROW(NAME_REPLY, A, S, IPC_FD_NONE, name_reply_fields, struct ipc_name_reply),
	ROW(SESSION_START, M, S, IPC_FD_NEEDED, session_start_fields, struct ipc_session_start),
	ROW(XFER_VERDICT, M, S, IPC_FD_NONE, xfer_verdict_fields, struct ipc_xfer_verdict),
	ROW(ACTIVE_SOCKET, M, S, IPC_FD_MAYBE, active_socket_fields, struct ipc_active_socket),
	ROW(KICK, M, S, IPC_FD_NONE, kick_fields, struct ipc_kick),
	ROW(NAMES_CHANNEL, M, S, IPC_FD_NEEDED, peer_fields, struct ipc_peer),
	ROW(SESSION_END, S, M, IPC_FD_NONE, sid_fields, struct ipc_sid),
	ROW(XFER_CLAIM, S, M, IPC_FD_NONE, xfer_claim_fields, struct ipc_xfer_claim),
	ROW(XFER_DONE, S, M, IPC_FD_NONE, sid_fields, struct ipc_sid),
	ROW(ACTIVE_REQUEST, S, M, IPC_FD_NONE, sid_fields, struct ipc_sid),
	ROW(LOG_REOPEN, M, L | A | S, IPC_FD_NEEDED, log_reopen_fields, struct ipc_log_reopen),
	ROW(RETIRE, M, L | A | S, IPC_FD_NONE, retire_fields, struct ipc_retire),
	ROW(XFER_REPORT, S, M, IPC_FD_NONE, xfer_report_fields, struct ipc_xfer_report),
	ROW(RESOLVE, L, A, IPC_FD_NONE, resolve_fields, struct ipc_resolve),
	ROW(RESOLVED, A, L, IPC_FD_NONE, resolved_fields, struct ipc_resolved),
	ROW(REIN, S, M, IPC_FD_NEEDED, rein_fields, struct ipc_rein),
	ROW(ADOPT, M, L, IPC_FD_NEEDED, adopt_fields, struct ipc_adopt),
	ROW(KEYS_PEER, M, A, IPC_FD_NEEDED, keys_peer_fields, struct ipc_keys_peer),
	ROW(KEYS_CHANNEL, M, L | S, IPC_FD_NEEDED, peer_fields, struct ipc_peer),
	ROW(SIGN_REQUEST, L | S, A, IPC_FD_NONE, sign_request_fields, struct ipc_sign_request),
	ROW(CCC, S, M, IPC_FD_NONE, sid_fields, struct ipc_sid),
	ROW(CLEAR, M, L, IPC_FD_NONE, sid_fields, struct ipc_sid),
	ROW(SIGN_REPLY, A, L | S, IPC_FD_NONE, sign_reply_fields, struct ipc_sign_reply),
	ROW(MAP_USED, S, M, IPC_FD_NONE, map_used_fields, struct ipc_map_used),
	ROW(OFFENCE, L | S, M, IPC_FD_NONE, offence_fields, struct ipc_offence),
	ROW(CERT_CHECK, L, M, IPC_FD_NONE, cert_check_fields, struct ipc_cert_check),
	ROW(CERT_STATUS, M, L, IPC_FD_NONE, cert_status_fields, struct ipc_cert_status),
	ROW(OWN, S, M, IPC_FD_NEEDED, own_fields, struct ipc_own),
};

const struct ipc_permit *ipc_permit_find(uint32_t type)
{
	if (type == 0 || type >= IPC_TYPE_COUNT || permits[type].fields == NULL)
		return NULL;
	return &permits[type];
}

unsigned ipc_group_names_most(const char *names)
{
	unsigned n = 1;

	for (const char *p = names; *p != '\0'; p++)
		n += *p == '\n';
	return n;
}

unsigned ipc_group_names(char *names, const char **list)
{
	unsigned n = 0;
	char *name;

	while ((name = strsep(&names, "\n")) != NULL) {
		if (*name != '\0')
			list[n++] = name;
	}
	return n;
}
