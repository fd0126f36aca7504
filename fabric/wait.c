#include "fabric/wait.h"

#include <sched.h>

#include "far/clock.h"

// The budget moves fast downwards (a few waits) and by probes upwards: with both sides on one CPU every microsecond of polling is a
// microsecond in which the peer cannot run, while a peer on another CPU is found again at the next probe.

#define WAIT_SPIN_MIN_NS 2000U         // below this a poll finds nothing that arming would not find as well
#define WAIT_PROBE_FIRST 16U           // blocked waits before the first probe
#define WAIT_PROBE_LAST 4096U          // then one probe costs about 10 ns a wait
#define WAIT_PROBE_CREDIT_NS 8000U     // what a found event is expected to need at least, next time
#define WAIT_YIELD_NS 50000U           // what a device's driver does in a thread of its kernel, and the peer, may wait for this CPU so long
#define WAIT_OFF_CPU_DEVICE_NS 400000U // interrupts of a device that is software take less
#define WAIT_OFF_CPU_NS 1500U          // between two polls: one that finds nothing takes a tenth of it, two switches and a reply take more

void wait_budget_init(struct wait_budget *budget, struct wait_limits limits)
{
	*budget = (struct wait_budget){.spin_ns = limits.spin_max_ns, .probe_after = WAIT_PROBE_FIRST, .limits = limits};
}

void wait_budget_found(struct wait_budget *budget, uint64_t spun_ns)
{
	uint64_t wanted = 2 * spun_ns + WAIT_PROBE_CREDIT_NS;
	uint32_t limit = budget->is_probing ? budget->limits.spin_max_ns : budget->spin_ns;

	if (spun_ns > limit) {
		wait_budget_blocked(budget);
		return;
	}
	if (wanted > budget->spin_ns)
		budget->spin_ns = wanted < budget->limits.spin_max_ns ? (uint32_t)wanted : budget->limits.spin_max_ns;
	budget->blocked = 0;
	budget->probe_after = WAIT_PROBE_FIRST;
	budget->is_probing = false;
}

void wait_budget_blocked(struct wait_budget *budget)
{
	if (budget->is_probing) {
		budget->is_probing = false;
		budget->blocked = 0;
		if (budget->probe_after < WAIT_PROBE_LAST)
			budget->probe_after *= 2;
		return;
	}
	budget->spin_ns /= 2;
	if (budget->spin_ns < WAIT_SPIN_MIN_NS)
		budget->spin_ns = 0;
	budget->blocked++;
}

uint32_t wait_budget_next(struct wait_budget *budget)
{
	if (budget->spin_ns == 0 && budget->blocked >= budget->probe_after)
		budget->is_probing = true;
	return budget->is_probing ? budget->limits.spin_max_ns : budget->spin_ns;
}

void wait_spin_begin(struct wait_spin *spin, struct wait_budget *budget)
{
	uint64_t now_ns = clock_now_ns();

	*spin = (struct wait_spin){
	        .begin_ns = now_ns,
	        .last_ns = now_ns,
	        .limit_ns = wait_budget_next(budget),
	        .off_cpu_ns = budget->limits.has_device ? WAIT_OFF_CPU_DEVICE_NS : WAIT_OFF_CPU_NS,
	        .yielded_ns = now_ns,
	};
}

bool wait_spin_goes_on(struct wait_spin *spin)
{
	uint64_t now_ns = clock_now_ns();

	// Looked at before the next poll: one that finds something may take long for good reasons.
	spin->was_off_cpu |= now_ns - spin->last_ns > spin->off_cpu_ns;
	spin->last_ns = now_ns;
	if (now_ns - spin->yielded_ns > WAIT_YIELD_NS) {
		spin->yielded_ns = now_ns;
		sched_yield();
	}
	return now_ns - spin->begin_ns < spin->limit_ns;
}

void wait_spin_found(const struct wait_spin *spin, struct wait_budget *budget)
{
	if (spin->was_off_cpu)
		wait_budget_blocked(budget);
	else
		wait_budget_found(budget, spin->last_ns - spin->begin_ns);
}
