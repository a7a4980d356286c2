/* Directives about files and their transfer. */
#include "ftp/directives.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* --- parse functions --- */

static int umask_modes(struct conf_call *c, void *dst)
{
	struct ftp_conf *conf = dst;
	unsigned file, dir;

	if (str_to_mode(c->args[0], &file) < 0 || (c->n_args > 1 && str_to_mode(c->args[1], &dir) < 0))
		return err_set(c->err, WE_CONFIG, "'%.60s' is not an octal mode", c->args[c->n_args - 1]);
	if (c->n_args == 1)
		dir = file;
	if (file > 0777 || dir > 0777)
		return err_set(c->err, WE_CONFIG, "a mask above 777 has no meaning");
	conf->umask_file = file;
	conf->umask_dir = dir;
	return 0;
}

/* on | off | prefix [suffix] */
static int hidden_stores(struct conf_call *c, void *dst)
{
	struct ftp_hidden *h = &((struct ftp_conf *)dst)->hidden_stores;
	const char *p = c->args[0];
	size_t n = strlen(p);

	if (strchr(p, '/') != NULL || (c->n_args > 1 && strchr(c->args[1], '/') != NULL))
		return err_set(c->err, WE_CONFIG, "prefix and suffix cannot contain '/'");
	h->on = true;
	h->suffix = c->n_args > 1 ? c->args[1] : ".";
	h->prefix = p;
	if (c->n_args > 1) {
		if (n == 0 && c->args[1][0] == '\0')
			return err_set(c->err, WE_CONFIG, "prefix and suffix cannot both be empty");
		return 0;
	}
	if (conf_bool(p, &h->on) == 0) {
		h->prefix = ".in.";
		return 0;
	}
	if (n == 0)
		return err_set(c->err, WE_CONFIG, "an empty prefix needs a suffix");
	if (n > 1 && p[0] == '.' && p[n - 1] == '.')
		h->suffix = "";
	else
		h->prefix = arena_printf(c->arena, ".%s.", p);
	return h->prefix != NULL ? 0 : err_set(c->err, ENOMEM, "out of memory");
}

static int store_unique_prefix(struct conf_call *c, void *dst)
{
	if (strchr(c->args[0], '/') != NULL)
		return err_set(c->err, WE_CONFIG, "the prefix cannot contain '/'");
	((struct ftp_conf *)dst)->store_unique_prefix = c->args[0];
	return 0;
}

static int percentage(struct conf_call *c, const char *s, struct ftp_sendfile *sf)
{
	char *end;
	double p;

	if (s[0] != '.' && (s[0] < '0' || s[0] > '9')) /* no sign, "inf" or "nan" */
		return err_set(c->err, WE_CONFIG, "bad percentage value '%.60s'", s);
	p = strtod(s, &end);
	if (!str_eq(end, "%") || !isfinite(p) || p > 100 || strpbrk(s, "xX") != NULL)
		return err_set(c->err, WE_CONFIG, "bad percentage value '%.60s'", s);
	sf->kind = p > 0 ? FTP_SENDFILE_PERCENT : FTP_SENDFILE_ON;
	sf->percent = p;
	return 0;
}

/* on | off | p% | n unit */
static int use_sendfile(struct conf_call *c, void *dst)
{
	struct ftp_sendfile *sf = &((struct ftp_conf *)dst)->sendfile;
	const char *s = c->args[0];
	size_t n = strlen(s);
	bool on;
	int r = 0;

	*sf = (struct ftp_sendfile){FTP_SENDFILE_ON, 0, 0};
	if (c->n_args == 1 && conf_bool(s, &on) == 0) {
		sf->kind = on ? FTP_SENDFILE_ON : FTP_SENDFILE_OFF;
		return 0;
	}
	if (c->n_args == 1 && n >= 2 && s[n - 1] == '%') {
		r = percentage(c, s, sf);
	} else if (c->n_args == 2 || (n > 0 && strspn(s, "0123456789") > 0 && strspn(s, "0123456789") < n)) {
		if (conf_size(s, c->n_args == 2 ? c->args[1] : NULL, &sf->bytes) < 0)
			return err_set(c->err, WE_CONFIG, "unable to parse '%.60s%s%.20s' as a size", s,
				c->n_args == 2 ? " " : "", c->n_args == 2 ? c->args[1] : "");
		sf->kind = sf->bytes > 0 ? FTP_SENDFILE_BYTES : FTP_SENDFILE_ON;
	} else {
		return err_set(c->err, WE_CONFIG, "expected Boolean parameter");
	}
	if (r == 0 && sf->kind == FTP_SENDFILE_ON)
		conf_warn(c->parser, &c->pos, c->row->name, "a part of size 0 means 'on'; given");
	return r;
}

static int copy_options(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"NoDeleteOnFailure", 1}, {NULL, 0}};
	int v, r = conf_word_value(words, c->args[0], &v, c->err);

	if (r == 0)
		((struct ftp_conf *)dst)->copy_keep_failed = true;
	return r;
}

static int default_transfer_mode(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"ascii", 1}, {"binary", 0}, {NULL, 0}};
	int v, r = conf_word_value(words, c->args[0], &v, c->err);

	if (r == 0)
		((struct ftp_conf *)dst)->default_transfer_ascii = v;
	return r;
}

static const struct conf_word transfer_words[] = {{"AllowSymlinkUpload", FTP_TRANSFER_SYMLINK_UPLOAD},
	{"CopyWhenThrottled", FTP_TRANSFER_COPY_THROTTLED}, {"IgnoreASCII", FTP_TRANSFER_IGNORE_ASCII},
	{NULL, 0}};

/* --- rows --- */

