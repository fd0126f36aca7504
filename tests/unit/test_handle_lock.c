#include <errno.h>
#include <sys/stat.h>

#include "served.h"
#include "testing.h"

static struct server *server;
static struct far_attr file;

static int begin(void **state)
{
	struct served_lane *client;

	(void)state;
	server = served_open(16U << 20);
	client = served_join(server);
	assert_int_equal(served_create(client, FAR_ROOT_ID, "f", S_IFREG | 0644, &file), FAR_STATUS_OK);
	served_leave(client);
	return 0;
}

static int end(void **state)
{
	(void)state;
	served_close(server);
	return 0;
}

static struct far_lock_request request(uint64_t owner, uint64_t start, uint64_t last)
{
	return (struct far_lock_request){.id = file.id, .owner = owner, .start = start, .end = last, .pid = 42};
}

static int lock(struct served_lane *client, unsigned flags, struct far_lock_request message)
{
	return served_call(client, FAR_OP_LOCK, flags, &message, sizeof(message), (struct served_parts){0});
}

static const struct far_lock_reply *reply_of(const struct served_lane *client)
{
	return (const struct far_lock_reply *)client->reply;
}

static int take_notices(struct served_lane *client)
{
	struct far_request message;

	return served_call(client, FAR_OP_NOTICES, 0, &message, sizeof(message), (struct served_parts){0});
}

static int cancel(struct served_lane *client, uint64_t ticket)
{
	struct far_cancel_request message = {.ticket = ticket};

	return served_call(client, FAR_OP_LOCK_CANCEL, 0, &message, sizeof(message), (struct served_parts){0});
}

static void test_lock__requests_that_make_no_sense_are_refused(void **state)
{
	struct served_lane *client = served_join(server);
	struct far_lock_request gone = request(1, 0, 9);

	(void)state;
	assert_int_equal(lock(client, 0, request(0, 0, 9)), FAR_STATUS_INVALID);
	assert_int_equal(lock(client, 0, request(1, 10, 9)), FAR_STATUS_INVALID);
	assert_int_equal(lock(client, 0, request(1, 0, (uint64_t)FAR_LOCK_END + 1)), FAR_STATUS_INVALID);
	assert_int_equal(lock(client, FAR_LOCK_FLOCK, request(1, 0, 9)), FAR_STATUS_INVALID);
	assert_int_equal(lock(client, FAR_LOCK_WAIT, request(1, 0, 9)), FAR_STATUS_INVALID); // no ticket
	assert_int_equal(lock(client, FAR_LOCK_TEST | FAR_LOCK_UNLOCK, request(1, 0, 9)), FAR_STATUS_INVALID);
	assert_int_equal(cancel(client, 0), FAR_STATUS_INVALID);
	gone.id++;
	assert_int_equal(lock(client, 0, gone), FAR_STATUS_STALE);
	assert_int_equal(lock(client, FAR_LOCK_UNLOCK, gone), FAR_STATUS_OK);
	served_leave(client);
}

static void test_lock__test_tells_the_process_only_to_its_own_session(void **state)
{
	struct served_lane *one = served_join(server), *other = served_join(server);

	(void)state;
	assert_int_equal(lock(one, FAR_LOCK_EXCLUSIVE, request(1, 5, 9)), FAR_STATUS_OK);
	assert_int_equal(lock(one, FAR_LOCK_TEST, request(2, 0, FAR_LOCK_END)), FAR_STATUS_OK);
	assert_int_equal(reply_of(one)->how, FAR_LOCK_TAKEN);
	assert_int_equal(reply_of(one)->start, 5);
	assert_int_equal(reply_of(one)->end, 9);
	assert_int_equal(reply_of(one)->is_exclusive, 1);
	assert_int_equal(reply_of(one)->pid, 42);
	assert_int_equal(lock(other, FAR_LOCK_TEST, request(1, 0, 5)), FAR_STATUS_OK);
	assert_int_equal(reply_of(other)->how, FAR_LOCK_TAKEN);
	assert_int_equal(reply_of(other)->pid, 0);
	assert_int_equal(lock(other, FAR_LOCK_TEST, request(1, 0, 4)), FAR_STATUS_OK);
	assert_int_equal(reply_of(other)->how, FAR_LOCK_DONE);
	served_leave(one);
	served_leave(other);
}

