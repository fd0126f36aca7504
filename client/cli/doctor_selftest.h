// The self-test: how fast a server is reached, beside what the link should give.
#ifndef CLI_DOCTOR_SELFTEST_H
#define CLI_DOCTOR_SELFTEST_H

#include "client/cli/doctor.h"
#include "far.h"

struct doctor_selftest {
	unsigned threads; // of the throughput test, 1..LOAD_THREADS_MAX
	double seconds;   // of each measurement
};

// Measures over a session, and adds what it finds. Objects are stored under far-doctor-PID-NUMBER/ and deleted again, after SIGINT too. What fails is a finding.
void doctor_selftest_run(struct doctor *doctor, far_session *session, const struct doctor_selftest *test);

// How the measured stands to the expected, and what is said of that. Ratio 1 is as expected, 2 twice as good.
void doctor_judge(struct doctor_finding *finding, double measured, double expected, bool is_more_better);

#endif
