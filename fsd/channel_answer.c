#include <errno.h>
#include <unistd.h>

#include "client/profile.h"
#include "fsd/channel_inside.h"
#include "fsd/fuse_kernel.h"

// libfuse parses requests and composes answers; two things pass by it, since an older one does not know them: operations that hooks.newer answers, and flags of INIT. Those are put into
// libfuse's own answer to INIT on its way out, which its hook for custom input and output lets us see; and so do the answers to what came by a ring find their way there.

// The one that serves, for answers by threads that are not its own: locks that were waited for.
static pthread_mutex_t serving_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct channel *serving;

static uint64_t offered_flags(const struct fuse_init_in *offer)
{
	return offer->flags | (offer->flags & FUSE_INIT_EXT ? (uint64_t)offer->flags2 << 32 : 0);
}

// Adds our flags to an answer to INIT.
static void agree(struct channel *channel, const struct fuse_init_in *offer, struct fuse_init_out *answer)
{
	uint64_t flags = channel->hooks->init_flags | (channel->rings ? FUSE_OVER_IO_URING : 0);

	channel->agreed = offered_flags(offer) & flags;
	answer->flags |= (uint32_t)channel->agreed;
	if (channel->agreed >> 32) {
		answer->flags |= FUSE_INIT_EXT;
		answer->flags2 |= (uint32_t)(channel->agreed >> 32);
	}
}

static bool is_init_answer(const struct iovec *parts, int count)
{
	const struct fuse_in_header *request = channel_worker ? channel_worker->request : NULL;
	const struct fuse_out_header *header = parts[0].iov_base;

	return request && request->opcode == FUSE_INIT && count == 2 && parts[0].iov_len == sizeof(*header) && header->error == 0 &&
	       header->unique == request->unique && parts[1].iov_len >= sizeof(struct fuse_init_out);
}

static bool take_by_ring(const struct iovec *parts, int count)
{
	bool is_taken;

	if (channel_worker)
		return interrupts_keep(channel_worker->channel, parts[0].iov_base) || ring_answer(channel_worker->channel, parts, count);
	pthread_mutex_lock(&serving_mutex);
	is_taken = serving && ring_answer(serving, parts, count);
	pthread_mutex_unlock(&serving_mutex);
	return is_taken;
}

ssize_t answer_send(int fd, struct iovec *parts, int count)
{
	ssize_t length = 0;

	if (!take_by_ring(parts, count))
		return writev(fd, parts, count);
	for (int i = 0; i < count; i++)
		length += (ssize_t)parts[i].iov_len;
	return length;
}

static ssize_t write_answer(int fd, struct iovec *parts, int count, void *userdata)
{
	enum profile_stage before = profile_enter(PROFILE_REPLY);
	ssize_t length;

	(void)userdata;
	if (is_init_answer(parts, count))
		agree(channel_worker->channel, (const struct fuse_init_in *)(channel_worker->request + 1), parts[1].iov_base);
	length = answer_send(fd, parts, count);
	profile_leave(before);
	return length;
}

static ssize_t read_request(int fd, void *buffer, size_t length, void *userdata)
{
	(void)userdata;
	return read(fd, buffer, length);
}

bool answer_watch(struct channel *channel)
{
	static const struct fuse_custom_io io = {.writev = write_answer, .read = read_request};

	pthread_mutex_lock(&serving_mutex);
	serving = channel;
	pthread_mutex_unlock(&serving_mutex);
	return fuse_session_custom_io(channel->session, &io, fuse_session_fd(channel->session)) == 0;
}

void answer_unwatch(void)
{
	pthread_mutex_lock(&serving_mutex);
	serving = NULL;
	pthread_mutex_unlock(&serving_mutex);
}
