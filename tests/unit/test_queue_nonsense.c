// Queues whose server answers with what makes no sense: the operation ends with -EPROTO, and what comes behind it with a clear error; nothing is read that is not there. The server greets as a real one does.
#include "queued.h"

#include <errno.h>
#include <stdbool.h>

#include "far/wire.h"
#include "served.h"

// What is wrong with each reply behind the greeting.
static enum nonsense {
	SHORT,        // it says that all went well, and no more
	OTHER_TAG,    // it is of another request
	WRONG_LENGTH, // it says that it is longer than it is
	NO_STATUS,    // its status is none that there is
} nonsense;

static uint32_t spoil(struct far_reply *reply)
{
	switch (nonsense) {
	case SHORT:
		reply->length = sizeof(*reply);
		reply->status = FAR_STATUS_OK;
		reply->flags = 0;
		return sizeof(*reply);
	case OTHER_TAG:
		reply->tag++;
		break;
	case WRONG_LENGTH:
		reply->length += 8;
		return reply->length - 8;
	default:
		reply->status = 60000;
	}
	return reply->length;
}

static void answer(struct fabric_lane *lane, const void *message, uint32_t length)
{
	struct served_lane *served = fabric_lane_owner(lane);
	struct far_reply *reply = (struct far_reply *)served->reply;
	uint32_t reply_length = served_raw(served, message, length);
	void *space;

	if (reply->op != FAR_OP_HELLO)
		reply_length = spoil(reply);
	space = fabric_send_reserve(lane, reply_length);
	if (!space) // the client has gone; there is room for all that it may have under way
		return;
	memcpy(space, reply, reply_length);
	fabric_send(lane, reply_length);
	fabric_flush(lane);
}

static void serve_nonsense(const struct served_apart *apart, const struct fabric_address *address, int ready)
{
	struct server *server = served_open(FAR_POOL_MIN);
	struct fabric_options options = {.message_size = FAR_MESSAGE_SIZE_DEFAULT};
	struct fabric_error error = {""};
	struct fabric_address bound;
	struct fabric_event event;
	struct fabric *fabric;

	(void)apart;
	if (fabric_open(address->provider, &options, &fabric, &error) || fabric_listen(fabric, address, &bound, &error))
		return;
	served_apart_listens(&bound, ready);
	while (fabric_wait(fabric, &event, 1, -1) >= 0) {
		if (event.kind == FABRIC_ACCEPTED) {
			fabric_lane_set_owner(event.lane, served_connect(server, false));
		} else if (event.kind == FABRIC_RECEIVED) {
			answer(event.lane, event.message, event.length);
			fabric_receive_release(event.lane, event.message);
		} else if (event.kind == FABRIC_CLOSED) {
			served_leave(fabric_lane_owner(event.lane));
			fabric_disconnect(event.lane);
		}
	}
}

// --- operations ---

static struct {
	struct far_stat stat;
	uint64_t ttl_ms;
	int64_t cell;
	char bytes[8];
} answers;

enum { GET, GET_NEWER, GET_INTO, GET_RANGE, PUT, APPEND, RANGE, DELETE, DELETE_VERSION, STAT, EXPIRE, PERSIST, TTL, ADD, SWAP, SET, KINDS };

static int begin(far_queue *queue, size_t kind, void *context)
{
	switch (kind) {
	case GET:
		return far_queue_get(queue, "key", 3, context);
	case GET_NEWER:
		return far_queue_get_if_newer(queue, "key", 3, 7, context);
	case GET_INTO:
		return far_queue_get_into(queue, "key", 3, answers.bytes, sizeof(answers.bytes), context);
	case GET_RANGE:
		return far_queue_get_range(queue, "key", 3, answers.bytes, sizeof(answers.bytes), 2, context);
	case PUT:
		return far_queue_put(queue, "key", 3, "value", 5, NULL, context);
	case APPEND:
		return far_queue_append(queue, "key", 3, "value", 5, context);
	case RANGE:
		return far_queue_put_range(queue, "key", 3, "value", 5, 1, 0, context);
	case DELETE:
		return far_queue_delete(queue, "none", 4, context);
	case DELETE_VERSION:
		return far_queue_delete_version(queue, "key", 3, 1, context);
	case STAT:
		return far_queue_stat(queue, "key", 3, &answers.stat, context);
	case EXPIRE:
		return far_queue_expire(queue, "key", 3, 60000, context);
	case PERSIST:
		return far_queue_persist(queue, "key", 3, context);
	case TTL:
		return far_queue_ttl(queue, "key", 3, &answers.ttl_ms, context);
	case ADD:
		return far_queue_counter_add(queue, "key", 3, 1, NULL, &answers.cell, context);
	case SWAP:
		return far_queue_counter_cas(queue, "key", 3, 1, 2, &answers.cell, context);
	default:
		return far_queue_counter_set(queue, "key", 3, 1, NULL, &answers.cell, context);
	}
}

// *state is what is wrong.
static int set_up(void **state)
{
	static struct queued queued;

	nonsense = (enum nonsense)(uintptr_t)*state;
	queued = (struct queued){.session = NULL};
	served_apart_start_by(&queued.apart, queued_provider(), serve_nonsense);
	*state = &queued;
	return far_connect(queued.apart.address, NULL, &queued.session);
}

static bool is_refused(size_t kind)
{
	return nonsense != SHORT || (kind != DELETE && kind != DELETE_VERSION); // no more is wanted of these
}

// Each operation by itself, on a connection of its own where the one before it broke it.
static void test_queue__reply_that_makes_no_sense_is_refused(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 4);

	for (size_t kind = 0; kind < KINDS; kind++) {
		struct far_completion completion;

		memset(&answers, 0x55, sizeof(answers));
		assert_int_equal(begin(queue, kind, (void *)kind), 0);
		completion = queued_take(queue, kind);
		if (completion.result != (is_refused(kind) ? -EPROTO : 0))
			fail_msg("operation %zu: %d", kind, completion.result);
		assert_null(completion.value);
		for (size_t i = 0; i < sizeof(answers); i++)
			assert_int_equal(((unsigned char *)&answers)[i], 0x55);
		queued_expect_empty(queue);
	}
	far_queue_free(queue);
}

// All at once: each ends, in order, and none is asked again.
static void test_queue__what_is_behind_nonsense_ends_each_once(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 4 * KINDS);

	for (size_t i = 0; i < (size_t)4 * KINDS; i++)
		assert_int_equal(begin(queue, i % KINDS, (void *)i), 0);
	for (size_t i = 0; i < (size_t)4 * KINDS; i++) {
		struct far_completion completion = queued_take(queue, i);

		if (completion.result != -EPROTO && (completion.result || is_refused(i % KINDS)))
			fail_msg("operation %zu: %d", i, completion.result);
		assert_null(completion.value);
	}
	queued_expect_empty(queue);
	far_queue_free(queue);
}

#define NONSENSE(test, what) cmocka_unit_test_prestate_setup_teardown(test, set_up, queued_tear_down, (void *)(uintptr_t)(what))
#define EACH(what) \
	NONSENSE(test_queue__reply_that_makes_no_sense_is_refused, what), NONSENSE(test_queue__what_is_behind_nonsense_ends_each_once, what)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {EACH(SHORT), EACH(OTHER_TAG), EACH(WRONG_LENGTH), EACH(NO_STATUS)};

	return queued_main(argc, argv, tests);
}
