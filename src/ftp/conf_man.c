/* Build-time program: wherry.conf(5) from its frame, in which the line @DIRECTIVES@ stands for all
 * directives.
 *
 * Usage: conf_man FRAME > wherry.conf.5 */
#include <stdio.h>

#include "base/str.h"
#include "ftp/report.h"

int main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "r") : NULL;
	char line[1000];
	bool found = false;

	if (in == NULL) {
		fprintf(stderr, "usage: conf_man FRAME > PAGE\n");
		return 1;
	}
	while (fgets(line, sizeof(line), in) != NULL) {
		if (!str_eq(line, "@DIRECTIVES@\n")) {
			fputs(line, stdout);
			continue;
		}
		found = true;
		ftp_directives_man(stdout);
	}
	fclose(in);
	return found && fflush(stdout) == 0 ? 0 : 1;
}
