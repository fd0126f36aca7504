// Dispatch: from a received message to the bytes of its reply, without a connection (loop.c sends it; tests and the fuzzer just look at it).
#ifndef SERVER_OPERATIONS_H
#define SERVER_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/request.h"

struct operation {
	const char *name;
	handler *handle;
	uint16_t request_size; // of the fixed part
	uint16_t flags;        // those that a request may have
	bool has_tail;         // a variable part may follow; its length is the handler's to check
	bool is_mutation;      // changes what others can see: never beside the writer
	bool wants_memory;     // values, mostly: waits while eviction has to wait
	bool has_results;      // of its parts, each with its own -ENOSPC: carried out once
	uint16_t granted;      // the flag by which its value is in grants, which are used up whatever becomes of it
	bool has_no_reply;
};

// NULL: no such op.
const struct operation *operations_find(unsigned op);

#define OPERATIONS_LATER UINT32_MAX

// True if the message is one that is not answered.
bool operations_is_silent(const void *message, uint32_t length);

// True if the message is to be handled later: what it wants has been evicted, but readers are still at it (eviction.h).
bool operations_must_wait(struct server *server, const void *message, uint32_t length);

// True if handling the message may end in OPERATIONS_LATER.
bool operations_may_be_late(const struct server *server, const void *message, uint32_t length);

// True if handling the message may post writes to the client, so that no reply may be under construction in the lane's queue.
bool operations_may_push(const void *message, uint32_t length);

// Handles one message (8-byte aligned, `length` bytes as received) and fills `reply` (lane->message_size bytes, 8-byte aligned). Returns the reply's length, 0 = none.
// OPERATIONS_LATER: nothing has been done, there is no reply, and the message is to be handled again in a later turn: eviction waits for readers, or has evicted much at once.
// A malformed message sets lane->is_closing: send the reply, then disconnect.
uint32_t operations_dispatch(struct server *server, struct lane *lane, const void *message, uint32_t length, void *reply);

// Whether there are notices or events for the lane (notices.c); then makes the next message of them and returns its length.
bool operations_has_notices(const struct lane *lane);
uint32_t operations_notices(struct lane *lane, void *message, uint32_t room);

handler handle_hello, handle_ping, handle_statfs, handle_forget, handle_let_go, handle_check, handle_metrics;
handler handle_get, handle_put, handle_delete, handle_stat, handle_rename, handle_mkdir, handle_list, handle_upload, handle_publish;
handler handle_quota, handle_expire, handle_pin, handle_ttl, handle_counter;
handler handle_get_many, handle_put_many, handle_put_range;
handler handle_lookup, handle_hold, handle_getattr, handle_setattr, handle_create, handle_link, handle_unlink, handle_rmdir,
        handle_rename_at;
handler handle_readdir, handle_read, handle_write, handle_readlink, handle_extents, handle_window, handle_tmpfile, handle_touch;
handler handle_xattr_get, handle_xattr_set, handle_xattr_list, handle_xattr_remove;
handler handle_lock, handle_lock_cancel, handle_notices, handle_watch;
handler handle_fallocate, handle_seek, handle_copy;

#endif
