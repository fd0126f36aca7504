// Facts: attributes user.far.* that a regular object has of itself, made when they are asked for. user.far.ttl, which only an object with a deadline has, is what is left of its
// time to live, in seconds: setting it sets the deadline, removing it takes the deadline away. user.far.counter, which only a counter has and no list names, is its value: setting it sets that, also of an empty file. user.far.pinned, 1, which only a pinned object has, is set and removed as the time to live. Directories have user.far.quota, which no list names (quota_facts.h). Nobody can change the others. But programs that copy files with their attributes set on the
// copy what they found on the original, and remove from it what the original does not have; these must not fail, so a value that the fact may have somewhere, and removal, are
// accepted and do nothing. Any other value is refused. Writer thread only.
#ifndef SERVER_XATTR_FACTS_H
#define SERVER_XATTR_FACTS_H

#include "far/key.h"
#include "server/server.h"

#define XATTR_FACT_MAX 128 // bytes of a fact's value

// True if the name is of the facts' namespace, user.far., which nothing else can be stored in.
bool xattr_fact_is_name(struct far_span name);

// True if only root sets and removes it.
bool xattr_fact_is_roots(struct far_span name);

// The value. Returns its length, or -ENODATA.
int xattr_fact_get(struct server *server, const struct far_record *object, struct far_span name, char value[XATTR_FACT_MAX]);

// What setting it comes to: 0 (without effect, but for the time to live, the counter and the pin), -EPERM, -EEXIST with FAR_XATTR_CREATE in flags, -ENODATA with FAR_XATTR_REPLACE; of the time to live also
// -EINVAL (no seconds, or not 0.001 up to FAR_TTL_MAX_MS), -EISDIR, -ENOENT, -ENOSPC and -ENOMEM as expiry_set;
// of the counter -EINVAL (no number of 64 bits, or the object has another value), -EISDIR and -ENOSPC; of the pin -EINVAL (not 1) and those of eviction_pin; of quotas those of quota_facts.h.
int xattr_fact_set(struct server *server, struct far_record *object, struct far_span name, struct far_span value, unsigned flags);

// What removing it comes to: 0 (without effect, but for the time to live and the pin) or -ENODATA.
int xattr_fact_remove(struct server *server, struct far_record *object, struct far_span name);

// The name of each fact that the object has and that is listed: *position starts at 0; NULL: there are no more.
const char *xattr_fact_next(const struct server *server, const struct far_record *object, unsigned *position);

#endif
