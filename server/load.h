// Whether the server is busy: then clients that look for a key had better find it by themselves (far_pool_header.probing, client/probe.c), for a request of theirs would wait for all others.
#ifndef SERVER_LOAD_H
#define SERVER_LOAD_H

#include <stdbool.h>
#include <stdint.h>

enum load_probing {
	LOAD_PROBING_AUTO,   // clients are told to probe while the server is busy
	LOAD_PROBING_ALWAYS, // to spare its processor in any case
	LOAD_PROBING_NEVER,
};

// Owned by the loop, used by its thread. Zeros are a calm one.
struct load {
	enum load_probing probing;
	uint32_t turns; // of the window so far
	uint64_t events;
	bool is_busy;
	uint64_t calm_at_ns; // busy until then, if it is not found busy again
};

#define LOAD_TURNS 64U          // of a window: only turns that found something count
#define LOAD_EVENTS 16U         // in the mean of a window, found at once: then it is busy
#define LOAD_HOLD_NS 100000000U // it stays so for a while: clients that probe leave nothing to be seen here

// After a turn of the loop that found so many events. Returns whether the server is busy.
bool load_turn(struct load *load, int events);

// The same at a time that is told, for tests.
bool load_turn_at(struct load *load, int events, uint64_t now_ns);

#endif
