#include <errno.h>

#include "client/error.h"
#include "client/locate.h"
#include "client/queue.h"
#include "client/stat.h"

// Operations of a queue that carry no value: a request each, by a table.

struct queue_question {
	const char *name;
	void (*make)(const struct queue_operation *operation, struct key_request *request);
	uint32_t reply_length; // of success
	// Takes what the reply says beside its status: of success, so long at least; or -ECANCELED, of any length.
	void (*take)(struct queue_operation *operation, int error, const struct reply *reply);
	bool is_change;
	bool takes_root; // a key of no length
};

static void make_delete(const struct queue_operation *operation, struct key_request *request)
{
	key_request_delete(request, operation->key, NULL);
}

static void make_delete_version(const struct queue_operation *operation, struct key_request *request)
{
	key_request_delete(request, operation->key, &operation->plain.argument);
}

static void make_expire(const struct queue_operation *operation, struct key_request *request)
{
	key_request_expire(request, operation->key, operation->plain.argument);
}

static void make_counter(const struct queue_operation *operation, struct key_request *request)
{
	key_request_counter(request, operation->key, &operation->counter);
}

static void make_stat(const struct queue_operation *operation, struct key_request *request)
{
	key_request_stat(request, operation->key);
}

static void make_ttl(const struct queue_operation *operation, struct key_request *request)
{
	key_request_ttl(request, operation->key);
}

static void take_nothing(struct queue_operation *operation, int error, const struct reply *reply)
{
	(void)operation;
	(void)error;
	(void)reply;
}

static void take_current_version(struct queue_operation *operation, int error, const struct reply *reply)
{
	if (error)
		operation->completion.version = key_reply_version(reply);
}

static void take_stat(struct queue_operation *operation, int error, const struct reply *reply)
{
	if (!error)
		stat_of_attr(&((const struct far_attr_reply *)reply->message)->attr, operation->plain.answer);
}

static void take_ttl(struct queue_operation *operation, int error, const struct reply *reply)
{
	if (!error)
		*(uint64_t *)operation->plain.answer = ((const struct far_ttl_reply *)reply->message)->ttl_ms;
}

static void take_counter(struct queue_operation *operation, int error, const struct reply *reply, bool is_before)
{
	const struct far_counter_reply *answer = counter_reply(error, reply);

	if (!answer)
		return;
	operation->completion.version = answer->version;
	if (operation->plain.answer)
		*(int64_t *)operation->plain.answer = is_before ? answer->previous : answer->value;
}

static void take_value(struct queue_operation *operation, int error, const struct reply *reply)
{
	take_counter(operation, error, reply, false);
}

static void take_previous(struct queue_operation *operation, int error, const struct reply *reply)
{
	take_counter(operation, error, reply, true);
}

static const struct queue_question delete = {
        .name = "delete", .make = make_delete, .reply_length = sizeof(struct far_reply), .take = take_nothing, .is_change = true};
static const struct queue_question delete_version = {.name = "delete",
        .make = make_delete_version,
        .reply_length = sizeof(struct far_reply),
        .take = take_current_version,
        .is_change = true};
static const struct queue_question expire = {
        .name = "expire", .make = make_expire, .reply_length = sizeof(struct far_ttl_reply), .take = take_nothing, .is_change = true};
static const struct queue_question stat_of = {
        .name = "stat", .make = make_stat, .reply_length = sizeof(struct far_attr_reply), .take = take_stat, .takes_root = true};
static const struct queue_question ttl_of = {
        .name = "ttl", .make = make_ttl, .reply_length = sizeof(struct far_ttl_reply), .take = take_ttl};
static const struct queue_question counter_add = {
        .name = "add", .make = make_counter, .reply_length = sizeof(struct far_counter_reply), .take = take_value, .is_change = true};
static const struct queue_question counter_set = {
        .name = "set", .make = make_counter, .reply_length = sizeof(struct far_counter_reply), .take = take_previous, .is_change = true};
static const struct queue_question counter_cas = {.name = "compare-and-swap",
        .make = make_counter,
        .reply_length = sizeof(struct far_counter_reply),
        .take = take_previous,
        .is_change = true};

