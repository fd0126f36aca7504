#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/call.h"
#include "client/error.h"
#include "client/files.h"
#include "client/locate.h"
#include "client/session.h"
#include "far/clock.h"

// Lanes: which thread uses which, connecting and dropping them. A thread remembers its lane of each session by the session's serial number, so what it remembers
// of a closed session can do no harm; when it ends, its claims end (destructor), and its lanes are there for others.

#define REMEMBERED 8          // sessions that one thread uses in turn without asking the session
#define RETRY_NS 100000000ULL // a server found away is not tried again for so long
#define CONNECT_MS 1000       // again, to a server that may be gone
#define CONNECT_TRIES 3
#define CONNECT_FIRST_MS 5000 // what the kernel's RDMA connection manager sends and loses it sends again after 4.3 s

struct remembered {
	uint64_t serial;
	struct far_session *session;
	struct far_lane *lane;
};

static _Thread_local struct remembered remembered[REMEMBERED];
static _Thread_local unsigned remembered_next;

// Live sessions: a thread that ends gives back its claims only on those.
static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct far_session *registry;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;

static void unclaim(const struct remembered *entry)
{
	pthread_mutex_lock(&registry_mutex);
	for (struct far_session *session = registry; session; session = session->next) {
		if (session->serial != entry->serial)
			continue;
		pthread_mutex_lock(&session->mutex);
		entry->lane->claims--;
		pthread_mutex_unlock(&session->mutex);
	}
	pthread_mutex_unlock(&registry_mutex);
}

static void thread_ends(void *entries)
{
	struct remembered *all = entries;

	for (unsigned i = 0; i < REMEMBERED; i++) {
		if (all[i].lane)
			unclaim(&all[i]);
		all[i] = (struct remembered){0}; // another destructor may still call us, and then this one runs again
	}
}

static void make_key(void)
{
	pthread_key_create(&thread_key, thread_ends);
}

void session_register(struct far_session *session)
{
	static uint64_t last_serial;

	pthread_mutex_lock(&registry_mutex);
	session->serial = ++last_serial;
	session->next = registry;
	registry = session;
	pthread_mutex_unlock(&registry_mutex);
}

void session_unregister(struct far_session *session)
{
	pthread_mutex_lock(&registry_mutex);
	for (struct far_session **link = &registry; *link; link = &(*link)->next) {
		if (*link == session) {
			*link = session->next;
			break;
		}
	}
	pthread_mutex_unlock(&registry_mutex);
}

// --- one lane's life ---

struct far_lane *lane_new(struct far_session *session)
{
	struct far_lane *lane = calloc(1, sizeof(*lane));
	// Programs that use one lane each take turns, too.
	const struct fabric_options options = {.turn = (uint32_t)getpid() + session->lane_count};
	struct fabric_error text = {""};
	pthread_mutexattr_t attributes;
	int error;

