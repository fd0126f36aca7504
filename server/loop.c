#include "server/loop.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fabric/wait.h"
#include "far/clock.h"
#include "far/log.h"
#include "server/connection.h"
#include "server/eviction.h"
#include "server/expiry.h"
#include "server/gather.h"
#include "server/load.h"
#include "server/metrics_log.h"
#include "server/quota.h"

#define NETWORKS_MAX 3
#define EVENTS_PER_POLL 64
#define CLOSING_NS 200000000U // a lane that broke the protocol gets this long to take its last reply
#define RETRY_MS_MIN 1 // credit that comes back, and readers that end, wake nobody: while something waits for them the loop looks again
#define RETRY_MS_MAX 256
#define METRICS_TURN_NS 1000000000U // an idle loop turns so often for those who watch it
#define METRICS_TURNS 64            // a busy one publishes its figures once in so many turns

struct loop {
	struct server *server;
	struct loop *keeper; // of the deadlines, for all loops: the first, maybe this one
	unsigned number;
	struct bell bell;
	struct network networks[NETWORKS_MAX];
	int network_count;
	struct connection *connections;
	bool has_stalled; // some connection has waiting messages or a stalled reply, or is closing
	bool has_unsent;  // notices or events wait for credit
	bool is_reclaiming;
	bool is_sweeping;    // deadlines are over that the sweep has not come to yet, or a quota counts
	bool is_sweep_held;  // until readers have ended: the retry of reclaim looks again
	uint32_t sweep_debt; // to those who wait for the writer's role (writer.h)
	uint64_t kept_ns;    // the keeper's: it sleeps until the deadline of that time (expiry_due_ns), 0 = it is awake; the writer's
	// How long each waits until it looks again: apart, for a watcher that has stopped is waited for as long as it has.
	int reclaim_retry_ms, unsent_retry_ms;
	struct wait_budget budget;
	bool has_blocked; // the last turn did
	struct gather gather;
	struct load load;
	bool has_told_busy;
	bool has_metrics;    // somebody outside looks at them
	uint64_t metrics_ns; // how long the loop may block for the sake of them
	struct metrics_log metrics_log;
	int epoll_fd;
};

// After a turn that found so many events.
static void tell_busy(struct loop *loop, int events)
{
	bool is_busy = load_turn(&loop->load, events);

	if (is_busy != loop->has_told_busy)
		server_set_busy(loop->server, is_busy);
	loop->has_told_busy = is_busy;
}

int loop_new(struct server *server, unsigned number, struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->server = server;
	loop->keeper = loop;
	loop->number = number;
	loop->bell.fd = -1;
	loop->reclaim_retry_ms = loop->unsent_retry_ms = RETRY_MS_MIN;
	loop->metrics_ns = UINT64_MAX;
	loop->load.probing = server->probing;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return -errno;
	}
	wait_budget_init(&loop->budget, (struct wait_limits){.spin_max_ns = WAIT_SPIN_MAX_NS});
	writer_begin(&server->writer, number);
	tell_busy(loop, 0);
	writer_end(&server->writer);
	*out = loop;
	return 0;
}

static void connection_end(struct loop *loop, struct connection *connection)
{
	if (connection->next)
		connection->next->previous = connection->previous;
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		loop->connections = connection->next;
	connection_free(connection);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	writer_begin(&loop->server->writer, loop->number);
	while (loop->connections)
		connection_end(loop, loop->connections);
	if (loop->has_told_busy)
		server_set_busy(loop->server, false);
	writer_end(&loop->server->writer);
	for (int i = 0; i < loop->network_count; i++)
		network_close(&loop->networks[i]);
	if (loop->bell.fd >= 0)
		close(loop->bell.fd);
	close(loop->epoll_fd);
	free(loop);
}

