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
	// Takes what the reply says beside its status.
	void (*take)(struct queue_operation *operation, const struct reply *reply);
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

static void make_stat(const struct queue_operation *operation, struct key_request *request)
{
	key_request_stat(request, operation->key);
}

static void make_ttl(const struct queue_operation *operation, struct key_request *request)
{
	key_request_ttl(request, operation->key);
}

static void take_nothing(struct queue_operation *operation, const struct reply *reply)
{
	(void)operation;
	(void)reply;
}

static void take_stat(struct queue_operation *operation, const struct reply *reply)
{
	stat_of_attr(&((const struct far_attr_reply *)reply->message)->attr, operation->plain.answer);
}

static void take_ttl(struct queue_operation *operation, const struct reply *reply)
{
	*(uint64_t *)operation->plain.answer = ((const struct far_ttl_reply *)reply->message)->ttl_ms;
}

static const struct queue_question delete = {"delete", make_delete, sizeof(struct far_reply), take_nothing, true, false},
                                   delete_version = {"delete", make_delete_version, sizeof(struct far_reply), take_nothing, true, false},
                                   expire = {"expire", make_expire, sizeof(struct far_ttl_reply), take_nothing, true, false},
                                   stat_of = {"stat", make_stat, sizeof(struct far_attr_reply), take_stat, false, true},
                                   ttl_of = {"ttl", make_ttl, sizeof(struct far_ttl_reply), take_ttl, false, false};

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
		error = call_lost(queue->lane, -EPROTO);
	if (!error)
		operation->plain.question->take(operation, reply);
	if (error == -ECANCELED)
		operation->completion.version = key_reply_version(reply);
	queue_finish(queue, part->first, error);
}

static const struct queue_kind question_kind = {.send = send_question, .take = take_answer};

static int begin(
        struct far_queue *queue, const struct queue_question *question, struct far_span key, uint64_t argument, void *answer, void *context)
{
	int error = key.length == 0 && question->takes_root ? 0 : far_key_check(key.bytes, key.length);
	struct queue_operation *operation;
	ssize_t place;

	if (error)
		return error_of_key(error, question->name, key.bytes, key.length);
	place = queue_begin(queue, &question_kind, key, context);
	if (place < 0)
		return (int)place;
	operation = &queue->operations[place];
	operation->plain.question = question;
	operation->plain.argument = argument;
	operation->plain.answer = answer;
	operation->plain.begun_ns = 0;
	operation->is_change = question->is_change;
	queue_note_pending(queue, (size_t)place);
	return 0;
}

int far_queue_delete(far_queue *queue, const void *key, size_t key_length, void *context)
{
	return begin(queue, &delete, put_key(key, key_length), 0, NULL, context);
}

int far_queue_delete_version(far_queue *queue, const void *key, size_t key_length, uint64_t expected, void *context)
{
	return begin(queue, &delete_version, put_key(key, key_length), expected, NULL, context);
}

int far_queue_stat(far_queue *queue, const void *key, size_t key_length, struct far_stat *stat, void *context)
{
	return begin(queue, &stat_of, put_key(key, key_length), 0, stat, context);
}

int far_queue_expire(far_queue *queue, const void *key, size_t key_length, uint64_t ttl_ms, void *context)
{
	int error = error_of_ttl(ttl_ms);

	return error ? error : begin(queue, &expire, put_key(key, key_length), ttl_ms, NULL, context);
}

int far_queue_persist(far_queue *queue, const void *key, size_t key_length, void *context)
{
	return begin(queue, &expire, put_key(key, key_length), 0, NULL, context);
}

int far_queue_ttl(far_queue *queue, const void *key, size_t key_length, uint64_t *ttl_ms, void *context)
{
	return begin(queue, &ttl_of, put_key(key, key_length), 0, ttl_ms, context);
}