	if (!lane)
		return NULL;
	lane->session = session;
	lane->timeout_ms = session->timeout_ms;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(
	        &attributes, PTHREAD_MUTEX_ERRORCHECK); // a far_source that calls its own session gets an error, not a knot
	pthread_mutex_init(&lane->mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	error = fabric_open(session->address.provider, &options, &lane->fabric, &text);
	if (error) {
		error_set(error, "%s: %s", session->address_text, text.text);
		goto fail;
	}
	lane->caps = fabric_caps(lane->fabric);
	error = fabric_memory_new(FAR_LANE_BUFFER, &lane->memory);
	if (!error)
		error = fabric_register(lane->fabric, &lane->memory, FABRIC_REMOTE_WRITE, 0, &lane->region);
	if (!error)
		error = locate_new(session->cache_entries, &lane->keys, &lane->files);
	if (!error)
		return lane;
	error_set(error, "%s: no memory for a lane: %s", session->address_text, far_strerror(error));
fail:
	lane_free(lane);
	errno = -error;
	return NULL;
}

void lane_free(struct far_lane *lane)
{
	if (!lane)
		return;
	lane_drop(lane);
	locate_free(lane->keys, lane->files);
	fabric_unregister(lane->further_region);
	fabric_unregister(lane->region);
	fabric_close(lane->fabric);
	fabric_memory_free(&lane->further);
	fabric_memory_free(&lane->memory);
	pthread_mutex_destroy(&lane->mutex);
	free(lane);
}

void lane_drop(struct far_lane *lane)
{
	fabric_disconnect(lane->connection);
	lane->connection = NULL;
	lane->broken = 0;
	lane->reply_count = 0;
	lane->posts = 0;
	lane->posts_done = 0;
	lane->grant_count = 0;
	memset(lane->windows, 0, sizeof(lane->windows));
	lane->is_probing = false;
	lane->root = 0;
	memset(&lane->index, 0, sizeof(lane->index));
	lane->was_senseless = false;
	locate_clear(lane->keys, lane->files);
}

static void say_hello(struct far_lane *lane, struct far_hello_request *hello)
{
	struct far_session *session = lane->session;

	*hello = (struct far_hello_request){
	        .magic = FAR_WIRE_MAGIC,
	        .wire_version = FAR_WIRE_VERSION,
	        .client_pid = (uint32_t)getpid(),
	        .uid = geteuid(),
	        .gid = getegid(),
	};
	snprintf(hello->client, sizeof(hello->client), "%s", session->name);
	pthread_mutex_lock(&session->mutex);
	hello->session = session->id;
	memcpy(hello->secret, session->secret, sizeof(hello->secret));
	pthread_mutex_unlock(&session->mutex);
}

// The session that hello joined, or began, is ours. False: another thread has begun one meanwhile. There must be one alone, which has all locks and holds.
static bool adopt_session(struct far_lane *lane, const struct far_hello_request *asked, const struct far_hello_reply *hello)
{
	struct far_session *session = lane->session;
	bool is_late;

	pthread_mutex_lock(&session->mutex);
	is_late = !asked->session && session->id;
	if (!is_late) {
		if (!asked->session)
			atomic_fetch_add_explicit(&session->epoch, 1, memory_order_relaxed);
		if (hello->lanes_max > 0 && hello->lanes_max < session->lanes_max)
			session->lanes_max = hello->lanes_max;
		session->id = hello->session;
		session->boot_id = hello->boot_id;
		memcpy(session->secret, hello->secret, sizeof(session->secret));
		lane->epoch = atomic_load_explicit(&session->epoch, memory_order_relaxed);
	}
	pthread_mutex_unlock(&session->mutex);
	return !is_late;
}

static int take_hello(struct far_lane *lane, const struct far_hello_request *asked, const struct far_hello_reply *hello)
{

	lane->eager_limit = hello->eager_limit;
	lane->boot_id = hello->boot_id;
	lane->pool_length = hello->pool_length;
	if (!adopt_session(lane, asked, hello))
		return -ENOTCONN;
	return fabric_import(lane->connection, hello->pool_rkey, hello->pool_length, &lane->pool);
}

// The server does not know the session any more: the next hello begins a new one, unless another lane's has done so meanwhile.
static void forget_session(struct far_session *session, uint64_t id)
{
	pthread_mutex_lock(&session->mutex);
	if (session->id == id)
		session->id = 0;
	pthread_mutex_unlock(&session->mutex);
}

static int hello_once(struct far_lane *lane)
{
	struct far_hello_request message;
	struct call hello = {.op = FAR_OP_HELLO, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int error;

	say_hello(lane, &message);
	error = call_send(lane, &hello);
	if (error)
		return error;
	error = call_receive(lane, sizeof(struct far_hello_reply), &reply);
	if (!error)
		error = take_hello(lane, &message, (const struct far_hello_reply *)reply.message);
	else if (error == -ENOTCONN && message.session)
		forget_session(lane->session, message.session);
	reply_release(lane, &reply);
	return error;
}

static int connect_once(struct far_lane *lane)
{
	struct far_session *session = lane->session;
	struct fabric_error text = {""};
	int most_ms = lane->connections > 0 ? CONNECT_MS : CONNECT_FIRST_MS;
	int timeout_ms = lane->timeout_ms < most_ms ? lane->timeout_ms : most_ms;
	int error = fabric_connect(lane->fabric, &session->address, timeout_ms, &lane->connection, &text);

	if (error) {
		lane->connection = NULL;
		return error_set(error, "%s", text.text);
	}
	lane->message_size = fabric_lane_message_size(lane->connection);
	error = hello_once(lane);
	if (error) {
		lane_drop(lane);
		error_set(error, "%s: the server refused: %s", session->address_text, far_strerror(error));
	}
	return error;
}

static bool was_connected(struct far_session *session)
{
	bool was;

	pthread_mutex_lock(&session->mutex);
	was = session->boot_id != 0;
	pthread_mutex_unlock(&session->mutex);
	return was;
}

int lane_connect(struct far_lane *lane)
{
	int error, tries = 0;

	if (lane->retry_at_ns && clock_now_ns() < lane->retry_at_ns)
		return error_set(-ENOTCONN, "%s: the server cannot be reached", lane->session->address_text);
	// Again if the server does not know the session (it was started again, or has ended it), and if another lane has begun the next one first.
	do
		error = connect_once(lane);
	while (error == -ENOTCONN && ++tries < CONNECT_TRIES);
	if (error) {
		lane->retry_at_ns = clock_now_ns() + RETRY_NS;
		// far_connect wants to know why; to all later calls it is one thing, and -ENOENT for a missing socket would be mistaken for a missing key.
		return was_connected(lane->session) ? -ENOTCONN : error;
	}
	lane->retry_at_ns = 0;
	if (lane->connections++ > 0)
		count(&lane->statistics.reconnects, 1);
	return 0;
}

// --- threads and lanes ---

// The lane that fewest threads prefer, a new one if all have one and there may be more; none that is somebody's alone. Under session->mutex. NULL with errno.
static struct far_lane *choose_lane(struct far_session *session, bool is_exclusive)
{
	struct far_lane *best = NULL;

	for (unsigned i = 0; i < session->lane_count; i++)
		if (!session->lanes[i]->is_exclusive && (!best || session->lanes[i]->claims < best->claims))
			best = session->lanes[i];
	if (best && best->claims == 0)
		return best;
	if (session->lane_count < session->lanes_max) {
		struct far_lane *lane = lane_new(session);

		if (lane) {
			session->lanes[session->lane_count++] = lane;
			return lane;
		}
	} else if (is_exclusive || !best) {
		errno = -error_set(-EMFILE, "%s: all %u lanes of the session are in use", session->address_text, session->lanes_max);
	}
	return is_exclusive ? NULL : best;
}

static struct far_lane *claim(struct far_session *session, bool is_exclusive)
{
	struct far_lane *lane;

	pthread_mutex_lock(&session->mutex);
	lane = choose_lane(session, is_exclusive);
	if (lane) {
		lane->claims++;
		lane->is_exclusive = is_exclusive;
	}
	pthread_mutex_unlock(&session->mutex);
	return lane;
}

static struct far_lane *remember(struct far_session *session)
{
	struct far_lane *lane = claim(session, false);
	struct remembered *entry = &remembered[remembered_next++ % REMEMBERED];

	if (!lane)
		return NULL;
	pthread_once(&key_once, make_key);
	pthread_setspecific(thread_key, remembered);
	if (entry->lane)
		unclaim(entry);
	*entry = (struct remembered){session->serial, session, lane};
	return lane;
}

int lane_acquire(struct far_session *session, struct far_lane **out)
{
	struct far_lane *lane = NULL;
	int error;

	for (unsigned i = 0; i < REMEMBERED && !lane; i++)
		if (remembered[i].session == session && remembered[i].serial == session->serial)
			lane = remembered[i].lane;
	if (!lane)
		lane = remember(session);
	if (!lane)
		return -errno;
	if (pthread_mutex_lock(&lane->mutex) == EDEADLK)
		return error_set(-EDEADLK, "a source called its own session: give it another session");
	error = lane->connection ? 0 : lane_connect(lane);
	if (error) {
		pthread_mutex_unlock(&lane->mutex);
		return error;
	}
	*out = lane;
	return 0;
}

void lane_release(struct far_lane *lane)
{
	pthread_mutex_unlock(&lane->mutex);
}

int lane_take(struct far_session *session, struct far_lane **out)
{
	*out = claim(session, true);
	return *out ? 0 : -errno;
}

void lane_give_back(struct far_lane *lane)
{
	struct far_session *session = lane->session;

	pthread_mutex_lock(&session->mutex);
	lane->claims--;
	lane->is_exclusive = false;
	pthread_mutex_unlock(&session->mutex);
}

int far_lane_get(struct far_session *session, struct far_lane **out)
{
	int error = lane_take(session, out);

	if (!error)
		pthread_mutex_lock(&(*out)->mutex);
	return error;
}

void far_lane_put(struct far_lane *lane)
{
	pthread_mutex_unlock(&lane->mutex);
	lane_give_back(lane);
}

void *far_lane_buffer(struct far_lane *lane, size_t length)
{
	return length <= LANE_STAGING ? lane->memory.base : NULL;
}

void *far_lane_memory(struct far_lane *lane, size_t length)
{
	if (!lane->caps->is_registered_only || lane->caps->has_loads)
		return NULL;
	if (lane->further.base)
		return length <= lane->further.length ? lane->further.base : NULL;
	if (fabric_memory_new(length, &lane->further))
		return NULL;
	if (fabric_register(lane->fabric, &lane->further, FABRIC_REMOTE_WRITE, 0, &lane->further_region))
		fabric_memory_free(&lane->further);
	return lane->further.base;
}
