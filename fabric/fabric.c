#include "fabric/fabric.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fabric/provider.h"
#include "far/clock.h"
#include "far/limits.h"

// The front of the fabric: the list of providers, the checks that hold for each of them, and the calls through their tables.
// Checks are on what our own layers pass in, so they cost a compare or two; what comes from a peer is checked by the provider.

static const struct fabric_provider *const fabric_providers[] = {
        &fabric_shm, &fabric_tcp,
#ifdef FABRIC_HAS_VERBS
        &fabric_verbs,
#endif
        NULL, // ends the list
};

static const struct fabric_provider *fabric_find_provider(const char *name)
{
	for (unsigned i = 0; fabric_providers[i]; i++)
		if (strcmp(fabric_providers[i]->name, name) == 0)
			return fabric_providers[i];
	return NULL;
}

int fabric_open(const char *provider, const struct fabric_options *options, struct fabric **fabric, struct fabric_error *error)
{
	const struct fabric_provider *table = fabric_find_provider(provider);
	struct fabric_options chosen = options ? *options : (struct fabric_options){0};
	int result;

	error->text[0] = '\0';
	if (!table) {
		bool is_left_out = strcmp(provider, "rdma") == 0;

		snprintf(error->text, sizeof(error->text), "provider '%.32s' is not built in%s", provider,
		        is_left_out ? ": build with -Dverbs=enabled (needs libibverbs and librdmacm), or use tcp://" : "");
		return -EPROTONOSUPPORT;
	}
	if (chosen.message_size == 0)
		chosen.message_size = FAR_MESSAGE_SIZE_DEFAULT;
	if (chosen.depth == 0)
		chosen.depth = FAR_LANE_DEPTH;
	if (chosen.message_size < FAR_MESSAGE_SIZE_MIN || chosen.message_size > FAR_MESSAGE_SIZE_MAX || chosen.message_size % 8) {
		snprintf(error->text, sizeof(error->text), "message size %u must be a multiple of 8 in %u..%u", chosen.message_size,
		        FAR_MESSAGE_SIZE_MIN, FAR_MESSAGE_SIZE_MAX);
		return -EINVAL;
	}
	if (chosen.depth > FAR_LANE_DEPTH) {
		snprintf(error->text, sizeof(error->text), "depth %u must be 1..%u", chosen.depth, FAR_LANE_DEPTH);
		return -EINVAL;
	}
	result = table->open(&chosen, fabric, error);
	if (result < 0)
		return result;
	(*fabric)->provider = table;
	(*fabric)->options = chosen;
	if ((*fabric)->caps.wait.spin_max_ns == 0)
		(*fabric)->caps.wait.spin_max_ns = WAIT_SPIN_MAX_NS;
	wait_budget_init(&(*fabric)->wait, (*fabric)->caps.wait);
	return 0;
}

void fabric_close(struct fabric *fabric)
{
	if (fabric)
		fabric->provider->close(fabric);
}

const struct fabric_caps *fabric_caps(const struct fabric *fabric)
{
	return &fabric->caps;
}

static uint64_t fabric_tallied(const _Atomic uint64_t *tally)
{
	return atomic_load_explicit(tally, memory_order_relaxed);
}

void fabric_statistics(const struct fabric *fabric, struct fabric_statistics *statistics)
{
	const struct fabric_tallies *tallies = &fabric->tallies;

	*statistics = (struct fabric_statistics){
	        .sends = fabric_tallied(&tallies->sends),
	        .receives = fabric_tallied(&tallies->receives),
	        .reads = fabric_tallied(&tallies->reads),
	        .writes = fabric_tallied(&tallies->writes),
	        .atomics = fabric_tallied(&tallies->atomics),
	        .controls = fabric_tallied(&tallies->controls),
	        .doorbells = fabric_tallied(&tallies->doorbells),
	        .completions = fabric_tallied(&tallies->completions),
	};
}

static int fabric_check_address(const struct fabric *fabric, const struct fabric_address *address, struct fabric_error *error)
{
	error->text[0] = '\0';
	if (strcmp(address->provider, fabric->provider->name) == 0)
		return 0;
	snprintf(error->text, sizeof(error->text), "an address of provider '%s' was given to provider '%s'", address->provider,
	        fabric->provider->name);
	return -EINVAL;
}

int fabric_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error)
{
	int result = fabric_check_address(fabric, address, error);

	return result < 0 ? result : fabric->provider->listen(fabric, address, bound, error);
}

int fabric_share_nothing(struct fabric *fabric, struct fabric *listening, struct fabric_error *error)
{
	(void)listening;
	snprintf(error->text, sizeof(error->text), "lanes of provider '%s' stay with the context that they came in on",
	        fabric->provider->name);
	return -ENOTSUP;
}

