#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fabric/verbs_connection.h"
#include "fabric/verbs_gid.h"
#include "far/clock.h"
#include "far/log.h"

// Listening on a socket. A handshake reads the request as it comes, has the queue pair moved, and answers; the socket then is the lane's. The lane becomes known to its owner when the client's
// first message is there.
//
// Nothing here waits for a client. Moving a queue pair can: the kernel asks the client's GID for its link address, for a second at most. So each handshake has a short-lived thread for that;
// the lane and the letters are its own meanwhile.

#define BACKLOG 256
#define HANDSHAKE_NS 5000000000ULL

struct verbs_handshake {
	struct verbs_handshake *next, **link;
	const struct verbs_listener *listener;
	int socket;
	uint64_t begun_ns;
	uint32_t got;    // bytes of the request
	bool is_refused; // reads on until the client hangs up, so that it gets the refusal
	struct verbs_exchange theirs, mine;
	struct verbs_lane *lane; // while the thread runs
	pthread_t thread;
	int done_fd; // the thread's
	int result;
};

// --- beginning and end ---

// Each second, or not at all (0). What has been asked for goes on: a new connection must not put off the next tick.
static void set_timer(struct verbs *verbs, time_t seconds)
{
	const struct itimerspec every = {.it_interval.tv_sec = seconds, .it_value.tv_sec = seconds};
	struct itimerspec now = {0};

	timerfd_gettime(verbs->timer_fd, &now);
	if (now.it_interval.tv_sec != seconds)
		timerfd_settime(verbs->timer_fd, 0, &every, NULL);
}

void verbs_handshake_end(struct verbs *verbs, struct verbs_handshake *handshake)
{
	(void)verbs;
	if (handshake->lane) {
		pthread_join(handshake->thread, NULL);
		handshake->lane->handshake = NULL;
	}
	*handshake->link = handshake->next;
	if (handshake->next)
		handshake->next->link = handshake->link;
	if (handshake->socket >= 0)
		close(handshake->socket);
	if (handshake->done_fd >= 0)
		close(handshake->done_fd);
	free(handshake);
}

// Silence must not keep others out: who has been at it for longest goes first. False: all are being served.
static bool make_room(struct verbs *verbs)
{
	struct verbs_handshake *oldest = NULL;
	unsigned count = 0;

	for (struct verbs_handshake *one = verbs->pending; one; one = one->next, count++)
		if (!one->lane) // the newest are in front
			oldest = one;
	if (count < VERBS_HANDSHAKES)
		return true;
	if (oldest)
		verbs_handshake_end(verbs, oldest);
	return oldest;
}

static struct verbs_handshake *handshake_new(struct verbs *verbs, const struct verbs_listener *listener, int fd)
{
	struct verbs_handshake *handshake = make_room(verbs) ? calloc(1, sizeof(*handshake)) : NULL;

	if (!handshake)
		return NULL;
	*handshake = (struct verbs_handshake){.listener = listener, .socket = fd, .done_fd = -1, .begun_ns = clock_now_ns()};
	handshake->next = verbs->pending;
	if (handshake->next)
		handshake->next->link = &handshake->next;
	handshake->link = &verbs->pending;
	verbs->pending = handshake;
	return handshake;
}

// Without descriptors the one who waits to be accepted would keep the loop awake for nothing: it is looked at again when the timer ticks.
static void pause_listener(struct verbs *verbs, struct verbs_listener *listener, int code)
{
	log_warning("rdma: cannot accept a connection: %s", strerror(code));
	epoll_ctl(verbs->epoll_fd, EPOLL_CTL_DEL, listener->socket, NULL);
	listener->is_paused = true;
	set_timer(verbs, 1);
}

// Returns whether one has to wait on.
static bool resume_listeners(struct verbs *verbs)
{
	bool is_waiting = false;

	for (unsigned i = 0; i < verbs->listener_count; i++) {
		struct verbs_listener *listener = &verbs->listeners[i];

		if (listener->is_paused)
			listener->is_paused = verbs_watch(verbs, listener->socket, VERBS_WATCH_LISTENER, listener) != 0;
		is_waiting |= listener->is_paused;
	}
	return is_waiting;
}

void verbs_socket_accept(struct verbs *verbs, struct verbs_listener *listener)
{
	int fd = accept4(listener->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct verbs_handshake *handshake;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_listener(verbs, listener, errno);
		return;
	}
	handshake = handshake_new(verbs, listener, fd);
	if (!handshake) {
		close(fd);
		return;
	}
	if (verbs_watch(verbs, fd, VERBS_WATCH_HANDSHAKE, handshake))
		verbs_handshake_end(verbs, handshake);
	else
		set_timer(verbs, 1);
}

