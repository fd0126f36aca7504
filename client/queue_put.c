#include <errno.h>

#include "client/error.h"
#include "client/queue.h"

// Puts of a queue: small ones many in a message, large ones into the lane's grants with a request behind each. One that the grants cannot take, though nothing is owed that would bring new ones, is stored at once.

static void finish_put(struct far_queue *queue, size_t place)
{
	const struct far_put_item *item = &queue->puts[place];

	queue->operations[place].completion.version = item->version;
	queue_finish(queue, place, item->result);
}

static int send_large(struct far_queue *queue, size_t place)
{
	struct many_part part = {.first = place, .end = place + 1};
	struct far_put_item *item = &queue->puts[place];
	struct put_granted granted;
	struct put_target target;
	int error;

	if (queue->many.count == MANY_OWED || (queue->many.count > 0 && put_granted(queue->lane) < item->length))
		return 0; // replies bring new grants
	if (put_granted(queue->lane) < item->length) {
		put_item_store(queue->lane, item);
		finish_put(queue, place);
		return 1;
	}
	error = put_item_grant(queue->lane, item, &target, &granted);
	if (!error)
		error = many_send(&queue->many, &granted.request, part);
	if (error)
		return error;
	queue_note_sent(queue, &part);
	return 1;
}

static int send_puts(struct far_queue *queue, size_t place, size_t end)
{
	struct put_items_message message;
	struct call call;
	int sent;

	put_items_choose(queue->lane, queue->puts, place, end, &message, &call);
	if (message.count == 0)
		return send_large(queue, place);
	sent = many_try(&queue->many, &call, message.part);
	if (sent == 1)
		queue_note_sent(queue, &message.part);
	return sent;
}

static void take_puts(struct far_queue *queue, const struct many_part *part, int error, const struct reply *reply)
{
	if (!reply->message)
		return;
	put_items_take(queue->lane, queue->puts, part, error, reply);
	for (size_t i = part->first; i < part->end; i++)
		if (queue->operations[i].state == QUEUE_SENT)
			finish_put(queue, i);
}

static const struct queue_kind put_kind = {.gathers = true, .send = send_puts, .take = take_puts};

int far_queue_put(far_queue *queue, const void *key, size_t key_length, const void *value, size_t length,
        const struct far_put_options *options, void *context)
{
	struct far_put_item item = {
	        .key = key, .key_length = key_length, .value = value, .length = length, .options = options, .result = PUT_ITEM_UNSENT};
	int error = put_item_check(&item);
	ssize_t place;

	if (error)
		return error_of_key(error, "put", key, key_length);
	place = queue_begin(queue, &put_kind, (struct far_span){key, (uint32_t)key_length}, context);
	if (place < 0)
		return (int)place;
	queue->puts[place] = item;
	queue->operations[place].is_change = true;
	queue_note_pending(queue, (size_t)place);
	return 0;
}