int fabric_share_listeners(struct fabric *fabric, struct fabric *listening, struct fabric_error *error)
{
	error->text[0] = '\0';
	if (fabric->provider == listening->provider && fabric != listening)
		return fabric->provider->share_listeners(fabric, listening, error);
	snprintf(error->text, sizeof(error->text), "listeners are shared by two contexts of one provider");
	return -EINVAL;
}

int fabric_connect(
        struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **lane, struct fabric_error *error)
{
	int result = fabric_check_address(fabric, address, error);

	return result < 0 ? result : fabric->provider->connect(fabric, address, timeout_ms, lane, error);
}

void fabric_disconnect(struct fabric_lane *lane)
{
	if (lane)
		lane->fabric->provider->disconnect(lane);
}

void fabric_shut(struct fabric_lane *lane)
{
	lane->fabric->provider->shut(lane);
}

void fabric_lane_set_owner(struct fabric_lane *lane, void *owner)
{
	lane->owner = owner;
}

void *fabric_lane_owner(const struct fabric_lane *lane)
{
	return lane->owner;
}

uint32_t fabric_lane_message_size(const struct fabric_lane *lane)
{
	return lane->message_size;
}

const char *fabric_lane_peer(const struct fabric_lane *lane)
{
	return lane->peer;
}

void fabric_lane_set_scope(struct fabric_lane *lane, uint64_t scope)
{
	lane->scope = scope;
}

int fabric_register(
        struct fabric *fabric, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **region)
{
	if (!memory->base || memory->length == 0)
		return -EINVAL;
	if (rights & ~(unsigned)(FABRIC_REMOTE_READ | FABRIC_REMOTE_WRITE | FABRIC_REMOTE_ATOMIC))
		return -EINVAL;
	return fabric->provider->add_region(fabric, memory, rights, scope, region);
}

void fabric_unregister(struct fabric_region *region)
{
	if (region)
		region->fabric->provider->remove_region(region);
}

uint64_t fabric_region_rkey(const struct fabric_region *region)
{
	return region->rkey;
}

void fabric_region_seal(struct fabric_region *region, uint64_t length)
{
	assert(length <= region->memory.length);
	if (length > region->sealed)
		region->sealed = length;
}

int fabric_import(struct fabric_lane *lane, uint64_t rkey, uint64_t length, struct fabric_remote *remote)
{
	if (length == 0)
		return -EINVAL;
	return lane->fabric->provider->import(lane, rkey, length, remote);
}

void *fabric_send_reserve(struct fabric_lane *lane, uint32_t length)
{
	void *message;

	assert(lane->reserved == 0);
	if (length == 0 || length > lane->message_size)
		return NULL;
	message = lane->fabric->provider->send_reserve(lane, length);
	if (message)
		lane->reserved = length;
	return message;
}

// A post that the provider took counts.
static int fabric_counted(int result, _Atomic uint64_t *tally)
{
	if (result >= 0)
		fabric_tally(tally, 1);
	return result;
}

int fabric_send(struct fabric_lane *lane, uint32_t length)
{
	uint32_t reserved = lane->reserved;

	lane->reserved = 0;
	if (length == 0 || length > reserved)
		return -EINVAL;
	return fabric_counted(lane->fabric->provider->send(lane, length), &lane->fabric->tallies.sends);
}

// A range that ends behind 2^64 would wrap around the peer's check.
static bool fabric_range_is_valid(uint64_t offset, uint64_t length)
{
	return length > 0 && offset <= UINT64_MAX - length;
}

int fabric_post_read(struct fabric_lane *lane, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	if (!fabric_range_is_valid(offset, length))
		return -EINVAL;
	return fabric_counted(lane->fabric->provider->post_read(lane, local, rkey, offset, length, context), &lane->fabric->tallies.reads);
}

int fabric_post_write(struct fabric_lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	if (!fabric_range_is_valid(offset, length))
		return -EINVAL;
	return fabric_counted(
	        lane->fabric->provider->post_write(lane, local, rkey, offset, length, context), &lane->fabric->tallies.writes);
}

int fabric_post_compare_swap(
        struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t expected, uint64_t desired, uint64_t context)
{
	if (offset % 8 || !fabric_range_is_valid(offset, 8))
		return -EINVAL;
	return fabric_counted(lane->fabric->provider->post_compare_swap(lane, result, rkey, offset, expected, desired, context),
	        &lane->fabric->tallies.atomics);
}