static int send_question(struct far_queue *queue, size_t place, size_t end)
{
	const struct queue_operation *operation = &queue->operations[place];
	struct many_part part = {.first = place, .end = end};
	struct key_request request;
	int sent;

	operation->plain.question->make(operation, &request);
	if (operation->is_change)
		locate_drop_key(queue->lane, locate_hash_key(queue->lane, operation->key.bytes, operation->key.length));
	sent = many_try(&queue->many, &request.call, part);
	if (sent == 1)
		queue_note_sent(queue, &part);
	return sent;
}

static void take_answer(struct far_queue *queue, const struct many_part *part, int error, const struct reply *reply)
{
	struct queue_operation *operation = &queue->operations[part->first];

	if (!reply->message)
		return;
	if (error == -ERESTART) {
		error = call_go_on(queue->lane, &operation->plain.begun_ns);
		if (!error) {
			queue_again(queue, part->first);
			return;
		}
	}
	if (!error && reply->length < operation->plain.question->reply_length)
		error = call_out_of_step(queue->lane, "too short");
	if (!error || error == -ECANCELED)
		operation->plain.question->take(operation, error, reply);
	queue_finish(queue, part->first, error);
}

static const struct queue_kind question_kind = {.send = send_question, .take = take_answer};

// counter: NULL if it is none.
static int begin(
        struct far_queue *queue, struct far_span key, struct queue_plain plain, const struct counter_change *counter, void *context)
{
	int error = key.length == 0 && plain.question->takes_root ? 0 : far_key_check(key.bytes, key.length);
	ssize_t place;

	if (error)
		return error_of_key(error, plain.question->name, key.bytes, key.length);
	place = queue_begin(queue, &question_kind, key, context);
	if (place < 0)
		return (int)place;
	queue->operations[place].plain = plain;
	if (counter)
		queue->operations[place].counter = *counter;
	queue->operations[place].is_change = plain.question->is_change;
	queue_note_pending(queue, (size_t)place);
	return 0;
}

int far_queue_delete(far_queue *queue, const void *key, size_t key_length, void *context)
{
	return begin(queue, put_key(key, key_length), (struct queue_plain){.question = &delete}, NULL, context);
}

int far_queue_delete_version(far_queue *queue, const void *key, size_t key_length, uint64_t expected, void *context)
{
	return begin(
	        queue, put_key(key, key_length), (struct queue_plain){.question = &delete_version, .argument = expected}, NULL, context);
}

int far_queue_stat(far_queue *queue, const void *key, size_t key_length, struct far_stat *stat, void *context)
{
	return begin(queue, put_key(key, key_length), (struct queue_plain){.question = &stat_of, .answer = stat}, NULL, context);
}

int far_queue_expire(far_queue *queue, const void *key, size_t key_length, uint64_t ttl_ms, void *context)
{
	int error = error_of_ttl(ttl_ms);

	if (error)
		return error;
	return begin(queue, put_key(key, key_length), (struct queue_plain){.question = &expire, .argument = ttl_ms}, NULL, context);
}

int far_queue_persist(far_queue *queue, const void *key, size_t key_length, void *context)
{
	return begin(queue, put_key(key, key_length), (struct queue_plain){.question = &expire}, NULL, context);
}

int far_queue_ttl(far_queue *queue, const void *key, size_t key_length, uint64_t *ttl_ms, void *context)
{
	return begin(queue, put_key(key, key_length), (struct queue_plain){.question = &ttl_of, .answer = ttl_ms}, NULL, context);
}

int far_queue_counter_add(far_queue *queue, const void *key, size_t key_length, int64_t delta, const struct far_counter_options *options,
        int64_t *value, void *context)
{
	struct queue_plain plain = {.question = &counter_add, .answer = value};
	struct counter_change change;
	int error = counter_change_add(&change, delta, options);

	return error ? error : begin(queue, put_key(key, key_length), plain, &change, context);
}

int far_queue_counter_set(far_queue *queue, const void *key, size_t key_length, int64_t value, const struct far_counter_options *options,
        int64_t *previous, void *context)
{
	struct queue_plain plain = {.question = &counter_set, .answer = previous};
	struct counter_change change;
	int error = counter_change_set(&change, value, options);

	return error ? error : begin(queue, put_key(key, key_length), plain, &change, context);
}

int far_queue_counter_cas(
        far_queue *queue, const void *key, size_t key_length, int64_t expected, int64_t desired, int64_t *current, void *context)
{
	struct queue_plain plain = {.question = &counter_cas, .answer = current};
	struct counter_change change;

	counter_change_cas(&change, expected, desired);
	return begin(queue, put_key(key, key_length), plain, &change, context);
}
