#include <errno.h>
#include <stdlib.h>

#include "client/error.h"
#include "client/get_many_load.h"
#include "client/queue.h"
#include "far/clock.h"

// Gets of a queue. Where the pool is mapped, what is remembered is loaded at once. Small ones go many in a message; those that may be large, are fetched into new memory or from an offset go by themselves, with memory that the server may push into.

static void ask_by_itself(struct far_queue *queue, size_t place, struct get get);

// --- many in a message ---

static void finish_item(struct far_queue *queue, size_t place)
{
	const struct far_get_item *item = &queue->gets[place];

	queue->operations[place].completion.version = item->version;
	queue->operations[place].completion.size = item->size;
	queue_finish(queue, place, item->result);
}

// What is located, or changed meanwhile, or is too long for a message with others.
static void separate(struct far_queue *queue, size_t place)
{
	struct far_get_item *item = &queue->gets[place];

	queue_again(queue, place);
	ask_by_itself(queue, place, (struct get){.buffer = item->buffer, .length = item->room});
}

static int send_items(struct far_queue *queue, size_t place, size_t end)
{
	struct get_items_message message;
	struct call call;
	int sent;

	get_items_choose(queue->lane, queue->gets, place, end, &message, &call);
	sent = many_try(&queue->many, &call, message.part);
	if (sent == 1)
		queue_note_sent(queue, &message.part);
	if (sent != -ENAMETOOLONG)
		return sent;
	separate(queue, place);
	return 1;
}

static void take_items(struct far_queue *queue, const struct many_part *part, int error, const struct reply *reply)
{
	if (!reply->message)
		return;
	get_items_take(queue->lane, queue->gets, part, error, reply);
	for (size_t i = part->first; i < part->end; i++) {
		if (queue->operations[i].state != QUEUE_SENT)
			continue;
		if (queue->gets[i].result <= 0)
			finish_item(queue, i);
		else
			separate(queue, i);
	}
}

static const struct queue_kind item_kind = {.gathers = true, .send = send_items, .take = take_items};

// --- by themselves ---

static int make_memory(struct queue_operation *operation, uint64_t size)
{
	char *bytes = malloc(size + 1);

	if (!bytes)
		return error_set(-ENOMEM, "get: no memory for a value of %llu bytes", (unsigned long long)size);
	operation->completion.value = bytes;
	operation->ask.get.buffer = bytes;
	operation->ask.get.length = size;
	return 0;
}

// Without memory, until its size is known.
static void drop_memory(struct queue_operation *operation)
{
	free(operation->completion.value);
	operation->completion.value = NULL;
	operation->ask.get.buffer = NULL;
	operation->ask.get.length = UINT64_MAX;
}

// All of it is there: the result.
static int take_whole(struct queue_operation *operation)
{
	const struct get *get = &operation->ask.get;

	operation->completion.version = get->version;
	operation->completion.size = get->size;
	if (!operation->owns_value)
		return 0;
	if (get->is_same || (get->known && get->version == get->known)) {
		drop_memory(operation);
		operation->completion.size = 0;
		return 0;
	}
	get->buffer[get->size] = '\0';
	return operation->ask.is_conditional;
}

// As get_take, with memory that is made once the size is known.
static int take_bytes(struct far_queue *queue, struct queue_operation *operation, int error, const struct reply *reply)
{
	const struct far_get_reply *answer = (const struct far_get_reply *)reply->message;
	struct get *get = &operation->ask.get;
	int result;

	if (!error && reply->length < sizeof(*answer))
		error = call_out_of_step(queue->lane, "too short");
	if (!error && !get->buffer && operation->owns_value && answer->how != FAR_GET_SAME) {
		error = make_memory(operation, answer->location.size);
		if (!error && answer->how == FAR_GET_LOCATED && !queue->lane->caps->has_loads)
			return 1; // it is pushed there
	}
	result = get_take(get, error, reply, &operation->ask.push);
	if (result == 0 && operation->owns_value && !get->is_same && get->size != get->length)
		result = get_restart(get); // it has another size by now
	if (result == 1 && operation->owns_value && !get->is_begun)
		drop_memory(operation);
	return result;
}

static int send_ask(struct far_queue *queue, size_t place, size_t end)
{
	struct queue_operation *operation = &queue->operations[place];
	struct many_part part = {.first = place, .end = end};
	struct get *get = &operation->ask.get;
	uint64_t staging = get_push_staging(get);
	struct far_get_request message;
	struct call call;
	int sent;

	staging = (staging < LANE_STAGING ? staging + 63 : LANE_STAGING) & ~63ULL;
	if (queue->staging == 0)
		queue->staged = 0;
	if (staging > LANE_STAGING - queue->staged)
		return 0;
	operation->ask.push = get_push_new(get, (char *)queue->lane->memory.base + queue->staged, LANE_STAGING - queue->staged);
	get->begun_ns = get->begun_ns ? get->begun_ns : clock_now_ns();
	get_request(get, &operation->ask.push, &message, &call);
	sent = many_try(&queue->many, &call, part);
	if (sent != 1) {
		get_push_end(&operation->ask.push);
		return sent;
	}
	queue_note_sent(queue, &part);
	if (operation->ask.push.staged) {
		queue->staged += staging;
		queue->staging++;
	}
	return 1;
}

