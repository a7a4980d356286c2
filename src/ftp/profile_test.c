#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "ftp/profile.h"

static void profiles_have_names(void **state)
{
	assert_int_equal(ftp_profile_find("none"), 0);
	assert_true((ftp_profile_find("Camera") & FTP_QUIRK_MKD_EXISTS) != 0);
	assert_true((ftp_profile_find("PLC") & FTP_QUIRK_WAITS) != 0);
	assert_true((ftp_profile_find("scanner") & FTP_QUIRK_IGNORE_ASCII) == 0); /* it sends text as well */
	assert_int_equal(ftp_profile_find("mainframe"), FTP_QUIRK_PROBES | FTP_QUIRK_DATASETS);
	assert_int_equal(ftp_profile_find("camer"), -1);
	assert_int_equal(ftp_profile_find(""), -1);
}

static void the_first_line_that_fits_counts(void **state)
{
	struct ftp_profile second = {.quirks = 2}, first = {.item = {.next = &second.item}, .quirks = 1};
	struct ftp_conf conf = {.profiles = NULL};
	struct ftp_subject who = {.authenticated = false};

	assert_int_equal(ftp_quirks(&conf, &who), 0);
	conf.profiles = &first;
	assert_int_equal(ftp_quirks(&conf, &who), 1);
}

static void only_words_about_data_sets_are_taken(void **state)
{
	static const char *const yes[] = {"LRECL=80", "lrecl=80 recfm=FB blksize=27920",
		"FIXRECFM 80 LRECL=80", " PRIMARY=5  TRACKS", "TRAILINGBLANKS", "BLOCKSIZE="},
				 *const no[] = {"", " ", "LREC=80", "LRECLX=80", "80", "FIXRECFM 80 90",
					 "LRECL=80 90", "LRECL=80 FILETYPE=JES", "CHMOD 600 LRECL",
					 "FIXRECFM x", "=LRECL", "LRECL 8x"};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!ftp_profile_datasets(yes[i]))
			fail_msg("'%s' is refused", yes[i]);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (ftp_profile_datasets(no[i]))
			fail_msg("'%s' is taken", no[i]);
}

static void waiting_is_longer_but_not_without_end(void **state)
{
	assert_int_equal(ftp_quirk_wait(0, 1000), 1000);
	assert_int_equal(ftp_quirk_wait(FTP_QUIRK_WAITS, 1000), FTP_PROFILE_WAIT_MS);
	assert_int_equal(ftp_quirk_wait(FTP_QUIRK_WAITS, 0), 0);
	assert_int_equal(ftp_quirk_wait(FTP_QUIRK_WAITS, 2 * FTP_PROFILE_WAIT_MS), 2 * FTP_PROFILE_WAIT_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_have_names),
		cmocka_unit_test(the_first_line_that_fits_counts),
		cmocka_unit_test(only_words_about_data_sets_are_taken),
		cmocka_unit_test(waiting_is_longer_but_not_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