static void test_lock__a_wait_is_answered_at_once_and_its_end_is_a_notice(void **state)
{
	struct served_lane *one = served_join(server), *other = served_join(server);
	struct far_lock_request message = request(1, 0, 9);
	const struct far_notices *notices = (const struct far_notices *)other->reply;
	const struct far_notice *notice = (const struct far_notice *)(notices + 1);

	(void)state;
	message.ticket = 77;
	assert_int_equal(take_notices(other), FAR_STATUS_OK);
	assert_int_equal(lock(one, FAR_LOCK_EXCLUSIVE, request(1, 0, 9)), FAR_STATUS_OK);
	assert_int_equal(lock(other, 0, message), FAR_STATUS_LOCKED);
	assert_int_equal(lock(other, FAR_LOCK_WAIT, message), FAR_STATUS_OK);
	assert_int_equal(reply_of(other)->how, FAR_LOCK_QUEUED);
	assert_false(operations_has_notices(&other->lane));
	assert_int_equal(lock(one, FAR_LOCK_UNLOCK, request(1, 0, FAR_LOCK_END)), FAR_STATUS_OK);
	assert_int_equal(other->notified, 1);
	assert_true(operations_has_notices(&other->lane));
	assert_int_equal(operations_notices(&other->lane, other->reply, 8192), sizeof(*notices) + sizeof(*notice));
	assert_int_equal(notices->header.op, FAR_OP_NOTICES);
	assert_int_equal(notices->header.flags, FAR_REPLY_NOTICE);
	assert_int_equal(notices->count, 1);
	assert_int_equal(notice->ticket, 77);
	assert_int_equal(notice->status, FAR_STATUS_OK);
	assert_false(operations_has_notices(&other->lane));
	assert_int_equal(cancel(other, 77), FAR_STATUS_NOT_FOUND);
	served_leave(one);
	served_leave(other);
}

static void test_lock__notices_wait_for_a_lane_that_takes_them(void **state)
{
	struct served_lane *one = served_join(server), *other = served_join(server);
	struct far_lock_request message = request(1, 0, 9);

	(void)state;
	message.ticket = 1;
	assert_int_equal(lock(one, FAR_LOCK_EXCLUSIVE, request(1, 0, 9)), FAR_STATUS_OK);
	assert_int_equal(lock(other, FAR_LOCK_WAIT, message), FAR_STATUS_OK);
	served_leave(one); // its session ends
	assert_int_equal(other->notified, 0);
	assert_false(operations_has_notices(&other->lane));
	assert_int_equal(take_notices(other), FAR_STATUS_OK);
	assert_int_equal(other->notified, 1);
	assert_true(operations_has_notices(&other->lane));
	served_leave(other);
}

static void test_lock__the_session_takes_its_locks_and_waits_with_it(void **state)
{
	struct served_lane *one = served_join(server), *other = served_join(server);
	struct far_lock_request message = request(1, 0, 9);

	(void)state;
	message.ticket = 1;
	assert_int_equal(lock(one, FAR_LOCK_EXCLUSIVE, request(1, 0, 9)), FAR_STATUS_OK);
	assert_int_equal(lock(other, FAR_LOCK_WAIT, message), FAR_STATUS_OK);
	assert_int_equal(server->locks.count, 2);
	served_leave(other);
	assert_int_equal(server->locks.count, 1);
	served_leave(one);
	assert_int_equal(server->locks.count, 0);
	assert_int_equal(server->locks.files.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_lock__requests_that_make_no_sense_are_refused, begin, end),
	        cmocka_unit_test_setup_teardown(test_lock__test_tells_the_process_only_to_its_own_session, begin, end),
	        cmocka_unit_test_setup_teardown(test_lock__a_wait_is_answered_at_once_and_its_end_is_a_notice, begin, end),
	        cmocka_unit_test_setup_teardown(test_lock__notices_wait_for_a_lane_that_takes_them, begin, end),
	        cmocka_unit_test_setup_teardown(test_lock__the_session_takes_its_locks_and_waits_with_it, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
