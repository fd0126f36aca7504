// Facts: attributes user.far.* that a regular object has of itself, made when they are asked for. Nobody can change them. But programs that copy files with their attributes set on the
// copy what they found on the original, and remove from it what the original does not have; these must not fail, so a value that the fact may have somewhere, and removal, are
// accepted and do nothing. Any other value is refused. Writer thread only.
#ifndef SERVER_XATTR_FACTS_H
#define SERVER_XATTR_FACTS_H

#include "far/key.h"
#include "server/server.h"

#define XATTR_FACT_MAX 64 // bytes of a fact's value

// True if the name is of the facts' namespace, user.far., which nothing else can be stored in.
bool xattr_fact_is_name(struct far_span name);

// The value. Returns its length, or -ENODATA.
int xattr_fact_get(const struct far_record *object, struct far_span name, char value[XATTR_FACT_MAX]);

// What setting it comes to: 0 (without effect), -EPERM, or -EEXIST with FAR_XATTR_CREATE in flags.
int xattr_fact_set(const struct far_record *object, struct far_span name, struct far_span value, unsigned flags);

// What removing it comes to: 0 (without effect) or -ENODATA.
int xattr_fact_remove(const struct far_record *object, struct far_span name);

// The name of each fact that the object has; NULL: there are no more.
const char *xattr_fact_name(const struct far_record *object, unsigned position);

#endif
