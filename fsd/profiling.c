#include "fsd/profiling.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/profile.h"
#include "far/log.h"
#include "fsd/channel.h"
#include "fsd/opcode_names.h"

static const char *const stages[PROFILE_STAGES] = {
        [PROFILE_WORK] = "work",
        [PROFILE_POST] = "post",
        [PROFILE_WAIT] = "wait",
        [PROFILE_COPY] = "copy",
        [PROFILE_REPLY] = "reply",
};

static _Atomic bool is_wanted;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uint64_t count;
	uint64_t ns[PROFILE_STAGES];
} kinds[CHANNEL_OPCODES];

void profiling_set(bool is_on)
{
	pthread_mutex_lock(&mutex);
	if (is_on)
		memset(kinds, 0, sizeof(kinds));
	atomic_store_explicit(&is_wanted, is_on, memory_order_relaxed);
	pthread_mutex_unlock(&mutex);
}

// The coarse clock moves every few ms and costs no more than a load: enough for what is slow.
static uint64_t coarse_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

uint64_t profiling_begin(void)
{
	if (atomic_load_explicit(&is_wanted, memory_order_relaxed))
		profile_begin();
	return coarse_ms();
}

static void add(uint32_t opcode)
{
	unsigned kind = opcode < CHANNEL_OPCODES ? opcode : 0;
	uint64_t ns[PROFILE_STAGES];

	profile_end(ns);
	pthread_mutex_lock(&mutex);
	kinds[kind].count++;
	for (unsigned stage = 0; stage < PROFILE_STAGES; stage++)
		kinds[kind].ns[stage] += ns[stage];
	pthread_mutex_unlock(&mutex);
}

void profiling_end(uint64_t begun, unsigned slow_ms, uint32_t opcode, uint64_t id)
{
	uint64_t took;

	if (profile_thread.is_on)
		add(opcode);
	took = coarse_ms() - begun;
	if (slow_ms && took >= slow_ms)
		log_warning("slow operation=%s object=%" PRIu64 " ms=%" PRIu64, opcode_name(opcode), id, took);
}

static void write_kind(FILE *to, unsigned kind)
{
	fprintf(to, "%s %" PRIu64, opcode_name(kind), kinds[kind].count);
	for (unsigned stage = 0; stage < PROFILE_STAGES; stage++)
		fprintf(to, " %s %" PRIu64, stages[stage], kinds[kind].ns[stage]);
	fputc('\n', to);
}

ssize_t profiling_write(char *text, size_t room)
{
	FILE *to = fmemopen(text, room, "w");
	long length;

	if (!to)
		return -errno;
	pthread_mutex_lock(&mutex);
	for (unsigned kind = 0; kind < CHANNEL_OPCODES; kind++)
		if (kinds[kind].count)
			write_kind(to, kind);
	pthread_mutex_unlock(&mutex);
	fflush(to);
	length = ftell(to);
	fclose(to);
	return length < 0 || (size_t)length >= room ? -ENOSPC : length;
}
