#include "client/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "client/error.h"
#include "far/clock.h"

// A queue's life, and how it moves on: what waits is sent, in order, as far as there is room; replies come in the order of their requests, each for some of the operations (many.h). A lost connection ends what was under way: changes
// with an error, questions are sent once more, from the oldest on.

#define RUN_MAX 256U // operations that are looked at for one message

static struct queue_operation *operation_at(const struct far_queue *queue, uint64_t number)
{
	return &queue->operations[number & queue->mask];
}

// --- operations ---

ssize_t queue_begin(struct far_queue *queue, const struct queue_kind *kind, struct far_span key, void *context)
{
	struct queue_operation *operation = operation_at(queue, queue->tail);

	if (queue->tail - queue->head == queue->depth)
		return error_set(-EAGAIN, "the queue has %u operations: take completions first", queue->depth);
	operation->kind = kind;
	operation->state = QUEUE_WAITING;
	operation->is_change = false;
	operation->is_again = false;
	operation->owns_value = false;
	operation->is_counted = false;
	operation->completion = (struct far_completion){.context = context};
	operation->key = key;
	return (ssize_t)(queue->tail++ & queue->mask);
}

static uint16_t bucket_of(const struct far_queue *queue, const struct queue_operation *operation)
{
	return locate_hash_key(queue->lane, operation->key.bytes, operation->key.length).low % QUEUE_BUCKETS;
}

bool queue_is_first(const struct far_queue *queue, size_t place)
{
	return queue->pending_count == 0 || queue->pending[bucket_of(queue, &queue->operations[place])] == 0;
}

void queue_note_pending(struct far_queue *queue, size_t place)
{
	struct queue_operation *operation = &queue->operations[place];

	if (!queue->lane->caps->has_loads)
		return;
	operation->bucket = bucket_of(queue, operation);
	operation->is_counted = true;
	queue->pending[operation->bucket]++;
	queue->pending_count++;
}

void queue_finish(struct far_queue *queue, size_t place, int result)
{
	struct queue_operation *operation = &queue->operations[place];

	operation->state = QUEUE_DONE;
	operation->completion.result = result;
	if (operation->is_counted) {
		queue->pending[operation->bucket]--;
		queue->pending_count--;
	}
	if (result < 0 && operation->owns_value) {
		free(operation->completion.value);
		operation->completion.value = NULL;
	}
}

void queue_again(struct far_queue *queue, size_t place)
{
	uint64_t number = queue->head + ((place - queue->head) & queue->mask);

	queue->operations[place].state = QUEUE_WAITING;
	if (number < queue->next)
		queue->next = number;
}

void queue_note_sent(struct far_queue *queue, const struct many_part *part)
{
	for (size_t i = part->first; i < part->end; i++)
		if (queue->operations[i].state == QUEUE_WAITING)
			queue->operations[i].state = QUEUE_SENT;
}

// --- replies ---

static void take_lost(struct far_queue *queue, const struct many_part *part, int error)
{
	for (size_t i = part->first; i < part->end; i++) {
		struct queue_operation *operation = &queue->operations[i];

		if (operation->state != QUEUE_SENT)
			continue;
		if (error != -EIO || operation->is_change || operation->is_again) {
			queue_finish(queue, i, error);
			continue;
		}
		operation->is_again = true;
		queue_again(queue, i);
	}
}

static void take_reply(void *context, const struct many_part *part, int error, const struct reply *reply)
{
	struct far_queue *queue = context;

	queue->operations[part->first].kind->take(queue, part, error, reply);
	if (!reply->message)
		take_lost(queue, part, error);
}

// The connection has ended: so has what was under way on it.
static void lose(struct far_queue *queue)
{
	queue->many.lost = queue->many.lost ? queue->many.lost : many_reason(queue->lane);
	many_finish(&queue->many);
	queue->many.lost = 0;
}

void queue_take_replies(struct far_queue *queue)
{
	struct far_lane *lane = queue->lane;

	if (lane->reply_count > 0)
		queue->heard_ns = clock_now_ns();
	while (queue->many.count > 0 && lane->connection && lane->reply_count > 0)
		many_take_next(&queue->many);
	if (!lane->connection)
		lose(queue);
}