static const struct conf_row rows[] = {
	{.name = "AllowOverride",
		CONF_BOOL(struct ftp_conf, allow_override),
		.scope = S_V_G_A_D,
		.module = "mod_core.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether .ftpaccess files in served directories are read. Where users can upload, off "
		       "is safer."},
	{.name = "AllowOverwrite",
		CONF_BOOL(struct ftp_conf, allow_overwrite),
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether uploads and renames may replace a file that exists."},
	{.name = "AllowRetrieveRestart",
		CONF_BOOL(struct ftp_conf, allow_retrieve_restart),
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether downloads may begin in the middle (REST)."},
	{.name = "AllowStoreRestart",
		CONF_BOOL(struct ftp_conf, allow_store_restart),
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether uploads may continue or append to a file that exists (REST, APPE)."},
	{.name = "CopyEngine",
		CONF_BOOL(struct ftp_conf, copy_engine),
		.scope = S_V_G,
		.module = "mod_copy.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "on: SITE COPY, and SITE CPFR with SITE CPTO, make copies of files and directories. "
		       "The "
		       "source must be readable and the target writable by the rules of <Limit> (READ, "
		       "WRITE, "
		       "SITE_COPY), and rules against RETR, STOR or MKD count as well; all of it for "
		       "everything "
		       "in a directory. A copy gets the mode of what was copied without the Umask."},
	{.name = "CopyOptions",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, copy_keep_failed, bool),
		.parse = copy_options,
		.min_args = 1,
		.scope = S_V_G,
		.module = "mod_copy.c",
		.dflt_text = "none",
		.syntax = "NoDeleteOnFailure",
		.doc = "NoDeleteOnFailure: what there is of a copy that failed is kept under the name of the "
		       "target, if nothing of that name exists."},
	{.name = "DefaultTransferMode",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, default_transfer_ascii, bool),
		.parse = default_transfer_mode,
		.min_args = 1,
		.scope = S_V_G,
		.module = "mod_xfer.c",
		.dflt = "ascii",
		.syntax = "ascii|binary",
		.doc = "Transfer type until the client sends TYPE."},
	{.name = "DeflateEngine",
		CONF_BOOL(struct ftp_conf, deflate_engine),
		.scope = S_V_G,
		.module = "mod_deflate.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether MODE Z is offered: files and listings travel compressed when the client asks "
		       "for "
		       "it. The kernel cannot send files then. The client chooses the level by OPTS MODE Z "
		       "LEVEL "
		       "0 to 9; without that it is 2."},
	{.name = "DeleteAbortedStores",
		CONF_TRISTATE(struct ftp_conf, delete_aborted_stores, enum ftp_tristate),
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt_text = "off, with HiddenStores on",
		.syntax = "on|off",
		.doc = "Whether what arrived of an upload is removed when it is cut off. A file that was "
		       "there before gets back its "
		       "old length."},
	{.name = "HiddenStores",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, hidden_stores, struct ftp_hidden),
		.parse = hidden_stores,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D,
		.module = "mod_xfer.c",
		.dflt = "off",
		.syntax = "on|off|<prefix> [<suffix>]",
		.doc = "Uploads under a hidden name that becomes the real one at the end. on stands for "
		       ".in.<name>. (with the "
		       "dots); %P in prefix or suffix is the process id."},
	{.name = "SiteMiscEngine",
		CONF_BOOL(struct ftp_conf, site_misc),
		.scope = S_V_G,
		.module = "mod_site_misc.c",
		.dflt = "on",
		.syntax = "on|off",
		.doc = "Whether SITE MKDIR, SITE RMDIR, SITE SYMLINK and SITE UTIME exist."},
	{.name = "StoreUniquePrefix",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, store_unique_prefix, const char *),
		.parse = store_unique_prefix,
		.min_args = 1,
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt = "ftp",
		.syntax = "<prefix>",
		.doc = "How the names begin that STOU makes."},
	{.name = "TransferOptions",
		CONF_FLAGS(struct ftp_conf, transfer_options),
		.words = transfer_words,
		.scope = S_V_G,
		.module = "mod_xfer.c",
		.dflt_text = "none",
		.syntax = "[AllowSymlinkUpload] [CopyWhenThrottled] [IgnoreASCII]",
		.doc = "AllowSymlinkUpload: an upload to a symbolic link goes to its target instead of being "
		       "refused. CopyWhenThrottled: downloads under a TransferRate are copied instead of "
		       "sent by "
		       "the kernel. IgnoreASCII: TYPE A is accepted, but files are sent and stored as they "
		       "are."},
	{.name = "Umask",
		.type = CONF_T_CUSTOM,
		.field = CONF_SPAN(struct ftp_conf, umask_file, umask_dir),
		.parse = umask_modes,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D_F,
		.module = "mod_core.c",
		.dflt = "022",
		.syntax = "<files> [<directories>]",
		.doc = "Permission bits, octal, that new files and directories do not get."},
	{.name = "UseSendfile",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, sendfile, struct ftp_sendfile),
		.parse = use_sendfile,
		.min_args = 1,
		.max_args = 2,
		.scope = S_V_G_A_D_F,
		.module = "mod_xfer.c",
		.dflt = "on",
		.syntax = "on|off|<percent>%|<number> <unit>",
		.doc = "Whether downloads are sent by the kernel without copying, and in parts of what size: "
		       "a share of the whole file (at least 4096 bytes) or a number of B KB MB GB TB. 1, 0% "
		       "and 0 KB "
		       "mean on, 0 means off. Of network and FUSE file systems a part is at most 1 MiB. What "
		       "the "
		       "kernel does not send is copied. With off, uploads are copied through the process "
		       "too."},
};

const struct conf_table ftp_table_files = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
