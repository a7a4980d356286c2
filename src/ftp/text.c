#include "ftp/text.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "wherry_config.h"

int text_expand(struct buf *out, const char *fmt, const struct text_vars *vars)
{
	int r = 0;

	while (*fmt != '\0' && r == 0) {
		size_t plain = strcspn(fmt, "%");

		r = buf_append(out, fmt, plain);
		fmt += plain;
		if (*fmt == '\0' || r < 0)
			break;
		fmt += 2;
		switch (fmt[-1]) {
		case 'm':
			r = buf_printf(out, "%u", vars->max);
			break;
		case 'u':
			r = buf_puts(out, vars->user != NULL ? vars->user : "");
			break;
		case '%':
			r = buf_putc(out, '%');
			break;
		default: /* a lone % stays; what follows it is looked at as usual */
			r = buf_putc(out, '%');
			fmt--;
		}
	}
	return r;
}

/* ServerIdent's own text: %L local address, %V host name, %v ServerName, %{version}. */
static int ident_expand(struct buf *out, const char *fmt, const struct ftp_server *server, const char *local)
{
	static const char version[] = "%{version}";
	int r = 0;

	while (*fmt != '\0' && r == 0) {
		size_t plain = strcspn(fmt, "%");

		r = buf_append(out, fmt, plain);
		fmt += plain;
		if (*fmt == '\0' || r < 0)
			break;
		if (str_starts(fmt, version)) {
			r = buf_puts(out, TEXT_PRODUCT " " WHERRY_VERSION);
			fmt += sizeof(version) - 1;
			continue;
		}
		fmt += 2;
		switch (fmt[-1]) {
		case 'L':
			r = buf_puts(out, local);
			break;
		case 'V':
			r = buf_puts(out, server->fqdn != NULL ? server->fqdn : local);
			break;
		case 'v':
			r = buf_puts(out, server->scope->conf.server_name);
			break;
		case '%':
			r = buf_putc(out, '%');
			break;
		default:
			r = buf_putc(out, '%');
			fmt--;
		}
	}
	return r;
}

int text_banner(struct buf *out, const struct ftp_server *server, const struct addr *local)
{
	const struct ftp_conf *conf = &server->scope->conf;
	char addr[ADDR_TEXT_MAX];

	addr_text(local, addr);
	if (!conf->ident_on || conf->defer_welcome)
		return buf_printf(out, "%s FTP server ready", addr);
	if (conf->ident_text != NULL)
		return ident_expand(out, conf->ident_text, server, addr);
	return buf_printf(out, TEXT_PRODUCT " Server (%s) [%s]", conf->server_name, addr);
}

bool text_lang_known(const char *tag)
{
	return str_eq_nocase(tag, TEXT_LANG_DEFAULT) || str_eq_nocase(tag, "en");
}

/* What the aliases make of a name: an exact alias, else "*", else NULL. */
static const char *alias_find(const struct ftp_alias *list, const char *name)
{
	const char *any = NULL;

	for (const struct ftp_item *i = list != NULL ? &list->item : NULL; i != NULL; i = i->next) {
		const struct ftp_alias *alias = CONTAINER_OF(i, struct ftp_alias, item);

		if (str_eq(alias->alias, name))
			return alias->user;
		if (any == NULL && str_eq(alias->alias, "*"))
			any = alias->user;
	}
	return any;
}

const char *ftp_alias_resolve(const struct ftp_conf *conf, const char *name)
{
	const char *real = alias_find(conf->aliases, name);

	if (real != NULL)
		return real;
	return conf->auth_alias_only ? NULL : name;
}

const struct ftp_scope *ftp_anon_find(
	const struct ftp_server *server, const char *name, unsigned *ret_index, const char **ret_user)
{
	unsigned index = 0;

	for (const struct ftp_scope *a = server->scope->anons; a != NULL; a = a->next) {
		const char *real = ftp_alias_resolve(&a->conf, name);

		index++;
		if (real == NULL || a->conf.user == NULL || !str_eq(real, a->conf.user) ||
			(str_eq(real, "root") && !a->conf.root_login))
			continue;
		if (ret_index != NULL)
			*ret_index = a->number != 0 ? a->number : index;
		if (ret_user != NULL)
			*ret_user = a->conf.user;
		return a;
	}
	return NULL;
}
