#include "server/locks.h"

#include <errno.h>

#include "far/limits.h"
#include "far/wire.h"
#include "server/locks_inside.h"
#include "testing.h"

static struct locks locks;
static struct lock_client clients[3];
static unsigned told; // how often a client was told that waits have ended

static void finished(struct lock_client *client)
{
	assert_true(client >= clients && client < clients + 3);
	told++;
}

static int begin(void **state)
{
	(void)state;
	memset(&locks, 0, sizeof(locks));
	memset(clients, 0, sizeof(clients));
	locks.finished = finished;
	told = 0;
	return 0;
}

// Nothing is left behind.
static int end(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		locks_drop_client(&locks, &clients[i]);
	assert_int_equal(locks.count, 0);
	assert_int_equal(locks.files.used, 0);
	id_table_fini(&locks.files);
	return 0;
}

enum { SHARED, EXCLUSIVE };

static struct lock_request range(uint64_t owner, uint64_t start, uint64_t last, int is_exclusive)
{
	return (struct lock_request){.file = 1, .owner = owner, .start = start, .end = last, .is_exclusive = is_exclusive, .pid = 7};
}

static struct lock_request whole(uint64_t owner, int is_exclusive)
{
	struct lock_request request = range(owner, 0, FAR_LOCK_END, is_exclusive);

	request.kind = LOCK_FLOCK;
	return request;
}

static int set(int client, struct lock_request request)
{
	return locks_set(&locks, &clients[client], &request);
}

static int clear(int client, struct lock_request request)
{
	return locks_clear(&locks, &clients[client], &request);
}

static int wait_by(int client, uint64_t ticket, struct lock_request request)
{
	request.ticket = ticket;
	return locks_wait(&locks, &clients[client], &request);
}

// The next ticket of the client that has ended well, 0 = none.
static uint64_t granted(int client)
{
	uint64_t ticket = 0;
	int error = 0;

	if (!locks_take_finished(&locks, &clients[client], &ticket, &error))
		return 0;
	assert_int_equal(error, 0);
	return ticket;
}

static void test_locks__same_number_of_two_clients_is_two_owners(void **state)
{
	struct lock_request request = range(5, 0, 9, EXCLUSIVE);
	struct lock_found found;

	(void)state;
	assert_int_equal(set(0, request), 0);
	assert_int_equal(set(1, range(5, 9, 9, SHARED)), -EAGAIN);
	assert_true(locks_test(&locks, &clients[1], &request, &found));
	assert_ptr_equal(found.client, &clients[0]);
	assert_int_equal(found.pid, 7);
	assert_false(locks_test(&locks, &clients[0], &request, &found));
}

static void test_locks__records_and_flocks_do_not_see_each_other(void **state)
{
	(void)state;
	assert_int_equal(set(0, range(1, 0, FAR_LOCK_END, EXCLUSIVE)), 0);
	assert_int_equal(set(1, whole(1, EXCLUSIVE)), 0);
	assert_int_equal(set(0, whole(1, SHARED)), -EAGAIN);
}

