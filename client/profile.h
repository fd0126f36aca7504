// Where a thread's time goes, while somebody wants to know (far profile): each moment of a request belongs to one stage. While nobody does, a change of stage costs a look at a flag of the thread's own.
#ifndef CLIENT_PROFILE_H
#define CLIENT_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

enum profile_stage {
	PROFILE_WORK,  // all else: taking a request apart, looking things up, composing the answer
	PROFILE_POST,  // a request to the server is composed and given to the fabric
	PROFILE_WAIT,  // for the server, or the wire
	PROFILE_COPY,  // bytes out of the pool or into it
	PROFILE_REPLY, // the answer goes to the kernel, which copies its bytes
	PROFILE_STAGES
};

struct profile {
	bool is_on;
	enum profile_stage stage;
	uint64_t since_ns; // in this stage
	uint64_t ns[PROFILE_STAGES];
};

// Found at a fixed distance from the thread's pointer, without a call: some dozens of bytes are to be had for that also where the library is loaded late.
extern _Thread_local struct profile profile_thread __attribute__((tls_model("initial-exec")));

void profile_switch(enum profile_stage stage);

// From now on the time is the stage's. Returns the one before, for profile_leave.
static inline enum profile_stage profile_enter(enum profile_stage stage)
{
	enum profile_stage before = profile_thread.stage;

	if (profile_thread.is_on)
		profile_switch(stage);
	return before;
}

static inline void profile_leave(enum profile_stage before)
{
	if (profile_thread.is_on)
		profile_switch(before);
}

// The calling thread's next request begins, in PROFILE_WORK; it ends. What is between two requests is not counted.
void profile_begin(void);
void profile_end(uint64_t ns[PROFILE_STAGES]);

#endif