static void take_ask(struct far_queue *queue, const struct many_part *part, int error, const struct reply *reply)
{
	struct queue_operation *operation = &queue->operations[part->first];
	int result = error;

	queue->staging -= operation->ask.push.staged != NULL;
	if (reply->message)
		result = take_bytes(queue, operation, error, reply);
	get_push_end(&operation->ask.push);
	if (!reply->message) { // it may be asked again from the start
		operation->ask.get.done = 0;
		operation->ask.get.is_begun = false;
	} else if (result == 1) {
		queue_again(queue, part->first);
	} else {
		queue_finish(queue, part->first, result ? result : take_whole(operation));
	}
}

static const struct queue_kind ask_kind = {.send = send_ask, .take = take_ask};

// What is remembered of the key tells how much memory it takes, and where the pool is mapped it may be enough.
static void begin_by_memory(struct far_queue *queue, size_t place)
{
	struct queue_operation *operation = &queue->operations[place];
	struct get *get = &operation->ask.get;
	const struct located *located;
	bool is_loaded;
	int error = 0;

	queue_take_replies(queue);
	is_loaded = queue->lane->caps->has_loads && queue_is_first(queue, place);
	if (is_loaded && get_is_still(get, &error)) {
		queue_finish(queue, place, error ? error : take_whole(operation));
		return;
	}
	located = locate_find_key(queue->lane, get->hash);
	if (!located || (get->known && located->version == get->known))
		return;
	error = make_memory(operation, located->size);
	if (error || (is_loaded && get_warm(get, &error)))
		queue_finish(queue, place, error ? error : take_whole(operation));
}

static void ask_by_itself(struct far_queue *queue, size_t place, struct get get)
{
	struct queue_operation *operation = &queue->operations[place];

	operation->kind = &ask_kind;
	operation->ask.get = get;
	operation->ask.get.lane = queue->lane;
	operation->ask.push = (struct get_push){0};
	get_prepare(&operation->ask.get, operation->key);
}

// --- calls ---

// A place, or a negative errno.
static ssize_t begin(struct far_queue *queue, const struct queue_kind *kind, const void *key, size_t key_length, void *context)
{
	int error = far_key_check(key, key_length);

	if (error)
		return error_of_key(error, "get", key, key_length);
	return queue_begin(queue, kind, (struct far_span){key, (uint32_t)key_length}, context);
}

static int get_whole(far_queue *queue, const void *key, size_t key_length, bool is_conditional, uint64_t known, void *context)
{
	ssize_t place = begin(queue, &ask_kind, key, key_length, context);

	if (place < 0)
		return (int)place;
	queue->operations[place].owns_value = true;
	queue->operations[place].ask.is_conditional = is_conditional;
	ask_by_itself(queue, (size_t)place, (struct get){.known = known, .length = UINT64_MAX});
	begin_by_memory(queue, (size_t)place);
	if (queue->operations[place].state == QUEUE_WAITING)
		queue_note_pending(queue, (size_t)place);
	return 0;
}

int far_queue_get(far_queue *queue, const void *key, size_t key_length, void *context)
{
	return get_whole(queue, key, key_length, false, 0, context);
}

int far_queue_get_if_newer(far_queue *queue, const void *key, size_t key_length, uint64_t known, void *context)
{
	return get_whole(queue, key, key_length, true, known, context);
}

static void load(struct far_queue *queue, size_t place)
{
	struct far_get_item *item = &queue->gets[place];

	queue_take_replies(queue);
	if (queue_is_first(queue, place))
		get_many_load(queue->lane, item, 1);
	if (item->result <= 0)
		finish_item(queue, place);
	else
		queue_note_pending(queue, place);
}

// As begin, with the caller's memory.
static ssize_t begin_into(struct far_queue *queue, const struct queue_kind *kind, const void *key, size_t key_length, const void *buffer,
        size_t room, void *context)
{
	if (room && !buffer)
		return error_set(-EINVAL, "get: no buffer for %zu bytes", room);
	return begin(queue, kind, key, key_length, context);
}

int far_queue_get_into(far_queue *queue, const void *key, size_t key_length, void *buffer, size_t room, void *context)
{
	ssize_t place = begin_into(queue, &item_kind, key, key_length, buffer, room, context);

	if (place < 0)
		return (int)place;
	if (room > queue->lane->eager_limit && !queue->lane->caps->has_loads) {
		ask_by_itself(queue, (size_t)place, (struct get){.buffer = buffer, .length = room});
		return 0;
	}
	queue->gets[place] =
	        (struct far_get_item){.key = key, .key_length = key_length, .buffer = buffer, .room = room, .result = GET_ITEM_ASK};
	if (queue->lane->caps->has_loads)
		load(queue, (size_t)place);
	return 0;
}

int far_queue_get_range(far_queue *queue, const void *key, size_t key_length, void *buffer, size_t room, uint64_t offset, void *context)
{
	ssize_t place = begin_into(queue, &ask_kind, key, key_length, buffer, room, context);
	struct get *get;
	int error;

	if (place < 0)
		return (int)place;
	ask_by_itself(queue, (size_t)place, (struct get){.buffer = buffer, .length = room, .offset = offset});
	if (!queue->lane->caps->has_loads)
		return 0;
	get = &queue->operations[place].ask.get;
	queue_take_replies(queue);
	if (queue_is_first(queue, (size_t)place) && get_warm(get, &error))
		queue_finish(queue, (size_t)place, error ? error : take_whole(&queue->operations[place]));
	else
		queue_note_pending(queue, (size_t)place);
	return 0;
}
