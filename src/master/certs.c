/* Files of certificates: when one has changed, all are loaded anew, so that new connections get the new certificate; the
 * configuration is not read for it, as somebody may be editing it. What cannot be loaded (a key that does not belong to the certificate yet) leaves everything as it was, and the
 * next change is another try. Also says in the log when a certificate is about to expire.
 *
 * Watched with inotify(7) are the directories: tools that renew certificates replace files, and links to them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "master/master.h"

#define QUIET_MS     5000  /* after the last change: a certificate and its key are two files */
#define QUIET_MAX_MS 30000 /* after the first, however often they change */
#define LOOK_MS      (24 * 3600 * 1000)
#define WARN_DAYS    7

#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR)

struct watched {
	int wd;     /* of the directory */
	char *name; /* of the file in it; NULL = any */
};

struct certs {
	int inotify_fd;
	struct loop_watch watch;
	struct watched *v;
	unsigned n;
	uint64_t first_ms, due_ms; /* of changes that are not acted on yet; 0 = none */
	uint64_t look_ms;          /* when to look at the expiry again */
};

/* --- watching --- */

static void on_inotify(void *arg, uint32_t events)
{
	struct certs *c = arg;
	_Alignas(struct inotify_event) char buf[8192];
	ssize_t n = read(c->inotify_fd, buf, sizeof(buf));
	uint64_t now = clock_ms();
	bool ours = false;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *ev = (const struct inotify_event *)(void *)(buf + at);

		ours = ours || (ev->mask & IN_Q_OVERFLOW) != 0;
		for (unsigned i = 0; i < c->n && ev->len > 0; i++)
			ours = ours || (c->v[i].wd == ev->wd &&
					       (c->v[i].name == NULL || str_eq(c->v[i].name, ev->name)));
		at += (ssize_t)(sizeof(*ev) + ev->len);
	}
	if (!ours)
		return;
	if (c->first_ms == 0)
		c->first_ms = now;
	c->due_ms = min_u64(now + QUIET_MS, c->first_ms + QUIET_MAX_MS);
}

/* Without a watch (a limit, a file system that has none) `wherryctl tls reload` is left. */
static void watch_in(struct certs *c, const char *dir, const char *name)
{
	int wd = inotify_add_watch(c->inotify_fd, dir, EVENTS);

	if (wd < 0) {
		log_debug(&master_the->log, 3, "cannot watch '%s': %s", dir, strerror(errno));
		return;
	}
	c->v = xrealloc(c->v, (c->n + 1) * sizeof(*c->v));
	c->v[c->n++] = (struct watched){.wd = wd, .name = name != NULL ? xstrdup(name) : NULL};
}

static void watch_name(struct certs *c, const char *path)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/'); /* the configuration has absolute paths only */

	if (slash != NULL && slash[1] != '\0') {
		*slash = '\0';
		watch_in(c, slash == dir ? "/" : dir, slash + 1);
	}
	free(dir);
}

/* The name in the configuration, and what it leads to. */
static void watch_file(struct certs *c, const char *path)
{
	char *real = path != NULL ? realpath(path, NULL) : NULL;

	if (path != NULL)
		watch_name(c, path);
	if (real != NULL && !str_eq(real, path))
		watch_name(c, real);
	free(real);
}

static void watch_server(struct certs *c, const struct tls_config *t)
{
	const char *const files[] = {t->rsa_cert, t->rsa_key, t->ec_cert, t->ec_key, t->pkcs12, t->chain,
		t->ca_file, t->crl_file, t->dh_file};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		watch_file(c, files[i]);
	if (t->ca_path != NULL)
		watch_in(c, t->ca_path, NULL);
	if (t->crl_path != NULL)
		watch_in(c, t->crl_path, NULL);
}

void certs_forget(struct master *m)
{
	struct certs *c = m->certs;

	m->certs = NULL;
	if (c == NULL)
		return;
	if (c->inotify_fd >= 0)
		loop_del(&m->loop, &c->watch);
	fd_close(&c->inotify_fd);
	for (unsigned i = 0; i < c->n; i++)
		free(c->v[i].name);
	free(c->v);
	free(c);
}

void certs_watch(struct master *m, const struct ftp_config *config)
{
	struct certs *c;

	certs_forget(m);
	if (!ftp_tls_wanted(config))
		return;
	m->certs = c = xcalloc(1, sizeof(*c));
	c->watch.fd = -1;
	c->look_ms = clock_ms() + LOOK_MS; /* the load has just warned */
	c->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (c->inotify_fd < 0 || loop_add(&m->loop, &c->watch, c->inotify_fd, EPOLLIN, on_inotify, c) < 0) {
		log_notice(&m->log,
			"cannot watch certificate files: %s; after a change 'wherryctl tls reload' is needed",
			strerror(errno));
		fd_close(&c->inotify_fd);
		return;
	}
	for (unsigned i = 0; i < config->n_servers; i++) {
		if (config->servers[i]->tls != NULL)
			watch_server(c, &config->servers[i]->scope->conf.tls);
	}
}

/* --- expiry --- */

int64_t certs_expire(const struct ftp_config *config)
{
	int64_t first = INT64_MAX;

	for (unsigned i = 0; i < config->n_servers; i++) {
		const struct ftp_server *s = config->servers[i];
		int64_t end = s->tls != NULL ? tls_material_expires(s->tls) : INT64_MAX;

		first = end < first ? end : first;
	}
	return first;
}

static void expiry_check(const struct master *m)
{
	const struct ftp_config *config = m->gen->config;

	for (unsigned i = 0; i < config->n_servers; i++) {
		const struct ftp_server *s = config->servers[i];
		int64_t left = s->tls != NULL
				       ? tls_material_expires(s->tls) - (int64_t)(clock_wall_ms() / 1000)
				       : INT64_MAX;

		if (left <= 0)
			log_warn(&m->log, "a certificate of server '%s' has expired",
				s->scope->conf.server_name);
		else if (left < WARN_DAYS * 86400)
			log_warn(&m->log, "a certificate of server '%s' expires in %d days",
				s->scope->conf.server_name, (int)(left / 86400));
	}
}

uint64_t certs_tick(struct master *m, uint64_t now)
{
	struct certs *c = m->certs;
	struct err err = ERR_INIT;

	if (c == NULL)
		return UINT64_MAX;
	if (c->look_ms <= now) {
		expiry_check(m);
		c->look_ms = now + LOOK_MS;
	}
	if (c->first_ms != 0 && c->due_ms <= now) {
		c->first_ms = 0;
		log_notice(&m->log, "certificate files have changed, loading them");
		if (master_renew(m, &err) < 0)
			log_err(&m->log, "%s; the certificates in force stay", err.text);
		c = m->certs; /* another one after that */
	}
	if (c == NULL)
		return UINT64_MAX;
	return c->first_ms != 0 ? min_u64(c->due_ms, c->look_ms) : c->look_ms;
}
