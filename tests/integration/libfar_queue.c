// Queues: many operations under way, each with its own bytes and result, in the order of the calls; depth, waiting beside other descriptors, and an end in the midst.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEY_ROOM 32
#define WAIT_MS 60000 // much more than anything here takes

// Takes completions into an array by their contexts, which are their numbers.
static void take_all(far_queue *queue, struct far_completion *completions, size_t count, size_t first)
{
	for (size_t next = first; next < first + count;) {
		struct far_completion some[16];
		size_t left = first + count - next;
		unsigned taken = far_queue_wait(queue, some, left < 16 ? (unsigned)left : 16, WAIT_MS);

		assert_true(taken > 0);
		for (unsigned i = 0; i < taken; i++, next++) {
			assert_ptr_equal(some[i].context, (void *)next);
			completions[next] = some[i];
		}
	}
}

// The result of the only operation under way.
static struct far_completion take_one(far_queue *queue)
{
	struct far_completion completion;

	assert_int_equal(far_queue_wait(queue, &completion, 1, WAIT_MS), 1);
	return completion;
}

static far_queue *queue_new(far_session *session, unsigned depth)
{
	far_queue *queue;

	assert_ok(far_queue_new(session, depth, &queue));
	return queue;
}

static void name_key(char *key, size_t number)
{
	snprintf(key, KEY_ROOM, "queue/%zu", number);
}

// Small values of several sizes, told by their numbers.
static size_t size_of(size_t number)
{
	return number % 7 * 50;
}

struct thousands {
	size_t count;
	char (*keys)[KEY_ROOM];
	char (*bytes)[320];
	struct far_completion *completions;
};

static void *zeros(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		abort();
	return memory;
}

static struct thousands thousands_new(void)
{
	struct thousands all = {.count = fewer(5000)};

	all.keys = zeros(all.count, sizeof(*all.keys));
	all.bytes = zeros(all.count, sizeof(*all.bytes));
	all.completions = zeros(all.count, sizeof(*all.completions));
	for (size_t i = 0; i < all.count; i++)
		name_key(all.keys[i], i);
	return all;
}

static void thousands_free(struct thousands *all)
{
	free(all->keys);
	free(all->bytes);
	free(all->completions);
}

static void put_thousands(struct thousands *all, far_session *session, unsigned seed)
{
	far_queue *queue = queue_new(session, (unsigned)all->count);

	for (size_t i = 0; i < all->count; i++) {
		pattern_fill(all->bytes[i], size_of(i), 0, seed + i);
		assert_ok(far_queue_put(queue, all->keys[i], strlen(all->keys[i]), all->bytes[i], size_of(i), NULL, (void *)i));
	}
	take_all(queue, all->completions, all->count, 0);
	for (size_t i = 0; i < all->count; i++)
		assert_int_equal(all->completions[i].result, 0);
	far_queue_free(queue);
}

static void get_thousands(struct thousands *all, far_queue *queue, unsigned seed)
{
	memset(all->bytes, 0, all->count * sizeof(*all->bytes));
	for (size_t i = 0; i < all->count; i++)
		assert_ok(far_queue_get_into(queue, all->keys[i], strlen(all->keys[i]), all->bytes[i], sizeof(all->bytes[i]), (void *)i));
	take_all(queue, all->completions, all->count, 0);
	for (size_t i = 0; i < all->count; i++) {
		assert_int_equal(all->completions[i].result, 0);
		assert_int_equal(all->completions[i].size, size_of(i));
		assert_null(all->completions[i].value);
		pattern_check(all->bytes[i], size_of(i), 0, seed + i);
	}
}