// --- requests ---

// The end of the run that begins at a place: all of one kind that gathers, none of them sent.
static size_t run_end(const struct far_queue *queue, uint64_t first)
{
	const struct queue_kind *kind = operation_at(queue, first)->kind;
	size_t place = first & queue->mask;
	uint64_t number = first + 1;

	while (kind->gathers && number < queue->tail && number - first < RUN_MAX && (number & queue->mask) > place &&
	        operation_at(queue, number)->kind == kind && operation_at(queue, number)->state != QUEUE_SENT)
		number++;
	return place + (size_t)(number - first);
}

static void fail_waiting(struct far_queue *queue, int error)
{
	for (; queue->next < queue->tail; queue->next++)
		if (operation_at(queue, queue->next)->state == QUEUE_WAITING)
			queue_finish(queue, queue->next & queue->mask, error);
}

// The first that waits. False: it ended with an error, or there is no room.
static bool send_next(struct far_queue *queue)
{
	size_t place = queue->next & queue->mask;
	struct queue_operation *operation = &queue->operations[place];
	int sent = operation->kind->send(queue, place, run_end(queue, queue->next));

	if (queue->lane->connection && sent < 0)
		queue_finish(queue, place, sent);
	if (queue->lane->connection)
		return sent != 0;
	// Of this one nothing has left.
	if (operation->state == QUEUE_WAITING && operation->is_again)
		queue_finish(queue, place, -EIO);
	operation->is_again = true;
	lose(queue);
	return true;
}

// What waits is sent, as far as there is room. Replies that are here come first: on a connection that turns out to be lost they would be lost, too; and it may have been lost already, by a get that was to be loaded.
static void send_waiting(struct far_queue *queue)
{
	queue_take_replies(queue);
	while (queue->next < queue->tail) {
		int error = 0;

		if (operation_at(queue, queue->next)->state != QUEUE_WAITING) {
			queue->next++;
			continue;
		}
		if (queue->many.count == 0)
			error = many_begin(&queue->many);
		if (error)
			fail_waiting(queue, error);
		else if (!send_next(queue))
			return;
	}
}

static void flush(struct far_queue *queue)
{
	struct far_lane *lane = queue->lane;
	int error = lane->connection ? fabric_flush(lane->connection) : 0;

	if (error < 0)
		call_lost(lane, error);
	if (!lane->connection)
		lose(queue);
}

void far_queue_submit(far_queue *queue)
{
	send_waiting(queue);
	flush(queue);
}

// --- completions ---

static unsigned deliver(struct far_queue *queue, struct far_completion *completions, unsigned max)
{
	unsigned count = 0;

	while (count < max && queue->head < queue->tail && operation_at(queue, queue->head)->state == QUEUE_DONE)
		completions[count++] = operation_at(queue, queue->head++)->completion;
	if (queue->next < queue->head)
		queue->next = queue->head;
	return count;
}

static bool has_completions(const struct far_queue *queue)
{
	return queue->head < queue->tail && operation_at(queue, queue->head)->state == QUEUE_DONE;
}

// When the oldest reply that is owed comes too late.
static uint64_t limit_ns(const struct far_queue *queue)
{
	uint64_t sent_ns = queue->many.owed[queue->many.first].sent_ns;
	uint64_t since_ns = sent_ns > queue->heard_ns ? sent_ns : queue->heard_ns;

	return queue->many.count > 0 ? since_ns + (uint64_t)queue->lane->timeout_ms * 1000000U : UINT64_MAX;
}

static void end_late(struct far_queue *queue, uint64_t now_ns)
{
	struct far_lane *lane = queue->lane;

	if (now_ns < limit_ns(queue))
		return;
	lane_drop(lane);
	queue->many.lost = error_set(-ETIMEDOUT, "%s: no answer within %d ms", lane->session->address_text, lane->timeout_ms);
	lose(queue);
}

// Takes what has come, and sends what that made possible.
static void move(struct far_queue *queue)
{
	int error;

	if ((queue->many.count > 0 || queue->is_armed) && queue->lane->connection)
		call_take(queue->lane, &error);
	queue->is_armed = false;
	queue_take_replies(queue);
	if (!has_completions(queue))
		end_late(queue, clock_now_ns());
	far_queue_submit(queue);
}

