#include "fabric_peer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The server: one loop of fabric_wait, a table of commands. Runs in a forked process and ends with it; it exits with 1 where it finds the fabric wrong.

#define HELD_MAX 64

struct served_lane {
	uint64_t counted;
	bool is_disordered;
	unsigned hold;
	unsigned held_count;
	const void *held[HELD_MAX];
};

struct served {
	struct fabric *fabric;
	struct fabric_memory memories[PEER_REGIONS];
	struct fabric_region *regions[PEER_REGIONS];
	uint64_t lanes;
	struct fabric_lane *closed; // told within a command: ended behind it
};

void peer_fill(void *memory, uint64_t length, uint64_t seed)
{
	uint8_t *bytes = memory;

	for (uint64_t i = 0; i < length; i++)
		bytes[i] = peer_pattern(seed, i);
}

bool peer_check(const void *memory, uint64_t length, uint64_t seed)
{
	const uint8_t *bytes = memory;

	for (uint64_t i = 0; i < length; i++) {
		if (bytes[i] != peer_pattern(seed, i)) {
			fprintf(stderr, "byte %llu of %llu is %02x\n", (unsigned long long)i, (unsigned long long)length, bytes[i]);
			return false;
		}
	}
	return true;
}

static void must(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "peer: %s\n", what);
	exit(1);
}

static const struct {
	uint64_t length;
	unsigned rights;
	uint64_t scope;
} region_table[PEER_REGIONS] = {
        [PEER_OPEN] = {PEER_REGION_LENGTH, FABRIC_REMOTE_READ | FABRIC_REMOTE_WRITE, 0},
        [PEER_READONLY] = {PEER_SMALL_LENGTH, FABRIC_REMOTE_READ, 0},
        [PEER_SCOPED] = {PEER_SMALL_LENGTH, FABRIC_REMOTE_READ | FABRIC_REMOTE_WRITE, PEER_SCOPE},
        [PEER_SEALED] = {PEER_SMALL_LENGTH, FABRIC_REMOTE_WRITE, 0},
        [PEER_ATOMIC] = {PEER_SMALL_LENGTH, FABRIC_REMOTE_READ | FABRIC_REMOTE_ATOMIC, 0},
};

static void register_all(struct served *served)
{
	for (int i = 0; i < PEER_REGIONS; i++) {
		must(fabric_memory_new(region_table[i].length, &served->memories[i]) == 0, "memory");
		must(fabric_register(
		             served->fabric, &served->memories[i], region_table[i].rights, region_table[i].scope, &served->regions[i]) == 0,
		        "register");
	}
	fabric_region_seal(served->regions[PEER_SEALED], PEER_SEALED_LENGTH);
}

// Waits for room. Nobody else talks meanwhile: the tests fill a lane's queue only while the client listens.
static void *reserve(struct served *served, struct fabric_lane *lane, uint32_t length)
{
	for (;;) {
		void *space = fabric_send_reserve(lane, length);
		struct fabric_event events[1];

		if (space)
			return space;
		if (fabric_wait(served->fabric, events, 1, 1) == 1) {
			must(events[0].kind == FABRIC_CLOSED, "no message while waiting for room");
			served->closed = events[0].lane;
			return NULL;
		}
	}
}

static void answer(struct served *served, struct fabric_lane *lane, const void *message, uint32_t length)
{
	void *space = reserve(served, lane, length);

	if (!space)
		return;
	memcpy(space, message, length);
	must(fabric_send(lane, length) == 0, "send");
}

static void answer_value(struct served *served, struct fabric_lane *lane, const struct peer_message *message, uint64_t value)
{
	struct peer_message reply = *message;

	reply.value = value;
	answer(served, lane, &reply, sizeof(reply));
}

static void describe(struct served *served, struct fabric_lane *lane)
{
	struct peer_description description = {.message.command = PEER_DESCRIBE};

	for (int i = 0; i < PEER_REGIONS; i++)
		description.rkeys[i] = fabric_region_rkey(served->regions[i]);
	answer(served, lane, &description, sizeof(description));
}

// Returns whether the transfer was done; a lane that ended answers nothing.
static bool await_done(struct served *served)
{
	for (;;) {
		struct fabric_event event;
		int count = fabric_wait(served->fabric, &event, 1, 5000);

		must(count == 1, "transfer ends");
		if (event.kind == FABRIC_DONE)
			return event.status == 0;
		if (event.kind == FABRIC_CLOSED) {
			served->closed = event.lane;
			return false;
		}
	}
}