static void test_thousands_under_way_bring_each_its_own_bytes(void **state)
{
	struct sessions *sessions = *state;
	struct thousands all = thousands_new();
	far_queue *queue = queue_new(sessions->other, (unsigned)all.count);
	struct far_statistics before;

	put_thousands(&all, sessions->ours, 0);
	before = statistics_of(sessions->other);
	get_thousands(&all, queue, 0);
	assert_in_range(statistics_of(sessions->other).requests - before.requests, 1, all.count / 4); // many in a message
	get_thousands(&all, queue, 0);
	put_thousands(&all, sessions->ours, 9);
	get_thousands(&all, queue, 9);
	far_queue_free(queue);
	thousands_free(&all);
	delete_tree(sessions->ours, "queue");
}

// Every way of storing and travelling, small between large, twice under way, fetched into new memory and into the caller's.
static void test_values_of_all_sizes_go_together(void **state)
{
	static const size_t sizes[] = {0, 1, 64, 1000, 1500, 4096, 5000, 8100, 9000, 70000, 700000, 1500000, 3, 3000000, 8 << 20, 10};
	enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
	struct sessions *sessions = *state;
	far_queue *queue = queue_new(sessions->ours, 3 * COUNT), *other = queue_new(sessions->other, 3 * COUNT);
	struct far_completion completions[3 * COUNT];
	char keys[COUNT][KEY_ROOM];
	char *values[COUNT], *buffers[COUNT];
	uint64_t versions[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		values[i] = malloc(sizes[i] + 1);
		buffers[i] = malloc(sizes[i] + 1);
		assert_true(values[i] && buffers[i]);
		pattern_fill(values[i], sizes[i], 0, i);
		name_key(keys[i], i);
	}
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT; i++)
			assert_ok(far_queue_put(queue, keys[i], strlen(keys[i]), values[i], sizes[i], NULL, (void *)i));
		take_all(queue, completions, COUNT, 0);
		for (size_t i = 0; i < COUNT; i++) {
			assert_int_equal(completions[i].result, 0);
			assert_true(round == 0 || completions[i].version == versions[i] + 1);
			versions[i] = completions[i].version;
		}
		for (size_t i = 0; i < COUNT; i++) {
			memset(buffers[i], 0, sizes[i] + 1);
			assert_ok(far_queue_get(other, keys[i], strlen(keys[i]), (void *)(3 * i)));
			assert_ok(far_queue_get_into(other, keys[i], strlen(keys[i]), buffers[i], sizes[i], (void *)(3 * i + 1)));
			assert_ok(far_queue_get_into(other, keys[i], strlen(keys[i]), NULL, 0, (void *)(3 * i + 2)));
		}
		take_all(other, completions, (size_t)3 * COUNT, 0);
		for (size_t i = 0; i < (size_t)3 * COUNT; i++) {
			assert_int_equal(completions[i].result, 0);
			assert_int_equal(completions[i].size, sizes[i / 3]);
			assert_int_equal(completions[i].version, versions[i / 3]);
		}
		for (size_t i = 0; i < COUNT; i++) {
			pattern_check(completions[3 * i].value, sizes[i], 0, i);
			assert_int_equal(((char *)completions[3 * i].value)[sizes[i]], 0);
			free(completions[3 * i].value);
			pattern_check(buffers[i], sizes[i], 0, i);
			assert_int_equal(buffers[i][sizes[i]], 0);
		}
	}
	for (size_t i = 0; i < COUNT; i++) {
		free(values[i]);
		free(buffers[i]);
	}
	far_queue_free(queue);
	far_queue_free(other);
	delete_tree(sessions->ours, "queue");
}

