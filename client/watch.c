#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "client/call.h"
#include "client/error.h"
#include "far/clock.h"

// Watches: a lane of its own, on which the server tells events between its replies. A lane does nothing while nobody calls, so events that nobody takes use up its credits, and then wait at the server, which bounds them. Messages are
// copied as they come and taken apart event by event.

#define AGAIN_NS 100000000U // a server that is away is tried again so often
#define ATTEMPT_MS 500      // each wait of an attempt may take, however short the caller's time is: else none would come to anything

static_assert((int)FAR_WATCH_CREATED == FAR_EVENT_CREATED && (int)FAR_WATCH_CHANGED == FAR_EVENT_CHANGED &&
                      (int)FAR_WATCH_ATTRIBUTES == FAR_EVENT_ATTRIBUTES && (int)FAR_WATCH_DELETED == FAR_EVENT_DELETED &&
                      (int)FAR_WATCH_EXPIRED == FAR_EVENT_EXPIRED && (int)FAR_WATCH_RENAMED == FAR_EVENT_RENAMED &&
                      (int)FAR_WATCH_EXCHANGED == FAR_EVENT_EXCHANGED && (int)FAR_WATCH_LOST == FAR_EVENT_LOST,
        "passed on as they are");

// A key that is watched, to be asked for again behind a lost connection.
struct watched {
	STAILQ_ENTRY(watched) next;
	unsigned flags;
	uint32_t length;
	char key[];
};

// The rest of a message of events.
struct message {
	STAILQ_ENTRY(message) next;
	uint32_t events;
	uint32_t at;
	uint32_t length;
	char bytes[];
};

struct far_watch {
	struct far_session *session;
	struct far_lane *lane;
	STAILQ_HEAD(, watched) watched;
	uint32_t watched_count;
	STAILQ_HEAD(, message) messages;
	int epoll;            // what the user polls: watches the fabric's descriptor and the timer
	int timer;            // wakes the user where nothing comes that would: to try the server again, and for what came by the way
	uint64_t wakes_at_ns; // 0: it does not
	int failed;           // to keep what came (no memory): told as a loss
	bool is_lost;         // the connection was; told once it is there again
	char key[FAR_KEY_MAX + 1];
	char new_key[FAR_KEY_MAX + 1];
};

// --- what comes ---

// By call.c, inside of calls on the lane.
static void take_message(void *context, const struct far_events *events, uint32_t length)
{
	struct far_watch *watch = context;
	struct message *message = malloc(sizeof(*message) + length - sizeof(*events));

	if (!message) {
		watch->failed = -ENOMEM;
		return;
	}
	message->events = events->count;
	message->at = 0;
	message->length = length - (uint32_t)sizeof(*events);
	memcpy(message->bytes, events + 1, message->length);
	STAILQ_INSERT_TAIL(&watch->messages, message, next);
}

static void drop_first(struct far_watch *watch)
{
	struct message *message = STAILQ_FIRST(&watch->messages);

	STAILQ_REMOVE_HEAD(&watch->messages, next);
	free(message);
}

static bool take_key(struct message *message, uint32_t length, char key[FAR_KEY_MAX + 1])
{
	if (length > FAR_KEY_MAX || length > message->length - message->at)
		return false;
	memcpy(key, message->bytes + message->at, length);
	key[length] = '\0';
	message->at += length;
	return true;
}

// 1, 0 for a kind that is not known here, or -EPROTO.
static int take_event(struct far_watch *watch, struct message *message, struct far_watch_event *event)
{
	struct far_event wire;

	if (message->length - message->at < sizeof(wire))
		return -EPROTO;
	memcpy(&wire, message->bytes + message->at, sizeof(wire));
	message->at += (uint32_t)sizeof(wire);
	message->events--;
	if (!take_key(message, wire.key_length, watch->key) || !take_key(message, wire.new_key_length, watch->new_key))
		return -EPROTO;
	*event = (struct far_watch_event){
	        .kind = wire.kind,
	        .is_directory = wire.is_directory,
	        .version = wire.kind == FAR_EVENT_LOST ? 0 : wire.version,
	        .lost = wire.kind == FAR_EVENT_LOST ? wire.version : 0,
	        .key = watch->key,
	        .key_length = wire.key_length,
	        .new_key = watch->new_key,
	        .new_key_length = wire.new_key_length,
	};
	return (wire.kind & (FAR_EVENT_KINDS | FAR_EVENT_LOST)) != 0;
}

