#include "session/names.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ipc/chan.h"

enum {
	SETS = 1024,
	WAYS = 4, /* SETS * WAYS numbers are kept of each kind */
	LIFE_MS = 300 * 1000,
	ANSWER_MS = 2000,
	QUIET_MS = 10 * 1000
};

struct cached {
	char *text; /* NULL = empty */
	uint64_t until_ms;
	unsigned server;
	uint32_t id;
};

struct cache {
	enum ipc_name_kind kind;
	struct cached (*sets)[WAYS]; /* allocated with the first name */
};

static struct {
	pthread_mutex_t cache_lock; /* short: users, groups, next */
	struct cache users, groups;
	bool has_next; /* next_fd takes the place of chan before the next question */
	int next_fd;

	pthread_mutex_t ask_lock; /* held while auth is asked: the rest */
	struct ipc_chan chan;     /* fd -1 = none */
	bool answer_pending;      /* the last question was given up, its answer may still come */
	uint64_t quiet_until_ms;
} names = {
	.cache_lock = PTHREAD_MUTEX_INITIALIZER,
	.ask_lock = PTHREAD_MUTEX_INITIALIZER,
	.users.kind = IPC_NAME_OF_UID,
	.groups.kind = IPC_NAME_OF_GID,
	.chan.fd = -1,
};
static struct ipc_scratch scratch; /* with ask_lock held */

/* Take the new channel into use, with ask_lock held. */
static void channel_take(void)
{
	bool has_next;
	int fd;

	pthread_mutex_lock(&names.cache_lock);
	has_next = names.has_next;
	fd = names.next_fd;
	names.has_next = false;
	pthread_mutex_unlock(&names.cache_lock);
	if (!has_next)
		return;
	if (names.chan.fd >= 0)
		ipc_chan_done(&names.chan);
	names.chan.fd = -1;
	if (fd >= 0)
		ipc_chan_init(&names.chan, fd, IPC_SESSION, IPC_AUTH);
	names.answer_pending = false;
	names.quiet_until_ms = 0;
}

void names_set_channel(int fd)
{
	pthread_mutex_lock(&names.cache_lock);
	if (names.has_next)
		fd_close(&names.next_fd);
	names.next_fd = fd;
	names.has_next = true;
	pthread_mutex_unlock(&names.cache_lock);
	if (pthread_mutex_trylock(&names.ask_lock) ==
		0) { /* else who asks now, or the next who asks, takes it */
		channel_take();
		pthread_mutex_unlock(&names.ask_lock);
	}
}

static void channel_lost(void)
{
	ipc_chan_done(&names.chan);
	names.chan.fd = -1;
}

/* Answers carry no number of their question, so one that comes late must be taken off before the next is
 * asked. */
static bool channel_ready(void)
{
	struct ipc_msg msg;
	int r;

	channel_take();
	if (names.chan.fd < 0 || clock_ms() < names.quiet_until_ms)
		return false;
	if (!names.answer_pending)
		return true;
	r = ipc_recv(&names.chan, &scratch, &msg);
	if (r > 0) {
		ipc_msg_done(&msg);
		names.answer_pending = false;
		return true;
	}
	if (r < 0)
		channel_lost();
	else
		names.quiet_until_ms = clock_ms() + QUIET_MS;
	return false;
}

/* Ask auth, with ask_lock held. 0 with *ret_msg (valid until the lock is given back), or -EAGAIN. */
static int ask(const struct ipc_name_request *req, struct ipc_msg *ret_msg)
{
	int r;

	if (!channel_ready())
		return -EAGAIN;
	r = ipc_call(&names.chan, IPC_NAME_REQUEST, req, &scratch, ret_msg, ANSWER_MS);
	if (r == 0) {
		ipc_msg_done(ret_msg);
		if (ret_msg->permit->type == IPC_NAME_REPLY)
			return 0;
		r = -WE_PERMIT;
	}
	if (r == -ETIMEDOUT) {
		names.answer_pending = true;
		names.quiet_until_ms = clock_ms() + QUIET_MS;
	} else if (r != -EMSGSIZE) {
		channel_lost();
	}
	return -EAGAIN;
}

static struct cached *cache_set(const struct cache *c, unsigned server, uint32_t id)
{
	uint32_t h = (id ^ server << 24) * 2654435761u;

	return c->sets[h >> 22];
}

