// The daemon's options, from the command line and a configuration file (INI, same names as the long options). The command line wins.
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <sched.h>
#include <stdbool.h>

#include "fabric/fabric.h"
#include "far/address_options.h"
#include "far/log.h"
#include "server/server.h"

#define OPTIONS_LISTEN_MAX 16

struct options {
	struct server_options server;
	struct fabric_address listen[OPTIONS_LISTEN_MAX];
	int listen_count;
	char rdma[ADDRESS_OPTIONS_SIZE]; // options of each rdma address
	bool has_no_shm;
	unsigned io_threads;           // 0: a rule decides
	cpu_set_t cpus;                // none: not pinned
	bool is_numa_auto;             // the pool goes where the CPUs are
	struct fabric_address metrics; // of the endpoint; no host = none
	uint64_t stats_interval_ns;    // 0 = no lines
	enum log_level log_level;
	int ready_fd; // -1 = none
};

// Parses everything; on a wrong option or value prints one line that says what to do and exits (status 2, or 1 for the file). --help and --version print and exit 0.
void options_parse(int argc, char **argv, struct options *options);

#endif