static int tell_loss(struct far_watch *watch, struct far_watch_event *event)
{
	watch->key[0] = watch->new_key[0] = '\0';
	*event = (struct far_watch_event){.kind = FAR_WATCH_LOST, .key = watch->key, .new_key = watch->new_key};
	return 1;
}

// What has come already. 0: nothing.
static int take_first(struct far_watch *watch, struct far_watch_event *event)
{
	struct message *message;
	int result = 0;

	while (result == 0 && (message = STAILQ_FIRST(&watch->messages)) != NULL) {
		if (message->events > 0)
			result = take_event(watch, message, event);
		if (message->events == 0 || result < 0)
			drop_first(watch);
	}
	if (result == 0 && watch->failed) {
		watch->failed = 0;
		result = tell_loss(watch, event);
	}
	if (result == -EPROTO) {
		lane_drop(watch->lane);
		error_set(-EPROTO, "%s: the server's events make no sense: is it another version?", watch->session->address_text);
	}
	return result;
}

// --- asking ---

static int ask(struct far_watch *watch, const struct watched *watched)
{
	unsigned kinds = watched->flags & FAR_EVENT_KINDS;
	struct far_watch_request message = {.kinds = kinds ? kinds : FAR_EVENT_KINDS, .key_length = (uint16_t)watched->length};
	struct call request = {
	        .op = FAR_OP_WATCH,
	        .flags = watched->flags & FAR_WATCH_PREFIX ? FAR_WATCH_BEGINS : 0,
	        .is_bound = true, // another connection would know nothing of the other keys
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{watched->key, watched->length}},
	};
	struct reply reply;
	int error = call(watch->lane, &request, sizeof(struct far_reply), &reply);

	reply_release(watch->lane, &reply);
	if (error == -EMFILE)
		return error_set(
		        error, "watch: the session watches %u keys, or the server %u: no more", FAR_WATCHES_PER_SESSION, FAR_WATCHES_MAX);
	return error_of_key(error, "watch", watched->key, watched->length);
}

// Connects, and asks for all keys.
static int connect_again(struct far_watch *watch)
{
	const struct watched *watched;
	int error = call_ready(watch->lane);

	STAILQ_FOREACH(watched, &watch->watched, next)
	{
		if (!error)
			error = ask(watch, watched);
	}
	if (error)
		lane_drop(watch->lane);
	return error;
}

// --- waiting ---

// From then on the descriptor is readable; 0: not for that.
static void wake_at(struct far_watch *watch, uint64_t at_ns)
{
	const struct itimerspec time = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000U), .tv_nsec = (long)(at_ns % 1000000000U)}};

	if (at_ns == watch->wakes_at_ns)
		return;
	watch->wakes_at_ns = at_ns;
	timerfd_settime(watch->timer, TFD_TIMER_ABSTIME, &time, NULL);
}

static uint64_t nearer(uint64_t one_ns, uint64_t other_ns)
{
	return one_ns < other_ns ? one_ns : other_ns;
}

// Sleeps until the descriptor is readable, or the time. False: a signal.
static bool sleep_until(int fd, uint64_t until_ns)
{
	struct pollfd wake = {.fd = fd, .events = POLLIN};
	uint64_t now = clock_now_ns();
	uint64_t left_ns = until_ns > now ? until_ns - now : 0;
	struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000U), .tv_nsec = (long)(left_ns % 1000000000U)};

	return ppoll(&wake, fd >= 0, until_ns == UINT64_MAX ? NULL : &left, NULL) >= 0 || errno != EINTR;
}

