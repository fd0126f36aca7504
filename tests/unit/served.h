// A server without a fabric: a small pool, and lanes whose transport is plain memory. Requests are encoded messages, replies are looked at as they would go out.
#ifndef TESTS_SERVED_H
#define TESTS_SERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "far/wire.h"
#include "server/operations.h"
#include "server/session.h"

#define SERVED_BUFFER_LENGTH (4U << 20)

// One client's end of a lane.
struct served_lane {
	struct lane lane;
	struct far_grant grant; // the last one that a reply brought; id 0 = none
	uint32_t granted;       // how many did
	uint32_t revoked;
	uint32_t notified;  // how often it was told that there are notices
	uint32_t written;   // bytes of the last grant that were filled
	uint8_t *buffer;    // what the client lets the server push into, rkey 1
	int pushes_refused; // so many pushes get -EAGAIN
	uint64_t sealed;
	uint64_t section; // read section, odd = open
	_Alignas(8) uint8_t reply[FAR_MESSAGE_SIZE_MAX];
	_Alignas(8) uint8_t message[FAR_MESSAGE_SIZE_MAX];
};

struct server *served_open(uint64_t pool_bytes);
struct server *served_open_evicting(uint64_t pool_bytes); // --full=evict
void served_close(struct server *server);

// A lane that has not said hello.
struct served_lane *served_connect(struct server *server, bool has_loads);
// A lane of a new session.
struct served_lane *served_join(struct server *server);
// The same of a client that maps the pool.
struct served_lane *served_join_mapped(struct server *server);
void served_leave(struct served_lane *client);

// Fails with the first finding of a check (server/check.h), if there is one; and the same of a whole check of the client's server, in which nothing changes meanwhile.
void served_fail_on_findings(struct check *check);
void served_assert_sound(struct served_lane *client);

// Sends `fixed` (its header is filled in) and the parts behind it. Returns the status of the reply, which is in client->reply; -1 if there is none.
#define SERVED_LATER (-2) // OPERATIONS_LATER
struct served_parts {
	const void *first;
	uint32_t first_length;
	const void *second;
	uint32_t second_length;
};
int served_call(struct served_lane *client, unsigned op, unsigned flags, void *fixed, uint32_t fixed_length, struct served_parts parts);
uint32_t served_raw(struct served_lane *client, const void *message, uint32_t length);

// Usual requests. Keys and names are strings.
int served_put(struct served_lane *client, const char *key, const void *value, uint32_t length);
int served_put_expecting(struct served_lane *client, const char *key, const void *value, uint32_t length, uint64_t expected);
int served_get(struct served_lane *client, const char *key, unsigned flags);
int served_delete(struct served_lane *client, const char *key);
int served_stat(struct served_lane *client, const char *key, struct far_attr *attr);
int served_rename(struct served_lane *client, const char *from, const char *to, unsigned flags);
int served_mkdir(struct served_lane *client, const char *key);
int served_create(struct served_lane *client, uint64_t parent, const char *name, uint32_t mode, struct far_attr *attr);
int served_tmpfile(struct served_lane *client, uint64_t parent, uint32_t mode, struct far_attr *attr);
int served_symlink(struct served_lane *client, uint64_t parent, const char *name, const char *target, struct far_attr *attr);
int served_lookup(struct served_lane *client, uint64_t parent, const char *name, struct far_attr *attr);
int served_hold(struct served_lane *client, uint64_t id, unsigned flags, struct far_attr *attr);
int served_unlink(struct served_lane *client, unsigned op, uint64_t parent, const char *name);
int served_link(struct served_lane *client, uint64_t id, uint64_t parent, const char *name, struct far_attr *attr);
int served_getattr(struct served_lane *client, uint64_t id, struct far_attr *attr);
int served_write(struct served_lane *client, uint64_t id, uint64_t offset, const void *bytes, uint32_t length, unsigned flags);
int served_read(struct served_lane *client, uint64_t id, uint64_t offset, uint64_t length, unsigned flags);
int served_truncate(struct served_lane *client, uint64_t id, uint64_t size);
void served_forget(struct served_lane *client, uint64_t id, uint64_t holds);

// Copies bytes into the client's grant and tells the range. Needs a grant with room.
struct far_range served_fill(struct served_lane *client, const void *bytes, uint32_t length);

// Where the bytes of the last get or read reply are, by its extents (in the pool), its eager bytes or the push buffer. Fills `to` with reply->length bytes.
void served_value(struct served_lane *client, uint64_t offset, void *to);

// Free bytes as statfs tells.
uint64_t served_free_bytes(struct served_lane *client);

#endif
