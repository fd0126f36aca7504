// One request on its way through a handler. operations.c has checked the fixed part (op, flags, length); a handler checks the length of the variable part behind it and
// the names in it, and from then on uses them freely. The message is private memory: its sender cannot change it meanwhile.
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include "far/key.h"
#include "server/lane.h"
#include "server/object.h"

struct request {
	struct server *server;
	struct lane *lane;
	const void *message; // the op's struct
	uint16_t flags;
	const char *tail; // what is behind the struct
	uint32_t tail_length;
	void *reply;           // zeroed up to the size of far_reply; a handler fills what is behind
	uint32_t reply_room;   // a grant at the end is accounted for
	uint32_t reply_length; // set by the handler; 0 = only a far_reply
	uint16_t reply_flags;  // enum far_reply_flag, what the handler has to say of it
};

// A handler returns 0, or a negative errno that becomes the status; -EPROTO means malformed and ends the lane.
typedef int handler(struct request *request);

// The next `length` bytes of the variable part. The handler has checked the sum before.
static inline struct far_span request_take(struct request *request, uint32_t length)
{
	struct far_span span = {request->tail, length};

	request->tail += length;
	request->tail_length -= length;
	return span;
}

// --- what replies have in common (reply.c) ---

// Fills the location of an object; `extents` (may be NULL) gets the extents from the one at `offset` on, as many as `room` allows. Returns how many: a reply may lie in memory that the client
// can write, so what is in it is not read back.
uint32_t reply_locate(struct server *server, const struct far_record *object, uint64_t offset, struct far_location *location,
        struct far_wire_extent *extents, uint32_t room);

// Id, word and version only.
void reply_identify(const struct server *server, const struct far_record *object, struct far_location *location);

// Adds a hold, fills a far_entry_reply with the location and, where it fits, the whole value. -ENOMEM.
int reply_entry(struct request *request, struct far_record *object);

// Answers a read of [offset, offset + length) of a regular object (handle_read.c).
struct read_range {
	uint64_t offset, length;
	struct far_buffer push;
};
int reply_value(struct request *request, const struct far_record *object, const struct read_range *range);

// object_kill_suidgid, for a change of content; a set-gid bit that is left is told of.
void reply_kill_suidgid(struct request *request, struct far_record *object);

// Fills a far_write_reply: `length` bytes went to `offset`.
void reply_written(struct request *request, const struct far_record *object, uint64_t offset, uint64_t length);

// Fills the far_quota_reply that goes with -EDQUOT (handle_quota.c), and counts that.
void reply_over_quota(struct request *request);

// Fills a far_attr_reply.
void reply_attr(struct request *request, const struct far_record *object);

#endif
