// What the way to a server should give, from what is known of it.
#ifndef CLI_DOCTOR_LINK_H
#define CLI_DOCTOR_LINK_H

#include "client/cli/doctor.h"
#include "client/cli/doctor_port.h"
#include "far.h"

struct doctor_link {
	char provider[8];
	char host[256];          // "" for shm
	char interface[16];      // "" for shm, "lo" where the host is this one
	struct doctor_port port; // rdma's
	char through[96];        // the interface, device, or memory
	double bytes_per_us;     // payload; 0 = unknown
	double rtt_us;           // of a request with hardly any bytes; 0 = unknown
	char why[160];           // where both are from
};

// Finds out about the link of a session. `threads` are those of the throughput test, as copying is measured with as many.
void doctor_link_find(const struct doctor *doctor, const struct far_statistics *session, unsigned threads, struct doctor_link *link);

// Microseconds in which a value of `size` bytes should be there. 0 = unknown.
double link_latency(const struct doctor_link *link, double size);

// What to look at if it is worse.
void doctor_link_advise(struct doctor_finding *finding, const struct doctor_link *link, bool is_throughput);

#endif
