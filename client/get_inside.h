// One get on its way: what get.c (which waits), get_ask.c (a request and its reply) and queue_get.c (which does not wait) share.
#ifndef CLIENT_GET_INSIDE_H
#define CLIENT_GET_INSIDE_H

#include "client/call.h"
#include "client/get.h"

// A range of a key's value on its way to a buffer.
struct get {
	struct far_lane *lane;
	struct far_span key;
	struct locate_hash hash;
	enum fetch_rule rule;
	char *buffer;
	uint64_t offset;   // of buffer[0] in the value
	uint64_t length;   // of the buffer
	uint64_t begun_ns; // before the first request
	uint64_t known;    // not if this is the version still; 0 = in any case
	// What has been found out:
	uint64_t done;
	uint64_t size;
	uint64_t version;
	uint64_t word;
	bool is_begun;     // size, version and word are known
	bool is_same;      // it is the known version: nothing was fetched
	unsigned restarts; // because the value changed
};

void get_prepare(struct get *get, struct far_span key);

// Without a request, if it is remembered where the value is. False: ask. True with *error 0: done.
bool get_warm(struct get *get, int *error);

// Whether what is remembered of the key is the known version, and holds: then nothing moves, and the get is done.
bool get_is_still(struct get *get, int *error);

// Where the server may push to. Nothing (length 0) where the value fits a message or the pool is mapped.
struct get_push {
	struct far_buffer wire;
	struct fabric_region *region; // made for this request
	const char *staged;           // the bytes land here and are copied; NULL: they land in the get's buffer
};

// The buffer itself where it is registered or registering it costs nothing, else `staging`, which is registered and has `room` bytes.
struct get_push get_push_new(const struct get *get, char *staging, uint64_t room);
void get_push_end(struct get_push *push);

// Whether the bytes would have to be staged, and if so how many of them.
uint64_t get_push_staging(const struct get *get);

// The request for what is still missing. It points into the get.
void get_request(const struct get *get, const struct get_push *push, struct far_get_request *message, struct call *call);

// Takes the reply (error: what it was received with). Returns 0: the get is done; 1: ask again (for the rest, or because the value changed); or a negative errno, with a text.
int get_take(struct get *get, int error, const struct reply *reply, const struct get_push *push);

// The value changed: from the start. 1, or -ETIMEDOUT.
int get_restart(struct get *get);

#endif
