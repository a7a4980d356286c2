/* Feeds files to a fuzz target once, without a fuzzer: how `make test` replays the corpus with any compiler.
 * Arguments are files or folders (not searched below). Fails if there is nothing to feed, because a corpus
 * that went missing would look like success. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned fed;

static int feed_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	int ok = 0;

	/* Exactly as long as the file, so that a sanitizer sees a read past the end. */
	if (f != NULL)
		data = malloc(size != 0 ? size : 1);
	if (data != NULL && fread(data, 1, size, f) == size) {
		LLVMFuzzerTestOneInput(data, size);
		fed++;
		ok = 1;
	}
	free(data);
	if (f != NULL)
		fclose(f);
	if (!ok)
		fprintf(stderr, "cannot read %s\n", path);
	return ok;
}

static int feed(const char *path, int depth)
{
	struct dirent *entry;
	struct stat st;
	char below[4096];
	DIR *dir;
	int ok = 1;

	if (stat(path, &st) < 0) {
		perror(path);
		return 0;
	}
	if (S_ISREG(st.st_mode))
		return feed_file(path, (size_t)st.st_size);
	if (!S_ISDIR(st.st_mode) || depth > 0)
		return 1;
	dir = opendir(path);
	if (dir == NULL) {
		perror(path);
		return 0;
	}
	while (ok && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		ok = feed(below, depth + 1);
	}
	closedir(dir);
	return ok;
}

int main(int argc, char **argv)
{
	int i, ok = 1;

	for (i = 1; i < argc; i++)
		ok &= feed(argv[i], 0);
	printf("%u inputs replayed\n", fed);
	return ok && fed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
