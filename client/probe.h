// Finding a key's value without asking: the index is read one-sidedly, then the record. For servers that say they are busy; a request costs one round trip less.
#ifndef CLIENT_PROBE_H
#define CLIENT_PROBE_H

#include "client/locate.h"
#include "client/look.h"
#include "far/key.h"

// What was found. `located` leads to `extent`; `bytes` is the whole value if it stands in the record, else NULL. Borrowed until the lane's next fetch.
struct probed {
	struct located located;
	struct far_wire_extent extent;
	const char *bytes;
};

// 1: this was the key's value at that moment; 0: the server has to be asked; or a negative errno. Cost: two round trips where the key's directory is known, two more for each directory
// where it is not; no request. One more where a bucket overflows, or the value is not in the record.
int probe(struct far_lane *lane, struct far_span key, struct probed *probed);

// The record of a directory's name, where the pool is mapped: 1 with its pool offset, -ENOENT: there was no such name at that moment; 0: the server has to be asked; or another
// negative errno. Of what is behind the record *look has as much as the name is long. Loads alone.
int probe_name(struct far_lane *lane, uint64_t parent, struct far_span name, const struct look **look, uint64_t *offset);

// Where a regular file's record, with so much of what is behind it, says that its value is. False: in more pieces than it tells of by
// itself, or nowhere.
bool probe_locate(const struct far_lane *lane, const struct look *look, uint64_t offset, uint32_t behind, struct probed *probed);

#endif
