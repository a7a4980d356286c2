/* Which code runs which command.
 *
 * To add one:
 *   1. its row in src/ftp/verb.c: argument, flags, <Limit> groups, help, replies,
 *   2. src/session/cmd/cmd_<verb>.c with its struct session_cmd,
 *   3. a line in the two lists below (SITE subcommands: in session_site_cmds), sorted by verb,
 *   4. the file in src/session/meson.build,
 *   5. a test tests/system/b_cmd_<verb>.py; session_test.c walks all of them through all states by itself.
 */
#include <string.h>

#include "session/cmd/cmd.h"

extern const struct session_cmd session_cmd_avbl, session_cmd_abor, session_cmd_acct, session_cmd_adat,
	session_cmd_allo, session_cmd_appe, session_cmd_auth, session_cmd_ccc, session_cmd_conf,
	session_cmd_enc, session_cmd_mic, session_cmd_pbsz, session_cmd_prot, session_cmd_cdup,
	session_cmd_clnt, session_cmd_cpsv, session_cmd_csid, session_cmd_cwd, session_cmd_dele,
	session_cmd_eprt, session_cmd_epsv, session_cmd_feat, session_cmd_hash, session_cmd_help,
	session_cmd_host, session_cmd_lang, session_cmd_list, session_cmd_md5, session_cmd_mdtm,
	session_cmd_mfct, session_cmd_mff, session_cmd_mfmt, session_cmd_mkd, session_cmd_mlsd,
	session_cmd_mlst, session_cmd_mode, session_cmd_nlst, session_cmd_noop, session_cmd_opts,
	session_cmd_pass, session_cmd_pasv, session_cmd_port, session_cmd_pwd, session_cmd_quit,
	session_cmd_rang, session_cmd_rein, session_cmd_rest, session_cmd_retr, session_cmd_rmd,
	session_cmd_rnfr, session_cmd_rnto, session_cmd_site, session_cmd_size, session_cmd_smnt,
	session_cmd_stat, session_cmd_sscn, session_cmd_stor, session_cmd_stou, session_cmd_stru,
	session_cmd_syst, session_cmd_type, session_cmd_user, session_cmd_xcup, session_cmd_xcwd,
	session_cmd_xmkd, session_cmd_xpwd, session_cmd_xrmd, session_cmd_xcrc, session_cmd_xmd5,
	session_cmd_xsha, session_cmd_xsha1, session_cmd_xsha256, session_cmd_xsha512;
extern const struct session_cmd session_site_chgrp, session_site_chmod, session_site_copy, session_site_cpfr,
	session_site_cpto, session_site_help, session_site_idle, session_site_mkdir, session_site_rmdir,
	session_site_symlink, session_site_umask, session_site_utime;

const struct session_cmd *const session_cmds[] = {
	&session_cmd_abor,
	&session_cmd_acct,
	&session_cmd_adat,
	&session_cmd_allo,
	&session_cmd_appe,
	&session_cmd_auth,
	&session_cmd_avbl,
	&session_cmd_ccc,
	&session_cmd_cdup,
	&session_cmd_clnt,
	&session_cmd_conf,
	&session_cmd_cpsv,
	&session_cmd_csid,
	&session_cmd_cwd,
	&session_cmd_dele,
	&session_cmd_enc,
	&session_cmd_eprt,
	&session_cmd_epsv,
	&session_cmd_feat,
	&session_cmd_hash,
	&session_cmd_help,
	&session_cmd_host,
	&session_cmd_lang,
	&session_cmd_list,
	&session_cmd_md5,
	&session_cmd_mdtm,
	&session_cmd_mfct,
	&session_cmd_mff,
	&session_cmd_mfmt,
	&session_cmd_mic,
	&session_cmd_mkd,
	&session_cmd_mlsd,
	&session_cmd_mlst,
	&session_cmd_mode,
	&session_cmd_nlst,
	&session_cmd_noop,
	&session_cmd_opts,
	&session_cmd_pass,
	&session_cmd_pasv,
	&session_cmd_pbsz,
	&session_cmd_port,
	&session_cmd_prot,
	&session_cmd_pwd,
	&session_cmd_quit,
	&session_cmd_rang,
	&session_cmd_rein,
	&session_cmd_rest,
	&session_cmd_retr,
	&session_cmd_rmd,
	&session_cmd_rnfr,
	&session_cmd_rnto,
	&session_cmd_site,
	&session_cmd_size,
	&session_cmd_smnt,
	&session_cmd_sscn,
	&session_cmd_stat,
	&session_cmd_stor,
	&session_cmd_stou,
	&session_cmd_stru,
	&session_cmd_syst,
	&session_cmd_type,
	&session_cmd_user,
	&session_cmd_xcrc,
	&session_cmd_xcup,
	&session_cmd_xcwd,
	&session_cmd_xmd5,
	&session_cmd_xmkd,
	&session_cmd_xpwd,
	&session_cmd_xrmd,
	&session_cmd_xsha,
	&session_cmd_xsha1,
	&session_cmd_xsha256,
	&session_cmd_xsha512,
	NULL,
};

const struct session_cmd *const session_site_cmds[] = {
	&session_site_chgrp,
	&session_site_chmod,
	&session_site_copy,
	&session_site_cpfr,
	&session_site_cpto,
	&session_site_help,
	&session_site_idle,
	&session_site_mkdir,
	&session_site_rmdir,
	&session_site_symlink,
	&session_site_umask,
	&session_site_utime,
	NULL,
};

const struct session_cmd *session_cmd_find(const char *verb)
{
	for (const struct session_cmd *const *c = session_cmds; *c; c++) {
		if (strcmp((*c)->verb, verb) == 0)
			return *c;
	}
	return NULL;
}