static void test_no_more_than_depth_are_taken(void **state)
{
	struct sessions *sessions = *state;
	struct far_completion completions[8];
	far_queue *queue;
	struct far_stat stat;

	assert_int_equal(far_queue_new(sessions->ours, 0, &queue), -EINVAL);
	assert_int_equal(far_queue_new(sessions->ours, FAR_QUEUE_DEPTH_MAX + 1, &queue), -EINVAL);
	queue = queue_new(sessions->ours, 5);
	for (size_t i = 0; i < 5; i++)
		assert_ok(far_queue_stat(queue, "", 0, &stat, (void *)i));
	assert_int_equal(far_queue_stat(queue, "", 0, &stat, NULL), -EAGAIN);
	assert_int_equal(far_queue_put(queue, "k", 1, "v", 1, NULL, NULL), -EAGAIN);
	assert_int_equal(far_queue_get(queue, "k", 1, NULL), -EAGAIN);
	take_all(queue, completions, 2, 0);
	assert_ok(far_queue_stat(queue, "", 0, &stat, (void *)5));
	take_all(queue, completions, 4, 2);
	assert_int_equal(far_queue_wait(queue, completions, 8, WAIT_MS), 0); // nothing is under way
	assert_int_equal(far_queue_poll(queue, completions, 8), 0);
	far_queue_free(queue);
	far_queue_free(NULL);
	expect_absent(sessions->ours, "k");
}

static void test_queue_takes_a_lane_of_the_session(void **state)
{
	struct far_options one = {.size = sizeof(one), .lanes = 2};
	struct sessions *sessions = *state;
	far_queue *first, *second = NULL;
	far_session *session;

	assert_ok(far_connect(sessions->address, &one, &session));
	first = queue_new(session, 4);
	assert_int_equal(far_queue_new(session, 4, &second), -EMFILE);
	assert_ok(far_ping(session)); // the other lane is there for calls
	far_queue_free(first);
	second = queue_new(session, 4);
	far_queue_free(second);
	far_close(session);
}

static void test_each_has_its_own_result(void **state)
{
	struct far_put_options absent = {.size = sizeof(absent), .flags = FAR_IF_VERSION};
	struct far_put_options second = {.size = sizeof(second), .flags = FAR_IF_VERSION};
	struct far_put_options unknown = {.size = sizeof(unknown), .flags = 1U << 20};
	struct sessions *sessions = *state;
	far_queue *queue = queue_new(sessions->ours, 32);
	struct far_completion c[32];
	struct far_stat stat;
	uint64_t ttl_ms;
	uint64_t version;
	char bytes[8];

	assert_ok(far_put(sessions->ours, "queue/a", 7, "there", 5, &version));
	second.expected = version + 1;
	assert_int_equal(far_queue_put(queue, "a//b", 4, "v", 1, NULL, NULL), -EINVAL);
	assert_int_equal(far_queue_put(queue, "queue/a", 7, NULL, 1, NULL, NULL), -EINVAL);
	assert_int_equal(far_queue_put(queue, "queue/a", 7, "v", 1, &unknown, NULL), -EINVAL);
	assert_int_equal(far_queue_get(queue, "", 0, NULL), -EINVAL);
	assert_int_equal(far_queue_get_into(queue, "queue/a", 7, NULL, 1, NULL), -EINVAL);
	assert_int_equal(far_queue_delete(queue, "../a", 4, NULL), -EINVAL);
	assert_int_equal(far_queue_stat(queue, "a/", 2, &stat, NULL), -EINVAL);
	assert_int_equal(far_queue_expire(queue, "queue/a", 7, 0, NULL), -EINVAL);
	assert_int_equal(far_queue_expire(queue, "queue/a", 7, UINT64_MAX, NULL), -EINVAL);
	assert_ok(far_queue_get(queue, "queue/none", 10, (void *)0));
	assert_ok(far_queue_get_into(queue, "queue/none", 10, bytes, sizeof(bytes), (void *)1));
	assert_ok(far_queue_put(queue, "queue", 5, "v", 1, NULL, (void *)2));
	assert_ok(far_queue_put(queue, "queue/a/b", 9, "v", 1, NULL, (void *)3));
	assert_ok(far_queue_put(queue, "queue/a", 7, "v", 1, &absent, (void *)4));
	assert_ok(far_queue_put(queue, "queue/a", 7, "new", 3, NULL, (void *)5));
	assert_ok(far_queue_put(queue, "queue/a", 7, "newer", 5, &second, (void *)6));
	assert_ok(far_queue_delete(queue, "queue/none", 10, (void *)7));
	assert_ok(far_queue_delete(queue, "queue", 5, (void *)8));
	assert_ok(far_queue_delete_version(queue, "queue/a", 7, version + 1, (void *)9));
	assert_ok(far_queue_persist(queue, "queue/a", 7, (void *)10));
	assert_ok(far_queue_expire(queue, "queue/a", 7, 60000, (void *)11));
	assert_ok(far_queue_ttl(queue, "queue/a", 7, &ttl_ms, (void *)12));
	assert_ok(far_queue_stat(queue, "queue/a", 7, &stat, (void *)13));
	assert_ok(far_queue_get(queue, "queue/a", 7, (void *)14));
	assert_ok(far_queue_get(queue, "queue", 5, (void *)15));
	assert_ok(far_queue_delete_version(queue, "queue/a", 7, version + 2, (void *)16));
	assert_ok(far_queue_stat(queue, "queue/a", 7, &stat, (void *)17));
	take_all(queue, c, 18, 0);
	assert_int_equal(c[0].result, -ENOENT);
	assert_int_equal(c[1].result, -ENOENT);
	assert_int_equal(c[2].result, -EISDIR);
	assert_int_equal(c[3].result, -ENOTDIR);
	assert_int_equal(c[4].result, -ECANCELED);
	assert_int_equal(c[4].version, version);
	assert_int_equal(c[5].version, version + 1);
	assert_int_equal(c[6].result, 0);
	assert_int_equal(c[6].version, version + 2);
	assert_int_equal(c[7].result, -ENOENT);
	assert_int_equal(c[8].result, -ENOTEMPTY);
	assert_int_equal(c[9].result, -ECANCELED);
	assert_int_equal(c[9].version, version + 2);
	assert_int_equal(c[10].result, -ENODATA);
	assert_int_equal(c[11].result, 0);
	assert_in_range(ttl_ms, 1, 60000);
	assert_int_equal(c[13].result, 0);
	assert_int_equal(stat.size, 5);
	assert_string_equal(c[14].value, "newer");
	free(c[14].value);
	assert_int_equal(c[15].result, -EISDIR);
	assert_null(c[15].value);
	assert_int_equal(c[16].result, 0);
	assert_int_equal(c[17].result, -ENOENT);
	far_queue_free(queue);
	delete_tree(sessions->ours, "queue");
}

