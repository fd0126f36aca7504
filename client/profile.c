#include "client/profile.h"

#include <string.h>

#include "far/clock.h"

_Thread_local struct profile profile_thread;

void profile_switch(enum profile_stage stage)
{
	uint64_t now = clock_now_ns();

	profile_thread.ns[profile_thread.stage] += now - profile_thread.since_ns;
	profile_thread.since_ns = now;
	profile_thread.stage = stage;
}

void profile_begin(void)
{
	profile_thread = (struct profile){.is_on = true, .stage = PROFILE_WORK, .since_ns = clock_now_ns()};
}

void profile_end(uint64_t ns[PROFILE_STAGES])
{
	profile_switch(PROFILE_WORK);
	memcpy(ns, profile_thread.ns, sizeof(profile_thread.ns));
	profile_thread.is_on = false;
}
