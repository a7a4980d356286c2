/* From the TransferMMapFile of all servers to one list of what master maps. */
#include "ftp/build.h"

#include <errno.h>

#include "base/str.h"
#include "ftp/variant.h"
#include "vfs/preload.h"

struct mapper {
	struct ftp_loader *l;
	const struct conf_tree *tree;
	struct ftp_config *cfg;
	uint64_t total; /* bytes so far */
};

#define ROW "TransferMMapFile"

/* Was the path named before? The servers inherit the directives of <Global>: the same one again says nothing. */
static bool known(struct mapper *m, const char *path, const struct conf_pos *pos)
{
	for (unsigned i = 0; i < m->cfg->n_preloads; i++) {
		const struct ftp_preload *p = &m->cfg->preloads[i];

		if (!str_eq(p->path, path))
			continue;
		if (p->line != pos->line || !str_eq(p->file, pos->file))
			conf_warn(m->tree->parser, pos, ROW, "'%.250s' is named already; again", path);
		return true;
	}
	return false;
}

static uint64_t max_file(const struct ftp_mmap_options *o)
{
	return o->max_file != 0 ? o->max_file : FTP_MMAP_MAX_FILE;
}

/* Can it be mapped, within the limits? If not, that has been said. */
static bool usable(
	struct mapper *m, const char *path, const struct ftp_mmap_options *o, const struct conf_pos *pos)
{
	uint64_t size = 0;
	struct err err = ERR_INIT;
	int r = m->l->opt->files == NULL ? preload_check(path, &size, &err) : 0; /* else nothing to look at */

	if (r == -ENODATA || (r < 0 && m->l->opt->reload))
		conf_warn(m->tree->parser, pos, ROW, "%s, it is not mapped; named", err.text);
	else if (r < 0)
		conf_fail(m->tree->parser, pos, ROW, "%s", err.text);
	else if (size > max_file(o))
		conf_warn(m->tree->parser, pos, ROW,
			"'%.250s' is larger than MaxFile, it is not mapped; named", path);
	else if (o->max_total != 0 && m->total + size > o->max_total)
		conf_warn(m->tree->parser, pos, ROW,
			"'%.250s' would exceed MaxTotal, it is not mapped; named", path);
	else {
		m->total += size;
		return true;
	}
	return false;
}

static void server_add(struct mapper *m, const struct ftp_conf *conf)
{
	const struct ftp_mmap_file *f = conf->mmap_files;

	for (; f != NULL; f = (const struct ftp_mmap_file *)f->item.next) {
		const struct conf_pos pos = {f->item.file, f->item.line};

		for (unsigned i = 0; i < f->n_paths; i++) {
			if (!known(m, f->paths[i], &pos) && usable(m, f->paths[i], &conf->mmap_options, &pos))
				m->cfg->preloads[m->cfg->n_preloads++] = (struct ftp_preload){f->paths[i],
					conf->mmap_options.flags, max_file(&conf->mmap_options),
					conf->mmap_options.max_total, pos.file, pos.line};
		}
	}
}

/* Mapped files that no server would use. */
static void warn_unused(const struct mapper *m)
{
	const struct ftp_preload *p = m->cfg->preloads;
	const struct conf_pos pos = {p->file, p->line};

	for (unsigned i = 0; i < m->cfg->n_servers; i++) {
		if (m->cfg->servers[i]->scope->conf.mmap_engine ||
			ftp_server_full(m->cfg->servers[i])->scope->conf.mmap_engine)
			return;
	}
	conf_warn(m->tree->parser, &pos, ROW,
		"files are mapped but no server has TransferMMapEngine on, nobody uses them; first");
}

int ftp_build_preloads(struct ftp_loader *l, const struct conf_tree *tree, struct ftp_config *cfg)
{
	struct mapper m = {l, tree, cfg, 0};
	unsigned n = 0;

	for (unsigned i = 0; i < cfg->n_servers; i++) {
		const struct ftp_mmap_file *f = cfg->servers[i]->scope->conf.mmap_files;

		for (; f != NULL; f = (const struct ftp_mmap_file *)f->item.next)
			n += f->n_paths;
	}
	if (n == 0)
		return 0;
	cfg->preloads = arena_alloc(l->arena, n * sizeof(*cfg->preloads));
	if (cfg->preloads == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < cfg->n_servers; i++)
		server_add(&m, &cfg->servers[i]->scope->conf);
	if (cfg->n_preloads > 0)
		warn_unused(&m);
	return 0;
}
