// Finding a key's value without asking: the index is read one-sidedly, then the record. For servers that say they are busy; a request costs one round trip less.
#ifndef CLIENT_PROBE_H
#define CLIENT_PROBE_H

#include "client/locate.h"
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

#endif
