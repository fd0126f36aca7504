#include "client/queue.h"

// Appends and puts of ranges of a queue: a message each. Bytes that do not fit one go into the lane's grants, with the request behind them; where these have no room left, and nothing is owed that would bring new ones, more are asked for
// at once.

// 1: the bytes may go; 0: replies that are owed bring grants; or a negative errno.
static int gather(struct far_queue *queue, const struct put_range *range)
{
	int error;

	if (put_range_is_small(queue->lane, range))
		return queue->many.count < MANY_OWED;
	if (queue->many.count == MANY_OWED)
		return 0;
	if (put_granted(queue->lane) >= range->length)
		return 1;
	if (queue->many.count > 0)
		return 0;
	error = put_range_gather(queue->lane, range);
	return error ? error : 1;
}

static int send_range(struct far_queue *queue, size_t place, size_t end)
{
	const struct put_range *range = &queue->operations[place].range;
	struct many_part part = {.first = place, .end = end};
	struct put_range_request request;
	int result = gather(queue, range);

	if (result <= 0)
		return result;
	result = put_range_make(queue->lane, range, &request);
	if (result)
		return result;
	// What stands in grants cannot be given up again: its request waits for room.
	if (request.call.is_bound) {
		int error = many_send(&queue->many, &request.call, part);

		result = error ? error : 1;
	} else {
		result = many_try(&queue->many, &request.call, part);
	}
	if (result == 1)
		queue_note_sent(queue, &part);
	return result;
}

static void take_range(struct far_queue *queue, const struct many_part *part, int error, const struct reply *reply)
{
	struct queue_operation *operation = &queue->operations[part->first];
	struct far_completion *completion = &operation->completion;

	if (reply->message)
		queue_finish(queue, part->first,
		        put_range_take(queue->lane, &operation->range, error, reply, &completion->size, &completion->version));
}

static const struct queue_kind range_kind = {.send = send_range, .take = take_range};

static int begin(struct far_queue *queue, const struct put_range *range, void *context)
{
	ssize_t place = queue_begin(queue, &range_kind, range->key, context);

	if (place < 0)
		return (int)place;
	queue->operations[place].range = *range;
	queue->operations[place].is_change = true;
	queue_note_pending(queue, (size_t)place);
	return 0;
}

int far_queue_append(far_queue *queue, const void *key, size_t key_length, const void *bytes, size_t length, void *context)
{
	struct put_range range;
	int error = put_range_append(&range, put_key(key, key_length), bytes, length);

	return error ? error : begin(queue, &range, context);
}

int far_queue_put_range(far_queue *queue, const void *key, size_t key_length, const void *bytes, size_t length, uint64_t offset,
        unsigned flags, void *context)
{
	struct put_range range;
	int error = put_range_at(&range, put_key(key, key_length), bytes, length, offset, flags);

	return error ? error : begin(queue, &range, context);
}
