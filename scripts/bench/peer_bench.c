// peer_bench: GET and SET against Redis (RESP) or memcached (text protocol) over blocking sockets, measured as `far bench` measures FarFS, by the same clock and histogram: threads with a
// connection each and one operation under way, or with DEPTH so many sent together, whose replies are awaited together (a pipeline as redis-benchmark -P has it; the time is that of all of them), keys at random out of a set, all of it warmed up, the ends of each value checked outside of its time, and operations a second counted over the
// whole loop.
//
// usage: peer_bench redis|memcached ADDRESS SIZE SECONDS CONNECTIONS KEYS [DEPTH]; ADDRESS is unix:PATH or a loopback port. Prints one line of JSON.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/cli/bench_clock.h"
#include "client/cli/histogram.h"

#define CONNECTIONS_MAX 64
#define DEPTH_MAX 64
#define CHECK_ENDS 32U
#define REPLY_TIMEOUT_S 10
#define REPLY_EXTRA 128U // what replies have beside the value

enum op { OP_GET, OP_SET, OPS };

static const char *const op_names[OPS] = {"get", "set"};

// What goes out before the value, and how much comes back.
struct request {
	char text[112];
	size_t length;
	size_t reply_length;
	size_t value_offset; // in the reply to a get
};

// What all threads share; constant while they run.
struct peer {
	bool is_redis;
	const char *address;
	size_t size;
	double seconds;
	unsigned connections;
	unsigned keys;
	unsigned depth;
	struct request *requests[OPS]; // by key
	char *value;                   // and the line's end
	struct bench_clock clock;
	pthread_barrier_t barrier;
};

struct worker {
	struct peer *peer;
	enum op op;
	unsigned number;
	int fd;
	char *reply;
	uint64_t random;
	uint64_t begin;
	uint64_t end;
	struct histogram ticks;
	pthread_t thread;
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("peer_bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(1);
}

// --- the protocols ---

static void make_get(const struct peer *peer, const char *key, struct request *request)
{
	char head[112];

	if (peer->is_redis) {
		request->length = (size_t)sprintf(request->text, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
		request->value_offset = (size_t)snprintf(head, sizeof(head), "$%zu\r\n", peer->size);
		request->reply_length = request->value_offset + peer->size + strlen("\r\n");
	} else {
		request->length = (size_t)sprintf(request->text, "get %s\r\n", key);
		request->value_offset = (size_t)snprintf(head, sizeof(head), "VALUE %s 0 %zu\r\n", key, peer->size);
		request->reply_length = request->value_offset + peer->size + strlen("\r\nEND\r\n");
	}
}

static void make_set(const struct peer *peer, const char *key, struct request *request)
{
	if (peer->is_redis) {
		request->length = (size_t)sprintf(request->text, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, peer->size);
		request->reply_length = strlen("+OK\r\n");
	} else {
		request->length = (size_t)sprintf(request->text, "set %s 0 0 %zu\r\n", key, peer->size);
		request->reply_length = strlen("STORED\r\n");
	}
}

// The first byte tells a good reply from an error, which may be shorter.
static char first_byte(const struct peer *peer, enum op op)
{
	static const char bytes[2][OPS] = {"VS", "$+"};

	return bytes[peer->is_redis][op];
}

static void make_requests(struct peer *peer)
{
	for (int op = 0; op < OPS; op++) {
		peer->requests[op] = calloc(peer->keys, sizeof(struct request));
		if (!peer->requests[op])
			die("no memory for %u requests", peer->keys);
	}
	for (unsigned i = 0; i < peer->keys; i++) {
		char key[32];

		snprintf(key, sizeof(key), "peer-bench-1/%u", i); // about as long as those of far bench
		make_get(peer, key, &peer->requests[OP_GET][i]);
		make_set(peer, key, &peer->requests[OP_SET][i]);
	}
	peer->value = malloc(peer->size + 2);
	if (!peer->value)
		die("no memory for a value of %zu bytes", peer->size);
	for (size_t i = 0; i < peer->size; i++)
		peer->value[i] = (char)('a' + i % 26);
	memcpy(peer->value + peer->size, "\r\n", 2);
}

// --- one operation ---

static int open_socket(const char *address)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = REPLY_TIMEOUT_S};
	bool is_local = strncmp(address, "unix:", 5) == 0;
	int fd = socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
	int on = 1;
	int result;

