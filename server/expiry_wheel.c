#include "server/expiry_wheel.h"

#include <string.h>

static unsigned digit_of(uint64_t tick, unsigned level)
{
	return (unsigned)(tick >> (8 * level)) & (WHEEL_SLOTS - 1);
}

static_assert(UINT64_MAX / WHEEL_TICK_NS < 1ULL << 8 * WHEEL_LEVELS, "each deadline has a slot");

void wheel_init(struct expiry_wheel *wheel, uint64_t now)
{
	memset(wheel->heads, 0xff, sizeof(wheel->heads)); // EXPIRY_NONE
	memset(wheel->occupied, 0, sizeof(wheel->occupied));
	wheel->now = now;
}

uint64_t wheel_tick_of(uint64_t deadline_ns)
{
	return deadline_ns / WHEEL_TICK_NS + (deadline_ns % WHEEL_TICK_NS != 0);
}

// What is over already is due now.
static unsigned slot_for(const struct expiry_wheel *wheel, uint64_t tick)
{
	unsigned level;

	if (tick <= wheel->now)
		return digit_of(wheel->now, 0);
	level = (63U - (unsigned)__builtin_clzll(tick ^ wheel->now)) / 8;
	return level << 8 | digit_of(tick, level);
}

static uint32_t *head_of(struct expiry_wheel *wheel, unsigned slot)
{
	return &wheel->heads[slot >> 8][slot & (WHEEL_SLOTS - 1)];
}

void wheel_add(struct expiry_wheel *wheel, const struct expiry_table *table, uint32_t number)
{
	struct expiry_entry *entry = expiry_table_at(table, number);
	unsigned slot = slot_for(wheel, wheel_tick_of(entry->deadline_ns));
	uint32_t *head = head_of(wheel, slot);

	entry->slot = (uint16_t)slot;
	entry->previous = EXPIRY_NONE;
	entry->next = *head;
	if (*head != EXPIRY_NONE)
		expiry_table_at(table, *head)->previous = number;
	*head = number;
	wheel->occupied[slot >> 8][slot >> 6 & 3] |= 1ULL << (slot & 63);
}

void wheel_take(struct expiry_wheel *wheel, const struct expiry_table *table, uint32_t number)
{
	const struct expiry_entry *entry = expiry_table_at(table, number);
	unsigned slot = entry->slot;

	if (entry->next != EXPIRY_NONE)
		expiry_table_at(table, entry->next)->previous = entry->previous;
	if (entry->previous != EXPIRY_NONE) {
		expiry_table_at(table, entry->previous)->next = entry->next;
		return;
	}
	*head_of(wheel, slot) = entry->next;
	if (entry->next == EXPIRY_NONE)
		wheel->occupied[slot >> 8][slot >> 6 & 3] &= ~(1ULL << (slot & 63));
}

void wheel_renumber(struct expiry_wheel *wheel, const struct expiry_table *table, uint32_t number)
{
	const struct expiry_entry *entry = expiry_table_at(table, number);

	if (entry->next != EXPIRY_NONE)
		expiry_table_at(table, entry->next)->previous = number;
	if (entry->previous != EXPIRY_NONE)
		expiry_table_at(table, entry->previous)->next = number;
	else
		*head_of(wheel, entry->slot) = number;
}

// The first occupied slot of a level from `from` on, or WHEEL_SLOTS.
static unsigned first_occupied(const struct expiry_wheel *wheel, unsigned level, unsigned from)
{
	uint64_t bits = wheel->occupied[level][from / 64] & ~0ULL << (from % 64);

	for (unsigned word = from / 64;; bits = wheel->occupied[level][word]) {
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
		if (++word == WHEEL_SLOTS / 64)
			return WHEEL_SLOTS;
	}
}

uint64_t wheel_next(const struct expiry_wheel *wheel)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		if (wheel->heads[level][digit_of(wheel->now, level)] != EXPIRY_NONE)
			return wheel->now;
	// What lies below comes before all that lies above.
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		unsigned slot = first_occupied(wheel, level, digit_of(wheel->now, level));

		if (slot < WHEEL_SLOTS)
			return (wheel->now >> (8 * (level + 1)) << 8 | slot) << (8 * level);
	}
	return UINT64_MAX;
}

// Hands down what lies in the slots that the time has reached. False: there is more of it than `moves`.
static bool hand_down(struct expiry_wheel *wheel, const struct expiry_table *table, uint32_t *moves)
{
	for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
		const uint32_t *head = &wheel->heads[level][digit_of(wheel->now, level)];

		while (*head != EXPIRY_NONE) {
			uint32_t number = *head;

			if (*moves == 0)
				return false;
			--*moves;
			wheel_take(wheel, table, number);
			wheel_add(wheel, table, number);
		}
	}
	return true;
}

enum wheel_found wheel_turn(struct expiry_wheel *wheel, const struct expiry_table *table, uint64_t now, uint32_t moves, uint32_t *number)
{
	for (;;) {
		uint64_t next;

		if (!hand_down(wheel, table, &moves))
			return WHEEL_AGAIN;
		*number = wheel->heads[0][digit_of(wheel->now, 0)];
		if (*number != EXPIRY_NONE)
			return WHEEL_DUE;
		next = wheel_next(wheel);
		if (next > now) {
			wheel->now = now > wheel->now ? now : wheel->now;
			return WHEEL_NONE;
		}
		wheel->now = next;
	}
}
