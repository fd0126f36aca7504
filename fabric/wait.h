// Adaptive waiting: how long to poll before blocking. Polling pays when the peer answers from another CPU within the time a wake-up would
// take (20..50 us here); it costs when the peer needs this very CPU. So the budget follows what happened: an event found while polling
// raises it, a wait that had to block halves it, and a budget of zero is probed now and then, the more rarely the more often that was in vain.
// Measured in docs/benchmarks.md.
#ifndef FABRIC_WAIT_H
#define FABRIC_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#define WAIT_SPIN_MAX_NS 50000U // about one wake-up across CPUs

// What is polled for.
struct wait_limits {
	uint32_t spin_max_ns;
	bool has_device; // a device does the peer's part, while we may be interrupted for it
};

struct wait_budget {
	uint32_t spin_ns;     // how long the next wait polls
	uint32_t blocked;     // waits that blocked since the last probe
	uint32_t probe_after; // blocked waits between two probes, doubled by each that fails
	bool is_probing;      // the wait under way polls only to find out whether polling pays again
	struct wait_limits limits;
};

// Begins with the longest polling.
void wait_budget_init(struct wait_budget *budget, struct wait_limits limits);

// Tells how the last wait ended. `spun_ns` is the time from the wait's begin to the event; above the budget it counts as in vain.
void wait_budget_found(struct wait_budget *budget, uint64_t spun_ns);
void wait_budget_blocked(struct wait_budget *budget);

// The polling time of the next wait, ns; 0 = block at once.
uint32_t wait_budget_next(struct wait_budget *budget);

// One wait's polling: `wait_spin_begin(...); while (wait_spin_goes_on(...)) if (poll finds) wait_spin_found(...);`, and wait_budget_blocked where
// nothing was found. It notices when the thread was off its CPU meanwhile: then the peer likely ran on this very CPU, and what looks like an
// event found by polling was a peer kept waiting by it.
struct wait_spin {
	uint64_t begin_ns;
	uint64_t last_ns;
	uint64_t limit_ns;
	uint64_t off_cpu_ns;
	uint64_t yielded_ns;
	bool was_off_cpu;
};

void wait_spin_begin(struct wait_spin *spin, struct wait_budget *budget);
bool wait_spin_goes_on(struct wait_spin *spin);
void wait_spin_found(const struct wait_spin *spin, struct wait_budget *budget);

#endif