	if (is_local) {
		snprintf(local.sun_path, sizeof(local.sun_path), "%s", address + 5);
		result = connect(fd, (struct sockaddr *)&local, sizeof(local));
	} else {
		inet.sin_port = htons((unsigned short)atoi(address));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		result = connect(fd, (struct sockaddr *)&inet, sizeof(inet));
	}
	if (fd < 0 || result < 0)
		die("%s: %s", address, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void send_all(const struct worker *worker, struct iovec *part, int count)
{
	while (count > 0) {
		ssize_t sent = writev(worker->fd, part, count);

		if (sent < 0)
			die("%s: sending: %s", worker->peer->address, strerror(errno));
		for (; count > 0 && (size_t)sent >= part->iov_len; part++, count--)
			sent -= (ssize_t)part->iov_len;
		if (count > 0) {
			part->iov_base = (char *)part->iov_base + sent;
			part->iov_len -= (size_t)sent;
		}
	}
}

static void send_requests(const struct worker *worker, const unsigned *keys, unsigned count)
{
	const struct peer *peer = worker->peer;
	struct iovec parts[2 * DEPTH_MAX];
	int used = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct request *request = &peer->requests[worker->op][keys[i]];

		parts[used++] = (struct iovec){(char *)request->text, request->length};
		if (worker->op == OP_SET)
			parts[used++] = (struct iovec){peer->value, peer->size + 2};
	}
	send_all(worker, parts, used);
}

static void check_reply(const struct worker *worker, const char *reply, size_t length)
{
	const struct peer *peer = worker->peer;

	if (reply[0] != first_byte(peer, worker->op))
		die("%s: answered %s with: %.*s", peer->address, op_names[worker->op], (int)(length < 60 ? length : 60), reply);
}

static void receive_replies(const struct worker *worker, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t got = read(worker->fd, worker->reply + done, length - done);

		if (got <= 0)
			die("%s: no whole reply: %s", worker->peer->address, got ? strerror(errno) : "it closed the connection");
		done += (size_t)got;
		check_reply(worker, worker->reply, done);
	}
}

static void check_value(const struct worker *worker, const char *value, unsigned key)
{
	const struct peer *peer = worker->peer;
	size_t ends = peer->size < CHECK_ENDS ? peer->size : CHECK_ENDS;

	if (memcmp(value, peer->value, ends) != 0 || memcmp(value + peer->size - ends, peer->value + peer->size - ends, ends) != 0)
		die("%s: key %u brought wrong bytes", peer->address, key);
}

// Returns their ticks; the checks are outside of them.
static uint64_t operate(struct worker *worker, const unsigned *keys, unsigned count)
{
	const struct peer *peer = worker->peer;
	const char *reply = worker->reply;
	size_t length = 0;
	uint64_t before;
	uint64_t ticks;

	for (unsigned i = 0; i < count; i++)
		length += peer->requests[worker->op][keys[i]].reply_length;
	before = bench_clock_now(&peer->clock);
	send_requests(worker, keys, count);
	receive_replies(worker, length);
	ticks = bench_clock_now(&peer->clock) - before;
	for (unsigned i = 0; i < count; i++) {
		const struct request *request = &peer->requests[worker->op][keys[i]];

		check_reply(worker, reply, request->reply_length);
		if (worker->op == OP_GET)
			check_value(worker, reply + request->value_offset, keys[i]);
		reply += request->reply_length;
	}
	return ticks;
}

// --- the threads ---

// As far bench chooses: threads that set have their own keys.
static unsigned next_key(struct worker *worker)
{
	unsigned keys = worker->peer->keys;
	unsigned connections = worker->peer->connections;

	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	if (worker->op == OP_GET)
		return (unsigned)((worker->random >> 32) * keys >> 32);
	keys = (keys - worker->number + connections - 1) / connections;
	return (unsigned)((worker->random >> 32) * keys >> 32) * connections + worker->number;
}

static void warm_up(struct worker *worker)
{
	unsigned step = worker->op == OP_SET ? worker->peer->connections : 1;

	for (int pass = 0; pass < 2; pass++)
		for (unsigned key = worker->op == OP_SET ? worker->number : 0; key < worker->peer->keys; key += step)
			operate(worker, &key, 1);
}

