#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/str.h"
#include "ftp/directives.h"
#include "ftp/report.h"

static void the_tables_are_sorted_documented_and_sane(void **state)
{
	struct err err = ERR_INIT;

	if (conf_tables_check(&ftp_language, &err) < 0)
		fail_msg("%s", err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_are_sorted_documented_and_sane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