static int watch(struct loop *loop, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

// The network of a provider, opened at its first listener.
static int find_network(struct loop *loop, const char *provider, struct network **out, struct fabric_error *error)
{
	static const char *const names[NETWORKS_MAX] = {"shm", "tcp", "rdma"};
	struct network *network;
	int result, name = 0;

	for (int i = 0; i < loop->network_count; i++) {
		*out = &loop->networks[i];
		if (strcmp((*out)->provider, provider) == 0)
			return 0;
	}
	while (name < NETWORKS_MAX && strcmp(names[name], provider) != 0)
		name++;
	if (name == NETWORKS_MAX)
		return -EPROTONOSUPPORT;
	network = &loop->networks[loop->network_count];
	network->bell = &loop->bell;
	network->io_thread = loop->number;
	result = network_open(network, provider, loop->server, error);
	if (!result)
		result = watch(loop, fabric_fd(network->fabric));
	if (result) {
		network_close(network);
		return result;
	}
	loop->network_count++;
	*out = network;
	return 0;
}

int loop_listen(struct loop *loop, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error)
{
	struct network *network;
	int result = find_network(loop, address->provider, &network, error);

	return result ? result : fabric_listen(network->fabric, address, bound, error);
}

bool loop_can_share(const struct loop *loop)
{
	for (int i = 0; i < loop->network_count; i++)
		if (fabric_caps(loop->networks[i].fabric)->has_shared_listeners)
			return true;
	return false;
}

// Others may have something for this loop's lanes from now on.
static int hang_bell(struct loop *loop)
{
	if (loop->bell.fd >= 0)
		return 0;
	loop->bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return loop->bell.fd < 0 ? -errno : watch(loop, loop->bell.fd);
}

int loop_share(struct loop *loop, struct loop *first, struct fabric_error *error)
{
	int result = hang_bell(first);

	loop->keeper = first;
	if (!result)
		result = hang_bell(loop);
	for (int i = 0; i < first->network_count && !result; i++) {
		struct network *theirs = &first->networks[i], *network;

		if (!fabric_caps(theirs->fabric)->has_shared_listeners)
			continue;
		result = find_network(loop, theirs->provider, &network, error);
		if (!result)
			result = fabric_share_listeners(network->fabric, theirs->fabric, error);
	}
	return result;
}

static void accept_lane(struct loop *loop, struct network *network, struct fabric_lane *lane)
{
	struct connection *connection = connection_new(network, lane);

	if (!connection)
		return;
	connection->next = loop->connections;
	if (connection->next)
		connection->next->previous = connection;
	loop->connections = connection;
}

static void take_event(struct loop *loop, struct network *network, const struct fabric_event *event)
{
	struct connection *connection = event->lane ? fabric_lane_owner(event->lane) : NULL;

	if (event->kind == FABRIC_ACCEPTED) {
		accept_lane(loop, network, event->lane);
		return;
	}
	if (!connection) {
		if (event->kind == FABRIC_CLOSED)
			fabric_disconnect(event->lane);
		return;
	}
	switch (event->kind) {
	case FABRIC_RECEIVED:
		connection_receive(connection, event->message, event->length);
		loop->has_stalled |= connection->waiting_count || connection->stalled_length || connection->lane.is_closing;
		break;
	case FABRIC_DONE:
		lane_transfer_done(&connection->lane);
		break;
	default:
		connection_end(loop, connection);
		break;
	}
}

// Replies of one batch go out together, lane by lane. A lane that a later event of the batch has closed is not there any more.
static void flush_batch(const struct fabric_event *events, int count)
{
	for (int i = 0; i < count; i++) {
		if (events[i].kind == FABRIC_RECEIVED) {
			struct connection *connection = fabric_lane_owner(events[i].lane);

			if (connection)
				connection_flush(connection);
		}
	}
}

// Takes the events of a batch that end lanes, or all others. Returns how many it has left.
static int take_events(struct loop *loop, struct network *network, const struct fabric_event *events, int count, bool is_ending)
{
	int left = 0;

	writer_begin(&loop->server->writer, loop->number);
	for (int i = 0; i < count; i++) {
		if ((events[i].kind == FABRIC_CLOSED) == is_ending)
			take_event(loop, network, &events[i]);
		else
			left++;
	}
	writer_end(&loop->server->writer);
	return left;
}

static int poll_network(struct loop *loop, struct network *network)
{
	struct fabric_event events[EVENTS_PER_POLL];
	int count = fabric_poll(network->fabric, events, EVENTS_PER_POLL);
	int left;

	if (count <= 0)
		return 0;
	loop->budget.limits = fabric_caps(network->fabric)->wait; // who was heard of last is likely heard of next
	// A lane ends with its last event: flush before it goes.
	left = take_events(loop, network, events, count, false);
	flush_batch(events, count);
	if (left > 0)
		take_events(loop, network, events, count, true);
	return count;
}

// Returns how much happened: events, and what the fabric did for peers by itself.
static int poll_all(struct loop *loop)
{
	int count = 0;

	for (int i = 0; i < loop->network_count; i++) {
		uint64_t served = fabric_served(loop->networks[i].fabric);

		count += poll_network(loop, &loop->networks[i]);
		count += fabric_served(loop->networks[i].fabric) != served;
	}
	return count;
}

// True while the lane may still take its last reply.
static bool is_lingering(struct connection *connection)
{
	uint64_t now = clock_now_ns();

	if (connection->closing_since_ns == 0)
		connection->closing_since_ns = now;
	return now - connection->closing_since_ns < CLOSING_NS;
}

// Goes on with the connections that had to wait.
static void resume_stalled(struct loop *loop)
{
	struct connection *connection = loop->connections;

	loop->has_stalled = false;
	while (connection) {
		struct connection *next = connection->next;

		loop->has_stalled |= connection_resume(connection);
		connection_flush(connection);
		if (connection->lane.is_closing) {
			if (is_lingering(connection))
				loop->has_stalled = true;
			else
				connection_shut(connection);
		}
		connection = next;
	}
}

// Polls until something comes or polling no longer pays. Returns the number of events. Where it does not pay at all, the turn behind one that blocked looks once, and all
// others go on to block, which sends the replies and looks by the same system call.
static int look(struct loop *loop)
{
	bool is_polling = wait_budget_next(&loop->budget) > 0;
	int count = is_polling || loop->has_blocked ? poll_all(loop) : 0;
	struct wait_spin spin;

	if (loop->has_blocked)
		gather_found(&loop->gather, count);
	loop->has_blocked = false;
	if (count || !is_polling || loop->is_sweeping)
		return count;
	wait_spin_begin(&spin, &loop->budget);
	while (count == 0 && wait_spin_goes_on(&spin))
		count = poll_all(loop);
	if (count)
		wait_spin_found(&spin, &loop->budget);
	return count;
}

// The next wait of something that is tried again, if it is: longer each time.
static uint64_t back_off(bool is_waiting, int *retry_ms)
{
	if (!is_waiting) {
		*retry_ms = RETRY_MS_MIN;
		return UINT64_MAX;
	}
	if (*retry_ms < RETRY_MS_MAX)
		*retry_ms *= 2;
	return (uint64_t)*retry_ms * 1000000U;
}

static uint64_t retry_timeout_ns(struct loop *loop)
{
	uint64_t reclaim = back_off(loop->is_reclaiming, &loop->reclaim_retry_ms);
	uint64_t unsent = back_off(loop->has_unsent, &loop->unsent_retry_ms);
	uint64_t retry = reclaim < unsent ? reclaim : unsent;

	if (loop->has_stalled)
		return (uint64_t)RETRY_MS_MIN * 1000000U;
	if (retry == UINT64_MAX && loop->load.is_busy)
		return LOAD_HOLD_NS; // that it is calm again nobody else finds out
	return retry;
}

// Until the next deadline, which one loop alone wakes for.
static uint64_t deadline_timeout_ns(struct loop *loop)
{
	if (loop->keeper != loop || (loop->is_sweep_held && loop->is_reclaiming))
		return UINT64_MAX;
	loop->kept_ns = expiry_due_ns(loop->server);
	return expiry_wait_ns(loop->server);
}

static uint64_t timeout_ns(struct loop *loop)
{
	uint64_t retry = retry_timeout_ns(loop);
	uint64_t deadline;

	if (loop->is_sweeping)
		return 0;
	deadline = deadline_timeout_ns(loop);
	return retry < deadline ? retry : deadline;
}

// Notices arise from what others asked for, from their end, and from what the server does by itself: so behind all that.
static void send_notices(struct loop *loop)
{
	bool is_moving = false;

	loop->has_unsent = false;
	bell_hear(&loop->bell);
	for (int i = 0; i < loop->network_count; i++)
		if (loop->networks[i].noticed)
			loop->has_unsent |= network_send_notices(&loop->networks[i], &is_moving);
	if (is_moving)
		loop->unsent_retry_ms = RETRY_MS_MIN;
}

static void settle(struct loop *loop)
{
	uint64_t waited = reclaim_bytes(loop->server->reclaim);

	loop->is_reclaiming = server_settle(loop->server);
	if (reclaim_bytes(loop->server->reclaim) < waited)
		loop->reclaim_retry_ms = RETRY_MS_MIN;
}

void loop_tell_metrics(struct loop *loop, uint64_t log_interval_ns)
{
	loop->has_metrics = true;
	metrics_publish(loop->server);
	metrics_log_begin(&loop->metrics_log, loop->server->metrics, log_interval_ns);
}

// Publishes the server's figures. Others see that the loop turns by its doing so at least once in METRICS_TURN_NS.
static void publish(struct loop *loop)
{
	metrics_publish(loop->server);
	loop->metrics_ns = METRICS_TURN_NS;
	if (loop->metrics_log.interval_ns > 0) {
		uint64_t until_ns = metrics_log_turn(&loop->metrics_log, loop->server->metrics);

		if (until_ns < loop->metrics_ns)
			loop->metrics_ns = until_ns;
	}
}

// Blocks until an event or the stop.
static int block(struct loop *loop)
{
	struct network *place = &loop->networks[0];
	uint64_t wait_ns;
	int result;

	loop->has_blocked = true;
	for (int i = 1; i < loop->network_count; i++)
		if (fabric_caps(loop->networks[i].fabric)->is_best_blocked_in)
			place = &loop->networks[i];
	for (int i = 0; i < loop->network_count; i++)
		if (&loop->networks[i] != place && fabric_arm(loop->networks[i].fabric) > 0)
			return 0;
	if (!loop->is_sweeping) { // else it only looks
		wait_budget_blocked(&loop->budget);
		if (gather_before_block(&loop->gather))
			sched_yield();
	} else if (writer_is_awaited(&loop->server->writer)) {
		sched_yield();
	}
	writer_begin(&loop->server->writer, loop->number);
	wait_ns = timeout_ns(loop);
	writer_end(&loop->server->writer);
	result = fabric_block(place->fabric, loop->epoll_fd, wait_ns < loop->metrics_ns ? wait_ns : loop->metrics_ns);
	return result < 0 ? result : 0;
}

static void sweep(struct loop *loop)
{
	const struct writer *writer = &loop->server->writer;

	loop->kept_ns = 0;
	if (writer_owes(writer, loop->sweep_debt))
		return;
	loop->is_sweep_held = loop->is_reclaiming && reclaim_bytes(loop->server->reclaim) > FAR_EXPIRY_WAITING_MAX;
	loop->is_sweeping = !loop->is_sweep_held && expiry_sweep(loop->server, FAR_EXPIRY_STEP_NS);
	loop->is_sweeping |= quota_sweep(loop->server, FAR_QUOTA_STEP_NS);
	loop->sweep_debt = writer_debt(writer);
}

// Deadlines are kept by one loop, which counts for quotas as well: it sweeps, or is told if it sleeps for longer than until the one that requests have just set.
static void keep_deadlines(struct loop *loop)
{
	struct loop *keeper = loop->keeper;

	if (keeper == loop)
		sweep(loop);
	else if (expiry_due_ns(loop->server) < keeper->kept_ns || (keeper->kept_ns > 0 && quota_is_counting(loop->server)))
		bell_ring(&keeper->bell);
}

static bool is_stopped(int stop_fd)
{
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};

	return poll(&stop, 1, 0) > 0;
}

// What a turn has left to do behind its requests.
static void tend(struct loop *loop, int count, uint32_t turns)
{
	writer_begin(&loop->server->writer, loop->number);
	tell_busy(loop, count);
	if (loop->has_stalled)
		resume_stalled(loop);
	keep_deadlines(loop);
	eviction_catch_up(loop->server);
	settle(loop);
	send_notices(loop);
	if (loop->has_metrics && (count == 0 || turns % METRICS_TURNS == 0))
		publish(loop);
	writer_end(&loop->server->writer);
}

int loop_run(struct loop *loop, int stop_fd)
{
	int result = watch(loop, stop_fd);
	uint32_t turns = 0;

	while (result == 0) {
		bool was_blocked = loop->has_blocked;
		int count = look(loop);

		tend(loop, count, turns);
		// What ended a wait and is no lane's may be the stop. A busy loop does not pay a system call each turn for this.
		if (((was_blocked && count == 0) || ++turns % 1024 == 0) && is_stopped(stop_fd))
			break;
		if (count == 0)
			result = block(loop);
	}
	return result;
}
