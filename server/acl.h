// POSIX access control lists (POSIX.1e draft 17, acl(5)) in the form in which system.posix_acl_access and system.posix_acl_default have them, little-endian: a version of
// 32 bits, then entries of 8 bytes. Arithmetic on bytes alone: object_acl.h applies it to objects.
#ifndef SERVER_ACL_H
#define SERVER_ACL_H

#include <stdbool.h>
#include <stdint.h>

#include "far/limits.h"

// More entries than one page holds the kernel refuses by itself.
#define ACL_LENGTH_MAX FAR_PAGE_SIZE

// 0; -EINVAL: not a list that acl_valid(3) would take; -E2BIG. A list without any entry is one, too: it stands for none.
int acl_check(const void *bytes, uint32_t length);
bool acl_is_empty(uint32_t length);

// The permission bits that a list gives to a mode, in *mode. Returns whether they say all that the list says.
bool acl_to_mode(const void *bytes, uint32_t length, uint32_t *mode);

// chmod: owner, others, and the mask (where there is none: the group) become the mode's.
void acl_set_mode(void *bytes, uint32_t length, uint32_t mode);

// A default list becomes the access list of what is created with *mode: each takes away what the other does not allow. Returns whether *mode then says all.
bool acl_create(void *bytes, uint32_t length, uint32_t *mode);

#endif