static void test_locks__waits_are_served_in_order(void **state)
{
	(void)state;
	assert_int_equal(set(0, range(1, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(wait_by(1, 11, range(2, 0, 9, EXCLUSIVE)), 1);
	assert_int_equal(wait_by(1, 12, range(3, 0, 9, SHARED)), 1);
	assert_int_equal(wait_by(2, 13, range(4, 0, 9, SHARED)), 1);
	assert_int_equal(told, 0);
	assert_int_equal(clear(0, range(1, 0, FAR_LOCK_END, SHARED)), 0);
	assert_int_equal(granted(1), 11);
	assert_int_equal(granted(1), 0);
	assert_int_equal(clear(1, range(2, 0, FAR_LOCK_END, SHARED)), 0);
	assert_int_equal(granted(1), 12);
	assert_int_equal(granted(2), 13);
	assert_int_equal(told, 3);
}

static void test_locks__reader_waits_behind_a_waiting_writer_unless_it_holds_something(void **state)
{
	(void)state;
	assert_int_equal(set(0, range(1, 0, 9, SHARED)), 0);
	assert_int_equal(wait_by(0, 11, range(2, 0, 9, EXCLUSIVE)), 1);
	assert_int_equal(wait_by(0, 12, range(3, 5, 5, SHARED)), 1);
	assert_int_equal(set(0, range(4, 5, 5, SHARED)), 0);          // does not wait, so it need not stand in line
	assert_int_equal(wait_by(0, 13, range(1, 0, 20, SHARED)), 0); // the writer waits for it
	assert_int_equal(locks_cancel(&locks, &clients[0], 11), 0);
	assert_int_equal(granted(0), 12);
}

static void test_locks__a_wait_that_is_taken_back_never_gets_its_lock(void **state)
{
	(void)state;
	assert_int_equal(set(0, range(1, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(wait_by(1, 11, range(2, 0, 9, EXCLUSIVE)), 1);
	assert_int_equal(locks_cancel(&locks, &clients[0], 11), -ENOENT); // another client's
	assert_int_equal(locks_cancel(&locks, &clients[1], 11), 0);
	assert_int_equal(locks_cancel(&locks, &clients[1], 11), -ENOENT);
	assert_int_equal(clear(0, range(1, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(granted(1), 0);
	assert_int_equal(set(0, range(9, 0, 9, EXCLUSIVE)), 0);
}

static void test_locks__a_ticket_asked_for_twice_waits_once(void **state)
{
	(void)state;
	assert_int_equal(set(0, range(1, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(wait_by(1, 11, range(2, 0, 9, EXCLUSIVE)), 1);
	assert_int_equal(wait_by(1, 11, range(2, 0, 9, EXCLUSIVE)), 1);
	assert_int_equal(locks.count, 2);
	assert_int_equal(clear(0, range(1, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(wait_by(1, 11, range(2, 0, 9, EXCLUSIVE)), 0); // it has it, and is told so once
	assert_int_equal(granted(1), 0);
	assert_int_equal(clients[1].count, 1);
}

// Else whoever takes a wait back and hears nothing of it would have to ask again, perhaps for what has been unlocked meanwhile.
static void test_locks__a_ticket_that_has_ended_is_told_when_it_is_taken_back(void **state)
{
	(void)state;
	assert_int_equal(set(0, range(1, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(wait_by(1, 11, range(2, 0, 9, EXCLUSIVE)), 1);
	assert_int_equal(wait_by(1, 12, range(3, 5, 5, SHARED)), 1);
	assert_int_equal(wait_by(1, 13, range(3, 20, 20, SHARED)), 0);
	assert_int_equal(clear(0, range(1, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(locks_cancel(&locks, &clients[1], 11), -EEXIST);
	assert_int_equal(granted(1), 0);
	assert_int_equal(locks_cancel(&locks, &clients[1], 11), -ENOENT);
	assert_int_equal(clear(1, range(2, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(granted(1), 12);
	assert_int_equal(locks_cancel(&locks, &clients[1], 12), -ENOENT);
}

static void test_locks__a_client_that_goes_leaves_its_locks_and_waits(void **state)
{
	(void)state;
	assert_int_equal(set(0, range(1, 0, 9, EXCLUSIVE)), 0);
	assert_int_equal(set(0, whole(1, EXCLUSIVE)), 0);
	assert_int_equal(wait_by(0, 10, range(2, 0, 9, EXCLUSIVE)), 1);
	assert_int_equal(wait_by(1, 11, range(2, 0, 9, EXCLUSIVE)), 1);
	assert_int_equal(wait_by(2, 12, whole(2, EXCLUSIVE)), 1);
	locks_drop_client(&locks, &clients[0]);
	assert_int_equal(granted(1), 11);
	assert_int_equal(granted(2), 12);
	assert_int_equal(clients[0].count, 0);
}

static void test_locks__circles_of_record_locks_are_refused_those_of_flocks_wait(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(set((int)i, range(1, i, i, EXCLUSIVE)), 0);
	assert_int_equal(wait_by(0, 1, range(1, 1, 1, EXCLUSIVE)), 1);
	assert_int_equal(wait_by(1, 1, range(1, 2, 2, SHARED)), 1);
	assert_int_equal(wait_by(2, 1, range(1, 0, 0, SHARED)), -EDEADLK);
	assert_int_equal(clients[2].count, 1);
	locks_drop_client(&locks, &clients[2]);
	assert_int_equal(granted(1), 1);
}

static void test_locks__flock_that_cannot_be_converted_at_once_is_given_up(void **state)
{
	(void)state;
	assert_int_equal(set(0, whole(1, SHARED)), 0);
	assert_int_equal(set(1, whole(1, SHARED)), 0);
	assert_int_equal(wait_by(2, 5, whole(1, EXCLUSIVE)), 1);
	assert_int_equal(set(0, whole(1, EXCLUSIVE)), -EAGAIN);
	assert_int_equal(clients[0].count, 0);
	assert_int_equal(set(1, whole(1, EXCLUSIVE)), 0); // nobody else has it: converted, whoever waits
	assert_int_equal(granted(2), 0);
	assert_int_equal(wait_by(1, 6, whole(1, SHARED)), 0);
	assert_int_equal(clear(1, whole(1, SHARED)), 0);
	assert_int_equal(granted(2), 5);
}

static void test_locks__flock_of_one_file_is_not_given_up_for_another(void **state)
{
	struct lock_request other = whole(1, EXCLUSIVE);

	(void)state;
	other.file = 2;
	assert_int_equal(set(0, whole(1, EXCLUSIVE)), 0);
	assert_int_equal(set(1, other), 0);
	assert_int_equal(set(0, other), -EAGAIN);
	assert_int_equal(wait_by(0, 5, other), 1);
	assert_int_equal(set(1, whole(1, SHARED)), -EAGAIN);
	assert_int_equal(clear(1, other), 0);
	assert_int_equal(granted(0), 5);
	assert_int_equal(clients[0].count, 2);
}

static void test_locks__a_clients_bound_counts_locks_and_waits(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < FAR_LOCKS_PER_SESSION - 1; i++)
		assert_int_equal(set(0, range(1, 2 * (FAR_LOCKS_PER_SESSION - i), 2 * (FAR_LOCKS_PER_SESSION - i), EXCLUSIVE)), 0);
	assert_int_equal(set(1, range(1, 0, 0, EXCLUSIVE)), 0);
	assert_int_equal(wait_by(0, 1, range(1, 0, 0, EXCLUSIVE)), 1);
	assert_int_equal(wait_by(0, 2, range(1, 0, 0, EXCLUSIVE)), -ENOLCK);
	assert_int_equal(set(0, range(1, 1, 1, EXCLUSIVE)), -ENOLCK);
	assert_int_equal(set(1, range(1, 1, 1, EXCLUSIVE)), 0);
	assert_int_equal(clear(0, range(1, 0, FAR_LOCK_END, SHARED)), 0);
	assert_int_equal(clients[0].count, 1);
}

static void test_locks__a_hole_at_the_bound_is_refused_and_changes_nothing(void **state)
{
	struct lock_request probe = range(9, 50, 50, EXCLUSIVE);
	struct lock_found found;

	(void)state;
	assert_int_equal(set(0, range(1, 0, 99, EXCLUSIVE)), 0);
	for (uint64_t i = 1; i < FAR_LOCKS_PER_SESSION; i++)
		assert_int_equal(set(0, range(2, 1000000 - 2 * i, 1000000 - 2 * i, SHARED)), 0);
	assert_int_equal(clear(0, range(1, 50, 50, SHARED)), -ENOLCK);
	assert_true(locks_test(&locks, &clients[1], &probe, &found));
	assert_int_equal(found.start, 0);
	assert_int_equal(found.end, 99);
	assert_int_equal(clear(0, range(1, 0, 50, SHARED)), 0);
}

// --- against a model: of each file and owner, what it has of each byte ---

#define STARTS 12
#define BYTES 18 // up to the last that a range can end at, and one that only those to the end reach
#define OWNERS 6 // two a client
#define FILES 2
#define WAITS 64

enum { NOTHING, HAS_SHARED, HAS_EXCLUSIVE };

static uint8_t model[FILES][OWNERS][BYTES];

static struct {
	uint64_t ticket; // 0 = free
	struct lock_request request;
	int owner;
} waiting[WAITS];

static bool model_conflicts(const struct lock_request *request, int owner, int with)
{
	for (uint64_t i = request->start; i <= request->end && i < BYTES; i++)
		if (with != owner &&
		        (request->is_exclusive ? model[request->file - 1][with][i] : model[request->file - 1][with][i] == HAS_EXCLUSIVE))
			return true;
	return false;
}

static bool model_is_blocked(const struct lock_request *request, int owner)
{
	for (int with = 0; with < OWNERS; with++)
		if (model_conflicts(request, owner, with))
			return true;
	return false;
}

static void model_change(const struct lock_request *request, int owner, int to)
{
	for (uint64_t i = request->start; i <= request->end && i < BYTES; i++)
		model[request->file - 1][owner][i] = (uint8_t)to;
}

static void model_lock(const struct lock_request *request, int owner)
{
	model_change(request, owner, request->is_exclusive ? HAS_EXCLUSIVE : HAS_SHARED);
}

static bool model_holds(int owner)
{
	for (int file = 0; file < FILES; file++)
		for (int i = 0; i < BYTES; i++)
			if (model[file][owner][i])
				return true;
	return false;
}

// Whether `owner` waits, over others, for `target`.
static bool model_waits_for(int owner, int target, bool *seen)
{
	for (int i = 0; i < WAITS; i++) {
		if (!waiting[i].ticket || waiting[i].owner != owner)
			continue;
		for (int with = 0; with < OWNERS; with++) {
			if (!model_conflicts(&waiting[i].request, owner, with) || seen[with])
				continue;
			seen[with] = true;
			if (with == target || model_waits_for(with, target, seen))
				return true;
		}
	}
	return false;
}

static bool model_is_deadlock(const struct lock_request *request, int owner)
{
	for (int with = 0; with < OWNERS; with++) {
		bool seen[OWNERS] = {false};

		if (model_conflicts(request, owner, with) && model_waits_for(with, owner, seen))
			return true;
	}
	return false;
}

static void take_grants(void)
{
	for (int client = 0; client < 3; client++) {
		uint64_t ticket;

		while ((ticket = granted(client)) != 0) {
			int place = 0;

			while (place < WAITS && waiting[place].ticket != ticket)
				place++;
			assert_true(place < WAITS);
			model_lock(&waiting[place].request, waiting[place].owner);
			waiting[place].ticket = 0;
		}
	}
}

static bool is_behind(int place)
{
	if (model_holds(waiting[place].owner))
		return false;
	for (int i = 0; i < WAITS; i++) {
		const struct lock_request *one = &waiting[i].request, *other = &waiting[place].request;

		if (waiting[i].ticket && waiting[i].ticket < waiting[place].ticket && waiting[i].owner != waiting[place].owner &&
		        one->file == other->file && one->start <= other->end && other->start <= one->end &&
		        (one->is_exclusive || other->is_exclusive))
			return true;
	}
	return false;
}

static int owner_place(const struct lock_owner *owner)
{
	return (int)(owner->client - clients) * 2 + (int)owner->number - 1;
}

// The lists hold what the model says, in order, with nothing cut that could be one.
static void check_file(int file)
{
	const uint64_t *number = id_table_find(&locks.files, (uint64_t)file + 1);
	uint8_t seen[OWNERS][BYTES] = {{0}};
	uint64_t ends[OWNERS] = {0}, last_start = 0;
	int kinds[OWNERS] = {0};
	const struct lock *lock;

	if (number) {
		TAILQ_FOREACH(lock, &((struct lock_file *)(uintptr_t)*number)->held[LOCK_RECORD], in_file)
		{
			int owner = owner_place(lock->owner), kind = lock->is_exclusive ? HAS_EXCLUSIVE : HAS_SHARED;

			assert_true(lock->start >= last_start && lock->start <= lock->end);
			assert_true(!kinds[owner] || lock->start > ends[owner] + (kinds[owner] == kind));
			for (uint64_t i = lock->start; i <= lock->end && i < BYTES; i++)
				seen[owner][i] = (uint8_t)kind;
			last_start = lock->start;
			ends[owner] = lock->end;
			kinds[owner] = kind;
		}
	}
	assert_memory_equal(seen, model[file], sizeof(seen));
	for (int i = 0; i < BYTES; i++)
		for (int owner = 0; owner < OWNERS; owner++)
			for (int other = 0; model[file][owner][i] == HAS_EXCLUSIVE && other < OWNERS; other++)
				assert_true(other == owner || model[file][other][i] == NOTHING);
}

static void check_all(void)
{
	take_grants();
	for (int file = 0; file < FILES; file++)
		check_file(file);
	for (int i = 0; i < WAITS; i++)
		if (waiting[i].ticket && !model_is_blocked(&waiting[i].request, waiting[i].owner))
			assert_true(is_behind(i));
}

static void do_wait(struct lock_request *request, int owner, uint64_t ticket)
{
	bool is_blocked = model_is_blocked(request, owner);
	bool is_deadlock = is_blocked && model_is_deadlock(request, owner);
	int place = 0, result;

	while (place < WAITS && waiting[place].ticket)
		place++;
	if (place == WAITS)
		return;
	result = wait_by(owner / 2, ticket, *request);
	if (result == 0) {
		assert_false(is_blocked);
		model_lock(request, owner);
	} else if (result == 1) {
		assert_false(is_deadlock);
		waiting[place].ticket = ticket;
		waiting[place].owner = owner;
		waiting[place].request = *request;
	} else {
		assert_int_equal(result, -EDEADLK);
		assert_true(is_deadlock);
	}
}

static void do_cancel(int place)
{
	if (!waiting[place].ticket)
		return;
	assert_int_equal(locks_cancel(&locks, &clients[waiting[place].owner / 2], waiting[place].ticket), 0);
	waiting[place].ticket = 0;
}

static void do_drop(int client)
{
	locks_drop_client(&locks, &clients[client]);
	for (int file = 0; file < FILES; file++)
		memset(model[file][client * 2], 0, sizeof(model[file][0]) * 2);
	for (int i = 0; i < WAITS; i++)
		if (waiting[i].ticket && waiting[i].owner / 2 == client)
			waiting[i].ticket = 0;
}

static void test_locks__random_operations_do_what_the_model_does(void **state)
{
	uint64_t random = 20210;

	(void)state;
	memset(model, 0, sizeof(model));
	memset(waiting, 0, sizeof(waiting));
	for (uint64_t step = 1; step <= 60000; step++) {
		uint64_t dice = test_random(&random);
		int owner = (int)(dice % OWNERS);
		uint64_t start = dice >> 8 & 15, length = dice >> 16 & 15;
		struct lock_request request = {
		        .file = 1 + (dice >> 24 & 1),
		        .owner = 1 + (uint64_t)owner % 2,
		        .start = start % STARTS,
		        .end = length > 10 ? FAR_LOCK_END : start % STARTS + length / 2,
		        .is_exclusive = dice >> 25 & 1,
		};
		unsigned what = dice >> 32 & 31;

		if (what < 8) {
			int result = set(owner / 2, request);

			assert_int_equal(result, model_is_blocked(&request, owner) ? -EAGAIN : 0);
			if (result == 0)
				model_lock(&request, owner);
		} else if (what < 16) {
			do_wait(&request, owner, step);
		} else if (what < 27) {
			assert_int_equal(clear(owner / 2, request), 0);
			model_change(&request, owner, NOTHING);
		} else if (what < 31) {
			do_cancel((int)(dice >> 40 & (WAITS - 1)));
		} else if ((dice >> 48 & 7) == 0) {
			do_drop(owner / 2);
		}
		check_all();
	}
	for (int client = 0; client < 3; client++)
		do_drop(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_locks__same_number_of_two_clients_is_two_owners),
	        TEST(test_locks__records_and_flocks_do_not_see_each_other),
	        TEST(test_locks__waits_are_served_in_order),
	        TEST(test_locks__reader_waits_behind_a_waiting_writer_unless_it_holds_something),
	        TEST(test_locks__a_wait_that_is_taken_back_never_gets_its_lock),
	        TEST(test_locks__a_ticket_asked_for_twice_waits_once),
	        TEST(test_locks__a_ticket_that_has_ended_is_told_when_it_is_taken_back),
	        TEST(test_locks__a_client_that_goes_leaves_its_locks_and_waits),
	        TEST(test_locks__circles_of_record_locks_are_refused_those_of_flocks_wait),
	        TEST(test_locks__flock_that_cannot_be_converted_at_once_is_given_up),
	        TEST(test_locks__flock_of_one_file_is_not_given_up_for_another),
	        TEST(test_locks__a_clients_bound_counts_locks_and_waits),
	        TEST(test_locks__a_hole_at_the_bound_is_refused_and_changes_nothing),
	        TEST(test_locks__random_operations_do_what_the_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