unsigned far_queue_poll(far_queue *queue, struct far_completion *completions, unsigned max)
{
	far_queue_submit(queue);
	if (!has_completions(queue))
		move(queue);
	return deliver(queue, completions, max);
}

// Until something has come, the user's time is over, or the server's.
static void await(struct far_queue *queue, uint64_t until_ns, uint64_t now_ns)
{
	uint64_t end_ns = limit_ns(queue) < until_ns ? limit_ns(queue) : until_ns;
	int left_ms = end_ns > now_ns ? (int)((end_ns - now_ns + 999999U) / 1000000U) : 0;

	call_await(queue->lane, left_ms);
	queue_take_replies(queue);
	if (!has_completions(queue))
		end_late(queue, clock_now_ns());
}

unsigned far_queue_wait(far_queue *queue, struct far_completion *completions, unsigned max, int timeout_ms)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t until_ns = timeout_ms < 0 ? UINT64_MAX : now_ns + (uint64_t)timeout_ms * 1000000U;

	if (timeout_ms == 0 || max == 0)
		return far_queue_poll(queue, completions, max);
	send_waiting(queue);
	while (!has_completions(queue) && queue->head < queue->tail && now_ns < until_ns) {
		if (queue->many.count > 0 && queue->lane->connection)
			await(queue, until_ns, now_ns);
		send_waiting(queue);
		now_ns = clock_now_ns();
	}
	flush(queue);
	return deliver(queue, completions, max);
}

// --- waiting by other means ---

int far_queue_fd(const far_queue *queue)
{
	return fabric_fd(queue->lane->fabric);
}

// An empty queue is armed, too: its connection may end, and the poll behind that is what makes the descriptor quiet again.
int far_queue_arm(far_queue *queue)
{
	far_queue_submit(queue);
	if (has_completions(queue))
		return 1;
	if (!queue->lane->connection)
		return queue->head < queue->tail;
	queue->is_armed = true;
	return queue->lane->broken || fabric_arm(queue->lane->fabric) != 0;
}

// --- the queue's life ---

static size_t places_of(unsigned depth)
{
	size_t places = 1;

	while (places < depth)
		places *= 2;
	return places;
}

int far_queue_new(far_session *session, unsigned depth, far_queue **out)
{
	size_t places = places_of(depth);
	struct far_queue *queue;
	int error;

	if (depth == 0 || depth > FAR_QUEUE_DEPTH_MAX)
		return error_set(-EINVAL, "a queue of depth %u: it must be 1 to %u", depth, FAR_QUEUE_DEPTH_MAX);
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return error_set(-ENOMEM, "no memory for a queue");
	queue->depth = depth;
	queue->mask = places - 1;
	queue->operations = calloc(places, sizeof(queue->operations[0]));
	queue->gets = calloc(places, sizeof(queue->gets[0]));
	queue->puts = calloc(places, sizeof(queue->puts[0]));
	error = queue->operations && queue->gets && queue->puts ? 0 : error_set(-ENOMEM, "no memory for a queue of depth %u", depth);
	if (!error)
		error = lane_take(session, &queue->lane);
	if (!error) {
		queue->many = (struct many){.lane = queue->lane, .take = take_reply, .context = queue};
		error = call_ready(queue->lane);
	}
	if (error) {
		far_queue_free(queue);
		return error;
	}
	*out = queue;
	return 0;
}

// What is under way is given up with the connection: nothing that comes can touch lent memory behind this.
static void abandon(struct far_queue *queue)
{
	if (queue->many.count > 0) {
		lane_drop(queue->lane);
		queue->many.lost = -ECANCELED;
		lose(queue);
	}
	queue->next = queue->head;
	fail_waiting(queue, -ECANCELED);
	for (; queue->head < queue->tail; queue->head++)
		if (operation_at(queue, queue->head)->owns_value)
			free(operation_at(queue, queue->head)->completion.value);
	lane_give_back(queue->lane);
}

void far_queue_free(far_queue *queue)
{
	if (!queue)
		return;
	if (queue->lane)
		abandon(queue);
	free(queue->operations);
	free(queue->gets);
	free(queue->puts);
	free(queue);
}
