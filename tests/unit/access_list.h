// An access control list as the attributes of the kernel's names have it (server/object_acl.h).
#ifndef TESTS_ACCESS_LIST_H
#define TESTS_ACCESS_LIST_H

#include <stdint.h>

struct list {
	uint32_t version;
	struct {
		uint16_t tag, permissions;
		uint32_t id;
	} entries[5];
};

static const struct list named = {2, {{1, 7, UINT32_MAX}, {2, 6, 1000}, {4, 5, UINT32_MAX}, {16, 6, UINT32_MAX}, {32, 1, UINT32_MAX}}};

#endif
