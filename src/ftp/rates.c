#include "ftp/rates.h"

#include <stddef.h>

#include "ftp/variant.h"
#include "ipc/rate_table.h"

/* The same server after a reload: its place in the file may be another. */
uint64_t ftp_rate_key(const struct ftp_server *server, uint64_t line)
{
	const struct ftp_conf *conf = &ftp_server_base(server)->scope->conf;
	char text[ADDR_TEXT_MAX];
	uint64_t key = rate_key_bytes(line, &conf->port, sizeof(conf->port));

	for (unsigned i = 0; i < server->n_addrs; i++)
		key = rate_key_text(key, addr_text(&server->addrs[i], text));
	return rate_key_text(key, conf->server_name != NULL ? conf->server_name : "");
}

uint64_t ftp_rate_bucket(
	const struct ftp_server *server, const struct ftp_rate_total *total, const struct ftp_subject *who)
{
	uint64_t key = ftp_rate_key(server, total->key);

	switch (total->kind) {
	case FTP_TOTAL_USER:
		return rate_key_text(key, who->user);
	case FTP_TOTAL_CLASS:
		return rate_key_text(key, who->class_name);
	case FTP_TOTAL_SERVER:
		break;
	}
	return key;
}

static void scope_each(
	const struct ftp_server *server, const struct ftp_scope *scope, ftp_rate_fn *fn, void *arg)
{
	const struct ftp_conf *conf = &scope->conf;

	for (const struct ftp_rate *r = conf->rates; r != NULL; r = (const struct ftp_rate *)r->item.next)
		fn(arg, ftp_rate_key(server, r->key), r->bytes_per_sec);
	for (const struct ftp_rate_total *t = conf->rate_totals; t != NULL;
		t = (const struct ftp_rate_total *)t->item.next)
		fn(arg, ftp_rate_key(server, t->key), t->bytes_per_sec);
}

void ftp_rates_each(const struct ftp_config *config, ftp_rate_fn *fn, void *arg)
{
	for (unsigned i = 0; i < config->n_servers; i++) {
		const struct ftp_server *server = ftp_server_full(config->servers[i]);
		const struct ftp_scope *top = server->scope;

		scope_each(server, top, fn, arg);
		for (const struct ftp_scope *d = top->dirs; d != NULL; d = d->next)
			scope_each(server, d, fn, arg);
		for (const struct ftp_scope *a = top->anons; a != NULL; a = a->next) {
			scope_each(server, a, fn, arg);
			for (const struct ftp_scope *d = a->dirs; d != NULL; d = d->next)
				scope_each(server, d, fn, arg);
		}
	}
}