// Takes in what has come, or waits for it. 1: it may have come; 0: the time is over, or a signal; or the connection's error.
static int wait_for_events(struct far_watch *watch, uint64_t until_ns)
{
	struct far_lane *lane = watch->lane;
	int error;
	int found = call_take(lane, &error);

	if (error || found)
		return error ? error : 1;
	if (fabric_arm(lane->fabric) > 0)
		return 1;
	if (clock_now_ns() >= until_ns)
		return 0;
	return sleep_until(fabric_fd(lane->fabric), until_ns);
}

static bool is_away(int error)
{
	return error == -ENOTCONN || error == -EIO || error == -ETIMEDOUT || error == -EPROTO;
}

// The server may hold what we watched before for as long as it has not noticed that our connection ended.
static bool is_full(int error)
{
	return error == -EMFILE || error == -ENOMEM;
}

// How long an attempt may wait for the server at each step.
static int patience_ms(const struct far_watch *watch, uint64_t until_ns)
{
	uint64_t now = clock_now_ns();
	uint64_t left_ms = until_ns > now ? (until_ns - now) / 1000000U : 0;
	int most_ms = watch->session->timeout_ms;

	if (left_ms < ATTEMPT_MS)
		left_ms = ATTEMPT_MS;
	return left_ms < (uint64_t)most_ms ? (int)left_ms : most_ms;
}

static int try_again(struct far_watch *watch, uint64_t until_ns)
{
	int error;

	watch->lane->timeout_ms = patience_ms(watch, until_ns);
	error = connect_again(watch);
	watch->lane->timeout_ms = watch->session->timeout_ms;
	return error;
}

// Makes the connection again, if the server can be reached within the time. 1, 0 for a signal, -ENOTCONN, or what the server refuses the keys with.
static int wait_for_server(struct far_watch *watch, uint64_t until_ns)
{
	int error;

	watch->is_lost = true;
	while ((error = try_again(watch, until_ns)) != 0) {
		uint64_t now = clock_now_ns();

		if (!is_away(error) && !is_full(error))
			return error;
		if (now >= until_ns)
			return is_full(error) ? error : -ENOTCONN;
		if (!sleep_until(-1, nearer(now + AGAIN_NS, until_ns)))
			return 0;
	}
	return 1;
}

static int next_event(struct far_watch *watch, struct far_watch_event *event, uint64_t until_ns)
{
	int result;

	for (;;) {
		result = take_first(watch, event);
		if (result != 0)
			return result;
		if (watch->lane->connection && watch->is_lost) {
			watch->is_lost = false;
			return tell_loss(watch, event);
		}
		if (watch->lane->connection) {
			result = wait_for_events(watch, until_ns);
			if (result == 0)
				return 0;
		} else {
			result = wait_for_server(watch, until_ns);
			if (result <= 0)
				return result;
		}
	}
}

int far_watch_next(far_watch *watch, struct far_watch_event *event, int timeout_ms)
{
	int result = next_event(watch, event, timeout_ms < 0 ? UINT64_MAX : clock_now_ns() + (uint64_t)timeout_ms * 1000000U);

	wake_at(watch, watch->lane->connection ? 0 : clock_now_ns() + AGAIN_NS);
	return result;
}

int far_watch_fd(const far_watch *watch)
{
	return watch->epoll;
}

// --- beginning and ending ---

// A lane beside those that threads use: nobody else takes it, and it counts against the session's.
static int take_lane(struct far_session *session, struct far_lane **lane)
{
	int error;

	pthread_mutex_lock(&session->mutex);
	if (session->lane_count < session->lanes_max) {
		*lane = lane_new(session); // says itself what it lacks
		error = *lane ? 0 : -errno;
		session->lanes_max -= *lane != NULL;
	} else {
		error = error_set(-EMFILE, "%s: the session has no lane left for a watch", session->address_text);
	}
	pthread_mutex_unlock(&session->mutex);
	return error;
}

