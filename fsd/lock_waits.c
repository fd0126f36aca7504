#include "fsd/lock_waits.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "far/clock.h"
#include "far/log.h"

// A waiter is in the list from before it asks until it is answered. Its asking thread answers it if the server did so at once, the waiting thread in all other cases. A notice may come
// before the reply that says the request is queued (they come on different lanes): then it waits in `is_ended` for the asking thread.
//
// Order of locks: libfuse's of a request, then ours: an interruption comes with the former held. So a request is not touched under ours.

#define TRIAL_NS 200000000U // until a close that has begun is known here; on a busy machine that takes its time
#define END_S 2             // as long as the channel gives its threads
#define CONNECT_TRIES 3U
#define CONNECT_AGAIN_MS 150 // libfar tries no sooner

struct waiter {
	LIST_ENTRY(waiter) in_list;
	struct lock_wait wait;
	uint64_t epoch;       // in which it is queued; another one, or 0: has to be asked for again
	uint64_t connection;  // of the waiting thread's when it was asked for: in a later one the notice may have been lost
	uint64_t deadline_ns; // 0: none
	int error;            // of the notice
	bool is_queued;       // the asking thread has gone: the waiting thread's from now on
	bool is_ended;        // a notice came
	bool is_interrupted;
};

struct lock_waits {
	far_session *session;
	struct lock_holders *holders;
	int wake_fd;
	pthread_mutex_t mutex; // guards what follows, and the waiters
	LIST_HEAD(, waiter) list;
	uint64_t last_ticket;
	uint64_t connection; // number of the waiting thread's connection
	uint64_t epoch;      // of it, 0: there is none
	pthread_t thread;
	bool has_thread;
	bool is_ending;
};

struct lock_waits *lock_waits_new(far_session *session, struct lock_holders *holders)
{
	struct lock_waits *waits = calloc(1, sizeof(*waits));

	if (!waits)
		return NULL;
	waits->session = session;
	waits->holders = holders;
	waits->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (waits->wake_fd < 0) {
		free(waits);
		return NULL;
	}
	pthread_mutex_init(&waits->mutex, NULL);
	LIST_INIT(&waits->list);
	return waits;
}

