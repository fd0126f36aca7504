// Values that tell whose they are at any byte: a mix of two, or bytes of something else, shows.
#ifndef TESTS_LINEAR_FIRE_VALUE_H
#define TESTS_LINEAR_FIRE_VALUE_H

#include <stddef.h>
#include <stdint.h>

// A size for each way in which a value is stored and travels (docs/architecture.md, One put), ascending.
enum {
	VALUE_SIZE_PAGED = 6,    // from here on whole pages
	VALUE_SIZE_EXTENTS = 10, // from here on several extents
	VALUE_SIZE_UPLOAD = 11,  // more than a lane's grants
	VALUE_SIZES = 12,
};
#define VALUE_LENGTH_MAX 4300000U

// The name of a worker's value: unique, never 0. It tells the size, too.
uint64_t value_name(uint32_t worker, uint64_t sequence, unsigned size);

// 0: no such name.
size_t value_length(uint64_t name);

void value_fill(void *bytes, uint64_t name);

// What was got from a value.
struct value_part {
	const void *bytes;
	size_t length;
	uint64_t offset; // of them in the value
	uint64_t size;   // of the whole value; UINT64_MAX: not known
};

// Returns -1 and the name if the bytes are all of one value (HISTORY_ANY if they are too few to tell), else the position of the first wrong byte in the value.
int64_t value_check(const struct value_part *part, uint64_t *name);

#endif
