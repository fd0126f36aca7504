// far-server: sets up, serves, stops. The I/O threads, and one more for metrics where they are asked for.
#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "far/cleanup.h"
#include "server/descriptors.h"
#include "server/io_threads.h"
#include "server/loop.h"
#include "server/metrics_http.h"
#include "server/options.h"
#include "server/placement.h"

// What is listened on: the addresses asked for, and the shared-memory sockets beside tcp ports.
struct bound {
	struct fabric_address addresses[2 * OPTIONS_LISTEN_MAX];
	int count;
	char metrics[400]; // URL, or ""
};

static void fail(const char *what, const char *value, const char *why)
{
	fprintf(stderr, "far-server: %s: %s: %s\n", what, value, why);
}

static bool is_loopback(const struct fabric_address *address)
{
	return strncmp(address->host, "127.", 4) == 0 || strcmp(address->host, "::1") == 0 || strcmp(address->host, "localhost") == 0;
}

static int listen_on(struct loop *loop, const struct fabric_address *address, struct bound *bound)
{
	struct fabric_address *got = &bound->addresses[bound->count];
	struct fabric_error error = {""};
	char text[384];
	int result = loop_listen(loop, address, got, &error);

	if (result) {
		fail("cannot listen", fabric_address_format(address, text), error.text[0] ? error.text : strerror(-result));
		return result;
	}
	bound->count++;
	log_info("listening address=%s", fabric_address_format(got, text));
	if (strcmp(address->provider, "shm") != 0 && !is_loopback(address))
		log_warning("anyone who reaches this address can read and write everything: there is no authentication address=%s", text);
	return 0;
}

// The shared-memory socket of a port, in a folder that only this user may enter.
static int listen_local(struct loop *loop, uint16_t port, struct bound *bound)
{
	struct fabric_address address = {.provider = "shm"};
	char folder[sizeof(address.path)];

	if (fabric_address_local_socket(port, address.path)) {
		fail("cannot name the shared-memory socket", "$FARFS_RUNTIME_DIR", "its path is too long for a socket: set a shorter one");
		return -ENAMETOOLONG;
	}
	for (int i = 0; i < bound->count; i++)
		if (strcmp(bound->addresses[i].path, address.path) == 0)
			return 0;
	memcpy(folder, address.path, sizeof(folder));
	if (mkdir(dirname(folder), 0700) && errno != EEXIST) {
		int error = errno;

		fail("cannot make the runtime folder", folder, strerror(error));
		fprintf(stderr, "far-server: set $FARFS_RUNTIME_DIR to a folder you may write to, or give --no-shm\n");
		return -error;
	}
	return listen_on(loop, &address, bound);
}

static int listen_on_all(struct loop *loop, const struct options *options, struct bound *bound)
{
	for (int i = 0; i < options->listen_count; i++) {
		const struct fabric_address *address = &options->listen[i];
		int error = listen_on(loop, address, bound);

		if (!error && strcmp(address->provider, "shm") != 0 && !options->has_no_shm)
			error = listen_local(loop, bound->addresses[bound->count - 1].port, bound);
		if (error)
			return error;
	}
	return 0;
}

// The metrics endpoint and log lines, where they are asked for.
static int tell_metrics(
        struct loop *loop, const struct server *server, const struct options *options, struct metrics_http **http, struct bound *bound)
{
	struct fabric_address got;
	struct fabric_error error = {""};
	char text[384];
	int result;

	if (options->metrics.host[0]) {
		result = metrics_http_start(&options->metrics, server->metrics, http, &got, &error);
		if (result) {
			fprintf(stderr, "far-server: cannot serve metrics: %s: %s\n",
			        fabric_address_format(&options->metrics, text) + strlen("tcp://"),
			        error.text[0] ? error.text : strerror(-result));
			return result;
		}
		snprintf(bound->metrics, sizeof(bound->metrics), "http://%s/metrics", fabric_address_format(&got, text) + strlen("tcp://"));
		log_info("metrics url=%s", bound->metrics);
	}
	if (options->metrics.host[0] || options->stats_interval_ns > 0)
		loop_tell_metrics(loop, options->stats_interval_ns);
	return 0;
}

