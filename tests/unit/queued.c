#include "queued.h"

#include "far/limits.h"

static const char *provider = "shm";

void queued_choose(int argc, char **argv)
{
	if (argc > 1)
		provider = argv[1];
}

const char *queued_provider(void)
{
	return provider;
}

static int set_up(void **state, uint64_t pool_bytes)
{
	static struct queued queued;

	queued = (struct queued){.session = NULL};
	served_apart_start(&queued.apart, provider, pool_bytes);
	*state = &queued;
	return far_connect(queued.apart.address, NULL, &queued.session);
}

int queued_set_up(void **state)
{
	return set_up(state, QUEUED_POOL);
}

int queued_set_up_small(void **state)
{
	return set_up(state, FAR_POOL_MIN);
}

int queued_tear_down(void **state)
{
	struct queued *queued = *state;

	far_close(queued->session);
	served_apart_end(&queued->apart);
	return 0;
}

void queued_wait_until_reachable(far_session *session)
{
	while (far_ping(session))
		;
}

far_queue *queued_new(far_session *session, unsigned depth)
{
	far_queue *queue = NULL;

	assert_int_equal(far_queue_new(session, depth, &queue), 0);
	return queue;
}

struct far_completion queued_take(far_queue *queue, size_t number)
{
	struct far_completion completion;

	assert_int_equal(far_queue_wait(queue, &completion, 1, QUEUED_MS), 1);
	assert_int_equal((size_t)completion.context, number);
	return completion;
}

void queued_expect_empty(far_queue *queue)
{
	struct far_completion completion;

	assert_int_equal(far_queue_poll(queue, &completion, 1), 0);
	assert_int_equal(far_queue_wait(queue, &completion, 1, -1), 0); // at once: nothing is under way
}

int queued_get(far_queue *queue, const char *key, size_t number)
{
	return far_queue_get(queue, key, strlen(key), (void *)number);
}

int queued_get_into(far_queue *queue, const char *key, void *buffer, size_t room, size_t number)
{
	return far_queue_get_into(queue, key, strlen(key), buffer, room, (void *)number);
}

int queued_put(far_queue *queue, const char *key, const void *value, size_t length, size_t number)
{
	return far_queue_put(queue, key, strlen(key), value, length, NULL, (void *)number);
}

int queued_delete(far_queue *queue, const char *key, size_t number)
{
	return far_queue_delete(queue, key, strlen(key), (void *)number);
}
