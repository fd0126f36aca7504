// One thread of a measurement. Inside the benchmark only.
#ifndef CLI_BENCH_WORKER_H
#define CLI_BENCH_WORKER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "client/cli/bench.h"
#include "client/cli/bench_pace.h"

// One operation, from its choice to its check. A worker has as many as it times together, or has under way.
struct bench_slot {
	enum bench_op op;
	uint64_t key;
	uint32_t seed;       // of the value to put
	uint32_t scan_count; // keys to scan
	unsigned name_length;
	char name[BENCH_NAME_MAX];
	const char *value; // to put
	uint64_t size;     // of it
	struct bench_source source;
	char *buffer; // of data->sizes->most bytes, for what is fetched
	struct far_stat stat;
	ssize_t result;
	uint64_t began;    // ticks; of one given to a queue
	uint64_t intended; // when it was to begin; 0 = when it did
};

// Looked at by the main thread while the worker runs. A cache line of its own.
struct bench_progress {
	_Alignas(64) atomic_uint_fast64_t operations; // relaxed: nothing else hangs on it
	atomic_uint_fast64_t behind;                  // ticks that the last operation began after its turn
};

// What the threads of one measurement share with the main thread.
struct bench_team {
	pthread_mutex_t gate; // held by the main thread until all threads are there
	bool is_cancelled;    // guarded by the gate: one could not be started
	pthread_barrier_t barrier;
	sem_t measured;        // posted by each when its measurement is over
	atomic_bool is_failed; // relaxed: it only makes the others end sooner
};

struct worker;

typedef ssize_t bench_call(struct worker *worker, struct bench_slot *slot);

// It alone touches its worker until it is joined, but for `progress`, and between the two barriers before the measurement, when the main thread reads probe_ns and sets batch.
struct worker {
	struct bench_progress progress;
	struct bench_data *data;
	const struct bench_mix *mix;
	bench_call *const *calls; // by operation: bench_calls, but in tests
	unsigned number;
	bool is_load;
	bool owns_keys; // puts to every `threads`th key, no other thread does
	pthread_t thread;
	struct bench_team *team;
	struct bench_choice choice;
	struct bench_pace pace;
	uint64_t random; // for all but the choice of keys
	struct bench_slot *slots;
	double probe_ns; // what one call takes, by a first look
	unsigned batch;  // calls that are timed together
	unsigned slot_count;
	uint64_t share; // operations at most
	uint64_t done;
	int status;
	uint64_t begin; // ticks
	uint64_t end;
	uint64_t bytes, gets, wrong, retries;
	struct bench_times *times[BENCH_OPS];
	// With several under way (bench_queue.c):
	far_queue *queue; // else NULL
	struct far_completion *completions;
	struct bench_slot **idle;
	unsigned idle_count;
	uint64_t touched; // the next key of a pass over all
};

// By operation, on libfar (bench_call.c). They return bytes or a count, or a negative errno.
extern bench_call *const bench_calls[BENCH_OPS];

// The session that an operation goes by.
far_session *bench_session(const struct worker *worker, enum bench_op op);

// Whether the operation fetches a value into the slot's buffer.
static inline bool bench_op_fetches(enum bench_op op)
{
	return op == BENCH_GET || op == BENCH_WARM_GET || op == BENCH_COLD_GET || op == BENCH_RMW;
}

static inline bool bench_op_stores(enum bench_op op)
{
	return op == BENCH_PUT || op == BENCH_INSERT || op == BENCH_RMW;
}

// Whether threads put to keys of their own in this measurement: then what they find is known to the last put.
bool bench_owns_keys(const struct bench_options *options, const struct bench_mix *mix);

// NULL without memory.
struct worker *worker_new(struct bench_data *data, const struct bench_mix *mix, unsigned number, bool is_load);
void worker_free(struct worker *worker);

// The thread's function.
void *worker_run(void *worker);

// The measurement alone, by the pace and to the limits of the options.
void worker_measure(struct worker *worker);

// --- what goes into a turn of the loop, whoever turns it ---

// Chooses an operation; one of a certain key.
void worker_prepare(struct worker *worker, struct bench_slot *slot);
void worker_prepare_key(struct worker *worker, struct bench_slot *slot, uint64_t key);

// Checks and counts. A wrong value ends everything, or with --verify is counted. Returns CLI_OK or an exit status.
int worker_finish(struct worker *worker, struct bench_slot *slot, enum bench_check check);

bool worker_is_over(const struct worker *worker);
void worker_wait_until(const struct worker *worker, uint64_t until);

// From one key of the thread to its next, in a pass over all.
uint64_t worker_key_step(const struct worker *worker);

// --- several operations under way (bench_queue.c) ---

bool bench_queue_takes(enum bench_op op);

// Returns CLI_OK or an exit status, having said what went wrong.
int bench_queue_new(struct worker *worker);
void bench_queue_free(struct worker *worker);

// Operations until the deadline (ticks), so many at most; and until all have come back. One pass over the thread's keys, every value checked whole.
void bench_queue_run(struct worker *worker, uint64_t deadline, uint64_t operations);
void bench_queue_touch(struct worker *worker);

#endif
