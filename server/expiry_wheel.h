// A hierarchical timing wheel (G. Varghese and T. Lauck, SOSP 1987): entries of an expiry_table in lists by their deadline, so that setting, moving and ending a deadline takes the same short
// time however many there are. Ticks are milliseconds; a level has 256 slots, each as long as the whole level below. An entry's level is that of the highest digit (base 256) in
// which its deadline and the wheel's time differ, its slot that digit: so the slots of the wheel's own digits are empty, but for what is just being handed down or due.
//
// When the time reaches a slot of an upper level its entries are handed down. That is done a bounded number at a time, and the wheel's time stands still until it is done; entries
// that are added meanwhile go to lower levels at once. So a million deadlines in one slot stall nobody. Writer thread only.
#ifndef SERVER_EXPIRY_WHEEL_H
#define SERVER_EXPIRY_WHEEL_H

#include "server/expiry_table.h"

#define WHEEL_LEVELS 6U // of 8 bits: 2^48 ms
#define WHEEL_SLOTS 256U
#define WHEEL_TICK_NS 1000000U

struct expiry_wheel {
	uint64_t now; // in ticks: all that was due before has been handed out
	uint32_t heads[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
};

void wheel_init(struct expiry_wheel *wheel, uint64_t now);

// The tick at which it is over.
uint64_t wheel_tick_of(uint64_t deadline_ns);

// Enters an entry by its deadline, or takes it out.
void wheel_add(struct expiry_wheel *wheel, const struct expiry_table *table, uint32_t number);
void wheel_take(struct expiry_wheel *wheel, const struct expiry_table *table, uint32_t number);

// The entry has another number now (expiry_table_remove).
void wheel_renumber(struct expiry_wheel *wheel, const struct expiry_table *table, uint32_t number);

enum wheel_found {
	WHEEL_NONE,  // nothing is due
	WHEEL_DUE,   // *number is; it stays in the wheel until it is taken
	WHEEL_AGAIN, // `moves` entries were handed down, and there are more
};

// Turns the wheel up to the tick `now`, or to the first entry that is due.
enum wheel_found wheel_turn(struct expiry_wheel *wheel, const struct expiry_table *table, uint64_t now, uint32_t moves, uint32_t *number);

// The tick at which there is something to do next; UINT64_MAX: never.
uint64_t wheel_next(const struct expiry_wheel *wheel);

#endif