// Also where a get could be had without a request, and what it would read there is older.
static void test_operations_on_one_key_happen_in_their_order(void **state)
{
	struct sessions *sessions = *state;
	far_queue *queue = queue_new(sessions->ours, 64);
	struct far_completion c[64];
	char numbers[16][8], bytes[16][8];

	for (int round = 0; round < 50; round++) {
		size_t count = 0;

		for (size_t i = 0; i < 16; i++) {
			int length = snprintf(numbers[i], sizeof(numbers[i]), "%d.%zu", round, i);

			memset(bytes[i], 0, sizeof(bytes[i]));
			if (i % 4 == 3)
				assert_ok(far_queue_delete(queue, "queue/k", 7, (void *)count++));
			assert_ok(far_queue_put(queue, "queue/k", 7, numbers[i], (size_t)length, NULL, (void *)count++));
			if (i % 3 == 1)
				far_queue_submit(queue);
			assert_ok(far_queue_get_into(queue, "queue/k", 7, bytes[i], sizeof(bytes[i]), (void *)count++));
		}
		take_all(queue, c, count, 0);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(c[i].result, 0);
		for (size_t i = 0; i < 16; i++)
			assert_string_equal(bytes[i], numbers[i]);
	}
	far_queue_free(queue);
	delete_tree(sessions->ours, "queue");
}

