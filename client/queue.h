// A queue of operations, inside: what queue.c (its life, sending, taking, waiting) and the kinds of operations (queue_get.c, queue_put.c, queue_range.c, queue_key.c) share.
//
// A queue owns its operations, in a ring by the order of their calls: head (the oldest that was not taken) <= next (all before it have been sent, or are done) <= tail. An operation's place is its number in
// the ring; it keeps it until its completion is taken, so a message under way (struct many_part) tells its operations by places. All is of the queue's user, one thread at a time.
#ifndef CLIENT_QUEUE_H
#define CLIENT_QUEUE_H

#include "client/counter.h"
#include "client/get_inside.h"
#include "client/get_items.h"
#include "client/key_request.h"
#include "client/put_items.h"
#include "client/put_range.h"

// WAITING -> SENT -> DONE; SENT -> WAITING to be sent again; WAITING -> DONE without a request, or because there is no server.
enum queue_state {
	QUEUE_WAITING,
	QUEUE_SENT,
	QUEUE_DONE,
};

struct queue_operation;

struct queue_kind {
	bool gathers; // many in a message; else `end` below is the next place
	// Sends the operation at a place, and of those behind it, up to `end`, which are of the same kind and either waiting or done, those that fit the message: they are QUEUE_SENT then (or QUEUE_DONE).
	// 1; 0: there is no room now, and replies are owed; or a negative errno: what becomes of the first.
	int (*send)(struct far_queue *queue, size_t place, size_t end);
	// As many_take, but only if there is a reply.
	void (*take)(struct far_queue *queue, const struct many_part *part, int error, const struct reply *reply);
};

// What an operation that carries no value asks (queue_key.c).
struct queue_question;
struct queue_plain {
	const struct queue_question *question;
	uint64_t argument;
	void *answer;      // of what type, the question tells; NULL: nobody wants it
	uint64_t begun_ns; // when the server had done the first part of it; 0 = not yet
};

struct queue_operation {
	const struct queue_kind *kind;
	enum queue_state state;
	bool is_change;
	bool is_again;   // it was under way on a connection that was lost
	bool owns_value; // the value's memory is made for it
	bool is_counted; // in queue->pending[bucket]
	uint16_t bucket;
	struct far_completion completion;
	struct far_span key;
	union {
		struct {
			struct get get;
			struct get_push push;
			bool is_conditional; // the result tells whether it is newer
		} ask;
		struct {
			struct queue_plain plain;
			struct counter_change counter; // of the questions that are one
		};
		struct put_range range;
	};
};

#define QUEUE_BUCKETS 1024U

struct far_queue {
	struct far_lane *lane;
	unsigned depth;
	size_t mask; // of places
	uint64_t head, next, tail;
	struct many many;
	uint64_t heard_ns; // when the last reply came
	bool is_armed;     // the descriptor may be readable, until the connection has been looked at
	// By place. Items lie side by side, so that many go into one message (get_items.h, put_items.h).
	struct queue_operation *operations;
	struct far_get_item *gets;
	struct far_put_item *puts;
	// Where the pool is mapped: operations that are to be sent or answered, by their keys' hashes. A get that is loaded goes in front of them all, so one of the same key is not: it would miss the changes, and what the questions bring may be
	// newer than what it brought.
	unsigned pending_count;
	uint32_t pending[QUEUE_BUCKETS];
	// Bytes of the lane's buffer that pushes under way have, front to back; and how many those are.
	uint64_t staged;
	unsigned staging;
};

// A new operation, waiting; its place, or a negative errno: -EAGAIN, or what is wrong with the key.
ssize_t queue_begin(struct far_queue *queue, const struct queue_kind *kind, struct far_span key, void *context);

// Whether no other operation of the same key is pending; and makes one pending until it is done.
bool queue_is_first(const struct far_queue *queue, size_t place);
void queue_note_pending(struct far_queue *queue, size_t place);

// The operation is done. With a negative result a value that was made for it is freed.
void queue_finish(struct far_queue *queue, size_t place, int result);

// The operation, which was sent, is to be sent again.
void queue_again(struct far_queue *queue, size_t place);

// Takes the replies that the lane has. Before what may find out that the connection is lost: what has been answered is done. Without a connection, nothing is under way behind it.
void queue_take_replies(struct far_queue *queue);

// The waiting ones of a part have been sent.
void queue_note_sent(struct far_queue *queue, const struct many_part *part);

#endif