static void tell_ready(const struct options *options, const struct bound *bound)
{
	char text[384];

	log_info("ready");
	sd_notifyf(0, "READY=1\nSTATUS=Serving %llu MiB on %d addresses", (unsigned long long)(options->server.pool.length >> 20),
	        bound->count);
	if (options->ready_fd < 0)
		return;
	for (int i = 0; i < bound->count; i++)
		dprintf(options->ready_fd, "%s\n", fabric_address_format(&bound->addresses[i], text));
	if (bound->metrics[0])
		dprintf(options->ready_fd, "%s\n", bound->metrics);
	dprintf(options->ready_fd, "ready\n");
	close(options->ready_fd);
}

// SIGTERM and SIGINT arrive at the descriptor instead of killing.
static int catch_stop(sigset_t *stops)
{
	sigemptyset(stops);
	sigaddset(stops, SIGTERM);
	sigaddset(stops, SIGINT);
	sigprocmask(SIG_BLOCK, stops, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, stops, SFD_CLOEXEC | SFD_NONBLOCK);
}

// The first signal is taken off; from here on another one ends the process at once.
static void tell_stopping(int stop_fd, const sigset_t *stops)
{
	struct signalfd_siginfo signal_info = {0};

	if (read(stop_fd, &signal_info, sizeof(signal_info)) == sizeof(signal_info))
		log_info("stopping signal=%s", signal_info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
	sigprocmask(SIG_UNBLOCK, stops, NULL);
	sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}

static int start_threads(struct server *server, struct loop *loop, const struct options *options, struct io_threads **threads)
{
	struct io_threads_options wanted = {options->io_threads, &options->cpus};
	struct fabric_error error = {""};
	char number[16];
	int result = io_threads_start(server, loop, &wanted, threads, &error);

	if (result) {
		snprintf(number, sizeof(number), "%u", options->io_threads);
		fail("cannot start I/O threads", number, error.text[0] ? error.text : strerror(-result));
	}
	return result;
}

static int serve(struct server *server, const struct options *options)
{
	struct bound bound = {.count = 0};
	struct metrics_http *http = NULL;
	struct io_threads *threads = NULL;
	struct loop *loop = NULL;
	int thread_error;
	sigset_t stops;
	CLEANUP(close) int stop_fd = catch_stop(&stops);
	int error = loop_new(server, 0, &loop);

	if (error) {
		fail("cannot set up the event loop", "epoll", strerror(-error));
		return error;
	}
	error = listen_on_all(loop, options, &bound);
	if (!error)
		error = tell_metrics(loop, server, options, &http, &bound);
	if (!error)
		error = start_threads(server, loop, options, &threads);
	if (!error) {
		tell_ready(options, &bound);
		error = loop_run(loop, stop_fd);
		if (error)
			fail("waiting for events failed", "epoll_wait", strerror(-error));
		tell_stopping(stop_fd, &stops);
	}
	thread_error = io_threads_stop(threads);
	metrics_http_stop(http);
	loop_free(loop);
	return error ? error : thread_error;
}

// Before memory is touched or a thread is started. The pool goes near the CPUs where they are all of one node.
static int place(struct options *options)
{
	char reason[256];
	int node;

	if (CPU_COUNT(&options->cpus) == 0)
		return 0;
	if (placement_pin(&options->cpus, reason)) {
		fprintf(stderr, "far-server: --cpu: %s\n", reason);
		return -EINVAL;
	}
	node = placement_find_node(PLACEMENT_NODES, &options->cpus);
	if (options->is_numa_auto && node >= 0) {
		options->server.pool.numa = POOL_NUMA_PREFER;
		options->server.pool.numa_node = node;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options;
	struct server *server;
	char reason[256];
	int error;

	options_parse(argc, argv, &options);
	log_set_level(options.log_level);
	descriptors_raise_limit();
	if (place(&options))
		return 1;
	error = server_open(&options.server, &server, reason);
	if (error) {
		fprintf(stderr, "far-server: cannot set up the pool: %llu MiB: %s\n",
		        (unsigned long long)(options.server.pool.length >> 20), reason[0] ? reason : strerror(-error));
		return 1;
	}
	log_info("far-server starts version=%s pool=%lluMiB backing=\"%s\" message_size=%u full=%s", FAR_VERSION,
	        (unsigned long long)(pool_length(server->pool) >> 20), pool_backing(server->pool), options.server.message_size,
	        server->eviction ? "evict" : "enospc");
	error = serve(server, &options);
	server_close(server);
	if (error)
		return 1;
	log_info("far-server stopped");
	return 0;
}
