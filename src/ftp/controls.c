#include "ftp/controls.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

static const struct {
	const char *name;
	unsigned bit; /* 0: of another server, this one has no such action */
} actions[] = {{"status", FTP_CONTROL_STATUS}, {"kick", FTP_CONTROL_KICK}, {"reload", FTP_CONTROL_RELOAD},
	{"restart", FTP_CONTROL_RELOAD}, {"rates", FTP_CONTROL_RATES}, {"shutdown", FTP_CONTROL_SHUTDOWN},
	{"ban", FTP_CONTROL_BAN}, {"permit", FTP_CONTROL_PERMIT}, {"bans", FTP_CONTROL_BANS},
	{"mmap", FTP_CONTROL_MMAP}, {"tls", FTP_CONTROL_TLS}, {"explain", FTP_CONTROL_EXPLAIN}, {"config", 0},
	{"debug", 0}, {"dns", 0}, {"down", 0}, {"get", 0}, {"help", 0}, {"insctrl", 0}, {"lsctrl", 0},
	{"rmctrl", 0}, {"scoreboard", 0}, {"trace", 0}, {"up", 0}};

static int action_find(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strlen(actions[i].name) == n && strncmp(actions[i].name, name, n) == 0)
			return (int)i;
	return -1;
}

int ftp_controls_actions(const char *list, unsigned all, unsigned *ret_bits, struct err *err)
{
	*ret_bits = 0;
	if (str_eq(list, "all")) {
		*ret_bits = all;
		return 0;
	}
	for (const char *p = list;; p++) {
		size_t n = strcspn(p, ",");
		int i = action_find(p, n);

		if (i < 0)
			return err_set(err, WE_CONFIG, "unknown action '%.*s'", n < 60 ? (int)n : 60, p);
		*ret_bits |= actions[i].bit;
		p += n;
		if (*p == '\0')
			return 0;
	}
}

static bool is_member(const struct ftp_controls_peer *peer, uint32_t gid)
{
	bool is = peer->gid == gid;

	for (size_t i = 0; i < peer->n_groups && !is; i++)
		is = peer->groups[i] == gid;
	return is;
}

static bool matches(const struct ftp_controls_acl *acl, const struct ftp_controls_peer *peer)
{
	for (unsigned i = 0; i < acl->n_ids; i++)
		if (acl->group ? is_member(peer, acl->ids[i]) : peer->uid == acl->ids[i])
			return true;
	return acl->anybody;
}

/* Adds to *allowed and *denied what the lines of a list say. */
static void ask(const struct ftp_controls_acl *acl, unsigned action, const struct ftp_controls_peer *peer,
	bool *allowed, bool *denied)
{
	for (; acl != NULL; acl = (const struct ftp_controls_acl *)acl->item.next)
		if ((acl->actions & action) != 0 && matches(acl, peer))
			*(acl->allow ? allowed : denied) = true;
}

bool ftp_controls_may_connect(const struct ftp_config *c, const struct ftp_controls_peer *peer)
{
	bool allowed = c->controls_socket_acl == NULL, denied = false;

	ask(c->controls_socket_acl, ~0u, peer, &allowed, &denied);
	return allowed && !denied;
}

bool ftp_controls_may_ask(
	const struct ftp_config *c, const struct ftp_controls_peer *peer, const char *action)
{
	int i = action_find(action, strlen(action));
	bool allowed = false, denied = false;

	for (unsigned k = 0; i >= 0 && k < ARRAY_LEN(c->controls_acls); k++)
		ask(c->controls_acls[k], actions[i].bit & (k == 0 ? c->controls_admin_actions : ~0u), peer,
			&allowed, &denied);
	return allowed && !denied;
}