// What is sent is answered later than what is loaded where the pool is mapped. Another session puts a newer value between the two.
static void test_reads_of_one_key_do_not_go_back(void **state)
{
	struct sessions *sessions = *state;
	far_queue *queue = queue_new(sessions->ours, 8);
	struct far_completion c[5];
	struct far_stat stat;
	char byte;

	for (int round = 0; round < 50; round++) {
		assert_ok(put_text(sessions->other, "queue/k", "old"));
		assert_ok(far_queue_get_into(queue, "queue/k", 7, &byte, 1, (void *)0));
		if (round % 2) // remembered, before or behind the next
			take_all(queue, c, 1, 0);
		far_queue_submit(queue);
		assert_ok(far_queue_get_into(queue, "queue/k", 7, &byte, 1, (void *)1));
		for (int i = 0; i < 3; i++)
			assert_ok(far_ping(sessions->other)); // the first has been answered
		assert_ok(far_queue_get_into(queue, "queue/k", 7, &byte, 1, (void *)2));
		assert_ok(far_queue_stat(queue, "queue/k", 7, &stat, (void *)3));
		assert_ok(far_queue_get(queue, "queue/k", 7, (void *)4));
		assert_ok(put_text(sessions->other, "queue/k", "new"));
		take_all(queue, c, round % 2 ? 4 : 5, round % 2);
		for (int i = 0; i < 5; i++)
			assert_int_equal(c[i].result, 0);
		assert_true(c[0].version <= c[1].version && c[1].version <= c[2].version);
		assert_true(c[2].version <= stat.version && stat.version <= c[4].version);
		free(c[4].value);
	}
	far_queue_free(queue);
	delete_tree(sessions->ours, "queue");
}

static void test_value_is_fetched_only_if_it_is_newer(void **state)
{
	struct sessions *sessions = *state;
	far_queue *queue = queue_new(sessions->other, 4);
	struct far_completion completion;

	for (int known = 0; known < 2; known++) { // where it is, is remembered the second time
		assert_ok(put_text(sessions->ours, "queue/k", "value"));
		assert_ok(far_queue_get_if_newer(queue, "queue/k", 7, 0, NULL));
		completion = take_one(queue);
		assert_int_equal(completion.result, 1);
		assert_string_equal(completion.value, "value");
		free(completion.value);
		for (int again = 0; again < 2; again++) {
			assert_ok(far_queue_get_if_newer(queue, "queue/k", 7, completion.version, NULL));
			assert_int_equal(take_one(queue).result, 0);
		}
		assert_ok(far_queue_get_if_newer(queue, "queue/k", 7, completion.version, NULL));
		completion = take_one(queue);
		assert_null(completion.value);
		assert_int_equal(completion.size, 0);
		assert_ok(put_text(sessions->ours, "queue/k", "newer"));
		assert_ok(far_queue_get_if_newer(queue, "queue/k", 7, completion.version, NULL));
		completion = take_one(queue);
		assert_int_equal(completion.result, 1);
		assert_string_equal(completion.value, "newer");
		free(completion.value);
	}
	far_queue_free(queue);
	delete_tree(sessions->ours, "queue");
}

