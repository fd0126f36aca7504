#include "tests/unit/testing.h"

#include <errno.h>
#include <stdatomic.h>
#include <xxhash.h>

#include "server/record.h"

static struct pool *pool;

static int set_up(void **state)
{
	struct pool_options options = {.length = FAR_POOL_MIN, .hugepages = POOL_HUGEPAGES_NEVER};
	char reason[256];

	(void)state;
	return pool_open(&options, &pool, reason);
}

static int tear_down(void **state)
{
	(void)state;
	pool_close(pool);
	return 0;
}

static void test_record_by_id__finds_live_ones_and_refuses_all_else(void **state)
{
	uint64_t offset = record_new(pool, 1, (struct far_span){"a", 1}, 0);
	struct far_record *record = record_at(pool, offset);
	uint64_t id = record->id;

	(void)state;
	assert_null(record_by_id(pool, id)); // not published yet
	record_publish(record, FAR_RECORD_LIVE);
	assert_ptr_equal(record_by_id(pool, id), record);
	record_publish(record, FAR_RECORD_ORPHAN);
	assert_ptr_equal(record_by_id(pool, id), record);
	assert_null(record_by_id(pool, id + 1));
	assert_null(record_by_id(pool, 0));
	assert_null(record_by_id(pool, UINT64_MAX));
	assert_null(record_by_id(pool, id + (1ULL << FAR_ID_POSITION_BITS)));
	record_publish(record, FAR_RECORD_FREE);
	assert_null(record_by_id(pool, id));
}

static void test_record_new__reused_memory_gets_another_id_and_a_later_word(void **state)
{
	uint64_t offset = record_new(pool, 1, (struct far_span){"a", 1}, 0);
	struct far_record *record = record_at(pool, offset);
	uint64_t id = record->id;
	uint64_t word;

	(void)state;
	record_publish(record, FAR_RECORD_LIVE);
	word = atomic_load(&record->word);
	record_publish(record, FAR_RECORD_FREE);
	pool_record_free(pool, offset, record_size(record));
	assert_int_equal(record_new(pool, 1, (struct far_span){"b", 1}, 0), offset);
	assert_int_not_equal(record->id, id);
	assert_int_equal(FAR_ID_POSITION(record->id), FAR_ID_POSITION(id));
	assert_true(FAR_WORD_CHANGE(atomic_load(&record->word)) > FAR_WORD_CHANGE(word));
	assert_null(record_by_id(pool, id));
}

static void test_record_rename__a_longer_name_gets_a_block_and_the_inline_value_stays(void **state)
{
	uint64_t offset = record_new(pool, 1, (struct far_span){"short", 5}, 64);
	struct far_record *record = record_at(pool, offset);
	uint64_t inline_offset = record_inline_offset(pool, record);
	uint64_t old_block = 1;
	uint32_t old_size = 1;
	char longer[200];

	(void)state;
	memset(longer, 'x', sizeof(longer));
	assert_true(record_inline_room(record) >= 64);
	memcpy(pool_at(pool, inline_offset), "inline", 6);
	assert_int_equal(record_rename(pool, record, 9, (struct far_span){longer, 200}, &old_block, &old_size), 0);
	assert_int_equal(old_block, 0);
	assert_int_equal(record->parent, 9);
	assert_int_equal(record_name(pool, record).length, 200);
	assert_memory_equal(record_name(pool, record).bytes, longer, 200);
	assert_int_equal(record_rename(pool, record, 2, (struct far_span){"b", 1}, &old_block, &old_size), 0);
	assert_int_not_equal(old_block, 0);
	assert_int_equal(old_size, 200);
	assert_memory_equal(record_name(pool, record).bytes, "b", 1);
	assert_int_equal(record_inline_offset(pool, record), inline_offset);
	assert_memory_equal(pool_at(pool, inline_offset), "inline", 6);
}

static uint64_t checksum_of(const char *value, uint64_t length, uint64_t version)
{
	return XXH3_64bits_withSeed(value, length, version);
}

static void test_record_publish__inline_value_gets_the_checksum_of_its_version(void **state)
{
	uint64_t offset = record_new(pool, 1, (struct far_span){"a", 1}, 64);
	struct far_record *record = record_at(pool, offset);
	char *value = pool_at(pool, record_inline_offset(pool, record));

	(void)state;
	memcpy(value, "some bytes", 10);
	record->value_kind = FAR_VALUE_INLINE;
	atomic_store(&record->size, 10);
	record_publish(record, FAR_RECORD_LIVE);
	assert_int_equal(record->u.behind.checksum, checksum_of("some bytes", 10, atomic_load(&record->version)));
	record_publish(record, FAR_RECORD_BUSY);
	atomic_store(&record->version, 7);
	memcpy(value, "more", 4);
	assert_int_not_equal(record->u.behind.checksum, checksum_of("more bytes", 10, 7));
	record_publish(record, FAR_RECORD_LIVE);
	assert_int_equal(record->u.behind.checksum, checksum_of("more bytes", 10, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_record_publish__inline_value_gets_the_checksum_of_its_version, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_record_by_id__finds_live_ones_and_refuses_all_else, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_record_new__reused_memory_gets_another_id_and_a_later_word, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_record_rename__a_longer_name_gets_a_block_and_the_inline_value_stays, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