static void push(struct served *served, struct fabric_lane *lane, const struct peer_message *message)
{
	char *memory = served->memories[PEER_OPEN].base;

	peer_fill(memory, message->length, message->seed);
	// No event is waited for: the answer must not overtake the bytes.
	if (fabric_post_write(lane, memory, message->rkey, message->offset, message->length, 0) == 0)
		answer_value(served, lane, message, 1);
}

static void pull(struct served *served, struct fabric_lane *lane, const struct peer_message *message)
{
	char *memory = served->memories[PEER_OPEN].base;

	memset(memory, 0, message->length);
	if (fabric_post_read(lane, memory, message->rkey, message->offset, message->length, 1) == 0 && await_done(served))
		answer_value(served, lane, message, peer_check(memory, message->length, message->seed));
}

static void stream(struct served *served, struct fabric_lane *lane, const struct peer_message *message)
{
	uint32_t room = fabric_lane_message_size(lane) - (uint32_t)sizeof(*message);

	for (uint64_t i = 0; i < message->argument; i++) {
		uint32_t length = (uint32_t)(sizeof(*message) + i * 37 % room);
		struct peer_message *next = reserve(served, lane, length);

		if (!next)
			return;
		*next = (struct peer_message){.command = PEER_STREAM, .value = i, .length = length};
		peer_fill(next + 1, length - sizeof(*next), i);
		must(fabric_send(lane, length) == 0, "send");
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
}

static void count(struct served_lane *owner, const struct peer_message *message)
{
	owner->is_disordered |=
	        message->value != owner->counted || !peer_check(message + 1, message->length - sizeof(*message), message->value);
	owner->counted++;
}

static void handle(struct served *served, struct fabric_lane *lane, const struct peer_message *message, uint32_t length)
{
	struct served_lane *owner = fabric_lane_owner(lane);
	char *memory = message->region < PEER_REGIONS ? served->memories[message->region].base : NULL;

	switch (message->command) {
	case PEER_ECHO:
		answer(served, lane, message, length);
		break;
	case PEER_DESCRIBE:
		describe(served, lane);
		break;
	case PEER_SET_SCOPE:
		fabric_lane_set_scope(lane, message->argument);
		answer_value(served, lane, message, 1);
		break;
	case PEER_FILL:
		peer_fill(memory + message->offset, message->length, message->seed);
		answer_value(served, lane, message, 1);
		break;
	case PEER_CHECK:
		answer_value(served, lane, message, peer_check(memory + message->offset, message->length, message->seed));
		break;
	case PEER_PUSH:
		push(served, lane, message);
		break;
	case PEER_PULL:
		pull(served, lane, message);
		break;
	case PEER_SLEEP:
		usleep((useconds_t)message->argument * 1000);
		break;
	case PEER_STREAM:
		stream(served, lane, message);
		break;
	case PEER_COUNT:
		count(owner, message);
		break;
	case PEER_COUNTED:
		answer_value(served, lane, message, owner->is_disordered ? UINT64_MAX : owner->counted);
		break;
	case PEER_CPU:
		answer_value(served, lane, message, cpu_ns());
		break;
	case PEER_SECTION:
		answer_value(served, lane, message, fabric_read_section(lane));
		break;
	case PEER_UNREGISTER:
		fabric_unregister(served->regions[message->region]);
		answer_value(served, lane, message, 1);
		break;
	case PEER_LANES:
		answer_value(served, lane, message, served->lanes);
		break;
	case PEER_SHUT:
		fabric_shut(lane);
		break;
	case PEER_DIE:
		raise(SIGKILL);
		break;
	default: // of a client that scribbles over its messages
		fabric_shut(lane);
	}
}

// Gives held messages back in an order of its own, last first.
static void release_held(struct fabric_lane *lane, struct served_lane *owner)
{
	while (owner->held_count > 0)
		fabric_receive_release(lane, owner->held[--owner->held_count]);
}

static void receive(struct served *served, const struct fabric_event *event)
{
	struct served_lane *owner = fabric_lane_owner(event->lane);
	const struct peer_message *message = event->message;

	if (event->length >= sizeof(*message) && message->command == PEER_HOLD) {
		owner->hold = (unsigned)message->argument;
		release_held(event->lane, owner);
		fabric_receive_release(event->lane, message);
		return;
	}
	if (event->length >= sizeof(*message) && message->command == PEER_DISCONNECT) {
		free(owner);
		fabric_disconnect(event->lane);
		served->lanes--;
		return;
	}
	if (event->length < sizeof(*message)) // too short for a command: an echo
		answer(served, event->lane, message, event->length);
	else
		handle(served, event->lane, message, event->length);
	if (owner->hold > 0 && owner->held_count < HELD_MAX) {
		owner->hold--;
		owner->held[owner->held_count++] = message;
		return;
	}
	fabric_receive_release(event->lane, message);
}

static void end_lane(struct served *served, struct fabric_lane *lane)
{
	free(fabric_lane_owner(lane));
	fabric_disconnect(lane);
	served->lanes--;
}

static void serve(struct served *served)
{
	for (;;) {
		struct fabric_event event;
		int found = fabric_wait(served->fabric, &event, 1, -1);

		must(found >= 0, "wait");
		if (found == 0)
			continue;
		if (event.kind == FABRIC_ACCEPTED) {
			fabric_lane_set_owner(event.lane, calloc(1, sizeof(struct served_lane)));
			served->lanes++;
		} else if (event.kind == FABRIC_RECEIVED) {
			receive(served, &event);
		} else if (event.kind == FABRIC_CLOSED) {
			end_lane(served, event.lane);
		}
		if (served->closed)
			end_lane(served, served->closed);
		served->closed = NULL;
	}
}

static _Noreturn void run(const struct fabric_address *address, bool is_sharing, int ready)
{
	struct fabric_options options = {.is_sharing = is_sharing};
	struct served served = {0};
	struct fabric_address bound;
	struct fabric_error error = {""};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(fabric_open(address->provider, &options, &served.fabric, &error) == 0, error.text);
	register_all(&served);
	must(fabric_listen(served.fabric, address, &bound, &error) == 0, error.text);
	must(write(ready, &bound, sizeof(bound)) == sizeof(bound), "ready");
	close(ready);
	serve(&served);
	exit(0);
}

const char *peer_provider(const char *name)
{
	return strcmp(name, "rdma-socket") == 0 ? "rdma" : name;
}

static int start(struct peer *peer, const char *provider, const char *host, bool is_sharing)
{
	struct fabric_address bound;
	int ready[2];
	ssize_t got;

	*peer = (struct peer){0};
	strcpy(peer->folder, "/tmp/farfs-fabric-XXXXXX");
	if (!mkdtemp(peer->folder) || pipe(ready) < 0)
		return -1;
	peer->address.rdma.is_by_socket = strcmp(provider, "rdma-socket") == 0;
	strcpy(peer->address.provider, peer_provider(provider));
	if (strcmp(provider, "shm") == 0)
		snprintf(peer->address.path, sizeof(peer->address.path), "%s/socket", peer->folder);
	else
		strcpy(peer->address.host, host);
	peer->pid = fork();
	if (peer->pid == 0) {
		close(ready[0]);
		run(&peer->address, is_sharing, ready[1]);
	}
	close(ready[1]);
	got = read(ready[0], &bound, sizeof(bound));
	close(ready[0]);
	if (peer->pid < 0 || got != sizeof(bound))
		return -1;
	peer->address = bound;
	return 0;
}

int peer_start(struct peer *peer, const char *provider)
{
	// 10.9.0.1 is of scripts/rdma-vm: no device serves the loopback.
	return start(peer, provider, strcmp(peer_provider(provider), "rdma") == 0 ? "10.9.0.1" : "127.0.0.1", false);
}

int peer_start_at(struct peer *peer, const char *provider, const char *host)
{
	return start(peer, provider, host, false);
}

int peer_start_sharing(struct peer *peer, const char *provider)
{
	return start(peer, provider, "127.0.0.1", true);
}

void peer_stop(struct peer *peer)
{
	if (peer->pid > 0) {
		kill(peer->pid, SIGKILL);
		waitpid(peer->pid, NULL, 0);
	}
	if (peer->address.path[0])
		unlink(peer->address.path);
	rmdir(peer->folder);
}
