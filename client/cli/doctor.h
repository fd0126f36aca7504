// What the parts of `far doctor` share: the findings, and the folder below which the machine's files are read. One thread.
//
// A check looks at one thing and adds one finding: what it looked at, how that is, what it found there. Whatever is a warning or a failure says what to do, with the exact
// command where there is one. Checks read files by doctor_tree.h alone, so a copy of another machine's /sys, /proc, /dev and /etc can be looked at, too.
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCTOR_TEXT 320
#define DOCTOR_FINDINGS 256U // a machine of eight RDMA ports has about sixty

enum doctor_group {
	DOCTOR_RDMA,
	DOCTOR_FUSE,
	DOCTOR_MEMORY,
	DOCTOR_NET, // shared memory and TCP
	DOCTOR_SELF_TEST,
	DOCTOR_GROUPS,
};

enum doctor_status {
	DOCTOR_OK,
	DOCTOR_NOTE, // worth knowing; nothing is wrong
	DOCTOR_WARN, // works, but slower or less than it could
	DOCTOR_FAIL, // what was asked for does not work like this
};

// A figure of the self-test beside what it should be. `unit` is NULL where there is none, `expected` 0 where nothing is known.
struct doctor_measure {
	const char *unit;
	double measured;
	double expected;
	double ratio; // 1 = as expected, 0.5 = half as good
};

struct doctor_finding {
	enum doctor_group group;
	enum doctor_status status;
	char name[96];
	char found[DOCTOR_TEXT];
	char advice[DOCTOR_TEXT]; // "" = none
	struct doctor_measure measure;
};

struct doctor {
	const char *root;             // "" = this machine; else the folder with its files
	const char *address;          // the server to look for
	uint64_t pool;                // bytes of the server's pool that are planned
	bool is_asked[DOCTOR_GROUPS]; // named on the command line, so that what is missing there is a failure
	enum doctor_group group;      // of what is added now
	struct doctor_finding findings[DOCTOR_FINDINGS];
	size_t count;
};

// Adds a finding to doctor->group. It belongs to the doctor.
struct doctor_finding *doctor_add(struct doctor *doctor, enum doctor_status status, const char *name, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

// What to do about a finding.
void doctor_advise(struct doctor_finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

// What a missing part of RDMA is: a failure if RDMA was asked for, else a warning, as FarFS works without.
enum doctor_status doctor_rdma_problem(const struct doctor *doctor);

// True if things may be tried out instead of read: the files are this machine's.
bool doctor_is_live(const struct doctor *doctor);

// The checks of each group.
void doctor_check_rdma(struct doctor *doctor);
void doctor_check_fuse(struct doctor *doctor);
void doctor_check_memory(struct doctor *doctor);
void doctor_check_net(struct doctor *doctor);

// Locked memory against the pool, `status` if it is too little (doctor_memory.c).
void doctor_check_memlock(struct doctor *doctor, enum doctor_status status);

// Writes the findings for people, or as a JSON array.
void doctor_print(const struct doctor *doctor);
void doctor_print_json(const struct doctor *doctor);

// CLI_FAILURE if anything failed, else CLI_OK.
int doctor_exit_status(const struct doctor *doctor);

#endif
