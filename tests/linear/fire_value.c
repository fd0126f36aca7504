#include "tests/linear/fire_value.h"

#include <string.h>

#include "tests/linear/history.h"

// A value is a row of cells: its name, and a mix of the name and the cell's number.

struct cell {
	uint64_t name;
	uint64_t mix;
};

static const size_t lengths[VALUE_SIZES] = {
        24, 200, 1000,             // in the record
        1500, 3000, 4096,          // one block
        5000, 7000,                // pages, in the request
        20000, 150000,             // pages, from a grant
        1500000, VALUE_LENGTH_MAX, // several extents, an upload
};

uint64_t value_name(uint32_t worker, uint64_t sequence, unsigned size)
{
	return (uint64_t)(worker + 1) << 48 | sequence << 8 | size;
}

size_t value_length(uint64_t name)
{
	return (name & 0xff) < VALUE_SIZES ? lengths[name & 0xff] : 0;
}

static struct cell cell_at(uint64_t name, uint64_t number)
{
	uint64_t mix = (name + number * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;

	return (struct cell){name, mix ^ mix >> 31};
}

void value_fill(void *bytes, uint64_t name)
{
	size_t length = value_length(name);

	for (size_t at = 0; at < length; at += sizeof(struct cell)) {
		struct cell cell = cell_at(name, at / sizeof(cell));

		memcpy((char *)bytes + at, &cell, length - at < sizeof(cell) ? length - at : sizeof(cell));
	}
}

static int64_t first_difference(const char *bytes, const char *expected, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != expected[i])
			return (int64_t)i;
	return -1;
}

int64_t value_check(const struct value_part *part, uint64_t *name)
{
	uint64_t whole = (part->offset + sizeof(struct cell) - 1) / sizeof(struct cell) * sizeof(struct cell);
	uint64_t end = part->offset + part->length;
	const char *bytes = part->bytes;

	*name = HISTORY_ANY;
	if (whole + sizeof(struct cell) > end)
		return -1;
	memcpy(name, bytes + (whole - part->offset), sizeof(*name));
	if (value_length(*name) < end || (part->size != UINT64_MAX && value_length(*name) != part->size))
		return (int64_t)whole;
	for (uint64_t at = part->offset; at < end;) {
		uint64_t within = at % sizeof(struct cell);
		size_t length = sizeof(struct cell) - within < end - at ? sizeof(struct cell) - within : end - at;
		struct cell cell = cell_at(*name, at / sizeof(cell));

		if (memcmp(bytes + (at - part->offset), (const char *)&cell + within, length) != 0)
			return (int64_t)at + first_difference(bytes + (at - part->offset), (const char *)&cell + within, length);
		at += length;
	}
	return -1;
}
