#include "server/load.h"

#include "far/clock.h"

// How many events a turn of the loop finds at once is how many requests wait for each other: with one client after the other it is one, whatever the processor's use. From 16 on the
// last of them waits longer than the second round trip takes that probing costs. The clock is read only where it decides something.

static bool ends_window(struct load *load, int events)
{
	bool is_full;

	if (events <= 0)
		return false;
	load->turns++;
	load->events += (uint64_t)events;
	if (load->turns < LOAD_TURNS)
		return false;
	is_full = load->events >= (uint64_t)LOAD_EVENTS * LOAD_TURNS;
	load->turns = 0;
	load->events = 0;
	return is_full;
}

bool load_turn_at(struct load *load, int events, uint64_t now_ns)
{
	if (load->probing != LOAD_PROBING_AUTO)
		return load->probing == LOAD_PROBING_ALWAYS;
	if (ends_window(load, events)) {
		load->is_busy = true;
		load->calm_at_ns = now_ns + LOAD_HOLD_NS;
	} else if (load->is_busy && now_ns >= load->calm_at_ns) {
		load->is_busy = false;
	}
	return load->is_busy;
}

bool load_turn(struct load *load, int events)
{
	bool is_deciding = load->is_busy || load->turns + 1 >= LOAD_TURNS;

	return load_turn_at(load, events, is_deciding ? clock_now_ns() : 0);
}
