/* Directives about downloads through memory mappings. The work is done in vfs/map.h, vfs/preload.h,
 * master/mapper.c and session/mapped.h. */
#include "ftp/directives.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "vfs/preload.h"

/* --- parse functions --- */

static int mmap_file(struct conf_call *c, void *dst)
{
	struct ftp_mmap_file *f = dst;

	if (c->n_args == 0)
		return err_set(c->err, WE_CONFIG, "missing parameters");
	for (unsigned i = 0; i < c->n_args; i++) {
		if (c->args[i][0] != '/')
			return err_set(c->err, WE_CONFIG, "'%.250s' is not an absolute path", c->args[i]);
		for (unsigned k = 0; k < i; k++) {
			if (str_eq(c->args[k], c->args[i]))
				conf_warn(c->parser, &c->pos, c->row->name,
					"'%.250s' is named already; again", c->args[i]);
		}
	}
	f->paths = c->args;
	f->n_paths = c->n_args;
	return 0;
}

/* "MaxFile=64GB": the size, or NULL when word is another option. */
static const char *size_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncasecmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static int mmap_size(struct conf_call *c, const char *text, uint64_t *ret_bytes)
{
	if (conf_size(text, NULL, ret_bytes) < 0 || *ret_bytes == 0)
		return err_set(c->err, WE_CONFIG, "unable to parse '%.60s' as a size", text);
	return 0;
}

static int mmap_options(struct conf_call *c, void *dst)
{
	static const struct conf_word words[] = {{"HugePages", PRELOAD_HUGE}, {"Lock", PRELOAD_LOCK},
		{"NoValidate", PRELOAD_NO_VALIDATE}, {"Populate", PRELOAD_POPULATE},
		{"Private", PRELOAD_PRIVATE}, {"MaxFile=<size>", 0}, {"MaxTotal=<size>", 0}, {NULL, 0}};
	struct ftp_mmap_options *o = &((struct ftp_conf *)dst)->mmap_options;
	const char *size;
	int r = 0, v;

	*o = (struct ftp_mmap_options){.max_file = FTP_MMAP_MAX_FILE};
	for (unsigned i = 0; i < c->n_args && r == 0; i++) {
		if ((size = size_of(c->args[i], "MaxFile")) != NULL) {
			r = mmap_size(c, size, &o->max_file);
		} else if ((size = size_of(c->args[i], "MaxTotal")) != NULL) {
			r = mmap_size(c, size, &o->max_total);
		} else {
			r = conf_word_value(words, c->args[i], &v, c->err);
			o->flags |= r == 0 ? (unsigned)v : 0;
		}
	}
	return r;
}

/* --- rows --- */

static const struct conf_row rows[] = {
	{.name = "TransferMMapEngine",
		CONF_BOOL(struct ftp_conf, mmap_engine),
		.scope = S_V_G,
		.module = "mod_xfer_mmap.c",
		.dflt = "off",
		.syntax = "on|off",
		.doc = "Whether downloads that are not sent by sendfile(2) are read through a memory mapping "
		       "of "
		       "the file instead of by read(2): with UseSendfile off, encrypted without kernel TLS, "
		       "or "
		       "compressed. See NOTES for what it costs. Files of TransferMMapFile have their "
		       "mapping already, others get one for "
		       "the "
		       "transfer. ASCII transfers, empty files, what is no regular file, and files of "
		       "network "
		       "and user-space file systems that no TransferMMapFile names are read as ever. "
		       "A "
		       "file that is cut while it is sent ends the transfer with 451, never the process. "
		       "Sessions' virtual and resident sizes grow by what they have mapped; that is no "
		       "leak."},
	{.name = "TransferMMapFile",
		CONF_LIST(struct ftp_conf, mmap_files, struct ftp_mmap_file),
		.parse = mmap_file,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G,
		.module = "mod_xfer_mmap.c",
		.syntax = "<path> ...",
		.doc = "Files that the daemon maps when it starts or reads its configuration again, for all "
		       "servers "
		       "that have TransferMMapEngine on. Paths are absolute, as seen from outside any root, "
		       "and "
		       "taken as they are; links are followed once, when the file is mapped. What cannot be "
		       "mapped "
		       "is an error at the start and left out by a reload; empty files are left out. A "
		       "mapping is "
		       "used only for who may open the file by himself, and, unless TransferMMapOptions says "
		       "NoValidate, only while the file is what it was: device, inode, size, time of "
		       "modification "
		       "and of change. When a file changes the daemon maps it anew. \"wherryctl mmap list\" "
		       "shows "
		       "what is mapped and how often it was used."},
	{.name = "TransferMMapOptions",
		.type = CONF_T_CUSTOM,
		.field = CONF_FIELD(struct ftp_conf, mmap_options, struct ftp_mmap_options),
		.parse = mmap_options,
		.min_args = 1,
		.max_args = CONF_ARGS_ANY,
		.scope = S_V_G,
		.module = "mod_xfer_mmap.c",
		.dflt_text = "MaxFile=64GB",
		.syntax = "[Populate] [Lock] [NoValidate] [HugePages] [Private] [MaxFile=<size>] "
			  "[MaxTotal=<size>]",
		.doc = "Populate reads files of TransferMMapFile into memory before the daemon serves, and "
		       "while it reads "
		       "its configuration again. Lock "
		       "keeps "
		       "in memory what was read of them (needs CAP_IPC_LOCK or RLIMIT_MEMLOCK). NoValidate "
		       "serves "
		       "what was mapped until the next reload, whatever has become of the file. HugePages "
		       "asks the "
		       "kernel for large pages. Private makes private mappings, which do not protect from "
		       "changes. Files above MaxFile are not mapped; MaxTotal limits all files of "
		       "TransferMMapFile together, and the windows that one session process has on other "
		       "files. "
		       "Options are those of the server that names the file, or serves it."},
};

const struct conf_table ftp_table_mmap = {rows, ARRAY_LEN(rows), FTP_STORE_CONF};
