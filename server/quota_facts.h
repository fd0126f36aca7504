// Quotas as attributes of directories (xattr_facts.h): user.far.quota.bytes and user.far.quota.objects are the limits, set and removed one by one, and user.far.quota, which can only be removed, tells both with what is used. Writer thread only.
#ifndef SERVER_QUOTA_FACTS_H
#define SERVER_QUOTA_FACTS_H

#include <stdbool.h>

#include "far/key.h"
#include "server/server.h"

#define QUOTA_FACT_MAX 128 // bytes of a value

// Whether the directory has it.
bool quota_fact_is_of(const struct server *server, const struct far_record *directory);
bool quota_fact_has_bytes(const struct server *server, const struct far_record *directory);
bool quota_fact_has_objects(const struct server *server, const struct far_record *directory);

// What it has: the length. "bytes=288/2097152 objects=2/10", a limit that there is not is "-"; " counting" behind it until what was there has been counted.
int quota_fact_get(struct server *server, const struct far_record *directory, char *value);
int quota_fact_get_bytes(struct server *server, const struct far_record *directory, char *value);
int quota_fact_get_objects(struct server *server, const struct far_record *directory, char *value);

// A number above 0, with K, M, G or T (powers of 1024) if wanted. -EINVAL, others as quota_set.
int quota_fact_set_bytes(struct server *server, struct far_record *object, struct far_span value);
int quota_fact_set_objects(struct server *server, struct far_record *object, struct far_span value);

// What the directory has. With the last limit its quota goes.
void quota_fact_remove(struct server *server, struct far_record *directory);
void quota_fact_remove_bytes(struct server *server, struct far_record *directory);
void quota_fact_remove_objects(struct server *server, struct far_record *directory);

#endif
