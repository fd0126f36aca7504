// The check, deadlines: each entry of the table leads to an object that says it has one, and is found by it; its list in the wheel holds together around it; the slot is the one for its time.
#include "server/check_inside.h"
#include "server/expiry_inside.h"

void check_deadline(struct check *check, const struct far_record *object)
{
	bool is_flagged = object->flags & FAR_RECORD_EXPIRES;
	bool is_listed = expiry_table_find(&check->server->expiry->table, object->id) != EXPIRY_NONE;

	if (is_flagged != is_listed)
		check_found(check, FAR_CHECK_DEADLINE, object, "it has a deadline by %s only", is_flagged ? "its flags" : "the table");
	if (is_flagged && object->nlink == 0)
		check_found(check, FAR_CHECK_DEADLINE, object, "it has a deadline, but no name");
}

static void own_chunks(struct check *check, const struct expiry_chunks *chunks)
{
	for (uint32_t i = 0; i < chunks->count; i++)
		check_own_pages(check, NULL, chunks->pages[i], EXPIRY_CHUNK_PAGES, "deadlines");
}

void check_own_expiry(struct check *check)
{
	own_chunks(check, &check->server->expiry->table.entry_chunks);
	own_chunks(check, &check->server->expiry->table.bucket_chunks);
}

// The neighbours in the list, and its head, know of the entry.
static bool is_linked(const struct expiry *expiry, uint32_t number)
{
	const struct expiry_entry *entry = expiry_table_at(&expiry->table, number);
	unsigned level = entry->slot >> 8;
	unsigned place = entry->slot & (WHEEL_SLOTS - 1);

	if (level >= WHEEL_LEVELS || !(expiry->wheel.occupied[level][place / 64] >> (place % 64) & 1))
		return false;
	if (entry->next != EXPIRY_NONE &&
	        (entry->next >= expiry->table.count || expiry_table_at(&expiry->table, entry->next)->previous != number))
		return false;
	if (entry->previous == EXPIRY_NONE)
		return expiry->wheel.heads[level][place] == number;
	return entry->previous < expiry->table.count && expiry_table_at(&expiry->table, entry->previous)->next == number;
}

// What was in a slot that the wheel has reached is on its way down: such an entry is due as soon as one that is over.
static bool is_in_time(const struct expiry *expiry, const struct expiry_entry *entry)
{
	uint64_t tick = wheel_tick_of(entry->deadline_ns);
	unsigned level = entry->slot >> 8;

	if (tick <= expiry->wheel.now)
		tick = expiry->wheel.now;
	return (tick >> (8 * level) & (WHEEL_SLOTS - 1)) == (entry->slot & (WHEEL_SLOTS - 1)) &&
	       tick >> (8 * (level + 1)) == expiry->wheel.now >> (8 * (level + 1));
}

static void check_entry(struct check *check, uint32_t number)
{
	const struct expiry *expiry = check->server->expiry;
	const struct expiry_entry *entry = expiry_table_at(&expiry->table, number);
	const struct far_record *object = check_object(check, entry->id);

	if (!object || !(object->flags & FAR_RECORD_EXPIRES)) {
		check_found(check, FAR_CHECK_DEADLINE, object, "a deadline is set for %llx, which %s", (unsigned long long)entry->id,
		        object ? "knows nothing of it" : "is not there");
		return;
	}
	if (expiry_table_find(&expiry->table, entry->id) != number)
		check_found(check, FAR_CHECK_DEADLINE, object, "its deadline is not found by its id");
	if (!is_linked(expiry, number))
		check_found(check, FAR_CHECK_DEADLINE, object, "its place in the wheel is broken");
	else if (!is_in_time(expiry, entry))
		check_found(check, FAR_CHECK_DEADLINE, object, "the wheel comes to it at another time than its deadline");
}

// Entries move when others are removed, to lower numbers: one that is missed so is met by its object (check_deadline).
bool check_expiry(struct check *check)
{
	for (; check->at[0] < check->server->expiry->table.count; check->at[0]++) {
		if (check->at[0] % 64 == 63 && check_is_due(check))
			return false;
		check_entry(check, (uint32_t)check->at[0]);
	}
	return true;
}
