// What expiry.c keeps, for the checker to look through. Private to the two.
#ifndef SERVER_EXPIRY_INSIDE_H
#define SERVER_EXPIRY_INSIDE_H

#include "server/expiry.h"
#include "server/expiry_wheel.h"

struct expiry {
	struct expiry_table table;
	struct expiry_wheel wheel;
	uint64_t next; // tick: nothing is to be done before
};

#endif
