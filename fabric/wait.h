// Adaptive waiting: how long to poll before blocking. Polling pays when the peer answers from another CPU within the time a wake-up would
// take (20..50 us here); it costs when the peer needs this very CPU. So the budget follows what happened: an event found while polling
// raises it, a wait that had to block halves it, and a budget of zero is probed now and then. Measured in docs/benchmarks.md.
#ifndef FABRIC_WAIT_H
#define FABRIC_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#define WAIT_SPIN_MAX_NS 50000U // about one wake-up across CPUs

struct wait_budget {
	uint32_t spin_ns; // how long the next wait polls
	uint32_t blocked; // waits that blocked since the last probe
};

void wait_budget_init(struct wait_budget *budget);

// Monotonic time, ns.
uint64_t wait_now_ns(void);

// Tells how the last wait ended.
void wait_budget_found(struct wait_budget *budget, uint64_t spun_ns);
void wait_budget_blocked(struct wait_budget *budget);

// The polling time of the next wait, ns; 0 = block at once.
uint32_t wait_budget_next(struct wait_budget *budget);

#endif
