// Moving values to the server: into grants, or piece by piece. Shared by put.c, upload.c and files_write.c.
#ifndef CLIENT_PUT_H
#define CLIENT_PUT_H

#include "client/call.h"

#define PUT_MODE 0644 // permission bits of new objects

// Ranges of grants that hold a value's bytes.
struct put_ranges {
	struct far_range ranges[FAR_GRANTS_PER_LANE];
	uint32_t count;
};

// Bytes that the lane's grants still take.
uint64_t put_granted(const struct far_lane *lane);

// Asks for grants until they hold `length` bytes, or there are no more to be had: what is appended must go in one request, for between two another may append.
void put_gather_grants(struct far_lane *lane, uint64_t length);

// Posts writes of up to put_granted bytes into the grants and says where they went. `bytes` must stay as they are until call_wait_posts, or the reply of the request that
// follows, unless they had to be copied. Returns how many were posted: fewer when a grant ends with half a page, or a negative errno (the lane is dropped).
int64_t put_into_grants(struct far_lane *lane, const void *bytes, uint64_t length, struct put_ranges *ranges);

// The last step of storing under a key: a put, or the publication of an upload. On -ECANCELED *version is the current one.
struct put_target {
	struct far_span key;
	bool is_conditional;
	uint64_t expected;
	uint64_t ttl_ms; // 0: none
	bool keeps_ttl;
	bool wants_current; // -ECANCELED: the current value, too
	uint64_t version;   // out
	void *current;      // out, new memory: the value of that version, if it came along
	uint64_t current_length;
};

// A put of a value in grants, on its way out.
struct put_granted {
	struct far_put_request message;
	struct put_ranges ranges;
	struct call request;
};

// Takes what a caller's options (may be NULL) say of a target. -EINVAL, with a text.
int put_take_options(const struct far_put_options *options, struct put_target *target);

// A key longer than any allowed is refused by the check all the same.
static inline struct far_span put_key(const void *key, size_t key_length)
{
	return (struct far_span){key, key_length > FAR_KEY_MAX ? FAR_KEY_MAX + 1 : (uint32_t)key_length};
}

// The whole of far_put: checks, takes a lane, stores. `what`: the call, for its text.
int put_call(far_session *session, const char *what, const void *value, uint64_t length, struct put_target *target);

// Stores a value under the target's key, which has been checked, on a lane that the caller holds.
int put_on_lane(struct far_lane *lane, const void *value, uint64_t length, struct put_target *target);

// Stores a value of any length by way of a nameless object (upload.c): from memory, or from a source if that is given.
struct upload_source {
	const char *bytes;
	uint64_t length; // of bytes; with a source the end tells
	far_source *read;
	void *context;
};
int upload(struct far_lane *lane, const struct upload_source *source, struct put_target *target);

// The target's part of enum far_put_flag.
uint16_t put_flags(const struct put_target *target);

// Completes a request with the target's key and condition, which stay the target's; `parts[2]` stands behind the key. What was remembered of the key is forgotten.
void put_request(struct far_lane *lane, struct call *request, struct far_put_request *message, const struct put_target *target);

// Takes the reply (error: what it was received with) to a request sent after sent_ns. Returns the put's result; -EPROTO: the reply makes no sense.
int put_take(struct far_lane *lane, struct put_target *target, int error, const struct reply *reply, uint64_t sent_ns);

// Both, and waits in between.
int put_finish(struct far_lane *lane, struct call *request, struct far_put_request *message, struct put_target *target);

// A value in the lane's grants, which have room for it (put_granted), and its request; it has to be sent on this very connection. Or a negative errno.
int put_granted_request(
        struct far_lane *lane, const void *value, uint64_t length, const struct put_target *target, struct put_granted *granted);

#endif
