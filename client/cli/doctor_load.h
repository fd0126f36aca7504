// Calls as fast as they go, from several threads for a given time: what the self-test measures throughput with, the server's and this machine's own.
#ifndef CLI_DOCTOR_LOAD_H
#define CLI_DOCTOR_LOAD_H

#define LOAD_THREADS_MAX 64U

// Does one unit of work on behalf of a thread (0..threads-1). Returns 0 or a negative errno, which ends the load.
typedef int load_call(void *context, unsigned thread);

struct load {
	load_call *call;
	void *context;
	unsigned threads;
	double seconds;
};

// Runs it after one call of each thread that does not count. *per_second gets the calls of all threads together. Returns 0 or the first error.
int load_run(const struct load *load, double *per_second);

// Bytes a second that this machine copies in so many threads at once, each from one place of `size` bytes to another. 0 without memory.
double load_copy_speed(unsigned threads, unsigned long size, double seconds);

// Microseconds that two threads take to wake each other up once, there and back, by a descriptor each: what a request and its reply cost on top of the way between.
double load_wake_up_time(double seconds);

#endif
