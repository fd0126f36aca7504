// What the tests of queues (client/queue.h) begin and end with: a server apart (served_apart.h) with a session, over the provider that the program's argument names; and how completions are taken.
#ifndef TESTS_QUEUED_H
#define TESTS_QUEUED_H

#include "served_apart.h"
#include "testing.h"

#include "far.h"

#define QUEUED_POOL (64U << 20)
#define QUEUED_MS 30000 // much more than anything takes

struct queued {
	struct served_apart apart;
	far_session *session;
};

// Runs the tests over the provider that argv[1] names.
#define queued_main(argc, argv, tests) (queued_choose((argc), (argv)), cmocka_run_group_tests((tests), NULL, NULL))
void queued_choose(int argc, char **argv);
const char *queued_provider(void);

// *state is a struct queued. The small one has the smallest pool.
int queued_set_up(void **state);
int queued_set_up_small(void **state);
int queued_tear_down(void **state);

#define QUEUED(name) cmocka_unit_test_setup_teardown(name, queued_set_up, queued_tear_down)
#define QUEUED_SMALL(name) cmocka_unit_test_setup_teardown(name, queued_set_up_small, queued_tear_down)

// Until a server that is back answers: a new connection has a second, and it may not have run yet.
void queued_wait_until_reachable(far_session *session);

far_queue *queued_new(far_session *session, unsigned depth);

// The next completion, which must be the operation's with this number as its context.
struct far_completion queued_take(far_queue *queue, size_t number);

// Nothing more comes of a queue that is empty.
void queued_expect_empty(far_queue *queue);

// Calls with a C string as key, and a number as context.
int queued_get(far_queue *queue, const char *key, size_t number);
int queued_get_into(far_queue *queue, const char *key, void *buffer, size_t room, size_t number);
int queued_put(far_queue *queue, const char *key, const void *value, size_t length, size_t number);
int queued_delete(far_queue *queue, const char *key, size_t number);

#endif