static int open_descriptor(struct far_watch *watch)
{
	struct epoll_event readable = {.events = EPOLLIN};

	watch->epoll = epoll_create1(EPOLL_CLOEXEC);
	watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->epoll < 0 || watch->timer < 0 || epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->timer, &readable) ||
	        epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fabric_fd(watch->lane->fabric), &readable))
		return error_set(-errno, "watch: no descriptor for it: %s", strerror(errno));
	return 0;
}

static void close_descriptor(const struct far_watch *watch)
{
	if (watch->timer >= 0)
		close(watch->timer);
	if (watch->epoll >= 0)
		close(watch->epoll);
}

static void free_watch(struct far_watch *watch)
{
	struct watched *watched;

	close_descriptor(watch);

	while ((watched = STAILQ_FIRST(&watch->watched)) != NULL) {
		STAILQ_REMOVE_HEAD(&watch->watched, next);
		free(watched);
	}
	while (!STAILQ_EMPTY(&watch->messages))
		drop_first(watch);
	free(watch);
}

void far_watch_free(far_watch *watch)
{
	struct far_session *session = watch ? watch->session : NULL;

	if (!watch)
		return;
	lane_free(watch->lane);
	pthread_mutex_lock(&session->mutex);
	session->lanes_max++;
	pthread_mutex_unlock(&session->mutex);
	free_watch(watch);
}

int far_watch_new(far_session *session, const void *key, size_t key_length, unsigned flags, far_watch **out)
{
	struct far_watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (!watch)
		return error_set(-ENOMEM, "watch: no memory");
	STAILQ_INIT(&watch->watched);
	STAILQ_INIT(&watch->messages);
	watch->session = session;
	watch->epoll = watch->timer = -1;
	error = take_lane(session, &watch->lane);
	if (!watch->lane) {
		free_watch(watch);
		return error;
	}
	watch->lane->events_taker = take_message;
	watch->lane->events_context = watch;
	error = open_descriptor(watch);
	if (!error)
		error = call_ready(watch->lane);
	if (!error)
		error = far_watch_add(watch, key, key_length, flags);
	if (error) {
		far_watch_free(watch);
		return error;
	}
	*out = watch;
	return 0;
}

// A key that the server would refuse must not wait for it to come back: it would be refused each time.
static int check(const struct far_watch *watch, const void *key, size_t key_length, unsigned flags)
{
	bool may_end_anywhere = flags & FAR_WATCH_PREFIX || key_length == 0;
	int error = may_end_anywhere ? far_beginning_check(key, key_length) : far_key_check(key, key_length);

	if (flags & ~(FAR_EVENT_KINDS | FAR_WATCH_PREFIX))
		return error_set(-EINVAL, "watch: flags 0x%x are not known", flags & ~(FAR_EVENT_KINDS | FAR_WATCH_PREFIX));
	if (!error && watch->watched_count == FAR_WATCHES_PER_SESSION)
		return error_set(-EMFILE, "watch: it watches %u keys: no more", FAR_WATCHES_PER_SESSION);
	return error_of_key(error, "watch", key, key_length);
}

static int add(struct far_watch *watch, struct watched *watched)
{
	int error = watch->lane->connection ? ask(watch, watched) : -ENOTCONN;

	if (!watch->lane->connection) { // it is asked for with the others, behind the loss
		watch->is_lost = true;
		return 0;
	}
	return error;
}

int far_watch_add(far_watch *watch, const void *key, size_t key_length, unsigned flags)
{
	struct watched *watched;
	int error = check(watch, key, key_length, flags);

	if (error)
		return error;
	watched = malloc(sizeof(*watched) + key_length);
	if (!watched)
		return error_set(-ENOMEM, "watch: no memory");
	*watched = (struct watched){.flags = flags, .length = (uint32_t)key_length};
	memcpy(watched->key, key, key_length);
	error = add(watch, watched);
	if (error) {
		free(watched);
		return error;
	}
	STAILQ_INSERT_TAIL(&watch->watched, watched, next);
	watch->watched_count++;
	wake_at(watch, clock_now_ns()); // what came meanwhile, or the server's absence, wakes nobody any more
	return 0;
}