int fabric_post_fetch_add(struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context)
{
	if (offset % 8 || !fabric_range_is_valid(offset, 8))
		return -EINVAL;
	return fabric_counted(
	        lane->fabric->provider->post_fetch_add(lane, result, rkey, offset, addend, context), &lane->fabric->tallies.atomics);
}

int fabric_flush(struct fabric_lane *lane)
{
	return lane->fabric->provider->flush(lane);
}

int fabric_poll(struct fabric *fabric, struct fabric_event *events, int count)
{
	return fabric->provider->poll(fabric, events, count);
}

uint64_t fabric_served(const struct fabric *fabric)
{
	return fabric->served;
}

void fabric_receive_release(struct fabric_lane *lane, const void *message)
{
	fabric_tally(&lane->fabric->tallies.receives, 1);
	lane->fabric->provider->receive_release(lane, message);
}

int fabric_fd(const struct fabric *fabric)
{
	return fabric->provider->fd(fabric);
}

int fabric_arm(struct fabric *fabric)
{
	return fabric->provider->arm(fabric);
}

static inline void fabric_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

// Polls until events come or the budget is spent.
static int fabric_spin(struct fabric *fabric, struct fabric_event *events, int count)
{
	struct wait_spin spin;
	int found = 0;

	wait_spin_begin(&spin, &fabric->wait);
	while (found == 0 && wait_spin_goes_on(&spin)) {
		fabric_relax();
		found = fabric_poll(fabric, events, count);
	}
	if (found > 0)
		wait_spin_found(&spin, &fabric->wait);
	return found;
}

int fabric_block_armed(struct fabric *fabric, int wake_fd, uint64_t timeout_ns)
{
	struct pollfd descriptor = {.fd = wake_fd, .events = POLLIN};
	struct timespec limit = {.tv_sec = (time_t)(timeout_ns / 1000000000U), .tv_nsec = (long)(timeout_ns % 1000000000U)};
	int armed = fabric->provider->arm(fabric);

	if (armed)
		return armed;
	return ppoll(&descriptor, 1, timeout_ns == UINT64_MAX ? NULL : &limit, NULL) != 0;
}

int fabric_block(struct fabric *fabric, int wake_fd, uint64_t timeout_ns)
{
	return fabric->provider->block(fabric, wake_fd, timeout_ns);
}

// Blocks until events come or the deadline is there.
static int fabric_wait_blocked(struct fabric *fabric, struct fabric_event *events, int count, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now_ns = deadline_ns == UINT64_MAX ? 0 : clock_now_ns();
		uint64_t left_ns = deadline_ns == UINT64_MAX ? UINT64_MAX : deadline_ns > now_ns ? deadline_ns - now_ns : 0;
		int woken = fabric_block(fabric, fabric_fd(fabric), left_ns);
		int found = woken < 0 ? woken : fabric_poll(fabric, events, count);

		if (found != 0 || left_ns == 0)
			return found;
	}
}

int fabric_wait(struct fabric *fabric, struct fabric_event *events, int count, int timeout_ms)
{
	bool is_polling = timeout_ms == 0 || wait_budget_next(&fabric->wait) > 0;
	uint64_t deadline_ns = timeout_ms > 0 ? clock_now_ns() + (uint64_t)timeout_ms * 1000000U : UINT64_MAX;
	int found = is_polling ? fabric_poll(fabric, events, count) : 0;

	if (found != 0 || timeout_ms == 0)
		return found;
	if (is_polling)
		found = fabric_spin(fabric, events, count);
	if (found != 0)
		return found;
	wait_budget_blocked(&fabric->wait);
	return fabric_wait_blocked(fabric, events, count, deadline_ns);
}

void fabric_read_begin(struct fabric_lane *lane)
{
	uint64_t section;

	if (!lane->read_section)
		return;
	// Only this thread stores it. seq_cst pairs with fabric_read_section: either the owner of the memory sees the odd value, or this
	// thread's loads that follow see what the owner published before it looked (layout.h R5).
	section = atomic_load_explicit(lane->read_section, memory_order_relaxed);
	atomic_store_explicit(lane->read_section, section + 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
}

void fabric_read_end(struct fabric_lane *lane)
{
	uint64_t section;

	if (!lane->read_section)
		return;
	section = atomic_load_explicit(lane->read_section, memory_order_relaxed);
	// Release: the loads of the section are done before the owner sees it closed.
	atomic_store_explicit(lane->read_section, section + 1, memory_order_release);
}

uint64_t fabric_read_section(const struct fabric_lane *lane)
{
	if (!lane->read_section)
		return 0;
	// Pairs with fabric_read_begin: the caller's publishing stores are ordered before this load.
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(lane->read_section, memory_order_seq_cst);
}