static void wake(struct lock_waits *waits)
{
	uint64_t one = 1;

	while (write(waits->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

// --- answering ---

// The waiter is out of the list, and its own. Who interrupts it has let go once its function is taken away.
static void answer(struct lock_waits *waits, struct waiter *waiter, int error, uint64_t epoch)
{
	fuse_req_interrupt_func(waiter->wait.request, NULL, NULL);
	if (error) // it may have lost locks since
		epoch = far_session_epoch(waits->session);
	filesystem_reply(waiter->wait.request, lock_holders_result(waits->holders, &waiter->wait.holder, error, epoch));
	free(waiter);
}

static struct waiter *find(struct lock_waits *waits, uint64_t ticket)
{
	struct waiter *waiter;

	LIST_FOREACH(waiter, &waits->list, in_list)
	{
		if (waiter->wait.lock.ticket == ticket)
			break;
	}
	return waiter;
}

// Ends a wait by its ticket, if it is still there and the asking thread has gone; else remembers how it ended.
static void end_wait(struct lock_waits *waits, uint64_t ticket, int error, uint64_t epoch)
{
	struct waiter *waiter;
	bool is_ours = false;

	pthread_mutex_lock(&waits->mutex);
	waiter = find(waits, ticket);
	if (waiter) {
		is_ours = waiter->is_queued;
		waiter->is_ended = true;
		waiter->error = error;
		waiter->epoch = epoch;
		if (is_ours)
			LIST_REMOVE(waiter, in_list);
	}
	pthread_mutex_unlock(&waits->mutex);
	if (is_ours)
		answer(waits, waiter, error, epoch);
}

// --- the waiting thread ---

struct waiting {
	struct lock_waits *waits;
	struct far_lane *lane;
	bool is_connected; // and takes notices
	unsigned failures; // to connect, in a row
};

static void take_notice(void *context, uint64_t ticket, int error)
{
	struct waiting *waiting = context;

	end_wait(waiting->waits, ticket, error, far_lane_epoch(waiting->lane));
}

// All that waited is to be asked for again: notices may have been lost with the last connection.
static int connect_again(struct waiting *waiting)
{
	struct lock_waits *waits = waiting->waits;
	struct waiter *waiter;
	int error;

	pthread_mutex_lock(&waits->mutex);
	waits->connection++;
	LIST_FOREACH(waiter, &waits->list, in_list)
	{
		if (waiter->is_queued)
			waiter->epoch = 0;
	}
	pthread_mutex_unlock(&waits->mutex);
	error = far_notices_begin(waiting->lane, take_notice, waiting);
	waiting->is_connected = !error;
	waiting->failures = error ? waiting->failures + 1 : 0;
	pthread_mutex_lock(&waits->mutex);
	waits->epoch = error ? 0 : far_lane_epoch(waiting->lane);
	pthread_mutex_unlock(&waits->mutex);
	return error;
}

static void fail_all(struct lock_waits *waits, int error)
{
	for (;;) {
		struct waiter *waiter;

		pthread_mutex_lock(&waits->mutex);
		LIST_FOREACH(waiter, &waits->list, in_list)
		{
			if (waiter->is_queued)
				break;
		}
		if (waiter)
			LIST_REMOVE(waiter, in_list);
		pthread_mutex_unlock(&waits->mutex);
		if (!waiter)
			return;
		answer(waits, waiter, error, 0);
	}
}

enum todo { TODO_NOTHING, TODO_ASK, TODO_CANCEL };

// What there is to do for one of those that wait; a copy, as it may end meanwhile. Also finds how long there is nothing to do otherwise.
static enum todo next_todo(struct waiting *waiting, struct lock_wait *wait, int *timeout_ms)
{
	struct lock_waits *waits = waiting->waits;
	uint64_t now = clock_now_ns(), nearest = UINT64_MAX;
	enum todo todo = TODO_NOTHING;
	struct waiter *waiter;

	pthread_mutex_lock(&waits->mutex);
	LIST_FOREACH(waiter, &waits->list, in_list)
	{
		if (!waiter->is_queued)
			continue;
		if (waiter->epoch != far_lane_epoch(waiting->lane))
			todo = TODO_ASK;
		else if (waiter->is_interrupted || (waiter->deadline_ns && waiter->deadline_ns <= now))
			todo = TODO_CANCEL;
		else if (waiter->deadline_ns && waiter->deadline_ns < nearest)
			nearest = waiter->deadline_ns;
		if (todo)
			break;
	}
	if (todo)
		*wait = waiter->wait;
	pthread_mutex_unlock(&waits->mutex);
	*timeout_ms = nearest == UINT64_MAX ? -1 : (int)((nearest - now) / 1000000U) + 1;
	return todo;
}

static void set_epoch(struct lock_waits *waits, uint64_t ticket, uint64_t epoch)
{
	struct waiter *waiter;

	pthread_mutex_lock(&waits->mutex);
	waiter = find(waits, ticket);
	if (waiter)
		waiter->epoch = epoch;
	pthread_mutex_unlock(&waits->mutex);
}

static bool is_connection_lost(int error)
{
	return error == -EIO || error == -ENOTCONN || error == -ETIMEDOUT || error == -EPROTO;
}

static int ask_again(struct waiting *waiting, const struct lock_wait *wait)
{
	struct lock_waits *waits = waiting->waits;
	int error = lock_holders_note(waits->holders, &wait->holder, far_lane_epoch(waiting->lane));

	if (error) { // it had locks, which are lost
		end_wait(waits, wait->lock.ticket, error, 0);
		return 0;
	}
	error = far_lock_wait(waiting->lane, &wait->lock);
	if (is_connection_lost(error))
		return error;
	if (error == 1)
		set_epoch(waits, wait->lock.ticket, far_lane_epoch(waiting->lane));
	else
		end_wait(waits, wait->lock.ticket, error, far_lane_epoch(waiting->lane));
	return 0;
}

// What has ended before is told by the reply, or by a notice that came before it. It must not be asked for once more then: whoever got the lock may have unlocked it by now.
static int cancel(struct waiting *waiting, const struct lock_wait *wait)
{
	int error = far_lock_cancel(waiting->lane, wait->lock.ticket);

	if (is_connection_lost(error))
		return error;
	if (error == -ENOENT) // a notice has ended it; or the server has lost it, and then it has to be asked for again
		set_epoch(waiting->waits, wait->lock.ticket, 0);
	else if (error == -EEXIST)
		end_wait(waiting->waits, wait->lock.ticket, 0, far_lane_epoch(waiting->lane));
	else if (error)
		end_wait(waiting->waits, wait->lock.ticket, error, 0);
	else
		end_wait(waiting->waits, wait->lock.ticket, wait->is_trial ? -EAGAIN : -EINTR, 0);
	return 0;
}

// Does what there is to do. 0, or the connection's error.
static int work_off(struct waiting *waiting, int *timeout_ms)
{
	struct lock_wait wait;
	enum todo todo;
	int error = 0;

	while (!error && (todo = next_todo(waiting, &wait, timeout_ms)) != TODO_NOTHING)
		error = todo == TODO_ASK ? ask_again(waiting, &wait) : cancel(waiting, &wait);
	return error;
}

static bool is_ending(struct lock_waits *waits)
{
	bool is;

	pthread_mutex_lock(&waits->mutex);
	is = waits->is_ending;
	pthread_mutex_unlock(&waits->mutex);
	return is;
}

static void drain(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static void sleep_until_woken(struct lock_waits *waits, int timeout_ms)
{
	struct pollfd woken = {.fd = waits->wake_fd, .events = POLLIN};

	poll(&woken, 1, timeout_ms);
	drain(waits->wake_fd);
}

// While the server stays away whoever waits is told so, as all other calls are; then it sleeps until another one has to wait.
static void be_disconnected(struct waiting *waiting, int error)
{
	if (waiting->failures < CONNECT_TRIES) {
		sleep_until_woken(waiting->waits, CONNECT_AGAIN_MS);
		return;
	}
	fail_all(waiting->waits, error);
	sleep_until_woken(waiting->waits, -1);
	waiting->failures = 0;
}

// One turn: connected, and all asked for, it sleeps until there is something.
static void turn(struct waiting *waiting)
{
	int timeout_ms = -1;
	int error = waiting->is_connected ? 0 : connect_again(waiting);

	if (error) {
		be_disconnected(waiting, error);
		return;
	}
	error = work_off(waiting, &timeout_ms);
	if (!error)
		error = far_notices_wait(waiting->lane, waiting->waits->wake_fd, timeout_ms);
	waiting->is_connected = !error;
	drain(waiting->waits->wake_fd);
}

static void *wait_for_locks(void *argument)
{
	struct waiting waiting = {.waits = argument};

	if (far_lane_get(waiting.waits->session, &waiting.lane)) {
		log_error("nobody can wait for a lock: %s", far_last_error());
		waiting.lane = NULL;
	}
	while (!is_ending(waiting.waits)) {
		if (waiting.lane) {
			turn(&waiting);
		} else {
			fail_all(waiting.waits, -ENOLCK);
			sleep_until_woken(waiting.waits, -1);
		}
	}
	if (waiting.lane)
		far_lane_put(waiting.lane);
	return NULL;
}

// --- asking ---

// By libfuse, with the request locked: it is not answered here.
static void interrupted(fuse_req_t request, void *argument)
{
	struct waiter *waiter = argument;
	struct lock_waits *waits = filesystem_of(request)->lock_waits;

	pthread_mutex_lock(&waits->mutex);
	waiter->is_interrupted = true;
	pthread_mutex_unlock(&waits->mutex);
	wake(waits);
}

static struct waiter *begin(struct lock_waits *waits, const struct lock_wait *wait)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter)
		return NULL;
	waiter->wait = *wait;
	pthread_mutex_lock(&waits->mutex);
	waiter->wait.lock.ticket = ++waits->last_ticket;
	waiter->connection = waits->connection;
	LIST_INSERT_HEAD(&waits->list, waiter, in_list);
	pthread_mutex_unlock(&waits->mutex);
	return waiter;
}

// Under the mutex.
static bool has_thread(struct lock_waits *waits)
{
	if (!waits->has_thread)
		waits->has_thread = pthread_create(&waits->thread, NULL, wait_for_locks, waits) == 0;
	return waits->has_thread;
}

// The server has queued it: from now on it is the waiting thread's, unless that has heard of its end already.
static void leave(struct lock_waits *waits, struct waiter *waiter, uint64_t epoch)
{
	bool is_ours, is_woken = false;

	// Before it is left: then it is not ours to touch any more.
	fuse_req_interrupt_func(waiter->wait.request, interrupted, waiter);
	pthread_mutex_lock(&waits->mutex);
	is_ours = waiter->is_ended || !has_thread(waits);
	if (is_ours) {
		LIST_REMOVE(waiter, in_list);
	} else {
		waiter->is_queued = true;
		waiter->epoch = waiter->connection == waits->connection ? epoch : 0;
		if (waiter->wait.is_trial)
			waiter->deadline_ns = clock_now_ns() + TRIAL_NS;
		is_woken = waiter->wait.is_trial || waiter->is_interrupted || waiter->epoch != waits->epoch;
	}
	pthread_mutex_unlock(&waits->mutex);
	if (is_ours)
		answer(waits, waiter, waiter->is_ended ? waiter->error : -ENOLCK, waiter->epoch);
	else if (is_woken)
		wake(waits);
}

void lock_waits_ask(struct lock_waits *waits, struct far_lane *lane, const struct lock_wait *wait)
{
	struct waiter *waiter = begin(waits, wait);
	int result;

	if (!waiter) {
		filesystem_reply(wait->request, -ENOLCK);
		return;
	}
	result = far_lock_wait(lane, &waiter->wait.lock);
	if (result == 1) {
		leave(waits, waiter, far_lane_epoch(lane));
		return;
	}
	pthread_mutex_lock(&waits->mutex);
	LIST_REMOVE(waiter, in_list);
	pthread_mutex_unlock(&waits->mutex);
	answer(waits, waiter, result == -EDEADLK && wait->is_trial ? -EAGAIN : result, far_lane_epoch(lane));
}

int lock_waits_end(struct lock_waits *waits)
{
	struct timespec limit;

	if (!waits)
		return 0;
	pthread_mutex_lock(&waits->mutex);
	waits->is_ending = true;
	pthread_mutex_unlock(&waits->mutex);
	if (waits->has_thread) {
		wake(waits);
		clock_gettime(CLOCK_REALTIME, &limit);
		limit.tv_sec += END_S;
		if (pthread_timedjoin_np(waits->thread, NULL, &limit))
			return -EBUSY;
	}
	fail_all(waits, -EIO);
	close(waits->wake_fd);
	pthread_mutex_destroy(&waits->mutex);
	free(waits);
	return 0;
}