static bool cache_get(struct cache *c, unsigned server, uint32_t id, char *ret_text)
{
	bool found = false;

	pthread_mutex_lock(&names.cache_lock);
	for (unsigned i = 0; c->sets && i < WAYS && !found; i++) {
		const struct cached *e = &cache_set(c, server, id)[i];

		if (!e->text || e->id != id || e->server != server || e->until_ms < clock_ms())
			continue;
		(void)str_copy(ret_text, NAMES_TEXT_SIZE, e->text);
		found = true;
	}
	pthread_mutex_unlock(&names.cache_lock);
	return found;
}

/* Keep a name; without memory it is simply asked for again. */
static void cache_put(struct cache *c, unsigned server, uint32_t id, const char *text)
{
	struct cached *set, *oldest;
	char *copy = strdup(text);

	pthread_mutex_lock(&names.cache_lock);
	if (!c->sets)
		c->sets = calloc(SETS, sizeof *c->sets);
	if (c->sets && copy) {
		set = oldest = cache_set(c, server, id);
		for (unsigned i = 1; i < WAYS; i++)
			if (set[i].until_ms < oldest->until_ms)
				oldest = &set[i];
		free(oldest->text);
		*oldest = (struct cached){copy, clock_ms() + LIFE_MS, server, id};
		copy = NULL;
	}
	pthread_mutex_unlock(&names.cache_lock);
	free(copy);
}

static void name_of(struct cache *c, unsigned server, uint32_t id, char *ret_text)
{
	struct ipc_name_request req = {.kind = c->kind, .server = server, .id = id, .name = ""};
	struct ipc_msg msg;

	if (cache_get(c, server, id, ret_text))
		return;
	(void)snprintf(ret_text, NAMES_TEXT_SIZE, "%u", id);
	pthread_mutex_lock(&names.ask_lock);
	/* Another thread may have asked the same while this one waited. */
	if (!cache_get(c, server, id, ret_text) && ask(&req, &msg) == 0) {
		if (msg.name_reply.found && *msg.name_reply.name)
			(void)str_copy(ret_text, NAMES_TEXT_SIZE, msg.name_reply.name);
		cache_put(c, server, id, ret_text);
	}
	pthread_mutex_unlock(&names.ask_lock);
}

void names_user(unsigned server, uid_t uid, char ret_text[NAMES_TEXT_SIZE])
{
	name_of(&names.users, server, uid, ret_text);
}

void names_group(unsigned server, gid_t gid, char ret_text[NAMES_TEXT_SIZE])
{
	name_of(&names.groups, server, gid, ret_text);
}

const char *names_user_last(struct names_last *last, unsigned server, uid_t uid)
{
	if (!last->known || last->id != uid)
		names_user(server, uid, last->text);
	last->known = true;
	last->id = uid;
	return last->text;
}

const char *names_group_last(struct names_last *last, unsigned server, gid_t gid)
{
	if (!last->known || last->id != gid)
		names_group(server, gid, last->text);
	last->known = true;
	last->id = gid;
	return last->text;
}

int names_gid_of(unsigned server, const char *name, gid_t *ret_gid)
{
	struct ipc_name_request req = {.kind = IPC_GID_OF_NAME, .server = server, .name = name};
	struct ipc_msg msg;
	uint64_t number;
	int r;

	if (str_to_u64(name, &number) == 0) {
		if (number >= (gid_t)-1)
			return -EINVAL;
		*ret_gid = (gid_t)number;
		return 0;
	}
	pthread_mutex_lock(&names.ask_lock);
	r = ask(&req, &msg);
	if (r == 0 && !msg.name_reply.found)
		r = -EINVAL;
	if (r == 0)
		*ret_gid = msg.name_reply.id;
	pthread_mutex_unlock(&names.ask_lock);
	return r;
}

int names_home_of(unsigned server, const char *user, char *ret_path, size_t size)
{
	struct ipc_name_request req = {.kind = IPC_HOME_OF_NAME, .server = server, .name = user};
	struct ipc_msg msg;
	int r;

	pthread_mutex_lock(&names.ask_lock);
	r = ask(&req, &msg);
	if (r == 0 && (!msg.name_reply.found || !*msg.name_reply.name))
		r = -ENOENT;
	if (r == 0)
		(void)str_copy(ret_path, size, msg.name_reply.name);
	pthread_mutex_unlock(&names.ask_lock);
	return r;
}