static void *work(void *context)
{
	struct worker *worker = context;
	struct peer *peer = worker->peer;
	uint64_t duration = (uint64_t)(peer->seconds * 1e9 / peer->clock.ns_per_tick);

	worker->fd = open_socket(peer->address);
	warm_up(worker);
	pthread_barrier_wait(&peer->barrier);
	worker->begin = bench_clock_now(&peer->clock);
	do {
		unsigned keys[DEPTH_MAX];

		for (unsigned i = 0; i < peer->depth; i++)
			keys[i] = next_key(worker);
		histogram_add(&worker->ticks, operate(worker, keys, peer->depth), peer->depth);
		worker->end = bench_clock_now(&peer->clock);
	} while (worker->end - worker->begin < duration);
	close(worker->fd);
	return NULL;
}

static void start(struct worker *worker, struct peer *peer, enum op op, unsigned number)
{
	*worker = (struct worker){.peer = peer, .op = op, .number = number, .random = 0x853c49e6748fea9b + number * 0x9e3779b97f4a7c15};
	worker->reply = calloc(peer->depth, peer->size + REPLY_EXTRA); // touched, so that no first touch is measured
	if (!worker->reply || pthread_create(&worker->thread, NULL, work, worker))
		die("cannot start thread %u", number);
}

static void fill(struct peer *peer)
{
	static struct worker worker;

	worker = (struct worker){.peer = peer, .op = OP_SET, .fd = open_socket(peer->address), .reply = malloc(REPLY_EXTRA)};
	if (!worker.reply)
		die("no memory");
	for (unsigned key = 0; key < peer->keys; key++)
		operate(&worker, &key, 1);
	close(worker.fd);
	free(worker.reply);
}

static void measure(struct peer *peer, enum op op, const char *before, const char *behind)
{
	static struct worker workers[CONNECTIONS_MAX];
	static struct histogram all;
	uint64_t begin = UINT64_MAX;
	uint64_t end = 0;

	all = (struct histogram){0};
	pthread_barrier_init(&peer->barrier, NULL, peer->connections);
	for (unsigned i = 0; i < peer->connections; i++)
		start(&workers[i], peer, op, i);
	for (unsigned i = 0; i < peer->connections; i++) {
		pthread_join(workers[i].thread, NULL);
		histogram_merge(&all, &workers[i].ticks);
		begin = workers[i].begin < begin ? workers[i].begin : begin;
		end = workers[i].end > end ? workers[i].end : end;
		free(workers[i].reply);
	}
	pthread_barrier_destroy(&peer->barrier);
	printf("%s\"%s\": {\"p50_ns\": %.0f, \"p99_ns\": %.0f, \"p999_ns\": %.0f, \"ops\": %.0f}%s", before, op_names[op],
	        (double)histogram_quantile(&all, 0.5) * peer->clock.ns_per_tick,
	        (double)histogram_quantile(&all, 0.99) * peer->clock.ns_per_tick,
	        (double)histogram_quantile(&all, 0.999) * peer->clock.ns_per_tick,
	        (double)all.count / ((double)(end - begin) * peer->clock.ns_per_tick / 1e9), behind);
}

int main(int argc, char **argv)
{
	static struct peer peer;

	if (argc != 7 && argc != 8) {
		fprintf(stderr, "usage: peer_bench redis|memcached unix:PATH|PORT SIZE SECONDS CONNECTIONS KEYS [DEPTH]\n");
		return 2;
	}
	peer.is_redis = strcmp(argv[1], "redis") == 0;
	peer.address = argv[2];
	peer.size = strtoul(argv[3], NULL, 10);
	peer.seconds = atof(argv[4]);
	peer.connections = (unsigned)atoi(argv[5]);
	peer.keys = (unsigned)atoi(argv[6]);
	if (peer.connections < 1 || peer.connections > CONNECTIONS_MAX || peer.keys < peer.connections || peer.keys > 100000)
		die("connections must be 1 to %d, keys as many at least and at most 100000", CONNECTIONS_MAX);
	peer.depth = argc == 8 ? (unsigned)atoi(argv[7]) : 1;
	if (peer.depth < 1 || peer.depth > DEPTH_MAX)
		die("depth must be 1 to %d", DEPTH_MAX);
	bench_clock_init(&peer.clock);
	make_requests(&peer);
	fill(&peer);
	measure(&peer, OP_GET, "{", ", ");
	measure(&peer, OP_SET, "", "}\n");
	return 0;
}
