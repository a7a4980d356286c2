/* Hashes against known ones, and the cache of results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "session/digest_cache.h"

static void assert_digest(enum ftp_digest algorithm, const char *text, size_t step, const char *want)
{
	struct digest *d = digest_new(algorithm);
	size_t len = strlen(text), n;
	char got[DIGEST_TEXT_MAX];

	assert_non_null(d);
	for (size_t at = 0; at < len; at += n) {
		n = len - at < step ? len - at : step;
		assert_int_equal(digest_update(d, text + at, n), 0);
	}
	assert_int_equal(digest_final(d, got), 0);
	assert_string_equal(got, want);
	digest_free(d);
}

/* zlib's check value; RFC 1321 A.5; FIPS 180-4 examples. */
static void hashes_are_those_of_the_standards(void **state)
{
	static const struct {
		enum ftp_digest algorithm;
		const char *text, *want;
	} known[] = {
		{FTP_DIGEST_CRC32, "123456789", "cbf43926"},
		{FTP_DIGEST_CRC32, "", "00000000"},
		{FTP_DIGEST_CRC32, "ab", "9e83486d"},
		{FTP_DIGEST_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
		{FTP_DIGEST_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
		{FTP_DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{FTP_DIGEST_SHA256, "abc",
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{FTP_DIGEST_SHA512, "abc",
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
			"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		assert_digest(known[i].algorithm, known[i].text, 1000, known[i].want);
		assert_digest(known[i].algorithm, known[i].text, 1, known[i].want);
	}
}

static void names_are_found_in_any_case(void **state)
{
	assert_int_equal(ftp_digest_find("sha-256"), FTP_DIGEST_SHA256);
	assert_int_equal(ftp_digest_find("Sha512"), FTP_DIGEST_SHA512);
	assert_int_equal(ftp_digest_find("CRC32"), FTP_DIGEST_CRC32);
	assert_true(ftp_digest_find("") < 0);
	assert_true(ftp_digest_find("SHA-3") < 0);
	for (int d = 0; d < FTP_DIGEST_COUNT; d++)
		assert_int_equal(ftp_digest_find(ftp_digest_name((enum ftp_digest)d)), d);
}

static const struct stat file = {.st_dev = 1,
	.st_ino = 2,
	.st_size = 3,
	.st_mtim = {.tv_sec = 4, .tv_nsec = 5},
	.st_ctim = {.tv_sec = 6, .tv_nsec = 7}};

static bool cached(const struct stat *st, uint64_t start, uint64_t end, enum ftp_digest algorithm)
{
	struct digest_key key = digest_key_of(st, start, end, algorithm);
	char text[DIGEST_TEXT_MAX] = "";
	bool found = digest_cache_find(&key, 1000, 100, text);

	assert_string_equal(text, found ? "0123" : "");
	return found;
}

static void a_result_counts_for_the_same_file_only(void **state)
{
	struct digest_key key = digest_key_of(&file, 0, 3, FTP_DIGEST_MD5);
	struct stat other[7];

	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		other[i] = file;
	other[0].st_dev++;
	other[1].st_ino++;
	other[2].st_size++;
	other[3].st_mtim.tv_sec++;
	other[4].st_mtim.tv_nsec++;
	other[5].st_ctim.tv_sec++;
	other[6].st_ctim.tv_nsec++;
	assert_false(cached(&file, 0, 3, FTP_DIGEST_MD5));
	digest_cache_add(&key, "0123", 10, 100);
	assert_true(cached(&file, 0, 3, FTP_DIGEST_MD5));
	assert_false(cached(&file, 1, 3, FTP_DIGEST_MD5));
	assert_false(cached(&file, 0, 2, FTP_DIGEST_MD5));
	assert_false(cached(&file, 0, 3, FTP_DIGEST_SHA1));
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		assert_false(cached(&other[i], 0, 3, FTP_DIGEST_MD5));
	digest_cache_clear();
	assert_false(cached(&file, 0, 3, FTP_DIGEST_MD5));
}

static void the_cache_is_bounded_in_number_and_time(void **state)
{
	struct digest_key key[4];
	char text[DIGEST_TEXT_MAX];

	for (unsigned i = 0; i < 4; i++) {
		key[i] = digest_key_of(&file, i, 10, FTP_DIGEST_MD5);
		digest_cache_add(&key[i], "0123", 3, 100 + i);
	}
	assert_int_equal(digest_cache_count(), 3);
	assert_false(digest_cache_find(&key[0], 1000, 104, text)); /* the oldest went */
	assert_true(digest_cache_find(&key[1], 1000, 104, text));
	assert_true(digest_cache_find(&key[1], 1000, 1100, text));
	assert_false(digest_cache_find(&key[1], 1000, 1101, text)); /* too old: it is dropped as well */
	assert_int_equal(digest_cache_count(), 2);
	digest_cache_add(&key[2], "4567", 3, 200); /* once more the same */
	assert_int_equal(digest_cache_count(), 2);
	assert_true(digest_cache_find(&key[2], 1000, 1150, text));
	assert_string_equal(text, "4567");
	digest_cache_add(&key[0], "0123", 1, 300); /* of a session that wants fewer */
	assert_int_equal(digest_cache_count(), 1);
	assert_true(digest_cache_find(&key[0], 1000, 300, text));
	digest_cache_clear();
	assert_int_equal(digest_cache_count(), 0);
}

/* A write in the same tick of the clock as the look at the file leaves no trace in its times. */
static void what_has_just_changed_is_not_kept(void **state)
{
	struct stat st = {.st_ctim = {.tv_sec = 100, .tv_nsec = 500000000}};

	assert_false(digest_key_settled(&st, 100500));
	assert_false(digest_key_settled(&st, 100600));
	assert_true(digest_key_settled(&st, 100601));
	st.st_ctim.tv_nsec = 0; /* a file system without parts of a second */
	assert_false(digest_key_settled(&st, 102000));
	assert_true(digest_key_settled(&st, 102001));
	assert_false(digest_key_settled(&st, 99000)); /* the clock was set back */
}

static int prepare(void **state)
{
	digest_prepare();
	digest_prepare();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_those_of_the_standards),
		cmocka_unit_test(names_are_found_in_any_case),
		cmocka_unit_test(a_result_counts_for_the_same_file_only),
		cmocka_unit_test(the_cache_is_bounded_in_number_and_time),
		cmocka_unit_test(what_has_just_changed_is_not_kept),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
