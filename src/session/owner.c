#include "session/owner.h"

#include "session/proc.h"
#include "session/session_priv.h"

bool owner_wanted(const struct ftp_conf *conf)
{
	return conf->user_owner.set || conf->group_owner.set;
}

void owner_give(struct session *s, const struct ftp_owner *user, const struct ftp_owner *group, int fd)
{
	struct ipc_own m = {
		.sid = s->sid, .user = user->set, .group = group->set, .uid = user->id, .gid = group->id};

	proc_send_fd(s->proc, IPC_OWN, &m, fd);
}