static void refuse(struct verbs_handshake *handshake, const char *reason)
{
	struct verbs_refusal_letter letter = {
	        .head = {.magic = VERBS_MAGIC, .version = VERBS_VERSION, .length = sizeof(letter), .kind = VERBS_REFUSAL_LETTER},
	        .refusal = verbs_refusal_of(reason),
	};

	// The first bytes on this connection: they fit its buffer.
	if (send(handshake->socket, &letter, sizeof(letter), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(letter))
		shutdown(handshake->socket, SHUT_WR);
	handshake->is_refused = true;
}

// --- the lane ---

// The device and the GID for this client: the rule, among those of its kind.
static int choose_way(struct verbs *verbs, const struct verbs_handshake *handshake, struct verbs_way *chosen, struct fabric_error *error)
{
	struct ibv_gid_entry gid = verbs_exchange_gid(&handshake->theirs);
	struct sockaddr_storage peer, asked;
	socklen_t length = sizeof(asked);
	bool has_asked = getsockname(handshake->socket, (struct sockaddr *)&asked, &length) == 0;
	const struct verbs_wish wish = {
	        .rdma = &handshake->listener->rdma,
	        .peer = verbs_gid_address(&gid, &peer) ? (struct sockaddr *)&peer : NULL,
	        .asked = has_asked ? (struct sockaddr *)&asked : NULL,
	        .is_opened_only = true,
	};
	struct verbs_way ways[VERBS_WAYS];
	int count = verbs_ways_find(verbs, &wish, ways, error);

	for (int i = 0; i < count; i++) {
		if (ways[i].link_layer != handshake->theirs.link_layer || ways[i].gid.gid_type != gid.gid_type)
			continue;
		*chosen = ways[i];
		return 0;
	}
	if (count > 0)
		snprintf(error->text, sizeof(error->text), "no device of the server has a GID of the client's type");
	return count < 0 ? count : -ENODEV;
}

static void *move(void *context)
{
	struct verbs_handshake *handshake = context;

	handshake->result = verbs_exchange_move(handshake->lane, &handshake->mine, &handshake->theirs);
	eventfd_write(handshake->done_fd, 1);
	return NULL;
}

static int start_moving(struct verbs *verbs, struct verbs_handshake *handshake, struct verbs_lane *lane)
{
	int result;

	handshake->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (handshake->done_fd < 0)
		return -errno;
	result = verbs_watch(verbs, handshake->done_fd, VERBS_WATCH_HANDSHAKE, handshake);
	if (result)
		return result;
	epoll_ctl(verbs->epoll_fd, EPOLL_CTL_DEL, handshake->socket, NULL); // what it has to say is of no interest now
	handshake->lane = lane;
	lane->handshake = handshake;
	result = -pthread_create(&handshake->thread, NULL, move, handshake);
	if (result) {
		handshake->lane = NULL;
		lane->handshake = NULL;
	}
	return result;
}

static int begin_lane(struct verbs *verbs, struct verbs_handshake *handshake, struct fabric_error *error)
{
	const struct verbs_reads reads = {.taken = handshake->theirs.reads_taken, .posted = handshake->theirs.reads_posted};
	struct sockaddr_storage peer = {0};
	socklen_t length = sizeof(peer);
	struct verbs_lane *lane;
	struct verbs_way way;
	int result = choose_way(verbs, handshake, &way, error);

	if (!result)
		result = verbs_lane_new(verbs_device_find(verbs, way.device), &handshake->listener->rdma, false, &lane);
	if (result)
		return result;
	lane->way = way;
	getpeername(handshake->socket, (struct sockaddr *)&peer, &length);
	verbs_name_peer(lane, (struct sockaddr *)&peer);
	handshake->mine = verbs_exchange_of(lane, VERBS_ACCEPTANCE, &reads);
	verbs_take_hello(lane, &handshake->theirs.hello);
	log_debug("rdma: device chosen device=%s port=%u gid=%u peer=%s because=%s", way.device, way.port, way.gid.gid_index,
	        lane->base.peer, verbs_way_reason(&way, &handshake->listener->rdma));
	result = start_moving(verbs, handshake, lane);
	if (result)
		verbs_lane_free(lane);
	return result;
}

// The thread is done.
static void finish(struct verbs *verbs, struct verbs_handshake *handshake)
{
	struct verbs_lane *lane = handshake->lane;
	int result;

	pthread_join(handshake->thread, NULL);
	handshake->lane = NULL;
	lane->handshake = NULL;
	result = handshake->result;
	if (!result &&
	        send(handshake->socket, &handshake->mine, sizeof(handshake->mine), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(handshake->mine))
		result = -ECONNRESET;
	if (!result)
		result = verbs_lifeline_take(lane, handshake->socket);
	if (result) {
		log_debug("rdma: a queue pair could not be connected: %s peer=%s", strerror(-result), lane->base.peer);
		verbs_lane_free(lane);
		refuse(handshake, "the server's device does not reach the client's");
	} else {
		handshake->socket = -1;
	}
	verbs_handshake_end(verbs, handshake);
}

// --- the request ---

static void take_request(struct verbs *verbs, struct verbs_handshake *handshake)
{
	const char *fault = verbs_exchange_fault(&handshake->theirs);
	struct fabric_error error = {""};
	int result;

	if (!fault && verbs->handshakes >= VERBS_HANDSHAKES)
		fault = "too many connections are being made";
	if (fault) {
		refuse(handshake, fault);
		return;
	}
	result = begin_lane(verbs, handshake, &error);
	if (result == 0)
		return;
	log_warning("rdma: a connection could not be accepted: %s %s", strerror(-result), error.text);
	refuse(handshake, error.text[0] ? error.text : strerror(-result));
}

// The head first: what is wrong there is refused before the rest comes, if it ever does.
static void read_request(struct verbs *verbs, struct verbs_handshake *handshake)
{
	struct verbs_exchange *theirs = &handshake->theirs;
	uint32_t wanted = handshake->got < sizeof(theirs->head) ? sizeof(theirs->head) : sizeof(*theirs);
	ssize_t got = recv(handshake->socket, (char *)theirs + handshake->got, wanted - handshake->got, MSG_DONTWAIT);
	const char *fault;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		verbs_handshake_end(verbs, handshake);
		return;
	}
	handshake->got += (uint32_t)got;
	if (handshake->got == sizeof(theirs->head)) {
		fault = verbs_letter_fault(&theirs->head, VERBS_REQUEST);
		if (fault)
			refuse(handshake, fault);
	} else if (handshake->got == sizeof(*theirs)) {
		take_request(verbs, handshake);
	}
}

static void read_on(struct verbs *verbs, struct verbs_handshake *handshake)
{
	char ignored[4096];
	ssize_t got = recv(handshake->socket, ignored, sizeof(ignored), MSG_DONTWAIT);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		verbs_handshake_end(verbs, handshake);
}

void verbs_handshake_look(struct verbs *verbs, struct verbs_handshake *handshake)
{
	if (handshake->lane)
		finish(verbs, handshake);
	else if (handshake->is_refused)
		read_on(verbs, handshake);
	else
		read_request(verbs, handshake);
}

// --- time limits ---

// Lanes whose clients never said a word on them. Returns whether there are some that still may.
static bool expire_lanes(struct verbs *verbs, uint64_t now_ns)
{
	bool is_waiting = false;

	for (struct verbs_lane *lane = verbs->lanes; lane; lane = lane->next) {
		if (lane->socket < 0 || lane->state != VERBS_CONNECTING)
			continue;
		if (now_ns - lane->begun_ns >= HANDSHAKE_NS)
			verbs_close_lane(lane, -ETIMEDOUT);
		else
			is_waiting = true;
	}
	return is_waiting;
}

void verbs_handshakes_expire(struct verbs *verbs)
{
	uint64_t now_ns = clock_now_ns(), ticks;
	struct verbs_handshake *next;
	bool is_waiting;

	if (read(verbs->timer_fd, &ticks, sizeof(ticks)) < 0)
		return;
	for (struct verbs_handshake *handshake = verbs->pending; handshake; handshake = next) {
		next = handshake->next;
		if (handshake->lane || now_ns - handshake->begun_ns < HANDSHAKE_NS)
			continue;
		if (!handshake->is_refused)
			refuse(handshake, "nothing was said for five seconds");
		verbs_handshake_end(verbs, handshake);
	}
	is_waiting = resume_listeners(verbs);
	is_waiting |= expire_lanes(verbs, now_ns);
	if (!is_waiting && !verbs->pending)
		set_timer(verbs, 0);
}

// --- listening ---

static int open_timer(struct verbs *verbs)
{
	if (verbs->timer_fd >= 0)
		return 0;
	verbs->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return verbs->timer_fd < 0 ? -errno : verbs_watch(verbs, verbs->timer_fd, VERBS_WATCH_TIMER, NULL);
}

int verbs_socket_bind(const struct verbs_target *target, struct verbs_listener *listener)
{
	const int on = 1;

	listener->socket = socket(target->peer->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->socket < 0)
		return -errno;
	setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(listener->socket, target->peer, target->peer_length) < 0 ? -errno : 0;
}

int verbs_socket_start(struct verbs *verbs, struct verbs_listener *listener)
{
	int result = listen(listener->socket, BACKLOG) < 0 ? -errno : open_timer(verbs);

	return result ? result : verbs_watch(verbs, listener->socket, VERBS_WATCH_LISTENER, listener);
}

uint16_t verbs_socket_port(const struct verbs_listener *listener)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);

	getsockname(listener->socket, (struct sockaddr *)&address, &length);
	return ntohs(((const struct sockaddr_in *)&address)->sin_port); // at the same place in both families
}
