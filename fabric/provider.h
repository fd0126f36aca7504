// What a provider implements: the table behind fabric.h. Slots mean what the function of the same name in fabric.h says;
// none is NULL. fabric.c checks arguments once (lengths, alignment, reservation) and calls through the table.
#ifndef FABRIC_PROVIDER_H
#define FABRIC_PROVIDER_H

#include <stdatomic.h>

#include "fabric/fabric.h"
#include "fabric/wait.h"

// struct fabric_statistics while it grows: the context's thread adds, any thread reads.
struct fabric_tallies {
	_Atomic uint64_t sends;
	_Atomic uint64_t receives;
	_Atomic uint64_t reads;
	_Atomic uint64_t writes;
	_Atomic uint64_t atomics;
	_Atomic uint64_t controls;
	_Atomic uint64_t doorbells;
	_Atomic uint64_t completions;
};

// No more than a plain addition: there is one writer.
static inline void fabric_tally(_Atomic uint64_t *tally, uint64_t by)
{
	atomic_store_explicit(tally, atomic_load_explicit(tally, memory_order_relaxed) + by, memory_order_relaxed);
}

// Providers embed these as their first member.
struct fabric {
	const struct fabric_provider *provider;
	struct fabric_caps caps;
	struct fabric_options options;
	struct wait_budget wait; // how long polling pays, see wait.h
	uint64_t served;         // fabric_served; counted by the provider's responder
	struct fabric_tallies tallies;
};

struct fabric_lane {
	struct fabric *fabric;
	void *owner;
	uint64_t scope;
	uint32_t message_size;
	uint32_t reserved;              // bytes of the open reservation, 0 = none
	_Atomic uint64_t *read_section; // in shared memory where the peer looks, or NULL
	char peer[96];
};

struct fabric_region {
	struct fabric *fabric;
	struct fabric_memory memory;
	uint64_t rkey;
	uint64_t scope;
	uint64_t sealed; // bytes at the front that are no longer writable by peers
	unsigned rights;
};

struct fabric_provider {
	const char *name;
	int (*open)(const struct fabric_options *options, struct fabric **fabric, struct fabric_error *error);
	void (*close)(struct fabric *fabric);
	int (*listen)(
	        struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error);
	int (*share_listeners)(struct fabric *fabric, struct fabric *listening, struct fabric_error *error);
	int (*connect)(struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **lane,
	        struct fabric_error *error);
	void (*disconnect)(struct fabric_lane *lane);
	void (*shut)(struct fabric_lane *lane);
	int (*add_region)(
	        struct fabric *fabric, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **region);
	void (*remove_region)(struct fabric_region *region);
	int (*import)(struct fabric_lane *lane, uint64_t rkey, uint64_t length, struct fabric_remote *remote);
	void *(*send_reserve)(struct fabric_lane *lane, uint32_t length);
	int (*send)(struct fabric_lane *lane, uint32_t length);
	int (*post_read)(struct fabric_lane *lane, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);
	int (*post_write)(struct fabric_lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);
	int (*post_compare_swap)(struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t expected,
	        uint64_t desired, uint64_t context);
	int (*post_fetch_add)(
	        struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context);
	int (*flush)(struct fabric_lane *lane);
	int (*poll)(struct fabric *fabric, struct fabric_event *events, int count);
	void (*receive_release)(struct fabric_lane *lane, const void *message);
	int (*fd)(const struct fabric *fabric);
	int (*arm)(struct fabric *fabric);
	int (*block)(struct fabric *fabric, int wake_fd, uint64_t timeout_ns);
};

// The share_listeners of a provider whose lanes stay where they came in.
int fabric_share_nothing(struct fabric *fabric, struct fabric *listening, struct fabric_error *error);

// The block of a provider that has no better way than to arm and wait for the descriptor.
int fabric_block_armed(struct fabric *fabric, int wake_fd, uint64_t timeout_ns);

extern const struct fabric_provider fabric_shm;
extern const struct fabric_provider fabric_tcp;
extern const struct fabric_provider fabric_verbs; // where it is built in: FABRIC_HAS_VERBS

// Whether a FarFS server listens for rdma there. Takes up to 0.4 s where a device leads there and nobody answers. Where it is built in.
bool verbs_answers(const struct fabric_address *address);

#endif