// A program's own loop: what came is taken, and the loop sleeps only when armed.
static void test_descriptor_wakes_a_loop_beside_others(void **state)
{
	struct sessions *sessions = *state;
	far_queue *queue = queue_new(sessions->ours, 4);
	struct pollfd wakes[2] = {{.fd = far_queue_fd(queue), .events = POLLIN}, {.events = POLLIN}};
	struct far_completion completion;
	unsigned taken = 0, bytes = 0;
	int ends[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	wakes[1].fd = ends[0];
	while (far_queue_arm(queue)) // nothing is under way
		assert_int_equal(far_queue_poll(queue, &completion, 1), 0);
	while (taken < 200) {
		while (far_queue_put(queue, "queue/k", 7, "value", 5, NULL, NULL) == 0)
			;
		if (taken % 10 == bytes % 10 && write(ends[1], "x", 1) == 1)
			bytes++;
		if (far_queue_arm(queue) == 0)
			assert_true(poll(wakes, 2, WAIT_MS) > 0);
		if (wakes[1].revents)
			assert_int_equal(read(ends[0], &byte, 1), 1);
		wakes[1].revents = 0;
		while (far_queue_poll(queue, &completion, 1) == 1) {
			assert_int_equal(completion.result, 0);
			taken++;
		}
		assert_int_equal(far_queue_fd(queue), wakes[0].fd);
	}
	close(ends[0]);
	close(ends[1]);
	far_queue_free(queue);
	delete_tree(sessions->ours, "queue");
}

// Lent memory is free at the return: it is unmapped by free and watched by the sanitizers.
static void test_queue_may_end_with_operations_under_way(void **state)
{
	struct sessions *sessions = *state;
	size_t large = 2 << 20;

	for (int round = 0; round < 6; round++) {
		far_queue *queue = queue_new(sessions->ours, 64);
		char *bytes = malloc(large), *to = malloc(large);

		assert_true(bytes && to);
		pattern_fill(bytes, large, 0, (uint64_t)round);
		assert_ok(far_put(sessions->ours, "queue/large", 11, bytes, large, NULL));
		assert_ok(put_text(sessions->ours, "queue/small", "value"));
		for (int i = 0; i < 10; i++) {
			assert_ok(far_queue_get_into(queue, "queue/large", 11, to, large, NULL));
			assert_ok(far_queue_get(queue, "queue/large", 11, NULL));
			assert_ok(far_queue_get(queue, "queue/small", 11, NULL));
			assert_ok(far_queue_put(queue, "queue/put", 9, bytes, i % 2 ? large : 100, NULL, NULL));
		}
		if (round % 3 > 0)
			far_queue_submit(queue);
		if (round % 3 > 1)
			assert_in_range(far_queue_wait(queue, &(struct far_completion){0}, 1, WAIT_MS), 1, 1);
		far_queue_free(queue);
		free(bytes);
		free(to);
		expect_text(sessions->ours, "queue/small", "value");
	}
	delete_tree(sessions->ours, "queue");
}

#define TURNS 3000
#define OWN_DEPTH 16

struct user {
	far_session *session;
	unsigned number;
	unsigned wrong;
};

// Puts and gets of a thread's own keys, always full; no asserts, for they end the wrong thread.
static void *use_queue(void *context)
{
	struct user *user = context;
	struct far_completion some[OWN_DEPTH];
	char keys[OWN_DEPTH][KEY_ROOM], values[OWN_DEPTH][40], bytes[OWN_DEPTH][40];
	size_t turns = fewer(TURNS);
	far_queue *queue;

	if (far_queue_new(user->session, OWN_DEPTH, &queue)) {
		user->wrong++;
		return NULL;
	}
	for (size_t turn = 0; turn < turns / OWN_DEPTH; turn++) {
		unsigned under_way = 0;

		for (size_t i = 0; i < OWN_DEPTH / 2; i++) {
			snprintf(keys[i], sizeof(keys[i]), "queue/%u/%zu", user->number, i);
			snprintf(values[i], sizeof(values[i]), "%u %zu %zu", user->number, turn, i);
			memset(bytes[i], 0, sizeof(bytes[i]));
			user->wrong += far_queue_put(queue, keys[i], strlen(keys[i]), values[i], strlen(values[i]), NULL, NULL) != 0;
			user->wrong += far_queue_get_into(queue, keys[i], strlen(keys[i]), bytes[i], sizeof(bytes[i]), NULL) != 0;
			under_way += 2;
		}
		while (under_way > 0) {
			unsigned taken = far_queue_wait(queue, some, OWN_DEPTH, WAIT_MS);

			for (unsigned i = 0; i < taken; i++)
				user->wrong += some[i].result != 0;
			user->wrong += taken == 0;
			under_way -= taken ? taken : under_way;
		}
		for (size_t i = 0; i < OWN_DEPTH / 2; i++)
			user->wrong += strcmp(bytes[i], values[i]) != 0;
	}
	far_queue_free(queue);
	return NULL;
}

static void test_queues_of_one_session_serve_a_thread_each(void **state)
{
	struct sessions *sessions = *state;
	struct user users[2];
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++) {
		users[i] = (struct user){.session = sessions->ours, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, use_queue, &users[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		assert_ok(put_text(sessions->ours, "queue/beside", "value"));
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(users[i].wrong, 0);
	}
	delete_tree(sessions->ours, "queue");
}

struct writer {
	far_session *session;
	atomic_bool is_over;
	bool is_failed;
	size_t size;
};

static void *change_it(void *context)
{
	struct writer *writer = context;
	char *bytes = malloc(writer->size);

	for (uint64_t seed = 0; bytes && !atomic_load(&writer->is_over); seed++) {
		size_t length = writer->size - seed % 2 * 40;

		memset(bytes, (int)('a' + seed % 26), length);
		writer->is_failed |= far_put(writer->session, "queue/k", 7, bytes, length, NULL) != 0;
	}
	writer->is_failed |= !bytes;
	free(bytes);
	return NULL;
}

static void expect_one_value(const char *bytes, size_t length, size_t size)
{
	assert_in_range(length, size - 40, size);
	for (size_t i = 1; i < length; i++)
		assert_int_equal(bytes[i], bytes[0]);
}

static void test_values_that_change_are_never_a_mix(void **state)
{
	static const size_t sizes[] = {200, 3000, 60000, 1 << 20};
	struct sessions *sessions = *state;
	far_queue *queue = queue_new(sessions->other, 8);
	char *buffer = malloc(sizes[3]);
	struct far_completion c[8];

	assert_non_null(buffer);
	for (size_t size = 0; size < 4; size++) {
		struct writer writer = {.session = sessions->ours, .size = sizes[size]};
		pthread_t thread;

		memset(buffer, 'a', sizes[size]);
		assert_ok(far_put(sessions->ours, "queue/k", 7, buffer, sizes[size], NULL));
		assert_int_equal(pthread_create(&thread, NULL, change_it, &writer), 0);
		for (size_t turn = 0; turn < fewer(100); turn++) {
			for (size_t i = 0; i < 7; i++)
				assert_ok(far_queue_get(queue, "queue/k", 7, (void *)i));
			assert_ok(far_queue_get_into(queue, "queue/k", 7, buffer, sizes[size], (void *)7));
			take_all(queue, c, 8, 0);
			for (size_t i = 0; i < 8; i++)
				assert_int_equal(c[i].result, 0);
			for (size_t i = 0; i < 7; i++) {
				expect_one_value(c[i].value, c[i].size, sizes[size]);
				free(c[i].value);
			}
			expect_one_value(buffer, c[7].size, sizes[size]);
		}
		atomic_store(&writer.is_over, true);
		pthread_join(thread, NULL);
		assert_false(writer.is_failed);
	}
	free(buffer);
	far_queue_free(queue);
	delete_tree(sessions->ours, "queue");
}

const struct CMUnitTest libfar_queue[] = {
        cmocka_unit_test(test_thousands_under_way_bring_each_its_own_bytes),
        cmocka_unit_test(test_values_of_all_sizes_go_together),
        cmocka_unit_test(test_no_more_than_depth_are_taken),
        cmocka_unit_test(test_queue_takes_a_lane_of_the_session),
        cmocka_unit_test(test_each_has_its_own_result),
        cmocka_unit_test(test_operations_on_one_key_happen_in_their_order),
        cmocka_unit_test(test_reads_of_one_key_do_not_go_back),
        cmocka_unit_test(test_value_is_fetched_only_if_it_is_newer),
        cmocka_unit_test(test_descriptor_wakes_a_loop_beside_others),
        cmocka_unit_test(test_queue_may_end_with_operations_under_way),
        cmocka_unit_test(test_queues_of_one_session_serve_a_thread_each),
        cmocka_unit_test(test_values_that_change_are_never_a_mix),
};
const size_t libfar_queue_count = sizeof(libfar_queue) / sizeof(libfar_queue[0]);
